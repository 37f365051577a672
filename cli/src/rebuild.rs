//! `audit-log rebuild`: compares the count index with the events table, and puts it right.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use audit_log::config::Settings;
use audit_log::count::trie::{Miscount, State};
use audit_log::count::{CountsTable, Difference, Indexer, MAX_UNINDEXED_EVENTS};
use audit_log::dynamodb::client_from;
use audit_log::effects::Effects;
use audit_log::limits::SETTLE;
use audit_log::store::{EventKey, EventStore, Partition};
use audit_log_cli::serve::engine::{Address, DATABASE, Engine};
use audit_log_cli::serve::tables::create_tables;
use audit_log_cli::serve::template::Template;
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::TableDescription;
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use crate::say;

/// Compares the count index with the events table, reports every difference, and repairs it. Lists
/// Idempotency-Keys whose event is missing.
///
/// Without --table it works on the data folder of a service that is not running. Exit code: 0 when
/// there was no difference and no lost key, 1 when there were some, 2 when it could not be done.
/// Differences are then repaired. Lost keys are not.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder that keeps the events.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// The SAM template that declares the tables of the folder.
    #[arg(long, value_name = "FILE", default_value = crate::TEMPLATE)]
    template: PathBuf,
    /// The events table on AWS, or wherever AWS's own variables point.
    #[arg(
        long,
        value_name = "NAME",
        requires_all = ["keys_table", "counts_table", "shards"],
        conflicts_with_all = ["data", "template"]
    )]
    table: Option<String>,
    /// The table of its Idempotency-Keys.
    #[arg(long, value_name = "NAME", requires = "table")]
    keys_table: Option<String>,
    /// Its counts table.
    #[arg(long, value_name = "NAME", requires = "table")]
    counts_table: Option<String>,
    /// The functions' SHARDS.
    #[arg(long, requires = "table")]
    shards: Option<String>,
}

/// How long after a key was found without its event it is looked at again.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How many partitions are compared at a time: a table has at most 16 shards.
const PARTITIONS_AT_ONCE: usize = 16;

type Failure = Box<dyn std::error::Error>;

/// The tables to compare, and how long their index of users lags behind at most.
struct Tables {
    client: Client,
    settings: Settings,
    settle: Duration,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> ExitCode {
    match rebuild(arguments).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("audit-log: {error}.");
            ExitCode::from(crate::EXIT_USAGE)
        }
    }
}

/// How many differences there were.
async fn rebuild(arguments: Arguments) -> Result<usize, Failure> {
    let Tables {
        client,
        settings,
        settle,
    } = tables(arguments).await?;
    let described = client
        .describe_table()
        .table_name(&settings.events_table)
        .send()
        .await;
    let described = described.map_err(|error| {
        format!(
            "cannot read the table {}: {}",
            settings.events_table,
            DisplayErrorContext(&error)
        )
    })?;
    let events = described
        .table()
        .and_then(TableDescription::item_count)
        .unwrap_or(0);
    let store = EventStore::new(client.clone(), &settings);
    let indexer = Indexer::new(store.clone(), CountsTable::new(client, &settings));

    // On AWS the number of items is some hours old: good enough for a bar.
    let bar = ProgressBar::new(u64::try_from(events).unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos} of about {human_len}, {per_sec}, {eta} left",
    ) {
        bar.set_style(style);
    }
    bar.set_message("Everyone's events");
    let events_in_gsi = Mutex::new(HashMap::<Partition, u64>::new());
    let shards = indexer.shards().await?;
    let mut differences = compare(&indexer, shards, &bar, Some(&events_in_gsi)).await?;
    let everyone = bar.position();

    let mut many: Vec<(Partition, u64)> = events_in_gsi.into_inner()?.into_iter().collect();
    many.retain(|(_, events)| *events > MAX_UNINDEXED_EVENTS);
    bar.set_message("Events of users with many");
    bar.set_position(0);
    bar.set_length(many.iter().map(|(_, events)| events).sum());
    let many: Vec<Partition> = many.into_iter().map(|(user, _)| user).collect();
    promote(&indexer, &many, settle, &bar).await?;
    let of_users = many.len();
    differences += compare(&indexer, many, &bar, None).await?;
    bar.finish_and_clear();

    let verdict = match differences {
        0 => "no difference".to_owned(),
        1 => "1 difference, which is repaired".to_owned(),
        _ => format!("{differences} differences, all of them repaired"),
    };
    say(&format!(
        "Compared {everyone} events and the tries of users ({of_users}) with the count index: {verdict}."
    ));
    let lost = lost_keys(&store).await?;
    Ok(differences + lost)
}

