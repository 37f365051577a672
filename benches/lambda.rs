//! The functions as Lambda sees them: `cargo bench --bench lambda`, after the release builds that
//! `benches/run` makes.
//!
//! Each binary is started against a Runtime API in this process, next to a floor that returns a
//! constant and next to what people write (benches/bare). What counts are ratios within one run:
//! times are this machine's.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "as a test, it fails by panicking"
)]

mod function;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use audit_log::effects::Effects;
use audit_log_testing::report::{Report, median, spread};
use audit_log_testing::{RuntimeApi, Tables, memory, repo_path};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use function::{TEMPLATE, before, certify, listing, reporting, terminate_tls};

/// The processor's share of a function with 128 MB, in a period as Lambda's: 7 % of 20 ms.
const QUOTA_MICROSECONDS: (u32, u32) = (1_400, 20_000);
/// How long DynamoDB takes to answer, within its region and the network's part included: it
/// promises "single-digit milliseconds".
const DISTANCE: Duration = Duration::from_millis(3);
/// How many events a list finds.
const EVENTS: u32 = 1_000;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let short = std::env::args().any(|argument| argument == "--short");
    let bench = Bench::start(if short { 5 } else { 30 }).await;
    let mut report = Report::new("lambda");
    bench.run(&mut report, short).await;
    report.finish();
}

/// A function's binary, and what it is started with.
struct Function {
    name: &'static str,
    binary: PathBuf,
    post: bool,
    shards: &'static str,
    /// Reads the machine's certificates, as the SDK does by default.
    machines_certificates: bool,
}

/// What was measured of a function under one condition: milliseconds and bytes.
#[derive(Default)]
struct Measured {
    init: Vec<f64>,
    first: Vec<f64>,
    warm: Vec<f64>,
    /// Of the processor's time, for a warm request.
    worked: Vec<f64>,
    memory: Vec<f64>,
}

/// Where functions find DynamoDB.
#[derive(Clone, Copy, PartialEq)]
enum Endpoint {
    Plain,
    /// As far away as DynamoDB is, which answers side by side what is asked side by side; one
    /// engine answers one after another.
    Distant,
    Tls,
}

impl Endpoint {
    fn name(self) -> String {
        match self {
            Endpoint::Plain => "over plain HTTP".to_owned(),
            Endpoint::Distant => {
                format!("over plain HTTP, {} ms from DynamoDB", DISTANCE.as_millis())
            }
            Endpoint::Tls => "over TLS".to_owned(),
        }
    }
}

/// What was measured of all functions under one condition.
struct Condition {
    endpoint: Endpoint,
    /// On [`QUOTA_MICROSECONDS`] of a core.
    limited: bool,
    functions: Vec<Measured>,
}

struct Bench {
    runs: usize,
    one: Lane,
    four: Lane,
    /// Where events are reported to, so that lists find no more than they began with.
    written: Lane,
    certificates: tempfile::TempDir,
    quota: Option<PathBuf>,
}

/// An engine with events in so many shards, and its other endpoints.
struct Lane {
    tables: Tables,
    distant: SocketAddr,
    tls: SocketAddr,
}

impl Bench {
    async fn start(runs: usize) -> Bench {
        let certificates = tempfile::tempdir().unwrap();
        let acceptor = certify(certificates.path());
        let (one, four) = (
            Lane::start(1, &acceptor).await,
            Lane::start(4, &acceptor).await,
        );
        let written = Lane::start(4, &acceptor).await;
        Bench {
            runs,
            one,
            four,
            written,
            certificates,
            quota: quota(),
        }
    }

