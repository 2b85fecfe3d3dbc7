//! What tests need to drive the real binary against real servers. `tests/lab.rs` shows each part at work.
//!
//! Parts that need nothing but Rust: [`Sandbox`], [`BootJar`], [`ScriptedProject`] (and git), [`Proxy`],
//! [`Server`]. The others need `make test`, which installs the
//! servers, starts the lab and names its folder in SHIPIT_LAB; their tests carry
//! `#[ignore = "needs the lab: run by make test"]`.

#![allow(dead_code, unused_imports)] // each test binary uses a part of this
#![allow(clippy::unwrap_used)] // a panic here fails the test that asked

mod account;
mod bare_base;
mod base_image;
mod boot_jar;
mod lab;
mod page;
mod project;
mod proxy;
mod registry;
mod run;
mod sandbox;
mod scripted_project;
mod server;
mod shop;

pub use account::Account;
pub use bare_base::{BASE_LAYER, push_base};
pub use base_image::BaseImage;
pub use boot_jar::{BootJar, boot_jar, plain_jar};
pub use lab::Lab;
pub use page::{Page, get};
pub use project::{Project, jar};
pub use proxy::{Fault, Proxy, Seen};
pub use registry::Registry;
pub use run::Run;
pub use sandbox::Sandbox;
pub use scripted_project::{PACKAGES, ScriptedProject};
pub use server::{Server, free_port};
pub use shop::Shop;
