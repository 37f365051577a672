//! The template's tables, and making them in an engine.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
    StreamSpecification,
};
use serde::Deserialize;

/// A table as the template declares it, as far as an engine on this machine needs it.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html>
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// The table's name; one without gets its logical id.
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

/// A table that an engine would not make.
#[derive(Debug, thiserror::Error)]
#[error("the DynamoDB engine at {url} cannot create the table {table}: {problem}")]
pub struct TableError {
    /// Where the engine is.
    pub url: String,
    /// The table's name.
    pub table: String,
    /// Why it does not.
    pub problem: String,
}

impl Table {
    /// The same without its stream.
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
        for Attribute {
            attribute_name,
            attribute_type,
        } in &self.attribute_definitions
        {
            let attribute = AttributeDefinition::builder().attribute_name(attribute_name);
            request = request.attribute_definitions(
                attribute
                    .attribute_type(attribute_type.as_str().into())
                    .build()?,
            );
        }
        for index in &self.global_secondary_indexes {
            let projection = Projection::builder()
                .projection_type(index.projection.projection_type.as_str().into());
            let built = GlobalSecondaryIndex::builder()
                .index_name(&index.index_name)
                .set_key_schema(Some(key_schema(&index.key_schema)?))
                .projection(projection.build());
            request = request.global_secondary_indexes(built.build()?);
        }
        if let Some(Stream { stream_view_type }) = &self.stream_specification {
            let stream = StreamSpecification::builder().stream_enabled(true);
            request = request.stream_specification(
                stream
                    .stream_view_type(stream_view_type.as_str().into())
                    .build()?,
            );
        }
        Ok(request.set_key_schema(Some(key_schema(&self.key_schema)?)))
    }
}

fn key_schema(keys: &[Key]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let element = |Key {
                       attribute_name,
                       key_type,
                   }: &Key| {
        KeySchemaElement::builder()
            .attribute_name(attribute_name)
            .key_type(key_type.as_str().into())
            .build()
    };
    keys.iter().map(element).collect()
}

/// Makes those of `tables` that the engine at `url` does not have yet.
///
/// # Errors
///
/// [`TableError`], in one sentence. One is an engine that has events in some of the tables and
/// lacks others: an older version has written them, in a form that this one does not read.
pub async fn create_tables(client: &Client, url: &str, tables: &[Table]) -> Result<(), TableError> {
    let failed = |table: &str, problem| TableError {
        url: url.to_owned(),
        table: table.to_owned(),
        problem,
    };
    let listed = client.list_tables().send().await;
    let listed = listed.map_err(|error| failed("list", DisplayErrorContext(error).to_string()))?;
    let (found, missing): (Vec<&Table>, Vec<&Table>) = tables
        .iter()
        .partition(|table| listed.table_names().contains(&table.name));
    if let Some(table) = missing.first()
        && has_items(client, &found).await
    {
        let problem =
            "an older version, which lacks this table, has written the events there, and this version does not \
                       read them; start with another folder (--data) or engine"
                .to_owned();
        return Err(failed(&table.name, problem));
    }
    for table in missing {
        let request = table
            .request(client)
            .map_err(|error| failed(&table.name, error.to_string()))?;
        match Box::pin(request.send())
            .await
            .map_err(SdkError::into_service_error)
        {
            Ok(_) | Err(CreateTableError::ResourceInUseException(_)) => {}
            Err(error) => return Err(failed(&table.name, DisplayErrorContext(error).to_string())),
        }
    }
    Ok(())
}

async fn has_items(client: &Client, tables: &[&Table]) -> bool {
    for table in tables {
        let described = client.describe_table().table_name(&table.name).send().await;
        let items = described
            .ok()
            .and_then(|described| described.table?.item_count);
        if items.is_some_and(|items| items > 0) {
            return true;
        }
    }
    false
}
