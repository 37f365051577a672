//! The key in KMS, against an endpoint that signs as KMS does.

use std::sync::{Arc, Mutex};

use audit_log::kms::{KmsSigner, client_from};
use audit_log::tree::{Note, Signer, VerifierKey};
use audit_log_testing::tree::TestKey;
use aws_sdk_kms::config::{Builder, Credentials, Region};
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/0";
/// Of an Ed25519 key (RFC 8410 §4).
const DER: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What the endpoint does.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Signs,
    SignsWithAnotherKey,
    IsDisabled,
    HasAnotherKind,
}

/// An endpoint, and what it was asked for.
async fn endpoint(mode: Mode) -> (aws_sdk_kms::Client, Arc<Mutex<Vec<Value>>>) {
    let requests: Arc<Mutex<Vec<Value>>> = Arc::default();
    let seen = requests.clone();
    let answer = move |headers: HeaderMap, body: String| async move {
        let body: Value = serde_json::from_str(&body).unwrap();
        let target = headers["x-amz-target"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(json!([target, body]));
        let (status, answer) = respond(mode, &target, &body).await;
        let headers = [("content-type", "application/x-amz-json-1.1")];
        (status, headers, answer.to_string())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = Builder::new()
        .endpoint_url(url)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    (client_from(config), requests)
}

async fn respond(mode: Mode, target: &str, body: &Value) -> (StatusCode, Value) {
    let key = TestKey::new(7);
    match (target, mode) {
        ("TrentService.GetPublicKey", Mode::HasAnotherKind) => (
            StatusCode::OK,
            json!({"KeyId": KEY, "PublicKey": BASE64.encode([0x30; 91])}),
        ),
        ("TrentService.GetPublicKey", _) => {
            let der = [DER, &key.public_key()].concat();
            (
                StatusCode::OK,
                json!({"KeyId": KEY, "PublicKey": BASE64.encode(der)}),
            )
        }
        ("TrentService.Sign", Mode::IsDisabled) => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "DisabledException", "message": "the key is disabled"}),
        ),
        ("TrentService.Sign", _) => {
            let key = match mode {
                Mode::SignsWithAnotherKey => TestKey::new(8),
                _ => key,
            };
            let message = BASE64.decode(body["Message"].as_str().unwrap()).unwrap();
            let signature = BASE64.encode(key.sign(&message).await.unwrap());
            let algorithm = "ED25519_SHA_512";
            let answer =
                json!({"KeyId": KEY, "Signature": signature, "SigningAlgorithm": algorithm});
            (StatusCode::OK, answer)
        }
        _ => panic!("{target}"),
    }
}

async fn note(client: aws_sdk_kms::Client) -> Result<Note, String> {
    let signer = KmsSigner::open(client, KEY.to_owned())
        .await
        .map_err(|error| error.to_string())?;
    let name = "localhost/log".parse().unwrap();
    let note = Note::sign("localhost/log\n1\n".to_owned(), &name, &signer).await;
    note.map_err(|error| error.to_string())
}

#[tokio::test]
async fn kms_signs_the_text_itself_with_ed25519() {
    let (client, requests) = endpoint(Mode::Signs).await;
    let note = note(client).await.unwrap();
    let name = "localhost/log".parse().unwrap();
    let key = VerifierKey::new(name, TestKey::new(7).public_key());
    assert!(note.is_signed_by(&key));
    let message = BASE64.encode("localhost/log\n1\n");
    let expected = json!([
        ["TrentService.GetPublicKey", {"KeyId": KEY}],
        ["TrentService.Sign", {
            "KeyId": KEY,
            "Message": message,
            "MessageType": "RAW",
            "SigningAlgorithm": "ED25519_SHA_512",
        }],
    ]);
    assert_eq!(json!(*requests.lock().unwrap()), expected);
}

#[tokio::test]
async fn a_key_that_is_disabled_or_another_signs_nothing() {
    for (mode, said) in [
        (Mode::IsDisabled, "the key is disabled"),
        (Mode::SignsWithAnotherKey, "its signature is not valid"),
        (Mode::HasAnotherKind, "ECC_NIST_EDWARDS25519"),
    ] {
        let (client, _) = endpoint(mode).await;
        let error = note(client).await.unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
