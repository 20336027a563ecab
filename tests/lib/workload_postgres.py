#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tests/workload-postgres does with lines.

workload_postgres.py forward NOTES    a stage in the pipe: DROP TABLE and renames, which tests/lib/workload-postgres.sql tells as
  logical messages, become truncates of the table that is gone, so that a copy has none of its rows. The rest passes as it is.
  NOTES keeps what was said, for lines that are delivered again.
workload_postgres.py compare SNAPSHOT-LINES SNAPSHOT-DB TABLES TOUCH LINES [STREAM-DB]
  Folds LINES to the rows at the end and compares them, and those in STREAM-DB, with the snapshot. TABLES: schema.table and rows
  at the server, tab-separated. TOUCH gets the tables that differ and that DDL has changed; "-": they were logged again. Prints a
  line a table: the verdict, rows, name, an example of a difference; then figures.
workload_postgres.py same LINES LATE EXCLUDED
  Is each change the same in both, and each time that LINES has it, but for when it was written? Not of the tables in EXCLUDED.
  What a type was made of that was dropped since, the log does not tell: its values are the server's texts in LATE.
  Nor does it tell the key of a table with REPLICA IDENTITY FULL that was dropped since."""
import json
import os
import re
import sqlite3
import sys

from workload import columns_of, difference

PREFIX = "workload"


def note_of(line):
    """What the event triggers said in this line."""
    if '"op":"m"' not in line[:10]:
        return None
    event = json.loads(line)
    return json.loads(event["message"]["content"]) if event["message"]["prefix"] == PREFIX else None


class Names:
    """Names of tables by their OIDs, as the messages tell them."""

    def __init__(self):
        self.names, self.roots = {}, {}

    def take(self, note):
        """-> names of tables that are gone, names of tables whose rows changed without lines"""
        what, oid = note["what"], note.get("oid")
        if what == "failed":
            print(f"workload: event trigger: {note['why']}", file=sys.stderr)
            return [], []
        name = f"{note['schema']}.{note['table']}" if note["table"] else note["root"]
        if what == "drop":
            self.names.pop(oid, None)
            root = self.roots.pop(oid, None)
            return [name], [root] if root else []
        old = self.names.get(oid)
        self.names[oid] = name
        was = self.roots.get(oid)
        if note["root"] and note["root"] != name:
            self.roots[oid] = note["root"]
        else:
            self.roots.pop(oid, None)
        altered = [name for name in {name, was, note["root"]} if name] if what == "altered" else []
        if what == "altered":  # a partition that was detached has its rows without a line
            altered += [self.names[leaf] for leaf, root in self.roots.items() if root == name]
        return ([old], [name] + altered) if old and old != name else ([], altered)


def forward(notes):
    names, said = Names(), {}
    if os.path.exists(notes):
        with open(notes, encoding="utf-8") as file:
            for line in file:
                pos, note = json.loads(line)
                said[pos] = names.take(note)[0]
    with open(notes, "a", encoding="utf-8") as file:
        for line in sys.stdin:
            note = note_of(line) if line.endswith("\n") else None
            if note is None:
                sys.stdout.write(line)
                if line.startswith(('{"op":"commit"', '{"op":"heartbeat"')):
                    sys.stdout.flush()
                continue
            event = json.loads(line)
            if event["pos"] not in said:
                said[event["pos"]] = names.take(note)[0]
                file.write(json.dumps([event["pos"], note]) + "\n")
                file.flush()
            for name in said[event["pos"]]:
                event["op"] = "t"
                event.pop("message")
                schema, table = name.split(".", 1)
                event["source"].update(schema=schema, table=table)
                sys.stdout.write(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n")
                break


# -- folding ----------------------------------------------------------------

JSON_NULL = "\0JSON null"


def plain(value):
    return value if value is None or isinstance(value, (str, int)) else "\0" + json.dumps(value, sort_keys=True)


class Table:
    """Rows that are found by whatever columns a line names of them."""

    def __init__(self):
        self.rows, self.next, self.indexes, self.columns = {}, 0, {}, None
        self.altered, self.unmatched = False, 0

    def clear(self):
        self.rows, self.indexes = {}, {}

    def describe(self, columns):
        if columns != self.columns and self.rows:
            self.rows = {number: {c: row.get(c) for c in columns} for number, row in self.rows.items()}
            self.indexes = {}
        self.columns = columns

    def insert(self, row):
        self.next += 1
        self.rows[self.next] = row
        for columns, index in self.indexes.items():
            index.setdefault(tuple(row.get(c) for c in columns), set()).add(self.next)

    def take(self, part):
        """-> the row with these values, no longer here; None: there is none"""
        columns = tuple(part)
        if columns not in self.indexes:
            index = self.indexes[columns] = {}
            for number, row in self.rows.items():
                index.setdefault(tuple(row.get(c) for c in columns), set()).add(number)
        found = self.indexes[columns].get(tuple(part.values()))
        if not found:
            self.unmatched += not self.altered
            return None
        number = next(iter(found))
        row = self.rows.pop(number)
        for others, index in self.indexes.items():
            index[tuple(row.get(c) for c in others)].discard(number)
        return row


def image(values, nulls):
    return {c: JSON_NULL if c in nulls else plain(v) for c, v in values.items()}


class Fold:
    def __init__(self):
        self.tables, self.names, self.last, self.changes, self.again = {}, Names(), "", 0, 0

    def table(self, source):
        return self.tables.setdefault(f"{source['schema']}.{source['table']}", Table())

    def message(self, line):
        note = note_of(line)
        if note:
            gone, altered = self.names.take(note)
            for name in gone:
                self.tables[name] = Table()
            for name in altered:
                self.tables.setdefault(name, Table()).altered = True

    def line(self, line):
        event = json.loads(line, parse_float=lambda digits: "\0" + digits)
        op, pos = event["op"], event["pos"]
        if pos <= self.last:
            self.again += 1
            return
        self.last = pos
        if op == "m":
            self.message(line)
        elif op == "schema":
            self.table(event["source"]).describe([c["name"] for c in event["columns"]])
        elif op in ("r", "c", "u", "d", "t"):
            self.changes += 1
            self.change(op, event, self.table(event["source"]))

    @staticmethod
    def change(op, event, table):
        nulls = event.get("json_null", ())
        if op == "t":
            table.clear()
        old = None
        if op in ("u", "d"):
            before = event.get("before")
            part = image(before, nulls if op == "d" else event.get("json_null_old", ())) if before else image(event["key"], nulls)
            old = table.take(part)
        if op in ("r", "c", "u"):
            row = image(event["after"], nulls)
            for column in event.get("unchanged", ()):
                row[column] = old.get(column) if old else "\0unknown"
            table.insert(row)


def folded(path):
    fold = Fold()
    with open(path, encoding="utf-8") as file:
        for line in file:
            fold.line(line)
    return fold


def rows_that_differ(expected, actual):
    """-> an example, or None"""
    columns = expected.columns or []
    wanted, there = (sorted(repr([row.get(c) for c in columns]) for row in table.rows.values()) for table in (expected, actual))
    if wanted == there:
        return None
    known = set(there)
    absent = next((row for row in wanted if row not in known), "")
    known = set(wanted)
    extra = next((row for row in there if row not in known), "")
    return f"{len(wanted)} rows expected, {len(there)} in the lines; missing {absent[:200]}; left over {extra[:200]}"


def compare(snapshot_lines, snapshot_db, tables, touch, lines, stream_db=None):
    expected, actual, again = folded(snapshot_lines), folded(lines), []
    copies = [sqlite3.connect(path) for path in (stream_db, snapshot_db)] if stream_db else None
    for database in copies or ():
        database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    with open(tables, encoding="utf-8") as file:
        entries = [line.rstrip("\n").split("\t") for line in file]
    for name, count in entries:
        table, copy = expected.tables.get(name, Table()), actual.tables.get(name, Table())
        verdict = "equal"
        found = rows_that_differ(table, copy)
        if not found and copies and columns_of(copies[1], name):
            found = difference(*copies, name)
            found = found and f"SQLite: {found}"
        if len(table.rows) != int(count):
            verdict, found = "DIFFERENT", f"{count} rows at the server, {len(table.rows)} in the snapshot"
        elif found and copy.altered and touch != "-":
            again.append(name)
            continue
        elif found:
            verdict = "DIFFERENT"
        if verdict == "equal" and copy.unmatched:
            verdict, found = "UNMATCHED", f"{copy.unmatched} updates or deletes of rows that no line had brought"
        print(f"{verdict}\t{count}\t{name}\t{found or ''}")
    print(f"changes\t{actual.changes}\t\t{actual.again} delivered again")
    if touch != "-":
        with open(touch, "w", encoding="utf-8") as file:
            file.writelines(name + "\n" for name in again)


WRITTEN = re.compile(r'"ts_ms":\d+,')
CHANGE = re.compile(r'\{"op":"[cudtm]","pos":"([^"]+)"')
TABLE = re.compile(r'"schema":("[^,]*"),"table":("[^,]*"),"ts_ms"')


def changes_of(path, excluded):
    with open(path, encoding="utf-8") as file:
        for line in file:
            change = CHANGE.match(line)
            if not change:
                continue
            table = TABLE.search(line, 0, 1000)
            if not table or f"{json.loads(table[1])}.{json.loads(table[2])}" not in excluded:
                yield change[1], WRITTEN.sub("", line, 1)


MARKS = re.compile(r'[][(){}",\\\s]')


def letters(value, absent=""):
    """Of an array or a composite, the values in it, one after the other: the same ones that the server's text of it has."""
    if isinstance(value, dict):
        return "".join(letters(field) for field in value.values())
    if isinstance(value, list):
        return "".join(letters(element, "NULL") for element in value)
    return absent if value is None else {True: "t", False: "f"}[value] if isinstance(value, bool) else MARKS.sub("", value)


