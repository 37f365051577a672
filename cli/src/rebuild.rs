//! `audit-log rebuild`: compares the count index with the events table, and repairs it.

mod lost_keys;
pub mod tables;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use audit_log::count::trie::{Miscount, State};
use audit_log::count::{
    CountsTable, Difference, FacetNotes, Indexer, MAX_UNINDEXED_EVENTS, facet_values,
};
use audit_log::effects::Effects;
use audit_log::event::FieldValue;
use audit_log::store::{EventKey, EventStore, Partition};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use indicatif::ProgressBar;

use self::lost_keys::report_lost_keys;
use self::tables::Tables;
use crate::say;

/// Compares the count index with the events table, reports every difference, and repairs it. Lists
/// Idempotency-Keys whose event is missing.
///
/// Without --table it works on the data folder of a service that is not running. Exit code: 0 if
/// there was no difference and no lost key, 1 if there were some, 2 if the comparison failed.
/// Differences are repaired. Lost keys are not.
#[derive(clap::Args)]
pub struct Arguments {
    /// The folder that keeps the events.
    #[arg(long, value_name = "DIR", default_value = ".audit-log")]
    data: PathBuf,
    /// The SAM template that declares the tables of the folder.
    #[arg(long, value_name = "FILE", default_value = crate::TEMPLATE)]
    template: PathBuf,
    /// The events table on AWS, or at the endpoint that AWS's own variables name.
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
    /// The SHARDS of the functions.
    #[arg(long, requires = "table")]
    shards: Option<String>,
}

/// The form of the progress bar.
const PROGRESS: &str = "{msg} {wide_bar} {human_pos} of about {human_len}, {per_sec}, {eta} left";
/// How many partitions are compared at a time: a table has at most 16 shards.
const PARTITIONS_AT_ONCE: usize = 16;

type Failure = Box<dyn std::error::Error>;

/// How many values of events are noted as facets at most, of all fields together.
const MAX_FACETS: usize = 10_000;

