//! The parts of `template.yaml` that one machine needs.

mod document;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use self::document::Document;
use super::tables::Table;

/// The functions and tables that a template declares.
#[derive(Clone, Debug)]
pub struct Template {
    /// The functions, by logical ID.
    pub functions: BTreeMap<String, Function>,
    /// The tables.
    pub tables: Vec<Table>,
    /// What web pages may do (CORS), if the template names an origin.
    pub cors: Option<Cors>,
}

/// The `CorsConfiguration` of the API, with references resolved:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Cors {
    /// The origins whose pages may call the API, or `*` for all.
    pub allow_origins: Vec<String>,
    /// The methods that such a page may use.
    pub allow_methods: Vec<String>,
    /// The headers that such a page may send.
    pub allow_headers: Vec<String>,
    /// The headers that such a page may read.
    pub expose_headers: Vec<String>,
    /// For how many seconds a browser may keep this.
    pub max_age: Option<u64>,
}

/// The parameter that names the web origin whose pages may call the API.
pub const ALLOWED_ORIGIN: &str = "AllowedOrigin";
/// The parameter that names the fields by which lists can be filtered.
pub const FILTERS: &str = "Filters";

/// Values for the parameters of a template, by their names.
pub type Parameters = BTreeMap<String, String>;

/// A function of the template.
#[derive(Clone, Debug)]
pub struct Function {
    /// The binary that `sam build` builds for it.
    pub binary: String,
    /// Its timeout in seconds.
    pub timeout: u64,
    /// Its environment, with references resolved.
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
    /// The number of records in a batch, at most.
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
    /// The file cannot be read.
    #[error(
        "cannot read the template {path}: {error}; name it with --template",
        path = path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The file is not a SAM template.
    #[error("the template {path} is broken: {problem}", path = path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The problem, on one line.
        problem: String,
    },
}

impl Template {
    /// Reads a template from a file. Its parameters have their defaults.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], in one sentence.
    pub fn read(path: &Path) -> Result<Template, TemplateError> {
        Template::read_with(path, &Parameters::new())
    }

    /// Reads a template from a file. The parameters that are not given have their defaults.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], in one sentence.
    pub fn read_with(path: &Path, parameters: &Parameters) -> Result<Template, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|error| TemplateError::Read {
            path: path.into(),
            error,
        })?;
        Template::parse(&text, parameters).map_err(|problem| TemplateError::Broken {
            path: path.into(),
            problem,
        })
    }

    fn parse(text: &str, parameters: &Parameters) -> Result<Template, String> {
        Document::parse(text)?.with(parameters)?.template()
    }
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
        assert_eq!(create.environment["FILTERS"], "event_type,src_service");
        assert_eq!(create.environment["EVENTS_TABLE"], "EventsTable");
        assert_eq!(
            create.routes,
            [Route {
                method: "POST".into(),
                path: "/events".into()
            }]
        );
        assert_eq!(template.functions["ListEventsFunction"].routes.len(), 8);
        let tables: Vec<&str> = template
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        assert_eq!(
            tables,
            ["CountsTable", "EventsTable", "KeysTable", "TreeTable"]
        );
        for (function, seconds) in [("IndexEventsFunction", 5), ("SealEventsFunction", 10)] {
            let stream = StreamSource {
                table: "EventsTable".into(),
                batch_size: 1000,
                window: Duration::from_secs(seconds),
            };
            assert_eq!(template.functions[function].streams, [stream]);
        }
    }

    #[test]
    fn an_origin_is_allowed_if_the_parameter_names_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        assert_eq!(Template::read(&path).unwrap().cors, None);
        let origin = "https://audit.example.com".to_owned();
        let parameters = Parameters::from([(ALLOWED_ORIGIN.to_owned(), origin.clone())]);
        let cors = Template::read_with(&path, &parameters).unwrap().cors;
        let cors = cors.unwrap();
        assert_eq!(cors.allow_origins, [origin]);
        assert_eq!(cors.allow_methods, ["GET", "POST"]);
        for name in ["link", "location", "retry-after"] {
            assert!(cors.expose_headers.contains(&name.to_owned()), "{name}");
        }
        let unknown = Parameters::from([("Colour".to_owned(), String::new())]);
        let error = Template::read_with(&path, &unknown).unwrap_err();
        assert!(error.to_string().contains("no parameter Colour"), "{error}");
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
            let problem = Template::parse(text, &Parameters::new()).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains('\n'),
                "{problem}"
            );
        }
    }
}