def is_retyped(value, other):
    """Is one of them the server's text, or has some, where the other has an object or an array, or a number?"""
    if value == other:
        return True
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(is_retyped, value, other))
    if isinstance(value, dict) and isinstance(other, dict):
        return list(value) == list(other) and all(map(is_retyped, value.values(), other.values()))
    return isinstance(value, str) != isinstance(other, str) and letters(value) == letters(other)


def same_but_for_types(line, other):
    """Of two lines of a change, only values in the rows may be others, and those only in form. With REPLICA IDENTITY FULL the log
    does not tell the primary key of a table that was dropped since: OTHER has none."""
    events = [json.loads(text, parse_float=str, parse_int=str) for text in (line, other)]
    key, others = (event.pop("key", None) for event in events)
    rows = [[event.pop(part, None) or {} for part in ("before", "after")] for event in events]
    same_key = is_retyped(key, others) if others else not key or key.items() <= (rows[0][1] or rows[0][0]).items()
    return events[0] == events[1] and same_key and all(map(is_retyped, *rows))


def same(lines, late, excluded_file):
    with open(excluded_file, encoding="utf-8") as file:
        excluded = set(file.read().split("\n"))
    there, found, retyped = dict(changes_of(late, excluded)), [], 0
    seen = set()
    for pos, line in changes_of(lines, excluded):
        seen.add(pos)
        other = there.get(pos)
        if other == line:
            continue
        if other and same_but_for_types(line, other):
            retyped += 1
        else:
            found.append((pos, line, other))
    found += [(pos, None, there[pos]) for pos in there if pos not in seen]
    for pos, line, other in found[:20]:
        print(f"DIFFERENT\t1\tlive: {str(line)[:300].strip()} late: {str(other)[:300].strip()}\t{pos}\tboth")
    print(f"both\t{len(there)}\t{len(found)}\t{retyped}")


if __name__ == "__main__":
    try:
        {"forward": forward, "compare": compare, "same": same}[sys.argv[1]](*sys.argv[2:])
    except BrokenPipeError:
        os._exit(74)  # the reader went away, and says itself why
