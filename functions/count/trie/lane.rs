//! The life of a lane: started, building, ready.

use super::{Entry, Error, Lane, MAX_SWAPS, Prefix, State, Storage, Swap};

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

/// Notes on a lane that is building since then that all keys below `next` have been added.
///
/// # Errors
///
/// [`Error`], when it may not have been noted: the next slice then repeats some of this one.
pub async fn advance<S: Storage>(
    storage: &S,
    lane: Lane,
    since_millis: u64,
    next: u128,
) -> Result<(), Error<S::Error>> {
    change(storage, lane, |state| match state {
        State::Building { since_millis: since, next: noted } if since == since_millis && noted < next => {
            Some(State::Building { since_millis, next })
        }
        _ => None,
    })
    .await
}

/// Declares a lane ready that is building since then: all that was there before it has been added. One that was
/// deleted and started again meanwhile has another life, and stays as it is.
///
/// # Errors
///
/// [`Error`], when it may not have been declared.
pub async fn finish<S: Storage>(storage: &S, lane: Lane, since_millis: u64) -> Result<(), Error<S::Error>> {
    change(storage, lane, |state| match state {
        State::Building { since_millis: since, .. } if since == since_millis => Some(State::Ready),
        _ => None,
    })
    .await
}

async fn change<S: Storage>(
    storage: &S,
    lane: Lane,
    change: impl Fn(State) -> Option<State>,
) -> Result<(), Error<S::Error>> {
    let mut root = storage.node(lane, Prefix::ROOT).await?;
    for _ in 0..MAX_SWAPS {
        let Some(found) = root else { return Ok(()) };
        let Some(state) = found.state.and_then(&change) else { return Ok(()) };
        match storage.swap(lane, Prefix::ROOT, &Entry { state: Some(state), ..found }).await? {
            Swap::Done => return Ok(()),
            Swap::Lost(current) => root = current,
        }
    }
    Err(Error::Contended(Prefix::ROOT))
}
