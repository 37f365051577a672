//! `audit-log` without a subcommand: serves the audit log on this machine until it is interrupted.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use audit_log::event::Filters;
use audit_log_cli::serve::disk::Durability;
use audit_log_cli::serve::engine::{Address, Storage};
use audit_log_cli::serve::log_key::key_file;
use audit_log_cli::{Options, Service};

use crate::say;

// Not a doc comment, because clap would take it for the description of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// The address to bind. There is no authentication, so 0.0.0.0 lets other machines in.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port of the API. 0 selects a free port.
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// The folder that keeps the events, and the key that signs the transparency log.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// Keep the events in memory only.
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// What acknowledged events in the folder survive.
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "power",
        conflicts_with = "memory"
    )]
    durability: Durability,
    /// The port of the engine's DynamoDB API on 127.0.0.1. 0 selects a free port.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    dynamodb_port: u16,
    /// Use the DynamoDB engine at this URL, such as DynamoDB Local's, instead of the embedded one.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "memory", "durability", "dynamodb_port"])]
    dynamodb_url: Option<String>,
    /// Invoke the functions at this Lambda endpoint, such as cargo lambda watch's, instead of in
    /// this process.
    #[arg(long, value_name = "URL")]
    lambda_url: Option<String>,
    /// The fields besides user_id by which lists can be filtered: none, event_type, src_service, or
    /// event_type,src_service. A log gets an index for each new one.
    #[arg(long, value_name = "FIELDS")]
    filters: Option<Filters>,
    /// The SAM template that declares routes, functions and tables.
    #[arg(long, value_name = "FILE", default_value = crate::TEMPLATE)]
    template: PathBuf,
    /// Let web pages of this origin call the API (CORS), such as http://localhost:3000.
    #[arg(long, value_name = "ORIGIN")]
    allowed_origin: Option<String>,
}

/// The event of the request that the greeting suggests.
const EXAMPLE: &str = r#"{"user_id": "1", "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z", "src_service": "user_service", "invariant_data": {}, "app_data": {}}"#;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    let options = options(arguments);
    let service = match Service::start(&options).await {
        Ok(service) => service,
        Err(error) => {
            eprintln!("audit-log: {error}.");
            return ExitCode::from(crate::EXIT_USAGE);
        }
    };
    greet(&service, &options.storage);
    interrupted().await;
    say("\nStopping.");
    service.stop().await;
    ExitCode::SUCCESS
}

fn options(arguments: Arguments) -> Options {
    // Another engine may outlive this process, so its key must, too.
    let log_key = (!arguments.memory).then(|| key_file(&arguments.data));
    let storage = match arguments.dynamodb_url {
        Some(url) => Storage::Elsewhere(Address::new(url)),
        None if arguments.memory => Storage::Memory,
        None => Storage::Folder(arguments.data),
    };
    Options {
        host: arguments.host,
        port: arguments.port,
        dynamodb_port: arguments.dynamodb_port,
        storage,
        durability: arguments.durability,
        log_key,
        template: arguments.template,
        filters: arguments.filters,
        allowed_origin: arguments.allowed_origin,
        lambda_url: arguments.lambda_url,
    }
}

/// Prints where the service listens, and how to try it.
fn greet(service: &Service, storage: &Storage) {
    let url = service.url();
    let engine = &service.dynamodb.url;
    let kept = match storage {
        Storage::Memory => "in memory only".to_owned(),
        Storage::Folder(folder) => format!("kept in {}", folder.display()),
        Storage::Elsewhere(_) => "kept there".to_owned(),
    };
    say(&format!(
        "The audit log is at        {url}/events\n\
         Its DynamoDB engine is at  {engine}  (events are {kept})\n\n\
         Open {url}/ in a browser to see what it has.\n\n\
         Try:  curl -X POST {url}/events -H 'Content-Type: application/json' -d '{EXAMPLE}'\n      \
         curl {url}/events\n\
         Ctrl-C stops it."
    ));
}

/// Waits for Ctrl-C, or for the SIGTERM of `docker stop` and `systemctl stop`.
pub async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
