#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rig of tests/rereads-mysql: rereads_mysql.py [OPTION]... URL CLIENT [ARGUMENT]..."""
import argparse
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time

from rereads_line import COPIES, Line, rows_copied, run, wait_equal


class MySQL:
    """Beside it a table with a key of a date, a time and an unsigned number, and one of a single row that everybody changes; x and y
    have keys of texts, where case, accents and blanks at the end make no difference, with numbers and times whose order the server tells."""

    stream = "mysql-binlog"
    columns = {
        "t": "concat_ws('|', id, n, v, w)",
        "k": "concat_ws('|', hex(u), a, b, v)",
        "o": "concat_ws('|', id, n)",
        "d": "concat_ws('|', day, replace(moment, ' ', 'T'), id, n)",
        "h": "concat_ws('|', hex(id), n)",
        "x": "concat_ws('|', hex(id), n, length(v))",
        "y": "concat_ws('|', hex(convert(c using utf8mb4)), d, m, n)",
    }
    copied = {
        "t": "id || '|' || n || '|' || v || '|' || w",
        "k": "hex(u) || '|' || a || '|' || b || '|' || v",
        "o": "id || '|' || n",
        "d": "day || '|' || moment || '|' || id || '|' || n",
        "h": "hex(id) || '|' || n",
        "x": "hex(id) || '|' || n || '|' || length(v)",
        "y": "hex(c) || '|' || d || '|' || m || '|' || n",
    }
    again = [["t"], ["k"], ["t", "k"], ["o"], ["d"], ["h", "d"], ["x"], ["y", "x"]]
    tables = """create database s; use s; set sql_mode = '';
create table t (id int primary key, n int, v text, w text);
create table k (u binary(16), a bigint, b int, v text, primary key (a, u));
create table o (id int primary key, n int);
create table d (day date, moment datetime(2), id bigint unsigned, n int, primary key (day, moment, id));
create table h (id varbinary(9) primary key, n int);
create table x (id varchar(20) character set utf8mb4 primary key, n int, v text);
create table y (c char(5) character set latin1 collate latin1_german2_ci, d decimal(6,2), m time, n int, primary key (c, d, m));
create table ten (n int) as select 0 n union select 1 union select 2 union select 3 union select 4 union select 5 union select 6 union select 7 union select 8 union select 9;
create table g as select a.n + 10 * b.n + 100 * c.n + 1000 * e.n n from ten a, ten b, ten c, ten e;
insert into t select n - 2000, 0, repeat(sha2(n, 256), 40), 'w' from g where n <= 6000;
insert into k select unhex(left(sha2(n, 256), 32)), n % 50 - 25, n, repeat(concat('k', n), 700) from g where n between 1 and 3000;
insert into d select date_add('2020-01-01', interval n % 40 day), date_add('2021-01-01 00:00:00.5', interval n % 7 second), 18446744073709551615 - n, 0 from g where n between 1 and 2000;
insert into x select concat(elt(n % 5 + 1, 'a', 'B', 'É', 'ß ', 'z'), left(sha2(n, 256), 2), n), 0, repeat('x', n % 700) from g where n between 1 and 3000;
insert into y select elt(n % 4 + 1, 'ä', 'AF', 'b', 'A '), n / 100, sec_to_time(n % 90), n from g where n between 1 and 2000;
drop table ten, g;
insert into h values ('a', 0), ('a\\0', 0), ('', 0)
"""
    spoil = ["update t set n = -7 where id % 3 = 0", "insert into t (id, n, v, w) values (99999, 1, 'nobody has it', '')"]

    @staticmethod
    def change(rng, span):
        at, other = rng.randint(*span), rng.randint(*span)
        x = f"where id >= concat(elt({rng.randint(1, 5)}, 'A', 'b', 'é', 'ß ', 'Z'), '{rng.randint(0, 255):02X}') order by id limit {rng.randint(1, 3)}"
        return rng.choices(
            [
                f"update t set n = n + 1 where id = {at}",
                f"update ignore t set id = {other}, n = n + 1 where id = {at}",
                f"insert into t values ({at}, 0, repeat(sha2({other}, 256), 40), 'i') on duplicate key update w = 'c'",
                f"delete from t where id = {at}",
                f"update t set v = repeat('z', {rng.randint(1, 4000)}) where id = {at}",
                f"update k set b = b + 1 where a = {rng.randint(-25, 25)} and u = unhex(left(sha2({rng.randint(1, 3000)}, 256), 32))",
                f"update ignore k set a = a + {rng.choice([-3, 3])} where b % 500 = {rng.randint(0, 499)}",
                f"insert ignore into k values (unhex(left(sha2({rng.randint(1, 6000)}, 256), 32)), {rng.randint(-25, 25)}, {at}, repeat('n', 3000))",
                f"delete from k where b % 700 = {rng.randint(0, 699)}",
                f"insert into o values ({at}, 0) on duplicate key update n = n + 1",
                f"update d set n = n + 1 where id = 18446744073709551615 - {rng.randint(1, 2000)}",
                f"update ignore d set day = date_add(day, interval {rng.choice([-5, 5])} day) where id % 300 = {rng.randint(0, 299)}",
                "update h set n = n + 1",
                f"update x set n = n + 1 {x}",
                f"update ignore x set id = concat(if(n % 2, upper(left(id, 1)), lower(left(id, 1))), substr(id, 2)), n = n + 1 {x}",
                f"update ignore x set id = concat(elt({rng.randint(1, 5)}, 'A', 'b', 'e', 'ß ', 'Z '), substr(id, 2)), v = 'moved' {x}",
                f"delete from x {x}",
                f"insert ignore into x values (concat(elt({rng.randint(1, 5)}, 'á', 'b', 'E', 'SS', 'z'), '{rng.randint(0, 255):02x}', {at}), {at}, 'new')",
                f"update ignore y set n = n + 1, d = d + {rng.choice([-7, 0.25, 7])} where c = '{rng.choice(['AE', 'af', 'B', 'a'])}' and d >= {rng.randint(-9, 25)} order by d limit 2",
                f"update ignore y set c = '{rng.choice(['ä', 'AF', 'B', 'b ', 'a'])}', m = addtime(m, '00:00:0{rng.randint(0, 9)}') where n % 500 = {rng.randint(0, 499)}",
            ],
            [25, 10, 10, 10, 5, 15, 5, 5, 5, 10, 5, 3, 15, 10, 8, 8, 4, 8, 8, 4],
        )[0]


