//! How a deployed log knows who calls.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// Who sends the requests.
pub enum Caller {
    /// Nobody: the local service asks for no name.
    Unknown,
    /// The bearer of a token.
    Bearer(String),
    /// Whom these AWS credentials belong to.
    Aws { credentials: Credentials, region: String },
}

impl Caller {
    /// From `AUDIT_LOG_TOKEN`, or else from AWS's own variables.
    pub fn from_environment() -> Caller {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(token) = variable("AUDIT_LOG_TOKEN") {
            return Caller::Bearer(token);
        }
        match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_REGION")) {
            (Some(id), Some(secret), Some(region)) => {
                let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
                Caller::Aws { credentials, region }
            }
            _ => Caller::Unknown,
        }
    }

    /// Adds to a request what proves who sends it.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
    pub fn authorize(&self, request: &mut Request) {
        match self {
            Caller::Unknown => {}
            Caller::Bearer(token) => {
                request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            }
            Caller::Aws { credentials, region } => sign_as(credentials, region, request),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature has the time of the real clock")]
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
    let signature = {
        let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let (method, url) = (request.method().as_str(), request.url().as_str());
        let signable = SignableRequest::new(method, url, headers, SignableBody::Bytes(body)).unwrap();
        sign(signable, &parameters).unwrap().into_parts().0
    };
    for (name, value) in signature.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
}
