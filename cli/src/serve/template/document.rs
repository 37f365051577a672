//! The file of a template, as YAML has it.

use std::collections::BTreeMap;
use std::time::Duration;

use audit_log::event::Filters;
use serde::Deserialize;
use serde_json::Value;

use super::{Cors, FILTERS, Function, Parameters, Route, StreamSource, Template};
use crate::serve::tables::Table;

/// The complete file. The YAML reader drops CloudFormation's tags (`!Ref`, `!GetAtt`), so a
/// reference looks like any other string. [`Document::resolve`] recognizes it by its name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Document {
    #[serde(default)]
    globals: Globals,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Globals {
    #[serde(default)]
    function: FunctionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(default)]
    default: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
    #[serde(default)]
    metadata: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    timeout: Option<u64>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    events: BTreeMap<String, Event>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

/// Lambda's own default: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html>.
const DEFAULT_TIMEOUT: u64 = 3;

/// Lambda's own default: <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>.
const DEFAULT_BATCH_SIZE: u64 = 100;

impl Document {
    /// Reads the text of a template. The error is one line.
    pub fn parse(text: &str) -> Result<Document, String> {
        serde_saphyr::from_str(text).map_err(|error| one_line(&error.to_string()))
    }

    /// The same file with other values for these parameters. The error is one line.
    pub fn with(mut self, parameters: &Parameters) -> Result<Document, String> {
        for (name, value) in parameters {
            let Some(parameter) = self.parameters.get_mut(name) else {
                return Err(format!("it has no parameter {name}"));
            };
            parameter.default = Value::String(value.clone());
        }
        Ok(self)
    }

