//! When to ask again, and how long to wait before.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Answers that may be another one a moment later. 499 and 522 are those of proxies. Never: 400, 401, 403, 404, 413
/// and 416.
pub const RETRYABLE: [u16; 9] = [408, 425, 429, 499, 500, 502, 503, 504, 522];

/// How often, and how long.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// Tries in all, the first one included.
    pub attempts: u32,
    /// The ceiling of the first wait; it doubles with each further one. The wait itself is random below it (full jitter).
    pub first_delay: Duration,
    /// The highest ceiling, and the longest that a registry's Retry-After is obeyed.
    pub max_delay: Duration,
    /// No further try begins this long after the first one, or after the last progress of a transfer.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            attempts: 6,
            first_delay: Duration::from_millis(300),
            max_delay: Duration::from_secs(30),
            total: Duration::from_secs(120),
        }
    }
}

/// The state of one operation's retries.
pub struct Backoff<'a> {
    policy: &'a RetryPolicy,
    /// Tries so far, the running one included; starts anew with progress.
    pub attempt: u32,
    since: Instant,
}

impl<'a> Backoff<'a> {
    pub fn new(policy: &'a RetryPolicy) -> Self {
        Backoff { policy, attempt: 1, since: Instant::now() }
    }

    /// A transfer moved on: its next failure is a first one.
    pub fn progress(&mut self) {
        self.attempt = 1;
        self.since = Instant::now();
    }

    /// Waits before the next try, or tells that there is none.
    pub async fn wait(&mut self, retry_after: Option<Duration>) -> bool {
        if self.attempt >= self.policy.attempts {
            return false;
        }
        let doubled = self.policy.first_delay.saturating_mul(1 << (self.attempt - 1).min(16));
        let delay = retry_after.unwrap_or_else(|| jitter(doubled.min(self.policy.max_delay)));
        if delay > self.policy.max_delay || self.since.elapsed() + delay > self.policy.total {
            return false;
        }
        self.attempt += 1;
        tokio::time::sleep(delay).await;
        true
    }
}

/// A random duration up to `ceiling`. The standard library's per-process hash keys are random enough to keep clients
/// from retrying in step.
fn jitter(ceiling: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8);
    ceiling.mul_f64(random as f64 / u64::MAX as f64)
}

/// The wait that a Retry-After header asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(date.as_second()).ok()?);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_470);
        assert_eq!(retry_after("2", now), Some(Duration::from_secs(2)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn jitter_stays_below_its_ceiling() {
        let ceiling = Duration::from_millis(100);
        assert!((0..100).all(|_| jitter(ceiling) <= ceiling));
    }

    #[tokio::test]
    async fn attempts_and_time_are_bounded() {
        let policy = RetryPolicy { attempts: 3, first_delay: Duration::ZERO, ..RetryPolicy::default() };
        let mut backoff = Backoff::new(&policy);
        assert!(backoff.wait(None).await && backoff.wait(None).await && !backoff.wait(None).await);
        let mut backoff = Backoff::new(&policy);
        assert!(!backoff.wait(Some(Duration::from_secs(3600))).await);
    }
}
