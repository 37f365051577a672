//! The durations that depend on each other, in one place.
//!
//! | duration | what it bounds |
//! |---|---|
//! | [`LATE`], [`EARLY`] | when an event enters the count index before its 201 |
//! | [`LIVE_WINDOW`], [`LIVE_WINDOW_AHEAD`] | what a list reads from the table |
//! | [`DELIVERY`], [`CLOCK_SKEW`] | what the two rows above rely on |
//! | [`CONNECT_TIMEOUT`] ⊂ [`ATTEMPT_TIMEOUT`] ⊂ [`OPERATION_TIMEOUT`] | one operation of DynamoDB |
//! | [`LATE_INDEX_TIME`], [`LATE_INDEX_RESERVE`] | the index write of an event that is late or ahead |
//! | [`DEFAULT_REQUEST_TIME`], [`MAX_READ_TIME`], [`RESPONSE_RESERVE`] | one request |
//! | [`DEFAULT_BATCH_TIME`], [`FACETS_TIME`], [`BACKFILL_TIME`], [`BACKFILL_RESERVE`] | one batch of the stream |
//! | [`SETTLE`] | the lag of a GSI |
//!
//! The assertions below hold the relations at compile time. The template's own timeouts are held by
//! its test (tests/real/test_template.py).

use std::time::Duration;

/// An event that is older than this when it has been recorded is *late*. It enters the count index
/// before it is acknowledged.
pub const LATE: Duration = Duration::from_secs(5);
/// An event that is further in the future than this when it has been recorded is *ahead*. It, too,
/// enters the count index before it is acknowledged.
pub const EARLY: Duration = Duration::from_secs(20);
/// How far before the reader's clock the live window begins.
pub const LIVE_WINDOW: Duration = Duration::from_secs(20);
/// How far after the reader's clock the live window ends.
pub const LIVE_WINDOW_AHEAD: Duration = Duration::from_secs(30);
/// Within this time after its put, the stream delivers an event to the count index: a batching
/// window of 5 s and a poll of 1 s (template.yaml), timestamps of whole seconds, and the work.
pub const DELIVERY: Duration = Duration::from_secs(10);
/// How far the clocks of two functions are apart, at most.
pub const CLOCK_SKEW: Duration = Duration::from_secs(2);

/// A connection within the region takes a few milliseconds, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1000);
/// One attempt. DynamoDB responds in milliseconds, and in some tens of them for a full page of 1
/// MB. An attempt that takes longer uses a connection that died while the function was frozen. The
/// next attempt opens another one.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2000);
/// All attempts together. It is shorter than the timeouts of the functions in template.yaml, so
/// that the response is ours.
pub const OPERATION_TIMEOUT: Duration = Duration::from_millis(6000);
/// The longest pause before the second attempt. It doubles with each attempt.
///
/// The SDK's default is a second, which suits services that take as long. DynamoDB responds in
/// milliseconds, and a caller waits. Throttling that lasts longer than all pauses together becomes
/// a 503, whose `Retry-After` is the pause that helps.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(50);

/// How long adding a late event to the count index may take. The put before it has its own time.
pub const LATE_INDEX_TIME: Duration = Duration::from_secs(3);
/// Time reserved for the 201 if the index write does not finish.
pub const LATE_INDEX_RESERVE: Duration = Duration::from_millis(100);

/// The time for a request that comes without a deadline.
pub const DEFAULT_REQUEST_TIME: Duration = Duration::from_secs(10);
/// The time for a request that reads. When DynamoDB is slow, lists give up before they occupy the
/// concurrency that requests to record need.
pub const MAX_READ_TIME: Duration = Duration::from_secs(5);
/// Time reserved before Lambda's deadline, for the response that the time was not enough.
pub const RESPONSE_RESERVE: Duration = Duration::from_millis(500);

/// The time for a batch that comes without a deadline.
pub const DEFAULT_BATCH_TIME: Duration = Duration::from_secs(60);
/// How long a batch may take to note its values as facets. They are suggestions only, and new events
/// wait in the stream during that time.
pub const FACETS_TIME: Duration = Duration::from_secs(1);
/// How long one invocation may continue a backfill. New events wait in the stream during that time,
/// and must be in the count index before they leave the live window. The next batch continues.
pub const BACKFILL_TIME: Duration = Duration::from_secs(2);
/// Time reserved before Lambda's deadline for the last slice of a backfill, which usually takes
/// less.
pub const BACKFILL_RESERVE: Duration = Duration::from_secs(10);
/// How long a GSI may lag behind the table.
///
/// An event that was delivered before its user had a trie is added by the backfill alone, which
/// reads the GSI. So the backfill waits until the event must be there.
pub const SETTLE: Duration = Duration::from_secs(60);

// An event that is on time is in the live window from its 201 until it is delivered. When it is put
// it is at most LATE old. DELIVERY later it is at most LATE + DELIVERY old, by a clock that may be
// CLOCK_SKEW ahead.
const _: () = assert!(
    LIVE_WINDOW.as_millis() >= LATE.as_millis() + DELIVERY.as_millis() + CLOCK_SKEW.as_millis()
);
// When it is put it is at most EARLY in the future, by a clock that may be CLOCK_SKEW behind.
const _: () = assert!(LIVE_WINDOW_AHEAD.as_millis() >= EARLY.as_millis() + CLOCK_SKEW.as_millis());
// Facets and a backfill that run to their end leave the stream the rest of the delivery time.
const _: () = assert!(FACETS_TIME.as_millis() + BACKFILL_TIME.as_millis() < DELIVERY.as_millis());
// An operation has time for several attempts, and an attempt for its connection.
const _: () = assert!(CONNECT_TIMEOUT.as_millis() < ATTEMPT_TIMEOUT.as_millis());
const _: () = assert!(2 * ATTEMPT_TIMEOUT.as_millis() < OPERATION_TIMEOUT.as_millis());
// The put of a late event, its index write and the response fit into the time of a request.
const _: () = assert!(
    OPERATION_TIMEOUT.as_millis() + LATE_INDEX_TIME.as_millis() + RESPONSE_RESERVE.as_millis()
        < DEFAULT_REQUEST_TIME.as_millis()
);
const _: () =
    assert!(BACKFILL_TIME.as_millis() + BACKFILL_RESERVE.as_millis() < SETTLE.as_millis());
