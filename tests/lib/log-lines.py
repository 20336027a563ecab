#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""log-lines.py TRANSACTIONS [ROWS [BYTES [NAME [SEED]]]]: lines of a source, a schema line first; about so many rows in a transaction,
about so many bytes in a row."""
import json
import random
import sys

arguments = sys.argv[1:]
transactions = int(arguments[0])
rows = int(arguments[1]) if len(arguments) > 1 else 3
size = int(arguments[2]) if len(arguments) > 2 else 40
name = arguments[3] if len(arguments) > 3 else "n"
rng = random.Random(int(arguments[4]) if len(arguments) > 4 else 7)
source = {"connector": "postgresql", "name": name, "db": "d", "schema": "public", "table": "t", "ts_ms": 1, "snapshot": "false"}
commit = {"connector": "postgresql", "name": name, "db": "d", "ts_ms": 1, "snapshot": "false", "system_id": "1", "timeline": 1}
out = sys.stdout
place = 0


def put(op, seq, of, more):
    global place
    place += 1
    line = {"op": op, "pos": f"{place:012d}", "seq": seq, "ts_ms": 1763717327000 + seq, "source": of} | more
    out.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")


columns = [{"name": n, "type": t, "nullable": True, "generated": False} for n, t in (("id", "integer"), ("v", "text"))]
put("schema", 0, source, {"columns": columns, "key_columns": ["id"]})
row = 0
for transaction in range(1, transactions + 1):
    for _ in range(rng.randint(1, 2 * rows - 1)):
        row += 1
        text = rng.choice("añ€𝄞x") * rng.randint(0, 2 * size)
        put("c", transaction, source, {"key": {"id": row}, "before": None, "after": {"id": row, "v": text}})
    put("commit", transaction, commit, {"events": rows})
