#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lines and random options of cdc-filter, against what the manual says of them.

filter_runs.py FIRST LAST FOLDER   each seed is one of three trials; prints what is wrong, and exits 1.

model     the rows that the lines which leave come to are those of the tables at the end, chosen, computed and masked here
restart   a source that begins again after a commit line, with its schema lines: what leaves then is what left before
letters   lines that nobody can take: they are in the dead letters, all other lines leave as they do without them

A text that is masked or dropped is in nothing that leaves, and no message; and the rows of a table stay in their order."""
import hashlib
import hmac
import json
import os
import random
import re
import subprocess
import sys

SECRET = "S3CR3T"
KEY = "ab" * 32
USERS = [("id", "bigint"), ("email", "text"), ("card", "text"), ("n", "integer"), ("doc", "jsonb"), ("region", "text"), ("big", "text")]
ORDERS = [("no", "integer"), ("id", "text"), ("total", "integer"), ("note", "text")]
LOG = [("msg", "text"), ("n", "integer")]
OUTBOX = [("id", "integer"), ("aggregatetype", "text"), ("aggregateid", "text"), ("type", "text"), ("payload", "jsonb")]
TABLES = {"public.users": (USERS, ["id"]), "shop1.orders": (ORDERS, ["no", "id"]), "shop2.orders": (ORDERS, ["no", "id"]),
          "public.log": (LOG, []), "public.outbox": (OUTBOX, ["id"])}
DOCS = [{"a": 1}, {"a": {"b": [1, "x", None]}, "c": "é"}, [], {}, "text", 5, [1, {"z": None}]]


def value(r, column, key):
    if column not in key and column not in ("aggregatetype", "aggregateid", "payload") and r.random() < 0.15:
        return None
    if column in ("email", "msg"):
        return f"{SECRET}{r.choice('abcd')}@x{r.randint(0, 9)}.org"
    if column == "card":
        return "4711-" + "".join(r.choice("0123456789") for _ in range(12))
    return {"id": lambda: r.randint(1, 9), "no": lambda: r.randint(1, 3), "n": lambda: r.randint(-3, 20), "total": lambda: r.randint(0, 5),
            "doc": lambda: r.choice(DOCS), "region": lambda: r.choice(["EU", "US", "ä\"\u2028"]), "big": lambda: r.choice("xyz") * 30,
            "note": lambda: r.choice(["n1", "", "it's"]), "aggregatetype": lambda: r.choice(["order", "user"]), "aggregateid": lambda: str(r.randint(1, 3)),
            "type": lambda: r.choice("ab"), "payload": lambda: r.choice(DOCS)}[column]()


class Stream:
    """Lines with the table of each: (table or None, op, line)."""

    def __init__(self, r, whole, omits, mysql):
        self.r, self.whole, self.omits, self.mysql = r, whole, omits, mysql
        self.seq, self.n, self.events, self.lines = 100, 0, 0, []
        self.rows = {table: {} for table in TABLES}
        self.keyless = 0

    def add(self, op, table, members, snapshot="false"):
        self.n += 1
        self.events += op in "cudrtm"
        source = {"connector": "mysql" if self.mysql else "postgresql", "name": "n", "db": "d", "ts_ms": 1, "txId": self.seq, "lsn": self.seq, "snapshot": snapshot}
        if self.mysql:
            source |= {"file": "bin.000001", "pos": self.seq, "row": self.n, "server_id": 1}
            del source["lsn"]
        if table:
            schema, source["table"] = table.split(".")
            source["db" if self.mysql else "schema"] = schema
        line = {"op": op, "pos": f"{self.seq:08}.{self.n:08}", "seq": self.seq, "ts_ms": 1, "source": source, **members}
        self.lines.append((table, op, json.dumps(line, ensure_ascii=self.r.random() < 0.3, separators=(",", ":"))))

    def schema(self, table, more=None, snapshot="false"):
        columns, key = TABLES[table]
        self.add("schema", table, {"columns": [{"name": name, "type": kind, "nullable": name not in key, "generated": False} for name, kind in columns],
                                   "key_columns": key, **(more or {})}, snapshot)

    def commit(self, snapshot="false"):
        self.add("commit", None, {"events": self.events}, snapshot)
        self.seq, self.n, self.events = self.seq + 10, 0, 0

    def change(self, op, table, old, new, omitted=(), snapshot="false"):
        key = TABLES[table][1]
        members = {"key": {name: (new or old)[name] for name in key} if key else None, "before": None, "after": None}
        whole = self.whole or self.mysql or not key
        if old and (whole or new is None or any(old[name] != new[name] for name in key)):
            members["before"] = {name: v for name, v in old.items() if whole or name in key}
        if new:
            members["after"] = {name: v for name, v in new.items() if name not in omitted}
        if omitted:
            members["unchanged"] = list(omitted)
        self.add(op, table, members, snapshot)

    def step(self):
        r, table = self.r, self.r.choice(list(TABLES))
        rows, (columns, key) = self.rows[table], TABLES[table]
        what = r.random()
        if what < 0.02:
            self.add("t", table, {})
            rows.clear()
        elif what < 0.45 or not rows:
            new = {name: value(r, name, key) for name, _ in columns}
            self.keyless += 1
            at = tuple(new[name] for name in key) if key else self.keyless
            if at not in rows:
                rows[at] = new
                self.change("c", table, None, new)
        elif what < 0.85:
            at = r.choice(list(rows))
            old = rows[at]
            new = {name: value(r, name, key) if r.random() < (0.2 if name in key else 0.4) else old[name] for name, _ in columns}
            to = tuple(new[name] for name in key) if key else at
            if to != at and to in rows:
                return
            stays = self.omits and not self.mysql and new.get("big") is not None and new["big"] == old["big"]
            del rows[at]
            rows[to] = new
            self.change("u", table, old, new, ["big"] if stays and r.random() < 0.5 else ())
        elif what < 0.97:
            self.change("d", table, rows.pop(r.choice(list(rows))), None)
        elif what < 0.98:
            self.add("m", None, {"message": {"prefix": "p", "content": SECRET, "transactional": True}})
        elif self.events == 0:
            self.read(table)
        if r.random() < 0.25:
            self.commit()
        if r.random() < 0.03:
            self.schema(table)
        if r.random() < 0.02 and self.events == 0:
            self.add("heartbeat", None, {})

    def read(self, table):
        """Again: some rows have changed without a line, or are gone."""
        r, rows, key = self.r, self.rows[table], TABLES[table][1]
        for at in list(rows):
            what = r.random()
            if what < 0.2:
                del rows[at]
            elif what < 0.5:
                rows[at] = {name: v if name in key else value(r, name, key) for name, v in rows[at].items()}
        self.add("t", table, {"read": "begin"}, "true")
        self.schema(table, snapshot="true")
        for row in rows.values():
            self.change("r", table, None, row, snapshot="true")
            self.schema(table, {"read": "end"}, "true")
        self.commit("true")

    def run(self, steps):
        for table in TABLES:
            self.schema(table)
        if self.r.random() < 0.5:
            for table in TABLES:
                self.read(table)
        for _ in range(steps):
            self.step()
        self.commit()


def again(lines, n):
    """What a source that begins after line n writes."""
    newest = {}
    for table, op, line in lines[:n]:
        if op == "schema" and '"read":' not in line:
            newest[table] = line
    out = []
    for table, op, line in lines[n:]:
        if table in newest:
            if op != "schema":
                out.append((table, "schema", newest[table]))
            del newest[table]
        out.append((table, op, line))
    return out


def run(chosen, lines, env=None):
    text = "".join(line + "\n" for line in lines).encode()
    done = subprocess.run(["cdc-filter", *chosen], input=text, capture_output=True, check=False, env=env, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace")


class Wrong(Exception):
    pass


def need(good, *what):
    if not good:
        raise Wrong(" ".join(map(str, what)))


# -- the model -------------------------------------------------------------------------------------


def digest(v):
    text = v if isinstance(v, str) else json.dumps(v, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(bytes.fromhex(KEY), text.encode(), hashlib.sha256).hexdigest()


MASKS = {"null": lambda v: None, "redact": lambda v: "***", "hash": digest, "partial": lambda v: "****" + (v[-4:] if len(v) >= 8 else "")}
WHERE = [("users:n > 5", "users", lambda row: row["n"] is not None and row["n"] > 5), ("users:region = 'EU'", "users", lambda row: row["region"] == "EU"),
         ("users:email LIKE '%c@%' OR n IS NULL", "users", lambda row: row["n"] is None or "c@" in (row["email"] or "")),
         ("orders:total >= 2", "orders", lambda row: row["total"] is not None and row["total"] >= 2), ("orders:no <> 2", "orders", lambda row: row["no"] != 2),
         ("log:n > 5", "log", lambda row: row["n"] is not None and row["n"] > 5)]
SETS = [("users:n = n * 2", "users", "n", lambda row: None if row["n"] is None else row["n"] * 2), ("users:card = NULL", "users", "card", lambda row: None),
        ("orders:note = id || note", "orders", "note", lambda row: None if row["note"] is None else str(row["id"]) + row["note"]),
        ("users:region = upper(region)", "users", "region", lambda row: row["region"] and row["region"].upper() if row["region"] in ("EU", "US", None) else row["region"])]
ADDS = [("users:net = n + 1", "users", "net", lambda row: None if row["n"] is None else row["n"] + 1), ("orders:x text = note || '!'", "orders", "x", lambda row: None if row["note"] is None else row["note"] + "!"),
        ("log:twice = n + n", "log", "twice", lambda row: None if row["n"] is None else row["n"] * 2)]


class Options:
    """Drawn options, and what they make of a row."""

    newest = None

    def __init__(self, r, whole, folder, shapes):
        self.arguments, self.where, self.set, self.add, self.mask, self.gone, self.names, self.tables = [], [], [], [], [], {}, {}, {}
        self.left = set(TABLES)
        self.key = ["--mask-key", f"{folder}/key"]
        pick = lambda share: r.random() < share
        if pick(0.5):
            for one in r.sample(WHERE, r.randint(1, 2)):
                self.where.append(one)
                self.arguments += ["--where", one[0]]
        if pick(0.3):
            self.set.append(r.choice(SETS))
            self.arguments += ["--set", self.set[0][0]]
        if pick(0.3):
            self.add.append(r.choice(ADDS))
            self.arguments += ["--add", self.add[0][0]]
        for table, column in (("users", "email"), ("log", "msg"), ("users", "card")):
            if pick(0.5) and not (column == "card" and self.set and self.set[0][2] == "card"):
                kind = r.choice(list(MASKS))
                self.mask.append((table, column, MASKS[kind]))
                self.arguments += ["--mask", f"{table}:{column}={kind}"]
                if kind == "hash" and "--mask-key" not in self.arguments:
                    self.arguments += self.key
        if pick(0.2):
            self.mask.append(("users", "id", digest))
            self.arguments += ["--mask", "users:id=hash"] + ([] if "--mask-key" in self.arguments else self.key)
        if pick(0.3):
            self.drop("users", r.sample(["email", "card", "doc", "region"], 2))
        if pick(0.3):
            self.drop("log", ["msg"])
        if pick(0.2):
            chosen = r.sample(["email", "n", "doc"], 2)
            self.arguments += ["--columns", "users:" + ",".join(chosen)]
            self.gone.setdefault("users", set()).update(name for name, _ in USERS if name not in chosen + ["id"])
            if any(one[1] == "users" for one in self.add):
                self.gone["users"].add("net")
        if pick(0.3):
            self.names[("users", "n")] = 'n"n'
            self.arguments += ["--rename-column", 'users:n=n"n']
        what = r.random()
        if what < 0.3:
            self.tables = {"shop1.orders": "all.orders", "shop2.orders": "all.orders"}
            self.arguments += ["--route", "shop*.orders=all.orders"]
        elif what < 0.6:
            self.tables = {"public.users": "public.people", "public.log": "other.log"}
            self.arguments += ["--rename", "users=people", "--rename", "public.log=other.log"]
        if pick(0.2):
            table = r.choice(["public.users", "public.log", "shop2.orders"])
            self.left.discard(table)
            self.arguments += ["-T", table]
        self.shape = []
        if shapes:
            self.shape = r.choice([["--to", r.choice(["debezium", "debezium,bare", "debezium,schemas", "debezium,key", "debezium,tombstones", "maxwell", "maxwell,bare", "wal2json", "canal", "singer"])],
                                   ["--outbox", "public.outbox"], ["--outbox", "public.outbox", "--outbox-key", "aggregateid"], ["--flatten", "users:doc"], ["--sample", "users:50%"],
                                   ["--unwrap", r.choice(["drop", "mark"])], ["--unwrap", "drop", "--tombstones"], []])
            if r.random() < 0.3 and self.shape[:1] not in (["--unwrap"], ["--sample"]):
                self.shape += ["--sample", "users:50%"]
        self.arguments += self.shape
        self.private = "--mask" in self.arguments
        Options.newest = self.arguments

    def drop(self, table, columns):
        self.gone.setdefault(table, set()).update(columns)
        self.arguments += ["--drop-columns", f"{table}:{','.join(columns)}"]

    def is_secret(self):
        """No text that begins with SECRET may leave."""
        def hidden(table, column):
            return column in self.gone.get(table, ()) or any(t == table and c == column for t, c, _ in self.mask)
        return hidden("users", "email") and hidden("log", "msg")

    def row(self, table, row):
        short = table.split(".")[1]
        if table not in self.left or not all(f(row) for _, t, f in self.where if t == short):
            return None
        out = dict(row)
        for _, t, column, f in self.set:
            if t == short:
                out[column] = f(row)
        for _, t, column, f in self.add:
            if t == short:
                out[column] = f(row)
        for t, column, f in self.mask:
            if t == short and out[column] is not None:
                out[column] = f(out[column])
        out = {self.names.get((short, name), name): v for name, v in out.items() if name not in self.gone.get(short, ())}
        if self.tables.get(table) == "all.orders":
            out["source_table"] = table
        return out


def of(event):
    source = event["source"]
    return f"{source.get('schema', source['db'])}.{source['table']}"


def apply(text):
    """The tables that lines make. Rows without a key are a list."""
    tables, last, count = {}, "", 0
    for line in text.split("\n")[:-1]:
        event = json.loads(line)
        op = event["op"]
        need(event["pos"] > last or (op == "schema" and event["pos"] == last), "positions:", line)
        last = event["pos"]
        if op == "commit":
            need(event["events"] == count, "events:", count, line)
            count = 0
        count += op in "cudrtm"
        if op in ("commit", "heartbeat", "m"):
            continue
        name = of(event)
        rows = tables.setdefault(name, {})
        part = event["part"]["value"] if event.get("part") else None
        if op == "t":
            for at in [at for at, row in rows.items() if part is None or row["source_table"] == part]:
                del rows[at]
        if op not in ("c", "u", "d", "r"):
            continue
        if event["key"] is None:
            if event["before"]:
                at = next((at for at, row in rows.items() if row == event["before"]), None)
                need(at is not None, "no such row:", line)
                del rows[at]
            if event["after"]:
                rows[len(rows), event["pos"]] = event["after"]
            continue
        before = event["before"] or {}
        old = rows.pop(json.dumps({k: before.get(k, v) for k, v in event["key"].items()} if op in "ud" else event["key"]), {})
        if op != "d":
            need(not event.get("unchanged") or old, "a new row is not whole:", line)
            rows[json.dumps(event["key"])] = {**({n: old[n] for n in event.get("unchanged", []) if n in old}), **event["after"]}
    return {name: sorted(json.dumps(row, sort_keys=True) for row in rows.values()) for name, rows in tables.items() if rows}


def no_old_rows(status, messages):
    return status == 78 and ("REPLICA IDENTITY FULL" in messages or "binlog_row_image" in messages)


def model(r, folder):
    stream = Stream(r, r.random() < 0.6, r.random() < 0.3, r.random() < 0.3)
    options = Options(r, stream.whole, folder, False)
    stream.run(r.randint(5, 150))
    status, out, messages = run(options.arguments, [line for _, _, line in stream.lines])
    if no_old_rows(status, messages):
        return options
    need(status == 0, "status", status, messages)
    need(not options.is_secret() or not options.private or SECRET not in out + messages, "a secret left")
    wanted = {}
    for table, rows in stream.rows.items():
        for row in rows.values():
            made = options.row(table, row)
            if made is not None:
                wanted.setdefault(options.tables.get(table, table), []).append(json.dumps(made, sort_keys=True))
    wanted = {name: sorted(rows) for name, rows in wanted.items()}
    got = apply(out)
    need(got == wanted, "rows:", got, "wanted:", wanted)
    return options


def changes(out):
    """Without the lines of schemas, which come again with each run; Singer's versions begin anew."""
    return [re.sub(r'("version":)\d+', r"\1", line) for line in out.split("\n")[:-1] if is_change(line)]


