#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second opinion on cdc-filter's options for privacy.

privacy.py lines SEED            random lines of three tables, with values in every place that can have one
privacy.py model KEY OPTION...   what cdc-filter with these options (--only, --mask, --tokenize) makes of the lines on stdin; of a value
                                 that is tokenized a {"token": value}
privacy.py compare WANTED GOT    the lines say the same; tokens have the form of what they stand for, and no two values have one
privacy.py same WANTED GOT       the same lines, but for `nullable`, which encryption makes true"""
import fnmatch
import hashlib
import hmac
import json
import random
import re
import sys

KEPT = {"op", "pos", "seq", "ts_ms", "source"}
MEMBERS = {"r": {"key", "before", "after", "unchanged", "json_null", "json_null_old"}, "schema": {"columns", "key_columns", "read", "since"},
           "t": {"read", "except"}, "ddl": {"ddl", "db"}}
for name in "cud":
    MEMBERS[name] = MEMBERS["r"]
SOURCE = {"connector", "name", "db", "schema", "table", "ts_ms", "txId", "lsn", "snapshot"}


MARK = "\x01"  # before the digits of a number, as they stand in the text


def number(digits):
    return MARK + str(digits)


def load(line):
    return json.loads(line, parse_float=number, parse_int=number)


# -- lines ---------------------------------------------------------------------------------------

TABLES = {"users": (["id", "email", "card", "doc", "n"], ["id"]), "orders": (["no", "id", "email", "total"], ["no", "id"]), "log": (["id", "email"], [])}
ALPHABET = "abcXYZ0123456789 -@.éßЖ漢\"\\/\n\t😀"


def text(r, least=0, alphabet=ALPHABET):
    return "".join(r.choice(alphabet) for _ in range(r.randint(least, 14)))


def value(r, column, key):
    if column in ("id", "no"):
        return r.choice([r.randint(1, 9), str(r.randint(1, 9))]) if column == "id" else r.randint(10, 99)
    if not key and r.random() < 0.15:
        return None
    if column == "card":
        return "-".join(f"{r.randint(0, 9999):04}" for _ in range(4)) if r.random() < 0.7 else text(r, 8, "abcDEFG0123 -.é") + "abcde99"
    if column == "doc":
        return r.choice([{"a": [1, text(r)], "email": text(r)}, [], "null", True, 1, {"base64": "AAEC"}, text(r)])
    if column in ("total", "n"):
        return r.choice([r.randint(-10**9, 10**12), 1.5, f"{r.randint(0, 10**8)}.{r.randint(0, 99):02}"])
    return text(r)


def dump(r, thing):
    return json.dumps(thing, ensure_ascii=r.random() < 0.5, separators=r.choice([(",", ":"), (", ", " : ")]))


def write_line(r, thing):
    line = dump(r, thing)
    if thing["op"] in "cudr" and not thing.get("before") and r.random() < 0.2:  # what nobody knows, and a member that comes twice
        line = line[:-1] + "," + r.choice(['"old":{"email":"hidden"}', '"before":{"email":"hidden"},"before":null', '"x":["hidden"]']) + "}"
    print(line)


def schema_of(table, columns, keys):
    return {"columns": [{"name": c, "type": "text", "nullable": False, "generated": False} for c in columns], "key_columns": keys}


def row_lines(r, table, columns, keys):
    row = {c: value(r, c, c in keys) for c in columns}
    old = {c: value(r, c, c in keys) for c in columns}
    key = {c: row[c] for c in keys}
    op = r.choice("cudr")
    line = {}
    if keys or op in "cr":
        line["key"] = key if keys else None
    line["before"] = old if op == "u" and r.random() < 0.5 else {**row} if op == "d" else None
    line["after"] = None if op == "d" else row
    free = [c for c in columns if c not in keys and c != "id"]
    may_be_null = [c for c in free if c != "card"]  # JSON's null has no token
    if op == "u" and free and r.random() < 0.3:
        gone = r.choice(free)
        line["after"] = {c: v for c, v in row.items() if c != gone}
        if line["before"]:
            line["before"]["id"] = row["id"]
        line["unchanged"] = [gone]
    of_row = row if op == "d" else line["after"]
    nulls = [c for c in may_be_null if c in of_row and of_row[c] is None and r.random() < 0.5]
    if nulls:
        line["json_null"] = nulls
    if op == "u" and line["before"]:
        nulls = [c for c in may_be_null if line["before"][c] is None and r.random() < 0.5]
        if nulls:
            line["json_null_old"] = nulls
    if not keys and op in "ud":  # encrypted, it could not be found
        op, line = "c", {"before": None, "after": row}
    return op, line


def lines(seed):
    r = random.Random(seed)
    at, count = 0, 0
    tables = {name: (list(columns), keys) for name, (columns, keys) in TABLES.items()}

    def emit(op, table, more):
        nonlocal at
        at += 1
        source = {"connector": "postgresql", "name": "né", "db": "d"}
        if table:
            source.update(schema="app", table=table)
        if r.random() < 0.1:
            source["query"] = "hidden"
        write_line(r, {"op": op, "pos": f"{at:06}", "seq": at, "ts_ms": 1, "source": source, **more})
        return op not in ("schema", "commit")

    for name, (columns, keys) in tables.items():
        emit("schema", name, schema_of(name, columns, keys))
    for _ in range(120):
        name = r.choice(list(tables))
        columns, keys = tables[name]
        kind = r.random()
        if kind < 0.03:
            columns.append(f"new{at}")
            emit("schema", name, schema_of(name, columns, keys))
        elif kind < 0.06:
            count += emit("m", None, {"message": {"prefix": "p", "content": "hidden", "transactional": True}})
        elif kind < 0.09:
            count += emit("ddl", None, {"ddl": "alter table users add x text default 'hidden'", "db": "d"})
        elif kind < 0.11:
            count += emit("t", name, {})
        elif kind < 0.2:
            emit("commit", None, {"events": count})
            count = 0
        else:
            op, more = row_lines(r, name, columns, keys)
            count += emit(op, name, more)
    emit("commit", None, {"events": count})


# -- the model -----------------------------------------------------------------------------------

class Rules:
    def __init__(self, options):
        self.only, self.actions = [], []
        for option, item in zip(options[::2], options[1::2]):
            kind = None
            if option == "--mask":
                item, kind = item.rsplit("=", 1)
            pattern, names = item.split(":") if ":" in item else ("*", item)
            target = self.only if option == "--only" else self.actions
            target.append((pattern, names.split(","), kind or option[2:]))

    def of(self, rules, table):
        return [(names, kind) for pattern, names, kind in rules if fnmatch.fnmatchcase(table, pattern) or fnmatch.fnmatchcase("app." + table, pattern)]

    def allowed(self, table):
        """None: every column; [] and not listed: no table."""
        if not self.only:
            return None
        found = self.of(self.only, table)
        return {n for names, _ in found for n in names} if found else False

    def action(self, table, column):
        for names, kind in self.of(self.actions, table):
            if column in names:
                return kind
        return None


def text_of(v):
    if isinstance(v, str):
        return v.removeprefix(MARK).encode()
    return b"\xff" + json.dumps(v, ensure_ascii=False, separators=(",", ":")).encode()


def masked(key, kind, v, json_null):
    if kind == "null" or (v is None and not json_null):
        return None
    if kind == "redact":
        return "***"
    if kind == "partial":
        return "****" + v[-4:] if isinstance(v, str) and len(v.removeprefix(MARK)) >= 8 else "****"
    if kind == "hash" and isinstance(v, (dict, list)):
        return {"hash": True}  # of its JSON as it stood
    if kind == "hash":
        return hmac.new(key, text_of(v), hashlib.sha256).hexdigest()
    return {"token": v.removeprefix(MARK)}


def model(key, options):
    rules, passed = Rules(options), 0
    for line in sys.stdin:
        e = load(line)
        op, table = e["op"], e["source"].get("table")
        if op == "commit":
            print(json.dumps({**e, "events": number(passed)}))
            passed = 0
            continue
        if op == "m":
            continue
        allowed = rules.allowed(table) if table else None
        if allowed is False:
            continue
        touched = table is None or rules.only or rules.of(rules.actions, table)
        if touched:
            e = {k: v for k, v in e.items() if k in KEPT or k in MEMBERS[op]}
            e["source"] = {k: v for k, v in e["source"].items() if k in SOURCE}
        lets = lambda c: allowed is None or c in allowed
        if op == "ddl":
            e["ddl"] = ""
        if op == "schema":
            columns = []
            for c in e["columns"]:
                kind = rules.action(table, c["name"])
                if lets(c["name"]):
                    columns.append({**c, "nullable": c["nullable"] or kind == "null"} if kind else c)
            e["columns"] = columns
        for member in ("key", "before", "after"):
            if isinstance(e.get(member), dict):
                nulls = e.get("json_null_old" if member == "before" and op == "u" else "json_null", [])
                row = {}
                for c, v in e[member].items():
                    kind = rules.action(table, c)
                    if lets(c):
                        row[c] = masked(key, kind, v, c in nulls) if kind else v
                e[member] = row
        if "unchanged" in e:
            e["unchanged"] = [c for c in e["unchanged"] if lets(c)]
        for member in ("json_null", "json_null_old"):
            if member in e:
                e[member] = [c for c in e[member] if lets(c) and not (touched and rules.action(table, c))]
        passed += op != "schema"
        print(json.dumps(e))


# -- comparing -------------------------------------------------------------------------------------

def form(s):
    return re.sub("[a-z]", "a", re.sub("[A-Z]", "A", re.sub("[0-9]", "0", s.replace("é", "~"))))


class Difference(Exception):
    pass


def compare_values(wanted, got, tokens, path):
    if isinstance(wanted, dict) and set(wanted) == {"token"}:
        v = wanted["token"]
        if not isinstance(got, str) or len(got) != len(v) or form(re.sub("[à-öø-ÿß]", "é", got)) != form(v):
            raise Difference(f"{path}: {got!r} has not the form of {v!r}")
        if tokens.setdefault(v, got) != got or tokens.setdefault(("of", got), v) != v:
            raise Difference(f"{path}: two tokens of one value, or one of two")
    elif isinstance(wanted, dict) and set(wanted) == {"hash"}:
        if not re.fullmatch("[0-9a-f]{64}", got):
            raise Difference(f"{path}: {got!r} is no hash")
    elif isinstance(wanted, dict) and isinstance(got, dict):
        if list(wanted) != list(got) and set(wanted) != set(got):
            raise Difference(f"{path}: {list(wanted)} and not {list(got)}")
        for k in wanted:
            compare_values(wanted[k], got[k], tokens, f"{path}.{k}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for i, (a, b) in enumerate(zip(wanted, got)):
            compare_values(a, b, tokens, f"{path}[{i}]")
    elif wanted != got or type(wanted) is not type(got):
        raise Difference(f"{path}: {wanted!r} and not {got!r}")


def compare(wanted_file, got_file, prepare):
    with open(wanted_file) as one, open(got_file) as two:
        wanted, got = one.readlines(), two.readlines()
    tokens = {}
    if len(wanted) != len(got):
        raise Difference(f"{len(wanted)} lines and not {len(got)}")
    for number, (a, b) in enumerate(zip(wanted, got), 1):
        compare_values(prepare(load(a)), prepare(load(b)), tokens, f"line {number}")


def without_nullable(e):
    for c in e.get("columns", []):
        c["nullable"] = True
    for member in ("json_null", "json_null_old"):
        if member in e:
            e[member] = sorted(e[member])
    return e


def main():
    command, arguments = sys.argv[1], sys.argv[2:]
    try:
        if command == "lines":
            lines(int(arguments[0]))
        elif command == "model":
            with open(arguments[0]) as f:
                model(bytes.fromhex(f.read().strip()), arguments[1:])
        else:
            compare(*arguments, without_nullable if command == "same" else lambda e: e)
    except Difference as difference:
        sys.exit(str(difference))


main()
