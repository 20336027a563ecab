#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same random changes as lines of cdc-event(5) and as another program writes them, each written here from one model.

one_model.py wal2json|maxwell SEED TRANSACTIONS ours|theirs|rows   to stdout; rows: what the table has at the end, a JSON array a row

ours are PostgreSQL's lines for wal2json, and MySQL's for Maxwell."""
import base64
import datetime
import json
import random
import sys

WORDS = ["a", "Z", " ", "\"", "\\", "é", "\n", "'", "漢", "😀", "/", "{", ",", "7", "NULL"]


def text(rng):
    return "".join(rng.choice(WORDS) for _ in range(rng.randrange(8)))


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Raw(str):
    """JSON as it stands."""


def write(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{write(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def moment(rng):
    return datetime.datetime(2026, rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(1000000))


def array_text(items):
    def item(one):
        return "NULL" if one is None else '"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "{" + ",".join(map(item, items)) + "}"


# Of each type two texts of a value: ours, theirs.
def same(make):
    def both(rng):
        value = make(rng)
        return value, value
    return both


def digits(rng):
    number = "%s%d.%02d" % (rng.choice(["", "-"]), rng.randrange(1, 10 ** rng.randrange(1, 9)), rng.randrange(100))
    return number, Raw(number)


def seen(ours, theirs, trim):
    def both(rng):
        at = moment(rng)
        fraction = "%06d" % at.microsecond
        fraction = fraction.rstrip("0") if trim else fraction
        clock = at.strftime("%H:%M:%S") + ("." + fraction if fraction else "")
        return at.strftime("%Y-%m-%dT") + clock + ours, at.strftime("%Y-%m-%d ") + clock + theirs
    return both


def doc(rng):
    return {"a": [text(rng), None], "n": rng.randrange(10 ** 17), "o": {"x": 1.50}}


def document(embedded):
    def both(rng):
        value = dumps(doc(rng))
        return Raw(value), Raw(value) if embedded else value
    return both


def raw(theirs):
    def both(rng):
        value = bytes(rng.randrange(256) for _ in range(rng.randrange(9)))
        return base64.b64encode(value).decode(), theirs(value)
    return both


def tags(rng):
    items = [rng.choice([None, text(rng)]) for _ in range(rng.randrange(4))]
    return items, array_text(items)


def flags(rng):
    items = [one for one in "xyz" if rng.random() < 0.5]
    return ",".join(items), items


INTEGER = same(lambda rng: rng.choice([0, -1, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, rng.randrange(100)]))
DAY = same(lambda rng: moment(rng).strftime("%Y-%m-%d"))
TEXT = same(text)
POSTGRES = [("n", "bigint", INTEGER), ("amount", "numeric(12,2)", digits), ("flag", "boolean", same(lambda rng: rng.random() < 0.5)),
            ("ratio", "double precision", same(lambda rng: rng.choice([0.5, -1.25, 1e30, 2e-09]))), ("name", "text", TEXT), ("day", "date", DAY),
            ("seen", "timestamp without time zone", seen("", "", True)), ("moment", "timestamp with time zone", seen("Z", "+00", True)),
            ("raw", "bytea", raw(bytes.hex)), ("doc", "jsonb", document(False)), ("tags", "text[]", tags), ("big", "text", TEXT)]
MYSQL = [("n", "bigint", INTEGER), ("amount", "decimal(12,2)", digits), ("name", "varchar(40)", TEXT), ("day", "date", DAY),
         ("seen", "datetime(6)", seen("", "", False)), ("moment", "timestamp(6)", seen("Z", "", False)), ("raw", "blob", raw(lambda b: base64.b64encode(b).decode())),
         ("doc", "json", document(True)), ("kind", "enum('a','b,c','d''e')", same(lambda rng: rng.choice(["a", "b,c", "d'e"]))), ("flags", "set('x','y','z')", flags),
         ("yr", "year", same(lambda rng: rng.randrange(1901, 2156))), ("big", "longtext", TEXT)]


class Model:
    def __init__(self, kind, seed):
        self.rng, self.kind = random.Random(seed), kind
        self.columns = POSTGRES if kind == "wal2json" else MYSQL
        self.rows, self.at, self.n, self.ours, self.theirs = {}, 1000, 0, [], []
        self.gone = []  # columns that the log does not have of an update

    def cells(self):
        return {name: (None, None) if self.rng.random() < 0.2 else make(self.rng) for name, _, make in self.columns}

    def sides(self, key, cells):
        return [{"id": key} | {name: cell[i] for name, cell in cells.items()} for i in (0, 1)]

    # -- ours

    def line(self, op, members, table=True):
        self.n += 1
        source = {"connector": "postgresql" if self.kind == "wal2json" else "mysql", "name": "shop", "db": "shop"}
        if table:
            source |= {"schema": "public", "table": "t"} if self.kind == "wal2json" else {"table": "t"}
        source |= {"ts_ms": 1, "txId": self.at, "lsn": self.at, "snapshot": "false"}
        self.ours.append(write({"op": op, "pos": f"{self.at:08d}.{self.n:08d}", "seq": self.at, "ts_ms": 1, "source": source, **members}))

    def describe(self):
        columns = [("id", "bigint")] + [(name, type_) for name, type_, _ in self.columns]
        self.line("schema", {"columns": [{"name": name, "type": type_, "nullable": name != "id", "generated": False} for name, type_ in columns], "key_columns": ["id"]})
        if self.kind == "maxwell":
            self.theirs.append(write({"type": "table-create", "database": "shop", "table": "t", "def": {"database": "shop", "charset": "utf8mb4", "table": "t", "columns": [
                {"type": type_.split("(")[0], "name": name} | self.more(type_) for name, type_ in columns], "primary-key": ["id"]}, "ts": 1,
                "sql": "create table t", "position": f"bin.000001:{self.at}"}))

    @staticmethod
    def more(type_):
        if type_.startswith(("enum", "set")):
            return {"enum-values": {"e": ["a", "b,c", "d'e"], "s": ["x", "y", "z"]}[type_[0]]}
        if type_ in ("datetime(6)", "timestamp(6)"):
            return {"column-length": 6}
        return {"signed": True} if type_ == "bigint" else {}

    # -- theirs

    def wal2json(self, action, **members):
        self.theirs.append(write({"action": action, "xid": self.at, "timestamp": "2026-11-21 09:28:42.5+00", "lsn": f"0/{self.at:X}", **members}))

    def list_of(self, row):
        types = dict([("id", "bigint")] + [(name, type_) for name, type_, _ in self.columns])
        return [{"name": name, "type": types[name], "value": value} for name, value in row.items()]

    def maxwell(self, kind, data, old=None):
        self.theirs.append({"database": "shop", "table": "t", "type": kind, "ts": 1700000000, "xid": self.at, "xoffset": self.n, "position": f"bin.000001:{self.at}",
                            "primary_key_columns": ["id"], "data": data} | ({"old": old} if old is not None else {}))

    def tell(self, op, old_key, new, old):
        """new and old: the row's two sides; one of them is None for an insert or a delete."""
        gone = self.gone if op == "u" and self.kind == "wal2json" else []
        key = new[0]["id"] if new else old_key
        after = {name: value for name, value in new[0].items() if name not in gone} if new else None
        before = {"id": old_key} if op == "d" or op == "u" and key != old_key else None
        self.line(op, {"key": {"id": key}, "before": before, "after": after} | ({"unchanged": gone} if gone else {}))
        if self.kind == "wal2json":
            told = {"schema": "public", "table": "t"}
            if new:
                told["columns"] = self.list_of({name: value for name, value in new[1].items() if name not in gone})
            if op in "ud":
                told["identity"] = self.list_of({"id": old_key})
            self.wal2json(op.upper().replace("C", "I"), **told, pk=[{"name": "id", "type": "bigint"}])
            return
        changed = {name: value for name, value in old[1].items() if value != new[1][name]} if op == "u" else None
        self.maxwell({"c": "insert", "u": "update", "d": "delete"}[op], (new or old)[1], changed)

    def change(self):
        rng = self.rng
        key = rng.randrange(30)
        if key not in self.rows:
            self.rows[key] = self.cells()
            self.tell("c", None, self.sides(key, self.rows[key]), None)
        elif rng.random() < 0.25:
            self.tell("d", key, None, self.sides(key, self.rows.pop(key)))
        elif rng.random() < 0.02 and self.kind == "wal2json":
            self.rows.clear()
            self.line("t", {})
            self.wal2json("T", schema="public", table="t")
        else:
            old, new_key = self.rows.pop(key), key if rng.random() < 0.6 else rng.randrange(30)
            new_key = key if new_key in self.rows else new_key
            self.gone = ["big"] if rng.random() < 0.5 else []
            cells = {name: cell if rng.random() < 0.5 else old[name] for name, cell in self.cells().items()}
            cells |= {name: old[name] for name in self.gone}
            self.rows[new_key] = cells
            self.tell("u", key, self.sides(new_key, cells), self.sides(key, old))

    def transaction(self, first):
        self.at += 10
        self.n = 0
        if first:
            self.describe()
        begun = len(self.theirs)
        if self.kind == "wal2json":
            self.wal2json("B")
        for _ in range(self.rng.randrange(1, 6)):
            self.change()
        self.line("commit", {"events": 1}, table=False)
        if self.kind == "wal2json":
            self.wal2json("C")
            return
        del self.theirs[-1]["xoffset"]
        self.theirs[-1]["commit"] = True
        self.theirs[begun:] = [one if isinstance(one, str) else write(one) for one in self.theirs[begun:]]


def main():
    kind, seed, transactions, what = sys.argv[1:]
    model = Model(kind, seed)
    for number in range(int(transactions)):
        model.transaction(number == 0)
    if what == "rows":
        for key, cells in model.rows.items():
            print(write(list(model.sides(key, cells)[0].values())))
    else:
        print("\n".join(model.ours if what == "ours" else model.theirs))


main()