    async fn run(&self, report: &mut Report, short: bool) {
        // Not target/release, where building the benches puts the functions without the release
        // profile.
        let folder = std::env::var_os("AUDIT_LOG_FUNCTIONS")
            .expect("AUDIT_LOG_FUNCTIONS: benches/run sets it");
        let ours = |name| Path::new(&folder).join(name);
        let bare = |name| repo_path("benches/bare/target/release").join(name);
        let function = |name, binary, post, shards, machines_certificates| Function {
            name,
            binary,
            post,
            shards,
            machines_certificates,
        };
        let functions = [
            function("floor", bare("floor"), false, "4", true),
            function("bare PutItem", bare("put"), true, "4", true),
            function("create-event", ours("create-event"), true, "4", false),
            function("bare Query", bare("query"), false, "1", true),
            function(
                "list-events, 1 shard",
                ours("list-events"),
                false,
                "1",
                false,
            ),
            function(
                "list-events, 4 shards",
                ours("list-events"),
                false,
                "4",
                false,
            ),
        ];
        let mut conditions = vec![
            (Endpoint::Plain, false),
            (Endpoint::Distant, false),
            (Endpoint::Tls, false),
        ];
        match &self.quota {
            Some(_) => conditions.extend([(Endpoint::Plain, true), (Endpoint::Tls, true)]),
            None => report
                .paragraph("No processor quota: this machine has no cgroup that may be written."),
        }
        let mut all = Vec::new();
        for (endpoint, limited) in conditions {
            let mut row: Vec<Measured> = functions.iter().map(|_| Measured::default()).collect();
            // In turns, so that what else the machine does meets all of them.
            for _ in 0..self.runs {
                for (function, measured) in functions.iter().zip(&mut row) {
                    self.measure(function, endpoint, limited, measured).await;
                }
            }
            let titles = [
                "function",
                "init ms",
                "first request ms",
                "warm request ms",
                "CPU of a warm request ms",
                "peak memory MB",
                "binary MB",
            ];
            let lines = functions.iter().zip(&row).map(|(function, measured)| {
                vec![
                    function.name.to_owned(),
                    spread(&measured.init),
                    spread(&measured.first),
                    spread(&measured.warm),
                    format!("{:.2}", median(&measured.worked)),
                    format!("{:.1}", median(&measured.memory) / 1e6),
                    format!("{:.1}", size(&function.binary) / 1e6),
                ]
            });
            let core = if limited {
                "7 % of a core"
            } else {
                "a full core"
            };
            report.table(&format!("On {core}, {}", endpoint.name()), &titles, lines);
            all.push(Condition {
                endpoint,
                limited,
                functions: row,
            });
        }
        Bench::add_targets(report, short, &functions, &all);
        if let Some(limited) = found(&all, Endpoint::Tls, true) {
            let bars: Vec<_> = functions
                .iter()
                .zip(limited)
                .map(|(function, measured)| {
                    (
                        function.name,
                        [median(&measured.init), median(&measured.first)],
                    )
                })
                .collect();
            report.chart(
                "docs/cold-start.svg",
                "Cold start over TLS on 7 % of a core, ms",
                ["init", "first request"],
                &bars,
            );
        }
    }

