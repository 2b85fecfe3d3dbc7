//! A pom together with the parents that lie beside it: what a module inherits, and what its properties mean.

use std::fs;
use std::path::Path;

use crate::JavaVersion;
use crate::pom::{Parent, Plugin, Pom, PomError};

const BOOT_PLUGIN: &str = "spring-boot-maven-plugin";
const BOOT_PARENT: &str = "spring-boot-starter-parent";
const COMPILER_PLUGIN: &str = "maven-compiler-plugin";
/// Deeper inheritance, or properties nested more deeply than this, are a cycle.
const MAX_DEPTH: usize = 32;

/// A module's pom and those of its parents that can be read without Maven.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// The module first, then its parents upwards; never empty.
    poms: Vec<Pom>,
    /// `-Dname=value` of .mvn/maven.config and the command line; they win over every pom.
    user_properties: Vec<(String, String)>,
}

/// What can be seen of the Spring Boot plugin without running Maven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPlugin {
    /// In the module's own pom.
    Declared,
    /// In the pom of a parent.
    Inherited,
    /// A parent that is in no reachable file may have it.
    Unknown,
    /// Nowhere, and there is nothing that could bring it in; or it is switched off.
    Absent,
}

impl Lineage {
    /// Follows the parents of `pom` through `relativePath`. A parent that cannot be read there is one of a repository.
    pub fn of(pom: Pom, user_properties: Vec<(String, String)>) -> Self {
        let mut poms = vec![pom];
        while poms.len() < MAX_DEPTH
            && let Some(parent) = poms.last().and_then(parent_in_reach)
        {
            poms.push(parent);
        }
        Lineage { poms, user_properties }
    }

    pub fn read(path: &Path, user_properties: Vec<(String, String)>) -> Result<Self, PomError> {
        Ok(Lineage::of(Pom::read(path)?, user_properties))
    }

    /// The module's own pom.
    pub fn module(&self) -> &Pom {
        &self.poms[0]
    }

