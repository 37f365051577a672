//! How a deployed log knows who calls: by a token, or by a signature of AWS.

use std::fmt;
use std::time::{Duration, SystemTime};

use audit_log::effects::Effects;
use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Body, Request, Url};
use tokio::sync::Mutex;

use super::LogError;

/// The name of API Gateway in a signature.
pub const API_GATEWAY: &str = "execute-api";
/// Credentials that expire sooner than this are asked for again.
const FRESH: Duration = Duration::from_secs(300);

/// Who sends the requests.
pub enum Caller {
    /// No caller: the local service asks for no name.
    Unknown,
    /// The bearer of a token.
    Bearer(String),
    /// The owner of AWS credentials.
    Aws(Aws),
}

/// AWS credentials, for the requests to one service.
pub struct Aws {
    provider: SharedCredentialsProvider,
    region: String,
    service: &'static str,
    credentials: Mutex<Option<Credentials>>,
}

impl Caller {
    /// The caller for the API of a log: the bearer of the token, or else the owner of the
    /// credentials that AWS's own tools would use. Without either, and over plain HTTP, it is
    /// no caller: a deployed log is reached over TLS.
    pub async fn of(url: &Url, token: Option<String>) -> Caller {
        if let Some(token) = token {
            return Caller::Bearer(token);
        }
        if url.scheme() != "https" {
            return Caller::Unknown;
        }
        let host = url.host_str().unwrap_or_default();
        match Aws::from_environment(API_GATEWAY, region_of(host)).await {
            Some(aws) => Caller::Aws(aws),
            None => Caller::Unknown,
        }
    }

    /// Adds to a request what proves who sends it.
    ///
    /// # Errors
    ///
    /// [`LogError::Credentials`].
    pub async fn authorize(&self, request: &mut Request) -> Result<(), LogError> {
        match self {
            Caller::Unknown => Ok(()),
            Caller::Bearer(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| failed("the token has characters that no header can have"))?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
                Ok(())
            }
            Caller::Aws(aws) => aws.sign(request).await,
        }
    }
}

impl Aws {
    /// The credentials that AWS's own tools would use, if there are any. A region that is not given
    /// is theirs, too.
    pub async fn from_environment(service: &'static str, region: Option<String>) -> Option<Aws> {
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let provider = config.credentials_provider()?;
        let own_region = config.region().map(|region| region.as_ref().to_owned());
        let credentials = provider.provide_credentials().await.ok()?;
        Some(Aws {
            provider,
            region: region.or(own_region)?,
            service,
            credentials: Mutex::new(Some(credentials)),
        })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    async fn sign(&self, request: &mut Request) -> Result<(), LogError> {
        let credentials = self.credentials(now()).await?;
        sign_as(&credentials, &self.region, self.service, request)
    }

    async fn credentials(&self, now: SystemTime) -> Result<Credentials, LogError> {
        let mut held = self.credentials.lock().await;
        let is_fresh = |credentials: &&Credentials| match credentials.expiry() {
            Some(expiry) => expiry > now + FRESH,
            None => true,
        };
        if let Some(credentials) = held.as_ref().filter(is_fresh) {
            return Ok(credentials.clone());
        }
        let credentials = self.provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| failed(&error))?;
        *held = Some(credentials.clone());
        Ok(credentials)
    }
}

/// Signs a request to a service of AWS.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
///
/// # Errors
///
/// [`LogError::Credentials`].
pub fn sign_as(
    credentials: &Credentials,
    region: &str,
    service: &str,
    request: &mut Request,
) -> Result<(), LogError> {
    let identity = credentials.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let method = request.method().as_str();
    let url = request.url().as_str();
    let headers = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
    let signable = SignableRequest::new(method, url, headers, SignableBody::Bytes(body))
        .map_err(|error| failed(&error))?;
    let signed = sign(signable, &parameters).map_err(|error| failed(&error))?;
    let (signature, _) = signed.into_parts();
    for (name, value) in signature.headers() {
        let name = HeaderName::try_from(name).map_err(|error| failed(&error))?;
        let value = HeaderValue::try_from(value).map_err(|error| failed(&error))?;
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

/// Without the token and the credentials.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller")
    }
}

/// The region in the host of an API Gateway, `ID.execute-api.REGION.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let mut labels = host.split('.').skip_while(|label| *label != API_GATEWAY);
    labels.nth(1).map(str::to_owned)
}

/// A signature has the time of the real clock.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(Effects::system().now().millis())
}

fn failed(problem: impl fmt::Display) -> LogError {
    LogError::Credentials(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_an_api_is_in_its_host() {
        let region = |host| region_of(host);
        let host = "abc123.execute-api.eu-west-1.amazonaws.com";
        assert_eq!(region(host).as_deref(), Some("eu-west-1"));
        assert_eq!(region("audit.example.org"), None);
    }

    #[tokio::test]
    async fn a_token_is_sent_and_plain_http_is_not_signed() {
        let url: Url = "http://127.0.0.1:5001".parse().unwrap();
        let mut request = Request::new(reqwest::Method::GET, url.clone());
        Caller::of(&url, None)
            .await
            .authorize(&mut request)
            .await
            .unwrap();
        assert!(request.headers().is_empty());
        let caller = Caller::of(&url, Some("abc".to_owned())).await;
        caller.authorize(&mut request).await.unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer abc");
        let caller = Caller::of(&url, Some("a\nb".to_owned())).await;
        assert!(caller.authorize(&mut request).await.is_err());
    }

    #[tokio::test]
    async fn a_signed_request_names_the_credentials_and_the_region() {
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let caller = Caller::Aws(Aws {
            provider: SharedCredentialsProvider::new(credentials),
            region: "eu-west-1".to_owned(),
            service: API_GATEWAY,
            credentials: Mutex::new(None),
        });
        let url: Url = "https://x.execute-api.eu-west-1.amazonaws.com/events?a=b"
            .parse()
            .unwrap();
        let mut request = Request::new(reqwest::Method::GET, url);
        caller.authorize(&mut request).await.unwrap();
        let authorization = request.headers()[AUTHORIZATION].to_str().unwrap();
        assert!(
            authorization.contains("Credential=AKID/"),
            "{authorization}"
        );
        assert!(
            authorization.contains("/eu-west-1/execute-api/"),
            "{authorization}"
        );
        assert_eq!(request.headers()["x-amz-security-token"], "token");
    }
}
