//! An event as the log returns it.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::Error;

/// What the text of each event begins with. docs/proof.md relies on it too.
const BEFORE_ID: &str = r#"{"id":""#;
/// What follows the id.
const AFTER_ID: &str = r#"","recorded":"#;
/// The length of an id.
const ID_CHARS: usize = 36;

/// An event as the log returns it: the document as it was sent, with `id` and `recorded` in front
/// of its members. Its text is kept byte for byte.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let app = audit_log_testing::App::start().await;
/// # let log = audit_log_client::Log::new(app.url(), audit_log_client::Auth::None)?;
/// use audit_log_client::Document;
/// use serde_json::Value;
///
/// let text = r#"{"user_id": 7, "event_type": "order_paid", "timestamp": "2024-03-01T12:00:00Z",
///     "src_service": "billing", "invariant_data": {"amount": 10.00}, "app_data": null}"#;
/// let receipt = log.report(Document::new(text)).await?;
///
/// let event = log.event(&receipt.id).await?.expect("it was recorded");
/// assert_eq!(event.document(), text);
/// let value: Value = event.json()?;
/// assert_eq!(value["recorded"]["from"], "127.0.0.1");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    text: String,
    /// Where the members of the document begin.
    members: usize,
}

impl RecordedEvent {
    /// Reads the text of an event.
    pub(crate) fn parse(text: String) -> Result<RecordedEvent, &'static str> {
        let rest = text
            .strip_prefix(BEFORE_ID)
            .ok_or("an event has no id in front")?;
        let (_, rest) = rest
            .split_at_checked(ID_CHARS)
            .ok_or("the id of an event is no UUID")?;
        let recorded = rest
            .strip_prefix(AFTER_ID)
            .ok_or("\"recorded\" does not follow the id of an event")?;
        let length = object_length(recorded)
            .filter(|length| recorded[*length..].starts_with(','))
            .ok_or("the document of an event does not follow \"recorded\"")?;
        let members = text.len() - recorded.len() + length + 1;
        Ok(RecordedEvent { text, members })
    }

    /// The id.
    pub fn id(&self) -> &str {
        self.slice(BEFORE_ID.len()..BEFORE_ID.len() + ID_CHARS)
    }

    /// The text as it was returned.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text as it was returned, without a copy.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The text of the document, byte for byte as it was sent.
    pub fn document(&self) -> String {
        format!("{{{}", self.slice(self.members..self.text.len()))
    }

    /// The text on one line. The line breaks of a document, which can only be white space between
    /// its members, become spaces.
    pub fn line(&self) -> String {
        self.text.replace(['\r', '\n'], " ")
    }

    /// The event as a value of your own type.
    ///
    /// # Errors
    ///
    /// [`Error::Json`], if the event is not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| Error::Json(error.to_string()))
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

/// The length of the JSON object that a text begins with.
fn object_length(text: &str) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    text.starts_with('{').then(|| values.byte_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "018cc251-f400-7000-803e-38b8163c9160";

    #[test]
    fn the_document_is_what_follows_recorded() {
        let text = format!(
            "{{\"id\":\"{ID}\",\"recorded\":{{\"by\":\"a}}\\\"\",\"x\":{{}}}},\r\n \"a\": 1.0\n}}"
        );
        let event = RecordedEvent::parse(text.clone()).unwrap();
        assert_eq!(event.id(), ID);
        assert_eq!(event.document(), "{\r\n \"a\": 1.0\n}");
        assert_eq!(event.text(), text);
        assert!(event.line().ends_with(",   \"a\": 1.0 }"));
    }

    #[test]
    fn a_text_that_is_no_event_is_refused() {
        let texts = [
            String::new(),
            "{}".to_owned(),
            format!("{{\"id\":\"{ID}\"}}"),
            format!("{{\"id\":\"{ID}\",\"recorded\":1,\"a\":1}}"),
            format!("{{\"id\":\"{ID}\",\"recorded\":{{}}}}"),
            format!("{{\"id\":\"{ID}\",\"recorded\":{{"),
            format!("{{\"id\":\"{}\",\"recorded\":{{}}}}", "é".repeat(20)),
        ];
        for text in texts {
            assert!(RecordedEvent::parse(text.clone()).is_err(), "{text}");
        }
    }
}
