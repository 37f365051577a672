//! How a deployed log knows who calls: by a token, or by a signature of AWS.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Body, Request, Url};
use tokio::sync::Mutex;

use crate::Error;
use crate::clock::now;

/// The name of API Gateway in a signature.
pub const API_GATEWAY: &str = "execute-api";
/// Credentials that expire sooner than this are asked for again.
const FRESH: Duration = Duration::from_secs(300);

/// Who sends the requests.
///
/// ```
/// use audit_log_client::{Auth, Log};
///
/// let auth = Auth::Bearer("a token of your identity provider".to_owned());
/// let log = Log::new("https://audit.example.org", auth)?;
/// # Ok::<(), audit_log_client::Error>(())
/// ```
#[derive(Clone)]
pub enum Auth {
    /// No one in particular: the local service asks for no name.
    None,
    /// The bearer of a token.
    Bearer(String),
    /// The owner of AWS credentials.
    Aws(Aws),
}

/// AWS credentials, for the requests to one service.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    provider: SharedCredentialsProvider,
    region: String,
    service: &'static str,
    held: Mutex<Option<Credentials>>,
}

impl Auth {
    /// The caller for the log at a URL: the bearer of the token, or else the owner of the
    /// credentials that AWS's own tools would use. Without either, and over plain HTTP, it is
    /// [`Auth::None`], because a deployed log is reached over TLS.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() {
    /// use audit_log_client::Auth;
    ///
    /// let url = "http://127.0.0.1:5001";
    /// assert!(matches!(Auth::from_environment(url, None).await, Auth::None));
    /// let token = Some("abc".to_owned());
    /// assert!(matches!(Auth::from_environment(url, token).await, Auth::Bearer(_)));
    /// # }
    /// ```
    pub async fn from_environment(url: &str, token: Option<String>) -> Auth {
        if let Some(token) = token {
            return Auth::Bearer(token);
        }
        // Log::new says what is wrong with a URL.
        let Ok(url) = url.parse::<Url>() else {
            return Auth::None;
        };
        if url.scheme() != "https" {
            return Auth::None;
        }
        let host = url.host_str().unwrap_or_default();
        match Aws::from_environment(API_GATEWAY, region_of(host)).await {
            Some(aws) => Auth::Aws(aws),
            None => Auth::None,
        }
    }

    /// Adds to a request what proves who sends it.
    ///
    /// # Errors
    ///
    /// [`Error::Credentials`].
    pub async fn authorize(&self, request: &mut Request) -> Result<(), Error> {
        match self {
            Auth::None => Ok(()),
            Auth::Bearer(token) => {
                let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                    .map_err(|_| failed("the token has characters that no header can have"))?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
                Ok(())
            }
            Auth::Aws(aws) => aws.sign(request).await,
        }
    }
}

impl Aws {
    /// The credentials that AWS's own tools would use, if there are any. A region that is not given
    /// is theirs, too. `service` is the name of the service in a signature, such as
    /// [`API_GATEWAY`].
    pub async fn from_environment(service: &'static str, region: Option<String>) -> Option<Aws> {
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let provider = config.credentials_provider()?;
        let own_region = config.region().map(|region| region.as_ref().to_owned());
        let credentials = provider.provide_credentials().await.ok()?;
        Some(Aws(Arc::new(Inner {
            provider,
            region: region.or(own_region)?,
            service,
            held: Mutex::new(Some(credentials)),
        })))
    }

    /// Credentials of a provider, as those of a `ConfigLoader` of the AWS SDK.
    pub fn new(
        provider: impl ProvideCredentials + 'static,
        region: impl Into<String>,
        service: &'static str,
    ) -> Aws {
        Aws(Arc::new(Inner {
            provider: SharedCredentialsProvider::new(provider),
            region: region.into(),
            service,
            held: Mutex::new(None),
        }))
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.0.region
    }

    async fn sign(&self, request: &mut Request) -> Result<(), Error> {
        let credentials = self.credentials(now()).await?;
        sign_as(&credentials, &self.0.region, self.0.service, request)
    }

    async fn credentials(&self, now: SystemTime) -> Result<Credentials, Error> {
        let mut held = self.0.held.lock().await;
        let is_fresh = |credentials: &&Credentials| match credentials.expiry() {
            Some(expiry) => expiry > now + FRESH,
            None => true,
        };
        if let Some(credentials) = held.as_ref().filter(is_fresh) {
            return Ok(credentials.clone());
        }
        let credentials = self.0.provider.provide_credentials().await;
        let credentials = credentials.map_err(|error| failed(&error))?;
        *held = Some(credentials.clone());
        Ok(credentials)
    }
}

/// Signs a request to a service of AWS.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
fn sign_as(
    credentials: &Credentials,
    region: &str,
    service: &str,
    request: &mut Request,
) -> Result<(), Error> {
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

/// Without the token.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Bearer(_) => "Bearer",
            Auth::Aws(_) => "Aws",
        })
    }
}

/// Without the credentials.
impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aws")
    }
}

/// The region in the host of an API Gateway, `ID.execute-api.REGION.amazonaws.com`.
fn region_of(host: &str) -> Option<String> {
    let mut labels = host.split('.').skip_while(|label| *label != API_GATEWAY);
    labels.nth(1).map(str::to_owned)
}

fn failed(problem: impl fmt::Display) -> Error {
    Error::Credentials(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    #[test]
    fn the_region_of_an_api_is_in_its_host() {
        let region = |host| region_of(host);
        let host = "abc123.execute-api.eu-west-1.amazonaws.com";
        assert_eq!(region(host).as_deref(), Some("eu-west-1"));
        assert_eq!(region("audit.example.org"), None);
    }

    #[tokio::test]
    async fn a_token_is_sent_and_plain_http_is_not_signed() {
        let url = "http://127.0.0.1:5001";
        let mut request = Request::new(Method::GET, url.parse().unwrap());
        let auth = Auth::from_environment(url, None).await;
        auth.authorize(&mut request).await.unwrap();
        assert!(request.headers().is_empty());
        let auth = Auth::from_environment(url, Some("abc".to_owned())).await;
        auth.authorize(&mut request).await.unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer abc");
        let auth = Auth::from_environment(url, Some("a\nb".to_owned())).await;
        assert!(auth.authorize(&mut request).await.is_err());
    }

    #[tokio::test]
    async fn a_signed_request_names_the_credentials_and_the_region() {
        let credentials = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        let auth = Auth::Aws(Aws::new(credentials, "eu-west-1", API_GATEWAY));
        let url = "https://x.execute-api.eu-west-1.amazonaws.com/events?a=b";
        let mut request = Request::new(Method::GET, url.parse().unwrap());
        auth.authorize(&mut request).await.unwrap();
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
