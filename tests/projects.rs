//! Kinds of projects, built by their own tools.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Lab, Project, Run, Sandbox, free_port, get};

const LIMIT: Duration = Duration::from_secs(60);

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
    Run::of(&mut umoci, LIMIT).success();
    bundle.join("rootfs/app")
}

/// What the image of a finished archive answers, built without a project.
fn answer_of_archive(sandbox: &Sandbox, archive: &Path, name: &str) -> String {
    let layout = sandbox.dir().join(name);
    let output = format!("oci:{}", layout.display());
    let arguments =
        ["build", "--jar", &archive.display().to_string(), "--base", Lab::get().base(), "--output", &output];
    sandbox.run(arguments).success();
    let application = unpacked(sandbox, &layout);
    let answer = answer(sandbox, &application);
    fs::remove_dir_all(sandbox.dir().join("bundle")).expect("the bundle can be removed");
    answer
}

/// What the application answers at `/`, started from its directory by this machine's Java.
fn answer(sandbox: &Sandbox, application: &Path) -> String {
    let port = free_port();
    let mut java = sandbox.command("java");
    java.current_dir(application).args(["-XX:TieredStopAtLevel=1", "-jar", "application.jar"]);
    let server = support::Server::start(java.env("SERVER_PORT", port.to_string()), ([127, 0, 0, 1], port));
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
    Run::of(&mut copy, LIMIT).success();
    assert_eq!(sandbox.run_in(&other, ["build", "--base", base]).success(), digest);

    project.edit("web/src/main/java/org/example/hello/HelloController.java", "VERSION = \"1\"", "VERSION = 1");
    let run = sandbox.run_in(project.dir(), ["build", "--base", base]);
    let told = run.exits_with(3);
    assert!(told.contains("error: incompatible types"), "{told}");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_war_and_a_jar_behind_a_shell_script_start() {
    let sandbox = Sandbox::new();
    let project = Project::of("hello-boot21", &sandbox.dir());
    let plugin = "<artifactId>spring-boot-maven-plugin</artifactId>";
    project.edit("pom.xml", plugin, &format!("{plugin}<configuration><executable>true</executable></configuration>"));
    let base = Lab::get().base();
    sandbox.run_in(project.dir(), ["build", "--base", base]).success();
    let jar = project.dir().join("target/hello-boot21-1.0.0.jar");
    assert!(fs::read(&jar).expect("the jar is there").starts_with(b"#!/bin/"), "no script in front");
    assert_eq!(answer_of_archive(&sandbox, &jar, "script"), "hello 1");

    project.edit("pom.xml", "<version>1.0.0</version>", "<version>1.0.0</version><packaging>war</packaging>");
    project.edit(
        "pom.xml",
        "  </dependencies>",
        "<dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-tomcat</artifactId>\
         <scope>provided</scope></dependency></dependencies>",
    );
    fs::create_dir_all(project.dir().join("src/main/webapp")).expect("the folder can be made");
    fs::write(project.dir().join("src/main/webapp/note.txt"), "a note").expect("the file can be written");
    let run = sandbox.run_in(project.dir(), ["build", "--base", base]);
    run.success();
    let war = project.dir().join("target/hello-boot21-1.0.0.war");
    assert!(run.stderr.contains("hello-boot21-1.0.0.war"), "{}", run.stderr);
    assert_eq!(answer_of_archive(&sandbox, &war, "war"), "hello 1");
}

#[test]
#[ignore = "needs the lab: run by make test"]
fn a_plain_jar_starts_with_the_libraries_of_its_class_path() {
    let sandbox = Sandbox::new();
    sandbox.write("Greeting.java", "public class Greeting { public static String TEXT = \"hello from a library\"; }");
    sandbox.write(
        "Main.java",
        "import com.sun.net.httpserver.HttpServer;\n\
         public class Main { public static void main(String[] a) throws Exception {\n\
         var port = Integer.parseInt(System.getenv(\"SERVER_PORT\"));\n\
         var server = HttpServer.create(new java.net.InetSocketAddress(\"127.0.0.1\", port), 0);\n\
         server.createContext(\"/\", e -> { var b = Greeting.TEXT.getBytes(); e.sendResponseHeaders(200, b.length);\n\
         e.getResponseBody().write(b); e.close(); }); server.start(); } }",
    );
    sandbox.write("manifest", "Main-Class: Main\nClass-Path: deps/greeting-1.jar config/\n");
    let script = "mkdir classes lib deps && javac --release 17 -d lib Greeting.java && jar cf deps/greeting-1.jar -C lib . && \
                  javac --release 17 -d classes -cp lib Main.java && jar cfm app.jar manifest -C classes .";
    Run::of(sandbox.command("sh").args(["-c", script]), LIMIT).success();
    assert_eq!(answer_of_archive(&sandbox, &sandbox.dir().join("app.jar"), "plain"), "hello from a library");

    fs::remove_file(sandbox.dir().join("deps/greeting-1.jar")).expect("it was there");
    let run = sandbox.run(["build", "--jar", "app.jar", "--base", Lab::get().base()]);
    assert!(run.exits_with(1).contains("greeting-1.jar"), "{}", run.stderr);
}