def is_change(line):
    thing = json.loads(line)
    if "key" in thing and "value" in thing:
        thing = thing["value"] or {}
    if "payload" in thing and "schema" in thing:
        thing = thing["payload"] or {}
    return thing.get("op") != "schema" and "tableChanges" not in thing and not str(thing.get("type", "")).startswith("table-") and thing.get("type") != "SCHEMA" and not thing.get("isDdl")


def restart(r, folder):
    stream = Stream(r, r.random() < 0.7, r.random() < 0.3, r.random() < 0.4)
    options = Options(r, stream.whole, folder, True)
    stream.run(r.randint(5, 120))
    commits = [i + 1 for i, (_, op, _) in enumerate(stream.lines) if op in ("commit", "heartbeat")]
    status, out, messages = run(options.arguments, [line for _, _, line in stream.lines])
    if no_old_rows(status, messages) or status == 78 and ("no line that leaves the others" in messages or "--unwrap" in messages or "--tombstones" in messages):
        return options
    need(status == 0, "status", status, messages)
    need(not options.is_secret() or not options.private or SECRET not in out + messages, "a secret left")
    lines = changes(out)
    for at in r.sample(commits, min(3, len(commits))):
        status, out, messages = run(options.arguments, [line for _, _, line in again(stream.lines, at)])
        need(status == 0, "after", at, "status", status, messages)
        rest = changes(out)
        if "--unwrap" in options.arguments or rest == lines[len(lines) - len(rest):]:
            need("--unwrap" not in options.arguments or rest == lines[len(lines) - len(rest):], "after", at, "unwrapped otherwise")
            status, head, messages = run(options.arguments, [line for _, _, line in stream.lines[:at]])
            need(changes(head) == lines[:len(lines) - len(rest)], "before", at, "otherwise")
            continue
        wrong = next((a, b) for a, b in zip(lines[len(lines) - len(rest):], rest) if a != b)
        raise Wrong(f"after {at}: {wrong[1]}\nfirst run: {wrong[0]}")
    return options


