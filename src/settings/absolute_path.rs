//! A path in the image.

use super::value::{Scalar, Written};

/// An absolute path without empty, `.` and `..` segments, and without a slash at its end (but for `/` itself).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsolutePath(String);

impl AbsolutePath {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for AbsolutePath {
    const EXPECTED: &'static str = "an absolute path, without '..'";
    const EXPECTED_MANY: &'static str = "absolute paths, without '..'";
    const EXAMPLE: &'static str = "\"/var/lib/shop\"";
    const EXAMPLE_MANY: &'static str = "[\"/var/lib/shop\"]";
    const PLACEHOLDER: &'static str = "PATH";
    const WRITTEN: &'static [Written] = &[Written::Quoted];

    fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('/')?;
        let segments: Vec<&str> = inner.strip_suffix('/').unwrap_or(inner).split('/').collect();
        let plain = |segment: &&str| !matches!(*segment, "" | "." | "..") && !segment.contains('\0');
        match inner {
            "" => Some(AbsolutePath("/".to_owned())),
            _ => segments.iter().all(plain).then(|| AbsolutePath(format!("/{}", segments.join("/")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_and_leads_nowhere_else() {
        let shown = |text: &str| AbsolutePath::parse(text).map(|path| path.as_str().to_owned());
        assert_eq!(shown("/srv/app/").as_deref(), Some("/srv/app"));
        assert_eq!(shown("/").as_deref(), Some("/"));
        for text in ["", "app", "./app", "/a/../b", "/a//b", "//", "/a/."] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
