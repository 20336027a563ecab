#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Lines that other projects have in their tests and manuals, through `cdc-filter --from`: each is read as what it says, or refused
with a reason.

foreign.py wal2json|maxwell|debezium|singer FILE...   cdc-filter is looked for in PATH

What a line says is worked out here from its JSON alone: operation, table, each value of the old and of the new row. Exit 1: a line
was read as something else, or was neither read nor refused."""
import base64
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

MARK = "\x01"  # before the digits of a number, as they stand in the text


def number(digits):
    return MARK + digits


DECODER = json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=number)


def loads(text):
    return DECODER.decode(text)


# -- where the lines are ---------------------------------------------------------------------------


def objects(text, wanted):
    """Each JSON object in a text for which wanted() is true, as the text of one line."""
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, end = DECODER.raw_decode(text, at)
        except ValueError:
            value, end = None, at + 1
        if isinstance(value, dict) and wanted(value):
            yield re.sub(r"[\r\n]+\s*", " ", text[at:end])
            at = end
        else:
            at += 1


def psql_results(text):
    """The rows of each result that psql printed, those of several lines as one."""
    rows = None
    for line in text.split("\n"):
        if re.fullmatch(r"-{20,}", line):
            rows = ""
        elif rows is not None and re.fullmatch(r"\(\d+ rows?\)", line):
            yield rows
            rows = None
        elif rows is not None:
            rows += (line[:-1].rstrip() if line.endswith("+") else line) + "\n"


def is_wal2json(value):
    return "action" in value or "change" in value


def is_maxwell(value):
    return "database" in value and "type" in value


def is_debezium(value):
    inner = value.get("payload", value.get("value", value))
    inner = inner.get("payload", inner) if isinstance(inner, dict) else {}
    return isinstance(inner, dict) and (("op" in inner and ("after" in inner or "before" in inner)) or "status" in inner and "id" in inner)


def is_singer(value):
    return value.get("type") in ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION")


def groups(kind, text):
    """What belongs together: lines that one reader must get."""
    if kind == "wal2json":
        for result in psql_results(text):
            yield list(objects(result, is_wal2json))
    elif kind == "maxwell":
        # Its tests have names without quotes, and blanks where a string has been broken.
        quoted = re.sub(r'([{,]\s*)([a-z_]+)\s*:(?=\s)', r'\1"\2":', text)
        yield list(objects(quoted, is_maxwell))
    elif kind == "debezium":
        text = re.sub(r"//\s*<\d+>|<\d+>$", "", text, flags=re.M)
        for line in objects(text, is_debezium):
            yield [line]
    else:
        yield list(objects(text, is_singer))


def completed(kind, line):
    """Tests leave out what they do not compare."""
    if kind != "maxwell":
        return line
    missing = {"ts": 1700000000, "xid": 7, "commit": True}
    more = "".join(f', "{name}": {json.dumps(value)}' for name, value in missing.items() if name not in loads(line))
    return line.rstrip()[:-1] + more + "}"


# -- what they say ---------------------------------------------------------------------------------


def of_wal2json_1(change):
    def row(names, values, types):
        return {n: (t, v) for n, v, t in zip(change[names], change[values], change.get(types, [None] * len(change[names])))}
    kind = change["kind"]
    if kind == "message":
        return {"op": "m", "content": change["content"]}
    if kind == "truncate":
        return {"op": "t"}
    after = row("columnnames", "columnvalues", "columntypes") if kind != "delete" else None
    old = change.get("oldkeys")
    before = None
    if old:
        before = {n: (t, v) for n, v, t in zip(old["keynames"], old["keyvalues"], old.get("keytypes", [None] * 99))}
    return {"op": kind[0].replace("i", "c"), "after": after, "before": before}


def of_wal2json(value):
    if "change" in value:
        for change in value["change"]:
            yield of_wal2json_1(change) | {"table": (change.get("schema"), change.get("table"))}
        return
    action = value["action"]
    if action in "BC":
        return
    columns, identity = ({c["name"]: (c.get("type"), c.get("value")) for c in value[name]} if name in value else None
                         for name in ("columns", "identity"))
    yield {"op": {"I": "c", "U": "u", "D": "d", "T": "t", "M": "m"}[action], "after": columns, "before": identity,
           "content": value.get("content"), "table": (value.get("schema"), value.get("table"))}


def of_maxwell(value):
    kind = value["type"]
    if kind not in ("insert", "update", "delete", "bootstrap-insert"):
        return
    data = {name: (None, v) for name, v in value["data"].items()}
    old = {name: (None, v) for name, v in value.get("old", {}).items()}
    yield {"op": {"insert": "c", "update": "u", "delete": "d", "bootstrap-insert": "r"}[kind], "table": (value["database"], value["table"]),
           # Without output_nulls, what was and is not there is NULL now.
           "after": None if kind == "delete" else {name: (None, None) for name in old} | data, "before": data if kind == "delete" else data | old if kind == "update" else None}


def of_debezium(value):
    value = value.get("value", value)
    value = value.get("payload", value)
    if "op" not in value:
        return
    source = value.get("source") or {}
    rows = [{n: (None, v) for n, v in value[m].items()} if isinstance(value.get(m), dict) else None for m in ("before", "after")]
    yield {"op": value["op"], "table": (source.get("schema", source.get("db")), source.get("table")), "before": rows[0], "after": rows[1]}


def of_singer(value):
    if value["type"] == "RECORD":
        yield {"op": "cru", "table": (None, value["stream"]), "after": {n: (None, v) for n, v in value["record"].items()}, "before": None}


SAYS = {"wal2json": of_wal2json, "maxwell": of_maxwell, "debezium": of_debezium, "singer": of_singer}


# -- comparison ------------------------------------------------------------------------------------


def array_of(text):
    """The text of an array, if it is a plain one."""
    if "[" in text.split("{")[0]:
        return None
    words = re.sub(r'("(?:[^"\\]|\\.)*"|[^{},]+)', lambda m: m[0] if m[0].startswith('"') else "null" if m[0] == "NULL" else json.dumps(m[0]), text)
    try:
        return json.loads(words.replace("{", "[").replace("}", "]"))
    except ValueError:
        return None


def plain(value):
    return value[1:] if isinstance(value, str) and value.startswith(MARK) else value


def flat(value):
    if isinstance(value, list):
        return [flat(one) for one in value]
    return str(plain(value)).lower() if isinstance(value, bool) else plain(value)


def same(type_, said, got):
    """Whether a value is the one that the line says, in the way that cdc-event(5) writes it."""
    if said == got or plain(said) == plain(got) and said is not None:
        return True
    if not isinstance(said, str):
        return False
    type_ = (type_ or "").lower()
    if type_ == "bytea":
        return isinstance(got, str) and base64.b64decode(got).hex() == said.removeprefix("\\x")
    if type_.startswith("json"):
        return loads(said) == got
    if type_.startswith("timestamp"):
        return said.replace(" ", "T").removesuffix("+00") == got.removesuffix("Z")
    if said.startswith("{") and isinstance(got, list):
        return flat(array_of(said)) == flat(got)
    if type_.startswith("bit"):
        return said in ("0", "1") and got == (said == "1")
    return False


def differences(said, event, converted):
    """What is different; values that no rule of same() explains go to converted."""
    if event["op"] not in said["op"]:
        yield f"op {event['op']} for {said['op']}"
        return
    source = event.get("source", {})
    if said["table"][1] is not None and source.get("table") != said["table"][1]:
        yield f"table {source.get('table')} for {said['table'][1]}"
    if said["table"][0] is not None and said["table"][0] not in (source.get("schema"), source.get("db")):
        yield f"schema {source.get('schema')} for {said['table'][0]}"
    for name in ("before", "after"):
        rows = said.get(name), event.get(name)
        if rows[0] is None and (rows[1] is None or name == "before"):
            continue
        if rows[0] is None or rows[1] is None or not set(rows[0]) >= set(rows[1]):
            yield f"{name} {rows[1]} for {rows[0]}"
            continue
        for column, (type_, value) in rows[0].items():
            if column not in rows[1]:
                if column not in event.get("unchanged", []):
                    yield f"{name}.{column} is missing"
            elif not same(type_, value, rows[1][column]):
                converted[(type_, json.dumps(value), json.dumps(rows[1][column]))] += 1
    if said["op"] == "m" and (event.get("message") or {}).get("content") is None:
        yield f"a message without content: {event}"


def run(kind, lines, folder):
    letters = os.path.join(folder, "letters")
    if os.path.exists(letters):
        os.remove(letters)
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run(["cdc-filter", "--from", kind, "--from-position", "line", "--on-error", "dead-letter", "--dead-letter", letters],
                          input=text.encode(), capture_output=True, check=False, timeout=60)
    events = [loads(line) for line in done.stdout.decode().splitlines()]
    refused = []
    if os.path.exists(letters):
        with open(letters, encoding="utf-8") as file:
            refused = [json.loads(line) for line in file]
    return done, events, refused


def main():
    kind, files = sys.argv[1], sys.argv[2:]
    counts, reasons, converted, wrong = collections.Counter(), collections.Counter(), collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            with open(name, encoding="utf-8", errors="replace") as file:
                text = file.read()
            for lines in groups(kind, text):
                lines = [completed(kind, line) for line in lines]
                done, events, refused = run(kind, lines, folder)
                if done.returncode != 0:
                    counts["stopped"] += 1
                    message = re.sub(r"line \d+ at byte offset \d+ of the input: ", "", done.stderr.decode().strip().split("\n")[-1])
                    reasons[f"exit {done.returncode}: {message[:160]}"] += 1
                    continue
                away = collections.Counter(letter["line"] for letter in refused)
                for letter in refused:
                    reasons[re.sub(r"line \d+ at byte offset \d+ of the input: ", "", letter["reason"])[:160]] += 1
                wanted = []
                for line in lines:
                    if away[line] > 0:
                        away[line] -= 1
                        counts["refused"] += 1
                        continue
                    counts["read"] += 1
                    wanted += [(line, said) for said in SAYS[kind](loads(line))]
                changes = [event for event in events if event["op"] in ("r", "c", "u", "d", "t", "m")]
                if len(changes) != len(wanted):
                    wrong.append(f"{name}: {len(changes)} changes for {len(wanted)}: {lines}"[:600])
                    continue
                counts["changes compared"] += len(changes)
                for (line, said), event in zip(wanted, changes):
                    wrong += [f"{name}: {what}: {line}"[:600] for what in differences(said, event, converted)]
    for reason, times in reasons.most_common():
        print(f"  refused, {times} times: {reason}")
    for (type_, said, got), times in converted.items():
        print(f"  value, {times} times: {type_} {said[:100]} is {got[:100]}")
    for what in wrong:
        print(f"  WRONG {what}")
    print(f"{kind}: {len(files)} files, " + ", ".join(f"{times} {what}" for what, times in counts.items()) + f", {len(wrong)} wrong")
    sys.exit(1 if wrong or counts["read"] == 0 else 0)


main()
