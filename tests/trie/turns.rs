//! Running futures turn by turn: nothing here waits for real, so that each step can be counted, or chosen by chance.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use rand::RngExt;
use rand::rngs::StdRng;

/// Lets everybody else have a turn: what a storage does before each of its operations.
pub fn turn() -> impl Future<Output = ()> + Send {
    let mut waited = false;
    std::future::poll_fn(move |context| {
        // A group of futures polls only those that were woken.
        context.waker().wake_by_ref();
        if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Runs a future alone. Gives its output and how many turns it took: operations that were under way at the same
/// time share one.
pub fn count_turns<T>(future: impl Future<Output = T>) -> (T, u32) {
    let (mut future, mut turns) = (pin!(future), 0);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return (output, turns),
            Poll::Pending => turns += 1,
        }
    }
}

pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs tasks together, each turn one of them by chance. One in `crash_every` turns, a task is dropped where it
/// stands and made anew by `task`.
pub fn race<'a>(count: usize, crash_every: u32, rng: &mut StdRng, task: impl Fn(usize) -> Task<'a>) {
    let mut running: Vec<(usize, Task<'a>)> = (0..count).map(|number| (number, task(number))).collect();
    while !running.is_empty() {
        let at = rng.random_range(0..running.len());
        if rng.random_ratio(1, crash_every) {
            running[at].1 = task(running[at].0);
        } else if running[at].1.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(running.swap_remove(at));
        }
    }
}
