//! The health check of an image: Docker's addition to the configuration (Docker image specification 1.2).

use std::time::Duration;

use serde_json::{Map, Value, json};

/// How a container's health is found out. What is `None` stays as the base has it, or the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// A program and its arguments; or, as in the configuration, `CMD` with them, `CMD-SHELL` with a line for the
    /// shell, or `NONE`.
    pub test: Option<Vec<String>>,
    pub interval: Option<Duration>,
    pub timeout: Option<Duration>,
    pub start_period: Option<Duration>,
    pub retries: Option<u32>,
}

impl HealthCheck {
    /// Lays what is set over the base's health check; `None` where neither says anything.
    pub fn over(&self, base: Option<&Value>) -> Option<Value> {
        if *self == HealthCheck::default() {
            return base.cloned();
        }
        // A new test has nothing to do with the base's timing.
        let of_base = base.filter(|_| self.test.is_none()).and_then(Value::as_object).cloned();
        let mut check: Map<String, Value> = of_base.unwrap_or_default();
        if let Some(test) = &self.test {
            let known = test.first().is_some_and(|first| matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE"));
            let program = (!known).then(|| "CMD".to_owned());
            check.insert("Test".to_owned(), json!(program.iter().chain(test).collect::<Vec<_>>()));
        }
        // In nanoseconds.
        for (key, value) in [("Interval", self.interval), ("Timeout", self.timeout), ("StartPeriod", self.start_period)]
        {
            if let Some(value) = value {
                check.insert(key.to_owned(), json!(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)));
            }
        }
        if let Some(retries) = self.retries {
            check.insert("Retries".to_owned(), json!(retries));
        }
        Some(Value::Object(check))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_test_of_ones_own_takes_the_place_of_the_bases_and_times_alone_adjust_it() {
        let base = json!({ "Test": ["CMD", "/check"], "Interval": 5 });
        assert_eq!(HealthCheck::default().over(Some(&base)), Some(base.clone()));
        assert_eq!(HealthCheck::default().over(None), None);
        let own = HealthCheck {
            test: words(&["curl", "-f", "localhost"]),
            start_period: Some(Duration::from_secs(30)),
            retries: Some(5),
            ..HealthCheck::default()
        };
        let expected =
            json!({ "Test": ["CMD", "curl", "-f", "localhost"], "StartPeriod": 30_000_000_000_u64, "Retries": 5 });
        assert_eq!(own.over(Some(&base)), Some(expected));
        let slower = HealthCheck { interval: Some(Duration::from_secs(1)), ..HealthCheck::default() };
        assert_eq!(slower.over(Some(&base)), Some(json!({ "Test": ["CMD", "/check"], "Interval": 1_000_000_000 })));
        let none = HealthCheck { test: words(&["NONE"]), ..HealthCheck::default() };
        assert_eq!(none.over(Some(&base)), Some(json!({ "Test": ["NONE"] })));
    }
}
