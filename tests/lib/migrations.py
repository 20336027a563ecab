#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/migrations: migrations.py [OPTION]... URL CLIENT [ARGUMENT]...

CLIENT reads SQL from its standard input, one statement after the other, and goes on after errors: the traffic does not know what a
migration has just done to a table, and some of its statements fail."""
import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time

AGAIN = {0, 69, 74, 75}


class Server:
    """A database, and what differs between the two kinds of it."""

    def __init__(self, url, client):
        self.url, self.client = url, client
        self.postgres = url.startswith("postgresql:")
        self.stream = "pg-cdc" if self.postgres else "mysql-binlog"
        self.prefix = "app." if self.postgres else ""

    def run(self, statement):
        """Runs it alone; its output, and its errors as text."""
        done = subprocess.run(self.client, input=statement + ";\n", capture_output=True, text=True, check=False)
        return done.stdout, done.stderr.strip()

    def session(self, log):
        return subprocess.Popen(self.client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, text=True)


class Model:
    """The tables, as far as the traffic must know them: names of columns besides id, by table."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tables = {}
        self.next_column = 0

    def pick(self, rng):
        with self.lock:
            name = rng.choice(sorted(self.tables))
            return name, list(self.tables[name])


# -- the application ------------------------------------------------------------


def value(rng, kind):
    if kind == "int":
        return str(rng.randrange(1000))
    if kind == "num":
        return f"{rng.randrange(100000) / 100:.2f}"
    return "'" + rng.choice(["tea", "coffee", "Grüße", "x" * 300, "0", ""]) + str(rng.randrange(100)) + "'"


def change(rng, server, name, columns):
    table, key = server.prefix + name, rng.randrange(400)
    column = rng.choice(columns) if columns else None
    what = rng.random()
    if what < 0.45 and columns:
        names = ", ".join(c for c, _ in columns)
        values = ", ".join(value(rng, kind) for _, kind in columns)
        return f"insert into {table} (id, {names}) values ({key}, {values})"
    if what < 0.75 and column:
        return f"update {table} set {column[0]} = {value(rng, column[1])} where id % 40 = {key % 40}"
    if what < 0.85:
        return f"update {table} set id = id + 1000 where id = {key}"
    return f"delete from {table} where id in ({key}, {key + 1000})"


def traffic(server, model, seed, stop, log):
    rng = random.Random(seed)
    session = server.session(log)
    while not stop.is_set():
        statements = [change(rng, server, *model.pick(rng)) for _ in range(rng.choice([1, 1, 3, 8]))]
        if len(statements) > 1:
            statements = ["begin"] + statements + [rng.choice(["commit", "commit", "commit", "rollback"])]
        try:
            session.stdin.write(";\n".join(statements) + ";\n")
            session.stdin.flush()
        except BrokenPipeError:
            break
        time.sleep(rng.random() * 0.05)
    session.stdin.close()
    session.wait()


# -- migrations -----------------------------------------------------------------

TYPES = {"int": ("integer", "int"), "num": ("numeric(12,2)", "decimal(12,2)"), "text": ("text", "varchar(400)")}


def sql_type(server, kind):
    return TYPES[kind][0 if server.postgres else 1]


def make(server, name, rng):
    """Statements that make a table with rows in it."""
    kinds = [("c1", "text"), ("c2", rng.choice(["int", "num"]))]
    columns = ", ".join(f"{c} {sql_type(server, kind)}" for c, kind in kinds)
    table = server.prefix + name
    rows = ", ".join(f"({i}, {value(rng, 'text')}, {rng.randrange(1000)})" for i in rng.sample(range(400), 60))
    return [f"create table {table} (id int not null, {columns}, primary key (id))",
            f"insert into {table} (id, c1, c2) values {rows}"], kinds


