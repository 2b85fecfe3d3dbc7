//! Which Spring Boot a project uses, as far as its poms tell.

use crate::Project;
use crate::lineage::{self, Lineage};

/// The version of Spring's parent, or of the property that commonly names it; `None` where only Maven knows.
pub fn boot_version(project: &Project) -> Option<String> {
    let arguments = lineage::configured_arguments(&project.root);
    let properties = lineage::user_properties(arguments.iter().map(String::as_str));
    Lineage::read(&project.module.join("pom.xml"), properties).ok()?.boot_version()
}
