//! What a registry asks for when it refuses: the WWW-Authenticate header (RFC 9110, section 11.6.1).

use std::collections::BTreeMap;

/// How a registry wants to be authenticated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// Tokens are had from `realm` for `service` (distribution-spec, token authentication).
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// The challenges of one or more header values that are understood, best first: a bearer token before a password.
pub fn parse<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        for (scheme, mut parameters) in schemes(header) {
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameters.remove("realm") {
                    return Some(Challenge::Bearer { realm, service: parameters.remove("service") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

/// Splits `Scheme key="value", key=value, Scheme …`. What follows no rule is passed over.
fn schemes(header: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | '"')).unwrap_or(rest.len());
        if end == 0 {
            // A stray '=' or quotation mark: pass over it, or end.
            let mut characters = rest.chars();
            if characters.next().is_none() {
                return found;
            }
            rest = characters.as_str();
            continue;
        }
        let (word, after) = rest.split_at(end);
        if let Some(value) = after.strip_prefix('=') {
            let (value, after) = value_of(value);
            if let Some((_, parameters)) = found.last_mut() {
                parameters.insert(word.to_ascii_lowercase(), value);
            }
            rest = after;
        } else {
            found.push((word.to_owned(), BTreeMap::new()));
            rest = after;
        }
    }
}

/// A token or quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_gives_realm_and_service() {
        let header =
            r#"Bearer realm="https://auth.example.com/token?a=b,c",service="reg \"x\"",scope="repository:a:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.example.com/token?a=b,c".to_owned(),
            service: Some("reg \"x\"".to_owned()),
        };
        assert_eq!(parse([header]), Some(expected.clone()));
        assert_eq!(parse(["Basic realm=\"x\"", header]), Some(expected));
    }

    #[test]
    fn several_schemes_in_one_header_are_told_apart() {
        let both = r#"Basic realm="r", bearer realm=https://a/t, service=s"#;
        assert!(matches!(parse([both]), Some(Challenge::Bearer { realm, .. }) if realm == "https://a/t"));
        assert_eq!(parse(["basic"]), Some(Challenge::Basic));
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for header in ["", "=", "\"\"\"", "Bearer", "Bearer service=x", "Negotiate abc==", "Bearer realm=\"unfinished"]
        {
            let challenge = parse([header]);
            assert!(matches!(challenge, None | Some(Challenge::Bearer { .. })), "{header}: {challenge:?}");
        }
    }
}
