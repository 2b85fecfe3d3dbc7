use std::io;

use serde_json::json;

use super::*;

const JSON: Mode = Mode { quiet: false, verbose: 0, json: true };
const QUIET: Mode = Mode { quiet: true, verbose: 1, json: false };

#[derive(Debug, thiserror::Error)]
#[error("cannot push")]
struct PushError(#[source] io::Error);

fn refused() -> CommandError {
    let source = io::Error::other("403 Forbidden\nno permission");
    ErrorKind::Refused.error(PushError(source)).hint("shipit needs ecr:PutImage")
}

fn everything(mode: Mode) -> Captured {
    let (report, captured) = Report::captured(mode);
    report.step("Building", "shop");
    report.note("no wrapper");
    report.detail("mvn is /usr/bin/mvn");
    report.warn("the base floats");
    report.line_progress("Maven").set("[INFO] Compiling");
    report.json(&json!({"event": "built"})).unwrap();
    report.result("sha256:00", &json!({"digest": "sha256:00"})).unwrap();
    report.error(&refused());
    captured
}

#[test]
fn the_result_alone_goes_to_standard_output() {
    let captured = everything(Mode::default());
    assert_eq!(captured.stdout(), "sha256:00\n");
    insta::assert_snapshot!(captured.stderr(), @r"
        Building shop
    note: no wrapper
    warning: the base floats
    [INFO] Compiling
    error: cannot push
      caused by: 403 Forbidden
        no permission
    hint: shipit needs ecr:PutImage
    ");
}

#[test]
fn quiet_leaves_warnings_and_errors() {
    let captured = everything(QUIET);
    assert_eq!(captured.stdout(), "sha256:00\n");
    insta::assert_snapshot!(captured.stderr(), @r"
    warning: the base floats
    error: cannot push
      caused by: 403 Forbidden
        no permission
    hint: shipit needs ecr:PutImage
    ");
}

#[test]
fn details_are_told_when_asked_for() {
    let captured = everything(Mode { verbose: 1, ..Mode::default() });
    assert!(captured.stderr().contains("mvn is /usr/bin/mvn\n"));
}

#[test]
fn json_is_one_object_per_line() {
    insta::assert_snapshot!(everything(JSON).stdout(), @r#"
    {"event":"built"}
    {"digest":"sha256:00"}
    {"error":{"causes":["403 Forbidden\nno permission"],"exitCode":4,"hints":["shipit needs ecr:PutImage"],"kind":"refused","message":"cannot push"}}
    "#);
}

#[test]
fn secrets_and_escape_sequences_are_taken_out_everywhere() {
    let (report, captured) = Report::captured(JSON);
    report.conceal("hunter2");
    report.conceal("hunter2-and-more");
    report.conceal("");
    report.note("\u{1b}[31mpassword\u{1b}[0m hunter2-and-more\r\u{7}!");
    report.result("", &json!({"password": "hunter2"})).unwrap();
    report.error(&ErrorKind::Other.error("hunter2 is wrong").hint("not hunter2"));
    assert!(!format!("{}{}", captured.stdout(), captured.stderr()).contains("hunter2"));
    assert!(captured.stderr().starts_with("note: password ***!\n"), "{}", captured.stderr());
}

#[test]
fn lines_of_threads_do_not_mix() {
    let (report, captured) = Report::captured(Mode::default());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| report.note("a line that is long enough")));
        }
    });
    assert!(captured.stderr().lines().all(|line| line == "note: a line that is long enough"));
    assert_eq!(captured.stderr().lines().count(), 200);
}

#[test]
fn bytes_are_counted_once_when_a_transfer_is_repeated() {
    let (report, captured) = Report::captured(Mode::default());
    let progress = report.bytes_progress("Pushing", 100);
    progress.add(60);
    progress.take_back(60);
    progress.add(100);
    assert_eq!(progress.done(), 100);
    progress.finish();
    assert_eq!(captured.stderr(), "", "what takes less than the interval is not told");
}

#[test]
fn a_source_that_the_message_repeats_is_told_once() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot read: {0}")]
    struct Repeating(#[source] io::Error);
    let error = ErrorKind::Other.error(Repeating(io::Error::other("no such file")));
    assert_eq!(error.to_string(), "cannot read: no such file");
}

#[test]
fn exit_codes_are_those_that_are_documented() {
    insta::assert_snapshot!(exit_codes_help(), @r"
    Exit codes:
        0  done
        1  anything else
        2  usage or settings
        3  the project's own build failed
        4  a registry or AWS refused
        5  the deployment failed or was rolled back
        6  timed out; what was started may go on
      130  interrupted
    ");
    assert_eq!(ErrorKind::Usage.exit_code(), 2);
    assert_eq!(ErrorKind::Interrupted.exit_code(), 130);
}
