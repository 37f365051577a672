//! The parts of `template.yaml` that one machine needs.

mod document;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit_log::event::Filters;

use self::document::Document;
use super::tables::Table;

/// The functions and tables that a template declares.
#[derive(Clone, Debug)]
pub struct Template {
    /// The functions, by logical ID.
    pub functions: BTreeMap<String, Function>,
    /// The tables.
    pub tables: Vec<Table>,
}

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
    /// Reads a template from a file. Its parameter `Filters` has its default, or the value that is
    /// given.
    ///
    /// # Errors
    ///
    /// [`TemplateError`], in one sentence.
    pub fn read(path: &Path, filters: Option<Filters>) -> Result<Template, TemplateError> {
        let text = std::fs::read_to_string(path).map_err(|error| TemplateError::Read {
            path: path.into(),
            error,
        })?;
        Template::parse(&text, filters).map_err(|problem| TemplateError::Broken {
            path: path.into(),
            problem,
        })
    }

    fn parse(text: &str, filters: Option<Filters>) -> Result<Template, String> {
        Document::parse(text)?.template(filters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_template_is_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
        let template = Template::read(&path, None).unwrap();
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
        assert_eq!(template.functions["ListEventsFunction"].routes.len(), 2);
        let tables: Vec<&str> = template
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect();
        assert_eq!(tables, ["CountsTable", "EventsTable", "KeysTable"]);
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
            let problem = Template::parse(text, None).unwrap_err();
            assert!(
                problem.contains(expected) && !problem.contains('\n'),
                "{problem}"
            );
        }
    }
}
