//! OCI images: their types, how layers become bytes, and where those bytes lie on this machine.
//!
//! Nothing here reaches the network, and no clock, host name, path or thread count reaches a hashed byte.

pub mod annotations;
pub mod application_layers;
pub mod assemble;
pub mod assembled;
pub mod base;
pub mod cache;
pub mod command_line;
pub mod compare;
pub mod config;
pub mod deflate;
pub mod descriptor;
pub mod digest;
pub mod facts;
pub mod format;
pub mod gzip;
pub mod health_check;
pub mod layer;
pub mod layout;
pub mod manifest;
pub mod media_type;
pub mod opened;
pub mod output;
pub mod platform;
pub mod stop_signal;
pub mod tar;
pub mod tar_reader;
pub mod timestamp;

pub use assembled::Assembled;
pub use cache::Cache;
pub use descriptor::Descriptor;
pub use digest::Digest;
pub use manifest::{Index, Manifest};
pub use media_type::MediaType;
pub use platform::Platform;
