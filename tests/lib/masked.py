#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of a source, masked as cdc-filter's --mask is to do it.

masked.py KEY-FILE [PLACE=hash|partial]...   of JSON arrays on stdin, one a line; PLACE is the number of a column, or 0.1 for the
                                             second part of the first one"""
import hashlib
import hmac
import json
import sys


def mask(kind, key, value):
    if value is None:
        return None
    if kind == "hash":
        return hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()
    return "****" + (value[-4:] if len(value) >= 8 else "")


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        key = bytes.fromhex(file.read().strip())
    for line in sys.stdin:
        row = json.loads(line)
        for word in sys.argv[2:]:
            place, kind = word.split("=")
            *inner, last = map(int, place.split("."))
            of = row[inner[0]] if inner else row
            of[last] = mask(kind, key, of[last])
        print(json.dumps(row))


main()
