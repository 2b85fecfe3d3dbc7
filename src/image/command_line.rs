//! The command that a container runs.

use shipit_builders::Application;

/// The JVM's flags by default: a task's memory is the application's, and a JVM without memory left does not limp on.
pub const JVM_FLAGS: [&str; 2] = ["-XX:MaxRAMPercentage=75", "-XX:+ExitOnOutOfMemoryError"];

/// What the settings say of the command; `None` leaves it as the application's layout has it.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// In place of the whole command.
    pub entrypoint: Option<Vec<String>>,
    /// In place of [`JVM_FLAGS`].
    pub jvm_flags: Option<Vec<String>>,
    /// In place of the class that the archive names.
    pub main_class: Option<String>,
    /// Before everything else on the class path.
    pub extra_class_path: Vec<String>,
    /// In place of the application's own working directory.
    pub workdir: Option<String>,
}

/// A command that cannot be made from what is set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    #[error("'{setting}' has no effect beside image.entrypoint, which is the whole command; set one of them")]
    Unused { setting: &'static str },
    #[error(
        "the layout starts the application through Spring Boot's launcher, which '{setting}' would bypass; use the extracted layout"
    )]
    Launcher { setting: &'static str },
}

impl CommandLine {
    /// `java`, its flags, and what starts the application.
    pub fn words(&self, application: &Application) -> Result<Vec<String>, CommandLineError> {
        let set = [
            ("image.jvm-flags", self.jvm_flags.is_some()),
            ("image.main-class", self.main_class.is_some()),
            ("image.extra-class-path", !self.extra_class_path.is_empty()),
        ];
        if let Some(entrypoint) = &self.entrypoint {
            return match set.iter().find(|(_, set)| *set) {
                Some((setting, _)) => Err(CommandLineError::Unused { setting }),
                None => Ok(entrypoint.clone()),
            };
        }
        let flags = self.jvm_flags.clone().unwrap_or_else(|| JVM_FLAGS.map(str::to_owned).to_vec());
        let start = match set[1..].iter().find(|(_, set)| *set) {
            None => self.as_laid_out(application),
            Some((setting, _)) => self.class(application).ok_or(CommandLineError::Launcher { setting })?,
        };
        Ok(std::iter::once("java".to_owned()).chain(flags).chain(start).collect())
    }

    /// The application's own command, whose names are relative to its own working directory.
    fn as_laid_out(&self, application: &Application) -> Vec<String> {
        match &*application.command {
            [option, jar] if option == "-jar" => vec![option.clone(), self.located(application, jar)],
            command if self.is_elsewhere(application) => {
                ["-cp", &application.workdir].map(str::to_owned).into_iter().chain(command.iter().cloned()).collect()
            }
            command => command.to_vec(),
        }
    }

    fn is_elsewhere(&self, application: &Application) -> bool {
        self.workdir.as_ref().is_some_and(|workdir| *workdir != application.workdir)
    }

    fn located(&self, application: &Application, file: &str) -> String {
        match self.is_elsewhere(application) {
            true => format!("{}/{file}", application.workdir),
            false => file.to_owned(),
        }
    }

    /// `java -jar` ignores `-cp`; with the class named, the jar's manifest still brings its libraries.
    fn class(&self, application: &Application) -> Option<Vec<String>> {
        let own = application.start_class.as_ref()?;
        let [option, jar] = &*application.command else { return None };
        let path: Vec<String> = self.extra_class_path.iter().cloned().chain([self.located(application, jar)]).collect();
        let class = self.main_class.as_ref().unwrap_or(own).clone();
        (option == "-jar").then(|| vec!["-cp".to_owned(), path.join(":"), class])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(command: &[&str], start_class: Option<&str>) -> Application {
        Application {
            archive: "app.jar".into(),
            layers: Vec::new(),
            workdir: "/app".to_owned(),
            command: command.iter().map(ToString::to_string).collect(),
            start_class: start_class.map(str::to_owned),
            java: None,
            boot_version: None,
            title: None,
            version: None,
        }
    }

    fn words(line: &CommandLine) -> String {
        line.words(&application(&["-jar", "application.jar"], Some("demo.App"))).unwrap().join(" ")
    }

    #[test]
    fn the_layout_says_what_starts_the_application() {
        assert_eq!(
            words(&CommandLine::default()),
            "java -XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError -jar application.jar"
        );
        let flags = CommandLine { jvm_flags: Some(vec!["-Xss512k".to_owned()]), ..CommandLine::default() };
        assert_eq!(words(&flags), "java -Xss512k -jar application.jar");
    }

    #[test]
    fn a_class_or_a_class_path_takes_the_place_of_the_jar() {
        let none = CommandLine { jvm_flags: Some(Vec::new()), ..CommandLine::default() };
        let class = CommandLine { main_class: Some("demo.Batch".to_owned()), ..none.clone() };
        assert_eq!(words(&class), "java -cp application.jar demo.Batch");
        let path = CommandLine { extra_class_path: vec!["/opt/config".to_owned(), "/opt/*".to_owned()], ..none };
        assert_eq!(words(&path), "java -cp /opt/config:/opt/*:application.jar demo.App");
        let launcher = application(&["org.springframework.boot.loader.JarLauncher"], None);
        assert_eq!(path.words(&launcher), Err(CommandLineError::Launcher { setting: "image.extra-class-path" }));
    }

    #[test]
    fn from_another_working_directory_the_application_is_found_where_it_is() {
        let line =
            CommandLine { jvm_flags: Some(Vec::new()), workdir: Some("/srv".to_owned()), ..CommandLine::default() };
        assert_eq!(words(&line), "java -jar /app/application.jar");
        let launcher = application(&["org.springframework.boot.loader.JarLauncher"], None);
        assert_eq!(line.words(&launcher).unwrap()[1..], ["-cp", "/app", "org.springframework.boot.loader.JarLauncher"]);
        let class = CommandLine { main_class: Some("demo.Batch".to_owned()), ..line };
        assert_eq!(words(&class), "java -cp /app/application.jar demo.Batch");
    }

    #[test]
    fn an_entrypoint_is_the_whole_command() {
        let own = CommandLine { entrypoint: Some(vec!["/run.sh".to_owned()]), ..CommandLine::default() };
        assert_eq!(words(&own), "/run.sh");
        let both = CommandLine { jvm_flags: Some(Vec::new()), ..own };
        let error = both.words(&application(&["-jar", "application.jar"], None));
        assert_eq!(error, Err(CommandLineError::Unused { setting: "image.jvm-flags" }));
    }
}
