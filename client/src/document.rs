//! An event as text, and its key.

use serde::Serialize;

use crate::Error;
use crate::fit::sha256;

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 255;

/// An event as the text that is sent, and the key under which it is recorded once.
///
/// The text is sent as it is, so a document can be refused. An [`Event`](crate::Event) becomes one
/// that fits.
///
/// ```
/// use audit_log_client::Document;
///
/// let text = r#"{"user_id": 7, "event_type": "order_paid", "timestamp": "2024-03-01T12:00:00Z",
///     "src_service": "billing", "invariant_data": {"amount": 10.00}, "app_data": null}"#;
/// let document = Document::new(text).with_key("order-4711");
/// assert_eq!(document.text(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: String,
    key: Option<String>,
}

impl Document {
    /// The document with this text, byte for byte.
    pub fn new(text: impl Into<String>) -> Document {
        Document {
            text: text.into(),
            key: None,
        }
    }

    /// The document that a value of your own type is in JSON.
    ///
    /// ```
    /// use audit_log_client::Document;
    ///
    /// #[derive(serde::Serialize)]
    /// struct OrderPaid {
    ///     user_id: u64,
    ///     event_type: &'static str,
    ///     // … and the other fields.
    /// }
    ///
    /// let document = Document::of(&OrderPaid { user_id: 7, event_type: "order_paid" })?;
    /// assert_eq!(document.text(), r#"{"user_id":7,"event_type":"order_paid"}"#);
    /// # Ok::<(), audit_log_client::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Json`].
    pub fn of(event: &impl Serialize) -> Result<Document, Error> {
        match serde_json::to_string(event) {
            Ok(text) => Ok(Document::new(text)),
            Err(error) => Err(Error::Json(error.to_string())),
        }
    }

    /// The same document under a key: however often it is reported, it is recorded once. Choose a
    /// key that names the event, such as `order-4711-paid`. The log keeps a hash of it for ever.
    ///
    /// A key that the log would refuse is replaced by its SHA-256. The log takes 1 to 255 visible
    /// ASCII characters without a comma.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Document {
        let key = key.into();
        let key = match is_key(&key) {
            true => key,
            false => sha256(key.as_bytes()),
        };
        Document {
            key: Some(key),
            ..self
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key, if it has one.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl From<&Document> for Document {
    fn from(document: &Document) -> Document {
        document.clone()
    }
}

fn is_key(key: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(is_visible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_the_log_would_refuse_is_hashed() {
        let key = |key: &str| Document::new("").with_key(key).key().unwrap().to_owned();
        assert_eq!(key("order-4711"), "order-4711");
        let longest = "k".repeat(MAX_KEY_BYTES);
        assert_eq!(key(&longest), longest);
        for refused in ["", "a,b", "a b", "é", "a\n", &format!("{longest}k")] {
            assert_eq!(key(refused), sha256(refused.as_bytes()), "{refused:?}");
        }
    }
}
