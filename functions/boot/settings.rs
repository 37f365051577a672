//! The environment variables that are a function's whole configuration, beside AWS's own.

use tracing::level_filters::LevelFilter;

use crate::event::{Shards, ShardsError};

/// The name of the events table.
pub const EVENTS_TABLE: &str = "EVENTS_TABLE";
/// The name of the table that holds the count index.
pub const COUNTS_TABLE: &str = "COUNTS_TABLE";
/// The number of shards, 1 to 16, with its history: see [`Shards`].
pub const SHARDS: &str = "SHARDS";

/// What the service is called in logs and metrics, after the convention of Powertools for AWS Lambda.
pub const SERVICE: &str = "POWERTOOLS_SERVICE_NAME";

/// What Lambda calls the function.
const FUNCTION: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// The least severe level that is logged, from the function's logging configuration.
const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

/// What a function's logs and metrics say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// From [`SERVICE`], which tells one stack from another; `audit-log` without it.
    pub service: String,
    /// The function's name on Lambda.
    pub function: String,
    /// The least severe level that is logged; INFO, if Lambda says nothing.
    pub log_level: LevelFilter,
}

impl Identity {
    /// Reads it from the environment. Nothing here keeps a function from running.
    pub fn from_environment() -> Identity {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Identity {
            service: variable(SERVICE).unwrap_or_else(|| "audit-log".to_owned()),
            function: variable(FUNCTION).unwrap_or_default(),
            log_level: variable(LOG_LEVEL).and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO),
        }
    }
}

/// A function's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From [`EVENTS_TABLE`].
    pub events_table: String,
    /// From [`COUNTS_TABLE`].
    pub counts_table: String,
    /// From [`SHARDS`].
    pub shards: Shards,
}

/// A setting that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; template.yaml sets it for each function")]
    Missing(&'static str),
    /// The number of shards is none.
    #[error("the environment variable {SHARDS} is wrong: {0}")]
    Shards(#[from] ShardsError),
}

impl Settings {
    /// Reads the settings with `variable`, which gives an environment variable's value.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], which names the variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, SettingsError> {
        let read = |name| variable(name).filter(|value| !value.is_empty()).ok_or(SettingsError::Missing(name));
        Ok(Settings {
            events_table: read(EVENTS_TABLE)?,
            counts_table: read(COUNTS_TABLE)?,
            shards: read(SHARDS)?.parse()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_missing_or_wrong_is_named() {
        let read = |table: &str, shards: &str| {
            Settings::read(|name| match name {
                EVENTS_TABLE => Some(table.to_owned()),
                COUNTS_TABLE => Some("counts".to_owned()),
                SHARDS => Some(shards.to_owned()),
                _ => None,
            })
            .map_err(|error| error.to_string())
        };
        assert_eq!(read("events", "4").unwrap().events_table, "events");
        assert!(read("", "4").unwrap_err().contains("EVENTS_TABLE is not set"));
        assert!(read("events", "").unwrap_err().contains("SHARDS is not set"));
        assert!(read("events", "many").unwrap_err().contains("SHARDS is wrong: \"many\""));
    }
}
