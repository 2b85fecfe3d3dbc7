//! A registry that misbehaves on demand: each request is answered by a closure. HTTP/1.1, one thread per connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came, its body read whole.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
    }
}

pub enum Answer {
    /// Status, headers, body.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// A Content-Length that is larger than what follows.
    Short(u64, Vec<u8>),
    Hang,
    Reset,
}

pub fn status(code: u16) -> Answer {
    Answer::Http(code, Vec::new(), Vec::new())
}

pub fn error(code: u16, name: &str, message: &str) -> Answer {
    let body = format!(r#"{{"errors":[{{"code":"{name}","message":"{message}"}}]}}"#);
    Answer::Http(code, Vec::new(), body.into_bytes())
}

pub struct FakeRegistry {
    pub host: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeRegistry {
    /// Starts; `answer` gets each request and how many like it (method and path) came before.
    pub fn start(answer: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, &*answer, &log));
            }
        });
        FakeRegistry { host, seen }
    }

    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }
}

fn serve(stream: TcpStream, answer: &(dyn Fn(&Seen, usize) -> Answer + Sync), log: &Mutex<Vec<Seen>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut seen = Seen { method, path, headers, body: Vec::new() };
        let length: u64 = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let whole =
            reader.by_ref().take(length).read_to_end(&mut seen.body).is_ok() && seen.body.len() as u64 == length;
        let before = {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|old| old.method == seen.method && old.path == seen.path).count();
            log.push(seen.clone());
            before
        };
        if !whole {
            return None;
        }
        match answer(&seen, before) {
            Answer::Http(code, headers, body) => {
                let mut head = format!("HTTP/1.1 {code} x\r\n");
                if !headers.iter().any(|(name, _)| *name == "content-length") {
                    head += &format!("content-length: {}\r\n", body.len());
                }
                headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
                stream.write_all((head + "\r\n").as_bytes()).ok()?;
                if seen.method != "HEAD" {
                    stream.write_all(&body).ok()?;
                }
            }
            Answer::Short(length, body) => {
                stream.write_all(format!("HTTP/1.1 200 x\r\ncontent-length: {length}\r\n\r\n").as_bytes()).ok()?;
                stream.write_all(&body).ok()?;
                return None;
            }
            Answer::Hang => std::thread::sleep(std::time::Duration::from_secs(3)),
            Answer::Reset => return None,
        }
    }
}
