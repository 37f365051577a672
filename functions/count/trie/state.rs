//! The states of a trie: absent, building, ready.

use super::{Entry, Error, MAX_SWAPS, Prefix, State, Storage, Swap, Trie};

impl<S: Storage> Trie<'_, S> {
    /// How far the trie can be trusted. `None`: it has not been started.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn state(self) -> Result<Option<State>, Error<S::Error>> {
        match self.node(Prefix::ROOT).await? {
            Some(root) => Ok(root.state),
            None => Ok(None),
        }
    }

    /// Starts the trie, unless it has been started. From then on [`apply`](Trie::apply) adds to it.
    ///
    /// # Errors
    ///
    /// [`Error`], when it is not known whether the trie was started.
    pub async fn start(self, since_millis: u64) -> Result<(), Error<S::Error>> {
        let state = State::Building {
            since_millis,
            next: 0,
        };
        let root = Entry {
            state: Some(state),
            ..Entry::ABSENT
        };
        self.swap(Prefix::ROOT, &root).await?;
        Ok(())
    }

    /// Records on a trie that is building since `since_millis` that all keys below `next` have been
    /// added.
    ///
    /// # Errors
    ///
    /// [`Error`], when that may not have been recorded. The next slice then repeats some of this
    /// one.
    pub async fn advance(self, since_millis: u64, next: u128) -> Result<(), Error<S::Error>> {
        self.change_state(|state| match state {
            State::Building {
                since_millis: since,
                next: reached,
            } if since == since_millis && reached < next => {
                Some(State::Building { since_millis, next })
            }
            _ => None,
        })
        .await
    }

    /// Declares a trie ready that is building since `since_millis`: everything from before it was
    /// started has been added. A trie that was deleted and started again has another time, and
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// [`Error`], when the trie may not have been declared ready.
    pub async fn finish(self, since_millis: u64) -> Result<(), Error<S::Error>> {
        self.change_state(|state| match state {
            State::Building {
                since_millis: since,
                ..
            } if since == since_millis => Some(State::Ready),
            _ => None,
        })
        .await
    }

    /// Swaps in the state that `change` makes of the present one. `None` leaves it.
    async fn change_state(
        self,
        change: impl Fn(State) -> Option<State>,
    ) -> Result<(), Error<S::Error>> {
        let mut root = self.node(Prefix::ROOT).await?;
        for _ in 0..MAX_SWAPS {
            let Some(found) = root else { return Ok(()) };
            let Some(state) = found.state.and_then(&change) else {
                return Ok(());
            };
            let changed = Entry {
                state: Some(state),
                ..found
            };
            match self.swap(Prefix::ROOT, &changed).await? {
                Swap::Done => return Ok(()),
                Swap::Lost(current) => root = current,
            }
        }
        Err(Error::Contended(Prefix::ROOT))
    }
}
