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
    use std::time::Instant;

    use aws_smithy_types::body::SdkBody;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn bounded(timeout: Duration) -> Bounded {
        Bounded { connector: Connector::new(crate::http::client().unwrap()).unwrap(), timeout }
    }

    fn request(uri: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from("asked"));
        request.set_method("POST").unwrap();
        request.set_uri(uri.to_owned()).unwrap();
        request.headers_mut().insert("x-amz-target", "a.B");
        request.headers_mut().insert("content-length", "5");
        request
    }

    #[tokio::test]
    async fn a_request_and_its_answer_pass_through_unchanged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/path?q=1", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"asked") {
                let mut part = [0; 1024];
                let read = stream.read(&mut part).await.unwrap();
                asked.extend_from_slice(&part[..read]);
            }
            let answer =
                "HTTP/1.1 302 Found\r\nlocation: /other\r\nx-amzn-requestid: r\r\ncontent-length: 6\r\n\r\nanswer";
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap().to_lowercase()
        });
        let mut response = bounded(Duration::from_secs(10)).call(request(&uri)).await.unwrap();
        assert_eq!(response.status().as_u16(), 302, "redirects are not followed");
        assert_eq!(response.headers().get("x-amzn-requestid"), Some("r"));
        let body = reqwest::Body::wrap(response.take_body());
        let body = reqwest::Response::from(http::Response::new(body)).bytes().await.unwrap();
        assert_eq!(body, "answer");
        let asked = server.await.unwrap();
        assert!(asked.starts_with("post /path?q=1 http/1.1\r\n"), "{asked}");
        assert!(asked.contains("x-amz-target: a.b\r\n"), "{asked}");
        assert_eq!(asked.matches("content-length:").count(), 1, "{asked}");
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let begun = Instant::now();
        let error = bounded(Duration::from_millis(200)).call(request(&uri)).await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_refused_connection_is_an_io_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let error = bounded(Duration::from_secs(10)).call(request(&uri)).await.unwrap_err();
        assert!(error.is_io(), "{error:?}");
    }

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
