#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/migrations: migrations.py [--index URL] [OPTION]... URL CLIENT [ARGUMENT]...

CLIENT reads SQL from its standard input, one statement after the other, and goes on after errors: the traffic does not know what a
migration has just done to a table, and some of its statements fail."""
import argparse
import collections
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import migration_kinds as kinds
from migration_kinds import Model, value

AGAIN = {0, 69, 74, 75}


class Server:
    """A database, and what differs between the kinds of it."""

    def __init__(self, url, client, index, restart):
        self.url, self.client, self.index, self.restart_with = url, client, index, restart
        self.postgres = url.startswith("postgresql:")
        self.stream = "pg-cdc" if self.postgres else "mysql-binlog"
        self.prefix = "app." if self.postgres else ""
        self.publication, self.composite = None, None
        # Tables that somebody fills beside those of the application.
        self.excludes = False
        version, _ = self.run("select version()")
        self.family = "postgresql" if self.postgres else "mariadb" if "MariaDB" in version else "mysql"
        self.version = int(version.split()[1 if self.postgres else 0].split(".")[0])

    def run(self, statement):
        """Runs it alone; its output, and its errors as text."""
        done = subprocess.run(self.client, input=(statement + ";\n").encode("utf-8", "surrogateescape"), capture_output=True, check=False, timeout=180)
        return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace").strip()

    def tables(self):
        """All tables, with the columns besides id that the traffic may write and their kinds, as they are now."""
        where = "is_generated = 'NEVER'" if self.postgres else "extra not like '%GENERATED%'"
        of = "case data_type when 'USER-DEFINED' then udt_name else data_type end" if self.postgres else "data_type"
        rows, _ = self.run(f"select concat(table_name, ' ', column_name, ' ', {of}) from information_schema.columns where table_schema = 'app' and ({where} or column_name = 'id') "
                           "and table_name in (select table_name from information_schema.tables where table_schema = 'app' and table_type <> 'VIEW') order by table_name, ordinal_position")
        found = {}
        for row in rows.splitlines():
            table, column, of = row.split(" ", 2)
            columns = found.setdefault(table, [])
            if column != "id" and of in kinds.KINDS:
                columns.append((column, kinds.KINDS[of]))
        return found

    def restart(self, how):
        return subprocess.run([self.restart_with, how], check=False, timeout=240).returncode

    def session(self, log):
        return subprocess.Popen(self.client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, text=True)


# -- the application ------------------------------------------------------------

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
            if rng.random() < 0.05:
                statements.insert(1, "select pg_sleep(0.5)" if server.postgres else "do sleep(0.5)")
            statements = ["begin"] + statements + [rng.choice(["commit", "commit", "commit", "rollback"])]
        try:
            session.stdin.write(";\n".join(statements) + ";\n")
            session.stdin.flush()
        except BrokenPipeError:
            # The server was started again.
            session.wait()
            session = server.session(log)
        time.sleep(rng.random() * 0.05)
    try:
        session.stdin.close()
    except BrokenPipeError:
        pass
    session.wait()


# -- migrations -----------------------------------------------------------------


class Migrations:
    """One after the other, and what became of them."""

    def __init__(self, server, model, rng, log, only):
        self.server, self.model, self.rng, self.log, self.only = server, model, rng, log, only
        self.drawn, self.taken = collections.Counter(), collections.Counter()

    def note(self, text):
        self.log.write(text + "\n")
        self.log.flush()

    def step(self):
        what, statements, after, through = kinds.draw(self.server, self.model, self.rng, self.only)
        failed = False
        for statement in statements:
            _, errors = self.server.run(statement)
            errors = "\n".join(line for line in errors.splitlines() if "NOTICE" not in line)
            self.note(f"-- {what}\n{statement};" + "".join(f"\n-- {line}" for line in errors.splitlines()))
            failed = failed or bool(errors)
            if errors and not through:
                break
        self.drawn[what] += 1
        self.taken[what] += not failed
        if failed:
            self.look_again(after)
        else:
            self.model.change(after)
        if self.server.publication == "list":
            self.publish_new()

    def look_again(self, after):
        """Some of its statements may have been taken."""
        now = self.server.tables()
        for table in sorted(now):
            if table in kinds.LEFT_OVER or table.endswith(("_new", "_old")) or re.fullmatch("p1_(low|high)_[0-9]+", table):
                self.server.run(f"drop table {self.server.prefix}{table} cascade")
        names = set(self.model.tables) | set(after)
        self.model.change({name: now.get(name) for name in names})

    def publish_new(self):
        """Who makes a table adds it to the publication."""
        new, _ = self.server.run(
            "select relname from pg_class c where relnamespace = 'app'::regnamespace and relkind in ('r', 'p') and not relispartition and relname !~ '_' and not exists "
            "(select 1 from pg_publication_rel r join pg_publication p on p.oid = prpubid where pubname = 'cdc_mig' and prrelid = c.oid)")
        for name in new.split():
            _, errors = self.server.run(f"alter publication cdc_mig add table app.{name}")
            self.note(f"-- published\nalter publication cdc_mig add table app.{name};" + (f"\n-- {errors}" if errors else ""))


# -- the line -------------------------------------------------------------------


class Line:
    """The command line, started again and again as a supervisor does."""

    def __init__(self, server, folder, rng):
        self.server, self.folder, self.rng = server, folder, rng
        self.stop = threading.Event()
        self.paused = threading.Event()
        self.steps_to_rest = 0
        self.events = collections.Counter()
        self.failed = None
        self.statuses = {}
        self.process = None
        self.thread = threading.Thread(target=self.supervise)

    def command(self):
        state, server = os.path.join(self.folder, "state"), self.server
        tables = "-t 'app.*'" + (" -T 'app.*_new' -T 'app.*_old'" if server.excludes else "")
        composite = f"--composite {server.composite} " if server.composite else ""
        source = f"--name mig {tables} {composite}--state-dir {state} '{server.url}'"
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
                if self.paused.is_set():
                    time.sleep(0.05)
                    continue
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

    def signal_one(self, number):
        pid = self.member() if self.process and self.process.poll() is None else None
        if pid:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return None
        return pid

    def signal_all(self, number):
        if self.process and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def ask_again(self, model):
        """Somebody wants a table to be read again."""
        table = self.rng.choice(sorted(model.tables))
        done = subprocess.run(["cdc-snapshot", "-q", "--again", "-t", f"app.{table}", "--name", "mig", "--state-dir", os.path.join(self.folder, "state"), self.server.url],
                              capture_output=True, text=True, check=False, timeout=120)
        self.statuses[f"again {done.returncode}"] = self.statuses.get(f"again {done.returncode}", 0) + 1
        return done.stderr.strip()

    def sessions_end(self):
        """The server ends what the tools have of it."""
        if self.server.postgres:
            self.server.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ 'cdc' or backend_type = 'walsender'")
            return
        found, _ = self.server.run("select group_concat(id) from information_schema.processlist where user = 'cdc'")
        for session in found.strip().replace("NULL", "").split(","):
            if session:
                self.server.run(f"kill {session}")

    def disturb(self, what, model):
        """Once in a while: what happens to the line, to its server, or to somebody's trust in a copy. What is to be noted of it."""
        self.events[what] += 1
        if what == "kill":
            self.signal_one(signal.SIGKILL)
        elif what == "stop":
            self.signal_one(signal.SIGTERM)
        elif what == "kill all":
            self.signal_all(signal.SIGKILL)
        elif what == "rest":
            # Nobody reads for some migrations.
            self.paused.set()
            self.steps_to_rest = self.rng.randrange(2, 7)
            self.signal_all(signal.SIGTERM)
        elif what == "stuck":
            pid = self.signal_one(signal.SIGSTOP)
            time.sleep(1.5)
            if pid:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    pass
        elif what == "sessions end":
            self.sessions_end()
        elif what == "again":
            return self.ask_again(model)
        elif what in ("restart", "crash"):
            status = self.server.restart("fast" if what == "restart" else "immediate")
            if status:
                self.failed = f"the server did not come back ({status})"
        return ""

    def rested(self):
        self.steps_to_rest -= 1
        if self.steps_to_rest <= 0:
            self.paused.clear()

    def end(self):
        self.stop.set()
        self.signal_all(signal.SIGTERM)
        self.thread.join(60)
        if self.thread.is_alive():
            self.failed = self.failed or "the line did not end"
            self.signal_all(signal.SIGKILL)


