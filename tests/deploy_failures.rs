//! What `shipit deploy`, and `shipit push` with a service, say and leave behind where something fails.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Lab, Shop};

#[test]
#[ignore = "needs the lab: run by make test"]
fn what_cannot_be_deployed_is_told_before_anything_is_sent_or_registered() {
    let shop = Shop::of(0);
    shop.build("one");
    for (settings, code, parts) in [
        ("[env.x.service]\nname = \"absent\"\n", 4, vec!["no active service 'absent'", "[service] name"]),
        ("[env.x.service]\ncluster = \"absent\"\n", 4, vec!["absent", "cluster"]),
        ("[env.x.service]\ncontainer = \"absent\"\n", 2, vec!["no container 'absent'", "it has shop"]),
        (
            "cpu = 512\n[env.x.service]\nmemory = \"8gb\"\n",
            2,
            vec!["service.cpu (shipit.toml:", "service.memory (shipit.toml:", "cpu 512 and memory 8192", "16384"],
        ),
    ] {
        shop.settings(settings);
        let failed = shop.run(&["push", "--env", "x"]);
        let told = failed.exits_with(code);
        for part in parts {
            assert!(told.contains(part), "{part:?} is missing in: {told}");
        }
        assert_eq!(failed.stdout, "");
        assert_eq!(shop.account.front().count("POST"), 0, "nothing is sent");
        assert_eq!(shop.changes(), 0);
    }
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_image_for_another_platform_is_told_before_anything_is_registered() {
    let shop = Shop::of(0);
    shop.build("one");
    shop.run(&["push", "--no-deploy"]).success();
    let mut task = shop.revision("shop")["taskDefinition"].clone();
    task["runtimePlatform"]["cpuArchitecture"] = "ARM64".into();
    let made = shop.account.call("ecs.RegisterTaskDefinition", &task);
    let update = serde_json::json!({
        "cluster": "c", "service": "shop", "taskDefinition": made["taskDefinition"]["taskDefinitionArn"],
    });
    shop.account.call("ecs.UpdateService", &update);
    let failed = shop.run(&["deploy"]);
    let told = failed.exits_with(2);
    assert!(told.contains("linux/amd64") && told.contains("linux/arm64"), "{told}");
    assert_eq!(shop.changes(), 0);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_application_that_crashes_at_its_start_is_rolled_back_and_told_with_its_last_words() {
    let shop = Shop::of(1);
    std::fs::copy(support::jar("hello"), shop.sandbox.dir().join("app.jar")).expect("the folder is ours");
    shop.sandbox.run(["build", "--jar", "app.jar", "--base", Lab::get().base()]).success();
    shop.run(&["push"]).success();
    let good = shop.service()["taskDefinition"].as_str().expect("an ARN").to_owned();
    let good = good.rsplit('/').next().expect("family:revision");

    shop.sandbox.write("app.jar", support::boot_jar("no class"));
    shop.sandbox.run(["build", "--jar", "app.jar", "--base", Lab::get().base()]).success();
    let failed = shop.run(&["push"]);
    let told = failed.exits_with(5);
    for part in ["was rolled back", &format!("The service runs {good} again"), "demo.App"] {
        assert!(told.contains(part), "{part:?} is missing in: {told}");
    }
    assert!(told.contains("exit code 1") || told.contains("exited with 1"), "{told}");
    assert_eq!(failed.stdout, "");
    assert!(shop.service()["taskDefinition"].as_str().is_some_and(|arn| arn.ends_with(good)));
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn an_image_that_cannot_be_pulled_is_told() {
    let shop = Shop::of(1);
    shop.build("one");
    shop.run(&["push", "--no-deploy"]).success();
    let failed = shop.run(&["deploy", "--ecr-image-host", "127.0.0.1:1"]);
    assert!(failed.exits_with(5).contains("CannotPullContainerError"), "{}", failed.stderr);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_deployment_that_takes_too_long_goes_on_without_being_watched() {
    let shop = Shop::of(1);
    shop.build("one");
    shop.run(&["push", "--no-deploy"]).success();
    let late = shop.run(&["deploy", "--timeout", "1s"]);
    let told = late.exits_with(6);
    assert!(told.contains("timed out") && told.contains("goes on rolling"), "{told}");
    assert_eq!(late.stdout, "");
    assert_eq!(shop.changes(), 2);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_signal_ends_the_watch_and_not_the_deployment() {
    for signal in ["-INT", "-TERM"] {
        let shop = Shop::of(1);
        shop.build("one");
        shop.run(&["push", "--no-deploy"]).success();
        let mut deploy = shop.sandbox.shipit();
        let child = deploy.arg("deploy").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let begun = Instant::now();
        while !shop.api.actions().iter().any(|asked| asked == "ecs.UpdateService") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never rolls");
            std::thread::sleep(Duration::from_millis(2));
        }
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{signal}: {told}");
        assert!(told.contains("interrupted") && told.contains("goes on rolling"), "{signal}: {told}");
        assert!(output.stdout.is_empty());
    }
}
