//! `template.yaml`, as far as one machine needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::tables::Table;

/// What the template declares.
#[derive(Clone, Debug)]
pub struct Template {
    /// The functions, by logical id.
    pub functions: BTreeMap<String, Function>,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A function of the template.
#[derive(Clone, Debug)]
pub struct Function {
    /// The binary that `sam build` makes for it.
    pub binary: String,
    /// How long it may take, in seconds.
    pub timeout: u64,
    /// Its environment, references resolved.
    pub environment: BTreeMap<String, String>,
    /// The routes that lead to it.
    pub routes: Vec<Route>,
    /// The streams that are delivered to it.
    pub streams: Vec<StreamSource>,
}

/// A table's stream that is delivered to a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// The table's name.
    pub table: String,
    /// How many records are delivered at a time, at most.
    pub batch_size: usize,
    /// How long records are collected before they are delivered.
    pub window: Duration,
}

/// A route of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Such as `GET`.
    pub method: String,
    /// Such as `/events/{id}`.
    pub path: String,
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("cannot read the template {path}: {error}; name it with --template", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not a SAM template.
    #[error("the template {path} is broken: {problem}", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, on one line.
        problem: String,
    },
}

impl Template {
    /// Reads a template from a file.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], in one sentence.
    pub fn read(path: &Path) -> Result<Template, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|error| TemplateError::Read {
            path: path.into(),
            error,
        })?;
        Template::parse(&text).map_err(|problem| TemplateError::Broken {
            path: path.into(),
            problem,
        })
    }

    fn parse(text: &str) -> Result<Template, String> {
        let document: Document =
            serde_saphyr::from_str(text).map_err(|error| one_line(&error.to_string()))?;
        let mut template = Template {
            functions: BTreeMap::new(),
            tables: Vec::new(),
        };
        for (id, resource) in &document.resources {
            let named = |error: serde_json::Error| format!("{id}: {error}");
            match resource.kind.as_str() {
                "AWS::Serverless::Function" => {
                    let properties =
                        serde_json::from_value(resource.properties.clone()).map_err(named)?;
                    template
                        .functions
                        .insert(id.clone(), document.function(id, resource, properties)?);
                }
                "AWS::DynamoDB::Table" => {
                    let mut table: Table =
                        serde_json::from_value(resource.properties.clone()).map_err(named)?;
                    table.name = table_name(id, resource);
                    template.tables.push(table);
                }
                _ => {}
            }
        }
        if template
            .functions
            .values()
            .all(|function| function.routes.is_empty())
        {
            return Err(
                "no function has a route (a resource of type AWS::ApiGatewayV2::Route)".to_owned(),
            );
        }
        Ok(template)
    }
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The file itself. CloudFormation's tags (`!Ref`, `!GetAtt`) are dropped by the reader, so that a
/// reference is a string like any other: [`Document::resolve`] tells it by what it names.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
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
    fn function(
        &self,
        id: &str,
        resource: &Resource,
        own: FunctionProperties,
    ) -> Result<Function, String> {
        let global = &self.globals.function;
        let binary = resource.metadata["BuildProperties"]["Binary"].as_str();
        let variables = global
            .environment
            .variables
            .iter()
            .chain(&own.environment.variables);
        let routes = self
            .resources
            .iter()
            .filter(|(_, resource)| resource.kind == "AWS::ApiGatewayV2::Route");
        let routes = routes
            .filter(|(_, route)| self.function_of(route) == Some(id))
            .map(|(name, route)| {
                let key = route.properties["RouteKey"]
                    .as_str()
                    .and_then(|key| key.split_once(' '));
                let (method, path) =
                    key.ok_or_else(|| format!("{name}: RouteKey is not a method and a path"))?;
                Ok(Route {
                    method: method.to_owned(),
                    path: path.to_owned(),
                })
            });
        let streams = own
            .events
            .values()
            .filter(|event| event.kind == "DynamoDB")
            .map(|event| {
                // !GetAtt EventsTable.StreamArn
                let table = event.properties["Stream"]
                    .as_str()
                    .and_then(|stream| stream.strip_suffix(".StreamArn"));
                let table =
                    table.and_then(|table| Some(table_name(table, self.resources.get(table)?)));
                let number =
                    |name: &str, default| event.properties[name].as_u64().unwrap_or(default);
                Ok(StreamSource {
                    table: table.ok_or_else(|| {
                        format!("{id}: an event of type DynamoDB has no Stream of a table here")
                    })?,
                    batch_size: usize::try_from(number("BatchSize", DEFAULT_BATCH_SIZE))
                        .unwrap_or(usize::MAX),
                    window: Duration::from_secs(number("MaximumBatchingWindowInSeconds", 0)),
                })
            });
        Ok(Function {
            binary: binary
                .ok_or_else(|| format!("{id}: Metadata.BuildProperties.Binary is missing"))?
                .to_owned(),
            timeout: own.timeout.or(global.timeout).unwrap_or(DEFAULT_TIMEOUT),
            environment: variables
                .map(|(name, value)| (name.clone(), self.resolve(value)))
                .collect(),
            routes: routes.collect::<Result<_, String>>()?,
            streams: streams.collect::<Result<_, String>>()?,
        })
    }

    /// The function that a route leads to, by way of its integration.
    fn function_of(&self, route: &Resource) -> Option<&str> {
        let integration = route.properties["Target"]
            .as_str()?
            .strip_prefix("integrations/${")?
            .strip_suffix('}')?;
        self.resources.get(integration)?.properties["IntegrationUri"]
            .as_str()?
            .strip_suffix(".Arn")
    }

    /// A reference to a parameter is its default, one to a table its name.
    fn resolve(&self, value: &Value) -> String {
        match value {
            Value::String(name) => match (self.parameters.get(name), self.resources.get(name)) {
                (Some(parameter), _) => plain(&parameter.default),
                (None, Some(resource)) => table_name(name, resource),
                (None, None) => name.clone(),
            },
            other => plain(other),
        }
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A table without a name gets its logical id; CloudFormation would add a prefix and a suffix.
fn table_name(id: &str, resource: &Resource) -> String {
    resource.properties["TableName"]
        .as_str()
        .unwrap_or(id)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_template_is_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        let template = Template::read(&path).unwrap();
        let create = &template.functions["CreateEventFunction"];
        assert_eq!(create.binary, "create-event");
        assert_eq!(create.environment["SHARDS"], "2");
        assert_eq!(create.environment["EVENTS_TABLE"], "EventsTable");
        assert_eq!(
            create.routes,
            [Route {
                method: "POST".into(),
                path: "/events".into()
            }]
        );
        assert_eq!(template.functions["ListEventsFunction"].routes.len(), 2);
        assert_eq!(
            template
                .tables
                .iter()
                .map(|table| table.name.as_str())
                .collect::<Vec<_>>(),
            ["CountsTable", "EventsTable", "KeysTable"]
        );
        let stream = StreamSource {
            table: "EventsTable".into(),
            batch_size: 1000,
            window: Duration::from_secs(5),
        };
        assert_eq!(template.functions["IndexEventsFunction"].streams, [stream]);
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said_on_one_line() {
        for (text, expected) in [
            ("Resources: [", "line"),
            ("Other: 1", "Resources"),
            ("Resources: {}", "no function has a route"),
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {}}}",
                "F: Metadata.BuildProperties.Binary",
            ),
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Timeout: soon}}}",
                "F: invalid type",
            ),
        ] {
            let problem = Template::parse(text).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains('\n'),
                "{problem}"
            );
        }
    }
}
