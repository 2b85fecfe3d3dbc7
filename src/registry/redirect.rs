//! Where a registry may send its client to.
//!
//! A registry is a stranger: it may not move credentials to another host, nor make this machine ask its own network.

use std::net::{IpAddr, Ipv6Addr};

use url::{Host, Url};

use super::{Registry, RegistryError};

/// How many redirects are followed.
pub const MAX_REDIRECTS: usize = 5;

/// Resolves what `registry`, asked at `from`, named as the next address, and refuses those it may not name: other
/// schemes, plain http where it is not allowed, and addresses of private networks if the registry is a public one.
pub fn target(registry: &Registry, insecure: &[String], from: &Url, location: &str) -> Result<Url, RegistryError> {
    let refuse = |why: &'static str| {
        let location = location.chars().take(200).collect();
        RegistryError::Misdirected { registry: registry.clone(), location, why }
    };
    let mut url = from.join(location).map_err(|_| refuse("it is not an address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("its scheme is neither https nor http"));
    }
    // A registry behind a proxy that ends TLS often believes that it was asked over http.
    if url.scheme() == "http" && from.scheme() == "https" && url.host() == from.host() && url.port().is_none() {
        let _ = url.set_scheme("https");
        let _ = url.set_port(from.port());
    }
    if same_origin(&url, from) {
        return Ok(url);
    }
    let trusted = insecure.iter().any(|host| *host == authority(&url) || Some(&**host) == url.host_str());
    if is_private(&url) && !is_private(from) && !trusted {
        return Err(refuse("it is an address of a private network, and the registry is a public one"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !trusted {
        return Err(refuse("it is plain http (allow the host by name if that is intended)"));
    }
    Ok(url)
}

/// Whether credentials for one may be sent to the other.
pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// `host[:port]` as it stands in the address.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)),
        Host::Domain(_) => None,
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || address(url).is_some_and(|address| address.is_loopback())
}

fn is_private(url: &Url) -> bool {
    let local_v6 = |v6: Ipv6Addr| v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified();
    is_loopback(url)
        || url.host_str().is_some_and(|host| host.ends_with(".localhost"))
        || address(url).is_some_and(|address| match address {
            IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
            IpAddr::V6(v6) => local_v6(v6),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(from: &str, location: &str, insecure: &[String]) -> Result<String, String> {
        let registry = "example.com".parse().unwrap();
        target(&registry, insecure, &from.parse().unwrap(), location)
            .map(|url| url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_public_registry_may_not_point_into_private_networks() {
        let from = "https://example.com/v2/";
        for private in [
            "https://10.0.0.1/x",
            "https://169.254.169.254/latest",
            "https://localhost/x",
            "https://[::1]/x",
            "https://[::ffff:10.0.0.1]/",
            "https://2130706433/",
            "https://[fd00::1]/",
        ] {
            assert!(go(from, private, &[]).is_err_and(|error| error.contains("private network")), "{private}");
        }
        assert!(go("http://127.0.0.1:5000/v2/", "http://127.0.0.1:6000/x", &[]).is_ok());
        assert!(go(from, "https://10.0.0.1:8443/x", &["10.0.0.1:8443".to_owned()]).is_ok());
    }

    #[test]
    fn plain_http_is_refused_unless_named_or_the_same_host() {
        let from = "https://example.com/v2/";
        assert!(go(from, "http://blobs.example.net/x", &[]).is_err_and(|error| error.contains("plain http")));
        assert!(go(from, "http://blobs.example.net/x", &["blobs.example.net".to_owned()]).is_ok());
        assert_eq!(go(from, "http://example.com/up", &[]).unwrap(), "https://example.com/up");
        assert_eq!(go(from, "/v2/up?a=b", &[]).unwrap(), "https://example.com/v2/up?a=b");
        assert!(go(from, "file:///etc/passwd", &[]).is_err());
    }
}
