//! What makes builds of Spring Boot projects differ, and the lines of the build file that mend it: a table.

use serde::Serialize;

use super::difference::{Change, Difference};

/// A reason why two builds of one commit differ, as far as differences show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// Names the reason for programs: `git-properties`.
    pub id: &'static str,
    /// What happens, in a sentence or two.
    pub why: &'static str,
    /// What to write, and where.
    pub mend: String,
    /// The keys, files or entries that show it, some of them.
    pub shown_by: Vec<String>,
}

struct Rule {
    id: &'static str,
    why: &'static str,
    mend: fn(&[&Difference]) -> String,
    shows: fn(&Difference) -> bool,
}

/// How many of the places that show a cause are named.
const PLACES: usize = 5;

const OUTPUT_TIMESTAMP: &str = "\
pom.xml:
  <properties>
    <project.build.outputTimestamp>2026-01-01T00:00:00Z</project.build.outputTimestamp>
  </properties>";

const RULES: &[Rule] = &[
    Rule {
        id: "commit",
        why: "The images are of different commits, or of a tree with uncommitted changes.",
        mend: |_| "build both from the same clean commit".to_owned(),
        shows: |found| is_key(found, &["annotations"], |key| key == "org.opencontainers.image.revision"),
    },
    Rule {
        id: "base-moved",
        why: "The images stand on different bases.",
        mend: |_| "commit shipit.lock, which pins the base; 'shipit build --locked' fails where it does not".to_owned(),
        shows: |found| found.at == ["base"] && matches!(found.change, Change::Field { .. }),
    },
    Rule {
        id: "build-info-time",
        why: "The Spring Boot plugin's build-info goal writes the time of the build.",
        mend: |_| {
            "\
pom.xml, spring-boot-maven-plugin, the execution of build-info:
  <configuration>
    <time>off</time>
  </configuration>
or leave <time> away and set <project.build.outputTimestamp>.
Gradle: springBoot { buildInfo { excludes = ['time'] } }"
                .to_owned()
        },
        shows: |found| is_key(found, &["build-info.properties"], |key| key == "build.time"),
    },
    Rule {
        id: "git-properties",
        why: "The git-commit-id plugin writes what differs between checkouts of one commit: the time of the build, the \
              machine, the user, the remote, the branch.",
        mend: mend_git_properties,
        shows: |found| is_key(found, &["git.properties", "git.json"], is_of_the_checkout) && !is_same_instant(found),
    },
    Rule {
        id: "git-time-zone",
        why: "The git-commit-id plugin writes the commit's times in the time zone of the machine that builds.",
        mend: |_| {
            "\
pom.xml, git-commit-id-maven-plugin:
  <configuration>
    <dateFormatTimeZone>UTC</dateFormatTimeZone>
  </configuration>"
                .to_owned()
        },
        shows: |found| is_key(found, &["git.properties", "git.json"], |_| true) && is_same_instant(found),
    },
    Rule {
        id: "git-dirty",
        why: "The git-commit-id plugin saw a tree with changes in one of the builds.",
        mend: |_| {
            "build from a clean tree; files that the build itself writes belong into .gitignore. shipit.lock is meant \
             to be committed. To leave the key out: <excludeProperty>git.dirty</excludeProperty>"
                .to_owned()
        },
        shows: |found| is_key(found, &["git.properties", "git.json"], |key| key.trim_start_matches('/') == "git.dirty"),
    },
    Rule {
        id: "git-describe",
        why: "The git-commit-id plugin writes tags and counts, which a shallow clone or one without tags lacks.",
        mend: |_| {
            "\
clone with the whole history and tags in each place (actions/checkout: fetch-depth: 0), or in pom.xml,
git-commit-id-maven-plugin:
  <configuration>
    <excludeProperties>
      <excludeProperty>^git\\.(tags?|closest\\.tag.*|total\\.commit\\.count|commit\\.id\\.describe.*)$</excludeProperty>
    </excludeProperties>
  </configuration>"
                .to_owned()
        },
        shows: |found| is_key(found, &["git.properties", "git.json"], is_of_the_history),
    },
    Rule {
        id: "sbom-serial-number",
        why: "The CycloneDX plugin gives each bill of materials a random serial number.",
        mend: |_| {
            "\
pom.xml, cyclonedx-maven-plugin:
  <configuration>
    <includeBomSerialNumber>false</includeBomSerialNumber>
  </configuration>
or <project.build.outputTimestamp> and version 2.7.9 or later, which then writes no random one.
Gradle: tasks.cyclonedxBom { includeBomSerialNumber = false }"
                .to_owned()
        },
        shows: |found| is_sbom(found) && is_key(found, &[".json"], |key| key == "/serialNumber"),
    },
    Rule {
        id: "sbom-timestamp",
        why: "The CycloneDX plugin writes the time of the build into the bill of materials.",
        mend: |_| {
            format!(
                "{OUTPUT_TIMESTAMP}\nand cyclonedx-maven-plugin 2.7.9 or later, which then leaves the timestamp out"
            )
        },
        shows: |found| is_sbom(found) && is_key(found, &[".json"], |key| key == "/metadata/timestamp"),
    },
    Rule {
        id: "manifest-builder",
        why: "The archiver writes who built a jar, with what, or when, into its manifest.",
        mend: |_| {
            "\
build with the same JDK; or in pom.xml, maven-jar-plugin (3.2.0 or later) of the module that makes this jar:
  <configuration>
    <archive>
      <addMavenDescriptor>false</addMavenDescriptor>
      <manifest>
        <addDefaultEntries>false</addDefaultEntries>
      </manifest>
    </archive>
  </configuration>
and no <manifestEntries> with a time, a user or a host"
                .to_owned()
        },
        shows: |found| is_key(found, &["META-INF/MANIFEST.MF"], is_of_the_builder),
    },
    Rule {
        id: "pom-properties-time",
        why: "An old archiver writes the time of the build as a comment into pom.properties.",
        mend: |_| format!("{OUTPUT_TIMESTAMP}\nand maven-jar-plugin 3.2.0 or later"),
        shows: |found| ends(found, "pom.properties") && is_comment(found),
    },
    Rule {
        id: "properties-comment",
        why: "A properties file has the time at which it was written in a comment, as java.util.Properties does it.",
        mend: |_| {
            "write the file without java.util.Properties.store, or set -Djava.properties.date (JDK 18 and later) for \
             the step that writes it; in Gradle use the WriteProperties task"
                .to_owned()
        },
        shows: |found| ends(found, ".properties") && !ends(found, "pom.properties") && is_comment(found),
    },
    Rule {
        id: "entry-times",
        why: "The entries of a jar carry the times at which its files were written.",
        mend: |_| {
            format!(
                "{OUTPUT_TIMESTAMP}\nand maven-jar-plugin 3.2.0 or later\n\
                 Gradle: tasks.withType(AbstractArchiveTask) {{ preserveFileTimestamps = false }}"
            )
        },
        shows: |found| found.at.len() >= 3 && matches!(&found.change, Change::Field { field, .. } if field == "time"),
    },
    Rule {
        id: "entry-order",
        why: "The entries of a jar stand in the order in which the file system listed the files.",
        mend: |_| {
            format!(
                "{OUTPUT_TIMESTAMP}\nand maven-jar-plugin 3.2.0 or later, which then sorts\n\
                 Gradle: tasks.withType(AbstractArchiveTask) {{ reproducibleFileOrder = true }}"
            )
        },
        shows: |found| found.at.len() >= 2 && matches!(found.change, Change::Order { .. }),
    },
    Rule {
        id: "deflate",
        why: "The same content was compressed by another zlib: Debian's JDK takes the system's, others bring their own.",
        mend: |_| "build with the same JDK of the same vendor; shipit's own layers do not depend on it".to_owned(),
        shows: |found| found.at.len() >= 3 && found.change == Change::Compression,
    },
    Rule {
        id: "compiler",
        why: "Classes differ: they come from other sources, another compiler, other flags, or a code generator that \
              writes a time or keeps no order.",
        mend: |_| {
            "\
build with the same version of the same JDK; in pom.xml:
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
  </properties>"
                .to_owned()
        },
        shows: |found| matches!(found.change, Change::Class { .. }),
    },
    Rule {
        id: "line-ends",
        why: "git checked a text out with other line ends.",
        mend: |_| ".gitattributes:\n  * text=auto eol=lf".to_owned(),
        shows: |found| matches!(&found.change, Change::Form { what } if what.contains("CR LF")),
    },
];

