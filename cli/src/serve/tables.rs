//! The template's tables, and their creation in an engine.

use std::time::Duration;

use audit_log::event::{Field, Filters};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement,
    Projection, StreamSpecification,
};
use serde::Deserialize;

/// The parts of a table's declaration that an engine on this machine needs.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html>
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// The table's name. It is the logical ID if the template gives none.
    #[serde(default, rename = "TableName")]
    pub name: String,
    attribute_definitions: Vec<Conditional<Attribute>>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Conditional<Index>>,
    stream_specification: Option<Stream>,
}

/// An element of a list, or one that the template has under a condition:
/// `!If [HasEventTypeFilter, ..., !Ref AWS::NoValue]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Conditional<T> {
    Always(T),
    If((String, T, String)),
}

impl<T> Conditional<T> {
    fn element(&self) -> &T {
        match self {
            Conditional::Always(element) | Conditional::If((_, element, _)) => element,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: ProjectionType,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionType {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stream {
    stream_view_type: String,
}

/// Tables that an engine did not create.
#[derive(Debug, thiserror::Error)]
#[error("the DynamoDB engine at {url} cannot {action}: {problem}")]
pub struct TableError {
    /// The URL of the engine.
    pub url: String,
    /// The action that failed.
    pub action: String,
    /// The cause.
    pub problem: String,
}

impl Table {
    /// The same table without its stream.
    #[must_use]
    pub fn without_stream(self) -> Table {
        Table {
            stream_specification: None,
            ..self
        }
    }

    /// The same table without the GSIs that the template has under a condition, except those of
    /// these filters.
    #[must_use]
    pub fn with_filters(mut self, filters: Filters) -> Table {
        let indexed: Vec<&str> = filters.iter().map(Field::name).collect();
        self.global_secondary_indexes.retain(|index| match index {
            Conditional::Always(_) => true,
            Conditional::If((_, index, _)) => indexed.contains(&index.partition_key()),
        });
        self
    }

    fn indexes(&self) -> impl Iterator<Item = &Index> {
        self.global_secondary_indexes
            .iter()
            .map(Conditional::element)
    }

    /// The definitions of the attributes that are keys.
    fn attributes(&self) -> Result<Vec<AttributeDefinition>, BuildError> {
        let of_indexes = self.indexes().flat_map(|index| &index.key_schema);
        let keys: Vec<&str> = self
            .key_schema
            .iter()
            .chain(of_indexes)
            .map(|key| key.attribute_name.as_str())
            .collect();
        let mut attributes = Vec::new();
        for attribute in &self.attribute_definitions {
            let attribute = attribute.element();
            if !keys.contains(&attribute.attribute_name.as_str()) {
                continue;
            }
            let built = AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(attribute.attribute_type.as_str().into());
            attributes.push(built.build()?);
        }
        Ok(attributes)
    }

    fn request(&self, client: &Client) -> Result<CreateTableFluentBuilder, BuildError> {
        let mut request = client
            .create_table()
            .table_name(&self.name)
            .set_attribute_definitions(Some(self.attributes()?))
            .billing_mode(BillingMode::PayPerRequest);
        for index in self.indexes() {
            let built = GlobalSecondaryIndex::builder()
                .index_name(&index.index_name)
                .set_key_schema(Some(key_schema(&index.key_schema)?))
                .projection(index.projection());
            request = request.global_secondary_indexes(built.build()?);
        }
        if let Some(stream) = &self.stream_specification {
            let built = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(stream.stream_view_type.as_str().into());
            request = request.stream_specification(built.build()?);
        }
        Ok(request.set_key_schema(Some(key_schema(&self.key_schema)?)))
    }
}

impl Index {
    fn partition_key(&self) -> &str {
        match self.key_schema.first() {
            Some(key) => &key.attribute_name,
            None => "",
        }
    }

    fn projection(&self) -> Projection {
        Projection::builder()
            .projection_type(self.projection.projection_type.as_str().into())
            .set_non_key_attributes(self.projection.non_key_attributes.clone())
            .build()
    }

    /// Whether an index of an engine has the same form.
    fn has_form_of(&self, found: &GlobalSecondaryIndexDescription) -> bool {
        let included = |projection: Option<&Projection>| {
            let attributes = projection.map(Projection::non_key_attributes);
            let mut attributes = attributes.unwrap_or_default().to_vec();
            attributes.sort_unstable();
            attributes
        };
        included(found.projection()) == included(Some(&self.projection()))
    }
}

fn key_schema(keys: &[Key]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let mut elements = Vec::new();
    for key in keys {
        let element = KeySchemaElement::builder()
            .attribute_name(&key.attribute_name)
            .key_type(key.key_type.as_str().into());
        elements.push(element.build()?);
    }
    Ok(elements)
}

/// The action that fails when a table cannot be created.
fn creating(table: &Table) -> String {
    format!("create the table {}", table.name)
}

/// Creates those of `tables` that the engine at `url` does not have yet, and those of their GSIs.
///
/// # Errors
///
/// [`TableError`], in one sentence. It is also returned for tables that an older version has
/// written, in a form that this version does not read.
pub async fn create_tables(client: &Client, url: &str, tables: &[Table]) -> Result<(), TableError> {
    let failed = |action: String, problem: String| TableError {
        url: url.to_owned(),
        action,
        problem,
    };

    // 1. Find the tables that are missing.
    let listed = client.list_tables().send().await;
    let listed = listed.map_err(|error| {
        let problem = DisplayErrorContext(error).to_string();
        failed("list its tables".to_owned(), problem)
    })?;
    let (found, missing): (Vec<&Table>, Vec<&Table>) = tables
        .iter()
        .partition(|table| listed.table_names().contains(&table.name));

    // 2. Refuse the events of an older version.
    if let Some(table) = missing.first()
        && has_items(client, &found).await
    {
        return Err(failed(creating(table), OLDER_VERSION.to_owned()));
    }

    // 3. Create the missing tables.
    for table in missing {
        let request = table
            .request(client)
            .map_err(|error| failed(creating(table), error.to_string()))?;
        let created = Box::pin(request.send()).await;
        match created.map_err(SdkError::into_service_error) {
            // Another process may have created it in between.
            Ok(_) | Err(CreateTableError::ResourceInUseException(_)) => {}
            Err(error) => {
                let problem = DisplayErrorContext(error).to_string();
                return Err(failed(creating(table), problem));
            }
        }
    }

    // 4. Create the missing GSIs of the others. The engine fills them.
    for table in found {
        for index in table.indexes() {
            add_index(client, table, index)
                .await
                .map_err(|problem| failed(creating_index(table, index), problem))?;
        }
    }
    Ok(())
}

/// The reason why tables cannot be used.
const OLDER_VERSION: &str = "an older version has written the events there, in a form that this \
    version does not read; start with another folder (--data) or engine";
/// How often the state of a GSI is read while the engine fills it.
const INDEX_POLL: Duration = Duration::from_millis(100);

/// The action that fails when a GSI cannot be created.
fn creating_index(table: &Table, index: &Index) -> String {
    format!("create the index {} of {}", index.index_name, table.name)
}

/// Creates a GSI of a table unless the table has it, and waits until the engine has filled it. The
/// error is the problem.
async fn add_index(client: &Client, table: &Table, index: &Index) -> Result<(), String> {
    match find_index(client, table, index).await? {
        Some(found) if index.has_form_of(&found) => return Ok(()),
        Some(_) => return Err(OLDER_VERSION.to_owned()),
        None => {}
    }

    let key_schema = key_schema(&index.key_schema).map_err(|error| error.to_string())?;
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(&index.index_name)
        .set_key_schema(Some(key_schema))
        .projection(index.projection())
        .build()
        .map_err(|error| error.to_string())?;
    let attributes = table.attributes().map_err(|error| error.to_string())?;
    let update = client
        .update_table()
        .table_name(&table.name)
        .set_attribute_definitions(Some(attributes))
        .global_secondary_index_updates(
            GlobalSecondaryIndexUpdate::builder().create(create).build(),
        );
    Box::pin(update.send())
        .await
        .map_err(|error| DisplayErrorContext(error).to_string())?;

    loop {
        let found = find_index(client, table, index).await?;
        let status = found.and_then(|found| found.index_status);
        if status == Some(IndexStatus::Active) {
            return Ok(());
        }
        tokio::time::sleep(INDEX_POLL).await;
    }
}

async fn find_index(
    client: &Client,
    table: &Table,
    index: &Index,
) -> Result<Option<GlobalSecondaryIndexDescription>, String> {
    let described = client.describe_table().table_name(&table.name).send().await;
    let described = described.map_err(|error| DisplayErrorContext(error).to_string())?;
    let indexes = described
        .table
        .and_then(|table| table.global_secondary_indexes);
    let is_it = |found: &GlobalSecondaryIndexDescription| {
        found.index_name() == Some(index.index_name.as_str())
    };
    Ok(indexes.unwrap_or_default().into_iter().find(is_it))
}

/// Whether one of these tables has an item.
async fn has_items(client: &Client, tables: &[&Table]) -> bool {
    for table in tables {
        let described = client.describe_table().table_name(&table.name).send().await;
        let items = described
            .ok()
            .and_then(|described| described.table?.item_count);
        if items.unwrap_or(0) > 0 {
            return true;
        }
    }
    false
}
