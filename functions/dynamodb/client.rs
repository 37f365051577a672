//! The DynamoDB client: pinned behaviour, timeouts that fit into a request, and the measurement of
//! what it uses.
//!
//! The first request of a function waits until the client is set up, and Lambda gives the function
//! only a small share of a processor for that. So there is no search for settings, no folder of
//! certificates to read, and no second TLS library. benches/results/lambda.md has the savings.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Builder, Credentials, Region, SharedHttpClient, SharedInterceptor,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use futures_util::future::join_all;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::checksum::ChecksumInterceptor;
use super::usage::Meter;
use super::user_agent::UserAgent;
use crate::config::{Access, SettingsError};
use crate::limits::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, FIRST_BACKOFF, OPERATION_TIMEOUT};

/// The first attempt and three more, with exponential backoff and full jitter.
const MAX_ATTEMPTS: u32 = 4;

/// The authorities that issue the certificates of AWS's endpoints:
/// <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Builds the client of a function on Lambda from the variables that Lambda sets: see [`Access`].
///
/// # Errors
///
/// [`SettingsError`], which names the variable.
pub fn client() -> Result<Client, SettingsError> {
    let access = Access::from_environment()?;
    let credentials = credentials(&access);
    let http = http_client(access.endpoint.as_deref(), access.certificates)?;
    let mut config = Builder::new()
        .region(Region::new(access.region))
        .credentials_provider(credentials)
        .http_client(http);
    config.set_endpoint_url(access.endpoint);
    Ok(client_from(config))
}

/// The credentials of a function. They have no time of expiry, because Lambda replaces this process
/// before they expire.
pub(crate) fn credentials(access: &Access) -> Credentials {
    Credentials::new(
        &access.key_id,
        &access.secret_key,
        access.session_token.clone(),
        None,
        "Lambda",
    )
}

/// The HTTP client for an endpoint. The default is the region's own endpoint.
///
/// # Errors
///
/// [`SettingsError::Tls`] if the certificates cannot be used.
pub fn http_client(
    endpoint: Option<&str>,
    trusted: Option<Vec<u8>>,
) -> Result<SharedHttpClient, SettingsError> {
    match endpoint {
        Some(endpoint) if endpoint.starts_with("http://") => {
            Ok(aws_smithy_http_client::Builder::new().build_http())
        }
        _ => https(trusted),
    }
}

/// An HTTPS client that trusts these certificates. The default is Amazon's authorities.
fn https(trusted: Option<Vec<u8>>) -> Result<SharedHttpClient, SettingsError> {
    let pem = match trusted {
        Some(pem) => {
            count_certificates(&pem)?;
            pem
        }
        None => AMAZON_ROOTS.to_vec(),
    };
    let trust_store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder()
        .with_trust_store(trust_store)
        .build()
        .map_err(|error| SettingsError::Tls(error.to_string()))?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https();
    Ok(http)
}

/// Counts the certificates of a PEM file. They are read here first, because the HTTP client panics
/// on a text that is not a certificate.
fn count_certificates(pem: &[u8]) -> Result<usize, SettingsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| SettingsError::Tls(error.to_string()))?;
    if certificates.is_empty() {
        return Err(SettingsError::Tls("there is none in PEM form".to_owned()));
    }
    Ok(certificates.len())
}

/// Opens this many connections while the function starts, when Lambda lends it a full processor.
/// The first request finds them open, and further connections resume their TLS session. The
/// function starts even if this fails.
pub async fn connect(client: &Client, connections: usize) {
    let requests = (0..connections).map(|_| Box::pin(get_root(client)));
    drop(tokio::time::timeout(CONNECT_TIMEOUT, join_all(requests)).await);
}

/// Sends `GET /`. DynamoDB responds with "healthy" and reads no table, so no permission is needed.
async fn get_root(client: &Client) {
    // The SDK does not send a Query without a table's name. The name is removed with the body.
    let query = client.query().table_name("none").customize();
    let request = query.mutate_request(|request| {
        // This cannot fail, because the method is a constant.
        drop(request.set_method("GET"));
        request.take_body();
        for header in ["content-length", "content-type", "x-amz-target"] {
            request.headers_mut().remove(header);
        }
    });
    // The response is not that of a Query, so the result says nothing.
    drop(request.send().await);
}

/// Builds a client from a configuration, which has at least the region and the credentials.
pub fn client_from(config: Builder) -> Client {
    let mut config = config
        .behavior_version(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts())
        .retry_config(retries())
        // It would stop a response that stalls for 20 s. The timeout of an attempt, which includes
        // the body, stops it after two. This saves 1.2 % of the instructions of a page.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    // Permanent, so that the SDK does not search the configuration for a reason to leave them out.
    for interceptor in [
        SharedInterceptor::permanent(Meter),
        SharedInterceptor::permanent(ChecksumInterceptor),
        SharedInterceptor::permanent(UserAgent::default()),
    ] {
        config.push_interceptor(interceptor);
    }
    Client::from_conf(config.build())
}

/// The timeouts of a call to AWS, which fit into a request.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build()
}

/// How a call to AWS is repeated.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(MAX_ATTEMPTS)
        .with_initial_backoff(FIRST_BACKOFF)
}

/// The client of a server that a test plays.
#[cfg(test)]
pub(super) fn client_of(server: &tokio::net::TcpListener) -> Client {
    let config = Builder::new()
        .endpoint_url(format!("http://{}", server.local_addr().unwrap()))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    client_from(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_five_roots_are_compiled_in_and_make_a_client() {
        assert_eq!(count_certificates(AMAZON_ROOTS), Ok(5));
        assert!(https(None).is_ok());
    }

    #[tokio::test]
    async fn connections_are_opened_early_and_used_again() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(&listener);

        // Both connections are open before the first response.
        let server = async {
            let (mut first, _) = listener.accept().await.unwrap();
            let (mut second, _) = listener.accept().await.unwrap();
            let mut heads = Vec::new();
            for stream in [&mut first, &mut second] {
                let mut bytes = [0; 4096];
                let length = stream.read(&mut bytes).await.unwrap();
                heads.push(String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase());
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhealthy:";
                stream.write_all(response).await.unwrap();
            }
            (heads, first, second)
        };
        let ((), (heads, mut first, mut second)) = tokio::join!(connect(&client, 2), server);
        for head in &heads {
            assert!(head.starts_with("get / "), "{head}");
            assert!(head.ends_with("\r\n\r\n"), "{head}");
            assert!(!head.contains("content-length"), "{head}");
            assert!(!head.contains("x-amz-target"), "{head}");
        }

        // The next request uses one of them.
        let put = client.put_item().table_name("events").send();
        let server = async {
            let mut on_first = [0; 4096];
            let mut on_second = [0; 4096];
            let (used, head) = tokio::select! {
                read = first.read(&mut on_first) => (&mut first, &on_first[..read.unwrap()]),
                read = second.read(&mut on_second) => (&mut second, &on_second[..read.unwrap()]),
            };
            assert!(head.starts_with(b"POST / "), "on an open connection");
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
            used.write_all(response).await.unwrap();
        };
        tokio::select! {
            (put, ()) = async { tokio::join!(put, server) } => assert!(put.is_ok(), "{put:?}"),
            _ = listener.accept() => panic!("a third connection"),
        }
    }

    #[test]
    fn a_text_without_certificates_is_an_error() {
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        for text in ["", "certificates", broken] {
            assert!(
                matches!(https(Some(text.into())), Err(SettingsError::Tls(_))),
                "{text}"
            );
        }
    }
}
