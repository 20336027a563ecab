#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which types have other values after the way into a format and back.

format_types.py OURS BACK    two files of lines; prints a line for each type of a column that differs, and how often"""
import collections
import json
import sys


def rows(path):
    found, types = {}, {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line, parse_int=str, parse_float=str)
            table = (event["source"].get("table") or "").split("-")[-1]
            if event["op"] == "schema":
                types[table] = {column["name"]: column["type"] for column in event["columns"]}
            elif event.get("after"):
                found[table, event["after"]["id"]] = (event["after"], event.get("json_null"))
    return found, types


ours, types = rows(sys.argv[1])
back, _ = rows(sys.argv[2])
differ = collections.Counter()
for place, (row, nulls) in ours.items():
    other, other_nulls = back.get(place, ({}, None))
    for name, value in row.items():
        if name not in other or other[name] != value:
            differ[types[place[0]][name]] += 1
    if nulls != other_nulls:
        differ["null of JSON"] += 1
for name in sorted(differ):
    print(name, differ[name])
