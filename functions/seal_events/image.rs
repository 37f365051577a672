//! A new item of the events table, as the stream delivers it.

use serde::Deserialize;

use crate::event::EventId;
use crate::stream::Text;
use crate::tree::{Content, Entry};

/// The attributes of an event that its entry covers: see [`Content`].
#[derive(Debug, Deserialize)]
pub struct Image {
    id: Option<Text>,
    event: Option<Text>,
    recorded_at: Option<Text>,
    recorded_by: Option<Text>,
    recorded_from: Option<Text>,
    salt: Option<Text>,
}

impl Image {
    /// The entry of the event, or `None` for an item that is not an event.
    pub(super) fn entry(self) -> Option<Entry> {
        let id = EventId::parse(&self.id?.text?)?;
        let document = self.event?.text?;
        let at = self.recorded_at?.text?;
        // As a reader is shown it: what is not a string is absent.
        let [salt, by, from] = [self.salt, self.recorded_by, self.recorded_from]
            .map(|attribute| attribute.and_then(|value| value.text));
        let content = Content {
            salt: salt.as_deref(),
            at: &at,
            by: by.as_deref(),
            from: from.as_deref(),
            document: &document,
        };
        Some(Entry::new(id, &content))
    }
}
