//! The options of every command that reads a log.

use std::path::{Path, PathBuf};

use audit_log::tree::VerifierKey;
use audit_log_cli::log::{Bundle, Log, Service};
use audit_log_client::{self as client, Auth, Error};

/// The log to read.
#[derive(clap::Args)]
pub struct LogArguments {
    #[command(flatten)]
    service: ServiceArguments,
    /// Read a folder that "audit-log export" wrote, instead of a service.
    // Without a conflict with --log: that one can be in the environment.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

/// A running log.
#[derive(clap::Args)]
pub struct ServiceArguments {
    /// The URL of the log, without /events. Requests over HTTPS are signed with the AWS credentials
    /// of the environment, unless there is a token.
    #[arg(
        long,
        value_name = "URL",
        env = "AUDIT_LOG_URL",
        default_value = "http://127.0.0.1:5001"
    )]
    log: String,
    /// A token for the log.
    #[arg(long, env = "AUDIT_LOG_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl LogArguments {
    /// Opens the log.
    pub async fn open(&self) -> Result<Log, Error> {
        if let Some(folder) = &self.bundle {
            return Ok(Log::Bundle(Bundle::new(folder)));
        }
        Ok(Log::from(self.service.open().await?))
    }

    /// Whether the log is a folder.
    pub fn is_bundle(&self) -> bool {
        self.bundle.is_some()
    }
}

impl ServiceArguments {
    /// A client of the log.
    pub async fn client(&self) -> Result<client::Log, Error> {
        let auth = Auth::from_environment(&self.log, self.token.clone()).await;
        client::Log::new(&self.log, auth)
    }

    /// The log as an audit reads it.
    pub async fn open(&self) -> Result<Service, Error> {
        Ok(Service::new(self.client().await?))
    }

    /// The URL of the log, without a slash at its end.
    pub fn url(&self) -> &str {
        self.log.trim_end_matches('/')
    }
}

/// What to do about an error, as the end of its sentence.
pub fn hint(error: &(dyn std::error::Error + 'static)) -> &'static str {
    match error.downcast_ref::<Error>() {
        Some(Error::Unreachable { .. }) => {
            "; start a log with \"audit-log\", or name one with --log"
        }
        Some(Error::Refused(refusal)) if [401, 403].contains(&refusal.status) => {
            "; give a token with --token, or AWS credentials in the environment"
        }
        _ => "",
    }
}

/// The keys that these texts are, or that the files of these names have.
pub fn keys_of(texts: &[String]) -> Result<Vec<VerifierKey>, String> {
    texts.iter().map(|text| key_of(text)).collect()
}

fn key_of(text: &str) -> Result<VerifierKey, String> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let file = Path::new(text);
    if !file.is_file() {
        return Err(format!(
            "{text:?} is neither a verifier key nor a file; \"audit-log vkey\" prints the key"
        ));
    }
    let content =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {text}: {error}"))?;
    let key = content.trim().parse();
    key.map_err(|error| format!("{text} does not have a key: {error}"))
}
