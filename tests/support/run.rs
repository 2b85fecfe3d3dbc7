use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a program did.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
    what: String,
}

impl Run {
    /// Runs a command to its end, without input. Kills it and panics when it takes longer than `limit`.
    pub fn of(command: &mut Command, limit: Duration) -> Run {
        let what = format!("{command:?}");
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let status = loop {
            if let Some(status) = child.try_wait().expect("the child is ours") {
                break Some(status);
            }
            if begun.elapsed() > limit {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let took = begun.elapsed();
        let Some(status) = status else {
            // Not joined: what the killed process had started may still hold the pipes.
            panic!("{what} took longer than {limit:?}");
        };
        let stdout = stdout.join().expect("reading does not panic");
        let stderr = stderr.join().expect("reading does not panic");
        Run { code: status.code(), stdout, stderr, took, what }
    }

    /// Asserts that it succeeded; gives standard output without the line end.
    #[track_caller]
    pub fn success(&self) -> &str {
        self.exits_with(0);
        self.stdout.trim_end()
    }

    /// Asserts the exit code; gives standard error, where the reason stands.
    #[track_caller]
    pub fn exits_with(&self, code: i32) -> &str {
        assert_eq!(
            self.code,
            Some(code),
            "{}\n--- standard output\n{}\n--- standard error\n{}",
            self.what,
            self.stdout,
            self.stderr
        );
        &self.stderr
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
