//! One file per command: each reads settings, calls stages, and prints.

mod base;
mod build;
mod completions;
mod context;
mod deploy;
mod diff;
mod explain;
mod image_argument;
mod image_settings;
mod init;
mod inspect;
mod interrupt;
mod push;
mod registry_access;
mod rollout;
mod schema;
mod service_settings;
mod update;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::report::{CommandError, ErrorKind, Mode, OutputError, Report, exit_codes_help};
use context::{Context, Global};

const EXAMPLES: &str = "\
Examples:
  shipit init --from-jib                write the shipit.toml that does what Jib is told in pom.xml or build.gradle
  shipit build                          build the image of the project in this folder
  shipit build --jar target/shop.jar    … of a jar, without a build, a project or git
  shipit build --verify                 check that the commit has one digest wherever it is built
  shipit build --explain                say what would be built, and how; run nothing
  shipit push                           push what was built; roll the service of shipit.toml to it
  shipit push --no-deploy               push only
  shipit deploy --env production        roll the service of [env.production] to what was pushed
  shipit inspect                        show what is in the image that was built
  shipit diff target/shipit shop:v2     tell why two images differ
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
    Init(init::Arguments),
    Build(build::Arguments),
    Push(push::Arguments),
    Deploy(deploy::Arguments),
    Update(update::Arguments),
    Inspect(inspect::Arguments),
    Diff(diff::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return answer_of_parser(&answer),
    };
    let report = Report::new(arguments.global.mode());
    match run(arguments, &report) {
        Ok(code) => code,
        Err(error) => {
            report.error(&error);
            error.exit_code()
        }
    }
}

/// Help and version are results, not errors; clap knows which goes to which stream.
fn answer_of_parser(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    if !answer.use_stderr() {
        let Err(error) = printed else { return ExitCode::SUCCESS };
        let error = CommandError::from(OutputError::from(error));
        Report::new(Mode::default()).error(&error);
        return error.exit_code();
    }
    // What was printed is for people; the arguments are known only as text here.
    if std::env::args_os().any(|argument| argument == "--json") {
        let text = answer.to_string();
        let error = ErrorKind::Usage.error(text.trim_start_matches("error: ").trim_end());
        Report::new(Mode::default()).error_object(&error);
    }
    ExitCode::from(ErrorKind::Usage.exit_code())
}

fn run(arguments: Arguments, report: &Report) -> Result<ExitCode, CommandError> {
    let context = || Context::new(&arguments.global, report);
    match arguments.command {
        Command::Init(command) => command.run(&context()?),
        Command::Build(command) => command.run(&context()?),
        Command::Push(command) => command.run(&context()?),
        Command::Deploy(command) => command.run(&context()?),
        Command::Update(command) => command.run(&context()?),
        Command::Inspect(command) => command.run(&context()?),
        // Its exit code is its answer, too.
        Command::Diff(command) => return command.run(&context()?),
        Command::Schema(command) => command.run(report),
        Command::Completions(command) => command.run(Arguments::command(), report),
    }?;
    Ok(ExitCode::SUCCESS)
}
