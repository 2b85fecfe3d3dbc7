//! One file per command: each reads settings, calls stages, and prints.

mod base;
mod build;
mod completions;
mod context;
mod deploy;
mod image_settings;
mod push;
mod registry_access;
mod rollout;
mod schema;
mod update;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::report::{CommandError, ErrorKind, Report, exit_codes_help};
use context::{Context, Global};

const EXAMPLES: &str = "\
Examples:
  shipit build                          build the image of the project in this folder
  shipit build --jar target/shop.jar    … of a jar, without a build, a project or git
  shipit push                           push what was built; roll the service of shipit.toml to it
  shipit push --no-deploy               push only
  shipit deploy --env production        roll the service of [env.production] to what was pushed
";

/// From a Spring Boot source tree to a running Fargate service, with no Docker anywhere.
#[derive(Debug, Parser)]
#[command(name = "shipit", version, after_help = format!("{EXAMPLES}\n{}", exit_codes_help()))]
struct Arguments {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(build::Arguments),
    Push(push::Arguments),
    Deploy(deploy::Arguments),
    Update(update::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are results, not errors; clap knows which goes to which stream. When nobody reads the
        // stream there is nobody to tell.
        Err(answer) => {
            let _ = answer.print();
            return if answer.use_stderr() { ExitCode::from(ErrorKind::Usage.exit_code()) } else { ExitCode::SUCCESS };
        }
    };
    let report = Report::new(arguments.global.mode());
    match run(arguments, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.error(&error);
            error.exit_code()
        }
    }
}

fn run(arguments: Arguments, report: &Report) -> Result<(), CommandError> {
    let context = || Context::new(&arguments.global, report);
    match arguments.command {
        Command::Build(command) => command.run(&context()?),
        Command::Push(command) => command.run(&context()?),
        Command::Deploy(command) => command.run(&context()?),
        Command::Update(command) => command.run(&context()?),
        Command::Schema(command) => command.run(report),
        Command::Completions(command) => command.run(Arguments::command(), report),
    }
}
