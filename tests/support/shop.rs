use serde_json::{Value, json};

use super::{Account, Lab, Proxy, Registry, Run, Sandbox, boot_jar, push_base};

/// An ECS service `shop` in the cluster `c` of an account of its own, the project that is shipped to it, and a proxy
/// that sees each call to AWS.
pub struct Shop {
    pub account: Account,
    pub api: Proxy,
    pub sandbox: Sandbox,
    pub base: String,
    _registry: Registry,
}

impl Shop {
    /// A service of `count` tasks. With none, ECS completes a deployment at once and nothing has to start.
    pub fn of(count: u32) -> Shop {
        let account = Account::fresh();
        let api = Proxy::before(Lab::get().emulator()).start();
        let mut sandbox = Sandbox::new();
        sandbox.aws(&account).env("AWS_ENDPOINT_URL", format!("http://{}", api.host()));
        let registry = Registry::start();
        let (base, _) = push_base(&sandbox, &registry.host());
        account.service(&["repository", "--name", "shop"]);
        let image = format!("{}/shop:none", account.registry());
        let count = count.to_string();
        let service = ["create", "--cluster", "c", "--name", "shop", "--container", "shop"];
        account.service(&[&service[..], &["--image", &image, "--count", &count]].concat());
        let shop = Shop { account, api, sandbox, base, _registry: registry };
        shop.settings("");
        shop
    }

    /// Writes shipit.toml: where images go, the service, and further lines of `[service]` or of what follows it.
    pub fn settings(&self, further: &str) {
        let registry = self.account.registry();
        let text = format!(
            "[registry]\nrepository = \"shop\"\necr-endpoint = \"{registry}\"\necr-image-host = \"{registry}\"\n\
             [service]\ncluster = \"c\"\nname = \"shop\"\ntimeout = \"90s\"\n{further}"
        );
        self.sandbox.write("shipit.toml", text);
    }

    /// Builds an application that no JVM can start; gives the digest.
    pub fn build(&self, text: &str) -> String {
        self.sandbox.write("app.jar", boot_jar(text));
        self.sandbox.run(["build", "--jar", "app.jar", "--base", &self.base]).success().to_owned()
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.sandbox.run(arguments)
    }

    pub fn service(&self) -> Value {
        let answer = self.account.call("ecs.DescribeServices", &json!({ "cluster": "c", "services": ["shop"] }));
        answer["services"][0].clone()
    }

    /// A revision and its tags: `{"taskDefinition": …, "tags": …}`.
    pub fn revision(&self, name: &str) -> Value {
        self.account.call("ecs.DescribeTaskDefinition", &json!({ "taskDefinition": name, "include": ["TAGS"] }))
    }

    /// How often shipit asked AWS for something, `ecs.UpdateService` for example.
    pub fn asked(&self, action: &str) -> usize {
        self.api.actions().iter().filter(|asked| *asked == action).count()
    }

    /// How many revisions were registered and services updated.
    pub fn changes(&self) -> usize {
        self.asked("ecs.RegisterTaskDefinition") + self.asked("ecs.UpdateService")
    }
}
