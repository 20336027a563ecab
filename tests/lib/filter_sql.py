#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random changes of one table through cdc-filter with SQL: a copy made of what leaves is what the same SQL makes of the source.

filter_sql.py FILTER SEED [STEPS]
Each run takes a condition, expressions and how much the log has of old rows at random. The model has its own NULL logic and its own
decimals. Where the log has old rows whole, each line must also be right by itself: c of a row that is not there, u and d of one that
is. Prints what differs, and exits 1."""
import json
import random
import subprocess
import sys
from decimal import Decimal

COLUMNS = [("id", "integer"), ("region", "text"), ("total", "numeric(12,2)"), ("qty", "integer"), ("big", "bigint"),
           ("doc", "jsonb"), ("at", "timestamp with time zone"), ("note", "text")]


# -- SQL's logic: None is unknown ------------------------------------------------------------
def both(a, b):
    return False if a is False or b is False else None if a is None or b is None else True


def either(a, b):
    return True if a is True or b is True else None if a is None or b is None else False


def negation(a):
    return None if a is None else not a


def on(function, *values):
    return None if any(v is None for v in values) else function(*values)


def total(row):
    return on(Decimal, row["total"])


def moment(text):
    date, _, fraction = text.rstrip("Z").partition(".")
    return date, fraction.ljust(6, "0")


def upper(text):
    """SQLite's knows ASCII only."""
    return "".join(c.upper() if c.isascii() else c for c in text)


def k(row):
    return row["doc"].get("k") if isinstance(row["doc"], dict) else None


CONDITIONS = [
    ("total > 50.5", lambda r: on(lambda t: t > Decimal("50.5"), total(r))),
    ("qty IS NULL OR qty >= 3", lambda r: either(r["qty"] is None, on(lambda q: q >= 3, r["qty"]))),
    ("region IN ('EU', 'it''s') AND total < '80.250'",
     lambda r: both(on(lambda x: x in ("EU", "it's"), r["region"]), on(lambda t: t < Decimal("80.25"), total(r)))),
    ("NOT qty = 2", lambda r: negation(on(lambda q: q == 2, r["qty"]))),
    ("total * qty - 0.1 > 100.10", lambda r: on(lambda t, q: t * q - Decimal("0.1") > Decimal("100.10"), total(r), r["qty"])),
    ("at >= '2026-06-01 00:00:00.5'", lambda r: on(lambda a: moment(a) >= moment("2026-06-01T00:00:00.5"), r["at"])),
    ("doc ->> '$.k' = 1", lambda r: on(lambda x: str(x) == "1", k(r))),
    ("doc IS NULL", lambda r: r["doc"] is None),
    ("coalesce(qty, 0) % 2 = 0", lambda r: (r["qty"] or 0) % 2 == 0),
    ("id % 2 = 0", lambda r: r["id"] % 2 == 0),
    ("big BETWEEN 9223372036854775805 AND 9223372036854775806", lambda r: on(lambda b: 9223372036854775805 <= b <= 9223372036854775806, r["big"])),
    ("CASE region WHEN 'EU' THEN total ELSE qty END > 4.5",
     lambda r: on(lambda x: x > Decimal("4.5"), total(r) if r["region"] == "EU" else on(Decimal, r["qty"]))),
    ("region LIKE 'E%' OR total IS NOT DISTINCT FROM 7",
     lambda r: either(on(lambda x: x.startswith("E"), r["region"]), total(r) == 7)),
]
NULL_DOCUMENT = "json null"  # stands for JSON's null in rows of the model
ASSIGNMENTS = [
    (["--set", "note = upper(note)"], lambda r: {"note": on(upper, r["note"])}),
    (["--set", "region=NULL", "--add", "place = region"], lambda r: {"region": None, "place": r["region"]}),
    (["--add", "amount = total * qty"], lambda r: {"amount": on(lambda t, q: str(t * q), total(r), r["qty"])}),
    (["--add", "high = total > 50"], lambda r: {"high": on(lambda t: t > 50, total(r))}),
    (["--set", "doc = doc", "--add", "copy = doc"], lambda r: {"copy": r["doc"]}),
    (["--add", "label text = id || ':' || coalesce(note, '-')"], lambda r: {"label": f'{r["id"]}:{"-" if r["note"] is None else r["note"]}'}),
    (["--set", "items:qty = qty + 1"], lambda r: {"qty": on(lambda q: q + 1, r["qty"])}),
]


