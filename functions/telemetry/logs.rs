//! The log: JSON lines on standard output, with the keys of Powertools for AWS Lambda
//! (<https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys>).
//!
//! Lambda files a line by its `timestamp` and `level`, and needs both:
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

/// Sends all that is traced to standard output, once for the process.
pub fn log_to_standard_output(identity: &Identity) {
    // A line that cannot be written is no reason to fail.
    let lines = Lines::new(identity, |line| drop(writeln!(std::io::stdout(), "{line}")));
    // An error says that it is done already.
    drop(tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(lines),
    ));
    // A panic's message may quote what was sent; where it happened cannot.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
}

/// Makes a line of each event, and gives it to `sink`.
struct Lines<F> {
    identity: Identity,
    invoked: AtomicBool,
    sink: F,
}

/// What is known of the invocation that a line belongs to.
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
        // The runtime's span of an invocation is one of INFO; without it, lines of errors would
        // lack the ids.
        Some(self.identity.log_level.max(LevelFilter::INFO))
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // What others trace has whole requests in it.
        let most = if is_ours(event) {
            LevelFilter::TRACE
        } else {
            LevelFilter::INFO
        };
        *event.metadata().level() <= self.identity.log_level.min(most)
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
        invocation.insert(
            "cold_start".to_owned(),
            (!self.invoked.swap(true, Ordering::Relaxed)).into(),
        );
        invocation.insert("function_request_id".to_owned(), request_id);
        if let Some(header) = fields.0.get("xrayTraceId").and_then(Value::as_str) {
            invocation.insert("xray_trace_id".to_owned(), trace_id(header).into());
        }
        span.extensions_mut().insert(Invocation(invocation));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields(mut line) = fields;
        if !is_ours(event) {
            // What others say of an error may quote what was sent.
            line.retain(|name, _| name == "message");
        }
        // After the fields, so that none of them takes the place of these.
        line.insert(
            "timestamp".to_owned(),
            Effects::system().now().to_string().into(),
        );
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("service".to_owned(), self.identity.service.as_str().into());
        line.insert(
            "function_name".to_owned(),
            self.identity.function.as_str().into(),
        );
        let mut scope = context.event_scope(event).into_iter().flatten();
        if let Some(Invocation(invocation)) =
            scope.find_map(|span| span.extensions().get().cloned())
        {
            line.extend(invocation);
        }
        (self.sink)(&ascii(&Value::Object(line).to_string()));
    }
}

/// A JSON text, spelled in ASCII: within a string, which is where all else can be, a character can
/// be escaped. Nothing in an id can then break a line where the log is shown, hide what follows, or
/// turn the direction of reading.
fn ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            line.push(character);
        } else {
            line.extend(
                character
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            );
        }
    }
    line
}

/// Whether this package traced it, which keeps content out of it.
fn is_ours(event: &Event<'_>) -> bool {
    event
        .metadata()
        .target()
        .starts_with(env!("CARGO_CRATE_NAME"))
}

/// The trace's id in a tracing header, such as
/// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn trace_id(header: &str) -> &str {
    header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("Root="))
        .unwrap_or(header)
}

/// What an event or a span carries.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn keep(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.keep(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_line_says_when_how_grave_whose_and_within_which_invocation() {
        let lines = Arc::new(Mutex::new(Vec::<Value>::new()));
        let sink = {
            let lines = lines.clone();
            move |line: &str| {
                assert!(
                    line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                    "{line:?}"
                );
                lines
                    .lock()
                    .unwrap()
                    .push(serde_json::from_str(line).unwrap());
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
                tracing::info!("not grave enough");
                tracing::warn!(
                    count = 3,
                    text = "a \"quoted\"\nline \u{202e}😀\u{7f}",
                    level = "mine",
                    "grave"
                );
                tracing::warn!(target: "another_crate", text = "content", "of others");
            }
            tracing::error!(cause = %"none", "outside");
        });
        let lines = lines.lock().unwrap();
        let (others, lines): (Vec<_>, Vec<_>) = lines
            .iter()
            .partition(|line| line["message"] == "of others");
        assert!(
            others.len() == 2 && others.iter().all(|line| line.get("text").is_none()),
            "{others:?}"
        );
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
        assert_eq!(
            (&first["level"], &first["message"]),
            (&"WARN".into(), &"grave".into())
        );
        assert_eq!(
            (&first["service"], &first["function_name"]),
            (&"audit".into(), &"f".into())
        );
        assert_eq!(
            (&first["count"], &first["text"]),
            (&3.into(), &"a \"quoted\"\nline \u{202e}😀\u{7f}".into())
        );
        assert!(
            crate::event::Timestamp::parse(first["timestamp"].as_str().unwrap()).is_ok(),
            "{first}"
        );
    }
}
