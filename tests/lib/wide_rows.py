#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of many columns through each option that looks at all of them: what leaves is right, and the time grows with the columns.

wide_rows.py FOLDER     prints what is wrong, and exits 1."""
import json
import os
import resource
import shutil
import subprocess
import sys

COLUMNS, ROWS, SECONDS = 5000, 30, 9  # of CPU: it takes a tenth of that; one look through all names for each column took 11 s and more
with open(shutil.which("cdc-filter"), "rb") as program:
    SECONDS *= 5 if b"__asan_init" in program.read() else 1
NAMES = [f"column_{i}" for i in range(COLUMNS)]


def lines():
    source = {"connector": "postgresql", "name": "n", "db": "d", "schema": "public", "table": "t", "ts_ms": 1}
    columns = [{"name": name, "type": "bigint" if name == "id" else "text", "nullable": name != "id", "generated": False} for name in ["id", *NAMES]]
    yield {"op": "schema", "pos": "00000", "seq": 1, "source": source, "columns": columns, "key_columns": ["id"]}
    for i in range(1, ROWS + 1):
        before, after = ({"id": i, **{name: f"{word}{i}" for name in NAMES}} for word in ("old", "new"))
        yield {"op": "u", "pos": f"{i:05}", "seq": 1, "source": source, "key": {"id": i}, "before": before, "after": after}
    yield {"op": "commit", "pos": "99999", "seq": 1, "source": {"connector": "postgresql", "name": "n", "db": "d"}, "events": ROWS}


def run(text, *options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(["cdc-filter", "-q", *options], input=text, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode != 0:
        sys.exit(f"{options[0]}: exit status {done.returncode}: {done.stderr.decode()[:2000]}")
    if used > SECONDS * int(os.environ.get("CDC_TEST_TIMEOUT", "60")) / 60:
        sys.exit(f"{options[0]}: {used:.1f} s for {ROWS} rows")
    return done.stdout


def rows(text):
    events = [json.loads(line) for line in text.decode().splitlines()]
    return [(event["before"], event["after"]) for event in events if event["op"] == "u"]


def main():
    folder, text = sys.argv[1], "".join(json.dumps(line) + "\n" for line in lines()).encode()
    key, keys = f"{folder}/key", f"{folder}/keys"
    with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write("ab" * 32)
    subprocess.run(["cdc-filter", "--make-key-store", keys], check=True)
    came, all_names = rows(text), ",".join(NAMES)

    def expect(change, *options):
        if rows(run(text, *options)) != [tuple(change(row) for row in pair) for pair in came]:
            sys.exit(f"{options[0]}: the rows are others")

    def each(option, item):
        return [argument for i in range(COLUMNS) for argument in (option, item.format(i))]

    expect(lambda row: {f"c{name[7:]}" if name != "id" else name: v for name, v in row.items()}, *each("--rename-column", "t:column_{0}=c{0}"))
    expect(lambda row: {name: v for i, (name, v) in enumerate(row.items()) if name == "id" or i % 2 == 0}, "--drop-columns", "t:" + ",".join(NAMES[::2]))
    expect(lambda row: row, "--columns", "t:" + all_names)
    expect(lambda row: row, "--only", "t:id," + all_names)
    expect(lambda row: {name: v if name == "id" else "***" for name, v in row.items()}, "--mask", f"t:{all_names}=redact")
    expect(lambda row: {name: v if name == "id" else v.upper() for name, v in row.items()}, *each("--set", "t:column_{0} = upper(column_{0})"))
    expect(lambda row: row | {f"x{name[7:]}": v.upper() for name, v in row.items() if name != "id"}, *each("--add", "t:x{0} = upper(column_{0})"))
    encrypted = run(text, "--encrypt", "t:" + all_names, "--subject", "t:id", "--key-store", keys)
    if rows(run(encrypted, "--decrypt", "--key-store", keys)) != came:
        sys.exit("--decrypt: the rows are others")
    for form in "maxwell", "canal":
        if rows(run(run(text, "--to", form), "--from", form, "--from-position", "line", "--key", "id")) != came:
            sys.exit(f"--to and --from {form}: the rows are others")
    explained = json.loads(run(text, "--explain", "--json", "--mask", f"t:{all_names}=redact", "--rename-column", "t:column_7=x"))
    if [column["clear"] for column in explained["tables"][0]["columns"]] != ["yes"] + ["no"] * COLUMNS:
        sys.exit("--explain: the columns are others")


main()
