#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lines of three tables with the same keys, and the rows that a table of all three has at the end.

  routed.py SEED FOLDER [RUNS]

FOLDER gets run1 ... runN, the lines of each run of the pipeline (a run may end inside a read, and lines come again), and
`expected`: a line a row, as JSON, sorted. The tables are changed, emptied, read again (at one time if it comes so, also while the
log goes on), and rows change without a line before a read.
"""
import json
import random
import sys


class Shard:
    def __init__(self, schema, columns):
        self.name = schema
        self.columns = columns
        self.rows = {}
        self.read = None  # the read in hand: {"live", "at", "since"}
        self.known = False  # a schema line came in this run


class Stream:
    def __init__(self, seed, keyless=False):
        self.random = random.Random(seed)
        self.shards = [Shard("shop1", ["id", "v"]), Shard("shop2", ["id", "v", "b"]), Shard("shop.3", ["id", "c", "v"])]
        self.seq, self.n, self.lines, self.held = 100, 0, [], []

    def source(self, shard=None, snapshot="false"):
        source = {"connector": "postgresql", "name": "n", "db": "d"}
        if shard is not None:
            source |= {"schema": shard.name, "table": "orders"}
        return source | {"ts_ms": 1, "txId": 5, "lsn": self.seq, "snapshot": snapshot}

    def line(self, op, shard, members, snapshot="false"):
        self.n += 1
        self.lines.append({"op": op, "pos": "%08d.%08d" % (self.seq, self.n), "seq": self.seq, "ts_ms": 1,
                           "source": self.source(shard, snapshot)} | members)

    def commit(self):
        self.n += 1
        self.lines.append({"op": "commit", "pos": "%08d.%08d" % (self.seq, self.n), "seq": self.seq, "ts_ms": 1,
                           "source": self.source(), "events": 0})

    def next_seq(self):
        self.seq += 10
        self.n = 0

    def describe(self, shard, **more):
        types = {"id": "integer"}
        columns = [{"name": c, "type": types.get(c, "text"), "nullable": True, "generated": False} for c in shard.columns]
        self.line("schema", shard, {"columns": columns, "key_columns": ["id"]} | more)
        shard.known = True

    def row(self, shard, key):
        return {c: key if c == "id" else self.random.choice([None, "x", "y'\"", "é" + str(self.random.randrange(99))])
                for c in shard.columns}

    def change(self, op, shard, key, before, after):
        # Rows that the read in hand is still to show say what this line would.
        if shard.read is not None and shard.read["live"] and key["id"] > shard.read["at"]:
            return
        if not shard.known:
            self.describe(shard)
        self.line(op, shard, {"key": key, "before": before, "after": after})

    def mutate(self, shard, quiet=False):
        key = self.random.randrange(1, 9)
        old = shard.rows.get(key)
        change = (lambda *_: None) if quiet else self.change
        if old is None:
            shard.rows[key] = self.row(shard, key)
            change("c", shard, {"id": key}, None, shard.rows[key])
        elif self.random.random() < 0.3:
            del shard.rows[key]
            change("d", shard, {"id": key}, self.random.choice([{"id": key}, old]), None)
        elif self.random.random() < 0.3 and shard.read is None:
            new = self.random.randrange(1, 9)
            if new in shard.rows:
                return
            del shard.rows[key]
            shard.rows[new] = self.row(shard, new)
            change("u", shard, {"id": new}, {"id": key}, shard.rows[new])
        else:
            shard.rows[key] = self.row(shard, key)
            change("u", shard, {"id": key}, None, shard.rows[key])

    def transaction(self):
        self.next_seq()
        for _ in range(self.random.randrange(1, 6)):
            shard = self.random.choice(self.shards)
            if shard.read is not None and not shard.read["live"]:
                continue
            if self.random.random() < 0.06:
                shard.rows.clear()
                self.line("t", shard, {})
            else:
                self.mutate(shard)
        self.commit()

    def begin(self, shard, live):
        for _ in range(self.random.randrange(0, 4)):
            self.mutate(shard, quiet=True)
        shard.read = {"live": live, "at": 0, "since": self.seq}
        self.line("t", shard, {"read": "live" if live else "begin"}, "true")
        self.describe(shard)
        self.commit()

    def step(self, shard):
        later = sorted(k for k in shard.rows if k > shard.read["at"])
        for key in later[:2]:
            self.line("r", shard, {"key": {"id": key}, "before": None, "after": shard.rows[key]}, "true")
            shard.read["at"] = key
        if len(later) <= 2:
            more = {"read": "end"} | ({"since": shard.read["since"]} if shard.read["live"] else {})
            self.describe(shard, **more)
            shard.read = None
        self.commit()

    def read_some(self):
        """Some tables are read at one time; the log stands still, and all lines have one seq."""
        self.next_seq()
        reading = self.random.sample(self.shards, self.random.randrange(1, 4))
        for shard in reading:
            self.begin(shard, False)
        while any(s.read for s in reading):
            if self.random.random() < 0.1:  # broken off, and begun again
                shard = self.random.choice(reading)
                self.begin(shard, False)
            shard = self.random.choice([s for s in reading if s.read])
            self.step(shard)

    def read_live(self):
        self.next_seq()
        shard = self.random.choice(self.shards)
        self.begin(shard, True)
        while shard.read:
            if self.random.random() < 0.5:
                self.transaction()
            self.next_seq()
            self.step(shard)

    def snapshot_again(self):
        """A further attempt at a snapshot: a plain t line before each table's rows."""
        self.next_seq()
        for shard in self.random.sample(self.shards, 3):
            self.mutate(shard, quiet=True)
            self.line("t", shard, {}, "true")
            self.describe(shard)
            for key in shard.rows:
                self.line("r", shard, {"key": {"id": key}, "before": None, "after": shard.rows[key]}, "true")
            self.commit()


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    stream = Stream(seed)
    for number in range(1, runs + 1):
        for shard in stream.shards:
            shard.known = False
        for _ in range(12):
            stream.random.choice([stream.transaction] * 6 + [stream.read_some, stream.read_live, stream.snapshot_again])()
        # What was not confirmed comes again: the run before ends anywhere, this one begins with whole transactions of it.
        lines, cut = stream.lines, len(stream.lines)
        if number < runs:
            cut = stream.random.randrange(1, len(lines) + 1)
        with open(f"{folder}/run{number}", "w", encoding="utf-8") as out:
            for line in lines[:cut]:
                print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), file=out)
        ends = [i for i in range(cut) if lines[i]["op"] == "commit"]
        back = stream.random.choice(ends[-3:]) + 1 if ends else 0
        described = {}
        for line in lines[:back]:
            if line["op"] == "schema" and "read" not in line:
                described[line["source"]["schema"]] = line
        stream.lines = list(described.values()) + lines[back:]
    with open(f"{folder}/expected", "w", encoding="utf-8") as out:
        rows = []
        for shard in stream.shards:
            name = ('"%s"' % shard.name if "." in shard.name else shard.name) + ".orders"
            for row in shard.rows.values():
                rows.append(json.dumps({c: row.get(c) for c in ("id", "v", "b", "c")} | {"source_table": name},
                                       sort_keys=True, ensure_ascii=False))
        out.writelines(line + "\n" for line in sorted(rows))


main()
