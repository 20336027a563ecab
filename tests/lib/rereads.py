#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/rereads: rereads.py [OPTION]... URL CLIENT [ARGUMENT]..."""
import argparse
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

from rereads_line import COPIES, Line, rows_copied, run, wait_equal

COLUMNS = {
    "t": "id || '|' || n || '|' || v || '|' || w",
    "k": "u || '|' || a || '|' || b || '|' || v",
    "o": "id || '|' || n",
    "p": "id || '|' || n || '|' || v",
    "y": "id || '|' || n",
    "l": "id || '|' || n",
    "d": "id || '|' || n",
    "x": "c || '|' || e || '|' || n",
}
# A column of t that comes and goes.
HAS_Z = "select count(*) from pg_attribute where attrelid = 's.t'::regclass and attname = 'z' and not attisdropped"
TABLES = """create schema s;
create table s.t (id int primary key, n int, v text, w text); alter table s.t alter v set storage external;
create table s.k (u uuid, a bigint, b int, v text, primary key (a, u)); alter table s.k alter v set storage external;
create table s.o (id int primary key, n int);
create table s.p (id int primary key, n int, v text) partition by range (id);
create table s.p1 partition of s.p for values from (minvalue) to (60);
create table s.p2 partition of s.p for values from (60) to (maxvalue);
alter table s.p1 alter v set storage external; alter table s.p2 alter v set storage external;
create collation s.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table s.y (id text collate s.nocase primary key, n int, v text); alter table s.y alter v set storage plain;
create table s.x (c varchar collate "und-x-icu", e numeric, m timestamptz, n int, v text, primary key (c, e, m)); alter table s.x alter v set storage plain;
create table s.l (id int, n int); alter table s.l replica identity full;
create table s.d (id int primary key deferrable, n int); alter table s.d replica identity full;
insert into s.y select 'Key ' || g, 0, repeat(md5(g::text), 200) from generate_series(-1000, 1000) g;
insert into s.x select (array['Ä', 'a', '', 'Z', 'é'])[g % 5 + 1] || g % 7, g / 4.0, '2026-01-01'::timestamptz + g % 3 * interval '1.5 s', g, repeat('x', 3000) from generate_series(1, 4000) g;
insert into s.l select g / 3, 0 from generate_series(-3000, 3000) g;
insert into s.d select g, 0 from generate_series(-1000, 1000) g;
insert into s.p select g, 0, repeat('p' || g, 900) from generate_series(-1000, 1000) g;
insert into s.t select g, 0, repeat(md5(g::text), 80), 'w' from generate_series(-2000, 4000) g;
insert into s.k select md5(g::text)::uuid, g % 50 - 25, g, repeat('k' || g, 700) from generate_series(1, 3000) g
"""


def change(rng, span):
    at, other = rng.randint(*span), rng.randint(*span)
    return rng.choices(
        [
            f"update s.t set n = n + 1 where id = {at}",
            f"update s.t set id = {other}, n = n + 1 where id = {at} and not exists (select 1 from s.t where id = {other})",
            f"insert into s.t values ({at}, 0, repeat(md5({other}::text), 80), 'i') on conflict (id) do update set w = 'c'",
            f"delete from s.t where id = {at}",
            f"update s.t set v = repeat('z', {rng.randint(1, 4000)}) where id = {at}",
            f"update s.k set b = b + 1 where a = {rng.randint(-25, 25)} and u = md5('{rng.randint(1, 3000)}')::uuid",
            f"update s.k set a = a + {rng.choice([-3, 3])} where b % 500 = {rng.randint(0, 499)}",
            f"insert into s.k values (md5({rng.randint(1, 6000)}::text)::uuid, {rng.randint(-25, 25)}, {at}, repeat('n', 3000)) on conflict do nothing",
            f"delete from s.k where b % 700 = {rng.randint(0, 699)}",
            f"insert into s.o values ({at}, 0) on conflict (id) do update set n = s.o.n + 1",
            f"update s.p set n = n + 1 where id = {at}",
            f"update s.p set id = {other} where id = {at} and not exists (select 1 from s.p where id = {other})",
            f"insert into s.p values ({at}, 0, repeat('q{other}', 800)) on conflict do nothing",
            f"delete from s.p where id = {at}",
            f"update s.y set n = n + 1 where id = 'key {at}'",
            f"update s.y set id = '{rng.choice(['KEY', 'key', 'Key'])} {rng.choice([at, at, other])}' where id = 'key {at}'",
            f"insert into s.y values ('key {at}', {other}, 'new') on conflict do nothing",
            f"delete from s.y where id = 'key {at}'",
            f"update s.x set n = n + 1 where e = abs({at}) / 4.0",
            f"update s.x set c = (array['ä', 'A', 'ab', 'z', 'E'])[{rng.randint(1, 5)}] || n % 9, e = e + {rng.choice([-50, 0, 0.25, 300])} where n = abs({at})",
            f"insert into s.x values ('a{other % 9}', {other} / 8.0, now(), {at}, 'new') on conflict do nothing",
            f"delete from s.x where n = abs({at})",
            f"update s.l set n = n + 1 where ctid = (select ctid from s.l where id = {at} limit 1)",
            f"update s.l set id = {other} where id = {at}",
            f"insert into s.l values ({at}, 0), ({at}, 0)",
            f"delete from s.l where ctid = (select ctid from s.l where id = {at} limit 1)",
            f"update s.d set id = id + 1 where id between {at} and {at + rng.choice([0, 3])}",
            f"update s.d set n = n + 1 where id = {at}",
            f"insert into s.d values ({at}, {other})",
            f"delete from s.d where id = {at}",
        ],
        [25, 10, 10, 10, 5, 15, 5, 5, 5, 10, 10, 8, 5, 5, 5, 5, 5, 3, 6, 8, 5, 3, 5, 2, 5, 5, 5, 5, 5, 3],
    )[0]


