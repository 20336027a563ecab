#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random changes as lines of cdc-event(5): log-changes.py SEED COMMITS [FIRST [reads]]

Of the sources a and b, each with the tables keyed (values of columns are omitted as unchanged), swapped (its rows exchange
their keys) and unkeyed: inserts, updates, deletes, other keys, truncates, tables that are read again. The same seed gives the same
lines; FIRST leaves out the commits before that. With reads, tables are read again often, over several commits, with the log going on
meanwhile or not, and some reads break off and begin anew."""
import json
import random
import sys

KEYS = {"keyed": ["id"], "swapped": ["id"], "unkeyed": []}
TYPES = {"id": "integer", "name": "text", "photo": "text", "doc": "jsonb"}


class Source:
    def __init__(self, name, rng):
        self.name, self.rng = name, rng
        self.rows = {table: {} for table in KEYS}  # number -> row
        self.number, self.transaction, self.ordinal, self.events = 0, 0, 0, 0
        self.lines = []
        self.described = False

    def line(self, op, table, **members):
        self.ordinal += 1
        source = {"connector": "postgresql", "name": self.name, "db": "shop"}
        if table:
            source.update(schema="public", table=table)
        else:
            source.update(system_id="1")
        self.lines.append({"op": op, "pos": f"{self.transaction:016X}.{self.ordinal:010X}.1", "seq": self.transaction, "ts_ms": 1, "source": source, **members})
        self.events += op in ("r", "c", "u", "d", "t")

    def schema(self, table, **members):
        columns = [{"name": name, "type": kind, "nullable": True, "generated": False} for name, kind in TYPES.items()]
        self.line("schema", table, columns=columns, key_columns=KEYS[table], **members)

    def row_line(self, op, table, old, new):
        members, row = {}, dict(new or old)
        if KEYS[table]:
            members["key"] = {"id": row["id"]}
        nulls = [name for name in ("doc",) if row[name] == "null"]
        shown = lambda values: values and {k: None if v == "null" else v for k, v in values.items()}
        before, after = dict(old) if old else None, dict(new) if new else None
        if table == "keyed" and before and after:
            omitted = [c for c in ("photo", "doc") if before[c] == after[c] and self.rng.random() < 0.7]
            for name in omitted:
                del after[name]
            if omitted:
                members["unchanged"] = omitted
            before = {"id": before["id"]} if before["id"] != after["id"] else None
            nulls = [n for n in nulls if n in after]
        elif table == "keyed" and before:
            before, nulls = {"id": before["id"]}, []
        if nulls:
            members["json_null"] = nulls
        if before and after and before.get("doc") == "null":
            members["json_null_old"] = ["doc"]
        self.line(op, table, **({"key": members.pop("key")} if "key" in members else {}), before=shown(before), after=shown(after), **members)

    def value(self):
        return self.rng.choice([None, "x", "zażółć", "a\"b", "long " * self.rng.randint(1, 30)])

    def new_row(self, key):
        return {"id": key, "name": self.value(), "photo": self.value(), "doc": self.rng.choice([None, "null", {"a": 1}])}

    def change(self):
        table = self.rng.choice(list(KEYS))
        rows, rng = self.rows[table], self.rng
        taken = {row["id"] for row in rows.values()}
        free = [key for key in range(1, 40) if key not in taken] or [40 + self.number]
        what = rng.random()
        if what < 0.01:
            self.line("t", table)
            rows.clear()
        elif what < 0.02:
            self.read_again(table)
        elif what < 0.4 or not rows:
            self.number += 1
            rows[self.number] = self.new_row(rng.choice(free))
            self.row_line("c", table, None, rows[self.number])
        elif what < 0.55:
            self.row_line("d", table, rows.pop(rng.choice(list(rows))), None)
        elif what < 0.6 and table == "swapped" and len(rows) > 2:
            self.shuffle(table)
        else:
            number = rng.choice(list(rows))
            old, new = rows[number], dict(rows[number])
            for column in rng.sample(["name", "photo", "doc"], 2):
                new[column] = self.new_row(0)[column]
            if rng.random() < 0.2:
                new["id"] = rng.choice(free)
            rows[number] = new
            self.row_line("u", table, old, new)

    def shuffle(self, table):
        rows = self.rows[table]
        numbers = list(rows)
        keys = [rows[number]["id"] for number in numbers]
        for number, key in zip(numbers, keys[1:] + keys[:1]):
            old = rows[number]
            rows[number] = {**old, "id": key}
            self.row_line("u", table, old, rows[number])

    def read_again(self, table):
        rows = self.rows[table]
        for number in list(rows):  # changes that no line tells
            if self.rng.random() < 0.3:
                del rows[number]
        self.line("t", table, read="begin")
        self.schema(table)
        for row in rows.values():
            self.row_line("r", table, None, row)
        self.schema(table, read="end")

    def commit(self):
        self.transaction += 1
        self.ordinal = self.events = 0
        if not self.described:
            for table in KEYS:
                self.schema(table)
        self.described = True
        for _ in range(self.rng.randint(0, 12)):
            self.change()
        self.line("commit", None, events=self.events)


class Rereading(Source):
    """One table at a time, by its keys in their order: up to `reached` its rows are in the lines."""

    def __init__(self, name, rng):
        super().__init__(name, rng)
        self.read, self.live, self.reached, self.since, self.row = None, False, 0, 0, None

    def begin_read(self, table, live):
        rows = self.rows[table]
        for number in list(rows):  # changes that no line tells
            what = self.rng.random()
            if what < 0.2:
                del rows[number]
            elif what < 0.4:
                rows[number] = self.new_row(rows[number]["id"])
        if not self.read or self.live or live:
            self.since = self.transaction
        self.read, self.live, self.reached = table, live, 0
        self.line("t", table, read="live" if live else "begin")
        self.schema(table)

    def read_on(self):
        table = self.read
        to_come = lambda: sorted(row["id"] for row in self.rows[table].values() if row["id"] > self.reached)
        for key in to_come()[: self.rng.randint(1, 6)]:
            self.row_line("r", table, None, next(row for row in self.rows[table].values() if row["id"] == key))
            self.reached = key
        if not to_come() and self.rng.random() < 0.7:
            self.schema(table, read="end", **({"since": self.since} if self.live else {}))
            self.read = None
        elif self.rng.random() < 0.1:
            self.begin_read(table, self.live if self.rng.random() < 0.7 else not self.live)

    def read_again(self, table):
        if not self.read:
            super().read_again(table)

    def row_line(self, op, table, old, new):
        self.row = new
        super().row_line(op, table, old, new)

    def line(self, op, table, **members):
        if self.read and self.live and table == self.read and op in ("c", "u", "d"):
            self.line_of_read(op, table, members)
        else:
            super().line(op, table, **members)
        if self.read and not self.live and self.lines:
            self.lines[-1]["seq"] = self.since

    def line_of_read(self, op, table, members):
        """What was not read yet is left out."""
        key = members.get("key", {}).get("id")
        old = (members["before"] or {}).get("id", key)
        there, was_there = key <= self.reached, old <= self.reached
        if op == "u" and was_there and not there:
            super().line("d", table, key={"id": old}, before={"id": old} if table == "keyed" else members["before"], after=None)
        elif op == "u" and there and not was_there:
            nulls = {"json_null": ["doc"]} if self.row["doc"] == "null" else {}
            super().line("c", table, key={"id": key}, before=None, after={k: None if v == "null" else v for k, v in self.row.items()}, **nulls)
        elif there:
            super().line(op, table, **members)

    def commit(self):
        if not self.described or (self.read is None and self.rng.random() < 0.5):
            super().commit()
            return
        self.transaction += 1
        self.ordinal = self.events = 0
        if self.read is None:
            self.begin_read(self.rng.choice(["keyed", "keyed", "swapped"]), self.rng.random() < 0.6)
        elif not self.live:
            self.read_on()
        else:
            for _ in range(self.rng.randint(0, 12)):
                if self.read and self.live and self.rng.random() < 0.4:
                    self.read_on()
                elif self.read is None or self.live:
                    self.change()
        self.line("commit", None, events=self.events)


def main():
    rng = random.Random(int(sys.argv[1]))
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    kind = Rereading if sys.argv[4:] == ["reads"] else Source
    sources = [kind("a", rng), kind("b", rng)]
    for i in range(int(sys.argv[2])):
        source = sources[rng.random() < 0.2]
        source.commit()
        if i >= first:
            for line in source.lines:
                print(json.dumps(line, separators=(",", ":"), ensure_ascii=False))
        source.lines = []


main()
