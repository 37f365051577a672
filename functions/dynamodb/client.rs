//! The DynamoDB client: pinned behaviour, timeouts that fit into a request, and the count of what
//! is used.
//!
//! The first request of a function waits until the client is set up, and Lambda gives the function
//! only a small share of a processor for that. So there is no search for settings, no folder of
//! certificates to read, and no second TLS library. benches/results/lambda.md has the savings.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use futures_util::future::join_all;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::checksum::ChecksumInterceptor;
use super::usage::Meter;
use crate::config::{Access, SettingsError};
use crate::limits::{ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, FIRST_BACKOFF, OPERATION_TIMEOUT};

/// The first attempt and three more, with exponential backoff and full jitter.
const MAX_ATTEMPTS: u32 = 4;

/// The authorities that AWS's endpoints have their certificates from:
/// <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// The client of a function on Lambda, from the variables that Lambda sets for it: see [`Access`].
///
/// # Errors
///
/// [`SettingsError`], which names the variable.
pub fn client() -> Result<Client, SettingsError> {
    let access = Access::from_environment()?;
    let mut config = Builder::new()
        .region(Region::new(access.region))
        // They hold as long as this process: Lambda replaces it before they expire.
        .credentials_provider(Credentials::new(
            access.key_id,
            access.secret_key,
            access.session_token,
            None,
            "Lambda",
        ));
    let plain = access
        .endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    config.set_endpoint_url(access.endpoint);
    let http = aws_smithy_http_client::Builder::new();
    let http = if plain {
        http.build_http()
    } else {
        https(access.certificates)?
    };
    Ok(client_from(config.http_client(http)))
}

fn https(trusted: Option<Vec<u8>>) -> Result<SharedHttpClient, SettingsError> {
    let pem = match trusted {
        Some(pem) => {
            count_certificates(&pem)?;
            pem
        }
        None => AMAZON_ROOTS.to_vec(),
    };
    let context = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(pem))
        .build()
        .map_err(|error| SettingsError::Tls(error.to_string()))?;
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https();
    Ok(http)
}

/// How many certificates there are. They are read here first, because the HTTP client panics on a
/// text that is not a certificate.
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
///
/// It sends `GET /`, to which DynamoDB responds "healthy" without looking at any table, so no
/// permission is needed.
pub async fn connect(client: &Client, connections: usize) {
    let ask = || {
        // A Query without the name of a table would not be sent. The name goes with the body.
        let ask = client
            .query()
            .table_name("none")
            .customize()
            .mutate_request(|request| {
                // It cannot fail: the method is a constant.
                drop(request.set_method("GET"));
                request.take_body();
                for header in ["content-length", "content-type", "x-amz-target"] {
                    request.headers_mut().remove(header);
                }
            });
        Box::pin(ask.send())
    };
    // The responses are not those of a Query, so nothing is read from them.
    drop(tokio::time::timeout(CONNECT_TIMEOUT, join_all((0..connections).map(|_| ask()))).await);
}

/// A client from a configuration that has, say, an endpoint and credentials.
pub fn client_from(config: Builder) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let config = config
        .behavior_version(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(MAX_ATTEMPTS)
                .with_initial_backoff(FIRST_BACKOFF),
        );
    Client::from_conf(
        config
            .interceptor(Meter)
            .interceptor(ChecksumInterceptor)
            .build(),
    )
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
    async fn connections_are_opened_by_asking_for_nothing_and_used_again() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Builder::new()
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let client = client_from(config);
        let heads = async {
            let (mut first, mut second) = (
                listener.accept().await.unwrap().0,
                listener.accept().await.unwrap().0,
            );
            let (mut heads, mut bytes) = (Vec::new(), [0; 4096]);
            for stream in [&mut first, &mut second] {
                let length = stream.read(&mut bytes).await.unwrap();
                heads.push(String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase());
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhealthy:")
                    .await
                    .unwrap();
            }
            (heads, first, second)
        };
        let ((), (heads, mut first, mut second)) = tokio::join!(connect(&client, 2), heads);
        for head in &heads {
            assert!(
                head.starts_with("get / ") && head.ends_with("\r\n\r\n"),
                "{head}"
            );
            assert!(
                !head.contains("content-length") && !head.contains("x-amz-target"),
                "{head}"
            );
        }
        let put = client.put_item().table_name("events").send();
        let again = async {
            let (mut of_first, mut of_second) = ([0; 4096], [0; 4096]);
            let (open, bytes) = tokio::select! {
                length = first.read(&mut of_first) => (&mut first, &of_first[..length.unwrap()]),
                length = second.read(&mut of_second) => (&mut second, &of_second[..length.unwrap()]),
            };
            assert!(
                bytes.starts_with(b"POST / "),
                "on a connection that is open"
            );
            open.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                .await
                .unwrap();
        };
        tokio::select! {
            (put, ()) = async { tokio::join!(put, again) } => assert!(put.is_ok(), "{put:?}"),
            _ = listener.accept() => panic!("a third connection"),
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error_and_no_panic() {
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        for text in ["", "certificates", broken] {
            assert!(
                matches!(https(Some(text.into())), Err(SettingsError::Tls(_))),
                "{text}"
            );
        }
    }
}
