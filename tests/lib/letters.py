#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""letters.py SEED: random transactions on table t, some of whose rows have a name that begins with bad.
letters.py --state FILE: what the table holds after these lines, as sqlite3 prints it."""
import json
import random
import sys

SOURCE = {"connector": "postgresql", "name": "n", "db": "d", "schema": "public", "table": "t"}
COLUMNS = [{"name": name, "type": kind, "nullable": True, "generated": False} for name, kind in (("id", "integer"), ("name", "text"), ("big", "text"))]


def show(line):
    print(json.dumps(line, separators=(",", ":")))


def lines(seed):
    chance = random.Random(seed)
    rows = {1}
    show({"op": "schema", "pos": "00000200.00000000", "seq": 200, "source": SOURCE, "columns": COLUMNS, "key_columns": ["id"]})
    for seq in range(201, 1000):
        n = chance.randint(1, 5)
        for i in range(1, n + 1):
            key = chance.randint(1, 400)
            op = "c" if key not in rows else chance.choice("uuud")
            head = {"op": op, "pos": "%08d.%08d" % (seq, i), "seq": seq, "source": SOURCE, "key": {"id": key}}
            if op == "d":
                rows.discard(key)
                show({**head, "before": {"id": key}, "after": None})
            else:
                rows.add(key)
                name = ("bad" if chance.random() < 0.3 else "ok") + "%d.%d" % (seq, i)
                show({**head, "before": None, "after": {"id": key, "name": name, "big": "b"}})
        show({"op": "commit", "pos": "%08d.99999999" % seq, "seq": seq, "source": {"connector": "postgresql", "name": "n", "db": "d"}, "events": n})


def state(path):
    rows = {1: "one"}
    with open(path, encoding="utf-8") as file:
        for line in map(json.loads, file):
            if line["op"] == "d":
                rows.pop(line["key"]["id"], None)
            elif line["op"] in "cu":
                rows[line["key"]["id"]] = line["after"]["name"]
    for key in sorted(rows):
        print("%d|%s" % (key, rows[key]))


if sys.argv[1] == "--state":
    state(sys.argv[2])
else:
    lines(int(sys.argv[1]))
