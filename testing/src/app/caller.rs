//! How a deployed log knows who calls.

use audit_log_cli::log::caller::{API_GATEWAY, sign_as};
use aws_credential_types::Credentials;
use reqwest::Request;
use reqwest::header::AUTHORIZATION;

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
            } => sign_as(credentials, region, API_GATEWAY, request).unwrap(),
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