# -- the source ---------------------------------------------------------------------------------
class Source:
    def __init__(self, rng, identity):
        self.rng, self.identity, self.rows, self.lines, self.pos, self.events = rng, identity, {}, [], 0, 0
        self.line("schema", columns=[{"name": n, "type": t, "nullable": n != "id", "generated": False} for n, t in COLUMNS], key_columns=["id"])

    def line(self, op, **members):
        self.pos += 1
        source = {"connector": "postgresql", "name": "n", "db": "d", "ts_ms": 1763717327123}
        if op != "commit":
            source.update(schema="public", table="items")
        line = {"op": op, "pos": f"{self.pos:09}", "seq": self.pos, "ts_ms": 1, "source": source, **members}
        self.lines.append(json.dumps(line, ensure_ascii=self.rng.random() < 0.2, separators=(",", ":")))
        self.events += op in "rcudt"

    def row(self, key):
        r = self.rng
        return {"id": key, "region": r.choice(["EU", "US", "it's", "éa", None]),
                "total": r.choice([None, "7.00", "50.50", "50.51", f"{r.randrange(20000) / 100:.2f}"]),
                "qty": r.choice([None, 1, 2, 3, 4, 5]), "big": r.choice([None, 9223372036854775807, 9223372036854775806, -9223372036854775808]),
                "doc": r.choice([None, NULL_DOCUMENT, {"k": 1}, {"k": 2}, {"k": "1"}, [1]]),
                "at": r.choice([None, "2026-06-01T00:00:00Z", "2026-06-01T00:00:00.5Z", "2026-06-01T00:00:00.45Z", "2026-07-01T10:00:00Z"]),
                "note": r.choice([None, "a note", "ä\\\"\n", "x" * 50])}

    @staticmethod
    def values(row):
        return {n: None if v == NULL_DOCUMENT else v for n, v in row.items()}

    def nulls(self, name, row):
        return {name: ["doc"]} if row["doc"] == NULL_DOCUMENT and "doc" in row else {}

    def before(self, row, moved):
        if self.identity == "full":
            return self.values(row), self.nulls("json_null_old", row)
        return ({"id": row["id"]} if moved else None), {}

    def insert(self, op="c"):
        key = self.rng.randrange(60)
        if key in self.rows:
            return
        row = self.rows[key] = self.row(key)
        self.line(op, key={"id": key}, before=None, after=self.values(row), **self.nulls("json_null", row))

    def update(self):
        if not self.rows:
            return
        key = self.rng.choice(list(self.rows))
        old, new = self.rows[key], self.row(key)
        for name in self.rng.sample(list(old), self.rng.randrange(len(old))):
            new[name] = old[name]
        new["id"] = self.rng.randrange(60) if self.rng.random() < 0.2 else key
        if new["id"] != key and new["id"] in self.rows:
            return
        del self.rows[key]
        self.rows[new["id"]] = new
        before, nulls = self.before(old, new["id"] != key)
        after = self.values(new)
        self.line("u", key={"id": new["id"]}, before=before, after=after, **self.nulls("json_null", new), **nulls)

    def delete(self):
        if not self.rows:
            return
        key = self.rng.choice(list(self.rows))
        row = self.rows.pop(key)
        full = self.identity == "full"
        self.line("d", key={"id": key}, before=self.values(row) if full else {"id": key}, after=None, **(self.nulls("json_null", row) if full else {}))

    def truncate(self):
        self.rows.clear()
        self.line("t")

    def commit(self):
        self.line("commit", events=self.events)
        self.events = 0

    def step(self):
        what = self.rng.choices(["insert", "update", "delete", "truncate", "commit"], [8, 12, 3, 0.05, 4])[0]
        getattr(self, what)()


