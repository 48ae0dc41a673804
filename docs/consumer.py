#!/usr/bin/python3
"""A consumer of paytrade's events, to begin your own with.

It ships what was paid.  Every event takes effect once, also when this program
is killed at any moment, when several of it run, and when an event comes twice.

    docs/consumer.py --redis unix:///run/paytrade/redis.sock --name worker-1

It needs Python 3 and redis-py (Debian: python3-redis).  The store is a file of
SQLite here; with another database the idea is the same.
"""

import argparse
import json
import signal
import sqlite3
import sys
import time

import redis

BATCH = 100          # events that one answer of Redis may have
BLOCK_MS = 1000      # how long Redis waits for a new one: also how long a
                     # SIGTERM may have to wait


# The store ----------------------------------------------------------------

SCHEMA = """
CREATE TABLE IF NOT EXISTS done (        -- the events that took effect
    id          TEXT PRIMARY KEY,
    at          INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS shipments (   -- your work: what is to be sent
    order_id    TEXT NOT NULL,
    user        TEXT NOT NULL,
    sku         TEXT NOT NULL,
    quantity    INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS owed (        -- and money that must go back
    pay_no      TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    amount      INTEGER NOT NULL,        -- in the smallest unit: 500000
    reason      TEXT NOT NULL
);
"""


def open_store(path):
    # isolation_level=None: transactions begin and end where we say so.
    # Others may be writing: wait for them rather than fail.
    store = sqlite3.connect(path, timeout=30, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = FULL")
    store.executescript(SCHEMA)

    return store


def take_effect(store, event):
    """What an event is there for: yours to write.

    It runs inside the transaction that also notes the event as done, so it may
    only change this one store.  Mail, or another system, cannot be rolled
    back: write here what is to be done there, and let another program do it,
    with the event's id as the key that keeps the other side from doing it
    twice.
    """
    if event["type"] == "payment.succeeded":
        for line in json.loads(event["lines"]):
            store.execute("INSERT INTO shipments VALUES (?, ?, ?, ?)",
                          (event["order_id"], event["user"], line["sku"],
                           line["quantity"]))

    elif event["type"] == "payment.refund_due":
        store.execute("INSERT INTO owed VALUES (?, ?, ?, ?)",
                      (event["pay_no"], event["order_id"],
                       int(event["amount"]), event["reason"]))

    # Other types are none of our business; new ones may come at any time.


def handle(store, event):
    """Effect and note in one transaction: both are there, or neither.

    The id names the change, not the entry in the stream.  An event that comes
    a second time, for whatever reason, has the same id, is found in `done`,
    and changes nothing.  Rows of `done` may go after some weeks.
    """
    store.execute("BEGIN IMMEDIATE")

    try:
        new = store.execute("INSERT OR IGNORE INTO done VALUES (?, ?)",
                            (event["id"], int(time.time() * 1000)))
        if new.rowcount == 1:
            take_effect(store, event)

        store.execute("COMMIT")

    except BaseException:
        store.execute("ROLLBACK")
        raise

    print("done" if new.rowcount == 1 else "known", event["id"], flush=True)


# The stream ---------------------------------------------------------------

class Consumer:

    def __init__(self, args):
        self.stream = args.stream
        self.group = args.group
        self.name = args.name
        self.idle_ms = args.idle
        self.stopping = False
        self.looked = 0
        self.path = args.store
        self.store = None
        self.redis = redis.Redis.from_url(
            args.redis, decode_responses=True,
            socket_timeout=BLOCK_MS / 1000 + 5)

    def stop(self, signum, frame):
        # Only a mark: the event at hand is finished first.
        self.stopping = True

    def make_group(self):
        # 0, not $: whatever is in the stream already is ours too.
        try:
            self.redis.xgroup_create(self.stream, self.group, id="0",
                                     mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def work(self, entries):
        """Handles entries in their order and returns the last one's number."""
        last = "0"

        for last, event in entries:
            if self.stopping:
                break

            if event:
                try:
                    handle(self.store, event)
                except (KeyError, TypeError, ValueError,
                        sqlite3.IntegrityError) as error:
                    # One that we do not understand must not stop the others.
                    # It stays pending, is tried again now and then, and is
                    # seen in the status: paytrade_events_pending.
                    print(f"event {last} ({event.get('id')}): {error!r}",
                          file=sys.stderr, flush=True)
                    continue

            # else: the entry is gone from the stream, and nobody can do it.

            # Only now, after COMMIT.  Killed in between, we get it again and
            # find it in `done`.  (The other way round it would be lost.)
            self.redis.xack(self.stream, self.group, last)

        return last

    def own_history(self):
        """What was given to this name and never acknowledged.

        Reading with a number instead of ">" gives no new events, but those
        that this consumer had when it was killed, or when the connection
        broke before the answer was here.
        """
        last = "0"

        while not self.stopping:
            answer = self.redis.xreadgroup(self.group, self.name,
                                           {self.stream: last}, count=BATCH)
            entries = answer[0][1] if answer else []
            if not entries:
                return

            last = self.work(entries)

    def left_by_others(self):
        """Takes over what a consumer has that does not come back.

        The time must be longer than an effect can take, or two do the same
        work.  Then `done` still keeps it from happening twice.
        """
        start = "0-0"

        while not self.stopping:
            answer = self.redis.xautoclaim(
                self.stream, self.group, self.name,
                min_idle_time=self.idle_ms, start_id=start, count=BATCH)
            start, entries = answer[0], answer[1]
            self.work(entries)

            if start == "0-0":
                return

    def new_events(self):
        answer = self.redis.xreadgroup(self.group, self.name,
                                       {self.stream: ">"}, count=BATCH,
                                       block=BLOCK_MS)
        for _, entries in answer or []:
            self.work(entries)

    def session(self):
        if self.store is None:
            self.store = open_store(self.path)

        self.make_group()
        self.own_history()

        while not self.stopping:
            now = time.monotonic()

            # Not more often than needed, and not only when it is quiet.
            if now - self.looked > self.idle_ms / 2000:
                self.looked = now
                self.left_by_others()

            self.new_events()

    def run(self):
        wait = 0.1

        while not self.stopping:
            try:
                started = time.monotonic()
                self.session()

            # Redis or the store is away for a while: begin anew, with our own
            # history, for nobody knows what was on its way.  NOGROUP is here
            # too: Redis came back without the stream, and a new group begins
            # with its first event.  `done` knows those that we had before.
            except (redis.RedisError, sqlite3.OperationalError) as error:
                if time.monotonic() - started > 10:
                    wait = 0.1

                print(f"again in {wait:.1f} s: {error}", file=sys.stderr,
                      flush=True)
                time.sleep(wait)
                wait = min(wait * 2, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--redis", default="unix:///run/paytrade/redis.sock",
                        help="or redis://user:password@host:6379/0")
    parser.add_argument("--stream", default="{pt:0}:events",
                        help="one for each partition")
    parser.add_argument("--group", default="shipping",
                        help="one for each kind of work")
    parser.add_argument("--name", default="worker-1",
                        help="of its own for each that runs at the same time; "
                             "the same when it is started again")
    parser.add_argument("--store", default="shipping.db")
    parser.add_argument("--idle", type=int, default=60000, metavar="MS",
                        help="take over what lay untouched for so long")

    consumer = Consumer(parser.parse_args())
    signal.signal(signal.SIGTERM, consumer.stop)
    signal.signal(signal.SIGINT, consumer.stop)
    consumer.run()


if __name__ == "__main__":
    main()
