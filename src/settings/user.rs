//! The user of a container.

use std::fmt;

use super::value::{Scalar, Written};

/// A user's name or number, with or without a group's: `app`, `1000:1000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(String);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for User {
    const EXPECTED: &'static str = "a name or number, or two of them with a colon between (user:group)";
    const EXPECTED_MANY: &'static str = "users";
    const EXAMPLE: &'static str = "\"1000:1000\"";
    const EXAMPLE_MANY: &'static str = "[\"1000:1000\"]";
    const PLACEHOLDER: &'static str = "USER[:GROUP]";
    const WRITTEN: &'static [Written] = &[Written::Quoted, Written::Number];

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        (parts.len() <= 2 && parts.iter().all(|part| is_account(part))).then(|| User(text.to_owned()))
    }
}

/// What useradd takes for a name (shadow's `is_valid_name`), or a number of 32 bits.
fn is_account(part: &str) -> bool {
    let first = part.chars().next();
    if first.is_some_and(|first| first.is_ascii_digit()) {
        return part.parse::<u32>().is_ok();
    }
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && part.len() <= 32
        && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_users_and_other_things_are_not() {
        for text in ["app", "1000", "1000:1000", "app:www-data", "_apt", "0"] {
            assert_eq!(User::parse(text).unwrap().to_string(), text);
        }
        for text in ["", ":", "app:", ":1", "1:2:3", "a b", "1000x", "-1", "4294967296", "app\n"] {
            assert_eq!(User::parse(text), None, "{text}");
        }
    }
}