def in_two_phases(rng, name, changes):
    """In the log when it is prepared, and seen when it is committed, which may be a while later."""
    wait = f"do sleep({rng.random() * 0.2:.2f})"
    end = "rollback" if rng.random() < 0.3 else "commit"
    return "; ".join([f"xa start {name}", *changes, f"xa end {name}", f"xa prepare {name}", wait, f"xa {end} {name}"])


def write(db, client, seed, span, stop, has_snapshot):
    rng = random.Random(seed)
    session = subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    session.stdin.write("use s; set innodb_lock_wait_timeout = 1;\n")
    while not stop.is_set():
        changes = [db.change(rng, span) for _ in range(rng.choice([1, 1, 1, 3, 10]))]
        end = "rollback" if rng.random() < 0.1 else "commit"
        text = changes[0] if len(changes) == 1 else "; ".join(["begin", *changes, end])
        if rng.random() < 0.1 and has_snapshot.is_set():  # which waits until none is prepared
            text = in_two_phases(rng, f"'{seed}.{rng.randint(0, 1 << 30)}'", changes)
        session.stdin.write(text + ";\n")
        session.stdin.flush()
        stop.wait(rng.random() * 0.02)
    session.stdin.close()
    session.wait()


def differing(db, client, folder):
    found = []
    for table, columns in db.columns.items():
        rows = sorted(run(client, f"select {columns} from s.{table}").split("\n"))
        found += [f"{table} in {name}" for name in COPIES if rows_copied(f"{folder}/{name}", table, db.copied[table]) != rows]
    return found


def spoil(db, folder):
    for name in COPIES:
        copy = sqlite3.connect(f"{folder}/{name}", timeout=60)
        for statement in db.spoil:
            copy.execute(statement)
        copy.execute("delete from k where b % 5 = 0")
        copy.commit()
        copy.close()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--dir", required=True)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--keys", choices=["few", "many"], default="few")
    options.add_argument("--no-kill", action="store_true")
    options.add_argument("url")
    options.add_argument("client", nargs=argparse.REMAINDER)
    given = options.parse_args()
    folder, client, rng = given.dir, given.client, random.Random(given.seed)
    db = MySQL
    span = (-60, 220) if given.keys == "few" else (-3000, 6000)
    os.mkdir(f"{folder}/state")
    run(client, db.tables)
    line = Line(folder, given.url, db.stream)
    stop, has_snapshot, asked, killed = threading.Event(), threading.Event(), 0, 0
    writers = [threading.Thread(target=write, args=(db, client, given.seed * 10 + i, span, stop, has_snapshot)) for i in range(4)]
    for writer in writers:
        writer.start()
    try:
        begun = time.time()
        while not os.path.exists(f"{folder}/state/{db.stream}-p.offset") and time.time() < begun + 60:
            time.sleep(0.1)
        has_snapshot.set()
        end = time.time() + given.seconds
        while time.time() < end:
            time.sleep(rng.random() * 2.5)
            if rng.random() < 0.7:
                asked += line.again(*rng.choice(db.again))
            if not given.no_kill and rng.random() < 0.5:
                killed += line.kill(rng, rng.choice([db.stream, db.stream, "cdc-sink-sqlite", "cdc-filter", "cdc-snapshot"]))
        stop.set()
        for writer in writers:
            writer.join()
        found = wait_equal(line, lambda: differing(db, client, folder))
        if not found:
            spoil(db, folder)
            asked += line.again("t", "k")
            found = wait_equal(line, lambda: differing(db, client, folder))
    finally:
        stop.set()
        line.stop()
    messages = line.messages()
    read = messages.count("while the log went on")
    print(f"# seed {given.seed}: asked {asked} times, killed {killed}, read {read} times while the log went on")
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
