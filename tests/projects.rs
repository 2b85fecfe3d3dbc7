//! Kinds of projects, built by their own tools.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Lab, Project, Run, Sandbox, free_port, get};

/// Gradle's downloads are kept between runs, as Maven's are.
fn with_gradle(sandbox: &mut Sandbox) {
    sandbox.env("GRADLE_USER_HOME", concat!(env!("CARGO_MANIFEST_DIR"), "/.lab/gradle"));
}

/// The files of the image's application, unpacked by umoci into `bundle` of the working directory.
fn unpacked(sandbox: &Sandbox, layout: &Path) -> std::path::PathBuf {
    let index = fs::read_to_string(layout.join("index.json")).expect("an image layout");
    let (_, rest) = index.split_once("org.opencontainers.image.ref.name\":\"").expect("the index names its image");
    let tag = rest.split_once('"').expect("it is a string").0;
    let bundle = sandbox.dir().join("bundle");
    let mut umoci = sandbox.command("umoci");
    umoci.args(["unpack", "--rootless", "--image"]).arg(format!("{}:{tag}", layout.display())).arg(&bundle);
    Run::of(&mut umoci, Duration::from_secs(60)).success();
    bundle.join("rootfs/app")
}

/// What the application answers at `/`, started from its directory by this machine's Java.
fn answer(sandbox: &Sandbox, application: &Path) -> String {
    let port = free_port();
    let mut java = sandbox.command("java");
    java.current_dir(application).args(["-XX:TieredStopAtLevel=1", "-jar", "application.jar"]);
    let server = support::Server::start(java.env("SERVER_PORT", port.to_string()), port);
    let page = get(&format!("127.0.0.1:{port}"), "/", &[]).expect("the application answers");
    drop(server);
    page.body
}

#[test]
fn a_build_explains_itself_and_does_nothing() {
    let sandbox = Sandbox::new();
    let pom = "<project><artifactId>shop</artifactId><version>1</version><build><plugins><plugin>\
               <artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>";
    sandbox.write("pom.xml", pom);
    sandbox.write("mvnw", "touch ran\n");
    sandbox.write(".mvn/wrapper/maven-wrapper.properties", "");
    let told = sandbox.run(["build", "--explain", "--base", "127.0.0.1:1/jre", "--tests", "skip"]);
    let told = told.success();
    for part in ["shop in ", "it has no run bit", "-Dmaven.test.skip=true", "target/shop-1.jar", "127.0.0.1:1/jre"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let json = sandbox.run(["build", "--explain", "--json"]);
    assert!(json.success().contains("\"tests\":{\"value\":\"compile\",\"why\":"), "{}", json.stdout);
    let left: Vec<_> = fs::read_dir(sandbox.dir()).expect("the folder is there").flatten().collect();
    assert_eq!(left.len(), 3, "{left:?}");
    sandbox.run(["build", "--explain", "--output", "oci:x"]).exits_with(2);
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_gradle_project_is_built_by_its_wrapper_and_its_archive_found_whatever_its_name() {
    let mut sandbox = Sandbox::new();
    with_gradle(&mut sandbox);
    let project = Project::of("hello-gradle", &sandbox.dir());
    let base = Lab::get().base();
    // A wrapper as far as shipit can tell, without the run bit.
    fs::write(project.dir().join("gradlew"), "exec gradle \"$@\"\n").unwrap();
    let properties = project.dir().join("gradle/wrapper/gradle-wrapper.properties");
    fs::create_dir_all(properties.parent().unwrap()).unwrap();
    fs::write(properties, "").unwrap();
    fs::write(project.dir().join("shipit.toml"), "[build]\ngradle-args = [\"--no-daemon\"]\n").unwrap();
    project.commit("Ship it");

    let layout = sandbox.dir().join("image");
    let output = format!("oci:{}", layout.display());
    let run = sandbox.run_in(&project.dir().join("web"), ["build", "-C", "..", "--base", base, "--output", &output]);
    let digest = run.success().to_owned();
    assert!(run.stderr.contains("its Gradle wrapper"), "{}", run.stderr);
    let release = fs::read_to_string(project.dir().join("build/shipit/release.json")).unwrap();
    assert!(release.contains(&digest) && release.contains("\"web\"") && !release.contains("-dirty"), "{release}");
    assert!(!project.dir().join("target").exists());
    assert_eq!(answer(&sandbox, &unpacked(&sandbox, &layout)), "hello 1");

    // Elsewhere and later: the library that Gradle makes for the application has the same bytes.
    let other = sandbox.dir().join("other");
    let mut copy = Command::new("git");
    copy.args(["clone", "--quiet"]).arg(project.dir()).arg(&other);
    Run::of(&mut copy, Duration::from_secs(20)).success();
    assert_eq!(sandbox.run_in(&other, ["build", "--base", base]).success(), digest);

    project.edit("web/src/main/java/org/example/hello/HelloController.java", "VERSION = \"1\"", "VERSION = 1");
    let run = sandbox.run_in(project.dir(), ["build", "--base", base]);
    let told = run.exits_with(3);
    assert!(told.contains("error: incompatible types"), "{told}");
}