    /// The functions, tables and web origins that the file declares. The error is one line.
    pub fn template(&self) -> Result<Template, String> {
        let filters = self.filters()?;
        let mut functions = BTreeMap::new();
        let mut tables = Vec::new();
        let mut cors = None;
        for (id, resource) in &self.resources {
            let named = |error: serde_json::Error| format!("{id}: {error}");
            let properties = resource.properties.clone();
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => {
                    let properties: FunctionProperties =
                        serde_json::from_value(properties).map_err(named)?;
                    let function = self.function(id, resource, &properties)?;
                    functions.insert(id.clone(), function);
                }
                "AWS::DynamoDB::Table" => {
                    let mut table: Table = serde_json::from_value(properties).map_err(named)?;
                    table.name = table_name(id, resource);
                    tables.push(table.with_filters(filters));
                }
                "AWS::ApiGatewayV2::Api" => {
                    let configuration = &properties["CorsConfiguration"];
                    cors = self.cors(configuration).map_err(named)?;
                }
                _ => {}
            }
        }
        if functions
            .values()
            .all(|function| function.routes.is_empty())
        {
            return Err(
                "no function has a route (a resource of type AWS::ApiGatewayV2::Route)".to_owned(),
            );
        }
        Ok(Template {
            functions,
            tables,
            cors,
        })
    }

    /// What web pages may do, or `None` if no origin is named.
    fn cors(&self, configuration: &Value) -> serde_json::Result<Option<Cors>> {
        // !If [condition, configuration, nothing]. The condition is that there is an origin.
        let configuration = match configuration {
            Value::Array(branches) => branches.get(1).unwrap_or(&Value::Null),
            other => other,
        };
        if configuration.is_null() {
            return Ok(None);
        }
        let mut cors = Cors::deserialize(configuration)?;
        for origin in &mut cors.allow_origins {
            *origin = self.resolve(&Value::String(origin.clone()));
        }
        cors.allow_origins.retain(|origin| !origin.is_empty());
        Ok((!cors.allow_origins.is_empty()).then_some(cors))
    }

    /// The value of the parameter `Filters`.
    fn filters(&self) -> Result<Filters, String> {
        match self.parameters.get(FILTERS) {
            Some(parameter) => plain(&parameter.default)
                .parse()
                .map_err(|error| format!("{FILTERS}: {error}")),
            None => Ok(Filters::ALL),
        }
    }

    fn function(
        &self,
        id: &str,
        resource: &Resource,
        own: &FunctionProperties,
    ) -> Result<Function, String> {
        let global = &self.globals.function;
        let Some(binary) = resource.metadata["BuildProperties"]["Binary"].as_str() else {
            return Err(format!("{id}: Metadata.BuildProperties.Binary is missing"));
        };
        // A function's own variables replace those of the globals.
        let variables = global
            .environment
            .variables
            .iter()
            .chain(&own.environment.variables);
        let environment = variables
            .map(|(name, value)| (name.clone(), self.resolve(value)))
            .collect();
        Ok(Function {
            binary: binary.to_owned(),
            timeout: own.timeout.or(global.timeout).unwrap_or(DEFAULT_TIMEOUT),
            environment,
            routes: self.routes_of(id)?,
            streams: self.streams_of(id, own)?,
        })
    }

    /// The routes that lead to a function.
    fn routes_of(&self, id: &str) -> Result<Vec<Route>, String> {
        let mut routes = Vec::new();
        for (name, resource) in &self.resources {
            if resource.kind != "AWS::ApiGatewayV2::Route" || self.function_of(resource) != Some(id)
            {
                continue;
            }
            let key = resource.properties["RouteKey"].as_str().unwrap_or_default();
            let Some((method, path)) = key.split_once(' ') else {
                return Err(format!("{name}: RouteKey is not a method and a path"));
            };
            routes.push(Route {
                method: method.to_owned(),
                path: path.to_owned(),
            });
        }
        Ok(routes)
    }

    /// The streams that are delivered to a function.
    fn streams_of(&self, id: &str, own: &FunctionProperties) -> Result<Vec<StreamSource>, String> {
        let mut streams = Vec::new();
        for event in own.events.values() {
            if event.kind != "DynamoDB" {
                continue;
            }
            // !GetAtt EventsTable.StreamArn
            let stream = event.properties["Stream"].as_str().unwrap_or_default();
            let table = stream
                .strip_suffix(".StreamArn")
                .and_then(|table| Some(table_name(table, self.resources.get(table)?)));
            let Some(table) = table else {
                return Err(format!(
                    "{id}: an event of type DynamoDB has no Stream of a table in the template"
                ));
            };
            let number = |name: &str| event.properties[name].as_u64();
            let batch_size = number("BatchSize").unwrap_or(DEFAULT_BATCH_SIZE);
            let window = number("MaximumBatchingWindowInSeconds").unwrap_or(0);
            streams.push(StreamSource {
                table,
                batch_size: usize::try_from(batch_size).unwrap_or(usize::MAX),
                window: Duration::from_secs(window),
            });
        }
        Ok(streams)
    }

    /// The function that a route leads to, through its integration.
    fn function_of(&self, route: &Resource) -> Option<&str> {
        let integration = route.properties["Target"]
            .as_str()?
            .strip_prefix("integrations/${")?
            .strip_suffix('}')?;
        self.resources.get(integration)?.properties["IntegrationUri"]
            .as_str()?
            .strip_suffix(".Arn")
    }

    /// Resolves a reference to a parameter to its value, and a reference to a table to its name.
    fn resolve(&self, value: &Value) -> String {
        let Value::String(name) = value else {
            return plain(value);
        };
        if let Some(parameter) = self.parameters.get(name) {
            return plain(&parameter.default);
        }
        match self.resources.get(name) {
            Some(resource) => table_name(name, resource),
            None => name.clone(),
        }
    }
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// A string without quotes, or any other value as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The name of a table. A table without one gets its logical ID, to which CloudFormation would add
/// a prefix and a suffix.
fn table_name(id: &str, resource: &Resource) -> String {
    resource.properties["TableName"]
        .as_str()
        .unwrap_or(id)
        .to_owned()
}
