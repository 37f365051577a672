//! Log lines: JSON on standard output, with the keys of Powertools for AWS Lambda
//! (<https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys>).
//!
//! Lambda needs the `timestamp` and the `level` of each line:
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::ser::Formatter;
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

/// The invocation that a line belongs to.
struct Invocation {
    is_first: bool,
    request_id: String,
    trace_id: Option<String>,
}

impl Invocation {
    fn write_ids<M: SerializeMap>(&self, line: &mut M) -> Result<(), M::Error> {
        line.serialize_entry("cold_start", &self.is_first)?;
        line.serialize_entry("function_request_id", &self.request_id)?;
        if let Some(trace_id) = &self.trace_id {
            line.serialize_entry("xray_trace_id", trace_id)?;
        }
        Ok(())
    }
}

impl<F: Fn(&str)> Lines<F> {
    fn new(identity: &Identity, sink: F) -> Lines<F> {
        Lines {
            identity: identity.clone(),
            invoked: AtomicBool::new(false),
            sink,
        }
    }

    /// Writes the line of an event as one JSON object.
    fn write_line<S>(
        &self,
        event: &Event<'_>,
        context: &Context<'_, S>,
        mut line: impl SerializeMap<Ok = (), Error = serde_json::Error>,
    ) -> serde_json::Result<()>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        // The keys of each line.
        line.serialize_entry("timestamp", &Effects::system().now().to_string())?;
        line.serialize_entry("level", event.metadata().level().as_str())?;
        line.serialize_entry("service", &self.identity.service)?;
        line.serialize_entry("function_name", &self.identity.function)?;

        // The ids of the invocation, if the event belongs to one.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(invocation) = span.extensions().get::<Invocation>() {
                invocation.write_ids(&mut line)?;
                break;
            }
        }

        // The event's own fields.
        let mut fields = Fields {
            line: &mut line,
            is_ours: is_ours(event),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        line.end()
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
        let mut ids = Ids::default();
        attributes.record(&mut ids);
        // The runtime makes one span with this field around each invocation.
        let Some(request_id) = ids.request_id else {
            return;
        };
        span.extensions_mut().insert(Invocation {
            is_first: !self.invoked.swap(true, Ordering::Relaxed),
            request_id,
            trace_id: ids.trace_id,
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut json = Vec::with_capacity(LINE_BYTES);
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, Ascii);
        let written = serializer
            .serialize_map(None)
            .and_then(|line| self.write_line(event, &context, line));
        // A vector takes everything, and every value here has a form in JSON. So this cannot fail.
        if let (Ok(()), Ok(line)) = (written, str::from_utf8(&json)) {
            (self.sink)(line);
        }
    }
}

/// What most lines fit into.
const LINE_BYTES: usize = 1024;

/// Writes JSON in which all characters are printable ASCII.
///
/// Others occur only within strings, where JSON allows an escape for each. So no user id or key can
/// break a line where logs are shown, hide the text after it, or reverse the direction of reading.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
        if fragment.as_bytes().iter().all(is_printable) {
            return writer.write_all(fragment.as_bytes());
        }
        for unit in fragment.encode_utf16() {
            match u8::try_from(unit) {
                Ok(byte) if is_printable(&byte) => writer.write_all(&[byte])?,
                _ => write!(writer, "\\u{unit:04x}")?,
            }
        }
        Ok(())
    }
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

/// The keys that a line has of itself. A field of the same name is left out, so that no key comes
/// twice.
const KEYS: [&str; 7] = [
    "timestamp",
    "level",
    "service",
    "function_name",
    "cold_start",
    "function_request_id",
    "xray_trace_id",
];

/// Writes the fields of an event into its line.
struct Fields<'a, M> {
    line: &'a mut M,
    is_ours: bool,
    result: serde_json::Result<()>,
}

impl<M: SerializeMap<Error = serde_json::Error>> Fields<'_, M> {
    fn write_field(&mut self, field: &Field, value: impl Serialize) {
        let name = field.name();
        // The fields of other crates can quote a request.
        let is_allowed = self.is_ours || name == "message";
        if is_allowed && !KEYS.contains(&name) && self.result.is_ok() {
            self.result = self.line.serialize_entry(name, &value);
        }
    }
}

impl<M: SerializeMap<Error = serde_json::Error>> Visit for Fields<'_, M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write_field(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write_field(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write_field(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write_field(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write_field(field, value);
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write_field(field, format!("{value:?}"));
    }
}

/// The ids in the fields of the runtime's span.
#[derive(Default)]
struct Ids {
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl Visit for Ids {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "requestId" => self.request_id = Some(value.to_owned()),
            "xrayTraceId" => self.trace_id = Some(trace_id(value).to_owned()),
            _ => {}
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_has_its_time_level_service_and_invocation() {
        let lines = Arc::new(Mutex::new(Vec::<Value>::new()));
        let sink = {
            let lines = lines.clone();
            move |line: &str| {
                let is_ascii = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                assert!(is_ascii, "{line:?}");
                for key in KEYS {
                    let member = format!("\"{key}\":");
                    assert!(line.matches(&member).count() <= 1, "{line}");
                }
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
                    ratio = f64::NAN,
                    timestamp = "a field",
                    level = "a field",
                    service = "a field",
                    function_name = "a field",
                    cold_start = "a field",
                    function_request_id = "a field",
                    xray_trace_id = "a field",
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
        assert_eq!(first["ratio"], Value::Null);
        assert_eq!(first["text"], "a \"quoted\"\nline \u{202e}😀\u{7f}");
        let timestamp = first["timestamp"].as_str().unwrap();
        assert!(crate::event::Timestamp::parse(timestamp).is_ok(), "{first}");
    }
}