/// The causes that the differences show, in the order of the table.
pub fn causes(differences: &[Difference]) -> Vec<Cause> {
    let cause = |rule: &Rule| {
        let showing: Vec<&Difference> = differences.iter().filter(|found| (rule.shows)(found)).collect();
        if showing.is_empty() {
            return None;
        }
        let mut shown_by: Vec<String> = Vec::new();
        for found in &showing {
            let place = match &found.change {
                Change::Key { key, .. } => key.clone(),
                Change::Field { field, .. } if found.at == ["base"] => format!("base {field}"),
                _ => found.at.last().cloned().unwrap_or_default(),
            };
            if shown_by.len() < PLACES && !shown_by.contains(&place) {
                shown_by.push(place);
            }
        }
        Some(Cause { id: rule.id, why: rule.why, mend: (rule.mend)(&showing), shown_by })
    };
    RULES.iter().filter_map(cause).collect()
}

fn ends(found: &Difference, end: &str) -> bool {
    found.at.last().is_some_and(|name| name.ends_with(end))
}

/// Whether a key that `fits` differs in a file whose name ends in one of `files`.
fn is_key(found: &Difference, files: &[&str], fits: fn(&str) -> bool) -> bool {
    matches!(&found.change, Change::Key { key, .. } if fits(key)) && files.iter().any(|file| ends(found, file))
}