def in_savepoint(rng, i, statement):
    kind = rng.random()
    if kind < 0.6:
        return f"savepoint s{i}; {statement}; {'rollback to' if kind < 0.25 else 'release'} s{i}"
    return statement


def end_of(rng, name):
    kind = rng.random()
    if kind < 0.15:
        return f"prepare transaction '{name}'; select pg_sleep(0.2); {'commit' if kind < 0.1 else 'rollback'} prepared '{name}'"
    return "rollback" if kind < 0.25 else f"select pg_sleep({rng.random():.2f}); commit" if kind < 0.35 else "commit"


def open_writer(client, asynchronous):
    session = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    session.stdin.write("set synchronous_commit = off;\n" if asynchronous else "")
    return session


def write(client, seed, span, stop):
    rng = random.Random(seed)
    session = open_writer(client, seed % 2 == 0)
    while not stop.is_set():
        changes = [change(rng, span) for _ in range(rng.choice([1, 1, 1, 3, 10]))]
        if len(changes) > 1:
            end = end_of(rng, f"{seed}_{rng.randint(0, 1 << 30)}")
            changes = ["begin", *(in_savepoint(rng, i, one) for i, one in enumerate(changes)), end]
        try:
            session.stdin.write("; ".join(changes) + ";\n")
            session.stdin.flush()
        except BrokenPipeError:  # the server has crashed
            session = open_writer(client, seed % 2 == 0)
        stop.wait(rng.random() * 0.02)
    try:
        session.stdin.close()
    except BrokenPipeError:
        pass
    session.wait()


def end_prepared(client):
    """Those whose session was gone before it came to that."""
    for name in run(client, "select gid from pg_prepared_xacts").split():
        run(client, f"rollback prepared '{name}'")


# What the log does not tell, or tells in another way: files made anew, columns, partitions, what is published.
CHANGES = [
    "alter table s.o add column c int default 5; alter table s.o drop column c",
    "alter table s.t drop column if exists z; alter table s.t add column z int; update s.t set z = n where id % 5 = 0",
    "begin; truncate s.o; insert into s.o select g, 1 from generate_series(-50, 500) g; commit",
    "begin; truncate s.t; insert into s.t select g, 3, repeat(md5(g::text), 80), 'w' from generate_series(-100, 300) g; commit",
    "begin; truncate s.l, s.y; insert into s.l select g / 2, 1 from generate_series(-50, 500) g; insert into s.y select 'kEY ' || g, 1 from generate_series(-50, 500) g; commit",
    "begin; alter table s.o add x int; update s.o set x = 1 where id % 4 = 0; alter table s.o rename x to y; commit; alter table s.o drop y",
    "begin; alter table s.t rename w to x; insert into s.t (id, n, v, x) select max(id) + 1, 5, 'v', 'x' from s.t; alter table s.t rename x to w; commit",
    "alter table s.l replica identity default; insert into s.l values (7, 7); alter table s.l replica identity full",
    "begin; update s.l set n = n + 1 where id % 9 = 0; update s.y set n = n + 1 where n % 9 = 0; select pg_sleep(4); commit",
    "vacuum s.t; vacuum s.k",
    "vacuum full s.t",
    "vacuum full s.p1",
    "cluster s.k using k_pkey",
    "alter table s.k replica identity full; update s.k set b = b + 1 where b % 3 = 0; alter table s.k replica identity default",
    "alter publication cdc_p drop table s.o; update s.o set n = n + 1 where id % 2 = 0; alter publication cdc_p add table s.o",
    "begin; truncate s.p1; insert into s.p select g, 3, 'x' from generate_series(-100, -50) g; commit",
    "begin; alter table s.p detach partition s.p1; delete from s.p1 where id % 2 = 0; alter table s.p attach partition s.p1 for values from (minvalue) to (60); commit",
    "begin; drop table s.p1; create table s.p1 partition of s.p for values from (minvalue) to (60); insert into s.p select g, 9, 'new' from generate_series(-100, 50) g; commit",
    "alter table s.o rename column n to m; alter table s.o rename column m to n",
    "begin; create table s.new (like s.o including all); insert into s.new select id, n + 1 from s.o; drop table s.o; alter table s.new rename to o; commit",
    "begin; savepoint a; update s.t set n = n + 1; rollback to a; update s.o set n = n + 1 where id % 3 = 1; commit",
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name in ('pg-cdc', 'cdc-snapshot') order by random() limit 1",
]