BAD = ['{"op":"c","after":"%s"', "%s", '["%s"]', '{"op":"c",%s,"key":{"id":1},"before":null,"after":"%s"}', '{"op":"%s","after":{"email":"%s"}}',
       '{"op":"c",%s,"pos":"00000100.00000006","key":{"id":77},"before":null,"after":{"id":77,"email":"%s","card":"12","n":99,"doc":null,"region":"EU","big":null}}',
       '{"pos":"5","after":{"email":"%s"}}', '{"op":"c","pos":7,"after":{"email":"%s"}}', '{"op":"c",%s,"key":{"id":1},"after":{"id":1,"email":"%s\xff"}}']


def letters(r, folder):
    stream = Stream(r, True, False, r.random() < 0.4)
    options = Options(r, True, folder, r.random() < 0.5)
    refused = BAD[:4] + BAD[6:]
    chosen = "public.users" not in options.left or any(table == "users" for _, table, _ in options.where)  # not refused where it is not looked at
    if not options.shape and r.random() < 0.6 and not chosen:
        more = r.choice([["--add", "users:q = 1 / (n - 99)"], ["--where", "users:CAST(n - 99 AS TEXT) = 1 / (n - 99) || 'x' OR TRUE"], ["--set", "users:region = substr(region, n / (n - 99))"]])
        options.arguments += more
        refused = [BAD[5]] * 3 + refused
    if not any(column == "card" for _, column, _ in options.mask) and not any(column == "card" for _, _, column, _ in options.set) and r.random() < 0.4 and not chosen:
        options.arguments += ["--tokenize", "users:card"] + ([] if "--mask-key" in options.arguments else options.key)
        options.private = True
        refused = [BAD[5]] * 3 + refused
    stream.run(r.randint(5, 80))
    lines = [line for _, _, line in stream.lines]
    status, wanted, messages = run(options.arguments, lines)
    if status == 78:
        return options
    need(status == 0, "status", status, messages)
    source = next(line for table, _, line in stream.lines if table == "public.users").split('"source":')[1].split("}")[0] + "}"
    mixed, bad = list(lines), 0
    first = max(i for i, (_, op, _) in enumerate(stream.lines[:len(TABLES)])) + 1
    for _ in range(r.randint(1, 6)):
        kind = r.choice(refused)
        parts = kind.split("%s")
        secret = SECRET + str(r.random())
        text = parts[0] + "".join(('"source":' + source if before.endswith('"op":"c",') else secret) + after for before, after in zip(parts, parts[1:]))
        mixed.insert(r.randint(first, len(mixed)), text)
        bad += 1
    path = f"{folder}/letters-{r.random()}"
    more = ["--on-error", "dead-letter", "--dead-letter", path]
    if options.private:
        more += ["--dead-letter-lines", "redacted"]
    text = "".join(line + "\n" for line in mixed).encode().replace("\u00ff".encode(), b"\xff")
    done = subprocess.run(["cdc-filter", *options.arguments, *more], input=text, capture_output=True, check=False, timeout=60)
    need(done.returncode == 0, "status", done.returncode, done.stderr)
    need(done.stdout.decode() == wanted, "what leaves is not what leaves without the bad lines")
    with open(path, "rb") as file:
        kept = file.read()
    need(os.stat(path).st_mode & 0o777 == 0o600, "mode of the letters")
    need(kept.count(b"\n") == bad, "letters:", kept.count(b"\n"), "of", bad)
    if options.private:
        need(SECRET.encode() not in kept + done.stderr, "a secret in a letter or message", kept, done.stderr)
    os.unlink(path)
    return options


def main():
    first, last, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(f"{folder}/key"):
        with open(os.open(f"{folder}/key", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(KEY + "\n")
    wrong = 0
    for seed in range(first, last + 1):
        r = random.Random(seed)
        trial = r.choice([model, restart, letters])
        try:
            trial(r, folder)
        except Wrong as error:
            wrong += 1
            print(f"seed {seed}, {trial.__name__}: {' '.join(map(repr, Options.newest))}\n{str(error)[:1500]}")
    sys.exit(wrong > 0)


main()