fn is_comment(found: &Difference) -> bool {
    let comment = |line: &Option<String>| line.as_ref().is_some_and(|line| line.starts_with('#'));
    matches!(&found.change, Change::Line { a, b, .. } if comment(a) || comment(b))
}

fn is_sbom(found: &Difference) -> bool {
    found
        .at
        .last()
        .is_some_and(|name| name.contains("sbom/") || name.ends_with("cdx.json") || name.ends_with("bom.json"))
}

/// Whether both values are the same moment, told in two time zones.
fn is_same_instant(found: &Difference) -> bool {
    let Change::Key { a: Some(a), b: Some(b), .. } = &found.change else { return false };
    let instant = |text: &str| {
        let extended = text.parse::<jiff::Timestamp>();
        // Before version 5 the plugin wrote +0900, without the colon.
        extended.or_else(|_| jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text)).ok()
    };
    instant(a).is_some_and(|a| instant(b) == Some(a))
}

/// Keys of git.properties that depend on where and when the checkout is, not on the commit.
fn is_of_the_checkout(key: &str) -> bool {
    let key = key.trim_start_matches('/');
    ["git.build.", "git.remote.", "git.branch", "git.local.branch."].iter().any(|start| key.starts_with(start))
}

/// Keys of git.properties that depend on how much of the history is there.
fn is_of_the_history(key: &str) -> bool {
    let key = key.trim_start_matches('/');
    ["git.tag", "git.closest.tag", "git.total.commit.count", "git.commit.id.describe"]
        .iter()
        .any(|start| key.starts_with(start))
}

