#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables that change without a line in the log, and are read again: event lines, and the state that they end in.

rounds.py lines FIRST COUNT FOLDER   event lines of COUNT seeds from FIRST on, in files to be delivered in their order. What is in one
                                     whose name ends in .lost is sent, and no position is saved: other lines come after the position
rounds.py expect FIRST COUNT         what the tables hold in the end: TABLE and the row as JSON, sorted

Each seed has two tables of its own, a and b. Some of them change behind the log's back; the stream goes up to a boundary, and these
tables are read: in attempts that break off anywhere, but for the last one, while the source goes on. Then the log goes on after the
boundary, without the changes that the last attempt has seen of the tables that it read. All attempts of a read have one seq."""
import json
import os
import random
import sys

KEYS = 7


class Pipeline:
    def __init__(self, seed, begin):
        """begin(lost) begins a file, and returns what takes its lines."""
        self.random, self.seed, self.begin = random.Random(seed), seed, begin
        self.emit = begin(False)
        self.tables = {"a%d" % seed: {}, "b%d" % seed: {}}
        self.clock = self.seq = seed * 100000
        self.value = 0
        self.waiting = []  # transactions that the stream has not come to: seq, changes

    def line(self, op, table, pos, members):
        source = {"connector": "postgresql", "name": "n", "db": "d", "schema": "s"}
        if table:
            source["table"] = table
        self.emit({"op": op, "pos": pos, "seq": self.seq, "ts_ms": 1, "source": source, **members})

    def schema(self, table, pos, **members):
        columns = [{"name": c, "type": t, "nullable": True, "generated": False} for c, t in (("k", "integer"), ("v", "text"))]
        self.line("schema", table, pos, {"columns": columns, "key_columns": ["k"], **members})

    # -- what happens at the source

    def new_value(self):
        self.value += 1
        return "%d.%d" % (self.seed, self.value)

    def happen(self):
        """A transaction."""
        changes = []
        for _ in range(self.random.randrange(1, 5)):
            name = self.random.choice(sorted(self.tables))
            rows, free = self.tables[name], [k for k in range(KEYS) if k not in self.tables[name]]
            key = self.random.choice(sorted(rows)) if rows else None
            what = self.random.random()
            if key is None or (what < .3 and free):
                key = self.random.choice(free)
                rows[key] = self.new_value()
                changes.append((name, "c", None, key, rows[key]))
            elif what < .6:
                del rows[key]
                changes.append((name, "d", key, None, None))
            elif what < .8 and free:
                moved = self.random.choice(free)
                del rows[key]
                rows[moved] = self.new_value()
                changes.append((name, "u", key, moved, rows[moved]))
            else:
                rows[key] = self.new_value()
                changes.append((name, "u", None, key, rows[key]))
        self.clock += 10
        self.waiting.append((self.clock, changes))

    def much_happens(self, most):
        for _ in range(self.random.randrange(most + 1)):
            self.happen()

    def change_in_silence(self, name):
        rows = self.tables[name]
        for key in range(KEYS):
            what = self.random.random()
            if what < .4:
                rows.pop(key, None)
            elif what < .55 or key in rows:
                rows[key] = self.new_value()

    # -- what is written

    def stream(self, transactions, without=()):
        """Their lines, without the changes of these tables."""
        for self.seq, changes in transactions:
            for n, (table, op, old, key, value) in enumerate(changes):
                if table in without:
                    continue
                row = None if key is None else {"k": key, "v": value}
                before = None if old is None else {"k": old}
                self.line(op, table, "%09d.1.%03d" % (self.seq, n), {"key": {"k": key if key is not None else old}, "before": before,
                                                                    "after": row})
            self.line("commit", None, "%09d.9" % self.seq, {"events": 1})

    def attempt(self, number, tables):
        """The lines of one attempt: all of them."""
        lines, emit = [], self.emit
        self.emit = lines.append
        at = iter(range(1000))
        pos = lambda: "%09d.0.r%04d.%03d" % (self.seq, number, next(at))
        for table in tables:
            self.line("t", table, pos(), {"read": "begin"})
            self.schema(table, pos())
            for key, value in sorted(self.tables[table].items()):
                self.line("r", table, pos(), {"key": {"k": key}, "before": None, "after": {"k": key, "v": value}})
                if self.random.random() < .3:
                    self.line("commit", None, pos(), {"events": 1})
            self.schema(table, pos(), read="end")
            self.line("commit", None, pos(), {"events": 1})
        self.emit = emit
        return lines

    def lose(self, write):
        """What write() writes is sent, and not confirmed."""
        seq, self.emit = self.seq, self.begin(True)
        write()
        self.seq, self.emit = seq, self.begin(False)

    def lost_attempt(self, number, stale):
        for line in self.attempt(number, stale):
            self.emit(line)
        seen = len(self.waiting)
        self.much_happens(4)
        self.stream(self.waiting[:seen], without=stale)
        self.stream(self.waiting[seen:])

    def read_again(self):
        stale = [t for t in sorted(self.tables) if self.random.random() < .6] or [min(self.tables)]
        for table in stale:
            self.change_in_silence(table)
        self.seq += 1
        self.line("heartbeat", None, "%09d.0.h" % self.seq, {})
        self.much_happens(3)
        if self.random.random() < .5:
            self.lose(lambda: self.stream(self.waiting))
        number = 1
        while self.random.random() < .65:
            if self.random.random() < .4:
                self.lose(lambda: self.lost_attempt(number, stale))
            else:
                lines = self.attempt(number, stale)
                for line in lines[: self.random.randrange(len(lines))]:
                    self.emit(line)
            self.much_happens(4)
            number += 1
        for line in self.attempt(number, stale):
            self.emit(line)
        self.stream(self.waiting, without=stale)
        self.waiting = []

    def log(self):
        self.much_happens(4)
        self.stream(self.waiting)
        self.waiting = []

    def run(self):
        for table in sorted(self.tables):
            self.schema(table, "%09d.0" % self.seq)
        for _ in range(3):
            self.log()
            self.read_again()
        self.log()


def main():
    what, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    files, state = [], []

    def begin(lost):
        files.append((lost, []))
        return files[-1][1].append

    for seed in range(first, first + count):
        pipeline = Pipeline(seed, begin)
        pipeline.run()
        state += [(t, json.dumps({"k": k, "v": v}, sort_keys=True)) for t, rows in pipeline.tables.items() for k, v in rows.items()]
    if what == "lines":
        for n, (lost, lines) in enumerate(files):
            with open(os.path.join(sys.argv[4], "%04d%s" % (n, ".lost" if lost else "")), "w", encoding="ascii") as file:
                for line in lines:
                    file.write(json.dumps(line, separators=(",", ":")) + "\n")
    else:
        for table, row in sorted(state):
            print(table, row)


main()
