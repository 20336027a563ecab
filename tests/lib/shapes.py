#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lines of a table and what they come to, for cdc-filter's shapes.

  shapes.py lines SEED         lines: rows (r), then changes with whole old rows; keys change and go from one row to another
  shapes.py rows FILE...       the rows that lines make, applied as a sink does, one a line, sorted
  shapes.py flatten SEED       the rows that `lines SEED` ends with, flattened by the words of the manual, absent columns left out
"""
import json
import random
import sys

KEYS = 400


def value(rng, depth=0):
    kind = rng.randrange(9 if depth < 3 else 5)
    if kind == 0:
        return None
    if kind == 1:
        return rng.randrange(-5, 1 << 60)
    if kind == 2:
        return rng.choice([True, False])
    if kind in (3, 4):
        return rng.choice(["", "x", "é\"\\", "1", "\n"])
    if kind in (5, 6):
        return {rng.choice(["a", "b", "c", "d e", "é"]): value(rng, depth + 1) for _ in range(rng.randrange(4))}
    return [value(rng, depth + 1) for _ in range(rng.randrange(4))]


class Absent:
    """SQL's NULL."""


def make(seed):
    rng = random.Random(seed)
    rows, out, n = {}, [], 0

    def line(op, **members):
        nonlocal n
        n += 1
        out.append({"op": op, "pos": "%08d" % n, "seq": n // 10, "ts_ms": 1,
                    "source": {"connector": "postgresql", "name": "n", "db": "d", "schema": "public", "table": "t", "ts_ms": 1}} | members)

    def nulls(row, name):
        return {name: ["doc"]} if row["doc"] is None else {}

    def shown(row):
        return {k: None if v is Absent else v for k, v in row.items()}

    def new_row(key):
        return {"id": key, "v": rng.choice(["x", "y", "z"]), "doc": rng.choice([Absent, value(rng), {"a": value(rng)}])}

    columns = [{"name": c, "type": t, "nullable": c != "id", "generated": False} for c, t in (("id", "bigint"), ("v", "text"), ("doc", "jsonb"))]
    line("schema", columns=columns, key_columns=["id"])
    for key in range(1, KEYS // 2):
        rows[key] = new_row(key)
        line("r", key={"id": key}, before=None, after=shown(rows[key]), **nulls(rows[key], "json_null"))
    line("commit", events=0)
    for i in range(1200):
        key = rng.randrange(1, KEYS)
        if i == 600:
            line("commit", events=0)
            line("schema", columns=columns, key_columns=["id"])  # where another run may begin
        if key not in rows:
            rows[key] = new_row(key)
            line("c", key={"id": key}, before=None, after=shown(rows[key]), **nulls(rows[key], "json_null"))
            continue
        old = rows.pop(key)
        if rng.random() < 0.2:
            line("d", key={"id": key}, before=shown(old), after=None, **nulls(old, "json_null"))
            continue
        new = rng.randrange(1, KEYS) if rng.random() < 0.3 else key
        if new in rows:
            new = key
        rows[new] = new_row(new) if rng.random() < 0.7 else old | {"id": new}
        line("u", key={"id": new}, before=shown(old), after=shown(rows[new]), **nulls(rows[new], "json_null"), **nulls(old, "json_null_old"))
    line("commit", events=0)
    return out, rows


def apply(files):
    """Only members that a line has are set: that is what an update does."""
    rows = {}
    for file in files:
        for text in open(file, encoding="utf-8"):
            event = json.loads(text)
            op = event["op"]
            if op not in ("r", "c", "u", "d"):
                continue
            key = json.dumps(event["key"])
            old = json.dumps({k: (event["before"] or {}).get(k, v) for k, v in event["key"].items()})
            row = rows.get(old, {})
            if op in ("u", "d"):
                assert old in rows, text  # behind a filter as well
                del rows[old]
            if op == "d":
                continue
            if op == "c":
                assert key not in rows, text
            row = row if op == "u" else {}
            for name, v in event["after"].items():
                row.pop(name, None)
                if v is not None or name in event.get("json_null", []):
                    row[name] = v
            rows[key] = row
    return rows.values()


def flatten(name, v, out):
    if isinstance(v, dict) and v:
        for k, item in v.items():
            flatten(f"{name}_{k}", item, out)
    elif isinstance(v, list) and v:
        for k, item in enumerate(v):
            flatten(f"{name}_{k}", item, out)
    elif v is not Absent:
        out[name] = v
    return out


def main():
    def show(rows):
        for text in sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows):
            print(text)

    if sys.argv[1] == "lines":
        for event in make(int(sys.argv[2]))[0]:
            print(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
    elif sys.argv[1] == "rows":
        show(apply(sys.argv[2:]))
    else:
        show({k: v for k, v in row.items() if k != "doc"} | flatten("doc", row["doc"], {}) for row in make(int(sys.argv[2]))[1].values())


main()
