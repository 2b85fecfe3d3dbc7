use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Account, Lab};

/// An answer to a GET.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// GET over plain http, with further header lines (each `name: value`).
pub fn get(host: &str, path: &str, headers: &[String]) -> std::io::Result<Page> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Ok(Page { status, head: head.to_owned(), body: body.to_owned() })
}

impl Page {
    /// A page of a service, through its load balancer, as soon as it satisfies `wanted`. Panics after `limit`.
    pub fn through_load_balancer(
        account: &Account,
        service: &str,
        path: &str,
        limit: Duration,
        wanted: impl Fn(&Page) -> bool,
    ) -> Page {
        let path = format!("/_alb/{service}{path}");
        let headers = [format!("Authorization: {}", account.authorization())];
        let begun = Instant::now();
        loop {
            let last = get(Lab::get().emulator(), &path, &headers);
            match last {
                Ok(page) if wanted(&page) => return page,
                other => assert!(begun.elapsed() < limit, "{path} after {limit:?}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
