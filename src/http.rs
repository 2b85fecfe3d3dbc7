//! The one HTTP client, shared by the registry API and the AWS SDK.
//!
//! HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are read from the environment; certificate authorities are those
//! of the system, or of SSL_CERT_FILE and SSL_CERT_DIR where they are set.

use std::time::Duration;

pub use reqwest::{Client, Error};

/// How long a connection may take to come about, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Builds a client that follows no redirects: who sends credentials decides where they may go.
pub fn client() -> Result<Client, Error> {
    Client::builder()
        .user_agent(concat!("shipit/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
}
