//! Futures that run turn by turn: nothing waits for real, so that each step can be counted, or
//! chosen randomly.

use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use rand::RngExt;
use rand::rngs::StdRng;

/// Lets all others have a turn. A storage does so before each of its operations.
pub fn turn() -> impl Future<Output = ()> + Send {
    let mut waited = false;
    std::future::poll_fn(move |context| {
        // A group of futures polls only those that were woken.
        context.waker().wake_by_ref();
        if mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        Poll::Pending
    })
}

/// Runs a future alone. Gives its output and how many turns it took: operations that were under way
/// at the same time share one.
pub fn count_turns<T>(future: impl Future<Output = T>) -> (T, u32) {
    let mut future = pin!(future);
    let mut turns = 0;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut alone()) {
            return (output, turns);
        }
        turns += 1;
    }
}

/// A future that takes part in a [`race`].
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs tasks together, each turn a random one of them. One in `crash_every` turns, a task is
/// dropped wherever it is and made anew by `task`.
pub fn race<'a>(
    count: usize,
    crash_every: u32,
    rng: &mut StdRng,
    task: impl Fn(usize) -> Task<'a>,
) {
    let mut running: Vec<(usize, Task<'a>)> = (0..count).map(|n| (n, task(n))).collect();
    while !running.is_empty() {
        let at = rng.random_range(0..running.len());
        let (number, running_task) = &mut running[at];
        if rng.random_ratio(1, crash_every) {
            *running_task = task(*number);
        } else if running_task.as_mut().poll(&mut alone()).is_ready() {
            drop(running.swap_remove(at));
        }
    }
}

/// Wakes nothing: each future is polled until it is ready.
fn alone() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
