#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random changes of two tables of PostgreSQL, and tables of rows compared.

kafka_foreign.py sql SEED N        N transactions as SQL, for the tables of tests/kafka-foreign.bats
kafka_foreign.py same WANT GOT     two files of rows, a JSON object a line in any order; exit 1 and what differs
kafka_foreign.py console VALUE     what the console consumer printed (partition, headers, key, value) to the rows of the table in
                                   the end; VALUE is line or debezium
kafka_foreign.py values            KEY <tab> VALUE, a line for each key, to the rows of the table; the key must be that row's"""
import json
import random
import sys

TEXTS = ["", "plain", "Zoë Straße", "日本語", "🦀 crab", "it's", 'a "quote" and \\ back', "tab\tand\nline", "\u0001\u007f", "null", "NULL", "1e400", "  "]
BIGS = [0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
DECIMALS = ["0", "0.1", "-12345678901234567890.123456789", "99999999999999999999999999999999999999", "1.10", "1e-20"]
FLOATS = ["0.1", "1e300", "-2.5", "5e-324", "123456789.125", "1e15"]


class Changes:
    def __init__(self, seed):
        self.rand = random.Random(seed)
        self.keys = {"a": [], "b": []}

    def text(self):
        r = self.rand
        return r.choice(TEXTS) if r.random() < 0.7 else "".join(chr(r.choice((65, 0xE9, 0x4E2D, 0x1F600)) + r.randrange(20)) for _ in range(5))

    def key(self, table):
        r = self.rand
        number = r.choice(BIGS) if r.random() < 0.3 else r.randrange(-500, 500)
        return number, self.text()

    def value(self, column):
        r = self.rand
        if r.random() < 0.2:
            return "null"
        return {
            "n": lambda: r.choice(DECIMALS),
            "big": lambda: f"'{r.choice(BIGS)}'::bigint",
            "f": lambda: f"'{r.choice(FLOATS)}'::float8",
            "t": lambda: quoted(self.text()),
            "d": lambda: r.choice(("'2026-02-28 23:59:59.999999+00'", "'1969-12-31 23:59:59+00'", "'9999-12-31 00:00:00+00'")),
            "j": lambda: quoted(json.dumps({"k": self.text(), "n": [r.choice(BIGS), None, {}]})),
            "b": lambda: r.choice((r"'\x'", r"'\x00ff10'", r"'\xfffe'")),
            "ok": lambda: r.choice(("true", "false")),
            # Random, or it would be compressed and never be stored apart.
            "wide": lambda: quoted("".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789é中") for _ in range(r.choice((3, 9000))))),
        }[column]()

    def statement(self):
        r = self.rand
        table = r.choice("ab")
        keys = self.keys[table]
        columns = ["n", "big", "f", "t", "d", "j", "b", "ok"] + ["wide"] * (table == "b")
        kind = r.random()
        if not keys or kind < 0.4:
            key = self.key(table)
            if key in keys:
                return f"delete from {table} where {where(keys.pop(keys.index(key)))}"
            keys.append(key)
            values = ", ".join(self.value(column) for column in columns)
            return f"insert into {table} (id, part, {', '.join(columns)}) values ({key[0]}, {quoted(key[1])}, {values})"
        at = r.randrange(len(keys))
        old = keys[at]
        if kind < 0.55:
            return f"delete from {table} where {where(keys.pop(at))}"
        column = r.choice(columns)
        change = f"{column} = {self.value(column)}"
        if kind < 0.75:
            key = self.key(table)
            if key not in keys:
                keys[at] = key
                change += f", id = {key[0]}, part = {quoted(key[1])}"
                # What the log does not carry is in no line: with the default identity a row that moves brings its wide value along.
                if table == "b":
                    change = f"id = {key[0]}, part = {quoted(key[1])}, wide = {self.value('wide')}"
        return f"update {table} set {change} where {where(old)}"

    def transaction(self):
        keys = {table: list(all) for table, all in self.keys.items()}
        statements = ["begin"] + [self.statement() for _ in range(self.rand.choice((1, 1, 3, 10)))]
        if self.rand.random() < 0.1:
            self.keys = keys
            return statements + ["rollback"]
        return statements + ["commit"]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def where(key):
    return f"id = {key[0]} and part = {quoted(key[1])}"


def canonical(row):
    # In Debezium's form json is text.
    if isinstance(row.get("j"), str):
        row = row | {"j": json.loads(row["j"])}
    return json.dumps(row, sort_keys=True, ensure_ascii=False)


def same(want, got):
    want, got = (sorted(canonical(json.loads(line)) for line in open(path, encoding="utf-8")) for path in (want, got))
    for sign, ours, theirs in (("-", want, got), ("+", got, want)):
        for row in sorted(set(ours) - set(theirs))[:10]:
            print(sign, row)
    if want != got:
        sys.exit(f"{len(want)} rows wanted, {len(got)} there")


def merged(old, new):
    return {name: (old or {}).get(name, "?") if value == "__debezium_unavailable_value" else value for name, value in new.items()}


def console(kind):
    rows = {}
    for text in sys.stdin.buffer.read().decode().split("\n"):
        if not text:
            continue
        partition, headers, key, value = text.split("\t")
        headers = headers.split(",") if headers != "NO_HEADERS" else []
        assert partition.startswith("Partition:"), partition
        if value == "NULL":
            assert any(header.startswith("cdc.pos:") for header in headers), f"a tombstone without a position: {headers}"
            rows.pop(key, None)
            continue
        event = json.loads(value)
        if kind == "line":
            assert event["key"] == json.loads(key), f"the key {key} of {value}"
        after = event["after"]
        if after is None:
            rows.pop(key, None)
            continue
        for name in event.get("unchanged", []):
            after[name] = "__debezium_unavailable_value"
        rows[key] = merged(rows.get(key), after)
    for row in rows.values():
        print(canonical(row))


def values():
    for text in sys.stdin.buffer.read().decode().split("\n"):
        if text:
            key, value = text.split("\t")
            row = json.loads(value)["after"]
            assert all(row[name] == part for name, part in json.loads(key).items()), text
            print(canonical(row))


def main():
    what, words = sys.argv[1], sys.argv[2:]
    if what == "sql":
        changes = Changes(int(words[0]))
        for _ in range(int(words[1])):
            print(";\n".join(changes.transaction()) + ";")
    else:
        {"same": same, "console": console, "values": values}[what](*words)


main()
