//! Amazon's side of the road: ECR repositories and credentials, task definitions, services, their deployments, and
//! the reasons why tasks stop.
//!
//! Nothing here knows how an image is assembled or how a registry is spoken to. The SDK's types stay inside: what goes
//! in and out are plain types.

pub mod config;
mod connector;
pub mod deployment;
pub mod ecr;
pub mod ecr_credentials;
pub mod error;
mod json;
pub mod logs;
pub mod overlay;
pub mod percentages;
pub mod roll;
pub mod rollout;
pub mod service;
pub mod service_deployment;
mod stack_trace;
pub mod task_definition;
pub mod task_failure;
pub mod task_size;

pub use config::Aws;
pub use error::AwsError;

#[cfg(test)]
mod canned;
