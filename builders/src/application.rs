//! The plain types that the plan stage gives to the assembler.

use std::path::PathBuf;

use crate::JavaVersion;

/// The archive that the project's build made, or that the user named with `--jar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Where the jar or war lies.
    pub path: PathBuf,
}

/// A Spring Boot application laid out for an image.
///
/// No file content is held in memory beyond what the plan itself wrote (zip headers, a manifest): contents are
/// ranges of [`Application::archive`], or files of their own, read when they are needed.
#[derive(Debug, Clone)]
pub struct Application {
    /// The archive that the ranges of every [`Part`] point into.
    pub archive: PathBuf,
    /// Bottom layer first; none of them is empty.
    pub layers: Vec<Layer>,
    /// The working directory in the image, absolute: `/app`.
    pub workdir: String,
    /// What follows `java` and its flags on the command line: `-jar application.jar`.
    pub command: Vec<String>,
    /// The class with the application's `main`, where the JVM finds it without a launcher.
    pub start_class: Option<String>,
    /// The Java version that the application needs, where the archive tells.
    pub java: Option<JavaVersion>,
    /// `Spring-Boot-Version` of the manifest.
    pub boot_version: Option<String>,
    /// `Implementation-Title` of the manifest.
    pub title: Option<String>,
    /// `Implementation-Version` of the manifest.
    pub version: Option<String>,
}

/// A group of files that changes together.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The name in `layers.idx`: `dependencies`, `application`, or the project's own.
    pub name: String,
    /// Whether this layer holds the application's own code, and so changes with every commit.
    pub application: bool,
    /// In the order in which they stand in the layer's tar, parents before children, no path twice.
    pub entries: Vec<Entry>,
}

/// A file or directory of the image.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path in the image without a leading slash: `app/lib/spring-core-7.0.1.jar`.
    /// Never empty, absolute, or with an empty, `.` or `..` segment.
    pub path: String,
    pub content: Content,
}

/// What an [`Entry`] is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A directory, mode 0755.
    Directory,
    /// A regular file, mode 0644: its parts, one after the other.
    File { parts: Vec<Part> },
    /// A regular file, mode 0644: a copy of the first `size` bytes of a file on disk, which are all that it had.
    Copy { path: PathBuf, size: u64, crc32: u32 },
}

/// A stretch of a file's bytes, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes that the plan itself wrote.
    Bytes(Vec<u8>),
    /// `size` bytes of the archive as they lie at `offset`; their CRC-32 is checked when they are read.
    Stored { offset: u64, size: u64, crc32: u32 },
    /// `compressed_size` bytes of deflate data at `offset` of the archive, which inflate to `size` bytes;
    /// both the size and the CRC-32 are checked when they are read.
    Deflated { offset: u64, compressed_size: u64, size: u64, crc32: u32 },
}

impl Part {
    /// Bytes that this part adds to the file.
    pub fn size(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::Stored { size, .. } | Part::Deflated { size, .. } => *size,
        }
    }
}

impl Content {
    /// The file's size in bytes; 0 for a directory.
    pub fn size(&self) -> u64 {
        match self {
            Content::Directory => 0,
            Content::File { parts } => parts.iter().map(Part::size).sum(),
            Content::Copy { size, .. } => *size,
        }
    }
}
