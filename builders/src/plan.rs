//! Stage three, plan: which files the image needs, read from the archive itself.

use crate::{Application, Artifact};

#[derive(Debug, thiserror::Error)]
pub enum PlanError {}

/// Reads the archive's directory and indexes and lays the application out in layers, in Spring Boot's extracted form.
pub fn plan(artifact: &Artifact) -> Result<Application, PlanError> {
    let _ = artifact;
    todo!()
}
