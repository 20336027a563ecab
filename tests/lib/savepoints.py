#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""savepoints.py SEED SCHEMA SESSION [messages]: SQL of one session for pg-spool.bats. Transactions of all sizes, with savepoints in each other that
are released or rolled back, DDL that is, and logical messages on wish. Each session has ids of its own, so that none waits for another for long."""
import random
import sys

seed, schema, session = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rng = random.Random(seed)
base = session * 10_000_000
made = 0


def rows():
    """Some rows of the session, at times enough for a block of their own."""
    global made
    n = rng.choice([1, 3, 40, 600])
    made += n
    first = base + made - n
    return f"insert into {schema}.t (id, v) select i, repeat('x', {rng.choice([3, 30, 3000 if n < 100 else 80])}) || i from generate_series({first}, {first + n - 1}) i"


def statement():
    if "messages" in sys.argv and rng.random() < 0.12:
        return f"select 1 from pg_logical_emit_message({rng.choice(['true', 'true', 'false'])}, 'mark', '{session} {made}')"
    kind = rng.random()
    low = base + rng.randrange(max(made, 1))
    if kind < 0.45:
        return rows()
    if kind < 0.6:
        return f"update {schema}.t set id = id where id between {low} and {low + 20}"
    if kind < 0.7:
        return f"update {schema}.t set v = 'u' || v where id between {low} and {low + 100}"
    if kind < 0.8:
        return f"delete from {schema}.t where id between {low} and {low + rng.choice([0, 10, 200])}"
    if kind < 0.88:
        return f"insert into {schema}.u select i, 'u' from generate_series(1, {rng.choice([1, 50, 900])}) i"
    if kind < 0.94 and session == 1:
        return f"alter table {schema}.u add column if not exists c{rng.randrange(4)} int default {rng.randrange(9)}"
    if kind < 0.96 and session == 1:
        return f"create table if not exists {schema}.n{rng.randrange(9)} (id int primary key); insert into {schema}.u values (1, 'ddl')"
    if kind < 0.97 and session == 2:
        return f"truncate {schema}.u"
    return "select 1"


def part(depth):
    for _ in range(rng.randrange(1, 7)):
        if depth < 5 and rng.random() < 0.4:
            name = f"s{depth}"
            print(f"savepoint {name};")
            part(depth + 1)
            print(rng.choice([f"rollback to {name};", f"release {name};", f"rollback to {name}; release {name};"]))
        else:
            print(statement() + ";")


print("set lock_timeout = '5s'; set deadlock_timeout = '100ms'; set client_min_messages = error; \\set ON_ERROR_ROLLBACK off")
for _ in range(24):
    print("begin;")
    part(0)
    print(rng.choice(["commit;", "commit;", "commit;", "rollback;"]))
