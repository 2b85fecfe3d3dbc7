//! The SDK's HTTP connector over the program's one HTTP client, so that proxies, certificate authorities and the pool
//! of connections are the same for the registry and for AWS.

use std::time::Duration;

use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;

/// Bounds a call whose settings name no time-out: until the head of the answer is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for the SDK. The metadata services of EC2, ECS and EKS live on link-local addresses: a proxy would ask its
/// own machine, or none, so these go straight there.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    client: reqwest::Client,
    link_local: reqwest::Client,
}

impl Connector {
    pub(super) fn new(client: reqwest::Client) -> Result<Self, reqwest::Error> {
        let link_local = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Connector { client, link_local })
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let timeout = match (settings.connect_timeout(), settings.read_timeout()) {
            (connect, Some(read)) => connect.unwrap_or_default() + read,
            (_, None) => ANSWER_TIMEOUT,
        };
        SharedHttpConnector::new(Bounded { connector: self.clone(), timeout })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("reqwest", None))
    }
}

/// The connector with the time that a call may take until the head of the answer is there.
#[derive(Debug)]
struct Bounded {
    connector: Connector,
    timeout: Duration,
}

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client =
            if is_link_local(request.uri()) { &self.connector.link_local } else { &self.connector.client }.clone();
        let timeout = self.timeout;
        HttpConnectorFuture::new(async move {
            match tokio::time::timeout(timeout, send(client, request)).await {
                Ok(answer) => answer,
                Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
            }
        })
    }
}

async fn send(client: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let Some(body) = body.bytes().map(bytes::Bytes::copy_from_slice) else {
        return Err(ConnectorError::user("a request to AWS with a streamed body is not supported".into()));
    };
    let request = reqwest::Request::try_from(http::Request::from_parts(head, body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    let response = client.execute(request).await.map_err(failure)?;
    let response: http::Response<reqwest::Body> = response.into();
    HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// Names the failure in the SDK's terms, which decide what is tried again.
fn failure(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else if error.is_connect() {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    }
}

fn is_link_local(uri: &str) -> bool {
    let Ok(url) = url::Url::parse(uri) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_link_local(),
        // fd00:ec2::/32 holds the IPv6 addresses of the metadata services.
        Some(url::Host::Ipv6(address)) => {
            address.segments()[..2] == [0xfd00, 0x0ec2] || address.is_unicast_link_local()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_are_reached_without_a_proxy() {
        for uri in ["http://169.254.169.254/latest/api/token", "http://169.254.170.2/v2", "http://[fd00:ec2::254]/"] {
            assert!(is_link_local(uri), "{uri}");
        }
        for uri in ["https://ecs.eu-west-1.amazonaws.com/", "http://127.0.0.1:4566/", "http://10.0.0.1/"] {
            assert!(!is_link_local(uri), "{uri}");
        }
    }
}
