//! 'Did you mean': the known name nearest to one that is not known.

/// The name among `known` that `name` is probably a slip of.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    let wanted = plain(name);
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&wanted, &plain(known)), known))
        .filter(|(distance, known)| *distance <= 1.max(known.len().min(name.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen_and_other_words_are_not() {
        let known = ["base", "platforms", "jvm-flags", "user", "maven-args"];
        for (name, found) in [
            ("bsae", Some("base")),
            ("platform", Some("platforms")),
            ("jvmFlags", Some("jvm-flags")),
            ("maven_arg", Some("maven-args")),
            ("volumes", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known), found, "{name}");
        }
    }
}
