//! The tables that `rebuild` works on: those of a data folder, or those that its options name.

use std::path::Path;
use std::time::Duration;

use audit_log::config::Settings;
use audit_log::dynamodb::client_from;
use audit_log::event::Filters;
use audit_log::limits::SETTLE;
use audit_log_cli::serve::disk::Disk;
use audit_log_cli::serve::engine::{DATABASE, Engine};
use audit_log_cli::serve::tables::create_tables;
use audit_log_cli::serve::template::{FILTERS, Parameters, Template};
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::TableDescription;

use super::{Arguments, Failure};

/// The tables to compare.
pub struct Tables {
    pub client: Client,
    pub settings: Settings,
    /// What the tables of a data folder are kept on.
    pub disk: Disk,
    /// How long a GSI lags at most.
    pub settle: Duration,
}

impl Tables {
    /// Opens the tables that the arguments name.
    pub async fn open(arguments: Arguments) -> Result<Tables, Failure> {
        // clap lets the four options come together only.
        let (Some(events_table), Some(keys_table), Some(counts_table), Some(shards)) = (
            arguments.table,
            arguments.keys_table,
            arguments.counts_table,
            arguments.shards,
        ) else {
            return Tables::in_folder(&arguments.data, &arguments.template).await;
        };
        // A person runs this, so the credentials may be in any of the places that AWS knows.
        let config = aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await;
        let client = client_from((&config).into());
        let filters = filters_of(&describe(&client, &events_table).await?);
        let settings = Settings {
            events_table,
            keys_table,
            counts_table,
            // A rebuild does not touch the transparency log.
            tree_table: String::new(),
            shards: shards.parse()?,
            filters,
        };
        Ok(Tables {
            client,
            settings,
            disk: Disk::default(),
            settle: SETTLE,
        })
    }

    /// Opens those of a data folder.
    pub async fn in_folder(data: &Path, template: &Path) -> Result<Tables, Failure> {
        // No GSI is added to the log. The tables themselves say which filters it has.
        let none = (FILTERS.to_owned(), Filters::NONE.as_str().to_owned());
        let template = Template::read_with(template, &Parameters::from([none]))?;
        if !data.join(DATABASE).is_file() {
            let problem = format!(
                "there is no log in {}; name its folder with --data",
                data.display()
            );
            return Err(problem.into());
        }

        let engine = Engine::open(Some(data))?;
        let client = engine.clients().await.tables;
        let name = data.display().to_string();
        create_tables(&client, &name, &template.tables).await?;

        let mut functions = template.functions.values();
        let Some(index_events) = functions.find(|function| !function.streams.is_empty()) else {
            return Err("the template has no function that indexes events".into());
        };
        let environment = &index_events.environment;
        let mut settings = Settings::read(|name| environment.get(name).cloned())
            .map_err(|error| format!("the environment in the template is not usable: {error}"))?;
        settings.filters = filters_of(&describe(&client, &settings.events_table).await?);
        Ok(Tables {
            client,
            settings,
            disk: engine.disk(),
            // A GSI of the embedded engine never lags.
            settle: Duration::ZERO,
        })
    }

    /// About how many items the events table has.
    pub async fn item_count(&self) -> Result<u64, Failure> {
        let table = describe(&self.client, &self.settings.events_table).await?;
        Ok(u64::try_from(table.item_count().unwrap_or(0)).unwrap_or(0))
    }
}

async fn describe(client: &Client, table: &str) -> Result<TableDescription, Failure> {
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| {
        let cause = DisplayErrorContext(&error);
        format!("cannot read the table {table}: {cause}")
    })?;
    described
        .table
        .ok_or_else(|| format!("there is no table {table}").into())
}

/// The filters of a log, as the GSIs of its events table show.
fn filters_of(table: &TableDescription) -> Filters {
    let indexes = table.global_secondary_indexes().iter();
    let keys =
        indexes.flat_map(aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription::key_schema);
    Filters::of_partition_keys(keys.map(aws_sdk_dynamodb::types::KeySchemaElement::attribute_name))
}
