//! A build while it runs: its lines as they come, its end, and that it ends.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::package::PackageError;

/// How long a process that the build left behind may hold its output open after the build has ended.
const LINGER: Duration = Duration::from_secs(2);
/// How long a build that is told to stop may take to do so.
const PATIENCE: Duration = Duration::from_secs(5);
/// A line without an end is cut into pieces of this size.
const LINE_LIMIT: u64 = 64 << 10;

/// Runs the command without standard input, and gives its lines (standard output and error as they come) to `on_line`.
/// When `stop` becomes true, the command and all that it started are ended.
pub fn run(
    mut command: Command,
    stop: &AtomicBool,
    on_line: &mut dyn FnMut(&str) -> Result<(), PackageError>,
) -> Result<ExitStatus, PackageError> {
    let (reader, writer) = io::pipe().map_err(PackageError::Follow)?;
    let errors = writer.try_clone().map_err(PackageError::Follow)?;
    // A group of its own, so that what the build starts can be ended with it.
    command.stdin(Stdio::null()).stdout(writer).stderr(errors).process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|source| PackageError::Start { program, source })?;
    // The command holds the pipe's write end; without this its end is never seen.
    drop(command);
    let mut build = RunningBuild(child);
    let (sender, lines) = mpsc::sync_channel::<String>(1_024);
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!((&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    let mut ended: Option<(ExitStatus, SystemTime)> = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            build.stop();
            return Err(PackageError::Stopped);
        }
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => on_line(&line)?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // A daemon that the build started may hold the pipe open long after the build itself.
        match ended {
            None => {
                let status = build.0.try_wait().map_err(PackageError::Follow)?;
                ended = status.map(|status| (status, SystemTime::now()));
            }
            Some((_, since)) if since.elapsed().is_ok_and(|time| time > LINGER) => break,
            Some(_) => {}
        }
    }
    match ended {
        Some((status, _)) => Ok(status),
        None => build.0.wait().map_err(PackageError::Follow),
    }
}

/// A build that does not outlive the interest in it.
struct RunningBuild(Child);

impl RunningBuild {
    /// Asks the build and what it started to end, and waits a moment for that.
    fn stop(&mut self) {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(20));
        }
        self.signal(Signal::KILL);
        let _ = self.0.wait();
    }

    fn signal(&self, signal: Signal) {
        // The group keeps its number as long as one process of it lives; one that has ended has nobody to tell.
        let _ = kill_process_group(Pid::from_child(&self.0), signal);
    }
}

impl Drop for RunningBuild {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
            let _ = self.0.wait();
        }
    }
}
