#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is each change what it was, after the way into another format and back?

round_trip.py FORMAT BEFORE AFTER   lines of cdc-event(5) in two files; prints the first change that differs, and ends 1"""
import json
import sys
from itertools import zip_longest

CHANGES = {"debezium": "rcudtm", "maxwell": "rcud", "wal2json": "rcudtm", "canal": "rcudt"}


def moved(change):
    return change["op"] == "u" and change["before"] and any(change["before"].get(name, value) != value for name, value in change.get("key", {}).items())


def whole(change):
    """Has the log the whole old row? Else a format may say no more of it than the key."""
    return change["op"] == "d" or set(change["before"] or {}) >= set(change["after"] or {})


def said(change, form):
    """What a change says, in the format's words where it has fewer."""
    op, source = change["op"], change["source"]
    words = {
        "op": "c" if op == "r" and form in ("wal2json", "canal") else op,
        "table": [source.get("schema") or (form != "wal2json" and source.get("db")), source.get("table")],
        "key": change.get("key"),
        "after": change.get("after"),
        "unchanged": change.get("unchanged"),
        "json_null": change.get("json_null"),
        "message": change.get("message"),
    }
    if form == "debezium":
        words["table"] = [source.get(name) for name in ("name", "db", "schema", "table")]
        words["snapshot"] = source["snapshot"]
    if form == "wal2json":
        words["table"] = source.get("table")
    if op in "ud" and whole(change) and not change.get("unchanged"):
        words["before"] = change["before"]
        words["json_null_old"] = change.get("json_null_old")
    return words


def changes(path, form):
    for line in open(path):
        change = json.loads(line)
        if change["op"] not in CHANGES[form]:
            continue
        if form == "debezium" and moved(change):
            key = {name: change["before"][name] for name in change["key"]}
            yield said({"op": "d", "source": change["source"], "key": key, "before": change["before"], "json_null": change.get("json_null_old")}, form)
            yield said(dict(change, op="c", before=None, json_null_old=None), form)
        else:
            yield said(change, form)


def main(form, before, after):
    n = 0
    for n, (one, two) in enumerate(zip_longest(changes(before, form), changes(after, form)), 1):
        for name in sorted(set(one or {}) | set(two or {})):
            if form != "debezium" and name in ("before", "json_null_old") and name not in one:
                continue  # it is said to be more than the log has
            if name in ("before", "json_null_old") and two and "before" not in two and one["before"] == one["after"]:
                continue  # nothing has changed
            if (one or {}).get(name) != (two or {}).get(name):
                sys.exit("change %d, %s:\n%s\n%s" % (n, name, json.dumps(one, sort_keys=True), json.dumps(two, sort_keys=True)))
    if n == 0:
        sys.exit("no changes")


if __name__ == "__main__":
    main(*sys.argv[1:])
