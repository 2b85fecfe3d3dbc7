//! Proxies: what goes through them, and what does not.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use support::{Account, Lab, Proxy, Registry, Run, Sandbox, boot_jar, push_base};

/// A proxy for https: it opens tunnels (RFC 9110, CONNECT). It runs for the rest of the process.
struct Tunnels {
    address: String,
    opened: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    fn start() -> Tunnels {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let opened = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&opened);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || tunnel(client, &log));
            }
        });
        Tunnels { address, opened }
    }

    fn opened(&self) -> Vec<String> {
        self.opened.lock().expect("no holder panics").clone()
    }
}

fn tunnel(client: TcpStream, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    log.lock().expect("no holder panics").push(target.clone());
    let server = TcpStream::connect(target).ok()?;
    let mut to_client = client.try_clone().ok()?;
    to_client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut from_server, mut to_server) = (server.try_clone().ok()?, server);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    std::io::copy(&mut reader, &mut to_server).ok()?;
    to_server.shutdown(Shutdown::Both).ok()
}

fn own_name() -> String {
    Run::of(&mut Command::new("hostname"), Duration::from_secs(5)).success().to_owned()
}

/// A sandbox in which an application was built, and the registry of its base.
fn built() -> (Sandbox, Registry) {
    let sandbox = Sandbox::new();
    let registry = Registry::start();
    let (base, _) = push_base(&sandbox, &registry.host());
    sandbox.write("shipit.toml", "");
    sandbox.write("app.jar", boot_jar("one"));
    sandbox.run(["build", "--jar", "app.jar", "--base", &base]).success();
    (sandbox, registry)
}

#[test]
#[ignore = "needs docker-registry, skopeo and openssl, and the machine's name in /etc/hosts: run by make test"]
fn https_goes_through_https_proxy_unless_no_proxy_names_the_host() {
    let (mut sandbox, _base) = built();
    let registry = Registry::tls_for(&own_name());
    let host = format!("{}:{}", own_name(), registry.port());
    let tunnels = Tunnels::start();
    sandbox.env("SSL_CERT_FILE", registry.authority()).env("HTTPS_PROXY", format!("http://{}", tunnels.address));
    let push = |sandbox: &Sandbox| sandbox.run(["push", "--repository", &format!("{host}/shop")]);
    push(&sandbox).success();
    let opened = tunnels.opened();
    assert!(!opened.is_empty() && opened.iter().all(|target| *target == host), "{opened:?}");

    sandbox.env("NO_PROXY", own_name());
    push(&sandbox).success();
    assert_eq!(tunnels.opened().len(), opened.len(), "NO_PROXY goes straight there");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn loopback_goes_through_http_proxy_too_unless_no_proxy_names_it() {
    let (mut sandbox, _base) = built();
    let registry = Registry::start();
    let proxy = Proxy::before(&registry.host()).start();
    sandbox.env("HTTP_PROXY", format!("http://{}", proxy.host())).env("NO_PROXY", "127.0.0.1");
    sandbox.run(["push", "--repository", &format!("{}/shop", registry.host())]).success();
    assert_eq!(proxy.seen(), []);
    sandbox.env("NO_PROXY", "");
    let elsewhere = sandbox.run(["push", "--repository", &format!("{}/shop", registry.host())]);
    elsewhere.success();
    assert!(proxy.seen().iter().all(|seen| seen.path.starts_with("http://127.0.0.1:")), "{:?}", proxy.seen());
    assert_ne!(proxy.seen(), []);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn aws_is_asked_through_the_proxy() {
    let (mut sandbox, _base) = built();
    let account = Account::fresh();
    let proxy = Proxy::before(Lab::get().emulator()).start();
    sandbox.aws(&account).env("AWS_ENDPOINT_URL", "http://aws.invalid:4566");
    sandbox.env("HTTP_PROXY", format!("http://{}", proxy.host())).env("NO_PROXY", "127.0.0.1");
    sandbox.run(["push", "--dry-run", "--repository", "shop"]).success();
    assert!(proxy.actions().contains(&"ecr.DescribeRepositories".to_owned()), "{:?}", proxy.seen());
}
