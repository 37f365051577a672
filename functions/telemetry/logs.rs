//! Log lines: JSON on standard output, with the keys of Powertools for AWS Lambda
//! (<https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys>).
//!
//! Lambda needs the `timestamp` and the `level` of each line:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::config::Identity;
use crate::effects::Effects;

/// Writes all tracing events of this process to standard output as log lines.
pub fn log_to_standard_output(identity: &Identity) {
    // A function does not fail because a line cannot be written.
    let lines = Lines::new(identity, |line| drop(writeln!(std::io::stdout(), "{line}")));
    // This fails only if it has been done before, which is no problem.
    drop(tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(lines),
    ));
    // The message of a panic can quote a request. The location cannot.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "handler panicked");
    }));
}

/// Makes a line of each tracing event, and passes it to `sink`.
struct Lines<F> {
    identity: Identity,
    /// Whether there was an invocation before.
    invoked: AtomicBool,
    sink: F,
}

/// The fields of the invocation that a line belongs to.
#[derive(Clone)]
struct Invocation(Map<String, Value>);

impl<F: Fn(&str)> Lines<F> {
    fn new(identity: &Identity, sink: F) -> Lines<F> {
        Lines {
            identity: identity.clone(),
            invoked: AtomicBool::new(false),
            sink,
        }
    }
}

impl<S, F> Layer<S> for Lines<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    F: Fn(&str) + 'static,
{
    fn max_level_hint(&self) -> Option<LevelFilter> {
        // The runtime's span of an invocation has the level INFO. Without that span, the lines of
        // errors would lack the ids.
        Some(self.identity.log_level.max(LevelFilter::INFO))
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Below INFO, other crates trace complete requests.
        let most_verbose = if is_ours(event) {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        };
        *event.metadata().level() <= self.identity.log_level.min(most_verbose)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // The runtime makes one span with this field around each invocation.
        let Some(request_id) = fields.0.remove("requestId") else {
            return;
        };
        let mut invocation = Map::new();
        let is_first = !self.invoked.swap(true, Ordering::Relaxed);
        invocation.insert("cold_start".to_owned(), is_first.into());
        invocation.insert("function_request_id".to_owned(), request_id);
        if let Some(Value::String(header)) = fields.0.get("xrayTraceId") {
            invocation.insert("xray_trace_id".to_owned(), trace_id(header).into());
        }
        span.extensions_mut().insert(Invocation(invocation));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // The event's own fields.
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut line) = fields;
        if !is_ours(event) {
            // The fields of other crates can quote a request.
            line.retain(|name, _| name == "message");
        }

        // The keys of each line. They come later, so a field of the same name cannot replace them.
        let now = Effects::system().now().to_string();
        let level = event.metadata().level().as_str();
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), level.into());
        line.insert("service".to_owned(), self.identity.service.clone().into());
        line.insert(
            "function_name".to_owned(),
            self.identity.function.clone().into(),
        );

        // The ids of the invocation, if the event belongs to one.
        let mut spans = context.event_scope(event).into_iter().flatten();
        let invocation = spans.find_map(|span| span.extensions().get().cloned());
        if let Some(Invocation(ids)) = invocation {
            line.extend(ids);
        }

        (self.sink)(&ascii(&Value::Object(line).to_string()));
    }
}

/// Escapes all characters of a JSON text that are not printable ASCII.
///
/// They occur only within strings, where JSON allows an escape for each. So no user id or key can
/// break a line where logs are shown, hide the text after it, or reverse the direction of reading.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            line.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            line.push_str(&format!("\\u{unit:04x}"));
        }
    }
    line
}

/// Whether this package traced the event. Its events never have the content of requests.
fn is_ours(event: &Event<'_>) -> bool {
    let target = event.metadata().target();
    target.starts_with(env!("CARGO_CRATE_NAME"))
}

/// The trace's id in a tracing header, such as
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn trace_id(header: &str) -> &str {
    let mut parts = header.split(';');
    let root = parts.find_map(|part| part.trim().strip_prefix("Root="));
    root.unwrap_or(header)
}

/// The fields of an event or a span.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_line_has_its_time_level_service_and_invocation() {
        let lines = Arc::new(Mutex::new(Vec::<Value>::new()));
        let sink = {
            let lines = lines.clone();
            move |line: &str| {
                let is_ascii = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                assert!(is_ascii, "{line:?}");
                let line = serde_json::from_str(line).unwrap();
                lines.lock().unwrap().push(line);
            }
        };
        let identity = Identity {
            service: "audit".to_owned(),
            function: "f".to_owned(),
            log_level: LevelFilter::WARN,
        };
        let log = tracing_subscriber::registry().with(Lines::new(&identity, sink));
        tracing::subscriber::with_default(log, || {
            for id in ["first", "second"] {
                let header =
                    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
                let span = tracing::info_span!(
                    "Lambda runtime invoke",
                    requestId = id,
                    xrayTraceId = header
                );
                let _invoked = span.enter();
                tracing::info!("below the level");
                tracing::warn!(
                    count = 3,
                    text = "a \"quoted\"\nline \u{202e}😀\u{7f}",
                    level = "not the level",
                    "a warning"
                );
                tracing::warn!(target: "another_crate", text = "content", "of another");
            }
            tracing::error!(cause = %"none", "outside");
        });

        let lines = lines.lock().unwrap();
        let is_of_another = |line: &&Value| line["message"] == "of another";
        let (of_another, lines): (Vec<_>, Vec<_>) = lines.iter().partition(is_of_another);
        assert_eq!(of_another.len(), 2);
        for line in of_another {
            assert_eq!(line.get("text"), None, "{line}");
        }

        let ids: Vec<_> = lines
            .iter()
            .map(|line| (&line["function_request_id"], &line["cold_start"]))
            .collect();
        assert_eq!(
            ids,
            [
                (&"first".into(), &true.into()),
                (&"second".into(), &false.into()),
                (&Value::Null, &Value::Null)
            ]
        );

        let first = &lines[0];
        assert_eq!(
            first["xray_trace_id"],
            "1-5759e988-bd862e3fe1be46a994272793"
        );
        assert_eq!(first["level"], "WARN");
        assert_eq!(first["message"], "a warning");
        assert_eq!(first["service"], "audit");
        assert_eq!(first["function_name"], "f");
        assert_eq!(first["count"], 3);
        assert_eq!(first["text"], "a \"quoted\"\nline \u{202e}😀\u{7f}");
        let timestamp = first["timestamp"].as_str().unwrap();
        assert!(crate::event::Timestamp::parse(timestamp).is_ok(), "{first}");
    }
}
