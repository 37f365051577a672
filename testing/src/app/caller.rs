//! How a deployed log knows who calls.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Body, Request};

/// Who sends the requests.
pub enum Caller {
    /// No caller: the local service asks for no name.
    Unknown,
    /// The bearer of a token.
    Bearer(String),
    /// The owner of these AWS credentials.
    Aws {
        /// The credentials.
        credentials: Credentials,
        /// The region of the API.
        region: String,
    },
}

impl Caller {
    /// From `AUDIT_LOG_TOKEN`, or else from AWS's own variables.
    pub fn from_environment() -> Caller {
        if let Some(token) = variable("AUDIT_LOG_TOKEN") {
            return Caller::Bearer(token);
        }
        Caller::from_aws().unwrap_or(Caller::Unknown)
    }

    fn from_aws() -> Option<Caller> {
        let id = variable("AWS_ACCESS_KEY_ID")?;
        let secret = variable("AWS_SECRET_ACCESS_KEY")?;
        let region = variable("AWS_REGION")?;
        let session = variable("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(id, secret, session, None, "environment");
        Some(Caller::Aws {
            credentials,
            region,
        })
    }

    /// Adds to a request what proves who sends it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
    pub fn authorize(&self, request: &mut Request) {
        match self {
            Caller::Unknown => {}
            Caller::Bearer(token) => {
                let value = format!("Bearer {token}").parse().unwrap();
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Caller::Aws {
                credentials,
                region,
            } => sign_as(credentials, region, request),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    if value.is_empty() {
        return None;
    }
    Some(value)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature has the time of the real clock"
)]
fn sign_as(credentials: &Credentials, region: &str, request: &mut Request) {
    let identity = credentials.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("execute-api")
        .time(std::time::SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let method = request.method().as_str();
    let url = request.url().as_str();
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
    let signable = SignableRequest::new(method, url, headers, SignableBody::Bytes(body)).unwrap();
    let (signature, _) = sign(signable, &parameters).unwrap().into_parts();
    for (name, value) in signature.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().insert(name, value);
    }
}
