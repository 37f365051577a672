//! The environment variables that configure a function, in addition to AWS's own.

use tracing::level_filters::LevelFilter;

use crate::event::{Filters, FiltersError, Shards, ShardsError};
use crate::tree::Origin;
use crate::tree::note::OriginError;

/// The name of the events table.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The name of the table of Idempotency-Keys.
pub const KEYS_TABLE: &str = "KEYS_TABLE";
/// The name of the table that holds the count index.
pub const COUNTS_TABLE: &str = "COUNTS_TABLE";
/// The name of the table that holds the transparency log.
pub const TREE_TABLE: &str = "TREE_TABLE";
/// The name of the transparency log. Only `seal-events` has it.
pub const LOG_ORIGIN: &str = "LOG_ORIGIN";
/// The ARN of the key in KMS that signs the transparency log. Only `seal-events` has it.
pub const LOG_KEY: &str = "LOG_KEY";
/// The number of shards of the events table, 1 to 16: see [`Shards`].
pub const SHARDS: &str = "SHARDS";
/// The fields besides `user_id` by which lists can be filtered: see [`Filters`].
pub const FILTERS: &str = "FILTERS";

/// The name of the service in logs and metrics, by the convention of Powertools for AWS Lambda.
pub const SERVICE: &str = "POWERTOOLS_SERVICE_NAME";

/// The name of the function on Lambda.
const FUNCTION: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// The least severe level that is logged, from the function's logging configuration.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// The identity of a function in its logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// From [`SERVICE`], which distinguishes stacks. The default is `audit-log`.
    pub service: String,
    /// The function's name on Lambda.
    pub function: String,
    /// The least severe level that is logged. The default is INFO.
    pub log_level: LevelFilter,
}

impl Identity {
    /// Reads the identity from the environment. A variable that is missing or wrong gets its
    /// default, so a function can always start.
    pub fn from_environment() -> Identity {
        let log_level = variable(LOG_LEVEL).and_then(|level| level.parse().ok());
        Identity {
            service: variable(SERVICE).unwrap_or_else(|| "audit-log".to_owned()),
            function: variable(FUNCTION).unwrap_or_default(),
            log_level: log_level.unwrap_or(LevelFilter::INFO),
        }
    }
}

/// The variables of AWS for the region, the credentials and the endpoints of DynamoDB and KMS. Lambda
/// sets all of them except the endpoints, which the template sets.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const REGION: &str = "AWS_REGION";
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
const KMS_ENDPOINT: &str = "AWS_ENDPOINT_URL_KMS";
/// A file of certificates to trust instead of Amazon's, for an endpoint that has its own. The name
/// is OpenSSL's.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// How a function reaches DynamoDB and KMS.
#[derive(Clone)]
pub struct Access {
    /// From `AWS_REGION`.
    pub region: String,
    /// From `AWS_ACCESS_KEY_ID`.
    pub key_id: String,
    /// From `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: String,
    /// From `AWS_SESSION_TOKEN`, if it is set.
    pub session_token: Option<String>,
    /// From `AWS_ENDPOINT_URL_DYNAMODB`. The default is the region's own endpoint.
    pub endpoint: Option<String>,
    /// From `AWS_ENDPOINT_URL_KMS`. The default is the region's own endpoint.
    pub kms_endpoint: Option<String>,
    /// The content of the file that `SSL_CERT_FILE` names: certificates in PEM form.
    pub certificates: Option<Vec<u8>>,
}

impl Access {
    /// Reads the access from the environment.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn from_environment() -> Result<Access, SettingsError> {
        let required = |name| variable(name).ok_or(SettingsError::NotOnLambda(name));
        Ok(Access {
            region: required(REGION)?,
            key_id: required(KEY_ID)?,
            secret_key: required(SECRET_KEY)?,
            session_token: variable(SESSION_TOKEN),
            endpoint: variable(ENDPOINT),
            kms_endpoint: variable(KMS_ENDPOINT),
            certificates: certificates()?,
        })
    }
}

/// Reads the file of certificates, if one is named.
fn certificates() -> Result<Option<Vec<u8>>, SettingsError> {
    let Some(path) = variable(CERTIFICATES) else {
        return Ok(None);
    };
    match std::fs::read(path) {
        Ok(pem) => Ok(Some(pem)),
        Err(error) => Err(SettingsError::Tls(error.to_string())),
    }
}

/// The value of an environment variable. An empty variable counts as one that is not set.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    if value.is_empty() {
        return None;
    }
    Some(value)
}

