//! The distribution API (OCI distribution-spec 1.1): names, credentials, pull and push.
//!
//! Nothing here knows AWS: credentials come from [`CredentialSource`]s that the caller brings.

mod auth;
pub mod challenge;
pub mod credentials;
pub mod docker_config;
pub mod error;
mod pull;
pub mod push;
mod redirect;
pub mod reference;
pub mod retry;
mod transport;
mod upload;

pub use credentials::{CredentialError, CredentialSource, Credentials};
pub use docker_config::DockerConfig;
pub use error::{Refusal, RegistryError};
pub use pull::Resolved;
pub use push::{BlobSource, IfTagDiffers, PushError, PushEvent, PushImage, PushLayer, PushRequest, Pushed};
pub use reference::{Reference, ReferenceError, Registry, Repository};
pub use retry::RetryPolicy;
pub use transport::{Client, ClientOptions, Endpoint, Notice};

#[cfg(test)]
mod docker_registry_tests;
#[cfg(test)]
mod fake_registry;
#[cfg(test)]
mod tests;
