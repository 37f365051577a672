//! The template's tables, and their creation in an engine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
    StreamSpecification,
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
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    stream_specification: Option<Stream>,
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

    fn request(&self, client: &Client) -> Result<CreateTableFluentBuilder, BuildError> {
        let mut request = client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest);
        for attribute in &self.attribute_definitions {
            let built = AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(attribute.attribute_type.as_str().into());
            request = request.attribute_definitions(built.build()?);
        }
        for index in &self.global_secondary_indexes {
            let projection_type = index.projection.projection_type.as_str().into();
            let projection = Projection::builder().projection_type(projection_type);
            let built = GlobalSecondaryIndex::builder()
                .index_name(&index.index_name)
                .set_key_schema(Some(key_schema(&index.key_schema)?))
                .projection(projection.build());
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

/// Creates those of `tables` that the engine at `url` does not have yet.
///
/// # Errors
///
/// [`TableError`], in one sentence. It is also returned for an engine that has events in some of
/// the tables and lacks others: an older version has written them in a form that this version does
/// not read.
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
        let problem = "an older version, which lacks this table, has written the events there, \
                       and this version does not read them; start with another folder (--data) \
                       or engine";
        return Err(failed(creating(table), problem.to_owned()));
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
    Ok(())
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
