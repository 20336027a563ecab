#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""many_tables.py SEED: lines for a sink, of a source that makes hundreds of tables, mostly in a row, and now and then does something else to one of those that are
there: rows, another form, a truncate, a read again. On stdout."""
import json
import random
import sys


class Source:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tables = {}  # name: (columns, ids)
        self.pos = self.seq = self.events = 0

    def line(self, op, table, **members):
        self.pos += 1
        source = {"connector": "postgresql", "name": "s", "db": "d", "schema": "public", "ts_ms": 1, "txId": 1, "lsn": 1, "snapshot": "false"}
        if table:
            source["table"] = table
        print(json.dumps({"op": op, "pos": "%012d" % self.pos, "seq": self.seq, "ts_ms": 1, "source": source, **members}, separators=(",", ":")))

    def schema(self, name, **members):
        columns = [{"name": c, "type": "integer" if c == "id" else "text", "nullable": c != "id", "generated": False} for c in self.tables[name][0]]
        self.line("schema", name, columns=columns, key_columns=["id"], **members)

    def row(self, name, op, number):
        columns = self.tables[name][0]
        after = {c: number if c == "id" else "%s %d" % (c, self.random.randrange(9)) for c in columns}
        if op == "d":
            self.line("d", name, key={"id": number}, before={"id": number}, after=None)
        else:
            self.line(op, name, key={"id": number}, before=None, after=after)
        self.events += 1

    def new_table(self):
        n = len(self.tables)
        name = self.random.choice(["t%d", "T %d", 'q"%d', "it's %d"]) % n
        self.tables[name] = (["id", "a"] if self.random.random() < 0.8 else ["id"], {1})
        self.schema(name)
        if self.random.random() < 0.9:
            self.row(name, "c", 1)
        else:
            self.tables[name][1].clear()

    def change(self, name):
        columns, ids = self.tables[name]
        kind = self.random.randrange(10)
        if kind < 6:
            if ids and kind < 2:
                self.row(name, "d", ids.pop())
            else:
                number = self.random.randrange(5)
                self.row(name, "u" if number in ids else "c", number)
                ids.add(number)
        elif kind == 6:
            columns.append("c%d" % len(columns))
            self.schema(name)
            self.row(name, "c", 7)
            ids.add(7)
        elif kind == 7:
            self.line("t", name)
            ids.clear()
            self.events += 1
        else:
            self.line("t", name, read="begin")
            self.schema(name)
            self.row(name, "r", 3)
            self.schema(name, read="end")
            ids.clear()
            ids.add(3)

    def transaction(self):
        self.seq += 1
        self.events = 0
        burst = self.random.choice([0, 1, 3, 50, 260, 450])
        for i in range(burst):
            self.new_table()
            if self.random.random() < 0.002:
                self.change(self.random.choice(list(self.tables)))
        for i in range(self.random.randrange(4)):
            if self.tables:
                self.change(self.random.choice(list(self.tables)))
        self.line("commit", None, events=self.events)


def main():
    source = Source(int(sys.argv[1]))
    for _ in range(8):
        source.transaction()


main()
