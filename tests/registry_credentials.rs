//! How `shipit push` signs in to registries that are not ECR, and what it sends in plain http.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use support::{Registry, Run, Sandbox, Server, boot_jar, free_port, push_base};

/// base64 of `ada:secret`.
const ADA: &str = "YWRhOnNlY3JldA==";

/// A sandbox in which an application was built; the base's registry must stay while it is pushed.
fn built() -> (Sandbox, Registry) {
    let sandbox = Sandbox::new();
    let registry = Registry::start();
    let (base, _) = push_base(&sandbox, &registry.host());
    sandbox.write("shipit.toml", "");
    sandbox.write("app.jar", boot_jar("one"));
    sandbox.run(["build", "--jar", "app.jar", "--base", &base]).success();
    (sandbox, registry)
}

fn push(sandbox: &Sandbox, host: &str, further: &[&str]) -> Run {
    sandbox.run(["push", "-v", "--repository", &format!("{host}/shop")].iter().chain(further))
}

fn docker_config(sandbox: &Sandbox, content: &serde_json::Value) {
    let folder = sandbox.home().join(".docker");
    fs::create_dir_all(&folder).expect("the home is ours");
    fs::write(folder.join("config.json"), content.to_string()).expect("the home is ours");
}

/// A credential helper `docker-credential-NAME` on the PATH of the runs.
fn helper(sandbox: &mut Sandbox, name: &str, script: &str) {
    let folder = sandbox.home().join("bin");
    fs::create_dir_all(&folder).expect("the home is ours");
    let file = folder.join(format!("docker-credential-{name}"));
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("the home is ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("the home is ours");
    let path = std::env::var("PATH").expect("there is a PATH");
    sandbox.env("PATH", format!("{}:{path}", folder.display()));
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_password_from_docker_is_used_and_its_source_named_once() {
    let (sandbox, _base) = built();
    let registry = Registry::with_password("ada", "secret");
    docker_config(&sandbox, &json!({ "auths": { registry.host(): { "auth": ADA } } }));
    let pushed = push(&sandbox, &registry.host(), &[]);
    pushed.success();
    let source = format!("credentials for {}: ", registry.host());
    assert_eq!(pushed.stderr.matches(&source).count(), 1, "{}", pushed.stderr);
    assert!(pushed.stderr.contains(".docker/config.json"), "{}", pushed.stderr);
    assert!(!pushed.stderr.contains("secret") && !pushed.stderr.contains(ADA), "{}", pushed.stderr);
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn no_password_and_a_wrong_one_are_refusals_that_say_where_was_looked() {
    let (sandbox, _base) = built();
    let registry = Registry::with_password("ada", "secret");
    let none = push(&sandbox, &registry.host(), &[]);
    let told = none.exits_with(4);
    assert!(told.contains("asks for credentials, and there are none for it"), "{told}");
    assert!(told.contains(".docker/config.json"), "{told}");
    assert_eq!(none.stdout, "");

    // ada:wrong
    docker_config(&sandbox, &json!({ "auths": { registry.host(): { "auth": "YWRhOndyb25n" } } }));
    let wrong = push(&sandbox, &registry.host(), &[]);
    let told = wrong.exits_with(4);
    assert!(told.contains("answered 401") && told.contains("credentials"), "{told}");
    assert!(!told.contains("wrong"), "{told}");
    assert_eq!(wrong.stdout, "");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn credential_helpers_are_asked_for_the_host() {
    let (mut sandbox, _base) = built();
    let registry = Registry::with_password("ada", "secret");
    let script = "host=$(cat); [ \"$1 $host\" = \"get HOST\" ] && echo '{\"ServerURL\":\"\",\"Username\":\"ada\",\"Secret\":\"secret\"}'";
    helper(&mut sandbox, "shipit-test", &script.replace("HOST", &registry.host()));
    docker_config(&sandbox, &json!({ "credHelpers": { registry.host(): "shipit-test" } }));
    push(&sandbox, &registry.host(), &[]).success();
    docker_config(&sandbox, &json!({ "credsStore": "shipit-test" }));
    push(&sandbox, &registry.host(), &[]).success();
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn a_broken_helper_is_warned_of_and_the_next_source_tried() {
    let (mut sandbox, _base) = built();
    let registry = Registry::with_password("ada", "secret");
    helper(&mut sandbox, "shipit-broken", "echo 'it fell over' >&2; exit 3");
    let podman = sandbox.home().join("auth.json");
    fs::write(&podman, json!({ "credHelpers": { registry.host(): "shipit-broken" } }).to_string()).expect("ours");
    sandbox.env("REGISTRY_AUTH_FILE", &podman);
    docker_config(&sandbox, &json!({ "auths": { registry.host(): { "auth": ADA } } }));
    let pushed = push(&sandbox, &registry.host(), &[]);
    pushed.success();
    assert_eq!(pushed.stderr.matches("docker-credential-shipit-broken failed").count(), 1, "{}", pushed.stderr);
    assert!(pushed.stderr.contains("warning"), "{}", pushed.stderr);
}

/// A token server of a few lines: a token for everybody who has ada's password, signed by the key that the registry
/// trusts.
const TOKENS: &str = r#"
import base64, http.server, json, subprocess, sys, time, urllib.parse
port, root, log = int(sys.argv[1]), sys.argv[2], sys.argv[3]
certificate = "".join(open(root + "/token.pem").read().splitlines()[1:-1])
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open(log, "a").write(self.path + "\n")
        if self.headers.get("Authorization") != "Basic YWRhOnNlY3JldA==":
            self.send_response(401); self.end_headers(); return
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":", 2)
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        claims = {"iss": "test", "aud": query["service"][0], "sub": "ada", "exp": now + 300, "nbf": now - 60,
                  "iat": now, "jti": "1", "access": access}
        head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", root + "/token.key"],
                                   input=text.encode(), capture_output=True, check=True).stdout
        body = json.dumps({"token": text + "." + b64(signature), "expires_in": 300}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"#;

#[test]
#[ignore = "needs docker-registry, skopeo, openssl and Python: run by make test"]
fn a_bearer_token_is_fetched_with_the_password_and_kept() {
    let (sandbox, _base) = built();
    let keys = sandbox.home().join("keys");
    fs::create_dir_all(&keys).expect("the home is ours");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]);
    openssl.args(["-keyout", "token.key", "-out", "token.pem"]).current_dir(&keys);
    Run::of(&mut openssl, Duration::from_secs(30)).success();
    fs::write(keys.join("tokens.py"), TOKENS).expect("the home is ours");
    let (port, log) = (free_port(), keys.join("log"));
    let mut python = Command::new("python3");
    python.arg(keys.join("tokens.py")).arg(port.to_string()).arg(&keys).arg(&log);
    let _tokens = Server::start(&mut python, ([127, 0, 0, 1], port));
    let registry = Registry::with_tokens(&format!("http://127.0.0.1:{port}/token"), &keys.join("token.pem"));

    let none = push(&sandbox, &registry.host(), &[]);
    assert!(none.exits_with(4).contains("answered 401 to the request for a bearer token"), "{}", none.stderr);

    docker_config(&sandbox, &json!({ "auths": { registry.host(): { "auth": ADA } } }));
    fs::write(&log, "").expect("the home is ours");
    push(&sandbox, &registry.host(), &[]).success();
    let asked = fs::read_to_string(&log).expect("it was asked");
    assert_eq!(asked.lines().count(), 1, "one token for the whole push: {asked}");
    assert!(asked.contains("shop%3Apull%2Cpush"), "{asked}");
}

/// A name of this machine that is not taken for loopback and yet leads there: what `hostname` says.
fn own_name() -> String {
    Run::of(&mut Command::new("hostname"), Duration::from_secs(5)).success().to_owned()
}

#[test]
#[ignore = "needs docker-registry and skopeo, and the machine's name in /etc/hosts: run by make test"]
fn plain_http_is_for_loopback_and_for_hosts_that_are_named() {
    let (sandbox, _base) = built();
    let registry = Registry::named(&own_name());
    let host = format!("{}:{}", own_name(), registry.port());
    let refused = push(&sandbox, &host, &[]);
    refused.exits_with(4);
    assert_eq!(refused.stdout, "");
    push(&sandbox, &host, &["--insecure", &own_name()]).success();
    push(&sandbox, &host, &["--insecure", &host]).success();
}

#[test]
#[ignore = "needs docker-registry, skopeo and openssl, and the machine's name in /etc/hosts: run by make test"]
fn a_registry_with_an_authority_of_its_own_needs_ssl_cert_file() {
    let (mut sandbox, _base) = built();
    let registry = Registry::tls_for(&own_name());
    let host = format!("{}:{}", own_name(), registry.port());
    let unknown = push(&sandbox, &host, &[]);
    let told = unknown.exits_with(4).to_lowercase();
    assert!(told.contains("certificate") || told.contains("issuer"), "{told}");
    sandbox.env("SSL_CERT_FILE", registry.authority());
    push(&sandbox, &host, &[]).success();
}
