//! What the benches of the functions' binaries share: the variables of a function, its payloads, and
//! a TLS endpoint before the engine.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use audit_log::effects::Effects;
use audit_log_testing::{ALLOCATOR, event_with, read_file};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The variables that the template sets for a function.
pub const TEMPLATE: [(&str, &str); 7] = [
    ALLOCATOR,
    ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ("EVENTS_TABLE", "EventsTable"),
    ("KEYS_TABLE", "KeysTable"),
    ("COUNTS_TABLE", "CountsTable"),
    ("TREE_TABLE", "TreeTable"),
    ("FILTERS", "event_type,src_service"),
];

/// A certificate for localhost; its authority goes, with those that a function trusts, into two
/// files.
pub fn certify(folder: &Path) -> TlsAcceptor {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let amazon = read_file("functions/dynamodb/amazon-roots.pem");
    let machine = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt")
        .unwrap_or_else(|_| amazon.clone());
    for (file, others) in [("amazon.pem", amazon), ("machine.pem", machine)] {
        std::fs::write(folder.join(file), format!("{others}\n{}", authority.pem())).unwrap();
    }
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS endpoint before the engine.
pub async fn terminate_tls(acceptor: TlsAcceptor, engine: String) -> SocketAddr {
    before(engine, move |stream, mut inside| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut outside) = acceptor.accept(stream).await else {
                return;
            };
            tokio::io::copy_bidirectional(&mut outside, &mut inside)
                .await
                .ok();
        }
    })
    .await
}

/// An endpoint that hands each connection, and one of its own to the engine, to `join`.
pub async fn before<F>(
    engine: String,
    join: impl Fn(TcpStream, TcpStream) -> F + Send + Sync + 'static,
) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((outside, _)) = listener.accept().await {
            let inside = TcpStream::connect(&engine).await.unwrap();
            for stream in [&outside, &inside] {
                stream.set_nodelay(true).unwrap();
            }
            tokio::spawn(join(outside, inside));
        }
    });
    address
}

/// `POST /events` of 1 KB, on time.
pub fn reporting() -> Value {
    let now = Effects::system().now();
    let app_data = format!("{{\"text\":\"{}\"}}", "x".repeat(850));
    let body = event_with("1", &now.to_string(), &app_data);
    payload(
        "POST",
        json!({"content-type": "application/json"}),
        Some(body),
    )
}

/// `GET /events`.
pub fn listing() -> Value {
    payload("GET", json!({}), None)
}

fn payload(method: &str, headers: Value, body: Option<String>) -> Value {
    json!({
        "version": "2.0", "routeKey": format!("{method} /events"), "rawPath": "/events", "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "a", "requestId": "r",
            "routeKey": format!("{method} /events"), "stage": "$default", "timeEpoch": 0,
            "http": {"method": method, "path": "/events", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        },
        "body": body, "isBase64Encoded": false,
    })
}