def migration(server, model, rng):
    """One of them: its statements, and what becomes of the model."""
    name, columns = model.pick(rng)
    table = server.prefix + name
    kind = rng.choice(["int", "num", "text"])
    new = f"n{model.next_column}"
    model.next_column += 1
    some = rng.choice(columns) if columns else None
    options = ["add", "add default", "add default", "harmless", "recreate", "swap", "truncate"]
    if some and len(columns) > 1:
        options += ["drop", "rename", "retype", "drop and add", "rekey", "default", "two"]
    if name == "p1":
        options = [o for o in options if o not in ("recreate", "swap", "rekey")] + ["partitions"] * 4
    what = rng.choice(options)
    add = f"alter table {table} add column {new} {sql_type(server, kind)}"
    if what == "partitions":
        part = rng.choice(["p1_low", "p1_high"])
        bounds = "from (minvalue) to (200)" if part == "p1_low" else "from (200) to (maxvalue)"
        meanwhile = rng.choice([f"update app.{part} set id = id", f"delete from app.{part} where id % 3 = 0", f"truncate app.{part}", "select 1"])
        if rng.random() < 0.3:
            return what, [f"truncate app.{part}"], {}
        return what, [f"alter table app.p1 detach partition app.{part}", meanwhile, f"alter table app.p1 attach partition app.{part} for values {bounds}"], {}
    if what == "add":
        return what, [add], {name: columns + [(new, kind)]}
    if what == "add default":
        strict = " not null" if rng.random() < 0.5 else ""
        return what, [f"{add}{strict} default {value(rng, kind)}"], {name: columns + [(new, kind)]}
    if what == "drop":
        return what, [f"alter table {table} drop column {some[0]}"], {name: [c for c in columns if c != some]}
    if what == "rename":
        return what, [f"alter table {table} rename column {some[0]} to {new}"], {name: [(new, c[1]) if c == some else c for c in columns]}
    if what == "retype":
        if server.postgres:
            using = "length({0}::text)" if kind == "int" else "length({0}::text) * 1.5" if kind == "num" else "'was ' || {0}"
            statement = f"alter table {table} alter {some[0]} type {sql_type(server, kind)} using ({using.format(some[0])})"
        else:
            kind = "text"
            statement = f"alter table {table} modify {some[0]} {rng.choice(['varchar(500)', 'varchar(400) character set latin1', 'text'])}"
        return what, [statement], {name: [(c[0], kind) if c == some else c for c in columns]}
    if what == "drop and add":
        return what, [f"alter table {table} drop column {some[0]}, add column {some[0]} {sql_type(server, kind)} default {value(rng, kind)}"], {
            name: [c for c in columns if c != some] + [(some[0], kind)]}
    if what == "rekey":
        serial = f"add column {new} bigserial" if server.postgres else f"add column {new} bigint not null default 7"
        drop = f"drop constraint if exists {name}_pkey" if server.postgres else "drop primary key"
        constraint = f"add constraint {name}_pkey primary key (id, {new})" if server.postgres else f"add primary key (id, {new})"
        return what, [f"alter table {table} {serial}, {drop}, {constraint}"], {name: columns}
    if what == "default":
        return what, [f"alter table {table} alter {some[0]} set default {value(rng, some[1])}"], {}
    if what == "two":
        return what, [f"{add} default {value(rng, kind)}", f"alter table {table} drop column {some[0]}"], {
            name: [c for c in columns if c != some] + [(new, kind)]}
    if what == "harmless":
        other = f"vacuum full {table}" if server.postgres else f"optimize table {table}"
        return what, [rng.choice([f"create index {new} on {table} (id)", f"analyze {'' if server.postgres else 'table '}{table}", other])], {}
    if what == "truncate":
        return what, [f"truncate table {table}"], {}
    statements, kinds = make(server, name if what == "recreate" else f"{name}_new", rng)
    if what == "recreate":
        return what, [f"drop table {table}"] + statements, {name: kinds}
    old, fresh = f"{name}_old", f"{table}_new"
    if server.postgres:
        swap = [f"begin; alter table {table} rename to {old}; alter table {fresh} rename to {name}; commit"]
    else:
        swap = [f"rename table {name} to {old}, {name}_new to {name}"]
    return what, statements + swap + [f"drop table {server.prefix}{old}"], {name: kinds}


def migrate(server, model, rng, log):
    what, statements, after = migration(server, model, rng)
    for statement in statements:
        _, errors = server.run(statement)
        log.write(f"-- {what}\n{statement};\n" + (f"-- {errors}\n" if errors else ""))
        log.flush()
        if errors:
            return False
    with model.lock:
        model.tables.update(after)
    return True


# -- the line -------------------------------------------------------------------


