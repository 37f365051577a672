//! Idempotency-Keys whose event is missing, as after a restore of one table without the other.

use std::time::Duration;

use audit_log::store::EventStore;

use super::Failure;
use crate::say;

/// The pause before a key that was found without its event is checked again.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// Prints each Idempotency-Key whose event is missing, and returns their number. They cannot be
/// repaired here, because an event that is sent again under such a key is refused.
pub async fn report_lost_keys(store: &EventStore) -> Result<usize, Failure> {
    let mut keys = 0;
    let mut lost = 0;
    let mut from = None;
    loop {
        let page = store.keys_without_event(from).await?;
        keys += page.keys;
        // While events are written, a key can be visible a moment before its event.
        if !page.lost.is_empty() {
            tokio::time::sleep(SECOND_LOOK).await;
        }
        for (key, id) in page.lost {
            if store.get(id).await?.is_some() {
                continue;
            }
            lost += 1;
            say(&format!(
                "the key {key} names the event {id}, which is missing"
            ));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    let verdict = match lost {
        0 => "no event is missing".to_owned(),
        1 => "1 lost key, whose event is missing".to_owned(),
        _ => format!("{lost} lost keys, whose events are missing"),
    };
    say(&format!(
        "Looked up the events of {keys} Idempotency-Keys: {verdict}."
    ));
    Ok(lost)
}