/// What the events of the shards say about the rest.
#[derive(Default)]
struct Census {
    /// How many events each partition of a GSI has.
    events_in_gsis: HashMap<Partition, u64>,
    /// The values to note as facets.
    facets: HashSet<FieldValue>,
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

/// Returns the number of differences and lost keys.
async fn rebuild(arguments: Arguments) -> Result<usize, Failure> {
    let tables = Tables::open(arguments).await?;
    // On AWS the number of items is some hours old, which is good enough for a bar.
    let bar = crate::progress_bar(tables.item_count().await?, PROGRESS);
    let Tables {
        client,
        settings,
        disk,
        settle,
    } = tables;
    let store = EventStore::new(client.clone(), &settings);
    let counts = CountsTable::new(client, &settings);
    let indexer = Indexer::new(store.clone(), counts.clone());

    // 1. Compare the shards, which hold all events. Count the events of each user, type and
    //    service, and note the types and services as facets.
    bar.set_message("Everyone's events");
    let census = Mutex::new(Census::default());
    let shards = indexer.shards().await?;
    let mut differences = compare(&indexer, shards, &bar, Some(&census)).await?;
    let everyone = bar.position();
    let census = census.into_inner()?;
    FacetNotes::new(counts).note(census.facets).await?;

    // 2. Compare those that have so many events that they need a trie.
    let mut large = Vec::new();
    let mut events = 0;
    for (partition, events_of_partition) in census.events_in_gsis {
        if events_of_partition > MAX_UNINDEXED_EVENTS {
            large.push(partition);
            events += events_of_partition;
        }
    }
    bar.set_message("Users, types and services with many events");
    bar.set_position(0);
    bar.set_length(events);
    complete_tries(&indexer, &large, settle, &bar).await?;
    let large_tries = large.len();
    differences += compare(&indexer, large, &bar, None).await?;
    disk.sync().await?;
    bar.finish_and_clear();

    let verdict = match differences {
        0 => "no difference".to_owned(),
        1 => "1 difference, which is repaired".to_owned(),
        _ => format!("{differences} differences, all of them repaired"),
    };
    say(&format!(
        "Compared {everyone} events, and the tries of users, types and services ({large_tries}), \
         with the count index: {verdict}."
    ));

    // 3. List the lost keys.
    let lost = report_lost_keys(&store).await?;
    Ok(differences + lost)
}

/// Starts and completes a trie for each of these partitions of GSIs that has none.
async fn complete_tries(
    indexer: &Indexer,
    partitions: &[Partition],
    settle: Duration,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut unready = 0;
    for partition in partitions {
        let state = indexer.state(partition).await?;
        if state.is_none() {
            indexer.start(partition, Effects::system().now()).await?;
        }
        if state != Some(State::Ready) {
            unready += 1;
        }
    }
    // An event that was put before the start must be visible in the GSI before the trie is filled.
    if unready > 0 && !settle.is_zero() {
        bar.println(format!(
            "{unready} users, types and services get a trie. Waiting {settle:?} until the GSIs have \
             settled."
        ));
        tokio::time::sleep(settle).await;
    }
    for partition in partitions {
        indexer.complete(partition).await?;
    }
    Ok(())
}

/// Compares partitions, several at a time, and returns the number of differences. Adds the events to
/// the `census`.
async fn compare(
    indexer: &Indexer,
    partitions: Vec<Partition>,
    bar: &ProgressBar,
    census: Option<&Mutex<Census>>,
) -> Result<usize, Failure> {
    let compared = iter(partitions)
        .map(|partition| compare_partition(indexer, partition, bar, census))
        .buffer_unordered(PARTITIONS_AT_ONCE);
    let differences: Vec<usize> = compared.try_collect().await?;
    Ok(differences.into_iter().sum())
}

/// Compares one partition, prints each difference, and returns their number.
async fn compare_partition(
    indexer: &Indexer,
    partition: Partition,
    bar: &ProgressBar,
    census: Option<&Mutex<Census>>,
) -> Result<usize, Failure> {
    let seen = |events: &[EventKey]| {
        bar.inc(events.len() as u64);
        if let Some(census) = census {
            add_to_census(indexer, events, census);
        }
    };
    let name = match &partition {
        Partition::Shard(shard) => format!("shard {shard:x}"),
        Partition::With(value) => format!("{} {:?}", value.field().name(), value.as_str()),
    };
    let mut differences = 0;
    let report = |difference: Difference| {
        differences += 1;
        let sentence = sentence(&difference);
        bar.suspend(|| say(&format!("{name}: {sentence}")));
    };
    indexer
        .reconcile(&partition, || Effects::system().now(), seen, report)
        .await?;
    Ok(differences)
}

fn add_to_census(indexer: &Indexer, events: &[EventKey], census: &Mutex<Census>) {
    // A poisoned lock ends the command later, when the census is read.
    let Ok(mut census) = census.lock() else {
        return;
    };
    for event in events {
        for partition in indexer.partitions_of(event) {
            if partition.is_in_gsi() {
                *census.events_in_gsis.entry(partition).or_default() += 1;
            }
        }
    }
    for value in facet_values(events) {
        if census.facets.len() < MAX_FACETS && !census.facets.contains(value) {
            census.facets.insert(value.clone());
        }
    }
}

fn sentence(difference: &Difference) -> String {
    match difference {
        Difference::Unready => "was not in the index, or not completely".to_owned(),
        Difference::Missing(id) => format!("the event {id} was not in the count index"),
        Difference::Extra(key) => {
            format!("the count index held {key:032x}, which is not an event")
        }
        Difference::Miscount(miscount) => {
            let Miscount {
                prefix,
                counted,
                found,
            } = miscount;
            format!(
                "the count index counted {counted} events below {prefix}, but there are {found}"
            )
        }
    }
}
