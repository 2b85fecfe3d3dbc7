use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Server, free_port};

/// A registry of a test's own: Debian's docker-registry on a free port, strict about missing blobs. Its images live in
/// a temporary folder. Stopped when dropped.
pub struct Registry {
    _server: Server,
    root: tempfile::TempDir,
    address: IpAddr,
    port: u16,
}

/// The address of loopback that a name of this machine leads to.
fn loopback(name: &str) -> IpAddr {
    let mut found = (name, 0).to_socket_addrs().unwrap_or_else(|error| panic!("{name} has no address: {error}"));
    found.find(|address| address.is_ipv4() && address.ip().is_loopback()).expect("/etc/hosts leads it to loopback").ip()
}

impl Registry {
    /// Plain http, no password.
    pub fn start() -> Registry {
        Registry::with("", |_| {})
    }

    /// Plain http, Basic authentication.
    pub fn with_password(user: &str, password: &str) -> Registry {
        let settings = "auth: { htpasswd: { realm: test, path: ROOT/htpasswd } }\n";
        Registry::with(settings, |root| {
            let output = Command::new("htpasswd")
                .args(["-Bbn", "-C", "4", user, password])
                .output()
                .expect("htpasswd is installed by lab/install");
            assert!(output.status.success(), "htpasswd failed");
            fs::write(root.join("htpasswd"), output.stdout).expect("the folder is ours");
        })
    }

    /// https with a certificate for 127.0.0.1 and localhost, signed by an authority of its own: see
    /// [`Registry::authority`].
    pub fn tls() -> Registry {
        Registry::tls_for("localhost")
    }

    /// The same at the address of another name of this machine, and with a certificate for that name too.
    pub fn tls_for(name: &str) -> Registry {
        Registry::at("", loopback(name), |root| {
            let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                 -keyout ca.key -out ca.pem -subj '/CN=authority of a test' && \
                 openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                 -keyout server.key -out server.csr -subj /CN=localhost && \
                 printf 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:NAME\\nbasicConstraints=CA:FALSE\\n' > extensions && \
                 openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile extensions -out server.pem";
            let script = script.replace("NAME", name);
            let output = Command::new("sh").arg("-c").arg(script).current_dir(root).output().expect("sh is there");
            assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        })
    }

    /// Plain http, bearer tokens from `realm`, signed by the key of a certificate (PEM).
    pub fn with_tokens(realm: &str, certificate: &Path) -> Registry {
        let settings = format!(
            "auth: {{ token: {{ realm: {realm}, service: test, issuer: test, rootcertbundle: {} }} }}\n",
            certificate.display()
        );
        Registry::with(&settings, |_| {})
    }

    /// Plain http, no password, at the address of a name of this machine.
    pub fn named(name: &str) -> Registry {
        Registry::at("", loopback(name), |_| {})
    }

    fn with(settings: &str, prepare: impl FnOnce(&Path)) -> Registry {
        Registry::at(settings, IpAddr::V4(Ipv4Addr::LOCALHOST), prepare)
    }

    fn at(settings: &str, address: IpAddr, prepare: impl FnOnce(&Path)) -> Registry {
        let root = tempfile::Builder::new().prefix("shipit-registry.").tempdir().expect("a temporary folder");
        prepare(root.path());
        let port = free_port();
        let at = root.path().display();
        let tls = if root.path().join("server.pem").exists() {
            format!(", tls: {{ certificate: {at}/server.pem, key: {at}/server.key }}")
        } else {
            String::new()
        };
        let file = root.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{ level: error }}\n\
             storage: {{ filesystem: {{ rootdirectory: {at}/images }}, delete: {{ enabled: true }} }}\n\
             http: {{ addr: \"{address}:{port}\"{tls} }}\n{}",
            settings.replace("ROOT", &at.to_string())
        );
        fs::write(&file, text).expect("the folder is ours");
        let server =
            Server::start(Command::new("docker-registry").arg("serve").arg(&file), SocketAddr::new(address, port));
        Registry { _server: server, root, address, port }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority (PEM) of a registry with TLS, for SSL_CERT_FILE.
    pub fn authority(&self) -> PathBuf {
        self.root.path().join("ca.pem")
    }

    /// The file that holds a blob (`sha256:…`), to look at it or to spoil it.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        self.root.path().join("images/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }
}
