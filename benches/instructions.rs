//! How many instructions the functions execute: `cargo bench --bench instructions`, with the
//! release builds of the functions in the folder that `AUDIT_LOG_FUNCTIONS` names.
//!
//! Each binary is started under callgrind, against a Runtime API in this process. A warm request is
//! the difference between two processes that had few and many requests, so that init and the first
//! request are left out. Instructions hardly depend on the machine and on what else it does.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

mod function;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use audit_log::effects::Effects;
use audit_log_testing::report::Report;
use audit_log_testing::{RuntimeApi, Tables, repo_path};
use tokio::process::{Child, Command};

use function::{TEMPLATE, certify, listing, reporting, terminate_tls};

/// How many events a list finds, and the size of each.
const EVENTS: u32 = 1_000;
const EVENT_BYTES: usize = 1_000;
/// A page asks each shard, so it shows what a call takes.
const SHARDS: u8 = 4;
/// The requests of the two processes whose difference is counted. Caches are filled and sizes are
/// known after the first ones.
const FEW: u64 = 10;
const MANY: u64 = 60;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let bench = Bench::start().await;
    let mut report = Report::new("instructions");
    bench.run(&mut report).await;
    report.finish();
}

/// A function, and its endpoint of DynamoDB.
struct Subject {
    name: &'static str,
    post: bool,
    tls: bool,
}

/// Thousands of instructions.
struct Counted {
    init: f64,
    first: f64,
    warm: f64,
}

struct Bench {
    functions: PathBuf,
    /// Where callgrind writes what it counted.
    output: PathBuf,
    listed: Lane,
    /// Where events are reported to, so that lists find no more than they began with.
    written: Lane,
    certificates: tempfile::TempDir,
}

/// An engine with events, over plain HTTP and over TLS.
struct Lane {
    tables: Tables,
    tls: String,
}

impl Bench {
    async fn start() -> Bench {
        let functions = std::env::var_os("AUDIT_LOG_FUNCTIONS")
            .expect("AUDIT_LOG_FUNCTIONS: the folder of the release builds of the functions");
        let output = repo_path("target/instructions");
        std::fs::create_dir_all(&output).unwrap();
        let certificates = tempfile::tempdir().unwrap();
        let acceptor = certify(certificates.path());
        let lane = async || {
            let now = Effects::system().now();
            let tables = Tables::minutely_of(EVENT_BYTES, SHARDS, EVENTS, now).await;
            let engine = tables.dynamodb.url.strip_prefix("http://").unwrap();
            let tls = terminate_tls(acceptor.clone(), engine.to_owned()).await;
            let tls = format!("https://localhost:{}", tls.port());
            Lane { tables, tls }
        };
        let (listed, written) = (lane().await, lane().await);
        Bench {
            functions: functions.into(),
            output,
            listed,
            written,
            certificates,
        }
    }

    async fn run(&self, report: &mut Report) {
        for tls in [false, true] {
            let mut rows = Vec::new();
            for (name, post) in [("create-event", true), ("list-events", false)] {
                let subject = Subject { name, post, tls };
                let Counted { init, first, warm } = self.count(&subject).await;
                let size = std::fs::metadata(self.functions.join(name)).unwrap().len();
                let request = if post { "POST" } else { "GET" };
                rows.push(vec![
                    format!("{request}, by {name}"),
                    format!("{init:.0}"),
                    format!("{first:.0}"),
                    format!("{warm:.0}"),
                    format!("{:.2}", size as f64 / 1e6),
                ]);
            }
            let protocol = if tls { "TLS" } else { "plain HTTP" };
            let columns = [
                "request",
                "init",
                "first request",
                "warm request",
                "binary MB",
            ];
            report.table(
                &format!("Thousands of instructions, over {protocol}"),
                &columns,
                rows,
            );
        }
    }

    async fn count(&self, subject: &Subject) -> Counted {
        let init = self.instructions(subject, 0).await;
        let one = self.instructions(subject, 1).await;
        let few = self.instructions(subject, FEW).await;
        let many = self.instructions(subject, MANY).await;
        Counted {
            init: init / 1e3,
            first: (one - init) / 1e3,
            warm: (many - few) / (MANY - FEW) as f64 / 1e3,
        }
    }

    /// All instructions of a process that is started, and has this many requests.
    async fn instructions(&self, subject: &Subject, requests: u64) -> f64 {
        let mut api = RuntimeApi::start().await;
        let protocol = if subject.tls { "tls" } else { "http" };
        let output = format!("{}-{protocol}-{requests}.out", subject.name);
        let output = self.output.join(output);
        let mut child = self.spawn(subject, &output, &api);
        api.polled().await;
        for _ in 0..requests {
            let payload = if subject.post { reporting() } else { listing() };
            let (response, _) = api.invoke(&payload).await;
            assert!(
                matches!(response["statusCode"].as_u64(), Some(200 | 201)),
                "{response}"
            );
            api.polled().await;
        }
        end(&mut child).await;
        total(&output)
    }

    fn spawn(&self, subject: &Subject, output: &Path, api: &RuntimeApi) -> Child {
        let lane = if subject.post {
            &self.written
        } else {
            &self.listed
        };
        let url = if subject.tls {
            &lane.tls
        } else {
            &lane.tables.dynamodb.url
        };
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", output.display()))
            .arg(self.functions.join(subject.name))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(api.environment())
            .envs(TEMPLATE)
            .envs([
                ("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()),
                ("SHARDS", &SHARDS.to_string()),
            ])
            .env("SSL_CERT_FILE", self.certificates.path().join("amazon.pem"))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command.spawn().expect("valgrind is installed")
    }
}

/// Ends a process as Lambda does, so that callgrind writes what it counted.
async fn end(child: &mut Child) {
    let id = child.id().unwrap().to_string();
    let ended = Command::new("kill").arg(&id).status().await.unwrap();
    assert!(ended.success(), "{id}");
    child.wait().await.unwrap();
}

/// The sum of all instructions in a file of callgrind.
fn total(output: &Path) -> f64 {
    let text = std::fs::read_to_string(output).unwrap();
    let mut lines = text.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals: "));
    total.expect("a total").trim().parse().unwrap()
}
