//! Which requests `audit-log view` serves: those of its own page, and no others.
//!
//! The command reads a log with a person's credentials, so anything that could send it a request
//! could read the log. Three rules keep others out:
//!
//! 1. Each path begins with a random token, which only the printed URL has. Another user or program
//!    of the machine does not know it. It is no cookie, because browsers send the cookies of
//!    127.0.0.1 to every port.
//! 2. The `Host` is a loopback name with this port. A page that has its own name resolve to 127.0.0.1
//!    (DNS rebinding) sends its own name.
//! 3. `Origin` and `Sec-Fetch-Site` are those of the page itself, if they are there.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Where a browser says that a request comes from: <https://www.w3.org/TR/fetch-metadata/>.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// What it says of requests that the page sends, and of an address that a person opens.
const OWN_SITES: [&str; 2] = ["same-origin", "none"];

/// What a request must have.
#[derive(Clone, Debug)]
pub struct Guard {
    token: String,
    hosts: [String; 2],
}

/// A request that is refused. Each message is for the person at the browser.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path does not begin with the token.
    #[error("Open the complete address that audit-log view printed. It changes with each start.")]
    Token,
    /// The `Host` is another one.
    #[error("This server is reached as 127.0.0.1 only.")]
    Host,
    /// A page of another origin sends the request.
    #[error("Only the page of this server may send it requests.")]
    Origin,
}

impl Guard {
    /// A guard for the server at an address, with a new token.
    pub fn new(address: SocketAddr) -> Guard {
        // 244 random bits from the system.
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        Guard::with_token(address, token)
    }

    fn with_token(address: SocketAddr, token: String) -> Guard {
        let port = address.port();
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        Guard { token, hosts }
    }

    /// The path of the page: the token between slashes.
    pub fn prefix(&self) -> String {
        format!("/{}/", self.token)
    }

    /// The path behind the token, which begins with a slash.
    ///
    /// # Errors
    ///
    /// [`Refusal`], for a request that is not of the page.
    pub fn admit<'a>(&self, path: &'a str, headers: &HeaderMap) -> Result<&'a str, Refusal> {
        let host = text(headers, header::HOST.as_str()).unwrap_or_default();
        if !self.hosts.iter().any(|own| own == host) {
            return Err(Refusal::Host);
        }
        let own_origin = format!("http://{host}");
        let is_foreign = |origin: &str| origin != own_origin;
        if text(headers, header::ORIGIN.as_str()).is_some_and(is_foreign) {
            return Err(Refusal::Origin);
        }
        let is_foreign = |site: &str| !OWN_SITES.contains(&site);
        if text(headers, SEC_FETCH_SITE).is_some_and(is_foreign) {
            return Err(Refusal::Origin);
        }
        let behind_slash = path.strip_prefix('/').unwrap_or_default();
        let end = behind_slash.find('/').ok_or(Refusal::Token)?;
        let (token, rest) = behind_slash.split_at(end);
        if !is_same(token, &self.token) {
            return Err(Refusal::Token);
        }
        Ok(rest)
    }
}

/// The value of a header. One that is no text matches nothing that is allowed.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

/// Compares hashes, so that the time does not tell how much of a guess is right.
fn is_same(left: &str, right: &str) -> bool {
    Sha256::digest(left) == Sha256::digest(right)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn guard() -> Guard {
        let address = SocketAddr::from(([127, 0, 0, 1], 4711));
        Guard::with_token(address, "abc".to_owned())
    }

    fn admitted(path: &str, headers: &[(&'static str, &'static str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        guard().admit(path, &map).map(str::to_owned)
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:4711");

    #[test]
    fn the_page_may_send_requests() {
        assert_eq!(admitted("/abc/", &[HOST]).unwrap(), "/");
        let own = [
            ("host", "localhost:4711"),
            ("origin", "http://localhost:4711"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(admitted("/abc/events/x", &own).unwrap(), "/events/x");
    }

    #[test]
    fn a_request_without_the_token_is_refused() {
        for path in ["/", "/abc", "/events", "/abd/events", "/ab/c/", "/ABC/", ""] {
            assert_eq!(admitted(path, &[HOST]), Err(Refusal::Token), "{path}");
        }
    }

    #[test]
    fn a_request_for_another_host_is_refused() {
        for host in [
            "",
            "evil.example:4711",
            "127.0.0.1",
            "127.0.0.1:4712",
            "127.0.0.1:4711.x",
        ] {
            assert_eq!(admitted("/abc/", &[("host", host)]), Err(Refusal::Host));
        }
        assert_eq!(admitted("/abc/", &[]), Err(Refusal::Host));
    }

    #[test]
    fn a_request_of_another_origin_is_refused() {
        let others = [
            ("origin", "http://evil.example"),
            ("origin", "http://127.0.0.1:3000"),
            ("origin", "https://127.0.0.1:4711"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ];
        for other in others {
            let refused = admitted("/abc/", &[HOST, other]);
            assert_eq!(refused, Err(Refusal::Origin), "{other:?}");
        }
    }

    #[test]
    fn each_start_has_another_token() {
        let address = SocketAddr::from(([127, 0, 0, 1], 4711));
        assert_ne!(Guard::new(address).prefix(), Guard::new(address).prefix());
        assert_eq!(Guard::new(address).prefix().len(), 66);
    }
}