EVENTS = {"kill": 8, "stop": 5, "kill all": 3, "rest": 6, "stuck": 2, "sessions end": 2, "again": 6, "restart": 2, "crash": 2}


# -- the comparison -------------------------------------------------------------


def fresh_copy(server, folder, number):
    """What a snapshot taken now makes of the tables."""
    state, path = os.path.join(folder, f"check{number}"), os.path.join(folder, f"check{number}.db")
    os.mkdir(state)
    publication = f"--publication cdc_mig --composite {server.composite}" if server.postgres else ""
    command = (f"cdc-snapshot -q --name check -t 'app.*' {publication} --state-dir {state} '{server.url}' | "
               f"tee {path}.lines | cdc-sink-sqlite -q --state-dir {state} {path}")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=False)
    if server.postgres:
        server.run("select pg_drop_replication_slot('cdc_check')")
    return path, done.returncode


def rows_of(path, table, columns):
    """A column that no row has shown yet is NULL: SQLite would take its name in quotes for a text."""
    has = columns_of(path, table)
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        names = ", ".join('"' + c + '"' if c in has else "null" for c in columns)
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
            if line["op"] == "r" and line["source"]["table"] in rows:
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
        check, status = fresh_copy(server, folder, number)
        found = {"the snapshot to compare with": f"ended with {status}"} if status else differences(os.path.join(folder, "copy.db"), check, sorted(model.tables))
        if server.index and not status:
            found.update(index_differences(server, check, sorted(model.tables)))
        number += 1
        if not found or line.failed or time.monotonic() > end:
            return found
        time.sleep(2)


