"""What no JSON Schema can say about the requests of audit-log, told to schemathesis."""

import hashlib
import json
import re
from datetime import datetime, timedelta, timezone

import schemathesis
from hypothesis import strategies as st

MAX_BYTES = {"user_id": 512, "event_type": 256, "src_service": 256}
IDEMPOTENCY_KEY = "Idempotency-Key"
NDJSON = "application/x-ndjson"

EARLIEST = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A schema has no clock, and an event must not be more than 24 hours ahead of the service's.
LATEST = datetime.now(timezone.utc)

# Two days later than the earliest: an offset must not put the local date before what the schema's pattern takes.
UTC_TIMES = st.datetimes(
    datetime(1970, 1, 3), LATEST.replace(tzinfo=None) - timedelta(days=1), timezones=st.just(timezone.utc)
)
MAX_MINUTES = 23 * 60 + 59
OFFSETS = st.integers(-MAX_MINUTES, MAX_MINUTES).map(lambda minutes: timezone(timedelta(minutes=minutes)))
schemathesis.openapi.format(
    "date-time",
    st.one_of(
        UTC_TIMES.map(lambda at: at.isoformat().replace("+00:00", "Z")),
        st.builds(lambda at, offset: at.astimezone(offset).isoformat(), UTC_TIMES, OFFSETS),
    ),
)


def in_time(timestamp):
    try:
        return EARLIEST <= datetime.fromisoformat(timestamp.upper()) <= LATEST
    except (ValueError, TypeError, OverflowError):
        return True  # The schema can tell about these.


def is_too_long(text, most):
    return isinstance(text, str) and len(text) <= most < len(text.encode("utf-8", "surrogatepass"))


def is_reversed(query):
    try:
        start, end = (datetime.fromisoformat(query[name].upper()) for name in ("from", "to"))
        return start >= end
    except (KeyError, AttributeError, ValueError, TypeError, OverflowError):
        return False  # The schema can tell about these.


def is_batch(case):
    return case.media_type == NDJSON or isinstance(case.body, list)


def is_negative(case):
    return case.meta is not None and case.meta.generation.mode.is_negative


@schemathesis.serializer(NDJSON)
def ndjson(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_case(context, case):
    """Drops what the schema calls valid and the service rightly does not: few enough characters that are too many
    bytes, a time before 1970 or ahead of the clock, which schemathesis may make from the pattern alone, a range of
    time that ends before it begins, and a batch with a key in the header."""
    body = case.body if isinstance(case.body, dict) else {}
    query = case.query if isinstance(case.query, dict) else {}
    too_long = any(
        is_too_long(values.get(name), most) for values in (body, query) for name, most in MAX_BYTES.items()
    )
    timestamp = body.get("timestamp")
    if is_batch(case) and IDEMPOTENCY_KEY in (case.headers or {}):
        return False
    # A text that is not NDJSON is still read as lines, each with a result of its own.
    if case.media_type == NDJSON and is_negative(case):
        return False
    if is_reversed(query) or (case.path.endswith("/histogram") and not is_histogram(query)):
        return False
    return not too_long and (not isinstance(timestamp, str) or in_time(timestamp))


def is_histogram(query):
    """Whether `from` is earlier than `to`, and there is one filter at most."""
    if sum(name in query for name in MAX_BYTES) > 1:
        return False
    try:
        begin, end = (datetime.fromisoformat(query[name].upper()) for name in ("from", "to"))
        return max(begin, EARLIEST) < end
    except (KeyError, AttributeError, ValueError, TypeError, OverflowError):
        return True  # The schema can tell about these.


@schemathesis.hook
def before_add_examples(context, examples):
    """Sends the examples of batches without the example of a key, which a batch does not take."""
    for case in examples:
        if is_batch(case) and case.headers:
            case.headers.pop(IDEMPOTENCY_KEY, None)


def line_with(body):
    return json.dumps({"text": repr(body)}) + "\n"


@schemathesis.hook
def before_call(context, case, kwargs):
    """A step of a sequence can put an object in the place of NDJSON, after the hooks above."""
    if case.media_type == NDJSON and isinstance(case.body, (dict, list)):
        case.body = line_with(case.body)


@schemathesis.hook
def map_case(context, case):
    """Gives another document another key, of the same length. Requests that differ in one field alone would
    otherwise share a key, and all but the first be refused before their field mattered. Short keys still repeat.

    NDJSON gets a line, because a schema cannot say that a text has some."""
    if case.media_type == NDJSON:
        case.body = line_with(case.body)
    key = (case.headers or {}).get(IDEMPOTENCY_KEY)
    if isinstance(key, str) and re.fullmatch(r"[!-~]{9,255}", key):
        digest = hashlib.sha256(json.dumps(case.body, default=repr, sort_keys=True).encode()).hexdigest()
        case.headers[IDEMPOTENCY_KEY] = key[:-8] + digest[:8]
    return case


@schemathesis.check
def no_route_is_not_found(ctx, response, case):
    """What stands in for unsupported_method: the gateway's own 404, and nothing that the service would say."""
    declared = {method.upper() for method in case.operation.schema[case.operation.path]}
    if response.request.method.upper() in declared:
        return
    assert response.status_code == 404, f"{case.method} has no route, and {response.status_code} is not 404"
    assert response.json() == {"message": "Not Found"}, f"{response.text} is not API Gateway's answer"
