//! The tag that names a release: `2026-11-24.09.30.00.1a2b3c4d`, with `-dirty` where the tree was.

use jiff::Timestamp;

use crate::git::GitState;
use crate::image::Digest;

/// Characters of the commit or digest that the tag shows.
const SUFFIX: usize = 8;

/// The tag of an image built at `built_at`, from `git`'s commit, or from no known commit.
///
/// Without git the image's own digest stands in for the commit. The tag never enters the image, so the same commit
/// built twice has two tags and one digest.
pub fn tag(built_at: Timestamp, git: Option<&GitState>, image: Digest) -> String {
    let time = built_at.strftime("%Y-%m-%d.%H.%M.%S").to_string();
    match git {
        Some(git) => {
            let sha = git.sha.get(..SUFFIX).unwrap_or(&git.sha);
            format!("{time}.{sha}{}", if git.dirty { "-dirty" } else { "" })
        }
        None => format!("{time}.{}", &image.hex()[..SUFFIX]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_shows_the_time_in_utc_and_the_commit() {
        let time = Timestamp::from_second(1_700_000_000).unwrap();
        let git = GitState { sha: "0123456789abcdef".repeat(3)[..40].to_owned(), commit_time: 0, dirty: false };
        assert_eq!(tag(time, Some(&git), Digest::of(b"")), "2023-11-14.22.13.20.01234567");
        let dirty = GitState { dirty: true, ..git };
        assert_eq!(tag(time, Some(&dirty), Digest::of(b"")), "2023-11-14.22.13.20.01234567-dirty");
    }

    #[test]
    fn without_git_the_image_names_itself() {
        let time = Timestamp::from_second(1_700_000_000).unwrap();
        assert_eq!(tag(time, None, Digest::of(b"")), "2023-11-14.22.13.20.e3b0c442");
    }
}
