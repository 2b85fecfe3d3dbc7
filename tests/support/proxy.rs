use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request that a proxy saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// How many requests came before this one.
    pub number: usize,
    /// The header lines.
    pub head: String,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The AWS action that it asks for: `ecs.UpdateService`.
    pub fn action(&self) -> Option<String> {
        let (service, action) = self.header("x-amz-target")?.split_once('.')?;
        let services = [("ContainerRegistry", "ecr"), ("ContainerService", "ecs"), ("Logs", "logs")];
        let (_, service) = services.into_iter().find(|(part, _)| service.contains(part))?;
        Some(format!("{service}.{action}"))
    }
}

/// What a proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Hands it on.
    None,
    /// Answers with this status and an empty body, without asking the server.
    Status(u16),
    /// Never answers.
    Hang,
    /// Hands on so many bytes of the request's body, then drops the connection.
    CutRequest(usize),
    /// Hands on so many bytes of the answer, its head included, then drops the connection.
    CutAnswer(usize),
}

type Rule = Box<dyn Fn(&Seen) -> Fault + Send + Sync>;

/// An http proxy before one server, for faults that real servers do not have on demand. It handles one request per
/// connection and lets the server say so. Stopped when dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    host: Option<String>,
    rule: Rule,
    seen: Mutex<Vec<Seen>>,
    stopped: AtomicBool,
}

/// A proxy that does not run yet.
pub struct Plan {
    upstream: String,
    host: Option<String>,
    rule: Rule,
}

impl Plan {
    /// Says this name in the Host header to the server.
    pub fn naming_host(mut self, host: &str) -> Plan {
        self.host = Some(host.to_owned());
        self
    }

    /// Asks for each request what to do with it.
    pub fn with_faults(mut self, rule: impl Fn(&Seen) -> Fault + Send + Sync + 'static) -> Plan {
        self.rule = Box::new(rule);
        self
    }

    pub fn start(self) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            upstream: self.upstream,
            host: self.host,
            rule: self.rule,
            seen: Mutex::new(Vec::new()),
            stopped: AtomicBool::new(false),
        });
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if of_listener.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&of_listener);
                if let Ok(client) = client {
                    thread::spawn(move || shared.serve(client));
                }
            }
        });
        Proxy { address, shared }
    }
}

impl Proxy {
    /// A proxy before `host:port`, which speaks plain http.
    pub fn before(upstream: &str) -> Plan {
        Plan { upstream: upstream.to_owned(), host: None, rule: Box::new(|_| Fault::None) }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().expect("no holder panics").clone()
    }

    /// The AWS actions that were asked for so far, oldest first.
    pub fn actions(&self) -> Vec<String> {
        self.seen().iter().filter_map(Seen::action).collect()
    }

    /// How many requests of a method came so far.
    pub fn count(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method == method).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> Option<()> {
        let (head, rest) = read_head(&mut client).ok()?;
        let seen = self.note(&head)?;
        match (self.rule)(&seen) {
            Fault::None => self.pass(client, &head, rest, None, None),
            Fault::CutRequest(bytes) => self.pass(client, &head, rest, Some(bytes), None),
            Fault::CutAnswer(bytes) => self.pass(client, &head, rest, None, Some(bytes)),
            Fault::Status(status) => {
                let answer = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                client.write_all(answer.as_bytes()).ok()?;
                client.shutdown(Shutdown::Write).ok()?;
                // Takes in what the client still sends: closing before would reset the connection.
                io::copy(&mut client, &mut io::sink()).ok()?;
                Some(())
            }
            Fault::Hang => {
                while !self.stopped.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(50));
                }
                None
            }
        }
    }

    fn note(&self, head: &str) -> Option<Seen> {
        let mut words = head.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut all = self.seen.lock().expect("no holder panics");
        let seen = Seen { method, path, number: all.len(), head: head.to_owned() };
        all.push(seen.clone());
        Some(seen)
    }

    fn pass(
        &self,
        client: TcpStream,
        head: &str,
        rest: Vec<u8>,
        request_limit: Option<usize>,
        answer_limit: Option<usize>,
    ) -> Option<()> {
        let mut server = TcpStream::connect(&self.upstream).ok()?;
        server.write_all(self.rewrite(head).as_bytes()).ok()?;

        let (mut from_client, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
        let up = thread::spawn(move || {
            let body = rest.as_slice().chain(&mut from_client);
            if copy(body, &mut to_server, request_limit) {
                // The rest of the request is cut off: so are both sides.
                let _ = to_server.shutdown(Shutdown::Both);
                let _ = from_client.shutdown(Shutdown::Both);
            }
        });
        let mut to_client = client.try_clone().ok()?;
        copy(&mut server, &mut to_client, answer_limit);
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        up.join().ok()
    }

    /// The head for the server: one request per connection, and the Host that was asked for.
    fn rewrite(&self, head: &str) -> String {
        let mut lines = Vec::new();
        for line in head.trim_end().split("\r\n") {
            let name = line.split(':').next().unwrap_or_default();
            if name.eq_ignore_ascii_case("connection") {
                continue;
            }
            match &self.host {
                Some(host) if name.eq_ignore_ascii_case("host") => lines.push(format!("Host: {host}")),
                _ => lines.push(line.to_owned()),
            }
        }
        lines.push("Connection: close".to_owned());
        lines.join("\r\n") + "\r\n\r\n"
    }
}

/// Reads up to the empty line; gives the head, and what came of the body.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 || bytes.len() > 1 << 20 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
        if !bytes[0].is_ascii_uppercase() {
            // A client that tries TLS first waits for a refusal.
            return Err(io::ErrorKind::InvalidData.into());
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
    }
}

/// Copies until the end or the limit; true when the limit came first.
fn copy(mut from: impl Read, to: &mut TcpStream, limit: Option<usize>) -> bool {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let wanted = left.min(buffer.len());
        match from.read(&mut buffer[..wanted]) {
            Ok(count) if count > 0 && to.write_all(&buffer[..count]).is_ok() => left -= count,
            _ => return false,
        }
    }
    limit.is_some()
}
