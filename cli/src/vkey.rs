//! `audit-log vkey`: prints the key with which anyone can verify the log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit_log::kms::{KmsSigner, client_from};
use audit_log::tree::{Origin, Signer, VerifierKey};
use audit_log_cli::log::cosignature::Cosigner;
use audit_log_cli::serve::log_key::{LogKey, key_file};
use aws_config::BehaviorVersion;

use crate::{EXIT_USAGE, say};

/// Prints the verifier key of a log, as <https://c2sp.org/signed-note> writes it: of a log on AWS,
/// of a local one, or of somebody who cosigns.
///
/// Exit code: 0, or 2 if the key cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder with the data of the local service.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// The id or the ARN of a key in KMS: the output LogKeyArn of the stack. AWS's own variables
    /// name the region and the credentials.
    #[arg(long, value_name = "KEY", requires = "origin", conflicts_with = "data")]
    key_id: Option<String>,
    /// The name of the log that the key in KMS signs: the first line of its checkpoint.
    #[arg(long, value_name = "NAME", requires = "key_id")]
    origin: Option<Origin>,
    /// Print the key of a cosigner of this name, such as example.org/auditor.
    #[arg(long, value_name = "NAME", requires = "key", conflicts_with_all = ["data", "key_id"])]
    cosigner: Option<Origin>,
    /// The file of the cosigner's key. It is created with a new key if it does not exist.
    #[arg(long, value_name = "FILE", requires = "cosigner")]
    key: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match vkey(arguments).await {
        Ok(key) => {
            say(&key);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

async fn vkey(arguments: Arguments) -> Result<String, Failure> {
    if let (Some(name), Some(file)) = (arguments.cosigner, arguments.key) {
        let cosigner = Cosigner::open(&file, &name)?;
        return Ok(cosigner.key().to_string());
    }
    if let (Some(key), Some(origin)) = (arguments.key_id, arguments.origin) {
        // A person runs this, so the credentials may be in any of the places that AWS knows.
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let client = client_from((&config).into());
        let signer = KmsSigner::open(client, key).await?;
        return Ok(VerifierKey::new(origin, signer.public_key()).to_string());
    }
    local(&arguments.data)
}

fn local(folder: &Path) -> Result<String, Failure> {
    let file = key_file(folder);
    // A new key would not be that of any log.
    if !file.exists() {
        let problem = format!(
            "there is no log in {}; start the service there first, or give its folder with --data",
            folder.display()
        );
        return Err(problem.into());
    }
    Ok(LogKey::open(&file)?.verifier_key().to_string())
}
