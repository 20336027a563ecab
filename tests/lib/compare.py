#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two tables, row by row and column by column.

compare.py EXPECTED ACTUAL: each file holds one JSON array a line, the key
first. Prints what is missing, left over or different (ten at most) and exits
1 when anything is, 2 when EXPECTED is empty, which would prove nothing."""
import json
import sys


def load(path):
    rows = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = json.loads(line)
            key = json.dumps(row[0])
            if key in rows:
                sys.exit(f"{path}:{number}: key {key} is there twice")
            rows[key] = row
    return rows


def main():
    expected, actual = load(sys.argv[1]), load(sys.argv[2])
    problems = [f"missing: {json.dumps(row)[:300]}" for key, row in expected.items() if key not in actual]
    problems += [f"left over: {json.dumps(row)[:300]}" for key, row in actual.items() if key not in expected]
    for key, row in expected.items():
        if key in actual and actual[key] != row:
            columns = [i for i in range(len(row)) if i >= len(actual[key]) or row[i] != actual[key][i]]
            first = columns[0] if columns else len(row)
            problems.append(f"different: key {key}, columns {columns}: expected {json.dumps(row[first:first + 1])[:200]}, "
                            f"got {json.dumps(actual[key][first:first + 1])[:200]}")
    for problem in problems[:10]:
        print(problem)
    if problems:
        print(f"{len(problems)} differences between {len(expected)} expected and {len(actual)} actual rows")
        sys.exit(1)
    if not expected:
        sys.exit(2)
    print(f"{len(expected)} rows are equal")


main()
