//! Signals that end the program, while something must be ended before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::{CommandError, ErrorKind};

/// While this lives, Ctrl-C (SIGINT) and a polite kill (SIGTERM) are taken down as a wish; afterwards they end the
/// process at once, as they always do.
pub struct Interrupt {
    wished: Arc<AtomicBool>,
    at_once: Arc<AtomicBool>,
}

impl Interrupt {
    pub fn watch() -> io::Result<Self> {
        let interrupt = Interrupt { wished: Arc::default(), at_once: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            // A shell starts what is in the background with SIGINT ignored, and it shall stay so.
            if !is_ignored(signal) {
                flag::register_conditional_default(signal, Arc::clone(&interrupt.at_once))?;
                flag::register(signal, Arc::clone(&interrupt.wished))?;
            }
        }
        Ok(interrupt)
    }

    /// Becomes true with the first signal.
    pub fn wished(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.wished)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.at_once.store(true, Ordering::SeqCst);
    }
}

/// Whether the process was started with this signal ignored (proc_pid_status(5), SigIgn).
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

/// Ctrl-C (SIGINT) or a polite kill (SIGTERM), from the moment of [`Interrupted::watch`] on.
pub struct Interrupted {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupted {
    pub fn watch() -> Result<Self, CommandError> {
        let watched =
            |kind| signal(kind).map_err(|error| ErrorKind::Other.error(format!("cannot watch for signals: {error}")));
        Ok(Interrupted { interrupt: watched(SignalKind::interrupt())?, terminate: watched(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub async fn wished(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