    /// Adds the ratios and their targets. benches/results/lambda.md says why some have none.
    fn add_targets(report: &mut Report, short: bool, functions: &[Function], all: &[Condition]) {
        let Some([floor, _, create, _, _, list_4]) = found(all, Endpoint::Plain, false) else {
            return;
        };
        let Some([tls_floor, _, tls_create, _, _, tls_list_4]) = found(all, Endpoint::Tls, false)
        else {
            return;
        };
        let ratio = |ours: &[f64], other: &[f64]| median(ours) / median(other);
        for (name, ours) in [("create-event", create), ("list-events", list_4)] {
            let figure = format!("init of {name} over HTTP, relative to the floor");
            report.at_most(&figure, ratio(&ours.init, &floor.init), 1.5, short);
        }
        for (name, ours) in [("create-event", tls_create), ("list-events", tls_list_4)] {
            let figure = format!("init of {name} over TLS, relative to the floor");
            report.watch_at_most(&figure, ratio(&ours.init, &tls_floor.init), 4.5, short);
        }
        for at in [2, 5] {
            let figure = format!("binary of {}, MB", functions[at].name);
            report.at_most(&figure, size(&functions[at].binary) / 1e6, 6.0, short);
        }
        for (name, ours) in [("create-event", create), ("list-events", list_4)] {
            let figure = format!("peak memory of {name}, relative to the floor");
            report.at_most(&figure, ratio(&ours.memory, &floor.memory), 4.0, short);
        }
        for (endpoint, place) in [
            (Endpoint::Plain, "next to the engine"),
            (Endpoint::Distant, "at a distance"),
        ] {
            let Some([_, put, create, query, list_1, list_4]) = found(all, endpoint, false) else {
                return;
            };
            let figure = format!("warm POST, relative to a bare PutItem, {place}");
            report.at_most(&figure, ratio(&create.warm, &put.warm), 1.1, short);
            for (shards, list, target) in [("1 shard", list_1, 1.2), ("4 shards", list_4, 2.0)] {
                let figure = format!("warm GET on {shards}, relative to a bare Query, {place}");
                let measured = ratio(&list.warm, &query.warm);
                if endpoint == Endpoint::Distant {
                    report.at_most(&figure, measured, target, short);
                } else {
                    report.watch_at_most(&figure, measured, target * 3.0, short);
                }
            }
        }
        if let Some(limited) = found(all, Endpoint::Tls, true) {
            for at in [2, 5] {
                let above = median(&limited[at].first) - median(&limited[0].first);
                let name = functions[at].name;
                let figure =
                    format!("first request of {name} on 7 % over TLS, ms more than the floor");
                // Milliseconds are the machine's, so a short run does not judge them.
                report.at_most(&figure, above, 100.0, false);
            }
        }
    }

    async fn measure(
        &self,
        function: &Function,
        endpoint: Endpoint,
        limited: bool,
        measured: &mut Measured,
    ) {
        let lane = match (function.post, function.shards) {
            (true, _) => &self.written,
            (false, "1") => &self.one,
            (false, _) => &self.four,
        };
        let mut api = RuntimeApi::start().await;
        let started = Instant::now();
        let child = self.spawn(function, lane, endpoint, limited, &api);
        let polled = api.polled().await;
        measured.init.push(milliseconds(polled - started));
        measured.first.push(request(&mut api, function.post).await);
        let (mut warm, worked) = (Vec::new(), processor_time(&child));
        for _ in 0..if limited { 5 } else { 20 } {
            warm.push(request(&mut api, function.post).await);
        }
        measured
            .worked
            .push((processor_time(&child) - worked) / warm.len() as f64);
        measured.warm.push(median(&warm));
        measured.memory.push(peak_memory(&child));
    }

    fn spawn(
        &self,
        function: &Function,
        lane: &Lane,
        endpoint: Endpoint,
        limited: bool,
        api: &RuntimeApi,
    ) -> Child {
        let mut command = match (&self.quota, limited) {
            (Some(group), true) => {
                let mut shell = Command::new("/bin/sh");
                let join = format!(
                    "echo $$ > {}/cgroup.procs; exec {}",
                    group.display(),
                    function.binary.display()
                );
                shell.args(["-c", &join]);
                shell
            }
            _ => Command::new(&function.binary),
        };
        let url = match endpoint {
            Endpoint::Plain => lane.tables.dynamodb.url.clone(),
            Endpoint::Distant => format!("http://{}", lane.distant),
            Endpoint::Tls => format!("https://localhost:{}", lane.tls.port()),
        };
        let trusted = if function.machines_certificates {
            "machine.pem"
        } else {
            "amazon.pem"
        };
        command
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command.envs(api.environment()).envs(TEMPLATE).envs([
            ("AWS_ENDPOINT_URL_DYNAMODB", url.as_str()),
            (
                "SSL_CERT_FILE",
                self.certificates.path().join(trusted).to_str().unwrap(),
            ),
            ("SHARDS", function.shards),
        ]);
        command.spawn().unwrap_or_else(|error| {
            panic!(
                "{} does not start: {error}; benches/run builds it",
                function.binary.display()
            )
        })
    }
}

