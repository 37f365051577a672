//! Which of the tasks on a thread goes on.
//!
//! A call of the embedded engine ends in the poll that began it. If each call sent its task to the
//! end of the queue, 32 requests at a time would take turns, and each would find the processor's
//! caches filled by the 31 others.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// How often a future is polled in a row. A page takes a few calls that follow one another, and a
/// batch takes hundreds, which must not keep other requests from a thread.
const MAX_POLLS: u32 = 16;

/// Is pending once, and wakes its task at once. Futures that are polled together with this one are
/// polled before it goes on.
pub async fn begin_others() {
    let mut is_next = false;
    poll_fn(|context| {
        if std::mem::replace(&mut is_next, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Polls a future again if its task was woken meanwhile, as by [`begin_others`]. It has at most
/// [`MAX_POLLS`] polls in a row.
pub async fn in_one_go<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let turn = Arc::new(Turn {
            task: context.waker().clone(),
            is_next: AtomicBool::new(false),
        });
        let waker = Waker::from(turn.clone());
        let mut context = Context::from_waker(&waker);
        for _ in 0..MAX_POLLS {
            let polled = future.as_mut().poll(&mut context);
            let is_next = turn.is_next.swap(false, Ordering::SeqCst);
            if polled.is_ready() || !is_next {
                return polled;
            }
        }
        // The task was woken, so it has another turn.
        Poll::Pending
    })
    .await
}

/// Wakes a task, and remembers that it did.
struct Turn {
    task: Waker,
    is_next: AtomicBool,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_next.store(true, Ordering::SeqCst);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use futures_util::future::join;

    use super::*;

    /// Counts how often it wakes a task.
    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls a future once. Returns its output if it is ready, and how often it woke its task.
    fn poll_once<F: Future>(future: F) -> (Option<F::Output>, u32) {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut context = Context::from_waker(&waker);
        let output = match pin!(future).poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        };
        (output, wakes.0.load(Ordering::SeqCst))
    }

    #[test]
    fn calls_that_follow_one_another_take_one_turn() {
        let calls = async {
            begin_others().await;
            begin_others().await;
            "response"
        };
        assert_eq!(poll_once(in_one_go(calls)).0, Some("response"));
    }

    #[test]
    fn calls_made_together_begin_before_one_ends() {
        let order = std::sync::Mutex::new(Vec::new());
        let call = async |begin, end| {
            order.lock().unwrap().push(begin);
            begin_others().await;
            order.lock().unwrap().push(end);
        };
        poll_once(in_one_go(join(call(1, 3), call(2, 4))));
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn many_calls_let_other_tasks_go_on() {
        let calls = async {
            loop {
                begin_others().await;
            }
        };
        let (output, wakes) = poll_once(in_one_go::<_>(calls));
        assert_eq!(output, None::<()>);
        assert_eq!(wakes, MAX_POLLS);
    }

    #[test]
    fn a_future_that_is_woken_later_wakes_its_task() {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        let mut kept = None;
        let waits = poll_fn(|context| {
            kept = Some(context.waker().clone());
            Poll::<()>::Pending
        });
        let polled = pin!(in_one_go(waits)).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        std::thread::spawn(move || kept.unwrap().wake())
            .join()
            .unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_future_that_waits_is_polled_once() {
        let polls = AtomicU32::new(0);
        let waits = poll_fn(|_| {
            polls.fetch_add(1, Ordering::SeqCst);
            Poll::<()>::Pending
        });
        assert_eq!(poll_once(in_one_go(waits)), (None, 0));
        assert_eq!(polls.load(Ordering::SeqCst), 1);
    }
}