# -- the copy -----------------------------------------------------------------------------------
class Copy:
    def __init__(self, strict):
        self.strict, self.rows, self.events, self.columns = strict, {}, 0, []

    def row(self, values, nulls):
        for name in nulls or []:
            if values[name] is not None:
                raise AssertionError(f"json_null names {name}, which is {values[name]!r}")
        return {n: NULL_DOCUMENT if n in (nulls or []) else v for n, v in values.items()}

    def take(self, line):
        op, key, before, after = line["op"], line.get("key"), line.get("before"), line.get("after")
        if op == "commit":
            if line["events"] != self.events:
                raise AssertionError(f'commit with {line["events"]} events, {self.events} came')
            self.events = 0
            return
        self.events += op in "rcudt"
        if op == "schema":
            self.columns = [c["name"] for c in line["columns"]]
        elif op == "t":
            self.rows.clear()
        elif op == "d":
            if self.strict and key["id"] not in self.rows:
                raise AssertionError("d of a row that is not there")
            if self.strict and self.row(before, line.get("json_null")) != self.rows[key["id"]]:
                raise AssertionError(f'before is {before}, the row is {self.rows[key["id"]]}')
            if after is not None or "json_null_old" in line or "unchanged" in line or before["id"] != key["id"]:
                raise AssertionError("a d line with what it has not")
            self.rows.pop(key["id"], None)
        else:
            if op in "cr":
                if self.strict and key["id"] in self.rows or before is not None or "json_null_old" in line:
                    raise AssertionError("c of a row that is there, or with an old one")
            else:
                old = before["id"] if before else key["id"]
                if self.strict and self.row(before, line.get("json_null_old")) != self.rows.get(old):
                    raise AssertionError(f"before is {before}, the row is {self.rows.get(old)}")
                self.rows.pop(old, None)
            if list(after) != self.columns:
                raise AssertionError(f"columns {self.columns}, row {list(after)}")
            self.rows[key["id"]] = self.row(after, line.get("json_null"))


def run(tool, rng, steps):
    identity = rng.choice(["full", "default"])
    conditions = rng.sample(CONDITIONS, rng.choice([0, 1, 1, 1, 2]))
    assignments = rng.sample(ASSIGNMENTS, rng.choice([0, 0, 1, 2]))
    if sum("doc" in str(a[0]) for a in assignments) == 0 and not conditions:
        conditions = [CONDITIONS[0]]
    source = Source(rng, identity)
    for _ in range(rng.randrange(30)):
        source.insert("r")
    for _ in range(steps):
        source.step()
    source.commit()
    command = [tool, "-q"] + [a for c in conditions for a in ("--where", c[0])] + [a for x in assignments for a in x[0]]
    if identity == "full" and rng.random() < 0.5:
        command += ["--where-before", "require"]
    done = subprocess.run(command, input="\n".join(source.lines) + "\n", capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stderr}")
    copy = Copy(identity == "full")
    for line in done.stdout.splitlines():
        try:
            copy.take(json.loads(line))
        except (AssertionError, KeyError) as error:
            raise AssertionError(f"{command}: {error}\n{line}") from error
    expected = {}
    for key, row in source.rows.items():
        if all(c[1](row) for c in conditions):
            made = dict(row)
            for assignment in assignments:
                made.update(assignment[1](row))
            expected[key] = made
    if copy.rows != expected:
        wrong = [x for x in set(copy.rows) | set(expected) if copy.rows.get(x) != expected.get(x)]
        raise AssertionError(f"{command} ({identity}):\n" + "\n".join(f"  {x}: {copy.rows.get(x)}\n  not {expected.get(x)}" for x in wrong[:5]))


def main():
    tool, seed, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 300
    try:
        run(tool, random.Random(seed), steps)
    except AssertionError as error:
        print(f"seed {seed}: {error}")
        return 1
    return 0


sys.exit(main())