def alter(rng, client):
    run(client, "set lock_timeout = '4s'; set statement_timeout = '30s'; " + rng.choice(CHANGES))


def differing(client, folder):
    found = []
    for table, columns in COLUMNS.items():
        if table == "t" and run(client, HAS_Z) == "1":
            columns += " || '|' || coalesce(z, -1)"
        rows = sorted(run(client, f"select {columns} from s.{table}").split("\n"))
        found += [f"{table} in {name}" for name in COPIES if rows_copied(f"{folder}/{name}", table, columns) != rows]
    return found


def spoil(folder):
    for name in COPIES:
        copy = sqlite3.connect(f"{folder}/{name}", timeout=60)
        copy.execute("update t set n = -7 where id % 3 = 0")
        copy.execute("insert into t (id, n, v, w) values (99999, 1, 'nobody has it', '')")
        copy.execute("delete from k where b % 5 = 0")
        copy.commit()
        copy.close()


def crash(client):
    subprocess.run(["bash", "-c", os.environ["CRASH"]], check=True)
    end_prepared(client)
    return 1


def read_first(line, rng, client, given):
    """Until the first snapshot is stored: attempts at it end early, and tables change between them. How many were killed."""
    begun, killed = time.time(), 0
    while not os.path.exists(f"{line.folder}/state/pg-cdc-p.offset") and time.time() < begun + 120:
        time.sleep(rng.random() * 0.6)
        if line.process and time.time() < begun + 10 and rng.random() < 0.6:
            killed += line.kill(rng, rng.choice(["cdc-snapshot", "cdc-snapshot", "cdc-sink-sqlite", "tee"]))
            if rng.random() < given.changes:
                alter(rng, client)
    return killed


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--dir", required=True)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--keys", choices=["few", "many"], default="few")
    options.add_argument("--changes", type=float, default=0.3, help="how often CHANGES are made")
    options.add_argument("--crash", type=float, default=0.04, help="how often the server crashes")
    options.add_argument("url")
    options.add_argument("client", nargs=argparse.REMAINDER)
    given = options.parse_args()
    folder, client, rng = given.dir, given.client, random.Random(given.seed)
    span = (-60, 220) if given.keys == "few" else (-3000, 6000)
    os.mkdir(f"{folder}/state")
    run(client, TABLES)
    line = Line(folder, given.url, "pg-cdc", f"-j {rng.randint(1, 3)} --chunk-rows 100")
    stop, asked, killed, crashed = threading.Event(), 0, 0, 0
    writers = [threading.Thread(target=write, args=(client, given.seed * 10 + i, span, stop)) for i in range(4)]
    for writer in writers:
        writer.start()
    try:
        killed += read_first(line, rng, client, given)
        end = time.time() + given.seconds
        while time.time() < end:
            time.sleep(rng.random() * 2.5)
            if rng.random() < 0.7:
                asked += line.again(*rng.choice([["t"], ["k"], ["t", "k"], ["o"], ["p"], ["y"], ["x"], ["x", "y"], ["l", "d"]]))
            if rng.random() < given.changes:
                alter(rng, client)
            if rng.random() < given.crash:
                crashed += crash(client)
            if rng.random() < 0.5:
                killed += line.kill(rng, rng.choice(["pg-cdc", "pg-cdc", "cdc-sink-sqlite", "cdc-filter", "cdc-snapshot", "tee"]))
            if rng.random() < 0.2:
                killed += line.kill_all()
            if rng.random() < 0.3:
                line.hold(rng, "cdc-sink-sqlite", rng.random() * 2)
        stop.set()
        for writer in writers:
            writer.join()
        end_prepared(client)
        found = wait_equal(line, lambda: differing(client, folder))
        if not found:
            spoil(folder)
            asked += line.again("t", "k")
            found = wait_equal(line, lambda: differing(client, folder))
    finally:
        stop.set()
        line.stop()
    messages = line.messages()
    read = messages.count("while the log went on")
    print(f"# seed {given.seed}: asked {asked} times, killed {killed}, crashed {crashed}, read {read} times while the log went on")
    if line.failed is not None:
        found.append(f"status {line.failed}, which no supervisor restarts")
    if read == 0:
        found.append("nothing was read while the log went on")
    if found:
        print("\n".join("# differs: " + one for one in found))
        print("\n".join("# " + text for text in messages.split("\n")[-15:]))
    print(f"{0 if found else 1} passed, {1 if found else 0} failed")
    return 1 if found else 0


sys.exit(main())
