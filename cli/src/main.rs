//! `cargo run`: the whole audit log on one machine; and the commands for one that runs.

mod demo;
mod rebuild;

use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use audit_log_cli::serve::engine::{Address, Storage};
use audit_log_cli::{Options, Service};
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// The audit log on one machine: POST and GET /events, on the real handlers and an embedded
/// DynamoDB engine.
#[derive(Parser)]
#[command(name = "audit-log", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The address on which the API listens; 0.0.0.0 lets other machines in, and there is no
    /// authentication.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Its port; 0 takes any free one.
    #[arg(long, default_value_t = 5001)]
    port: u16,
    /// The folder that keeps the events.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// Keep the events in memory only.
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// Where the engine's DynamoDB API listens on 127.0.0.1; 0 takes any free port.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    dynamodb_port: u16,
    /// Use the DynamoDB engine at this URL, such as DynamoDB Local's, instead of the embedded one.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "memory", "dynamodb_port"])]
    dynamodb_url: Option<String>,
    /// Invoke the functions at this Lambda endpoint, such as cargo lambda watch's, instead of in
    /// this process.
    #[arg(long, value_name = "URL")]
    lambda_url: Option<String>,
    /// The SAM template that declares routes, functions and tables.
    #[arg(long, value_name = "FILE", default_value = TEMPLATE)]
    template: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    Rebuild(rebuild::Arguments),
    Demo(demo::Arguments),
}

/// The project's own template.
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The exit code for what the user can fix: an option, a port, a folder, a file.
const EXIT_USAGE: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,audit_log=info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .compact()
        .init();

    match arguments.command {
        Some(Command::Rebuild(arguments)) => return rebuild::run(arguments).await,
        Some(Command::Demo(arguments)) => return demo::run(arguments).await,
        None => {}
    }
    let storage = match arguments.dynamodb_url {
        Some(url) => Storage::Elsewhere(Address::new(url)),
        None if arguments.memory => Storage::Memory,
        None => Storage::Folder(arguments.data),
    };
    let options = Options {
        host: arguments.host,
        port: arguments.port,
        dynamodb_port: arguments.dynamodb_port,
        storage,
        template: arguments.template,
        lambda_url: arguments.lambda_url,
    };
    match Service::start(&options).await {
        Ok(service) => {
            greet(&service, &options.storage);
            interrupted().await;
            say("\nStopping.");
            service.stop().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn greet(service: &Service, storage: &Storage) {
    let (url, engine) = (service.url(), &service.dynamodb.url);
    let kept = match storage {
        Storage::Memory => "in memory only".to_owned(),
        Storage::Folder(folder) => format!("kept in {}", folder.display()),
        Storage::Elsewhere(_) => "kept there".to_owned(),
    };
    say(&format!(
        "The audit log is at        {url}/events\n\
         Its DynamoDB engine is at  {engine}  (events are {kept})\n\n\
         Try:  curl -X POST {url}/events -H 'Content-Type: application/json' -d '{EXAMPLE}'\n      \
         curl {url}/events\n\
         Ctrl-C stops it."
    ));
}

/// Prints to a reader that may have gone: a pipe can be closed, as by `| head`.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

const EXAMPLE: &str = r#"{"user_id": "1", "event_type": "account_deleted", "timestamp": "2024-01-01T00:00:00Z", "src_service": "user_service", "invariant_data": {}, "app_data": {}}"#;

/// Waits for Ctrl-C, or for the SIGTERM of `docker stop` and `systemctl stop`.
async fn interrupted() {
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
