//! `shipit push` as a user runs it, where nothing fails.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Account, Lab, Proxy, Registry, Run, Sandbox, boot_jar, push_base};

const LIMIT: Duration = Duration::from_secs(60);

/// Builds an application on a base and gives the digest.
fn build(sandbox: &Sandbox, base: &str, text: &str) -> String {
    sandbox.write("app.jar", boot_jar(text));
    sandbox.run(["build", "--jar", "app.jar", "--base", base]).success().to_owned()
}

/// What skopeo tells of an image.
fn inspect(sandbox: &Sandbox, reference: &str) -> Value {
    let mut skopeo = sandbox.command("skopeo");
    skopeo.args(["inspect", "--tls-verify=false", &format!("docker://{reference}")]);
    serde_json::from_str(Run::of(&mut skopeo, LIMIT).success()).expect("skopeo prints JSON")
}

fn tag(sandbox: &Sandbox) -> String {
    let release = std::fs::read(sandbox.dir().join("target/shipit/release.json")).expect("it was built");
    let release: Value = serde_json::from_slice(&release).expect("it is JSON");
    release["tag"].as_str().expect("a release has a tag").to_owned()
}

fn uploads(proxy: &Proxy) -> Vec<u64> {
    let sent = proxy.seen().into_iter().filter(|seen| seen.path.contains("/blobs/uploads/"));
    sent.filter_map(|seen| seen.header("content-length")?.parse().ok()).filter(|length| *length > 0).collect()
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn the_first_push_sends_everything_the_second_nothing_and_a_change_its_layer_alone() {
    let registry = Registry::start();
    let proxy = Proxy::before(&registry.host()).start();
    let sandbox = Sandbox::new();
    sandbox.write("shipit.toml", format!("[registry]\nrepository = \"{}/shop\"\n", proxy.host()));
    let base_registry = Registry::start();
    let (base, base_layer) = push_base(&sandbox, &base_registry.host());
    let digest = build(&sandbox, &base, "one");

    let dry = sandbox.run(["push", "--dry-run"]);
    assert_eq!(dry.success(), format!("{}/shop@{digest}", proxy.host()));
    assert_eq!((proxy.count("POST"), proxy.count("PUT")), (0, 0), "a dry run changes nothing");

    let first = sandbox.run(["push"]);
    assert_eq!(first.success(), format!("{}/shop@{digest}", proxy.host()));
    assert_eq!(first.stdout.lines().count(), 1);
    assert!(first.stderr.contains("Pushed"), "{}", first.stderr);
    let found = inspect(&sandbox, &format!("{}/shop:{}", registry.host(), tag(&sandbox)));
    assert_eq!(found["Digest"], json!(digest));
    assert_eq!(found["Layers"][0], json!(base_layer));
    assert!(registry.blob(&base_layer).is_file());
    let hex = base_layer.trim_start_matches("sha256:");
    for folder in [sandbox.dir(), sandbox.cache()] {
        let mut find = sandbox.command("find");
        let kept = Run::of(find.arg(&folder).args(["-name", &format!("*{hex}*"), "-size", "+100k"]), LIMIT);
        assert_eq!(kept.success(), "", "the base's layer never touches this disk");
    }

    let before = proxy.seen().len();
    let again = sandbox.run(["push"]);
    assert_eq!(again.success(), first.success());
    assert!(again.stderr.contains("nothing: the registry has this image under this tag"), "{}", again.stderr);
    let later: Vec<_> = proxy.seen().split_off(before).into_iter().map(|seen| seen.method).collect();
    assert!(later.iter().all(|method| method == "HEAD" || method == "GET"), "{later:?}");

    let before = uploads(&proxy).len();
    let changed = build(&sandbox, &base, "two");
    assert_ne!(changed, digest);
    let third = sandbox.run(["push"]);
    third.success();
    let sent = uploads(&proxy).split_off(before);
    // The application's layer and the configuration.
    assert!(third.stderr.contains("in 2 blobs"), "{}", third.stderr);
    assert!(sent.iter().sum::<u64>() < 10_000, "{sent:?}");
}

#[test]
#[ignore = "needs docker-registry and skopeo: run by make test"]
fn json_is_one_object_to_a_line_and_the_last_is_the_result() {
    let registry = Registry::start();
    let sandbox = Sandbox::new();
    sandbox.write("shipit.toml", format!("[registry]\nrepository = \"{}/shop\"\n", registry.host()));
    let (base, _) = push_base(&sandbox, &registry.host());
    let digest = build(&sandbox, &base, "one");
    let pushed = sandbox.run(["push", "--json"]);
    let objects: Vec<Value> =
        pushed.success().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let result = objects.last().expect("there is a result");
    assert_eq!(result["digest"], json!(digest));
    assert_eq!(result["tag"], json!(tag(&sandbox)));
    // The base's layer is mounted from the base's repository: same registry.
    let sent = result["uploadedBytes"].as_u64().expect("a number");
    assert!(sent > 0 && sent < 20_000, "{sent}");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_ecr_repository_is_made_where_it_is_missing() {
    let account = Account::fresh();
    let mut sandbox = Sandbox::new();
    let api = Proxy::before(Lab::get().emulator()).start();
    sandbox.aws(&account).env("AWS_ENDPOINT_URL", format!("http://{}", api.host()));
    let file = format!("[registry]\nrepository = \"team/shop\"\necr-endpoint = \"{}\"\n", account.registry());
    sandbox.write("shipit.toml", file);
    let base_registry = Registry::start();
    let (base, _) = push_base(&sandbox, &base_registry.host());
    let digest = build(&sandbox, &base, "one");
    let host = format!("{}.dkr.ecr.{}.amazonaws.com", account.id(), Lab::get().region());

    let dry = sandbox.run(["push", "--dry-run"]);
    assert_eq!(dry.success(), format!("{host}/team/shop@{digest}"));
    assert!(dry.stderr.contains("Would create"), "{}", dry.stderr);
    assert!(!api.actions().contains(&"ecr.CreateRepository".to_owned()));

    let pushed = sandbox.run(["push", "-v"]);
    assert_eq!(pushed.success(), format!("{host}/team/shop@{digest}"));
    assert!(pushed.stderr.contains("Created"), "{}", pushed.stderr);
    assert!(pushed.stderr.matches(&format!("credentials for {host}")).count() <= 1, "{}", pushed.stderr);
    let found = account.call("ecr.DescribeRepositories", &json!({ "repositoryNames": ["team/shop"] }));
    let found = &found["repositories"][0];
    assert_eq!(found["imageTagMutability"], json!("IMMUTABLE"));
    assert_eq!(found["imageScanningConfiguration"]["scanOnPush"], json!(true));
    assert_eq!(found["encryptionConfiguration"]["encryptionType"], json!("AES256"));
    let pinned = inspect(&sandbox, &format!("{}/team/shop:{}", account.registry(), tag(&sandbox)));
    assert_eq!(pinned["Digest"], json!(digest));

    let again = sandbox.run(["push"]);
    again.success();
    assert!(!again.stderr.contains("Created"), "{}", again.stderr);
    let mut asked = api.actions();
    asked.sort();
    asked.dedup();
    let listed = ["ecr.CreateRepository", "ecr.DescribeRepositories", "ecr.GetAuthorizationToken"];
    assert!(asked.iter().all(|action| listed.contains(&&**action)), "docs/permissions.md lists {listed:?}: {asked:?}");
}