# -- all of it ------------------------------------------------------------------


def prepare(server, model, rng):
    server.excludes = rng.random() < 0.5
    if server.index:
        # No types are guessed from the first document: migrations change them.
        ask(f"{server.index}/_index_template/app", {"index_patterns": ["app-*"], "template": {"mappings": {"dynamic": False}}}, "PUT")
    if server.postgres:
        server.run("create schema app")
        server.run("create type app.mood as enum ('calm', 'glad')")
        server.run("create type app.pair as (a int, b text)")
        server.run("create domain app.word as text default 'word'")
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
        model.tables[name] = []
        statements, model.tables[name] = kinds.Draw(server, model, rng, name).create(name)
        for statement in statements:
            server.run(statement)
    if server.postgres:
        server.composite = rng.choice(["object", "text"])
        server.publication = rng.choice(["list", "schema" if server.version >= 15 else "all"])
        which = {"list": "table " + ", ".join(f"app.{name}" for name in model.tables), "schema": "tables in schema app", "all": "all tables"}[server.publication]
        server.run(f"create publication cdc_mig for {which} with (publish_via_partition_root)")


def main():
    parser = argparse.ArgumentParser()
    for option, default in (("seed", 1), ("steps", 40), ("clients", 4), ("kills", 10)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--index")
    parser.add_argument("--restart")
    parser.add_argument("--only", default="")
    parser.add_argument("--events", default="")
    parser.add_argument("url")
    parser.add_argument("client", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    options.only = {kind for kind in options.only.split(",") if kind}
    options.events = [event for event in options.events.split(",") if event]
    unknown = (options.only - set(kinds.BY_NAME)) | (set(options.events) - set(EVENTS))
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(kinds.BY_NAME)}; {', '.join(EVENTS)}")
    rng, model, server = random.Random(options.seed), Model(), Server(options.url, options.client, options.index, options.restart)
    os.makedirs(os.path.join(options.dir, "state"), exist_ok=True)
    prepare(server, model, rng)
    line, stop = Line(server, options.dir, random.Random(options.seed + 1)), threading.Event()
    # However it ends, the line does not outlive its server.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return run(options, server, model, rng, line, stop)
    finally:
        stop.set()
        line.end()


def go_on(options, migrations, line, rng, model):
    """All migrations, with what happens meanwhile."""
    events = options.events or [event for event in EVENTS if options.restart or event not in ("restart", "crash")]
    weights = [EVENTS[event] for event in events]
    event_at = set(rng.sample(range(options.steps), min(options.kills, options.steps)))
    for step in range(options.steps):
        if line.failed:
            break
        migrations.step()
        if line.paused.is_set():
            line.rested()
        elif step in event_at:
            event = rng.choices(events, weights)[0]
            told = line.disturb(event, model)
            migrations.note(f"-- -- {event}" + "".join(f"\n-- {text}" for text in told.splitlines()))
        time.sleep(rng.random() * (0.2 if line.paused.is_set() else 1.5))
    line.paused.clear()


def wait_for_slot(server):
    """PostgreSQL may lose track of tables that are rewritten while a slot is made ("could not map filenode"): no line can go on from that."""
    deadline = time.monotonic() + 120
    while server.postgres and time.monotonic() < deadline:
        if server.run("select 1 from pg_replication_slots where slot_name = 'cdc_mig' and confirmed_flush_lsn is not null")[0].strip():
            return
        time.sleep(0.05)


def run(options, server, model, rng, line, stop):
    line.thread.start()
    wait_for_slot(server)
    with open(os.path.join(options.dir, "statements.sql"), "w", encoding="utf-8", errors="surrogateescape") as log, \
            open(os.path.join(options.dir, "traffic.err"), "w", encoding="utf-8") as errors:
        migrations = Migrations(server, model, rng, log, options.only)
        clients = [threading.Thread(target=traffic, args=(server, model, f"{options.seed} {i}", stop, errors)) for i in range(options.clients)]
        for client in clients:
            client.start()
        go_on(options, migrations, line, rng, model)
        stop.set()
        for client in clients:
            client.join()
    found = settle(line, server, options.dir, model, 120)
    line.end()
    for table, text in found.items():
        print(f"not ok {table}: {text}")
    if line.failed:
        print(f"not ok {line.failed}: {os.path.join(options.dir, 'messages')}")
    taken, drawn = migrations.taken, migrations.drawn
    print("# " + ", ".join(f"{kind} {taken[kind]} of {drawn[kind]}" for kind in sorted(drawn)))
    print("# " + ", ".join(f"{event} {n}" for event, n in sorted(line.events.items())))
    print(f"# seed {options.seed}: {sum(taken.values())} of {sum(drawn.values())} migrations, ends of the line: {line.statuses}")
    failed = len(found) + bool(line.failed)
    print(f"{len(model.tables) * (2 if server.index else 1) - len(found)} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