async fn tables(arguments: Arguments) -> Result<Tables, Failure> {
    if let (Some(events_table), Some(keys_table), Some(counts_table), Some(shards)) = (
        arguments.table,
        arguments.keys_table,
        arguments.counts_table,
        arguments.shards,
    ) {
        let settings = Settings {
            events_table,
            keys_table,
            counts_table,
            shards: shards.parse()?,
        };
        // A person runs this, whose credentials may be in any of the places that AWS knows.
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        return Ok(Tables {
            client: client_from((&config).into()),
            settings,
            settle: SETTLE,
        });
    }
    let template = Template::read(&arguments.template)?;
    if !arguments.data.join(DATABASE).is_file() {
        return Err(format!(
            "there is no log in {}; name its folder with --data",
            arguments.data.display()
        )
        .into());
    }
    let engine = Engine::open(Some(&arguments.data))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = Address::new(format!("http://{}", listener.local_addr()?));
    engine.serve(listener, std::future::pending());
    let client = address.client().await;
    create_tables(&client, &address.url, &template.tables).await?;
    let declared = template
        .functions
        .values()
        .find(|function| !function.streams.is_empty());
    let environment = &declared
        .ok_or("the template has no function that indexes events")?
        .environment;
    let settings = Settings::read(|name| environment.get(name).cloned())
        .map_err(|error| format!("the environment in the template does not do: {error}"))?;
    // The embedded engine's indexes never lag.
    Ok(Tables {
        client,
        settings,
        settle: Duration::ZERO,
    })
}

/// Shows each Idempotency-Key whose event is missing, as after a restore of one table without the
/// other; how many there are. They cannot be repaired here: an event that is sent again under such
/// a key is refused.
async fn lost_keys(store: &EventStore) -> Result<usize, Failure> {
    let (mut keys, mut lost, mut from) = (0, 0, None);
    loop {
        let page = store.keys_without_event(from).await?;
        keys += page.keys;
        // While events are written, a key can be seen a moment before its event.
        if !page.lost.is_empty() {
            tokio::time::sleep(SECOND_LOOK).await;
        }
        for (key, id) in page.lost {
            if store.get(id).await?.is_some() {
                continue;
            }
            lost += 1;
            say(&format!(
                "the key {key} names the event {id}, which is not there"
            ));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let verdict = match lost {
        0 => "each has its event".to_owned(),
        1 => "1 lost key, whose event is not there".to_owned(),
        _ => format!("{lost} lost keys, whose events are not there"),
    };
    say(&format!(
        "Looked up the events of {keys} Idempotency-Keys: {verdict}."
    ));
    Ok(lost)
}

/// Gives each of these users a trie that has none.
async fn promote(
    indexer: &Indexer,
    users: &[Partition],
    settle: Duration,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut unready = 0;
    for user in users {
        let state = indexer.state(user).await?;
        if state.is_none() {
            indexer.start(user, Effects::system().now()).await?;
        }
        unready += usize::from(state != Some(State::Ready));
    }
    if unready > 0 && !settle.is_zero() {
        bar.println(format!(
            "{} users get a trie; waiting {settle:?} until the index of users has settled.",
            unready
        ));
        tokio::time::sleep(settle).await;
    }
    for user in users {
        indexer.complete(user).await?;
    }
    Ok(())
}

/// Compares partitions side by side, and shows each difference. Counts the events of each user.
async fn compare(
    indexer: &Indexer,
    partitions: Vec<Partition>,
    bar: &ProgressBar,
    events_in_gsi: Option<&Mutex<HashMap<Partition, u64>>>,
) -> Result<usize, Failure> {
    let compared = iter(partitions).map(|partition| async move {
        let mut found = 0;
        let seen = |events: &[EventKey]| {
            bar.inc(events.len() as u64);
            let Some(Ok(mut counts)) = events_in_gsi.map(Mutex::lock) else {
                return;
            };
            for partition in events.iter().flat_map(EventKey::partitions) {
                if partition.is_in_gsi() {
                    *counts.entry(partition).or_default() += 1;
                }
            }
        };
        let whose = match &partition {
            Partition::Shard(shard) => format!("shard {shard:x}"),
            Partition::User(user_id) => format!("user {:?}", user_id.as_str()),
        };
        let tell = |difference| {
            found += 1;
            bar.suspend(|| say(&format!("{whose}: {}", sentence(&difference))));
        };
        indexer
            .reconcile(&partition, || Effects::system().now(), seen, tell)
            .await?;
        Ok::<_, Failure>(found)
    });
    let found: Vec<usize> = compared
        .buffer_unordered(PARTITIONS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().sum())
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Unready => "was not in the index, or not completely".to_owned(),
        Difference::Missing(id) => format!("the event {id} was not in the index"),
        Difference::Extra(key) => format!("the index held {key:032x}, which is no event"),
        Difference::Miscount(miscount) => {
            let Miscount {
                prefix,
                counted,
                found,
            } = miscount;
            format!("the index counted {counted} events below {prefix}, where there are {found}")
        }
    }
}
