//! The life of a lane: started, building, ready.

use super::{Entry, Error, Lane, Prefix, SWAPS_MAX, State, Storage, Swap};

/// Starts a lane, unless it has been. From then on [`apply`](super::apply) adds to it.
///
/// # Errors
///
/// [`Error`], when it is not known whether the lane was started.
pub async fn start<S: Storage>(storage: &S, lane: Lane, since_millis: u64) -> Result<(), Error<S::Error>> {
    let root = Entry { state: Some(State::Building { since_millis, next: 0 }), ..Entry::ABSENT };
    storage.swap(lane, Prefix::ROOT, &root).await?;
    Ok(())
}

/// Notes on a lane that is building that all keys below `next` have been added.
///
/// # Errors
///
/// [`Error`], when it may not have been noted: the next slice then repeats some of this one.
pub async fn advance<S: Storage>(storage: &S, lane: Lane, next: u128) -> Result<(), Error<S::Error>> {
    change(storage, lane, |state| match state {
        State::Building { since_millis, next: noted } if noted < next => Some(State::Building { since_millis, next }),
        _ => None,
    })
    .await
}

/// Declares a lane ready: all that was there before it has been added.
///
/// # Errors
///
/// [`Error`], when it may not have been declared.
pub async fn finish<S: Storage>(storage: &S, lane: Lane) -> Result<(), Error<S::Error>> {
    change(storage, lane, |state| (state != State::Ready).then_some(State::Ready)).await
}

async fn change<S: Storage>(
    storage: &S,
    lane: Lane,
    change: impl Fn(State) -> Option<State>,
) -> Result<(), Error<S::Error>> {
    let mut root = storage.node(lane, Prefix::ROOT).await?;
    for _ in 0..SWAPS_MAX {
        let Some(found) = root else { return Ok(()) };
        let Some(state) = found.state.and_then(&change) else { return Ok(()) };
        match storage.swap(lane, Prefix::ROOT, &Entry { state: Some(state), ..found }).await? {
            Swap::Done => return Ok(()),
            Swap::Lost(current) => root = current,
        }
    }
    Err(Error::Contended(Prefix::ROOT))
}
