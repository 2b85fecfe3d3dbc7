//! The frame of a gzip member (RFC 1952).

/// The header: deflate, no name, no time, no hint of the level (XFL 0), and 255 (unknown) for the operating system,
/// as nothing of this machine may reach the bytes.
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// What follows the deflate data: the CRC-32 of the content, and its size in bytes modulo 2³².
pub fn trailer(crc32: u32, size: u64) -> [u8; 8] {
    let mut trailer = [0; 8];
    trailer[..4].copy_from_slice(&crc32.to_le_bytes());
    trailer[4..].copy_from_slice(&(size as u32).to_le_bytes());
    trailer
}
