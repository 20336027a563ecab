#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Options of cdc-filter together, against the filter itself: a copy made of a log is the copy made of a snapshot of its end.

combined.py SEED FOLDER    random changes of three tables, and random options that a copy may stand behind. Both streams go through the
                           filter, with --encrypt through --decrypt as well, and into SQLite; the two databases must be the same, each
                           line true to the schema line before it, and a masked text nowhere. Prints what differs, and exits 1.

Not in it: what is no copy (--outbox, --unwrap), which has tests of its own."""
import json
import os
import random
import sqlite3
import subprocess
import sys

SECRET = "S3CR3T"
ORDERS = ([("no", "integer"), ("id", "text"), ("total", "numeric"), ("note", "text"), ("at", "timestamp without time zone")], ["no", "id"])
USERS = [("id", "bigint"), ("email", "character varying(80)"), ("card", "text"), ("n", "numeric(12,2)"), ("doc", "jsonb"), ('re"gi.on', "text"), ("ok", "boolean"), ("big", "text")]
TABLES = {"public.users": (USERS, ["id"]), "shop1.orders": ORDERS, "shop2.orders": ORDERS}
JSON_NULL = object()
DOCS = [{"a": 1}, {"a": {"b": [1, "x", None]}, "c": "é"}, [], {}, "text", 5, [1, {"z": None}], {'q"': 1}, JSON_NULL]
VALUES = {"no": [1, 2, 3], "n": ["1.50", "99.00", "-3.25", "1000000.01", "0"], "total": ["1.50", "99.00", "-3.25", "0"], "doc": DOCS,
          're"gi.on': ["EU", "US", "as\u2028ia", "😀"], "ok": [True, False], "big": ["x" * 20, "y" * 20], "note": ["n1", "n2\n", "", "it's"],
          "at": ["2026-01-01T00:00:00", "2026-06-01T12:30:00.5"]}


def value(r, column, kind, key):
    if column not in key and r.random() < 0.15:
        return None
    if column == "id":
        return r.randint(1, 7) if kind == "bigint" else r.choice(["a", "b", 'ä"', "d\\", "2"])
    if column == "email":
        return f"{SECRET}{r.choice('abcd')}@x{r.randint(0, 99)}.org"
    if column == "card":
        return "".join(r.choice("0123456789") for _ in range(16))
    return r.choice(VALUES[column])


class Stream:
    """The lines of a log, and the rows that it ends with."""

    def __init__(self, r, whole, omits):
        self.r, self.whole, self.omits = r, whole, omits  # whole: old rows are; omits: so are columns that stay
        self.seq, self.pos, self.lines = 100, 0, []
        self.rows = {table: {} for table in TABLES}

    def add(self, op, table, members):
        self.pos += 1
        source = {"connector": "postgresql", "name": "n", "db": "d", "ts_ms": 1, "txId": 5, "lsn": self.seq, "snapshot": "false"}
        if table:
            source["schema"], source["table"] = table.split(".")
        pos = f"{self.seq:08}.{self.pos if table else 99999999:08}"
        line = {"op": op, "pos": pos, "seq": self.seq, "ts_ms": 1, "source": source, **members}
        self.lines.append(json.dumps(line, ensure_ascii=self.r.random() < 0.3, separators=(",", ":")))

    def schema(self, table):
        columns, key = TABLES[table]
        self.add("schema", table, {"columns": [{"name": name, "type": kind, "nullable": name not in key, "generated": False} for name, kind in columns],
                                   "key_columns": key})

    def commit(self):
        self.add("commit", None, {"events": 1})
        self.seq, self.pos = self.seq + 10, 0

    def change(self, op, table, old, new, omitted=()):
        key = TABLES[table][1]
        members = {"key": {name: (new or old)[name] for name in key}, "before": None, "after": None}
        if old and (self.whole or new is None or any(old[name] != new[name] for name in key)):
            members["before"] = {name: None if v is JSON_NULL else v for name, v in old.items() if self.whole or name in key}
        if new:
            members["after"] = {name: None if v is JSON_NULL else v for name, v in new.items() if name not in omitted}
        if omitted:
            members["unchanged"] = list(omitted)
        for member, row in (("json_null", new or old), ("json_null_old", old if new else None)):
            carried = members["before"] if row is old else members["after"]
            names = [name for name, v in (row or {}).items() if v is JSON_NULL and name in (carried or {})]
            if names:
                members[member] = names
        self.add(op, table, members)

    def update(self, table):
        r, rows, (columns, key) = self.r, self.rows[table], TABLES[table]
        at = r.choice(list(rows))
        old = rows[at]
        new = {name: value(r, name, kind, key) if r.random() < (0.15 if name in key else 0.4) else old[name] for name, kind in columns}
        to = tuple(new[name] for name in key)
        if to != at and to in rows:
            return
        stays = self.omits and new.get("big") is not None and new["big"] == old["big"]
        del rows[at]
        rows[to] = new
        self.change("u", table, old, new, ["big"] if stays and r.random() < 0.5 else ())

    def step(self):
        r, table = self.r, self.r.choice(list(TABLES))
        rows, (columns, key) = self.rows[table], TABLES[table]
        what = r.random()
        if what < 0.02:
            self.add("t", table, {})
            rows.clear()
        elif what < 0.45 or not rows:
            new = {name: value(r, name, kind, key) for name, kind in columns}
            at = tuple(new[name] for name in key)
            if at not in rows:
                rows[at] = new
                self.change("c", table, None, new)
        elif what < 0.85:
            self.update(table)
        else:
            self.change("d", table, rows.pop(r.choice(list(rows))), None)
        if r.random() < 0.25:
            self.commit()
        if r.random() < 0.03:
            self.schema(table)

    def run(self, steps):
        for table in TABLES:
            self.schema(table)
        for _ in range(steps):
            self.step()
        self.commit()

    def snapshot(self):
        other = Stream(self.r, self.whole, False)
        for table, rows in self.rows.items():
            other.schema(table)
            for row in rows.values():
                other.change("r", table, None, row)
        other.commit()
        return other.lines


def options(r, whole, folder):
    """Options, and whether the secret may leave."""
    chosen, open_ = [], True
    key = ["--mask-key", f"{folder}/key"]

    def maybe(share, *which):
        picked = r.choice(which) if r.random() < share else []
        chosen.extend(picked)
        return picked

    if whole:
        maybe(0.5, *[["--where", f"users:{text}"] for text in ("n > 5", '"re""gi.on" = \'EU\'', "ok", "email like '%c@%' or n is null", "doc ->> '$.a' is not null")])
        maybe(0.3, ["--where", "orders:total >= 1.5"], ["--where", "orders:note = 'n1'"], ["--where", "shop1.orders:at > '2026-02-01'"])
    maybe(0.3, *[["--set", text] for text in ("users:n = n * 2", "users:card = NULL", "orders:note = id || note", "users:ok = not ok")])
    maybe(0.3, *[["--add", text] for text in ("users:net = n + 1", 'users:dup = "re""gi.on"', "orders:x text = note || '!'", "users:three = 3")])
    if whole and r.random() < 0.25:
        chosen.extend(["--encrypt", "users:email,doc", "--subject", "users:id", "--key-store", f"{folder}/keys"])
        maybe(0.3, ["--sample", "users:50%"])
        return chosen, False
    if maybe(0.5, *[["--mask", f"users:email={kind}"] for kind in ("null", "redact")], ["--mask", "users:email=hash", *key], ["--drop-columns", "users:email"]):
        open_ = False
    maybe(0.3, ["--tokenize", "users:card", *key])
    maybe(0.25, ["--mask", "users:id=hash", *key])
    maybe(0.2, ["--mask", "orders:id=hash", *key])
    added = "--add" in chosen
    if whole and not added and maybe(0.2, ["--only", "users:id,email,card,n,doc", "--only", "orders:no,id,total"]) == []:
        maybe(0.2, ["--drop-columns", "orders:at"])
    maybe(0.25, ["--sample", "users:50%"])
    if whole:
        maybe(0.3, ["--flatten", "users:doc"])
    chosen.extend(r.choice([["--route", "shop*.orders=all.orders"], ["-T", "shop2.orders"], ["--rename", "shop2.orders=shop2.orders2"]]))
    maybe(0.2, ["--rename-column", 'users:card=c"ard'])
    return chosen, open_


def tool(name, *arguments, text=b""):
    done = subprocess.run([name, *arguments], input=text, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def check_line(line, known):
    """A row has the columns of the schema line before it, and the key's values are the row's."""
    event, of = json.loads(line), lambda e: (e["source"]["schema"], e["source"]["table"])
    if event["op"] == "schema":
        names = [column["name"] for column in event["columns"]]
        known[of(event)] = names, event["key_columns"]
        return len(set(names)) == len(names) and set(event["key_columns"]) <= set(names)
    if event["op"] not in ("r", "c", "u", "d"):
        return True
    names, key = known[of(event)]
    before, after, omitted = event["before"] or {}, event["after"] or {}, set(event.get("unchanged", []))
    row = after or before
    good = set(event["key"]) == set(key) and set(before) <= set(names) and set(after) <= set(names) and all(row[name] == event["key"][name] for name in key)
    good = good and all(row[name] is None for name in event.get("json_null", [])) and all(before[name] is None for name in event.get("json_null_old", []))
    # What --flatten makes is there where the row has it.
    lacking = {name for name in set(names) - set(after) if not name.startswith("doc")}
    return good and (not after or lacking == {name for name in omitted if not name.startswith("doc")})


def same_json(cell):
    try:
        return json.dumps(json.loads(cell)) if isinstance(cell, str) and cell[:1] in '{["' else cell
    except ValueError:
        return cell


def content(path):
    database, tables = sqlite3.connect(path), {}
    for (name,) in database.execute("select name from sqlite_master where type = 'table' and name not like 'cdc_%'").fetchall():
        rows = database.execute(f'select * from "{name}"')
        names = [column[0] for column in rows.description]
        # A column that no row has any more is in one of the two.
        all_rows = sorted(repr(sorted((n, same_json(v)) for n, v in zip(names, row) if v is not None)) for row in rows)
        if all_rows:
            tables[name] = all_rows
    return tables


def copy(lines, chosen, folder, name, secret_leaves):
    """The content of a copy; None: the log has not what the options need. Exits with what is wrong."""
    status, out, messages = tool("cdc-filter", *chosen, text=("\n".join(lines) + "\n").encode())
    if status == 78 and "REPLICA IDENTITY FULL" in messages:
        return None
    if status != 0:
        sys.exit(f"{name}: the filter ended with {status}: {messages}")
    known = {}
    for line in out.decode().split("\n"):
        if line and not check_line(line, known):
            sys.exit(f"{name}: not as its schema line says, or its key: {line}")
    if not secret_leaves and SECRET in out.decode() + messages:
        sys.exit(f"{name}: a masked value left")
    if "--encrypt" in chosen:
        status, out, messages = tool("cdc-filter", "--decrypt", "--key-store", f"{folder}/keys", text=out)
    if status == 0:
        status, _, messages = tool("cdc-sink-sqlite", "--table-name", "{schema}_{table}", f"{folder}/{name}.db", text=out)
    if status != 0:
        sys.exit(f"{name}: ended with {status}: {messages}")
    return content(f"{folder}/{name}.db")


def main():
    r, folder = random.Random(int(sys.argv[1])), sys.argv[2]
    os.makedirs(folder)
    with open(os.open(f"{folder}/key", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write("ab" * 32 + "\n")
    tool("cdc-filter", "--make-key-store", f"{folder}/keys")
    stream = Stream(r, r.random() < 0.7, r.random() < 0.4)
    chosen, secret_leaves = options(r, stream.whole, folder)
    stream.run(r.randint(10, 120))
    print(" ".join(chosen))
    of_log = copy(stream.lines, chosen, folder, "log", secret_leaves)
    of_end = copy(stream.snapshot(), chosen, folder, "end", secret_leaves)
    if of_log is not None and of_log != of_end:
        sys.exit(f"of the log: {of_log}\nof its end: {of_end}")


main()
