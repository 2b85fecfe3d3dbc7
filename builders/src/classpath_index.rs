//! `classpath.idx`: the libraries in class-path order (Spring Boot reference, "Classpath Index").

/// A line that is no list item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not of the form '- \"PATH\"': {text:?}")]
pub struct ClasspathIndexError {
    pub line: usize,
    pub text: String,
}

/// The paths that the index names, in its order.
pub fn parse(text: &str) -> Result<Vec<String>, ClasspathIndexError> {
    let mut paths = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        match line.strip_prefix("- ").and_then(unquote) {
            Some(path) => paths.push(path.to_owned()),
            None => return Err(ClasspathIndexError { line: number + 1, text: line.to_owned() }),
        }
    }
    Ok(paths)
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"').filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_come_in_the_order_of_the_index() {
        let paths = parse("- \"BOOT-INF/lib/b.jar\"\r\n- \"BOOT-INF/lib/a.jar\"\n\n");
        assert_eq!(paths.unwrap(), ["BOOT-INF/lib/b.jar", "BOOT-INF/lib/a.jar"]);
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        let error = parse("- \"a.jar\"\nb.jar\n").unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, "b.jar"));
        assert!(parse("- \"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
