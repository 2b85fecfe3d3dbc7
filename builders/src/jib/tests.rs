use super::*;
use crate::test_project::TestProject;

fn pom(configuration: &str) -> String {
    format!(
        "<project><artifactId>shop</artifactId><version>1.2</version>\
         <properties><port>8080</port><registry>registry.example.com</registry></properties>\
         <build><plugins>{}</plugins></build></project>",
        plugin(configuration)
    )
}

fn plugin(configuration: &str) -> String {
    format!(
        "<plugin><groupId>com.google.cloud.tools</groupId><artifactId>jib-maven-plugin</artifactId>\
         <configuration>{configuration}</configuration></plugin>"
    )
}

fn read_in(project: &TestProject, module: &str) -> JibConfiguration {
    read(&project.root(), &project.root().join(module)).unwrap()
}

fn maven(configuration: &str) -> JibConfiguration {
    read_in(&TestProject::new().file("pom.xml", &pom(configuration)), "")
}

fn groovy(script: &str) -> JibConfiguration {
    read_in(&TestProject::new().file("build.gradle", script), "")
}

fn kotlin(script: &str) -> JibConfiguration {
    read_in(&TestProject::new().file("build.gradle.kts", script), "")
}

fn value<'a>(found: &'a JibConfiguration, name: &str) -> Option<&'a Value> {
    found.options.iter().find(|option| option.name == name).map(|option| &option.value)
}

#[track_caller]
fn assert_text(found: &JibConfiguration, name: &str, expected: &str) {
    assert_eq!(value(found, name), Some(&Value::Text(expected.to_owned())), "{name} in {found:#?}");
}

#[track_caller]
fn assert_list(found: &JibConfiguration, name: &str, expected: &[&str]) {
    let expected = expected.iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(value(found, name), Some(&Value::List(expected)), "{name} in {found:#?}");
}

#[track_caller]
fn assert_table(found: &JibConfiguration, name: &str, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(value(found, name), Some(&Value::Table(expected)), "{name} in {found:#?}");
}

fn problems(found: &JibConfiguration) -> Vec<String> {
    found.problems.iter().map(ToString::to_string).collect()
}

/// What all three spellings of the same configuration must give.
fn assert_is_the_shop(found: &JibConfiguration) {
    assert_text(found, "from.image", "eclipse-temurin:17-jre");
    assert_list(found, "from.platforms", &["linux/amd64", "linux/arm64"]);
    assert_text(found, "to.image", "registry.example.com/shop");
    assert_list(found, "to.tags", &["latest", "1.2"]);
    assert_eq!(value(found, "to.auth"), Some(&Value::Opaque));
    assert_list(found, "container.jvmFlags", &["-Xms512m", "-Dfile=a b"]);
    assert_list(found, "container.args", &["--x=1", "8080"]);
    assert_list(found, "container.ports", &["8080", "2000-2003/udp"]);
    assert_list(found, "container.volumes", &["/data"]);
    assert_table(found, "container.environment", &[("TZ", "UTC"), ("EMPTY", "")]);
    assert_table(found, "container.labels", &[("com.example.team", "shop")]);
    assert_text(found, "container.user", "1000:1000");
    assert_text(found, "container.mainClass", "com.example.Shop");
    assert_text(found, "container.format", "OCI");
    assert_text(found, "containerizingMode", "packaged");
    assert_text(found, "allowInsecureRegistries", "true");
    let directories = vec![
        ExtraDirectory::plain("src/main/custom"),
        ExtraDirectory {
            from: "src/main/more".to_owned(),
            into: Some("/opt".to_owned()),
            includes: vec!["*.sh".to_owned()],
            excludes: Vec::new(),
        },
    ];
    assert_eq!(value(found, "extraDirectories.paths"), Some(&Value::Directories(directories)));
    assert_table(found, "extraDirectories.permissions", &[("/opt/*.sh", "755")]);
    assert_eq!(problems(found), [] as [&str; 0]);
}

