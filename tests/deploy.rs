//! `shipit deploy`, and `shipit push` with a service, where nothing fails.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Lab, Page, Shop, jar};

fn release(shop: &Shop) -> Value {
    let text = std::fs::read(shop.sandbox.dir().join("target/shipit/release.json")).expect("it was built");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// Puts a revision in place that has more than shipit knows of, and makes the service run it.
fn enrich(shop: &Shop) -> Value {
    let mut task = shop.revision("shop")["taskDefinition"].clone();
    for key in [
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
    ] {
        task.as_object_mut().expect("an object").remove(key);
    }
    task["taskRoleArn"] = json!("arn:aws:iam::000000000000:role/shop");
    task["volumes"] = json!([{ "name": "scratch" }]);
    task["containerDefinitions"][0]["ulimits"] = json!([{ "name": "nofile", "softLimit": 1, "hardLimit": 2 }]);
    task["containerDefinitions"][0]["environment"] = json!([{ "name": "A", "value": "1" }]);
    let sidecar = json!({ "name": "sidecar", "image": "sidecar:1", "essential": false, "environment": [] });
    task["containerDefinitions"].as_array_mut().expect("a list").push(sidecar);
    task["tags"] = json!([{ "key": "team", "value": "blue" }]);
    let made = shop.account.call("ecs.RegisterTaskDefinition", &task);
    let arn = &made["taskDefinition"]["taskDefinitionArn"];
    shop.account.call("ecs.UpdateService", &json!({ "cluster": "c", "service": "shop", "taskDefinition": arn }));
    made["taskDefinition"].clone()
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_revision_is_the_current_one_with_what_is_set_laid_over_it() {
    let shop = Shop::of(0);
    let before = enrich(&shop);
    let service_before = shop.service();
    shop.settings("container = \"shop\"\nmemory = \"2gb\"\n[service.env]\nB = \"2\"\n");
    let digest = shop.build("one");
    let pushed = shop.run(&["push"]);
    assert!(pushed.success().ends_with(&format!(".amazonaws.com/shop@{digest}")), "{}", pushed.stdout);
    assert_eq!(pushed.stdout.lines().count(), 1);
    assert_eq!((shop.asked("ecs.RegisterTaskDefinition"), shop.asked("ecs.UpdateService")), (1, 1));

    let service = shop.service();
    let revision = shop.revision(service["taskDefinition"].as_str().expect("an ARN"));
    let task = &revision["taskDefinition"];
    assert_eq!(task["revision"].as_u64(), before["revision"].as_u64().map(|revision| revision + 1));
    assert_eq!(task["memory"], json!("2048"));
    for key in ["cpu", "taskRoleArn", "volumes", "networkMode", "executionRoleArn", "runtimePlatform"] {
        assert_eq!(task[key], before[key], "{key}");
    }
    let (own, old) = (&task["containerDefinitions"][0], &before["containerDefinitions"][0]);
    assert_eq!(own["image"], json!(format!("{}/shop@{digest}", shop.account.registry())));
    assert_eq!(own["environment"], json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }]));
    for key in ["ulimits", "logConfiguration", "portMappings"] {
        assert_eq!(own[key], old[key], "{key}");
    }
    assert_eq!(task["containerDefinitions"][1], before["containerDefinitions"][1]);
    let tags = revision["tags"].as_array().expect("tags");
    let tag = |key: &str| tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].clone());
    assert_eq!(tag("shipit:tag"), Some(release(&shop)["tag"].clone()));
    assert!(tag("shipit:built-at").is_some() && tag("team") == Some(json!("blue")), "{tags:?}");
    for key in ["desiredCount", "deploymentConfiguration", "healthCheckGracePeriodSeconds", "loadBalancers"] {
        assert_eq!(service[key], service_before[key], "{key}");
    }

    let again = shop.run(&["push"]);
    assert_eq!(again.success(), pushed.success());
    assert!(again.stderr.contains("Unchanged"), "{}", again.stderr);
    assert_eq!(shop.changes(), 2, "nothing is registered or rolled again");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_image_is_deployed_by_release_tag_digest_and_reference() {
    let shop = Shop::of(0);
    let first = shop.build("one");
    let tag = release(&shop)["tag"].as_str().expect("a tag").to_owned();
    let early = shop.run(&["deploy"]);
    assert!(early.exits_with(2).contains("run 'shipit push'"), "{}", early.stderr);
    assert_eq!(early.stdout, "");
    let pushed = shop.run(&["push", "--no-deploy"]);
    let reference = pushed.success().to_owned();
    assert_eq!(shop.changes(), 0, "--no-deploy deploys nothing");

    let dry = shop.run(&["deploy", "--dry-run"]);
    dry.success();
    assert!(dry.stderr.contains("Would roll"), "{}", dry.stderr);
    assert_eq!(shop.changes(), 0, "a dry run changes nothing");

    let runs = |arn: &str, digest: &str| {
        assert!(arn.starts_with("arn:aws:ecs:") && arn.contains(":task-definition/shop:"), "{arn}");
        assert_eq!(shop.service()["taskDefinition"], json!(arn));
        let revision = shop.revision(arn);
        let image = revision["taskDefinition"]["containerDefinitions"][0]["image"].as_str().expect("an image");
        assert!(image.ends_with(&format!("/shop@{digest}")), "{image}");
    };
    runs(shop.run(&["deploy"]).success(), &first);
    let second = shop.build("two");
    shop.run(&["push"]).success();
    runs(shop.run(&["deploy", &tag]).success(), &first);
    runs(shop.run(&["deploy", &second]).success(), &second);
    runs(shop.run(&["deploy", &reference]).success(), &first);
    let json = shop.run(&["deploy", &second, "--json"]);
    let objects: Vec<Value> =
        json.success().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    runs(objects.last().expect("a result")["taskDefinition"].as_str().expect("an ARN"), &second);

    let missing = shop.run(&["deploy", "no-such-tag"]);
    missing.exits_with(4);
    assert_eq!(missing.stdout, "");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_environment_has_a_service_of_its_own() {
    let shop = Shop::of(0);
    shop.settings("[env.staging.service]\nname = \"elsewhere\"\n");
    shop.build("one");
    shop.run(&["push"]).success();
    let staging = shop.run(&["deploy", "--env", "staging"]);
    assert!(staging.exits_with(4).contains("elsewhere"), "{}", staging.stderr);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_service_is_rolled_and_answers_and_only_actions_in_the_documentation_are_asked_for() {
    let shop = Shop::of(1);
    std::fs::copy(jar("hello"), shop.sandbox.dir().join("app.jar")).expect("the folder is ours");
    shop.sandbox.run(["build", "--jar", "app.jar", "--base", Lab::get().base()]).success();
    let pushed = shop.run(&["push"]);
    pushed.success();
    assert!(pushed.stderr.contains("Live"), "{}", pushed.stderr);
    Page::through_load_balancer(&shop.account, "shop", "/", Duration::from_secs(60), |page| page.status == 200);

    // One task, all of it healthy, and no room for another one.
    let before = shop.changes();
    shop.settings("minimum-healthy-percent = 100\nmaximum-percent = 100\n");
    let stuck = shop.run(&["deploy"]);
    assert!(stuck.exits_with(2).contains("--force"), "{}", stuck.stderr);
    assert_eq!(shop.changes(), before);
    let forced = shop.run(&["deploy", "--force", "--dry-run"]);
    forced.success();

    let permissions = include_str!("../docs/permissions.md");
    let mut asked = shop.api.actions();
    asked.sort();
    asked.dedup();
    for action in asked {
        let action = action.replace('.', ":");
        assert!(permissions.contains(&format!("\"{action}\"")), "docs/permissions.md does not list {action}");
    }
}
