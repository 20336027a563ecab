#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random lines of a table whose rows change their key, their tenant (by which an index routes them), both or neither.

  tenants.py SEED FOLDER [TRANSACTIONS]

FOLDER gets `lines`, and `expected`: id:tenant:v:big of each row at the end, sorted, a space between them.
"""
import json
import random
import sys

seed, folder = int(sys.argv[1]), sys.argv[2]
transactions = int(sys.argv[3]) if len(sys.argv) > 3 else 60
rng = random.Random(seed)
rows, lines, seq, place, count = {}, [], 100, 0, 0


def line(op, **members):
    global place
    place += 1
    source = {"connector": "postgresql", "name": "n", "db": "d", "schema": "s%d" % seed, "table": "t", "ts_ms": 1, "txId": 5,
              "lsn": seq, "snapshot": "false"}
    lines.append({"op": op, "pos": "%08d.%08d" % (seq, place), "seq": seq, "ts_ms": 1, "source": source} | members)


def write(op, before, after):
    old = {name: before[name] for name in ("id", "tenant", "v")} if before else None
    more = {}
    if before and after and before["big"] == after["big"] and rng.random() < 0.5:
        more["unchanged"] = ["big"]
        after = {name: value for name, value in after.items() if name != "big"}
    line(op, key={"id": (after or before)["id"]}, before=old, after=after, **more)


def change():
    global count
    count += 1
    row = {"tenant": rng.choice(["a", "b", "c", "d", None]), "v": "v%d" % count, "big": "big%d" % count}
    free = [i for i in range(1, 7) if i not in rows]
    if free and (not rows or rng.random() < 0.3):
        row["id"] = rng.choice(free)
        write("c", None, row)
        rows[row["id"]] = row
        return
    before = rows.pop(rng.choice(list(rows)))
    if rng.random() < 0.2:
        write("d", before, None)
        return
    row["id"] = rng.choice(free) if free and rng.random() < 0.3 else before["id"]
    row["tenant"] = rng.choice([row["tenant"], before["tenant"]])
    row["big"] = rng.choice([row["big"], before["big"]])
    write("u", before, row)
    rows[row["id"]] = row


columns = [{"name": name, "type": "integer" if name == "id" else "text", "nullable": True, "generated": False}
           for name in ("id", "tenant", "v", "big")]
line("schema", columns=columns, key_columns=["id"])
for _ in range(transactions):
    for _ in range(rng.randrange(1, 9)):
        change()
    line("commit", events=0)
    seq, place = seq + 10, 0

with open(folder + "/lines", "w", encoding="utf-8") as file:
    file.writelines(json.dumps(each) + "\n" for each in lines)
with open(folder + "/expected", "w", encoding="utf-8") as file:
    file.write(" ".join(sorted("%d:%s:%s:%s" % (row["id"], row["tenant"] or "-", row["v"], row["big"]) for row in rows.values())))
