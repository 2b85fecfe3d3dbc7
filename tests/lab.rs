//! The lab itself: what the other tests stand on.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::{Account, Fault, Lab, Page, Project, Proxy, Registry, Run, Sandbox, get, jar};

/// A server that says `hello` to everybody, for the rest of the process.
fn hello() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("loopback delivers");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    address
}

#[test]
fn a_proxy_answers_503_twice_and_then_passes_requests_on() {
    let proxy = Proxy::before(&hello())
        .with_faults(|seen| if seen.number < 2 { Fault::Status(503) } else { Fault::None })
        .start();
    let statuses: Vec<u16> = (0..3).map(|_| get(&proxy.host(), "/a?b", &[]).unwrap().status).collect();
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(proxy.count("GET"), 3);
    assert_eq!(proxy.seen()[2].path, "/a?b");
}

#[test]
fn a_proxy_cuts_an_answer_short() {
    let proxy = Proxy::before(&hello()).with_faults(|_| Fault::CutAnswer(20)).start();
    let page = get(&proxy.host(), "/", &[]).unwrap();
    assert!(page.head.len() + page.body.len() <= 20, "{page:?}");
}

#[test]
fn a_sandbox_sets_only_what_a_test_says() {
    let mut sandbox = Sandbox::new();
    sandbox.env("GREETING", "hello");
    let environment = Run::of(&mut sandbox.command("env"), Duration::from_secs(10));
    let names: Vec<&str> = environment.success().lines().filter_map(|line| line.split('=').next()).collect();
    assert!(names.contains(&"GREETING"));
    assert!(!names.contains(&"SHIPIT_LAB") && !names.contains(&"CARGO"));
}

#[test]
#[ignore = "needs docker-registry and openssl: run by make test"]
fn a_registry_wants_its_password_and_shows_its_certificate() {
    let plain = Registry::with_password("ada", "secret");
    let ping = |credentials: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}"]).args(credentials);
        Run::of(curl.arg(format!("http://{}/v2/", plain.host())), Duration::from_secs(10)).stdout
    };
    assert_eq!(ping(&[]), "401");
    assert_eq!(ping(&["-u", "ada:secret"]), "200");

    let tls = Registry::tls();
    let mut curl = Command::new("curl");
    curl.args(["-sf", "--cacert"]).arg(tls.authority()).arg(format!("https://{}/v2/", tls.host()));
    Run::of(&mut curl, Duration::from_secs(10)).success();
}

#[test]
#[ignore = "needs Maven: run by make test"]
fn a_fixture_has_a_wrapper_and_one_commit() {
    let sandbox = Sandbox::new();
    let project = Project::of("hello", &sandbox.dir());
    assert!(project.dir().join("mvnw").is_file());
    let mut git = sandbox.command("git");
    git.arg("-C").arg(project.dir()).args(["log", "--format=%s"]);
    assert_eq!(Run::of(&mut git, Duration::from_secs(10)).success(), "Open the hello");
    assert!(jar("hello").is_file());
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn accounts_have_registries_of_their_own_and_their_services_answer() {
    let lab = Lab::get();
    let (ours, other) = (Account::fresh(), Account::fresh());
    let sandbox = Sandbox::new();
    let limit = Duration::from_secs(120);

    // An image of the fixture, made without the program under test.
    std::fs::copy(jar("hello"), sandbox.dir().join("application.jar")).unwrap();
    let layout = format!("oci:{}:17", lab.base_layout().display());
    let script = format!(
        "skopeo copy -q {layout} oci:image:1 && umoci insert --rootless --image image:1 application.jar /application.jar && \
         umoci config --image image:1 --config.entrypoint java --config.entrypoint -jar \
         --config.entrypoint /application.jar"
    );
    Run::of(sandbox.command("sh").args(["-c", &script]), limit).success();

    let target = format!("{}/hello:1", ours.registry());
    let push = |target: &str| {
        let mut skopeo = sandbox.command("skopeo");
        skopeo.args(["copy", "-q", "--dest-tls-verify=false", "oci:image:1", &format!("docker://{target}")]);
        Run::of(&mut skopeo, limit)
    };
    ours.service(&["repository", "--name", "hello"]);
    push(&target).success();
    assert_ne!(
        push(&format!("{}/hello:1", other.registry())).code,
        Some(0),
        "the other account has no such repository"
    );

    ours.service(&["create", "--cluster", "c", "--name", "hello", "--container", "hello", "--image", &target]);
    let page = Page::through_load_balancer(&ours, "hello", "/", limit, |page| page.status == 200);
    assert_eq!(page.body, "hello 1");
    ours.service(&["wait", "--cluster", "c", "--name", "hello"]);
}
