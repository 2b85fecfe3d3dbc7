use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{Lab, Proxy};

/// An account of the emulated AWS that no other test uses: its repositories, clusters and services are its own.
///
/// The emulator takes a 12-digit access key id for the account. A registry request carries no key, so each account has
/// a small proxy in front of its registry that names the account in the Host header, as real ECR hosts do.
pub struct Account {
    id: String,
    front: Proxy,
}

impl Account {
    pub fn fresh() -> Account {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let lab = Lab::get();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_micros();
        // Pid and time tell binaries that run at once apart, the count the tests of one binary.
        let number = (u128::from(std::process::id()) * 7_919 + now) % 1_000_000_000;
        let id = format!("{}{number:09}", 100 + COUNT.fetch_add(1, Ordering::Relaxed) % 900);
        let host = format!("{id}.dkr.ecr.{}.amazonaws.com", lab.region());
        let front = Proxy::before(lab.emulator()).naming_host(&host).start();
        Account { id, front }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// `127.0.0.1:PORT` of this account's registry, for the settings ecr-endpoint and ecr-image-host: the container
    /// engine pulls from it, too.
    pub fn registry(&self) -> String {
        self.front.host()
    }

    /// The requests that reached this account's registry.
    pub fn front(&self) -> &Proxy {
        &self.front
    }

    /// What the AWS SDK reads.
    pub fn env(&self) -> [(&'static str, String); 5] {
        let lab = Lab::get();
        [
            ("AWS_ENDPOINT_URL", lab.endpoint_url().to_owned()),
            ("AWS_ACCESS_KEY_ID", self.id.clone()),
            ("AWS_SECRET_ACCESS_KEY", "lab".to_owned()),
            ("AWS_REGION", lab.region().to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Calls AWS the way a looker-on would: `call("ecs.DescribeServices", …)`. Panics where AWS refuses.
    pub fn call(&self, action: &str, body: &Value) -> Value {
        let (service, name) = action.split_once('.').expect("service.Action");
        let (target, version) = match service {
            "ecr" => ("AmazonEC2ContainerRegistry_V20150921", "1.1"),
            "ecs" => ("AmazonEC2ContainerServiceV20141113", "1.1"),
            "logs" => ("Logs_20140328", "1.1"),
            other => panic!("no test calls {other}"),
        };
        let body = body.to_string();
        let scope = format!("{}/20260101/{}/{service}/aws4_request", self.id, Lab::get().region());
        let text = format!(
            "POST / HTTP/1.0\r\nHost: {}\r\nX-Amz-Target: {target}.{name}\r\nContent-Type: application/x-amz-json-{version}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\
             Content-Length: {}\r\n\r\n{body}",
            Lab::get().emulator(),
            body.len()
        );
        let mut stream = TcpStream::connect(Lab::get().emulator()).expect("the emulator answers");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a legal time");
        stream.write_all(text.as_bytes()).expect("the emulator listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the emulator answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.contains(" 200"), "{action}: {answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{action}: {error}: {answer}"))
    }

    /// Runs `lab/service ARGUMENTS` in this account; gives what it prints.
    pub fn service(&self, arguments: &[&str]) -> String {
        let output = Lab::get().script("service").args(arguments).envs(self.env()).output().expect("lab/service runs");
        assert!(output.status.success(), "lab/service: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("JSON is UTF-8")
    }

    /// The Authorization header that tells the emulator whose load balancer a request is for.
    pub fn authorization(&self) -> String {
        let scope = format!("{}/20260101/{}/elasticloadbalancing/aws4_request", self.id, Lab::get().region());
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0")
    }
}