impl Lane {
    async fn start(shards: u8, acceptor: &TlsAcceptor) -> Lane {
        let now = Effects::system().now();
        let tables = Tables::minutely(shards, EVENTS, now).await;

        // The comparison with a bare Query is one of a page in one round.
        let (_, usage) = tables.get("", now).await;
        let expected = (u32::from(shards) + 1, 1);
        assert_eq!((usage.calls, usage.rounds), expected, "{shards} shards");

        let engine = tables.dynamodb.url.strip_prefix("http://").unwrap();
        let tls = terminate_tls(acceptor.clone(), engine.to_owned()).await;
        Lane {
            distant: delay(engine.to_owned()).await,
            tls,
            tables,
        }
    }
}

/// What was measured of each function under one condition, if it could be.
fn found(all: &[Condition], endpoint: Endpoint, limited: bool) -> Option<&[Measured; 6]> {
    let condition = all
        .iter()
        .find(|condition| condition.endpoint == endpoint && condition.limited == limited)?;
    condition.functions.first_chunk()
}

/// An endpoint before the engine whose answers come later by [`DISTANCE`].
async fn delay(engine: String) -> SocketAddr {
    before(engine, |outside, inside| async move {
        let ((mut asked, mut answered), (mut responses, mut asks)) =
            (outside.into_split(), inside.into_split());
        let late = async {
            let mut bytes = vec![0; 1 << 20];
            while let Ok(count @ 1..) = responses.read(&mut bytes).await {
                tokio::time::sleep(DISTANCE).await;
                answered.write_all(&bytes[..count]).await.ok();
            }
        };
        tokio::select! {
            _ = tokio::io::copy(&mut asked, &mut asks) => {}
            () = late => {}
        }
    })
    .await
}

/// A processor group with the quota, if this machine lets us have one: cgroup v2, or v1.
fn quota() -> Option<PathBuf> {
    let (quota, period) = QUOTA_MICROSECONDS;
    let unified = Path::new("/sys/fs/cgroup/audit-log-bench");
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu").ok();
        std::fs::create_dir_all(unified).ok()?;
        std::fs::write(unified.join("cpu.max"), format!("{quota} {period}")).ok()?;
        return Some(unified.to_owned());
    }
    let group = Path::new("/sys/fs/cgroup/cpu/audit-log-bench");
    std::fs::create_dir_all(group).ok()?;
    std::fs::write(group.join("cpu.cfs_period_us"), period.to_string()).ok()?;
    std::fs::write(group.join("cpu.cfs_quota_us"), quota.to_string()).ok()?;
    Some(group.to_owned())
}

/// The most memory that a process had at a time, in bytes.
fn peak_memory(child: &Child) -> f64 {
    memory::peak(child.id().unwrap()) as f64 * 1024.0
}

/// How long all threads of a process have run, in milliseconds:
/// <https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>.
fn processor_time(child: &Child) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id().unwrap())).unwrap();
    let nanoseconds = tasks.map(|task| {
        let status = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        status.split(' ').next().unwrap().parse::<f64>().unwrap()
    });
    nanoseconds.sum::<f64>() / 1e6
}

fn size(binary: &Path) -> f64 {
    std::fs::metadata(binary)
        .unwrap_or_else(|error| panic!("{}: {error}", binary.display()))
        .len() as f64
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How many milliseconds the function took to answer.
async fn request(api: &mut RuntimeApi, post: bool) -> f64 {
    let payload = if post { reporting() } else { listing() };
    let (response, took) = api.invoke(&payload).await;
    assert!(
        matches!(response["statusCode"].as_u64(), Some(200 | 201)),
        "{response}"
    );
    milliseconds(took)
}
