//! `audit-log view`: shows a log in a browser of this machine.

use std::future::IntoFuture;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use audit_log_cli::viewer::Page;
use audit_log_cli::viewer::proxy::{Proxy, Upstream};
use tokio::net::TcpListener;

use crate::reading::{ServiceArguments, keys_of};
use crate::start::interrupted;
use crate::{EXIT_USAGE, say};

/// Shows a log in a browser of this machine, until it is interrupted.
///
/// The page asks this command, and this command asks the log, with your credentials. So the browser
/// has none, and the log needs no open route. Only the printed address shows the page. It has a
/// random part that changes with each start.
///
/// Exit code: 0, or 2 if the log does not respond.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    log: ServiceArguments,
    /// The key that signs the log, as "audit-log vkey" prints it, or a file that has it. Without a
    /// key, the page does not check the signature of the log.
    #[arg(long, value_name = "KEY")]
    vkey: Vec<String>,
    /// The port on 127.0.0.1. 0 selects a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
}

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match view(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

async fn view(arguments: Arguments) -> Result<(), Failure> {
    let keys = keys_of(&arguments.vkey)?;
    let log = arguments.log.url();
    let upstream = Upstream::new(arguments.log.client().await?);
    upstream.probe().await?;

    let (listener, address) = listen(arguments.port).await?;
    let proxy = Proxy::new(address, Page::new(log, &keys), upstream);
    let url = format!("http://{address}{}", proxy.path());
    say(&format!("{log} is shown at  {url}\nCtrl-C stops it."));
    if keys.is_empty() {
        eprintln!(
            "audit-log: the page does not check the signature of the log; give its key with --vkey."
        );
    }
    if arguments.open
        && let Err(error) = open::that_detached(&url)
    {
        eprintln!("audit-log: cannot open a browser: {error}; open the address by hand.");
    }
    tokio::select! {
        served = axum::serve(listener, proxy.app()).into_future() => served?,
        () = interrupted() => say("\nStopping."),
    }
    Ok(())
}

async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let failed =
        |error| format!("cannot listen on port {port}: {error}; choose another with --port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
