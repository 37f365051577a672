//! `audit-log seal`: seals events that the stream did not deliver.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use audit_log::deps::Deps;
use audit_log::effects::Effects;
use audit_log::seal_events::{Backfill, SealEvents};
use audit_log_cli::serve::disk::Disk;
use audit_log_cli::serve::log_key::{LogKey, key_file};
use audit_log_client::{Auth, Aws, Http};
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use crate::rebuild::tables::Tables;
use crate::say;

/// Seals events that the stream did not deliver to seal-events: those of a log that is older than
/// its transparency log, and those of a part of the stream that was given up.
///
/// Without --function it works on the data folder of a service that is not running. Events that are
/// sealed already are skipped. Exit code: 0 if all are sealed, 2 if some may not be.
#[derive(clap::Args)]
pub struct Arguments {
    /// The name of the function seal-events on AWS: the output SealEventsFunctionName of the stack.
    /// AWS's own variables name the region and the credentials.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["data", "template"])]
    function: Option<String>,
    /// The number of shards that the log has, or ever had. More cost one request each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=16))]
    shards: u8,
    /// The folder that keeps the events.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// The SAM template that declares the tables of the folder.
    #[arg(long, value_name = "FILE", default_value = crate::TEMPLATE)]
    template: PathBuf,
}

/// How long one local step may take.
const STEP: Duration = Duration::from_secs(60);
/// The name of Lambda in a signature.
const LAMBDA: &str = "lambda";
/// Another endpoint of Lambda, as AWS's own tools know it.
const ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";

type Failure = Box<dyn std::error::Error>;

/// The function, which seals until its time is up.
enum Sealer {
    Here(Box<SealEvents>, Disk),
    OnLambda { http: Box<Http>, url: Url },
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match seal(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: {error}. What was sealed stays; run the command again.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

async fn seal(arguments: Arguments) -> Result<(), Failure> {
    let shards = arguments.shards;
    let sealer = match &arguments.function {
        Some(function) => on_lambda(function).await?,
        None => here(&arguments).await?,
    };
    for shard in 0..shards {
        let shard = format!("{shard:x}");
        let mut after: Option<String> = None;
        loop {
            let next = sealer.step(&shard, after.as_deref()).await?;
            // A function that goes nowhere would be invoked for ever.
            if next.is_some() && next <= after {
                return Err(format!("shard {shard} does not get beyond {after:?}").into());
            }
            after = next;
            let Some(after) = &after else { break };
            say(&format!("Shard {shard}: sealed up to {after}."));
        }
        say(&format!("Shard {shard}: sealed."));
    }
    Ok(())
}

async fn here(arguments: &Arguments) -> Result<Sealer, Failure> {
    let tables = Tables::in_folder(&arguments.data, &arguments.template).await?;
    let key = LogKey::open(&key_file(&arguments.data))?;
    let deps = Deps::new(tables.client, &tables.settings);
    let name = key.name().clone();
    let handler = Box::new(SealEvents::new(deps, name, Arc::new(key)));
    Ok(Sealer::Here(handler, tables.disk))
}

async fn on_lambda(function: &str) -> Result<Sealer, Failure> {
    let aws = Aws::from_environment(LAMBDA, None).await;
    let aws = aws.ok_or("there are no AWS credentials, or no region")?;
    let endpoint = std::env::var(ENDPOINT)
        .unwrap_or_else(|_| format!("https://lambda.{}.amazonaws.com", aws.region()));
    // https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
    let endpoint = endpoint.trim_end_matches('/');
    let url: Url = format!("{endpoint}/2015-03-31/functions/{function}/invocations").parse()?;
    let http = Box::new(Http::new(&url, Auth::Aws(aws))?);
    Ok(Sealer::OnLambda { http, url })
}

impl Sealer {
    /// Seals events of a shard, and returns the id after which the next step begins.
    async fn step(&self, shard: &str, after: Option<&str>) -> Result<Option<String>, Failure> {
        match self {
            Sealer::Here(handler, disk) => {
                let backfill = Backfill {
                    shard: shard.to_owned(),
                    after: after.map(str::to_owned),
                };
                let deadline = Effects::system().now().saturating_add(STEP);
                let next = handler.backfill(backfill, deadline).await?.next;
                disk.sync().await?;
                Ok(next)
            }
            Sealer::OnLambda { http, url } => {
                let payload = json!({ "backfill": { "shard": shard, "after": after } });
                let answer = http.post(url, payload.to_string().into_bytes()).await?;
                if answer.status != StatusCode::OK {
                    return Err(answer.refused(url).into());
                }
                let next = next_of(&answer.body);
                next.ok_or_else(|| answer.refusal(url).message.into())
            }
        }
    }
}

/// The id after which the next step begins. `None` for an answer that is not one to a backfill: a
/// function that failed answers with its error.
fn next_of(answer: &[u8]) -> Option<Option<String>> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    match answer.get("next")? {
        Value::Null => Some(None),
        Value::String(next) => Some(Some(next.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_failed_has_not_sealed_everything() {
        assert_eq!(next_of(br#"{"next":null}"#), Some(None));
        assert_eq!(next_of(br#"{"next":"a"}"#), Some(Some("a".to_owned())));
        assert_eq!(next_of(br#"{"errorMessage":"x"}"#), None);
        assert_eq!(next_of(br#"{"batchItemFailures":[]}"#), None);
        assert_eq!(next_of(b"null"), None);
    }
}