fn is_of_the_builder(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["created-by", "built-by", "build-jdk", "build-jdk-spec", "build-os", "bnd-lastmodified", "tool"].contains(&&*key)
        || ["time", "date", "host", "user"].iter().any(|part| key.contains(part))
}

/// Names the keys that differ, and those that will on another machine, as patterns, which is what the plugin takes.
fn mend_git_properties(showing: &[&Difference]) -> String {
    // These two are the same for all builds on one machine, and differ on the next.
    let mut patterns = vec!["^git\\.build\\.host$".to_owned(), "^git\\.build\\.user\\..*$".to_owned()];
    for found in showing {
        let Change::Key { key, .. } = &found.change else { continue };
        let key = key.trim_start_matches('/');
        let pattern = match key {
            key if key.starts_with("git.build.user.") => "^git\\.build\\.user\\..*$".to_owned(),
            key if key.starts_with("git.local.branch.") => "^git\\.local\\.branch\\..*$".to_owned(),
            key => format!("^{}$", key.replace('.', "\\.")),
        };
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    let lines: String =
        patterns.iter().map(|pattern| format!("      <excludeProperty>{pattern}</excludeProperty>\n")).collect();
    format!(
        "pom.xml, git-commit-id-maven-plugin (git-commit-id-plugin before version 5):\n  \
         <configuration>\n    <excludeProperties>\n{lines}    </excludeProperties>\n  </configuration>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: &str, key: &str) -> Difference {
        let change = Change::Key { key: key.to_owned(), a: Some("a".to_owned()), b: Some("b".to_owned()) };
        Difference { at: ["layer application", "app/application.jar", file].map(str::to_owned).to_vec(), change }
    }

    fn ids(differences: &[Difference]) -> Vec<&'static str> {
        causes(differences).iter().map(|cause| cause.id).collect()
    }

    #[test]
    fn each_known_key_shows_its_cause() {
        for (file, name, id) in [
            ("META-INF/build-info.properties", "build.time", "build-info-time"),
            ("git.properties", "git.build.time", "git-properties"),
            ("git.properties", "git.remote.origin.url", "git-properties"),
            ("git.properties", "git.dirty", "git-dirty"),
            ("git.properties", "git.total.commit.count", "git-describe"),
            ("META-INF/sbom/application.cdx.json", "/serialNumber", "sbom-serial-number"),
            ("META-INF/sbom/application.cdx.json", "/metadata/timestamp", "sbom-timestamp"),
            ("META-INF/MANIFEST.MF", "Build-Jdk-Spec", "manifest-builder"),
        ] {
            assert_eq!(ids(&[key(file, name)]), [id], "{file} {name}");
        }
        assert!(ids(&[key("application.properties", "build.time")]).is_empty());
        assert!(ids(&[key("git.properties", "git.commit.id")]).is_empty());
    }

    #[test]
    fn one_moment_in_two_time_zones_is_no_other_time() {
        for (b, id) in [
            ("2026-03-08T02:53:21+09:00", "git-time-zone"),
            ("2026-03-08T02:53:21+0900", "git-time-zone"),
            ("2026-03-08T02:53:21Z", "git-properties"),
        ] {
            let mut found = key("git.properties", "git.build.time");
            let a = Some("2026-03-07T17:53:21Z".to_owned());
            found.change = Change::Key { key: "git.build.time".to_owned(), a, b: Some(b.to_owned()) };
            assert_eq!(ids(&[found]), [id], "{b}");
        }
    }

    #[test]
    fn the_keys_to_exclude_are_those_that_differ() {
        let found = [
            key("git.properties", "git.build.host"),
            key("git.properties", "git.build.user.name"),
            key("git.properties", "git.build.user.email"),
        ];
        let mend = &causes(&found)[0].mend;
        assert_eq!(mend.matches("<excludeProperty>").count(), 2, "{mend}");
        assert!(mend.contains("<excludeProperty>^git\\.build\\.host$</excludeProperty>"), "{mend}");
    }
}