/// A function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From [`EVENTS_TABLE`].
    pub events_table: String,
    /// From [`KEYS_TABLE`].
    pub keys_table: String,
    /// From [`COUNTS_TABLE`].
    pub counts_table: String,
    /// From [`TREE_TABLE`].
    pub tree_table: String,
    /// From [`SHARDS`].
    pub shards: Shards,
    /// From [`FILTERS`].
    pub filters: Filters,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; template.yaml sets it for each function")]
    Missing(&'static str),
    /// One of Lambda's own variables is not set.
    #[error("the environment variable {0} is not set; Lambda sets it for each function")]
    NotOnLambda(&'static str),
    /// The certificates cannot be used.
    #[error("the certificates that {CERTIFICATES} names cannot be used: {0}")]
    Tls(String),
    /// The value of SHARDS is not a number of shards.
    #[error("the environment variable {SHARDS} is wrong: {0}")]
    Shards(#[from] ShardsError),
    /// The value of FILTERS does not name filters.
    #[error("the environment variable {FILTERS} is wrong: {0}")]
    Filters(#[from] FiltersError),
    /// The value of LOG_ORIGIN is not the name of a log.
    #[error("the environment variable {LOG_ORIGIN} is wrong: {0}")]
    Origin(#[from] OriginError),
}

impl Settings {
    /// Reads the settings with `variable`, which returns the value of an environment variable.
    ///
    /// ```
    /// use audit_log::config::Settings;
    ///
    /// let settings = Settings::read(|name| match name {
    ///     "EVENTS_TABLE" => Some("events".to_owned()),
    ///     "KEYS_TABLE" => Some("keys".to_owned()),
    ///     "COUNTS_TABLE" => Some("counts".to_owned()),
    ///     "TREE_TABLE" => Some("tree".to_owned()),
    ///     "SHARDS" => Some("4".to_owned()),
    ///     "FILTERS" => Some("event_type".to_owned()),
    ///     _ => None,
    /// });
    /// assert_eq!(settings.unwrap().shards.get(), 4);
    /// ```
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let read = |name| match variable(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(SettingsError::Missing(name)),
        };
        Ok(Settings {
            events_table: read(EVENTS_TABLE)?,
            keys_table: read(KEYS_TABLE)?,
            counts_table: read(COUNTS_TABLE)?,
            tree_table: read(TREE_TABLE)?,
            shards: read(SHARDS)?.parse()?,
            filters: read(FILTERS)?.parse()?,
        })
    }

    /// Reads the settings from the environment.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn from_environment() -> Result<Settings, SettingsError> {
        Settings::read(|name| std::env::var(name).ok())
    }
}

/// The settings of `seal-events`, in addition to [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealSettings {
    /// From [`LOG_ORIGIN`].
    pub origin: Origin,
    /// From [`LOG_KEY`].
    pub key: String,
}

impl SealSettings {
    /// Reads the settings with `variable`, which returns the value of an environment variable.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<SealSettings, SettingsError> {
        let read = |name| match variable(name) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(SettingsError::Missing(name)),
        };
        Ok(SealSettings {
            origin: read(LOG_ORIGIN)?.parse()?,
            key: read(LOG_KEY)?,
        })
    }

    /// Reads the settings from the environment.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn from_environment() -> Result<SealSettings, SettingsError> {
        SealSettings::read(|name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_a_name_or_a_key_is_refused() {
        let read = |origin: &str, key: &str| {
            SealSettings::read(|name| match name {
                LOG_ORIGIN => Some(origin.to_owned()),
                LOG_KEY => Some(key.to_owned()),
                _ => None,
            })
            .map_err(|error| error.to_string())
        };
        assert_eq!(read("host/log", "key").unwrap().key, "key");
        let error = read("", "key").unwrap_err();
        assert!(error.contains("LOG_ORIGIN is not set"), "{error}");
        let error = read("a log", "key").unwrap_err();
        assert!(error.contains("LOG_ORIGIN is wrong: \"a log\""), "{error}");
        let error = read("host/log", "").unwrap_err();
        assert!(error.contains("LOG_KEY is not set"), "{error}");
    }

    #[test]
    fn a_setting_that_is_missing_or_wrong_is_named() {
        let read = |table: &str, shards: &str, filters: &str| {
            Settings::read(|name| match name {
                EVENTS_TABLE => Some(table.to_owned()),
                KEYS_TABLE => Some("keys".to_owned()),
                COUNTS_TABLE => Some("counts".to_owned()),
                TREE_TABLE => Some("tree".to_owned()),
                SHARDS => Some(shards.to_owned()),
                FILTERS => Some(filters.to_owned()),
                _ => None,
            })
            .map_err(|error| error.to_string())
        };
        assert_eq!(read("events", "4", "none").unwrap().events_table, "events");
        let error = read("", "4", "none").unwrap_err();
        assert!(error.contains("EVENTS_TABLE is not set"), "{error}");
        let error = read("events", "", "none").unwrap_err();
        assert!(error.contains("SHARDS is not set"), "{error}");
        let error = read("events", "many", "none").unwrap_err();
        assert!(error.contains("SHARDS is wrong: \"many\""), "{error}");
        let error = read("events", "4", "").unwrap_err();
        assert!(error.contains("FILTERS is not set"), "{error}");
        let error = read("events", "4", "user_id").unwrap_err();
        assert!(error.contains("FILTERS is wrong: \"user_id\""), "{error}");
    }
}
