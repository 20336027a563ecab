#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lines into cdc-sink-http, with several requests under way, against a server that misbehaves at random.

requests.py index|webhook SEED [--requests N] [--lines N]
requests.py lines SEED [--lines N] --schema NAME --rows FILE   prints such lines, and writes the rows that they come to

The server answers late and out of order, with 429, 503 or 403 for a request or for an item, with 413, half an answer or none;
what it was asked to do is done then, or not. The sink is killed and stopped in the middle, and started again with all lines.
In the end what the server has must be what the lines say: of each document, of each key of a webhook the order. At no time may two
requests with one document (or key) be under way at once. The index of this server forgets a deleted document at once
(index.gc_deletes of 0), so that a write which comes too late brings it back."""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INDEX = "public-t"


class State:
    """What the server has, and what is under way."""

    def __init__(self, rng):
        self.lock = threading.Lock()
        self.rng = rng
        self.meta = {}
        self.docs = {}  # id: (version, source)
        self.seen = []  # lines of a webhook that were taken, in that order
        self.busy = {}  # id or key: how many requests have it
        self.overlaps = []
        self.most = self.n_busy = self.requests = 0
        self.calm = False

    def roll(self, share):
        with self.lock:
            return not self.calm and self.rng.random() < share

    def wait(self):
        with self.lock:
            seconds = self.rng.choice([0, 0, 0.001, 0.003, 0.01, 0.04]) if not self.calm else 0
        if seconds:
            time.sleep(seconds)

    def enter(self, ids):
        with self.lock:
            self.requests += 1
            self.n_busy += 1
            self.most = max(self.most, self.n_busy)
            for one in ids:
                if self.busy.get(one):
                    self.overlaps.append(one)
                self.busy[one] = self.busy.get(one, 0) + 1

    def leave(self, ids):
        with self.lock:
            self.n_busy -= 1
            for one in ids:
                self.busy[one] -= 1


def actions_of(body):
    lines, at = body.decode().split("\n"), 0
    while at < len(lines) and lines[at]:
        what, action = next(iter(json.loads(lines[at]).items()))
        source = None if what == "delete" else json.loads(lines[at + 1])
        at += 1 if what == "delete" else 2
        yield what, action, source


def keys_of(body):
    """The keys of a line: the new one and the old one. A line without a key has all."""
    event = json.loads(body)
    if not event.get("key"):
        return ["*"]
    keys = [json.dumps(event["key"])]
    if event.get("before") and event["before"]["id"] != event["key"]["id"]:
        keys.append(json.dumps({"id": event["before"]["id"]}))
    return keys


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def answer(self, status, value, cut=False):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (100 if cut else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection |= cut

    def act(self, what, action, source):
        state, one, version = self.server.state, action["_id"], action["version"]
        if state.roll(0.002):
            return {what: {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}}
        if state.roll(0.001):
            return {what: {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "away"}}}
        with state.lock:
            known = state.docs.get(one)
            if known and known[0] > version:
                return {what: {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason":
                        f"current version [{known[0]}] is higher than the one provided [{version}]", "shard": "0"}}}
            if what == "delete":
                state.docs.pop(one, None)
                return {what: {"status": 200 if known else 404}}
            state.docs[one] = (version, source)
            return {what: {"status": 200, "_index": INDEX, "_id": one}}

    def bulk(self, body):
        state = self.server.state
        actions = list(actions_of(body))
        ids = sorted({action["_id"] for _, action, _ in actions})
        state.enter(ids)
        try:
            state.wait()
            for share, status in ((0.02, 429), (0.02, 503), (0.01, 502)):
                if state.roll(share):
                    return status, {"error": {"type": "busy", "reason": "so"}}
            if state.roll(0.01):
                return 403, {"error": {"type": "cluster_block_exception", "reason": "blocked"}}
            if len(actions) > 3 and state.roll(0.002):
                return 413, {}
            if state.roll(0.02):
                return None, None
            items = [self.act(*action) for action in actions]
            state.wait()
            errors = any("error" in next(iter(item.values())) for item in items)
            result = {"errors": errors}
            if "items" in self.path:
                result["items"] = items
            if state.roll(0.02):
                return None, None
            return (200 if not state.roll(0.02) else -200), result
        finally:
            state.leave(ids)

    def index(self, body):
        state, path = self.server.state, self.path
        if path.startswith("/_bulk"):
            return self.bulk(body)
        if path.startswith("/_mget"):
            docs = []
            with state.lock:
                for ask in json.loads(body)["docs"]:
                    known = state.docs.get(ask["_id"])
                    docs.append({"_id": ask["_id"], "found": bool(known), **({"_version": known[0], "_seq_no": 1,
                                 "_primary_term": 1, "_source": known[1]} if known else {})})
            return 200, {"docs": docs}
        with state.lock:
            if "_mapping" in path and self.command == "PUT":
                state.meta = json.loads(body).get("_meta", state.meta)
            elif self.command == "PUT":
                state.meta = json.loads(body)["mappings"]["_meta"]
            elif "/_search/scroll" in path:
                return 200, {"_shards": {"failed": 0}, "_scroll_id": "x"}
            elif "/_search" in path:
                hits = [{"_id": one, "_version": version, "_seq_no": 1, "_primary_term": 1}
                        for one, (version, _) in state.docs.items()]
                return 200, {"_shards": {"failed": 0, "total": 1}, "_scroll_id": "x", "hits": {"hits": hits}}
            elif "/_refresh" in path:
                return 200, {"_shards": {"failed": 0}}
            elif not state.meta:
                return 404, {"error": {"type": "index_not_found_exception", "reason": "no"}}
            else:
                return 200, {INDEX: {"mappings": {"_meta": state.meta}, "settings": {"index": {"uuid": "u"}}}}
        return 200, {"acknowledged": True}

    def webhook(self, body):
        state = self.server.state
        keys = keys_of(body)
        state.enter(keys)
        try:
            if "*" in keys and state.n_busy > 1:
                state.overlaps.append("*")
            state.wait()
            for share, status in ((0.03, 429), (0.03, 503), (0.02, None)):
                if state.roll(share):
                    return status, b""
            with state.lock:
                state.seen.append(json.loads(body))
            state.wait()
            return (None if state.roll(0.03) else 204 if state.roll(0.5) else 200), b""
        finally:
            state.leave(keys)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, value = (self.webhook if self.server.webhook else self.index)(body)
        if status is None:
            self.close_connection = True
        elif status < 0:
            self.answer(-status, value, cut=True)
        elif status == 204:
            self.send_response(204)
            self.end_headers()
        else:
            self.answer(status, value)

    do_POST = do_GET = do_PUT = do_DELETE = handle_request


class Server(ThreadingHTTPServer):
    daemon_threads = True
    webhook = False
    state = None

    def handle_error(self, request, client_address):
        pass  # the sink was killed


# -- lines, and what they come to -------------------------------------------------------------------


class Lines:
    def __init__(self, rng):
        self.rng, self.rows, self.out = rng, {}, []
        self.seq, self.n, self.values, self.of = 100, 0, 0, "public"

    def line(self, op, **members):
        self.n += 1
        pos = f"{self.seq:08d}.{self.n:08d}"
        self.out.append(json.dumps({"op": op, "pos": pos, "seq": self.seq, "ts_ms": 1, "source": {
            "connector": "postgresql", "name": "n", "db": "d", "schema": self.of, "table": "t", "ts_ms": 1, "txId": 5,
            "lsn": self.seq, "snapshot": "false"}, **members}, separators=(",", ":")))

    def schema(self):
        columns = [{"name": name, "type": kind, "nullable": True, "generated": False}
                   for name, kind in (("id", "integer"), ("v", "integer"), ("big", "text"))]
        self.line("schema", columns=columns, key_columns=["id"])

    def commit(self):
        self.line("commit", events=self.n)
        self.seq += 1
        self.n = 0

    def row(self, one):
        self.values += 1
        return {"id": one, "v": self.values, "big": f"b{self.values}" * self.rng.choice([1, 1, 1, 30])}

    def change(self, hot, simple):
        rng = self.rng
        one = rng.randrange(1, hot + 1) if rng.random() < 0.5 else rng.randrange(1, 40 * hot)
        known = self.rows.get(one)
        if known is None:
            self.rows[one] = self.row(one)
            self.line("c", key={"id": one}, before=None, after=self.rows[one])
        elif rng.random() < 0.35:
            del self.rows[one]
            self.line("d", key={"id": one}, before={"id": one}, after=None)
        elif not simple and rng.random() < 0.1:
            after = {"id": one, "v": self.row(one)["v"]}
            self.rows[one] = {**after, "big": known["big"]}
            self.line("u", key={"id": one}, before=None, after=after, unchanged=["big"])
        elif not simple and rng.random() < 0.1:
            to = rng.randrange(1, 40 * hot)
            if to in self.rows:
                return
            del self.rows[one]
            self.rows[to] = self.row(to)
            self.line("u", key={"id": to}, before={"id": one}, after=self.rows[to])
        else:
            self.rows[one] = self.row(one)
            self.line("u", key={"id": one}, before=None, after=self.rows[one])

    def make(self, count, webhook):
        hot = self.rng.choice([2, 5, 20, 100])
        simple = True
        self.schema()
        while len(self.out) < count:
            if self.rng.random() < 0.1:
                simple = not simple
            for _ in range(self.rng.choice([1, 1, 2, 5, 20, 60])):
                self.change(hot, simple)
            if self.rng.random() < 0.02:
                self.line("t", key=None, before=None, after=None)
                self.rows.clear()
            if webhook and self.rng.random() < 0.05:
                self.line("m", key=None, prefix="p", content="x")
            self.commit()


# -- a run ------------------------------------------------------------------------------------------


def fail(seed, text):
    print(f"seed {seed}: {text}")
    sys.exit(1)


def run_sink(command, lines, rng, state):
    """All lines, as often as it takes; killed and stopped a few times."""
    ends = rng.randrange(0, 6)
    for attempt in range(100):
        state.calm = attempt >= 60
        # Those of a sink that was killed, and those of it that nobody has read yet: each connection has a thread.
        while state.n_busy > 0 or threading.active_count() > 2:
            time.sleep(0.001)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as sink:
            timer = None
            if attempt < ends:
                how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
                timer = threading.Timer(rng.random() * 0.4, sink.send_signal, [how])
                timer.start()
            _, errors = sink.communicate(lines)
            if timer:
                timer.cancel()
        if sink.returncode == 0 and attempt >= ends:
            return
        if sink.returncode not in (0, 69, 74, 75, -signal.SIGKILL, -signal.SIGTERM):
            print(errors.decode("utf-8", "replace")[-2000:])
            sys.exit(f"exit status {sink.returncode}")
    sys.exit("it does not come to an end")


def check_index(seed, lines, state):
    want = {str(one): row for one, row in lines.rows.items()}
    have = {one: source for one, (_, source) in state.docs.items()}
    if want != have:
        wrong = [one for one in set(want) | set(have) if want.get(one) != have.get(one)]
        one = wrong[0]
        fail(seed, f"{len(wrong)} documents differ; {one}: {have.get(one)}, and not {want.get(one)}")


def check_webhook(seed, lines, state):
    """Of each key, lines may come again, from any one on; but a new one only after all before it."""
    sent = [json.loads(line) for line in lines.out]
    sent = [event for event in sent if event["op"] in "cudtm"]
    want, have = {}, {}
    for events, into in ((sent, want), (state.seen, have)):
        for event in events:
            for key in keys_of(json.dumps(event)):
                into.setdefault(key, []).append(event["pos"])
    if set(want) != set(have):
        fail(seed, "lines of some keys have not come")
    for key, positions in want.items():
        known = -1
        for pos in have[key]:
            at = positions.index(pos)
            if at > known + 1:
                fail(seed, f"key {key}: line {pos} came before the one before it")
            known = max(known, at)
        if known != len(positions) - 1 or have[key][-1] != positions[-1]:
            fail(seed, f"key {key}: the last line was not the last one that came")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["index", "webhook", "lines"])
    parser.add_argument("--schema", default="public")
    parser.add_argument("--rows")
    parser.add_argument("seed", type=int)
    parser.add_argument("--requests", type=int, default=2)
    parser.add_argument("--lines", type=int, default=3000)
    parser.add_argument("--tool", default="cdc-sink-http")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    if options.what == "lines":
        lines = Lines(rng)
        lines.of = options.schema
        lines.make(options.lines, False)
        with open(options.rows, "w", encoding="ascii") as file:
            for row in lines.rows.values():
                file.write(json.dumps([row["id"], row["v"], row["big"]], separators=(",", ":")) + "\n")
        print("\n".join(lines.out))
        return
    server = Server(("127.0.0.1", 0), Handler)
    server.webhook = options.what == "webhook"
    server.state = state = State(random.Random(rng.random()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lines = Lines(rng)
    lines.make(options.lines, server.webhook)
    with tempfile.TemporaryDirectory() as folder:
        command = [options.tool, "--webhook" if server.webhook else "--elasticsearch", "--requests", str(options.requests),
                   "--offset-file", os.path.join(folder, "o"), "--batch-events", str(rng.choice([7, 30, 100, 300])),
                   f"http://127.0.0.1:{server.server_port}"]
        run_sink(command, ("\n".join(lines.out) + "\n").encode(), rng, state)
    if state.overlaps:
        fail(options.seed, f"under way twice at once: {state.overlaps[:3]}")
    (check_webhook if server.webhook else check_index)(options.seed, lines, state)
    print(f"ok: {state.requests} requests, {state.most} at once, {len(lines.out)} lines")


if __name__ == "__main__":
    main()
