#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stream that goes on for ever, its source, and what must be in Kafka of it.

kafka_crash.py feed NAME OFFSETS STOP    prints transactions after the one that the offset file has, until the file STOP is there
kafka_crash.py log NAME N                the lines of the first N transactions
kafka_crash.py table NAME N              stdin: records as kcat -J prints them, of NAME.public.t and NAME.transaction, which have these and may
                                         have more; 1 and what differs"""
import json
import os
import random
import sys
import time


def pos(transaction, ordinal):
    return "%08d.%06d" % (transaction, ordinal)


def source(name, transaction):
    return {"connector": "postgresql", "name": name, "db": "d", "schema": "public", "table": "t", "ts_ms": 1,
            "txId": transaction, "snapshot": "false"}


def row(op, where, name, transaction, key, before, after):
    return {"op": op, "pos": where, "seq": transaction, "ts_ms": 1, "source": source(name, transaction),
            "key": {"id": key}, "before": before, "after": after}


def changes(name, t):
    """Its rows are new ones; of the transaction before, one is changed, one deleted, and one gets another key."""
    dice = random.Random(t)
    lines = []
    first = t * 100
    for i in range(3 + dice.randrange(12)):
        lines.append(("c", first + i, None, {"id": first + i, "text": "x" * dice.randrange(300)}))
    if t > 1:
        old = first - 100
        lines.append(("u", old, None, {"id": old, "text": "changed"}))
        lines.append(("d", old + 1, {"id": old + 1}, None))
        lines.append(("u", first + 99, {"id": old + 2, "text": "y"}, {"id": first + 99, "text": "moved"}))
    return [row(op, pos(t, i + 1), name, t, key, before, after) for i, (op, key, before, after) in enumerate(lines)]


def transaction(name, t):
    lines = changes(name, t)
    if t == 1:
        lines.insert(0, {"op": "schema", "pos": pos(1, 0), "seq": 1, "ts_ms": 1, "source": source(name, 1),
                         "columns": [{"name": "id", "type": "bigint", "nullable": False},
                                     {"name": "text", "type": "text", "nullable": True}], "key_columns": ["id"]})
    own = source(name, t)
    del own["schema"], own["table"]
    lines.append({"op": "commit", "pos": pos(t, 999999), "seq": t, "ts_ms": 1, "source": own, "events": len(lines)})
    return [json.dumps(line, separators=(",", ":")) + "\n" for line in lines]


def feed(name, offsets, stop):
    """A source knows by the sink's file where to begin. Its writes end anywhere."""
    at = 0
    if os.path.exists(offsets):
        with open(offsets, encoding="utf-8") as file:
            at = int(json.load(file)["offsets"].get(name, {"pos": "0"})["pos"].split(".")[0])
    out = b"" if at == 0 else transaction(name, 1)[0].encode()
    t = at
    while not os.path.exists(stop):
        t += 1
        out += "".join(transaction(name, t)).encode()
        n = random.randrange(len(out))
        while n > 0:
            done = os.write(1, out[:n])
            out, n = out[done:], n - done
        if random.random() < 0.2:
            time.sleep(random.random() * 0.02)
    while out:
        out = out[os.write(1, out):]


def records_of(name, t):
    """What the rows of a transaction are in Kafka, but for tombstones: op by pos. A row under another key is two."""
    ops = {}
    for line in changes(name, t):
        moved = line["op"] == "u" and line["before"]
        ops[line["pos"]] = "d" if moved else line["op"]
        if moved:
            ops[line["pos"] + ".1"] = "c"
    return ops


def check_table(name, n):
    faults = []
    records = [json.loads(text) for text in sys.stdin]
    for record in records:
        if record["topic"].endswith(".transaction"):
            end = json.loads(record["payload"])
            n = max(n, int(end["pos"].split(".")[0])) if end["status"] == "END" else n
    expected, tombstones, ends = {}, 0, {}
    for t in range(1, n + 1):
        ops = records_of(name, t)
        expected.update(ops)
        tombstones += sum(op == "d" for op in ops.values())
        ends[pos(t, 999999)] = len(ops)
    # A batch that is full is stored within a transaction of the source, which goes on there: what it has begun with may be there.
    begun = records_of(name, n + 1)
    last, seen, homes = {}, {}, {}
    for record in records:
        if record["topic"].endswith(".transaction"):
            end = json.loads(record["payload"])
            if end["status"] == "END":
                count = sum(part["count"] for part in end["partitions"])
                if ends.pop(end["pos"], None) != count:
                    faults.append("END %s of %d: not asked for, twice, or another count" % (end["pos"], count))
            continue
        homes.setdefault(record["key"], set()).add(record["partition"])
        if record["payload"] is None:
            tombstones -= 1
            continue
        line = json.loads(record["payload"])
        if line["pos"] in begun:
            tombstones += 1 if line["op"] == "d" else 0
        if seen.get(line["pos"]) or expected.get(line["pos"], begun.get(line["pos"])) != line["op"]:
            faults.append("%s at %s: twice, or not asked for" % (line["op"], line["pos"]))
        seen[line["pos"]] = True
        if last.get(record["partition"], "") >= line["pos"]:
            faults.append("partition %d: %s after %s" % (record["partition"], line["pos"], last[record["partition"]]))
        last[record["partition"]] = line["pos"]
    faults += ["%s is missing" % where for where in expected if where not in seen]
    there = [where in seen for where in begun]
    faults += ["of the transaction that was begun, what is there is not its beginning"] if there != sorted(there, reverse=True) else []
    faults += ["END %s is missing" % where for where in ends]
    faults += ["tombstones: %d too few" % tombstones] if tombstones else []
    faults += ["key %s in several partitions" % key for key, all in homes.items() if len(all) > 1]
    print("%d records of %d transactions" % (len(seen), n))
    for fault in faults[:20]:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1] == "feed":
        try:
            feed(*sys.argv[2:5])
        except BrokenPipeError:
            sys.exit(74)
    elif sys.argv[1] == "log":
        for number in range(1, int(sys.argv[3]) + 1):
            sys.stdout.writelines(transaction(sys.argv[2], number))
    else:
        sys.exit(check_table(sys.argv[2], int(sys.argv[3])))