class Line:
    """The command line, started again and again as a supervisor does."""

    def __init__(self, server, folder, rng, kills):
        self.server, self.folder, self.rng, self.kills = server, folder, rng, kills
        self.stop = threading.Event()
        self.failed = None
        self.statuses = {}
        self.process = None
        self.thread = threading.Thread(target=self.supervise)

    def command(self):
        state, server = os.path.join(self.folder, "state"), self.server
        tables = "-t 'app.*'"
        source = f"--name mig {tables} --state-dir {state} '{server.url}'"
        return (f"{{ cdc-snapshot {source} && exec {server.stream} --heartbeat 1 {source}; }} | "
                f"cdc-filter {tables} | cdc-sink-sqlite --state-dir {state} {self.folder}/copy.db")

    def supervise(self):
        with open(os.path.join(self.folder, "messages"), "ab") as log:
            while not self.stop.is_set() and not self.failed:
                self.process = subprocess.Popen(["bash", "-o", "pipefail", "-c", self.command()], stderr=log, start_new_session=True)
                status = self.process.wait()
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if status not in AGAIN and status <= 128 and status >= 0:
                    self.failed = f"the line ended with {status}"
                if not self.stop.is_set():
                    time.sleep(0.2)

    def member(self):
        """The process id of some tool of the line."""
        pids = subprocess.run(["pgrep", "-g", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        pids = [int(pid) for pid in pids if int(pid) != self.process.pid]
        return self.rng.choice(pids) if pids else None

    def kill_one(self):
        pid = self.member() if self.process and self.process.poll() is None else None
        if pid:
            try:
                os.kill(pid, self.rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            except ProcessLookupError:
                pass

    def end(self):
        self.stop.set()
        if self.process and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.thread.join(60)


# -- the comparison -------------------------------------------------------------


def fresh_copy(server, folder, number):
    """What a snapshot taken now makes of the tables."""
    state, path = os.path.join(folder, f"check{number}"), os.path.join(folder, f"check{number}.db")
    os.mkdir(state)
    publication = "--publication cdc_mig" if server.postgres else ""
    command = (f"cdc-snapshot -q --name check -t 'app.*' {publication} --state-dir {state} '{server.url}' | "
               f"cdc-sink-sqlite -q --state-dir {state} {path}")
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    if server.postgres:
        server.run("select pg_drop_replication_slot('cdc_check')")
    return path


def rows_of(path, table, columns):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = ", ".join('"' + c + '"' for c in columns)
        return sorted(database.execute(f'select {names} from "{table}"'), key=repr)


def columns_of(path, table):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return [row[1] for row in database.execute(f'pragma table_info("{table}")')]


def short(rows):
    return ", ".join(str(tuple(v[:20] if isinstance(v, str) else v for v in row)) for row in rows[:2]) or "none"


def differences(copy, check, tables):
    found = {}
    for table in tables:
        columns = columns_of(check, table)
        try:
            expected, actual = rows_of(check, table, columns), rows_of(copy, table, columns)
        except sqlite3.Error as error:
            found[table] = str(error)
            continue
        if expected != actual:
            missing = [row for row in expected if row not in actual]
            extra = [row for row in actual if row not in expected]
            found[table] = f"{len(expected)} rows expected, {len(actual)} are there; missing {short(missing)}, left over {short(extra)}"
    return found


def settle(line, server, folder, model, seconds):
    """Until copy and source are equal, or the time is over."""
    end, number = time.monotonic() + seconds, 0
    while True:
        found = differences(os.path.join(folder, "copy.db"), fresh_copy(server, folder, number), sorted(model.tables))
        number += 1
        if not found or line.failed or time.monotonic() > end:
            return found
        time.sleep(2)


# -- all of it ------------------------------------------------------------------


def prepare(server, model, rng):
    if server.postgres:
        server.run("create schema app")
        for statement in ("create table app.p1 (id int primary key, c1 text, c2 int) partition by range (id)",
                          "create table app.p1_low partition of app.p1 for values from (minvalue) to (200)",
                          "create table app.p1_high partition of app.p1 for values from (200) to (maxvalue)",
                          "insert into app.p1 select i, 'row ' || i, i from generate_series(1, 390, 7) i"):
            server.run(statement)
        model.tables["p1"] = [("c1", "text"), ("c2", "int")]
    for name in ("t1", "t2", "t3", "t4"):
        statements, kinds = make(server, name, rng)
        for statement in statements:
            server.run(statement)
        model.tables[name] = kinds
    if server.postgres:
        server.run("create publication cdc_mig for tables in schema app with (publish_via_partition_root)")


def main():
    parser = argparse.ArgumentParser()
    for option, default in (("seed", 1), ("steps", 40), ("clients", 4), ("kills", 10)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--dir", required=True)
    parser.add_argument("url")
    parser.add_argument("client", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    rng, model, server = random.Random(options.seed), Model(), Server(options.url, options.client)
    os.makedirs(os.path.join(options.dir, "state"), exist_ok=True)
    prepare(server, model, rng)
    line, stop = Line(server, options.dir, random.Random(options.seed + 1), options.kills), threading.Event()
    line.thread.start()
    with open(os.path.join(options.dir, "statements.sql"), "w", encoding="utf-8") as log, \
            open(os.path.join(options.dir, "traffic.err"), "w", encoding="utf-8") as errors:
        clients = [threading.Thread(target=traffic, args=(server, model, f"{options.seed} {i}", stop, errors)) for i in range(options.clients)]
        for client in clients:
            client.start()
        done, kill_at = 0, set(rng.sample(range(options.steps), min(options.kills, options.steps)))
        for step in range(options.steps):
            if line.failed:
                break
            done += migrate(server, model, rng, log)
            if step in kill_at:
                line.kill_one()
            time.sleep(rng.random() * 1.5)
        stop.set()
        for client in clients:
            client.join()
    found = settle(line, server, options.dir, model, 120)
    line.end()
    for table, text in found.items():
        print(f"not ok {table}: {text}")
    if line.failed:
        print(f"not ok {line.failed}: {os.path.join(options.dir, 'messages')}")
    print(f"# seed {options.seed}: {done} of {options.steps} migrations, ends of the line: {line.statuses}")
    failed = len(found) + bool(line.failed)
    print(f"{len(model.tables) - len(found)} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
