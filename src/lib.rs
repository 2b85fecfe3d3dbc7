//! The program as a library, so that tests, benchmarks and fuzz targets reach its parts. Not a public API.

pub mod aws;
pub mod commands;
pub mod files;
pub mod git;
pub mod http;
pub mod image;
pub mod registry;
pub mod release;
pub mod report;
pub mod settings;
pub mod version;
