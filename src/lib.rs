//! The program as a library, so that tests, benchmarks and fuzz targets reach its parts. Not a public API.

pub mod http;
pub mod image;
pub mod registry;
