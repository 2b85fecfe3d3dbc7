//! Tar headers, as POSIX.1-2001 ustar; a PAX header goes before an entry only where ustar cannot hold it.
//!
//! What would differ between machines is left out: owner and group are 0 without names, modes are 0644 and 0755, no
//! access or change times, no device numbers.

/// The unit that headers and file contents are padded to, in bytes.
pub const BLOCK: usize = 512;

/// The end of an archive: two empty blocks, and no padding to a larger record.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest value of the 11 octal digits of a size or time.
const MAX_OCTAL: u64 = 0o77_777_777_777;

/// What an entry of the archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of so many bytes, mode 0644.
    File { size: u64 },
    /// A directory, mode 0755.
    Directory,
}

/// The header of one entry, with the PAX header before it where one is needed: a multiple of [`BLOCK`] bytes.
///
/// `path` has neither a leading nor a trailing slash; `modified` is in seconds since the Unix epoch.
pub fn header(path: &str, kind: Kind, modified: i64) -> Vec<u8> {
    let (name, flag, mode, size) = match kind {
        Kind::File { size } => (path.to_owned(), b'0', 0o644, size),
        Kind::Directory => (format!("{path}/"), b'5', 0o755, 0),
    };
    let mut records = Vec::new();
    let (prefix, short) = match split(&name) {
        Some(split) => split,
        None => {
            record(&mut records, "path", name.as_bytes());
            ("", "")
        }
    };
    if size > MAX_OCTAL {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    let time = u64::try_from(modified).ok().filter(|time| *time <= MAX_OCTAL);
    if time.is_none() {
        record(&mut records, "mtime", modified.to_string().as_bytes());
    }

    let mut header = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        // The name that Python's tarfile gives it too; readers that know PAX never show it.
        header.extend(block("", "././@PaxHeader", b'x', 0o644, records.len() as u64, 0));
        header.extend(&records);
        header.resize(header.len() + padding(records.len() as u64), 0);
    }
    // A reader that does not know PAX sees a shortened name rather than none.
    let shown = if short.is_empty() { shorten(&name) } else { short };
    header.extend(block(prefix, shown, flag, mode, if size > MAX_OCTAL { 0 } else { size }, time.unwrap_or(0)));
    header
}

/// How many zero bytes follow `size` bytes of content.
pub fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// Divides a name between the fields `prefix` (155 bytes) and `name` (100 bytes), at a slash.
///
/// `None` if it does not fit, or is not ASCII: what other bytes mean is only said by PAX.
fn split(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() || name.contains('\0') {
        return None;
    }
    if name.len() <= 100 {
        return Some(("", name));
    }
    // The shortest prefix that leaves at most 100 bytes; the slash between the two is implied.
    let from = name.len() - 101;
    let slash = from + name.as_bytes()[from..name.len() - 1].iter().position(|byte| *byte == b'/')?;
    (1..=155).contains(&slash).then(|| (&name[..slash], &name[slash + 1..]))
}

/// The last up to 100 bytes of a name, from a character's start.
fn shorten(name: &str) -> &str {
    let from = name.len().saturating_sub(100);
    (from..name.len()).find_map(|from| name.get(from..)).unwrap_or_default()
}

/// Appends a PAX record: its own length in decimal, a space, `key=value`, a newline (POSIX pax, "Extended Header").
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend(format!("{length} {key}=").as_bytes());
    records.extend(value);
    records.push(b'\n');
}

fn block(prefix: &str, name: &str, flag: u8, mode: u64, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    octal(&mut block[100..108], mode);
    octal(&mut block[108..116], 0);
    octal(&mut block[116..124], 0);
    octal(&mut block[124..136], size);
    octal(&mut block[136..148], modified);
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    octal(&mut block[329..337], 0);
    octal(&mut block[337..345], 0);
    block[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
    // The sum is taken with its own field as spaces, and ends in NUL and space.
    block[148..156].fill(b' ');
    let sum = block.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut block[148..155], sum);
    block
}

