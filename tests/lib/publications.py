#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/publications: publications.py [OPTION]... SOCKETS

A publication of any form over plain and partitioned tables; rounds of changes, of rows, of the publication and of the partitions; after
each of them the line runs up to the end of the log, started again as a supervisor does. The copy has then what a subscriber of that
publication would have: of each table that the server lists for it (pg_publication_tables) the columns and the rows that its list and
its condition say."""
import argparse
import glob
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

AGAIN = {69, 74, 75}
KEYS = 60
# Bounds of the partitions of p, which has one key, id; the last of them has partitions of its own.
PARTS = {"p_1": (0, 40), "p_2": (40, 80), "p_3": (80, 200)}
SUBS = {"p_3a": (80, 120), "p_3b": (120, 200)}
PLAIN = ["t", "u", "v", "w", "k"]  # k has no key
HOME = {"v": "b", "w": "b", "p_2": "b", "p_3b": "b"}  # the others are in the schema a


class Database:
    def __init__(self, sockets, name):
        self.name = name
        self.sockets = sockets
        self.url = f"postgresql:///{name}?host={sockets}&user=postgres"
        self.version = 0

    def run(self, text, name=None, may_fail=True):
        done = subprocess.run(["psql", "-XqAt", "-F", "\t", "-h", self.sockets, "-U", "postgres", "-d", name or self.name],
                              input=text + ";\n", capture_output=True, text=True, check=False)
        if done.stderr and not may_fail:
            raise RuntimeError(text + "\n" + done.stderr)
        return done.stdout, done.stderr

    def rows(self, text):
        return [line.split("\t") for line in self.run(text, may_fail=False)[0].splitlines()]


def full_name(table):
    return f"{HOME.get(table, 'a')}.{table}"


def bounds(low, high):
    return f"for values from ({low}) to ({high})"


# -- what there is at first ----------------------------------------------------


def make_tables(rng):
    # Values of the type name are never large ones (TOAST), and a condition for rows needs no REPLICA IDENTITY FULL beside them.
    columns = f"id int not null, a int not null, g int, c {rng.choice(['text', 'name'])}"
    key = rng.choice(["primary key (id)", "primary key (id)", "unique (id, a)"])
    statements = ["create schema a", "create schema b",
                  f"create table a.p ({columns}, primary key (id)) partition by range (id)"]
    for name, edges in PARTS.items():
        inside = " partition by range (id)" if name == "p_3" else ""
        statements.append(f"create table {full_name(name)} partition of a.p {bounds(*edges)}{inside}")
    for name, edges in SUBS.items():
        statements.append(f"create table {full_name(name)} partition of a.p_3 {bounds(*edges)}")
    for name in PLAIN:
        one = key if name in ("u", "w") else "primary key (id)" if name != "k" else "check (id > -100)"
        statements.append(f"create table {full_name(name)} ({columns}, {one})")
        if one.startswith("unique"):
            statements.append(f"alter table {full_name(name)} replica identity using index {name}_id_a_key")
    statements.append(full_identity(["p", *PARTS, *SUBS]) if rng.random() < 0.6 else "select 1")
    for name in PLAIN:
        if name == "k" or rng.random() < 0.4:
            statements.append(f"alter table {full_name(name)} replica identity full")
    for name in ["p", *PARTS, *SUBS, *PLAIN]:
        statements.append(f"alter table {full_name(name)} alter c set storage external")
    for name in ["p", *PLAIN]:
        statements.append(f"insert into {full_name(name)} select i, i % 7, i % 5, repeat(md5(i::text), i % 100) from generate_series(1, {2 * KEYS}, {rng.choice([1, 2, 5])}) i")
    return statements


def full_identity(tables):
    return ";\n".join(f"alter table {full_name(table)} replica identity full" for table in tables)


# -- publications ---------------------------------------------------------------


CONDITIONS = ["id % 2 = 0", "id > 30", "id < 90 and id <> 7", "g = 1", "a > 2", "g is null or g < 3", "id < 50 or a = 1"]


def entry(rng, database, table, simple):
    """A table of a list, with a condition for its rows and a list of columns, or without."""
    text = full_name(table)
    if simple or database.version < 150000:
        return text
    identity = database.rows(f"select relreplident from pg_class where oid = '{full_name(table)}'::regclass")
    full = bool(identity) and identity[0][0] == "f"
    if rng.random() < 0.3 and not full:
        text += " (" + ", ".join(["id", "a"] + rng.sample(["g", "c"], rng.randrange(2))) + ")"
    if rng.random() < 0.5:
        text += f" where ({rng.choice(CONDITIONS if full else CONDITIONS[:3])})"
    return text


def members(rng, database, via_root):
    """FOR ...: what it is for."""
    kind = rng.random()
    if kind < 0.15:
        return "for all tables"
    if kind < 0.35 and database.version >= 150000:
        schemas = rng.sample(["a", "b"], rng.randrange(1, 3))
        text = "for tables in schema " + ", ".join(schemas)
        if rng.random() < 0.4:
            text += ", table " + ", ".join(re.sub(r" \(id.*?\)", "", entry(rng, database, table, False)) for table in rng.sample(PLAIN, 2))
        return text
    tables = rng.sample(PLAIN, rng.randrange(1, 4))
    parted = rng.choice([["p"], ["p"], [*PARTS], ["p_1", "p_3a"], ["p", "p_1"], ["p_3"], ["p_2", "p_3", "p_3b"], []])
    both = len(parted) > 1 and parted[0] == "p"
    items = [entry(rng, database, table, False) for table in tables]
    # Without via_root the server refuses conditions on partitioned tables.
    items += [entry(rng, database, table, both or (not via_root and table in ("p", "p_3"))) for table in parted]
    return "for table " + ", ".join(items)


def publication(rng, database):
    via_root = rng.random() < 0.5
    return f"create publication cdc_x {members(rng, database, via_root)} with (publish_via_partition_root = {str(via_root).lower()})"


def alter_publication(rng, database):
    """What happens to it; what changes meanwhile passes by."""
    now = database.rows("select puballtables, pubviaroot from pg_publication where pubname = 'cdc_x'")
    if not now:
        return publication(rng, database)
    listed, via_root = now[0][0] == "f", now[0][1] == "t"
    table = rng.choice([*PLAIN, "p", *PARTS, *SUBS])
    simple = not via_root and table in ("p", "p_3")
    options = [f"alter publication cdc_x set (publish_via_partition_root = {str(not via_root).lower()})",
               f"drop publication cdc_x; {publication(rng, database)}",
               f"begin; drop publication cdc_x; {publication(rng, database)}; commit",
               "alter publication cdc_x set (publish = 'insert');\n" + changes(rng, database, 3) + ";\nalter publication cdc_x set (publish = 'insert, update, delete, truncate')",
               "alter publication cdc_x rename to away;\n" + changes(rng, database, 2) + ";\nalter publication away rename to cdc_x"]
    if listed:
        one = entry(rng, database, table, simple)
        options += [f"alter publication cdc_x add table {one}",
                    f"alter publication cdc_x add table {full_name(table)}",
                    f"alter publication cdc_x drop table {full_name(table)}",
                    f"alter publication cdc_x set table {', '.join([one] + [entry(rng, database, other, False) for other in rng.sample([t for t in PLAIN if t != table], 2)])}",
                    f"alter publication cdc_x drop table {full_name(table)};\n{changes(rng, database, 3)};\nalter publication cdc_x add table {one}",
                    f"alter publication cdc_x add tables in schema {rng.choice('ab')}",
                    f"alter publication cdc_x drop tables in schema {rng.choice('ab')}"] * 2
    return rng.choice(options)


# -- tables ----------------------------------------------------------------------


def alter_partitions(rng, database):
    part, number = rng.choice([*PARTS, *SUBS]), rng.randrange(20, 90) * 10
    parent = "p_3" if part in SUBS else "p"
    edges = bounds(*(SUBS if part in SUBS else PARTS)[part])
    name, made = full_name(part), f"{rng.choice('ab')}.p_{number}"
    detach, attach = f"alter table a.{parent} detach partition {name}", f"alter table a.{parent} attach partition {name} {edges}"
    like_root = "do $$ begin if (select relreplident = 'f' from pg_class where oid = 'a.p'::regclass) then alter table %s replica identity full; end if; end $$"
    options = [f"{detach};\n{changes(rng, database, 2)};\nupdate {name} set g = 4 where id % 3 = 0;\n{attach}",
               f"begin;\n{detach};\ndelete from {name} where id % 4 = 0;\n{attach};\ncommit",
               f"truncate {name}", "truncate a.p",
               f"create table {made} (like a.p including all);\ninsert into {made} select i, 1, 1, 'new' from generate_series({number}, {number} + 9) i where i % 10 < {rng.choice([0, 1, 9])};\n"
               f"{like_root % made};\nalter table a.p attach partition {made} {bounds(number, number + 10)};\nupdate a.p set id = {number} where id = 5;\nupdate a.p set a = 5 where id > 200",
               f"begin;\ncreate table {made} partition of a.p {bounds(number, number + 10)};\n{like_root % made};\ninsert into a.p values ({number}, 1, 2, 'new');\ncommit;\nupdate {made} set a = 6"]
    if part != "p_3":
        options.append(f"drop table {name};\ncreate table {name} partition of a.{parent} {edges};\n{like_root % name}")
    return rng.choice(options)


def alter_tables(rng, database):
    if rng.random() < 0.5:
        return alter_partitions(rng, database)
    plain = rng.choice(PLAIN)
    name, other = full_name(plain), "a" if plain in HOME else "b"
    return rng.choice([
        f"truncate {name}", full_identity(["p", *PARTS, *SUBS]), f"alter table {name} alter a type bigint", "alter table a.p alter g type bigint",
        f"alter table {name} set schema {other};\n{changes(rng, database, 2)};\nupdate {other}.{plain} set g = 2 where id % 5 = 0;\nalter table {other}.{plain} set schema {HOME.get(plain, 'a')}",
        f"alter table {name} replica identity {rng.choice(['full', 'full', 'default', 'nothing'])}",
        f"begin;\n{change(rng, plain)};\nalter table {name} replica identity full;\n{change(rng, plain)};\n{change(rng, plain)};\nalter table {name} replica identity default;\n{change(rng, plain)};\ncommit"])


# -- rows -------------------------------------------------------------------------


def change(rng, table):
    name, key = full_name(table), rng.randrange(2 * KEYS)
    what = rng.random()
    if table in PARTS or table in SUBS:
        low, high = {**PARTS, **SUBS}[table]
        key = rng.randrange(low, min(high, 150))
    if what < 0.3:
        return f"insert into {name} values ({key}, {rng.randrange(7)}, {rng.choice(['null', '0', '1', '2'])}, repeat('x{key}', {rng.choice([0, 1, 30, 3000])})) on conflict do nothing"
    if what < 0.45:
        return f"update {name} set g = {rng.choice(['null', '1', 'g + 1', '3'])} where id % 9 = {key % 9}"
    if what < 0.55:
        return f"update {name} set a = {rng.randrange(7)} where id % 9 = {key % 9}"
    if what < 0.65:
        return f"update {name} set c = 'y' || id where id % 9 = {key % 9}"
    if what < 0.85:
        return f"update {name} set id = {rng.choice(['id + 1', '(id * 7 + 3) % 150', 'id + 45', 'id - 45'])} where id = {key}"
    if what < 0.97:
        return f"delete from {name} where id % 11 = {key % 11}"
    return f"update {name} set id = 199 - id"


def changes(rng, _database, n):
    statements = []
    for _ in range(n):
        some = [change(rng, rng.choice([*PLAIN, "p", "p", "p", *PARTS, *SUBS])) for _ in range(rng.choice([1, 1, 2, 4]))]
        if len(some) == 1:
            statements += some
        elif rng.random() < 0.3:
            statements += ["begin", some[0], "savepoint s", *some[1:], "rollback to s", some[0], rng.choice(["commit", "rollback"])]
        else:
            statements += ["begin", *some, "commit"]
    return ";\n".join(statements)


# -- the line -----------------------------------------------------------------------


class Line:
    def __init__(self, database, folder, log):
        self.database, self.folder, self.log = database, folder, log
        self.statuses = {}
        self.running = None

    def paths(self):
        return os.path.join(self.folder, "state"), os.path.join(self.folder, "copy.db")

    def command(self, more):
        state, copy = self.paths()
        source = f"--name x --state-dir {state} '{self.database.url}'"
        return (f"{{ cdc-snapshot {source} && exec pg-cdc {more} {source}; }} | "
                f"cdc-sink-sqlite --state-dir {state} --table-name '{{schema}}_{{table}}' {copy}; "
                "echo ${PIPESTATUS[@]}")

    def once(self, more="--until now --heartbeat 0"):
        done = subprocess.run(["bash", "-c", self.command(more)], capture_output=True, text=True, check=False, timeout=300)
        self.log.write(done.stderr + "# " + done.stdout)
        self.log.flush()
        source, sink = (int(word) for word in done.stdout.split())
        self.statuses[source] = self.statuses.get(source, 0) + 1
        return (sink if sink not in (0, 75) else source), done.stderr

    def live(self):
        """It runs by itself until crash()."""
        self.running = subprocess.Popen(["bash", "-c", "while :; do " + self.command("--heartbeat 1") + ">>" + os.path.join(self.folder, "ends") + "; sleep 0.2; done"],
                                        stderr=self.log, start_new_session=True)

    def crash(self):
        if self.running:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None

    def check(self):
        state, _ = self.paths()
        done = subprocess.run(["pg-cdc", "--check", "-q", "--name", "x", "--state-dir", state, self.database.url], capture_output=True, text=True, check=False)
        self.log.write("# check\n" + done.stderr + f"# {done.returncode}\n")
        return done.returncode

    def to_the_end(self):
        """As a supervisor does it. The last status, and what was said then."""
        for _ in range(12):
            status, said = self.once()
            if status not in AGAIN:
                return status, said
        return status, said

    def begin_anew(self):
        state, copy = self.paths()
        subprocess.run(["pg-cdc", "-q", "--drop", "--name", "x", self.database.url], capture_output=True, check=False)
        shutil.rmtree(state, ignore_errors=True)
        os.mkdir(state)
        for file in glob.glob(copy + "*"):
            os.unlink(file)


# -- the comparison -------------------------------------------------------------------


def text(value):
    return "\\N" if value is None else str(value)


def expected_rows(database):
    if database.version >= 150000:
        tables = database.rows("select schemaname, tablename, array_to_string(attnames, ','), coalesce(rowfilter, 'true') from pg_publication_tables where pubname = 'cdc_x'")
    else:
        tables = [[*row, "id,a,g,c", "true"] for row in database.rows("select schemaname, tablename from pg_publication_tables where pubname = 'cdc_x'")]
    found = {}
    for schema, table, columns, condition in tables:
        columns = columns.split(",")
        values = " || chr(9) || ".join(f"coalesce({column}::text, '\\N')" for column in columns)
        rows, _ = database.run(f"select {values} from {schema}.{table} where {condition}", may_fail=False)
        found[f"{schema}_{table}"] = columns, sorted(rows.splitlines())
    return found


def copied_rows(path, table, columns):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as copy:
        if not copy.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone():
            return []
        return sorted("\t".join(text(value) for value in row) for row in copy.execute(f"select {', '.join(columns)} from \"{table}\""))


def differences(database, path):
    found = []
    for table, (columns, expected) in sorted(expected_rows(database).items()):
        try:
            copied = copied_rows(path, table, columns)
        except sqlite3.Error as error:
            found.append(f"{table}: {error}")
            continue
        if copied != expected:
            missing = [row[:40] for row in expected if row not in copied]
            extra = [row[:40] for row in copied if row not in expected]
            found.append(f"{table} ({', '.join(columns)}): {len(expected)} rows expected, {len(copied)} copied; missing {missing[:3]}, left over {extra[:3]}")
    return found


# -- all of it ----------------------------------------------------------------------------


CURE = re.compile(r"((?:BEGIN; )?(?:ALTER|DROP|CREATE) [^;]*;(?: (?:ALTER [^;]*|COMMIT);)*)")


def settle(database, line, script):
    """The line up to the end; what it asks for with 78 is done. A finding as text, or None."""
    for turn in range(8):
        status, said = line.to_the_end()
        if status != 78:
            return f"the line ended with {status}" if status else None
        last = [one for one in said.splitlines() if ": error: " in one][-1]
        # What the publication was at a place of the log the server alone knows, and only when it comes to it.
        if line.check() != 78 and "the stream broke" not in last and "the server omits changes" not in last:
            return f"the start was refused with 78, and --check finds nothing: {last}"
        statements = CURE.findall(last)
        script.write(f"-- cure {turn}: {last}\n")
        if statements:
            script.run("\n".join(statements))
        elif "take a new snapshot" in last or "run pg-cdc --drop" in last:
            line.begin_anew()
        else:
            return f"no cure: {last}"
    return f"eight cures did not help: {last}"


class Script:
    """Runs statements, and writes them down with their errors."""

    def __init__(self, database, file):
        self.database, self.file = database, file

    def write(self, words):
        self.file.write(words)
        self.file.flush()

    def run(self, statements):
        self.write(statements + ";\n")
        _, errors = self.database.run(statements)
        self.write("".join(f"-- {error}\n" for error in errors.splitlines()))


def change_all(rng, database, line, script):
    """What happens between two comparisons, while the line runs or does not."""
    if rng.random() < 0.5:
        line.live()
    for _ in range(rng.choice([1, 2, 2, 3])):
        if line.running:
            time.sleep(rng.random() * 2)
        what = rng.random()
        script.run(changes(rng, database, rng.randrange(1, 6)))
        if what < 0.35:
            script.run(alter_publication(rng, database))
        elif what < 0.6:
            script.run(alter_tables(rng, database))
        script.run(changes(rng, database, rng.randrange(4)))
    line.crash()


def publish_something(rng, database, script):
    while not database.rows("select 1 from pg_publication where pubname = 'cdc_x'"):
        script.run(publication(rng, database))
    if not database.rows("select 1 from pg_publication_tables where pubname = 'cdc_x'"):
        script.run("alter publication cdc_x add table a.t")


def rounds_of(rng, database, line, script, rounds):
    for statement in make_tables(rng):
        script.run(statement)
    for number in range(rounds + 1):
        script.write(f"-- round {number}\n")
        line.log.write(f"# round {number}\n")
        if number > 0:
            change_all(rng, database, line, script)
        publish_something(rng, database, script)
        found = settle(database, line, script) or "; ".join(differences(database, line.paths()[1]))
        if found:
            return f"round {number}: {found}"
    return None


def scenario(database, folder, seed, rounds):
    """A finding as text, or None; and how often the source ended in which way."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "state"))
    with open(os.path.join(folder, "messages"), "w", encoding="utf-8") as log, \
            open(os.path.join(folder, "statements.sql"), "w", encoding="utf-8") as file:
        line = Line(database, folder, log)
        try:
            return rounds_of(random.Random(seed), database, line, Script(database, file), rounds), line.statuses
        finally:
            line.crash()


def main():
    parser = argparse.ArgumentParser()
    for option, default in (("seed", 1), ("seeds", 1), ("rounds", 6)):
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--dir", required=True)
    parser.add_argument("sockets")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    failed, statuses = 0, {}
    for seed in range(options.seed, options.seed + options.seeds):
        database = Database(options.sockets, f"x{seed}")
        database.run(f"create database x{seed}", "postgres", may_fail=False)
        database.version = int(database.rows("show server_version_num")[0][0])
        folder = os.path.join(options.dir, str(seed))
        found, ends = scenario(database, folder, seed, options.rounds)
        for status, n in ends.items():
            statuses[status] = statuses.get(status, 0) + n
        database.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()")
        if found:
            print(f"not ok seed {seed}: {found}", flush=True)
            failed += 1
        else:
            shutil.rmtree(folder)
            database.run(f"drop database x{seed}", "postgres")
    print(f"# ends of the source: {statuses}")
    print(f"{options.seeds - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
