#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random transactions on small key spaces, as event lines, and the state that they end in.

transactions.py lines FIRST COUNT [MEANS...]   event lines of COUNT seeds from FIRST on; MEANS are of the list below, or all
transactions.py again FIRST COUNT [MEANS...]   the same after a snapshot that has read all of it already
transactions.py expect FIRST COUNT [MEANS...]  what the tables hold in the end: TABLE and the row as JSON, sorted

The source is modelled as a list of rows a table, so that two rows may have one key for a while. A table is kept in one way:

default    the old row has the key alone, and only where it changes; large columns that did not change are left out
full       whole old rows; the large columns stand in those alone
deferred   the same under a key that is unique only at the end of a transaction: keys move through each other
mysql      whole rows, old and new
minimal    the key, and the columns that changed
keyless    whole rows, and no key: some rows are equal

Each seed has its own rows in the same tables: s is the seed, and part of the key."""
import json
import random
import sys

MEANS = ["default", "full", "deferred", "mysql", "minimal", "keyless"]
KEYS = 6


class Source:
    def __init__(self, seed, means, emit):
        self.random, self.seed, self.emit = random.Random(seed), seed, emit
        self.tables = {m: [] for m in means}
        self.transaction = seed * 1000

    # -- lines

    def line(self, op, means, members):
        self.number += 1
        source = {"connector": "mysql" if means in ("mysql", "minimal") else "postgresql", "name": "n", "db": "d", "schema": "s",
                  "table": means or "", "ts_ms": 1, "txId": 1, "lsn": 1, "snapshot": "false"}
        if means is None:
            del source["table"]
        self.emit({"op": op, "pos": "%09d.%05d" % (self.transaction, self.number), "seq": self.transaction, "ts_ms": 1,
                   "source": source, **members})

    def change(self, op, means, old, new, changed=()):
        key = {k: (new or old)[k] for k in ("s", "k")}
        moved = old and new and old["k"] != new["k"]
        members = {} if means == "keyless" else {"key": key}
        before, after, unchanged = old and dict(old), new and dict(new), []
        if means == "default" and old:
            before = {k: old[k] for k in ("s", "k")} if moved or not new else None
        elif means == "minimal" and old:
            before = {k: old[k] for k in ("s", "k")}
        if op == "u" and means == "minimal":
            unchanged = [c for c in ("a", "big") if c not in changed]
        elif op == "u" and means in ("default", "full", "deferred") and "big" not in changed and len(old["big"]) > 3:
            unchanged = ["big"]
        for column in unchanged:
            del after[column]
        members.update(before=before, after=after)
        if unchanged:
            members["unchanged"] = unchanged
        self.line(op, means, members)

    # -- changes

    def value(self):
        return self.random.choice(["", "x", "yy", "'", '"', "\\", "\n", "\u00e9"]) if self.random.random() < .8 else None

    def big(self):
        return self.random.choice(["", "b", "large" * 5, "larger" * 5])

    def insert(self, means, key):
        row = {"s": self.seed, "k": key, "a": self.value(), "big": self.big()}
        self.tables[means].append(row)
        self.change("c", means, None, row)

    def update(self, means, row, key):
        old, changed = dict(row), set()
        row["k"] = key
        for column, make in (("a", self.value), ("big", self.big)):
            if self.random.random() < .4:
                row[column] = make()
                if row[column] != old[column]:
                    changed.add(column)
        self.change("u", means, old, row, changed)

    def delete(self, means, row):
        self.tables[means] = [r for r in self.tables[means] if r is not row]
        self.change("d", means, row, None)

    def free(self, means):
        used = {r["k"] for r in self.tables[means]} if means not in ("keyless", "deferred") else set()
        return [k for k in range(KEYS) if k not in used]

    def step(self, means):
        rows, keys, r = self.tables[means], self.free(means), self.random.random()
        row = self.random.choice(rows) if rows else None
        if row is None or (r < .3 and keys):
            if keys:
                self.insert(means, self.random.choice(keys))
        elif r < .45:
            self.update(means, row, row["k"])
        elif r < .65 and keys:
            self.update(means, row, self.random.choice(keys))
        elif r < .8:
            self.delete(means, row)
            if r < .75: # the same key again, or in another table
                other = means if r < .7 else self.random.choice(sorted(self.tables))
                if row["k"] in self.free(other):
                    self.insert(other, row["k"])
        elif r < .9 and means in ("deferred", "keyless"):
            for one in self.random.sample(rows, len(rows)): # id = id + 1
                self.update(means, one, (one["k"] + 1) % KEYS)
        elif r < .97 and means in ("deferred", "keyless") and len(rows) > 1:
            one, other = self.random.sample(rows, 2)
            first, second = other["k"], one["k"]
            self.update(means, one, first)
            if r < .935:
                self.describe(means)
            self.update(means, other, second)
        elif r >= .97:
            self.describe(means)

    def describe(self, means):
        """The schema line once more: it changes nothing, also inside a transaction."""
        described = schema(means)
        self.line("schema", means, {k: described[k] for k in ("columns", "key_columns")})

    def settle(self):
        """The constraint is looked at: no two rows have one key."""
        rows = self.tables.get("deferred", [])
        while True:
            keys = [r["k"] for r in rows]
            twice = [r for r in rows if keys.count(r["k"]) > 1]
            if not twice:
                return
            row, keys = self.random.choice(twice), [k for k in range(KEYS) if k not in keys]
            if keys and self.random.random() < .5:
                self.update("deferred", row, self.random.choice(keys))
            else:
                self.delete("deferred", row)
                rows = self.tables["deferred"]

    def run(self):
        for _ in range(self.random.randrange(3, 9)):
            self.transaction += 1
            self.number = 0
            for _ in range(self.random.randrange(1, 9)):
                self.step(self.random.choice(sorted(self.tables)))
            self.settle()
            self.number = 99998
            self.line("commit", None, {"events": 1})


def schema(means):
    key = [] if means == "keyless" else ["s", "k"]
    types = {"s": "integer", "k": "integer", "a": "text", "big": "text"}
    return {"op": "schema", "pos": "000000000.1", "seq": 0, "ts_ms": 1,
            "source": {"connector": "mysql" if means in ("mysql", "minimal") else "postgresql", "name": "n", "db": "d", "schema": "s", "table": means},
            "columns": [{"name": n, "type": t, "nullable": True, "generated": False} for n, t in types.items()], "key_columns": key}


def main():
    what, first, count, means = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:] or MEANS
    lines, state = [], []
    for seed in range(first, first + count):
        source = Source(seed, means, lines.append)
        source.run()
        state += [(m, json.dumps(r, sort_keys=True)) for m, rows in source.tables.items() for r in rows]
    snapshot = []
    if what == "again":
        for n, (table, row) in enumerate(state):
            row = json.loads(row)
            snapshot.append({**schema(table), "op": "r", "pos": "000000000.2.%09d" % n, "key": {k: row[k] for k in ("s", "k")},
                             "before": None, "after": row})
            del snapshot[-1]["columns"], snapshot[-1]["key_columns"]
        snapshot.append({**snapshot[-1], "op": "commit", "pos": "000000000.3"})
    if what != "expect":
        for line in [schema(m) for m in means] + snapshot + lines:
            print(json.dumps(line, separators=(",", ":")))
    else:
        for table, row in sorted(state):
            print(table, row)


main()