/// Fills a field with octal digits and a final NUL.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    field[digits] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Digest;

    fn text(field: &[u8]) -> &str {
        std::str::from_utf8(field).unwrap().trim_end_matches('\0')
    }

    #[test]
    fn a_file_and_a_directory_have_plain_ustar_headers() {
        let file = header("app/application.jar", Kind::File { size: 1234 }, 315_532_800);
        assert_eq!(file.len(), BLOCK);
        assert_eq!(text(&file[..100]), "app/application.jar");
        assert_eq!(text(&file[100..108]), "0000644");
        assert_eq!(text(&file[124..136]), "00000002322");
        assert_eq!(text(&file[136..148]), "02263523000");
        assert_eq!(&file[156..157], b"0");
        assert_eq!(&file[257..265], b"ustar\x0000");
        assert_eq!((text(&file[108..124]), text(&file[265..329])), ("0000000\x000000000", ""));
        let directory = header("app/lib", Kind::Directory, 0);
        assert_eq!((text(&directory[..100]), text(&directory[100..108])), ("app/lib/", "0000755"));
        assert_eq!((&directory[156..157], text(&directory[124..136])), (&b"5"[..], "00000000000"));
    }

    #[test]
    fn the_check_sum_is_that_of_the_header_with_spaces_in_its_place() {
        let mut block = header("app", Kind::Directory, 1);
        let sum = u64::from_str_radix(text(&block[148..155]), 8).unwrap();
        block[148..156].fill(b' ');
        assert_eq!(block.iter().map(|byte| u64::from(*byte)).sum::<u64>(), sum);
    }

    #[test]
    fn a_long_name_is_divided_at_a_slash_where_it_can_be() {
        let long = format!("{}/{}", "d".repeat(150), "f".repeat(100));
        let block = header(&long, Kind::File { size: 0 }, 0);
        assert_eq!(block.len(), BLOCK);
        assert_eq!(format!("{}/{}", text(&block[345..500]), text(&block[..100])), long);
        let many = ["directory"; 22].join("/");
        let block = header(&many, Kind::Directory, 0);
        assert_eq!((block.len(), format!("{}/{}", text(&block[345..500]), text(&block[..100]))), (BLOCK, many + "/"));
    }

    #[test]
    fn what_ustar_cannot_hold_stands_in_a_pax_header() {
        let long = "n".repeat(101);
        let blocks = header(&long, Kind::File { size: 1 << 33 }, -1);
        assert_eq!((blocks.len(), &blocks[156..157]), (3 * BLOCK, &b"x"[..]));
        let records = format!("111 path={long}\n19 size=8589934592\n12 mtime=-1\n");
        assert_eq!(text(&blocks[BLOCK..2 * BLOCK]), records);
        assert_eq!(usize::from_str_radix(text(&blocks[124..136]), 8).unwrap(), records.len());
        let umlaut = header("app/größe.txt", Kind::File { size: 0 }, 0);
        assert_eq!(text(&umlaut[BLOCK..2 * BLOCK]), "24 path=app/größe.txt\n");
        assert_eq!(header(&"n".repeat(100), Kind::File { size: (1 << 33) - 1 }, 0).len(), BLOCK);
    }

    #[test]
    fn the_length_of_a_record_counts_its_own_digits() {
        for size in [90, 91, 92, 93, 990, 991, 992, 993] {
            let mut records = Vec::new();
            record(&mut records, "path", &vec![b'x'; size]);
            let length = text(&records).split(' ').next().unwrap().parse::<usize>().unwrap();
            assert_eq!(length, records.len());
        }
    }

    #[test]
    fn headers_are_those_of_layer_format_1() {
        let all: Vec<u8> =
            [("a/b.jar", Kind::File { size: 5 }, 315_532_800), ("é".repeat(80).as_str(), Kind::Directory, -5)]
                .iter()
                .flat_map(|(path, kind, time)| header(path, *kind, *time))
                .collect();
        assert_eq!(Digest::of(&all).hex(), "cbb88857170fea3f098f0a9bb7b116a9bd7e3bb9df87f8386609ef5d6526cea9");
    }
}
