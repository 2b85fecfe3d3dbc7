//! The words and signs of a Gradle script, in Groovy or Kotlin, as far as declarations need them.

/// A token, and the bytes of the script that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    Number(String),
    Text(Vec<Piece>),
    Sign(char),
    LineEnd,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Plain(String),
    /// The inside of `${…}`, or the name after `$`.
    Reference(String),
}

/// Cuts a script into tokens. Whatever the script is, this ends: what is no token is a sign.
pub(super) fn tokens(script: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = script[at..].chars().next() {
        let start = at;
        let rest = &script[at..];
        let kind = if rest.starts_with("//") || rest.starts_with("#!") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            continue;
        } else if c == '\n' {
            at += 1;
            Kind::LineEnd
        } else if c.is_whitespace() || rest.starts_with("\\\n") {
            // A backslash at its end continues a line.
            at += if c == '\\' { 2 } else { c.len_utf8() };
            continue;
        } else if c == '"' || c == '\'' {
            let (pieces, length) = text(rest, c);
            at += length;
            Kind::Text(pieces)
        } else if c.is_alphabetic() || c == '_' || c == '`' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || "_`".contains(c))).unwrap_or(rest.len());
            at += length;
            Kind::Word(rest[..length].replace('`', ""))
        } else if c.is_ascii_digit() {
            let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            at += length;
            Kind::Number(rest[..length].replace('_', ""))
        } else {
            at += c.len_utf8();
            Kind::Sign(c)
        };
        found.push(Token { kind, start, end: at });
    }
    found
}

/// The text that `rest` begins with, and its length with its quotes.
fn text(rest: &str, quote: char) -> (Vec<Piece>, usize) {
    let triple: String = [quote; 3].iter().collect();
    let close = if rest.starts_with(&triple) { triple } else { quote.to_string() };
    let raw = close.len() == 3;
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = close.len();
    while let Some(c) = rest[at..].chars().next() {
        let here = &rest[at..];
        if here.starts_with(&close) {
            at += close.len();
            break;
        }
        if c == '\n' && !raw {
            // A text that is not closed ends with its line.
            break;
        }
        let reference = if c == '$' && quote == '"' { reference(here) } else { None };
        if let Some((name, length)) = reference {
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Reference(name));
            at += length;
        } else if c == '\\' && !raw && here.len() > 1 {
            let escaped = here[1..].chars().next().unwrap_or('\\');
            plain.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
            at += 1 + escaped.len_utf8();
        } else {
            plain.push(c);
            at += c.len_utf8();
        }
    }
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    (pieces, at)
}

/// `${name}` or `$name`, and its length.
fn reference(here: &str) -> Option<(String, usize)> {
    if let Some(inside) = here.strip_prefix("${") {
        let end = inside.find('}')?;
        return Some((inside[..end].trim().to_owned(), end + 3));
    }
    let name = &here[1..];
    let length = name.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(name.len());
    let starts_as_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    starts_as_name.then(|| (name[..length].to_owned(), length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(script: &str) -> Vec<Kind> {
        tokens(script).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn comments_are_no_tokens_and_texts_keep_what_looks_like_them() {
        let plain = |text: &str| Kind::Text(vec![Piece::Plain(text.to_owned())]);
        assert_eq!(
            kinds("a /* b \n */ = 'http://x' // c\n"),
            [Kind::Word("a".into()), Kind::Sign('='), plain("http://x"), Kind::LineEnd]
        );
        assert_eq!(kinds(r#"'it\'s' """two "words" here""" "#)[..2], [plain("it's"), plain("two \"words\" here")][..]);
    }

    #[test]
    fn references_stand_in_double_quotes_only() {
        let reference = |name: &str| Piece::Reference(name.to_owned());
        assert_eq!(
            kinds(r#""$a-${b.c}" '$a'"#),
            [
                Kind::Text(vec![reference("a"), Piece::Plain("-".into()), reference("b.c")]),
                Kind::Text(vec![Piece::Plain("$a".into())]),
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_cut_into_tokens(script in "(?s).{0,200}") {
            let mut last = 0;
            for token in tokens(&script) {
                proptest::prop_assert!(last <= token.start && token.start < token.end);
                last = token.end;
            }
        }
    }
}
