//! The table of settings: every setting, once.
//!
//! A row is a field: its doc comment, its name (an underscore is a dash in shipit.toml), its type, which says what is
//! accepted, and notes for readers. What is parsed, the variables, the flags and docs/settings.md all come from here.

use std::collections::BTreeMap;
use std::time::Duration;

use shipit_builders::Form;

use super::absolute_path::AbsolutePath;
use super::port::Port;
use super::port_range::PortRange;
use super::task_size::{CpuUnits, Mebibytes};
use super::tests_mode::TestsMode;
use super::user::User;
use crate::image::Platform;
use crate::image::format::Format;
use crate::image::stop_signal::StopSignal;
use crate::image::timestamp::TimeChoice;

super::declare::settings! {
    /// How the project is built.
    Build in build {
        /// Module to ship, by artifactId (Gradle: path) or by directory; needed only where several modules are bootable.
        module: Option<String> { default: "the one bootable module", example: "\"web\"", placeholder: "MODULE" }
        /// Jar to ship as it is, without a build.
        jar: Option<String> { default: "none: the project is built", example: "\"target/shop.jar\"", placeholder: "FILE" }
        /// What happens to the tests during the build.
        tests: Option<TestsMode> { default: "`\"compile\"`" }
        /// Further arguments for Maven, after shipit's own.
        maven_args: Option<Vec<String>> { default: "none", example: "[\"-Pproduction\", \"-T1C\"]" }
        /// Further arguments for Gradle, after shipit's own.
        gradle_args: Option<Vec<String>> { default: "none", example: "[\"-Pprofile=production\", \"--parallel\"]" }
    }

    /// What the image is made of.
    Image in image {
        /// Base image; pinned by digest in shipit.lock.
        base: Option<String> {
            default: "`public.ecr.aws/docker/library/eclipse-temurin:<java>-jre`, of the smallest Java LTS not below the project's own",
            example: "\"public.ecr.aws/docker/library/eclipse-temurin:21-jre\"", placeholder: "REFERENCE", jib: "from.image",
        }
        /// Platforms to build for; several become an index whose images share the application's layers.
        platforms: Option<Vec<Platform>> { default: "`[\"linux/amd64\"]`", flag: "platform", jib: "from.platforms" }
        /// User that the application runs as: a name or a number, with or without a group.
        user: Option<User> {
            default: "the base's user if it is not root, else 65532:65532",
            example: "\"1000:1000\"", placeholder: "USER[:GROUP]", jib: "container.user",
        }
        /// How the application lies in the image: `"extracted"` is a thin jar with its libraries beside it, which starts fastest; `"loader"` the jar's own folders, started by its launcher (`PropertiesLauncher` and its loader.path need it); `"packaged"` the jar as it is, in one layer, whose digest is as reproducible as the jar.
        layout: Option<Form> { default: "`\"extracted\"`", jib: "containerizingMode" }
        /// Working directory of the application; its files stay in `/app`.
        workdir: Option<AbsolutePath> { default: "`/app`", example: "\"/srv\"", flag: "workdir", jib: "container.workingDirectory" }
        /// Ports that the image says it listens on.
        ports: Option<Vec<PortRange>> { default: "`[8080]`", jib: "container.ports" }
        /// Variables set in the image; never secrets, as everybody who can pull the image can read them.
        env: BTreeMap<String, String> { default: "none", example: "{ TZ = \"UTC\" }", jib: "container.environment" }
        /// Labels of the image's configuration.
        labels: BTreeMap<String, String> { default: "the base's", example: "{ team = \"shop\" }", jib: "container.labels" }
        /// Annotations of the manifest, besides the OCI ones that shipit sets.
        annotations: BTreeMap<String, String> { default: "none", example: "{ \"com.example.team\" = \"shop\" }" }
        /// Flags for the JVM, in place of the default ones.
        jvm_flags: Option<Vec<String>> {
            default: "`[\"-XX:MaxRAMPercentage=75\", \"-XX:+ExitOnOutOfMemoryError\"]`",
            example: "[\"-XX:MaxRAMPercentage=60\", \"-Xss512k\"]", jib: "container.jvmFlags",
        }
        /// Arguments of the application.
        args: Option<Vec<String>> { default: "none", example: "[\"--spring.profiles.active=aws\"]", jib: "container.args" }
        /// Command of the container, in place of `java` with its flags and the application.
        entrypoint: Option<Vec<String>> { default: "`java`, the flags, and what starts the application", example: "[\"/opt/run.sh\"]", jib: "container.entrypoint" }
        /// Class to start, in place of the one that the archive names.
        main_class: Option<String> { default: "the archive's", example: "\"com.example.Batch\"", placeholder: "CLASS", jib: "container.mainClass" }
        /// Paths in the image that go before everything else on the class path.
        extra_class_path: Option<Vec<String>> { default: "none", example: "[\"/opt/config\", \"/opt/lib/*\"]", jib: "container.extraClasspath" }
        /// Directories whose content outlives the container.
        volumes: Option<Vec<AbsolutePath>> { default: "the base's", jib: "container.volumes" }
        /// Signal that asks the container to stop.
        stop_signal: Option<StopSignal> { default: "the base's, else SIGTERM" }
        /// Program, with its arguments, whose success says that the container is healthy. `["CMD-SHELL", "…"]` is a line for the shell, and `["NONE"]` turns the base's off. Docker and Podman heed it; ECS does not, as it has health checks of its own.
        health_check: Option<Vec<String>> { default: "the base's", example: "[\"curl\", \"-f\", \"http://localhost:8080/actuator/health\"]" }
        /// Time between two health checks.
        health_check_interval: Option<Duration> { default: "the base's", example: "\"30s\"" }
        /// How long a health check may take.
        health_check_timeout: Option<Duration> { default: "the base's", example: "\"5s\"" }
        /// How long failing health checks do not count after the start.
        health_check_start_period: Option<Duration> { default: "the base's", example: "\"60s\"" }
        /// How many health checks in a row must fail.
        health_check_retries: Option<u32> { default: "the base's", example: "3", placeholder: "COUNT" }
        /// Time that the image says it was created at.
        created: Option<TimeChoice> { default: "`\"commit\"`: the commit's, else 1980-01-01", example: "\"2026-01-02T03:04:05Z\"", jib: "container.creationTime" }
        /// Modification time of the files: `"commit"` gives the application's layer the commit's and all others 1980-01-01, so that a commit moves one layer; `"fixed"` gives all 1980-01-01; a time is all files'.
        timestamps: Option<TimeChoice> { default: "`\"commit\"`", jib: "container.filesModificationTime" }
        /// Media types of manifests: OCI's, or those of Docker's image manifest version 2, schema 2, which has no annotations.
        format: Option<Format> { default: "`\"oci\"`", jib: "container.format" }
        /// Where the source code lives: the annotation `org.opencontainers.image.source`.
        source: Option<String> { default: "none", example: "\"https://github.com/example/shop\"", placeholder: "URL" }
    }

    /// Where the image goes.
    Registry in registry {
        /// Repository: the name of one in ECR, a full ECR reference, or the reference of any other registry, without a tag.
        repository: Option<String> { default: "none", example: "\"shop\"", placeholder: "REPOSITORY", jib: "to.image" }
        /// Host, with or without a port, that stands in for the account's ECR registry when images are pushed and pulled (a private endpoint).
        ecr_endpoint: Option<String> { default: "the account's registry", example: "\"127.0.0.1:5000\"", placeholder: "HOST[:PORT]" }
        /// Host, with or without a port, that stands in for the account's ECR registry in the image names of task definitions (an emulator).
        ecr_image_host: Option<String> { default: "the account's registry", example: "\"registry.local:5000\"", placeholder: "HOST[:PORT]" }
        /// Hosts, with or without a port, that may be spoken to without TLS; loopback always may.
        insecure: Option<Vec<String>> { default: "none", example: "[\"registry.local:5000\"]", flag: "insecure", placeholder: "HOST[:PORT]", jib: "allowInsecureRegistries" }
        /// How long a registry may be silent before it is asked again, and in the end given up.
        timeout: Option<Duration> { default: "`\"60s\"`", example: "\"30s\"", flag: "registry-timeout" }
        /// AWS region.
        region: Option<String> { default: "that of the AWS environment and profile", example: "\"eu-central-1\"", placeholder: "REGION" }
        /// Profile of the AWS configuration files.
        profile: Option<String> { default: "AWS_PROFILE, else `default`", example: "\"shop\"", placeholder: "PROFILE" }
    }

    /// Where the image runs. What is not set here stays as the service's current task definition has it.
    Service in service {
        /// ECS cluster.
        cluster: Option<String> { default: "none", example: "\"production\"", placeholder: "CLUSTER" }
        /// Service in the cluster; `shipit push` rolls it when it is set.
        name: Option<String> { default: "none", example: "\"shop\"", flag: "service-name", placeholder: "SERVICE" }
        /// Container of the task definition that runs the image.
        container: Option<String> { default: "the task definition's one container", example: "\"web\"", placeholder: "CONTAINER" }
        /// Family of the task definition.
        family: Option<String> { default: "that of the service's current task definition", example: "\"shop\"", placeholder: "FAMILY" }
        /// Ports that the container listens on.
        ports: Option<Vec<Port>> { default: "unchanged" }
        /// Processor of the task: CPU units (1024 are one vCPU) or vCPUs.
        cpu: Option<CpuUnits> { default: "unchanged" }
        /// Memory of the task: MiB, or with a unit.
        memory: Option<Mebibytes> { default: "unchanged" }
        /// Variables of the container, besides those that it has; never secrets.
        env: BTreeMap<String, String> { default: "unchanged", example: "{ SPRING_PROFILES_ACTIVE = \"aws\" }" }
        /// Variables of the container whose values ECS reads: the ARN of a Secrets Manager secret, or the ARN or name of an SSM parameter.
        secrets: BTreeMap<String, String> { default: "unchanged", example: "{ DB_PASSWORD = \"/shop/db-password\" }" }
        /// IAM role of the application: an ARN or a name.
        task_role: Option<String> { default: "unchanged", example: "\"shop-task\"", placeholder: "ROLE" }
        /// IAM role with which ECS pulls the image, reads secrets and writes logs: an ARN or a name.
        execution_role: Option<String> { default: "unchanged", example: "\"ecsTaskExecutionRole\"", placeholder: "ROLE" }
        /// CloudWatch log group of the container.
        log_group: Option<String> { default: "unchanged", example: "\"/ecs/shop\"", placeholder: "GROUP" }
        /// Number of tasks; left alone unless set, as automatic scaling owns it.
        desired_count: Option<u32> { default: "unchanged", example: "2", placeholder: "COUNT" }
        /// Fewest healthy tasks during a deployment, in percent of the desired count.
        minimum_healthy_percent: Option<u32> { default: "unchanged", example: "100", placeholder: "PERCENT" }
        /// Most tasks during a deployment, in percent of the desired count.
        maximum_percent: Option<u32> { default: "unchanged", example: "200", placeholder: "PERCENT" }
        /// Whether ECS gives up a deployment whose tasks keep failing.
        circuit_breaker: Option<bool> { default: "unchanged" }
        /// Whether ECS goes back to the last completed deployment when the circuit breaker trips.
        circuit_breaker_rollback: Option<bool> { default: "unchanged" }
        /// How long ECS ignores failing load balancer health checks of a new task.
        health_check_grace_period: Option<Duration> { default: "unchanged", example: "\"90s\"" }
        /// Version of the Fargate platform.
        platform_version: Option<String> { default: "unchanged", example: "\"1.4.0\"", placeholder: "VERSION" }
        /// How long shipit follows a deployment before it stops watching.
        timeout: Option<Duration> { default: "`\"15m\"`", example: "\"30m\"" }
    }
}
