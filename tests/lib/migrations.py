#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/migrations: migrations.py [--index URL] [OPTION]... URL CLIENT [ARGUMENT]...

CLIENT reads SQL from its standard input, one statement after the other, and goes on after errors: the traffic does not know what a
migration has just done to a table, and some of its statements fail."""
import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

AGAIN = {0, 69, 74, 75}


class Server:
    """A database, and what differs between the two kinds of it."""

    def __init__(self, url, client, index):
        self.url, self.client, self.index = url, client, index
        self.postgres = url.startswith("postgresql:")
        self.stream = "pg-cdc" if self.postgres else "mysql-binlog"
        self.prefix = "app." if self.postgres else ""

    def run(self, statement):
        """Runs it alone; its output, and its errors as text."""
        done = subprocess.run(self.client, input=statement + ";\n", capture_output=True, text=True, check=False)
        return done.stdout, done.stderr.strip()

    def columns(self, name):
        """The columns of a table besides id that the traffic may write, with their kinds, as they are now."""
        where = "table_schema = 'app' and column_name <> 'id' and " + ("is_generated = 'NEVER'" if self.postgres else "extra not like '%GENERATED%'")
        rows, _ = self.run(f"select concat(column_name, ' ', data_type) from information_schema.columns where table_name = '{name}' and {where} order by ordinal_position")
        return [tuple(row.split(" ", 1)) for row in rows.splitlines()]

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

# What an enum begins with, and what migrations add to it. The traffic writes all of them, and some statements are refused.
MOODS = ["calm", "glad", "m0", "m1", "m2"]

def value(rng, kind):
    if kind == "int":
        return str(rng.randrange(1000))
    if kind == "num":
        return f"{rng.randrange(100000) / 100:.2f}"
    if kind == "enum":
        return "'" + rng.choice(MOODS) + "'"
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

TYPES = {"int": ("integer", "int"), "num": ("numeric(12,2)", "decimal(12,2)"), "text": ("text", "varchar(400)"),
         "enum": ("app.mood", "enum('calm', 'glad')")}
# As information_schema names them; what the traffic does not write is in none.
KINDS = {"integer": "int", "int": "int", "numeric": "num", "decimal": "num", "text": "text", "varchar": "text", "enum": "enum", "USER-DEFINED": "enum"}


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


def drop_key(server, name):
    if not server.postgres:
        return "drop primary key"
    found, _ = server.run(f"select conname from pg_constraint where conrelid = 'app.{name}'::regclass and contype = 'p'")
    return f"drop constraint {found.strip()}"


def partitions(server, rng):
    """One partition of p1 is emptied, or taken out and put back, or replaced by another one."""
    part, number = rng.choice(["p1_low", "p1_high"]), rng.randrange(1000)
    low, high = ("minvalue", "200") if part == "p1_low" else ("200", "maxvalue")
    if not server.postgres:
        other = "p1_high values less than (maxvalue)" if part == "p1_high" else "p1_low values less than (200)"
        if part == "p1_high":
            return rng.choice([[f"alter table p1 truncate partition {part}"],
                               [f"alter table p1 drop partition {part}", f"alter table p1 add partition (partition {other})"]])
        return rng.choice([[f"alter table p1 truncate partition {part}"],
                           ["create table other like p1", "alter table other remove partitioning", f"insert into other (id, c1) select id, 'other' from p1 where id < 200 and id % 2",
                            f"alter table p1 exchange partition {part} with table other", "drop table other"]])
    bounds = f"for values from ({low}) to ({high})"
    meanwhile = rng.choice([f"update app.{part} set id = id", f"delete from app.{part} where id % 3 = 0", f"truncate app.{part}", "select 1"])
    detach, attach = f"alter table app.p1 detach partition app.{part}", f"alter table app.p1 attach partition app.{part} {bounds}"
    return rng.choice([
        [f"truncate app.{part}"],
        [detach, meanwhile, attach],
        [f"begin; {detach}; {meanwhile}; {attach}; commit"],
        [f"drop table app.{part}", f"create table app.{part} partition of app.p1 {bounds}"],
        [f"create table app.{part}_{number} (like app.p1 including all)",
         f"insert into app.{part}_{number} (id, c1) select i, 'new' from generate_series({0 if low == 'minvalue' else 200}, {190 if low == 'minvalue' else 390}, 9) i",
         f"begin; {detach}; alter table app.p1 attach partition app.{part}_{number} {bounds}; drop table app.{part}; alter table app.{part}_{number} rename to {part}; commit"]])


def exchange(server, model, rng, name, _new):
    """Two tables change their names with each other, in one transaction or statement."""
    other = rng.choice([t for t in sorted(model.tables) if t not in (name, "p1")])
    if server.postgres:
        statement = f"begin; alter table app.{name} rename to swapping; alter table app.{other} rename to {name}; alter table app.swapping rename to {other}; commit"
    else:
        statement = f"rename table {name} to swapping, {other} to {name}, swapping to {other}"
    return [statement], {name: list(model.tables[other]), other: list(model.tables[name])}


def generated(server, _model, _rng, name, new):
    return [f"alter table {server.prefix}{name} add column {new} int generated always as (id * 2 + 1) stored"], {}


def away(server, _model, rng, name, new):
    """The schema, or a table, has another name for a while, and is written to under it."""
    write = rng.choice(["select 1", f"update {{}}.{name} set id = id + 2000 where id % 10 = 3", f"delete from {{}}.{name} where id % 10 = 4"])
    if server.postgres:
        return [f"alter schema app rename to {new}", write.format(new), f"alter schema {new} rename to app"], {}
    return ["create database if not exists elsewhere", f"rename table app.{name} to elsewhere.{name}", write.format("elsewhere"), f"rename table elsewhere.{name} to app.{name}"], {}


def mood(server, model, rng, name, new):
    """An enum has one value more, at its end or among the others."""
    if server.postgres:
        return [f"alter type app.mood add value if not exists 'm{rng.randrange(3)}'{rng.choice([''] + [' before ' + repr('glad')])}"], {}
    labels = ", ".join(f"'{label}'" for label in rng.choice([MOODS[:3], MOODS[:4], MOODS, ["calm", "m1", "glad"]]))
    enums = [column for column, kind in model.tables[name] if kind == "enum"]
    if not enums:
        return [f"alter table {name} add column {new} enum({labels})"], {name: model.tables[name] + [(new, "enum")]}
    return [f"alter table {name} modify {enums[0]} enum({labels})"], {}


def inside(server, model, rng, name, new):
    """DDL in the midst of rows, in one transaction where the server knows that."""
    table = server.prefix + name
    kind = rng.choice(["int", "text"])
    return [f"begin; delete from {table} where id % 9 = 1; update {table} set id = id + 3000 where id % 9 = 2; "
            f"alter table {table} add column {new} {sql_type(server, kind)} default {value(rng, kind)}; "
            f"update {table} set {new} = {value(rng, kind)} where id % 9 = 3; insert into {table} (id, {new}) values ({rng.randrange(5000, 6000)}, {value(rng, kind)}); commit"], {
                name: model.tables[name] + [(new, kind)]}


def undone(server, model, rng, name, new):
    """DDL that is rolled back, the whole of it or up to a savepoint; MySQL commits before and after each statement."""
    table = server.prefix + name
    ddl = rng.choice([f"alter table {table} add column {new} int default 7", f"truncate table {table}", f"drop table {table}"])
    if not server.postgres:
        return [f"begin; delete from {table} where id % 9 = 4; rollback; alter table {table} add column {new} int default 7, drop column {new}_not_there"], {}
    return [f"begin; update {table} set id = id + 4000 where id % 9 = 4; savepoint s; {ddl}; rollback to s; delete from {table} where id % 9 = 5; "
            + rng.choice(["commit", "rollback"]), f"begin; {ddl}; rollback"], {}


def unlogged(server, _model, rng, name, _new):
    table = server.prefix + name
    return [f"alter table {table} set unlogged", rng.choice(["select 1", f"delete from {table} where id % 7 = 3"]), f"alter table {table} set logged"], {}


def identity(server, _model, rng, name, _new):
    return [f"alter table {server.prefix}{name} replica identity {rng.choice(['full', 'default'])}"], {}


def publication(server, _model, rng, name, _new):
    """Some changes pass by for a while."""
    write = rng.choice(["select 1", f"delete from {server.prefix}{name} where id % 8 = 5"])
    return ["alter publication cdc_mig set (publish = 'insert, update')", write, "alter publication cdc_mig set (publish = 'insert, update, delete, truncate')"], {}


def other_key(server, _model, _rng, name, new):
    """Another column is the key, and id has none."""
    column = "bigserial" if server.postgres else "bigint not null auto_increment"
    first = drop_key(server, name)
    return [f"alter table {server.prefix}{name} {first}, add column {new} {column}, add primary key ({new})"], {}


OTHERS = {"exchange": exchange, "generated": generated, "away": away, "mood": mood, "inside": inside, "other key": other_key,
          "undone": undone, "unlogged": unlogged, "identity": identity, "publication": publication}


def migration(server, model, rng):
    """One of them: its statements, and what becomes of the model."""
    name, columns = model.pick(rng)
    table = server.prefix + name
    kind = rng.choice(["int", "num", "text", "enum"])
    new = f"n{model.next_column}"
    model.next_column += 1
    some = rng.choice(columns) if columns else None
    options = ["add", "add default", "add default", "harmless", "recreate", "swap", "exchange", "truncate", "generated", "away", "mood", "inside", "undone"]
    if server.postgres:
        options += ["unlogged", "identity", "publication"]
    if some and len(columns) > 1:
        options += ["drop", "rename", "retype", "drop and add", "rekey", "other key", "default", "two"]
    if name == "p1":
        options = [o for o in options if o not in ("recreate", "swap", "exchange", "rekey", "other key")] + ["partitions"] * 5
    what = rng.choice(options)
    add = f"alter table {table} add column {new} {sql_type(server, kind)}"
    if what == "partitions":
        return what, partitions(server, rng), {}
    if what in OTHERS:
        return what, *OTHERS[what](server, model, rng, name, new)
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
            kind = rng.choice(["int", "num", "text"])
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
        return what, [f"alter table {table} {serial}, {drop_key(server, name)}, add primary key (id, {new})"], {}
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
    failed = False
    for statement in statements:
        _, errors = server.run(statement)
        log.write(f"-- {what}\n{statement};\n" + (f"-- {errors}\n" if errors else ""))
        log.flush()
        failed = failed or bool(errors)
        # What has gone away is to come back in any case.
        if errors and what not in ("away", "partitions", "unlogged", "publication"):
            break
    if failed:
        # Some of its statements may have been taken.
        for name in list(model.tables):
            columns = [(column, KINDS[kind]) for column, kind in server.columns(name) if kind in KINDS]
            with model.lock:
                model.tables[name] = columns
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
        index = ""
        if server.index:
            index = f"tee >(cdc-sink-http --elasticsearch --state-dir {state} '{server.index}'; echo $? >>{self.folder}/index-ends) | "
        return (f"{{ cdc-snapshot {source} && exec {server.stream} --heartbeat 1 {source}; }} | "
                f"cdc-filter {tables} | {index}cdc-sink-sqlite --state-dir {state} {self.folder}/copy.db")

    def judge(self, status, who):
        self.statuses[f"{who}{status}"] = self.statuses.get(f"{who}{status}", 0) + 1
        if status not in AGAIN and 0 <= status <= 128:
            self.failed = f"{who or 'the line '}ended with {status}"

    def judge_index(self):
        """The shell does not wait for what reads from tee, nor does it tell how that ended."""
        path = os.path.join(self.folder, "index-ends")
        if os.path.exists(path):
            os.rename(path, path + "-read")
            with open(path + "-read", encoding="ascii") as ends:
                for end in ends:
                    self.judge(int(end), "index ")

    def supervise(self):
        with open(os.path.join(self.folder, "messages"), "ab") as log:
            while not self.stop.is_set() and not self.failed:
                self.process = subprocess.Popen(["bash", "-o", "pipefail", "-c", self.command()], stderr=log, start_new_session=True)
                status = self.process.wait()
                self.judge(status, "")
                self.judge_index()
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
               f"tee {path}.lines | cdc-sink-sqlite -q --state-dir {state} {path}")
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


# -- the index ------------------------------------------------------------------


def ask(url, body=None, method=None):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.load(answer)


def documents(server, table):
    url = f"{server.index}/app-{table}"
    try:
        ask(url + "/_refresh", {})
        answer = ask(f"{url}/_search", {"size": 10000})
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return []
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def index_differences(server, check, tables):
    """Of the documents, against the rows of a snapshot. A column that a document lacks is NULL; what it has besides was dropped."""
    rows = {table: [] for table in tables}
    with open(check + ".lines", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if line["op"] == "r":
                rows[line["source"]["table"]].append(line["after"])
    found = {}
    for table in tables:
        columns = sorted(columns_of(check, table))
        expected, actual = (sorted((tuple(json.dumps(row.get(c), ensure_ascii=False) for c in columns) for row in of)) for of in (rows[table], documents(server, table)))
        if expected != actual:
            missing, extra = [row for row in expected if row not in actual], [row for row in actual if row not in expected]
            found[f"index of {table}"] = f"{len(expected)} rows expected, {len(actual)} are there; missing {short(missing)}, left over {short(extra)}; columns {columns}"
    return found


def settle(line, server, folder, model, seconds):
    """Until copy and source are equal, or the time is over."""
    end, number = time.monotonic() + seconds, 0
    while True:
        check = fresh_copy(server, folder, number)
        found = differences(os.path.join(folder, "copy.db"), check, sorted(model.tables))
        if server.index:
            found.update(index_differences(server, check, sorted(model.tables)))
        number += 1
        if not found or line.failed or time.monotonic() > end:
            return found
        time.sleep(2)


# -- all of it ------------------------------------------------------------------


def prepare(server, model, rng):
    if server.index:
        # No types are guessed from the first document: migrations change them.
        ask(f"{server.index}/_index_template/app", {"index_patterns": ["app-*"], "template": {"mappings": {"dynamic": False}}}, "PUT")
    if server.postgres:
        server.run("create schema app")
        server.run("create type app.mood as enum ('calm', 'glad')")
        for statement in ("create table app.p1 (id int primary key, c1 text, c2 int) partition by range (id)",
                          "create table app.p1_low partition of app.p1 for values from (minvalue) to (200)",
                          "create table app.p1_high partition of app.p1 for values from (200) to (maxvalue)",
                          "insert into app.p1 select i, 'row ' || i, i from generate_series(1, 390, 7) i"):
            server.run(statement)
    else:
        server.run("create table p1 (id int primary key, c1 varchar(400), c2 int) partition by range (id) "
                   "(partition p1_low values less than (200), partition p1_high values less than (maxvalue))")
        server.run("insert into p1 values " + ", ".join(f"({i}, 'row {i}', {i})" for i in range(1, 390, 7)))
    model.tables["p1"] = [("c1", "text"), ("c2", "int")]
    for name in ("t1", "t2", "t3", "t4"):
        statements, kinds = make(server, name, rng)
        for statement in statements:
            server.run(statement)
        model.tables[name] = kinds
    if server.postgres:
        which = "tables in schema app" if int(server.run("show server_version_num")[0]) >= 150000 else "all tables"
        server.run(f"create publication cdc_mig for {which} with (publish_via_partition_root)")


def main():
    parser = argparse.ArgumentParser()
    for option, default in (("seed", 1), ("steps", 40), ("clients", 4), ("kills", 10)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--index")
    parser.add_argument("url")
    parser.add_argument("client", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    rng, model, server = random.Random(options.seed), Model(), Server(options.url, options.client, options.index)
    os.makedirs(os.path.join(options.dir, "state"), exist_ok=True)
    prepare(server, model, rng)
    line, stop = Line(server, options.dir, random.Random(options.seed + 1), options.kills), threading.Event()
    # However it ends, the line does not outlive its server.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return run(options, server, model, rng, line, stop)
    finally:
        stop.set()
        line.end()


def run(options, server, model, rng, line, stop):
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
    print(f"{len(model.tables) * (2 if server.index else 1) - len(found)} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