#[test]
fn maven_groovy_and_kotlin_say_the_same() {
    assert_is_the_shop(&maven(
        "<from><image>eclipse-temurin:17-jre</image><platforms>
           <platform><architecture>amd64</architecture><os>linux</os></platform>
           <platform><architecture>arm64</architecture><os>linux</os></platform></platforms></from>
         <to><image>${registry}/${project.artifactId}</image><tags><tag>latest</tag><tag>${project.version}</tag></tags>
           <auth><username>me</username><password>secret</password></auth></to>
         <container>
           <jvmFlags><jvmFlag>-Xms512m</jvmFlag><jvmFlag>-Dfile=a b</jvmFlag></jvmFlags>
           <args><arg>--x=1</arg><arg>${port}</arg></args>
           <ports><port>8080</port><port>2000-2003/udp</port></ports>
           <volumes><volume>/data</volume></volumes>
           <environment><TZ>UTC</TZ><EMPTY/></environment>
           <labels><com.example.team>shop</com.example.team></labels>
           <user>1000:1000</user><mainClass>com.example.Shop</mainClass><format>OCI</format>
         </container>
         <extraDirectories><paths><path>${project.basedir}/src/main/custom</path>
           <path><from>src/main/more</from><into>/opt</into><includes><include>*.sh</include></includes></path></paths>
           <permissions><permission><file>/opt/*.sh</file><mode>755</mode></permission></permissions></extraDirectories>
         <containerizingMode>packaged</containerizingMode>
         <allowInsecureRegistries>true</allowInsecureRegistries>",
    ));
    assert_is_the_shop(&groovy(
        r#"
        plugins { id 'com.google.cloud.tools.jib' version '3.4.4' }
        version = '1.2'
        def registry = "registry.example.com"
        ext { port = 8080 }
        jib {
          from {
            image = 'eclipse-temurin:17-jre'  // a comment
            platforms {
              platform { architecture = 'amd64'; os = 'linux' }
              platform {
                architecture = 'arm64'
                os = 'linux'
              }
            }
          }
          to {
            image "${registry}/shop"
            tags = ['latest', "$version"]
            auth { username = 'me'; password = System.getenv('PASSWORD') }
          }
          container {
            jvmFlags = ['-Xms512m', '-Dfile=a b'] as List<String>
            args = ["--x=1", "${port}"]
            ports = ['8080',
                     '2000-2003/udp']
            volumes = ['/data']
            environment = [TZ: 'UTC', 'EMPTY': '']
            labels = ['com.example.team': 'shop']
            user = '1000:1000'
            mainClass = 'com.example.Shop'
            format = 'OCI'
          }
          extraDirectories {
            paths {
              path { from = file("$projectDir/src/main/custom") }
              path { from = file('src/main/more'); into = '/opt'; includes = ['*.sh'] }
            }
            permissions = ['/opt/*.sh': '755']
          }
          containerizingMode = 'packaged'
          allowInsecureRegistries = true
        }
        "#,
    ));
    assert_is_the_shop(&kotlin(
        r#"
        import com.google.cloud.tools.jib.api.buildplan.ImageFormat
        plugins { id("com.google.cloud.tools.jib") version "3.4.4" }
        version = "1.2"
        val registry: String = "registry.example.com"
        jib {
            from {
                image = "eclipse-temurin:17-jre"
                platforms {
                    platform { architecture = "amd64"; os = "linux" }
                    platform { architecture = "arm64"; os = "linux" }
                }
            }
            to.image = "$registry/" + "shop"
            to {
                tags = setOf("latest", version.toString())
                auth { username = "me"; password = "secret" }
            }
            container {
                jvmFlags = listOf("-Xms512m", "-Dfile=a b")
                args = listOf("--x=1", "8080")
                ports = listOf("8080", "2000-2003/udp")
                volumes = listOf("/data")
                environment = mapOf("TZ" to "UTC", "EMPTY" to "")
                labels.set(mapOf("com.example.team" to "shop"))
                setUser("1000:1000")
                mainClass = "com.example.Shop"
                format = ImageFormat.OCI
            }
            extraDirectories {
                paths {
                    path { setFrom("src/main/custom") }
                    path {
                        setFrom("src/main/more")
                        into = "/opt"
                        includes.set(listOf("*.sh"))
                    }
                }
                permissions.set(mapOf("/opt/*.sh" to "755"))
            }
            containerizingMode = "packaged"
            allowInsecureRegistries = true
        }
        "#,
    ));
}

#[test]
fn a_password_is_read_nowhere() {
    let found = maven("<from><image>a</image><auth><username>me</username><password>hunter2</password></auth></from>");
    assert!(!format!("{found:?}").contains("hunter2"));
    let found = groovy("jib { from { auth { password = 'hunter2' } } \n to.auth.password = 'hunter2' }");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn a_module_inherits_from_parents_and_plugin_management() {
    let management = "<build><pluginManagement><plugins>".to_owned()
        + &plugin(
            "<from><image>base:1</image></from><container><user>1</user>\
             <ports><port>1</port><port>2</port></ports>\
             <jvmFlags><jvmFlag>-Xa</jvmFlag></jvmFlags></container>\
             <extraDirectories><paths><path>${project.basedir}/files</path></paths></extraDirectories>",
        )
        + "</plugins></pluginManagement></build>";
    let own = plugin(
        "<to><image>${registry}/web</image></to><container><ports><port>3</port></ports>\
         <jvmFlags combine.children='append'><jvmFlag>-Xb</jvmFlag></jvmFlags></container>",
    );
    let project = TestProject::new()
        .pom(
            "",
            "top",
            &format!("<modules><module>web</module></modules><properties><registry>r.example</registry></properties>{management}"),
        )
        .file(
            "web/pom.xml",
            &format!(
                "<project><parent><groupId>g</groupId><artifactId>top</artifactId><version>1</version></parent>\
                 <artifactId>web</artifactId><build><plugins>{own}</plugins></build></project>"
            ),
        );
    let found = read_in(&project, "web");
    assert_text(&found, "from.image", "base:1");
    assert_text(&found, "to.image", "r.example/web");
    assert_text(&found, "container.user", "1");
    assert_list(&found, "container.ports", &["3"]);
    assert_list(&found, "container.jvmFlags", &["-Xa", "-Xb"]);
    let directories = vec![ExtraDirectory::plain("web/files")];
    assert_eq!(value(&found, "extraDirectories.paths"), Some(&Value::Directories(directories)));
    assert_eq!(found.files.len(), 2);
}

#[test]
fn properties_win_over_the_configuration() {
    let project = TestProject::new().file(
        "pom.xml",
        "<project><artifactId>a</artifactId><version>1</version><properties>\
         <jib.to.image>r.example/b</jib.to.image><jib.container.ports>80,81/udp</jib.container.ports>\
         <jib.container.environment>A=1,B=x=y</jib.container.environment>\
         <jib.from.platforms>linux/arm64</jib.from.platforms></properties>\
         <build><plugins><plugin><artifactId>jib-maven-plugin</artifactId><configuration><to><image>old</image></to>\
         <container><ports><port>1</port></ports></container></configuration></plugin></plugins></build></project>",
    );
    let found = read_in(&project, "");
    assert_text(&found, "to.image", "r.example/b");
    assert_list(&found, "container.ports", &["80", "81/udp"]);
    assert_table(&found, "container.environment", &[("A", "1"), ("B", "x=y")]);
    assert_list(&found, "from.platforms", &["linux/arm64"]);
}

#[test]
fn profiles_are_taken_where_they_are_active_or_the_only_ones() {
    let profile = |id: &str, activation: &str, image: &str| {
        format!(
            "<profile><id>{id}</id>{activation}<build><plugins>{}</plugins></build></profile>",
            plugin(&format!("<to><image>{image}</image></to>"))
        )
    };
    let read_profiles = |profiles: &str, build: &str| {
        let text = format!(
            "<project><artifactId>a</artifactId><version>1</version>{build}<profiles>{profiles}</profiles></project>"
        );
        read_in(&TestProject::new().file("pom.xml", &text), "")
    };
    let default = "<activation><activeByDefault>true</activeByDefault></activation>";
    let build = format!("<build><plugins>{}</plugins></build>", plugin("<to><image>r.example/main</image></to>"));
    assert_text(&read_profiles(&profile("p", default, "r.example/p"), &build), "to.image", "r.example/p");

    let found = read_profiles(&profile("prod", "", "r.example/prod"), &build);
    assert_text(&found, "to.image", "r.example/main");
    assert!(problems(&found)[0].contains("profile 'prod'") && problems(&found)[0].contains("to.image"), "{found:?}");

    let found = read_profiles(&profile("only", "", "r.example/only"), "");
    assert_text(&found, "to.image", "r.example/only");
    assert!(problems(&found)[0].contains("taken as active"));
}

#[test]
fn what_only_a_build_knows_is_told_and_left_out() {
    let found = maven("<to><image>${env.ECR}/shop</image></to><container><user>${nobody.set.this}</user></container>");
    assert_eq!(found.options, []);
    assert_eq!(
        problems(&found),
        [
            "to.image: is '${env.ECR}/shop', which only the project's build knows",
            "container.user: is '${nobody.set.this}', which only the project's build knows"
        ]
    );
    assert_text(&maven("<to><image>r.example/shop:${git.commit}</image></to>"), "to.image", "r.example/shop");

    let found = groovy(
        "jib {\n  to { image = System.getenv('IMAGE') ?: 'x' }\n  if (ci) { to.image = 'y' }\n  container.user = '7'\n}",
    );
    assert_text(&found, "container.user", "7");
    assert_eq!(value(&found, "to.image"), None);
    let told = problems(&found).join("\n");
    assert!(told.contains("build.gradle:3: 'if (ci)"), "{told}");
    assert!(told.contains("to.image: is 'image = System.getenv('IMAGE')"), "{told}");
}

#[test]
fn scripts_are_followed_through_the_spellings_that_people_use() {
    assert_text(&groovy("jib.from.image = 'a'\njib.to { image = 'b' }"), "to.image", "b");
    assert_text(&groovy("subprojects {\n  jib { to { image 'b' } }\n}"), "to.image", "b");
    assert_text(&groovy("jib { to.setImage('b') }"), "to.image", "b");
    assert_list(
        &groovy("jib { container { ports = []\n ports.add('1')\n ports += ['2'] } }"),
        "container.ports",
        &["1", "2"],
    );
    assert_table(
        &groovy("jib { container { environment['A'] = 'b'\n labels = [:] } }"),
        "container.environment",
        &[("A", "b")],
    );
    assert_text(
        &kotlin("configure<com.google.cloud.tools.jib.gradle.JibExtension> { to { image = \"b\" } }"),
        "to.image",
        "b",
    );
    assert_text(&kotlin("extensions.configure<JibExtension>(\"jib\") {\n to { image = \"b\" }\n}"), "to.image", "b");
    let project = TestProject::new()
        .file("settings.gradle.kts", "rootProject.name = \"shop\"")
        .file("gradle.properties", "registry=r.example\n# x=y\n")
        .file("build.gradle.kts", "jib { to { image = \"${project.property}$registry/${rootProject.name}\" } }");
    assert_eq!(problems(&read_in(&project, "")).len(), 1);
    let project = project.file(
        "build.gradle.kts",
        "val registry: String by project\ntasks.named(\"jib\") { x = 1 }\ntasks.jib { dependsOn(\"x\") }\n\
         jib { to { image = \"$registry/${rootProject.name}\" } }",
    );
    assert_text(&read_in(&project, ""), "to.image", "r.example/shop");
}

#[test]
fn an_option_that_jib_does_not_have_is_told() {
    assert_eq!(problems(&maven("<to><imag>x</imag></to>")), ["to.imag: is no option of Jib's documentation"]);
    assert_eq!(problems(&groovy("jib { nonsense = 'x' }")), ["nonsense: is no option of Jib's documentation"]);
}

#[test]
fn files_in_the_default_directory_are_taken_along() {
    let project = TestProject::new().file("pom.xml", &pom("")).file("src/main/jib/etc/motd", "hello");
    let directories = vec![ExtraDirectory::plain("src/main/jib")];
    assert_eq!(value(&read_in(&project, ""), "extraDirectories.paths"), Some(&Value::Directories(directories)));
}

#[test]
fn a_project_without_jib_is_told_so() {
    let root = TestProject::new().pom("", "a", "");
    assert!(matches!(read(&root.root(), &root.root()), Err(JibError::NoJib { .. })));
    let root = TestProject::new().file("build.gradle", "tasks.jib { x = 1 }");
    assert!(matches!(read(&root.root(), &root.root()), Err(JibError::NoJib { .. })));
    let root = TestProject::new();
    assert!(matches!(read(&root.root(), &root.root()), Err(JibError::NoBuildFile { .. })));
}

proptest::proptest! {
    #[test]
    fn every_script_is_read_to_its_end(script in "(jib|to|image|[a-z]|[{}()\\[\\]=:.,+\"'$<>/\\\\ \n]|def |val ){0,80}") {
        let script = format!("jib {{ {script}");
        let _ = script::Script::read(&script, "build.gradle", std::collections::BTreeMap::new());
    }
}
