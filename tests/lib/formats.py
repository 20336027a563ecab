#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random change events as a source writes them, for what turns them into other formats and back.

formats.py SEED TRANSACTIONS postgresql|mysql [WITHOUT...]   lines of cdc-event(5) to stdout

WITHOUT names what a format cannot carry, and what is left out then: unchanged, keymoves, jsonnull, base64, bigdates,
zerodates, nan, truncate, message, ddl, keyless, snapshot; escapes: of characters that need
none."""
import base64
import json
import random
import sys

POSTGRES = [
    ("id", "bigint"), ("small", "smallint"), ("flag", "boolean"), ("amount", "numeric(12,3)"), ("any", "numeric"), ("ratio", "double precision"),
    ("name", "character varying(40)"), ("doc", "jsonb"), ("raw", "bytea"), ("day", "date"), ("at", "time without time zone"), ("at3", "time(3) without time zone"),
    ("atz", "time with time zone"), ("seen", "timestamp without time zone"), ("seen3", "timestamp(3) without time zone"), ("moment", "timestamp with time zone"),
    ("span", "interval"), ("uid", "uuid"), ("b1", "bit(1)"), ("b12", "bit(12)"), ("vb", "bit varying(9)"), ("tags", "text[]"), ("days", "date[]"), ("nums", "integer[]"),
    ("big", "text"), ("od\"d é", "integer"),
]
MYSQL = [
    ("id", "bigint unsigned"), ("small", "smallint"), ("u", "int unsigned"), ("amount", "decimal(12,3)"), ("ratio", "double"), ("name", "varchar(40)"),
    ("doc", "json"), ("raw", "blob"), ("fixed", "binary(4)"), ("day", "date"), ("at", "time(6)"), ("at0", "time"), ("seen", "datetime(6)"), ("seen0", "datetime"),
    ("moment", "timestamp(3)"), ("b1", "bit(1)"), ("b12", "bit(12)"), ("kind", "enum('a','b,c','d''e')"), ("flags", "set('x','y','z')"), ("yr", "year"), ("big", "text"),
]


class Values:
    def __init__(self, rng, without, my):
        self.rng, self.without, self.my = rng, without, my

    def text(self):
        return "".join(self.rng.choice(["a", "b", "Z", " ", "\"", "\\", "é", "\n", "'", "漢", "😀", "\u0001", "/", "-", "7"]) for _ in range(self.rng.randrange(12)))

    def digits(self, whole, scale):
        sign = self.rng.choice(["", "-"])
        n = self.rng.randrange(1, whole + 1)
        number = str(self.rng.randrange(10 ** n))
        return (sign if number.strip("0") else "") + number + ("." + "".join(self.rng.choice("0123456789") for _ in range(scale)) if scale else "")

    def day(self):
        if "bigdates" not in self.without and self.rng.random() < 0.2:
            return self.rng.choice(["0001-01-01", "9999-12-31"] + ([] if self.my else ["0044-03-15 BC", "12026-01-02"]))
        return "%04d-%02d-%02d" % (self.rng.randrange(1000, 3000), self.rng.randrange(1, 13), self.rng.randrange(1, 29))

    def clock(self, digits, pad):
        fraction = "".join(self.rng.choice("0123456789") for _ in range(digits))
        fraction = fraction if pad else fraction.rstrip("0")
        return "%02d:%02d:%02d" % (self.rng.randrange(24), self.rng.randrange(60), self.rng.randrange(60)) + ("." + fraction if fraction else "")

    def moment(self, digits, pad):
        day = self.day()
        if day.endswith(" BC"):
            return day[:-3] + " " + self.clock(digits, pad) + " BC"
        return day + ("T" if len(day) == 10 else " ") + self.clock(digits, pad)

    def document(self, depth=0):
        r = self.rng.random()
        if r < 0.4 or depth > 2:
            return self.rng.choice([1, -2.5, "t\"x", True, False, 12345678901234567890, "", [], {}])
        if r < 0.7:
            return [self.document(depth + 1) for _ in range(self.rng.randrange(4))]
        return {self.text(): self.document(depth + 1) for _ in range(self.rng.randrange(4))}

    def of(self, type_):
        rng, my = self.rng, self.my
        base = type_.split("(")[0]
        if type_ in ("bigint", "bigint unsigned"):
            return rng.choice([0, 1, 2 ** 53 + 1, 2 ** 63 - 1, rng.randrange(1000)] + ([2 ** 64 - 1] if my else [-2 ** 63, -5]))
        if type_ in ("smallint", "integer", "int"):
            return rng.randrange(-32768, 32768)
        if type_ == "int unsigned":
            return rng.randrange(2 ** 32)
        if type_ == "boolean" or type_ == "bit(1)" and my:
            return rng.random() < 0.5
        if base in ("numeric", "decimal"):
            if type_ == "numeric" and "nan" not in self.without and rng.random() < 0.1:
                return rng.choice(["NaN", "Infinity", "-Infinity"])
            return self.digits(9, 3) if "(" in type_ else self.digits(30, rng.randrange(8))
        if base in ("double precision", "double"):
            if not my and "nan" not in self.without and rng.random() < 0.1:
                return rng.choice(["NaN", "Infinity", "-Infinity"])
            return rng.choice([0.5, -1.25, 1e300, 3.141592653589793, 2e-9])
        if base in ("json", "jsonb"):
            return self.document()
        if base in ("bytea", "blob"):
            return base64.b64encode(bytes(rng.randrange(256) for _ in range(rng.randrange(9)))).decode()
        if base == "binary":
            return base64.b64encode(bytes(rng.randrange(256) for _ in range(3)) + b"\0").decode()
        if type_ == "date":
            return "0000-00-00" if my and "zerodates" not in self.without and rng.random() < 0.1 else self.day()
        if type_ == "time(6)":
            return rng.choice(["", "-"]) + "%03d:00:00.120000" % rng.randrange(100, 838) if rng.random() < 0.2 else self.clock(6, True)
        if type_ == "time":
            return self.clock(0, True)
        if type_ == "time without time zone":
            return "24:00:00" if rng.random() < 0.1 else self.clock(6, False)
        if type_ == "time(3) without time zone":
            return self.clock(3, False)
        if type_ == "time with time zone":
            return self.clock(6, False) + rng.choice(["+00", "+02", "-03:30", "+05:30:15"])
        if type_ == "timestamp without time zone":
            return rng.choice(["infinity", "-infinity"]) if "bigdates" not in self.without and rng.random() < 0.1 else self.moment(6, False)
        if type_ == "timestamp(3) without time zone":
            return self.moment(3, False)
        if base == "datetime":
            return self.moment(6 if "(" in type_ else 0, True)
        if type_ == "timestamp with time zone":
            return "2026-%02d-02T%sZ" % (rng.randrange(1, 13), self.clock(6, False))
        if type_ == "timestamp(3)":
            return "2026-%02d-02T%sZ" % (rng.randrange(1, 13), self.clock(3, True))
        if type_ == "interval":
            return rng.choice(["P1Y2M3DT4H5M6.7S", "PT0S", "P-1M", "P3D"])
        if type_ == "uuid":
            return "%08x-1111-4222-8333-444455556666" % rng.randrange(2 ** 32)
        if base in ("bit", "bit varying"):
            n = int(type_.split("(")[1][:-1])
            return "".join(rng.choice("01") for _ in range(rng.randrange(1, n + 1) if "varying" in base else n))
        if type_ == "text[]":
            return [rng.choice([self.text(), None]) for _ in range(rng.randrange(4))]
        if type_ == "date[]":
            return [self.day() for _ in range(rng.randrange(3))]
        if type_ == "integer[]":
            return [[rng.randrange(9) for _ in range(2)] for _ in range(2)] if rng.random() < 0.3 else [rng.randrange(99) for _ in range(rng.randrange(4))]
        if base == "enum":
            return rng.choice(["a", "b,c", "d'e"])
        if base == "set":
            return ",".join(f for f in "xyz" if rng.random() < 0.5)
        if base == "year":
            return rng.randrange(1901, 2156)
        if "base64" not in self.without and rng.random() < 0.05:
            return {"base64": "/w=="}
        return self.text()


class Source:
    def __init__(self, seed, connector, without):
        self.rng = random.Random(seed)
        self.without, self.my = without, connector == "mysql"
        self.values = Values(self.rng, without, self.my)
        self.connector = connector
        columns = MYSQL if self.my else POSTGRES
        self.tables = [("wide", columns, ["id"], True), ("pair", [("k", columns[0][1]), ("t", "varchar(9)" if self.my else "text"), ("v", "int" if self.my else "integer")], ["t", "k"], False)]
        if not self.my:
            self.tables.append(("large", [("id", "bigint"), ("big", "text"), ("n", "integer"), ("doc", "jsonb")], ["id"], False))
        if "keyless" not in without:
            self.tables.append(("keyless", [("a", "smallint"), ("b", "varchar(9)" if self.my else "text")], [], True))
        self.rows = {t[0]: [] for t in self.tables}
        self.tx, self.n = 1000, 0
        self.chunk = None  # of a snapshot: all of them have one place in the log
        self.documents = {}  # of each row, by its id(): the columns where null is JSON's
        self.described = set()

    def emit(self, op, table=None, **more):
        self.n += 1
        source = {"connector": self.connector, "name": "shop", "db": "shop"}
        if table:
            if not self.my:
                source["schema"] = "public"
            source["table"] = table
        source["ts_ms"] = 1795253327000 + self.tx
        if self.my:
            n = 0 if self.chunk is not None else self.n
            source.update(gtid="0-1-%d" % self.tx, server_id=1, file="binlog.%06d" % (self.tx // 40), pos=self.tx * 1000 + n * 7, row=n % 3, snapshot=self.snapshot)
        else:
            source.update(txId=self.tx, lsn=self.tx * 4096 + (0 if self.chunk is not None else self.n), snapshot=self.snapshot)
        last = op == "commit"
        line = {"op": op, "pos": "%016X.%s" % (self.tx * 65536 + (self.chunk or 0), "FFFFFFFFFF" if last else "%010X" % self.n), "seq": self.tx * 65536, "ts_ms": 1795253328000 + self.tx, "source": source}
        line.update(more)
        print(json.dumps(line, ensure_ascii=self.rng.random() < 0.3 and "escapes" not in self.without, separators=(",", ":")))

    def describe(self, name, columns, key):
        if name not in self.described:
            self.described.add(name)
            self.emit("schema", name, columns=[{"name": c, "type": t, "nullable": c not in key, "generated": False} for c, t in columns], key_columns=key)

    def value(self, type_, key):
        return None if not key and self.rng.random() < 0.15 else self.values.of(type_)

    def new_row(self, columns, key):
        return {c: self.value(t, c in key) for c, t in columns}

    def null_names(self, columns, row):
        if "jsonnull" in self.without:
            return []
        return [c for c, t in columns if t in ("json", "jsonb") and c in row and row[c] is None and self.rng.random() < 0.5]

    def nulls(self, row, shown, name="json_null"):
        names = [c for c in self.documents.get(id(row), []) if shown is not None and c in shown]
        return {name: names} if names else {}

    def change(self):
        name, columns, key, full = self.rng.choice(self.tables)
        self.describe(name, columns, key)
        rows = self.rows[name]
        what = self.rng.random()
        identity = lambda row: json.dumps([row[c] for c in key], sort_keys=True)
        keys = lambda row: {"key": {c: row[c] for c in key}} if key else {}
        full = full or self.my
        if what < 0.45 or not rows:
            row = self.new_row(columns, key)
            if key and any(identity(r) == identity(row) for r in rows):
                return
            rows.append(row)
            self.documents[id(row)] = self.null_names(columns, row)
            self.emit("c", name, **keys(row), before=None, after=row, **self.nulls(row, row))
        elif what < 0.8:
            old = self.rng.choice(rows)
            new = dict(old)
            for c, t in columns:
                if self.rng.random() < 0.4 and (c not in key or "keymoves" not in self.without):
                    new[c] = self.value(t, c in key)
            if key and identity(new) != identity(old) and any(identity(r) == identity(new) for r in rows):
                return
            moved = key and identity(new) != identity(old)
            rows[rows.index(old)] = new
            after, unchanged = dict(new), []
            if "unchanged" not in self.without and not moved and new.get("big") == old.get("big") and "big" in new and self.rng.random() < 0.6 and not full:
                unchanged = ["big"]
                del after["big"]
            before = dict(old) if full else {c: old[c] for c in key} if moved else None
            self.documents[id(new)] = self.null_names(columns, after)
            self.emit("u", name, **keys(new), before=before, after=after, **({"unchanged": unchanged} if unchanged else {}), **self.nulls(new, after), **self.nulls(old, before, "json_null_old"))
            self.documents.pop(id(old), None)
        elif what < 0.97 or "truncate" in self.without:
            old = self.rng.choice(rows)
            rows.remove(old)
            before = dict(old) if full else {c: old[c] for c in key}
            self.emit("d", name, **keys(old), before=before, after=None, **self.nulls(old, before))
            self.documents.pop(id(old), None)
        else:
            rows.clear()
            self.emit("t", name)
        self.events += 1

    def transaction(self):
        self.n, self.events = 0, 0
        for _ in range(self.rng.randrange(1, 7)):
            self.change()
        if not self.my and "message" not in self.without and self.rng.random() < 0.1:
            self.emit("m", message={"prefix": "p\"x", "content": self.values.text(), "transactional": True})
            self.events += 1
        if self.my and "ddl" not in self.without and self.rng.random() < 0.1:
            self.emit("ddl", ddl="alter table `x` comment 'é\"'", db="shop")
            self.events += 1
        self.emit("commit", events=self.events)
        self.tx += 1

    def run(self, transactions):
        self.snapshot = "false"
        if "snapshot" not in self.without:
            self.snapshot = "true"
            for self.chunk, (name, columns, key, _) in enumerate(self.tables * 2):
                self.n, self.events = 0, 0
                self.describe(name, columns, key)
                for _ in range(3):
                    row = self.new_row(columns, key)
                    if all([row[c] for c in key] != [r[c] for c in key] for r in self.rows[name]) or not key:
                        self.rows[name].append(row)
                        self.documents[id(row)] = self.null_names(columns, row)
                        self.emit("r", name, **({"key": {c: row[c] for c in key}} if key else {}), before=None, after=row, **self.nulls(row, row))
                        self.events += 1
                self.emit("commit", events=self.events)
            self.snapshot, self.chunk = "false", None
            self.tx += 1
        for _ in range(transactions):
            self.transaction()


if __name__ == "__main__":
    Source(int(sys.argv[1]), sys.argv[3], set(sys.argv[4:])).run(int(sys.argv[2]))