    /// The files of the poms, the module's first.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.poms.iter().map(|pom| pom.path.as_path())
    }

    /// The version of Spring Boot, where a parent or a property names it.
    pub fn boot_version(&self) -> Option<String> {
        let mut parents = self.poms.iter().filter_map(|pom| pom.parent.as_ref());
        let parent = parents.find(|parent| parent.artifact_id == BOOT_PARENT);
        let names = ["${spring-boot.version}", "${spring.boot.version}"];
        parent.map(|parent| parent.version.as_str()).into_iter().chain(names).find_map(|text| self.resolve(text))
    }

    /// The first parent that no reachable file holds.
    fn outer_parent(&self) -> Option<&Parent> {
        self.poms.last().and_then(|pom| pom.parent.as_ref())
    }

    pub fn boot_plugin(&self) -> BootPlugin {
        if self.boot_setting("skip").as_deref() == Some("true") {
            return BootPlugin::Absent;
        }
        let has_plugin = |pom: &Pom| pom.plugins.iter().any(|plugin| plugin.artifact_id == BOOT_PLUGIN);
        match self.poms.iter().position(has_plugin) {
            Some(0) => BootPlugin::Declared,
            Some(_) => BootPlugin::Inherited,
            // Spring's own parent manages the plugin's version, and leaves it to the project to use it.
            None if self.outer_parent().is_none_or(|parent| parent.artifact_id == BOOT_PARENT) => BootPlugin::Absent,
            None => BootPlugin::Unknown,
        }
    }

    /// A setting of the Spring Boot plugin, resolved; the nearest pom's counts.
    pub fn boot_setting(&self, name: &str) -> Option<String> {
        self.setting(BOOT_PLUGIN, name)
    }

    fn setting(&self, artifact_id: &str, name: &str) -> Option<String> {
        let of_plugins = |plugins: &[Plugin]| {
            let plugin = plugins.iter().filter(|plugin| plugin.artifact_id == artifact_id);
            plugin.filter_map(|plugin| plugin.setting(name)).map(str::to_owned).next()
        };
        let used = self.poms.iter().find_map(|pom| of_plugins(&pom.plugins));
        let value = used.or_else(|| self.poms.iter().find_map(|pom| of_plugins(&pom.managed_plugins)))?;
        self.resolve(&value)
    }

    /// The name of the main artifact's file, without ending; `None` where a property in it is unknown.
    pub fn final_name(&self) -> Option<String> {
        let declared = self.poms.iter().find_map(|pom| pom.final_name.as_deref());
        self.resolve(declared.unwrap_or("${project.artifactId}-${project.version}"))
    }

    /// The directory that the build writes to, as the poms say: relative to the module or absolute.
    pub fn output(&self) -> Option<String> {
        let declared = self.poms.iter().find_map(|pom| pom.output.as_deref());
        self.resolve(declared.unwrap_or("target"))
    }

    /// Whether any reachable pom, or an option, sets this property.
    pub fn sets(&self, property: &str) -> bool {
        self.user_property(property).is_some() || self.poms.iter().any(|pom| pom.property(property).is_some())
    }

    fn user_property(&self, name: &str) -> Option<&str> {
        self.user_properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The Java release that the compiler is told to target, and which setting tells it.
    pub fn java(&self) -> Option<(JavaVersion, String)> {
        let property = |name: &str| self.resolve(&format!("${{{name}}}"));
        let settings = [
            (self.setting(COMPILER_PLUGIN, "release"), "<release> of maven-compiler-plugin"),
            (property("maven.compiler.release"), "the property maven.compiler.release"),
            (self.setting(COMPILER_PLUGIN, "target"), "<target> of maven-compiler-plugin"),
            (property("maven.compiler.target"), "the property maven.compiler.target"),
            (property("java.version").filter(|_| self.sets("java.version")), "the property java.version"),
        ];
        let named = settings
            .into_iter()
            .find_map(|(text, setting)| Some((text?.parse().ok()?, format!("{setting}, in the pom"))));
        named.or_else(|| {
            // What Spring's parent sets where the project says nothing.
            let parent = self.outer_parent().filter(|parent| parent.artifact_id == BOOT_PARENT)?;
            let major: u16 = parent.version.split('.').next()?.parse().ok()?;
            let java = JavaVersion(if major >= 3 { 17 } else { 8 });
            Some((java, format!("the default of {BOOT_PARENT} {}", parent.version)))
        })
    }

    /// Replaces each `${name}`; `None` where one of them is not known here.
    pub fn resolve(&self, text: &str) -> Option<String> {
        self.resolve_nested(text, 0)
    }

    fn resolve_nested(&self, text: &str, depth: usize) -> Option<String> {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, reference) = rest.split_at(start);
            let (name, after) = reference[2..].split_once('}')?;
            resolved.push_str(before);
            if depth == MAX_DEPTH {
                return None;
            }
            resolved.push_str(&self.resolve_nested(&self.raw_property(name)?, depth + 1)?);
            // Properties that hold each other several times over grow without end.
            if resolved.len() > 4096 {
                return None;
            }
            rest = after;
        }
        resolved.push_str(rest);
        Some(resolved)
    }

    /// A property's value as it is written: options, then the poms, then what Maven itself knows of the project.
    fn raw_property(&self, name: &str) -> Option<String> {
        if let Some(value) = self.user_property(name) {
            return Some(value.to_owned());
        }
        if let Some(value) = self.poms.iter().find_map(|pom| pom.property(name)) {
            return Some(value.to_owned());
        }
        if let Some(variable) = name.strip_prefix("env.") {
            return std::env::var(variable).ok();
        }
        let module = self.module();
        let parent = module.parent.as_ref();
        let field = name.strip_prefix("project.").or(name.strip_prefix("pom.")).unwrap_or(name);
        match field {
            "artifactId" => Some(module.artifact_id.clone()),
            "packaging" => Some(module.packaging.clone()),
            "version" => module.version.clone().or_else(|| parent.map(|parent| parent.version.clone())),
            "groupId" => module.group_id.clone().or_else(|| parent.map(|parent| parent.group_id.clone())),
            "parent.version" => parent.map(|parent| parent.version.clone()),
            "parent.artifactId" => parent.map(|parent| parent.artifact_id.clone()),
            "parent.groupId" => parent.map(|parent| parent.group_id.clone()),
            "basedir" => module.directory.to_str().map(str::to_owned),
            "build.directory" => Some(format!(
                "{}/{}",
                module.directory.to_str()?,
                self.poms.iter().find_map(|pom| pom.output.as_deref()).unwrap_or("target")
            )),
            "build.finalName" => Some(
                self.poms
                    .iter()
                    .find_map(|pom| pom.final_name.as_deref())
                    .unwrap_or("${project.artifactId}-${project.version}")
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn parent_in_reach(pom: &Pom) -> Option<Pom> {
    let parent = pom.parent.as_ref().filter(|parent| !parent.relative_path.is_empty())?;
    let path = pom.directory.join(&parent.relative_path);
    let path = if path.is_dir() { path.join("pom.xml") } else { path };
    // Maven compares likewise, and looks into repositories when another pom happens to lie there.
    Pom::read(&path).ok().filter(|found| found.artifact_id == parent.artifact_id)
}

/// The `-Dname=value` among Maven's arguments; a name alone means `true`.
pub fn user_properties<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let definition = match argument {
            "-D" | "--define" => arguments.next(),
            _ => argument.strip_prefix("-D").or_else(|| argument.strip_prefix("--define=")),
        };
        if let Some(definition) = definition {
            let (name, value) = definition.split_once('=').unwrap_or((definition, "true"));
            properties.push((name.trim().to_owned(), value.trim_matches('"').to_owned()));
        }
    }
    properties
}

/// The arguments in `.mvn/maven.config` of the nearest directory upwards from `root` that has a `.mvn`.
pub fn configured_arguments(root: &Path) -> Vec<String> {
    let Some(directory) = root.ancestors().map(|directory| directory.join(".mvn")).find(|path| path.is_dir()) else {
        return Vec::new();
    };
    let text = fs::read_to_string(directory.join("maven.config")).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(pom: &str) -> Lineage {
        Lineage::of(Pom::parse(Path::new("/nowhere/pom.xml"), pom).unwrap(), Vec::new())
    }

    fn with_parent(parent: &str, rest: &str) -> Lineage {
        lineage(&format!(
            "<project xmlns='http://maven.apache.org/POM/4.0.0'><parent><groupId>g</groupId>\
             <artifactId>{parent}</artifactId><version>3.4.1</version><relativePath/></parent>\
             <artifactId>a</artifactId>{rest}</project>"
        ))
    }

    #[test]
    fn names_come_from_properties_parents_and_options() {
        let pom = "<project><artifactId>a</artifactId><version>${revision}${changelist}</version>\
                   <properties><revision>1.${minor}</revision><minor>2</minor><changelist/></properties></project>";
        assert_eq!(lineage(pom).final_name().as_deref(), Some("a-1.2"));
        let options = user_properties(["-B", "-Drevision=7", "-D", "changelist=-rc", "-Dquiet"]);
        let overridden = Lineage::of(Pom::parse(Path::new("/nowhere/pom.xml"), pom).unwrap(), options);
        assert_eq!(overridden.final_name().as_deref(), Some("a-7-rc"));
        assert_eq!(with_parent("p", "").final_name().as_deref(), Some("a-3.4.1"));
        assert_eq!(with_parent("p", "<build><finalName>x-${unknown}</finalName></build>").final_name(), None);
    }

    #[test]
    fn properties_that_hold_each_other_end() {
        let cycle = "<properties><a>${b}</a><b>${a}</b></properties>";
        assert_eq!(with_parent("p", cycle).resolve("${a}"), None);
        let doubling: String = (0..40).map(|n| format!("<p{n}>${{p{0}}}${{p{0}}}</p{n}>", n + 1)).collect();
        let bomb = format!("<properties>{doubling}<p40>x</p40></properties>");
        assert_eq!(with_parent("p", &bomb).resolve("${p0}"), None);
        assert_eq!(with_parent("p", "").resolve("${open"), None);
    }

    #[test]
    fn the_java_version_is_what_the_compiler_is_told() {
        let java = |rest: &str| with_parent("p", rest).java().map(|(java, _)| java.0);
        assert_eq!(java("<properties><java.version>1.8</java.version></properties>"), Some(8));
        assert_eq!(
            java(
                "<properties><java.version>21</java.version><maven.compiler.release>${java.version}</maven.compiler.release></properties>"
            ),
            Some(21)
        );
        let plugin = "<build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId>\
                      <configuration><release>11</release></configuration></plugin></plugins></build>";
        assert_eq!(
            java(&format!("{plugin}<properties><maven.compiler.target>8</maven.compiler.target></properties>")),
            Some(11)
        );
        assert_eq!(java(""), None);
        let (java, setting) = with_parent("spring-boot-starter-parent", "").java().unwrap();
        assert_eq!((java.0, setting.as_str()), (17, "the default of spring-boot-starter-parent 3.4.1"));
    }

    #[test]
    fn the_boot_plugin_is_absent_only_where_that_is_sure() {
        let plugin = |settings: &str| {
            format!(
                "<build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId>\
                 <configuration>{settings}</configuration></plugin></plugins></build>"
            )
        };
        assert_eq!(with_parent("spring-boot-starter-parent", "").boot_plugin(), BootPlugin::Absent);
        assert_eq!(with_parent("company-parent", "").boot_plugin(), BootPlugin::Unknown);
        assert_eq!(with_parent("company-parent", &plugin("")).boot_plugin(), BootPlugin::Declared);
        assert_eq!(with_parent("company-parent", &plugin("<skip>true</skip>")).boot_plugin(), BootPlugin::Absent);
        let in_profile = format!("<profiles><profile>{}</profile></profiles>", plugin("<classifier>exec</classifier>"));
        let lineage = with_parent("spring-boot-starter-parent", &in_profile);
        assert_eq!(lineage.boot_plugin(), BootPlugin::Declared);
        assert_eq!(lineage.boot_setting("classifier").as_deref(), Some("exec"));
    }
}
