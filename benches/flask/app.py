"""The service that this one replaces, for benches/load.rs to measure beside it: Flask over a document store.

It does what the old service was described to do for a request and no more: POST /events inserts the document; GET
/events counts, sorts by `timestamp`, newest first, skips and limits.

`python app.py` is how the old container started it: Flask's development server. `gunicorn app:app` is the other row.
`python app.py fill 3000` fills a new store. PORT is where the development server listens, STORE what keeps the events (see below), DATA the store's file.

MongoDB's server is not on PyPI, so something there stands in for it, and is to err on the old service's side. On
two busy cores, with 3,000 events of 1 KB, in one process, without Flask:

| store                                  |  insert | count and first page |
|----------------------------------------|---------|----------------------|
| neosqlite 1.17, a file, with an index  |  0.2 ms |               0.8 ms |
| the same without the index             |  0.4 ms |                12 ms |
| mongita 1.2, in memory                 | 0.03 ms |                 7 ms |
| tinydb 4.9, in memory                  |  3.7 ms |                18 ms |
| mongomock 4.3, in memory               | 0.06 ms |               113 ms |
| montydb 2.5, in memory                 | 0.03 ms |               347 ms |

So it is neosqlite: MongoDB's queries on SQLite. It has the fastest list by far, and an insert that is small beside
Flask's own time. Unlike those in memory it may be shared by processes, so gunicorn gets all cores. It also gets an
index that the old service's description does not have, no network between it and Flask, and no sync to the disk.
STORE=none keeps nothing and answers from a constant: what Flask does in the best case, on any store.
"""

import datetime
import logging
import os
import sys
import threading
import uuid

from flask import Flask, jsonify, request

app = Flask(__name__)

BASE = ("user_id", "event_type", "timestamp", "src_service", "invariant_data", "app_data")


class Documents:
    """The old `logger` collection: one connection a process, as SQLite writes one at a time anyway."""

    def __init__(self):
        import neosqlite

        # w=0 does not wait for the disk; nor does MongoDB, which by default syncs its journal later.
        self.connection = neosqlite.Connection(
            os.environ["DATA"], check_same_thread=False, timeout=60, write_concern=neosqlite.WriteConcern(w=0)
        )
        self.lock = threading.Lock()
        self.logger = self.connection.logger
        self.logger.create_index("timestamp")

    def create_log(self, event):
        with self.lock:
            return str(self.logger.insert_one(event).inserted_id)

    def read_logs(self, query, limit, skip):
        with self.lock:
            total = self.logger.count_documents(query)
            return list(self.logger.find(query).sort("timestamp", -1).skip(skip).limit(limit)), total


class Nothing:
    """No store: any page is the same ten events of 1 KB."""

    EVENT = {
        "user_id": "7",
        "event_type": "order_paid",
        "timestamp": "2024-01-01T00:00:00Z",
        "src_service": "billing",
        "invariant_data": {"message": "The order was paid", "priority": 2},
        "app_data": {"note": "x" * 820},
    }

    def create_log(self, _event):
        return str(uuid.uuid4())

    def read_logs(self, _query, limit, _skip):
        return [self.EVENT] * min(limit, 10), 3000


store = Nothing() if os.environ.get("STORE") == "none" else Documents()


@app.post("/events")
def create():
    try:
        sent = request.get_json()
        event = {name: sent[name] for name in BASE}
        event.update((name, value) for name, value in sent.items() if name not in BASE)
        return jsonify(message="Event recorded", id=store.create_log(event)), 201
    except Exception as error:
        return jsonify(error=str(error)), 500


@app.get("/events")
def read():
    try:
        page = request.args.get("page", 1, type=int)
        per_page = request.args.get("per_page", 10, type=int)
        query = {"user_id": request.args["user_id"]} if "user_id" in request.args else {}
        events, total = store.read_logs(query, per_page, (page - 1) * per_page)
        pages = -(-total // per_page)
        shown = [{name: str(value) if name == "_id" else value for name, value in event.items()} for event in events]
        return jsonify(events=shown, total=total, page=page, per_page=per_page, total_pages=pages)
    except Exception as error:
        return jsonify(error=str(error)), 500


def fill(count):
    """Writes events of 1 KB, spread over a month, as many at once as the store takes."""
    start, month = datetime.datetime(2024, 1, 1), 30 * 24 * 3600
    for first in range(0, count, 1000):
        store.logger.insert_many(
            {**Nothing.EVENT, "timestamp": (start + datetime.timedelta(seconds=n * month / count)).isoformat() + "Z"}
            for n in range(first, min(first + 1000, count))
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill(int(sys.argv[2]))
        sys.exit()
    # A line for each request would only cost it time.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
