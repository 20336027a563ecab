#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""alters.py SEED TABLE: random ALTER TABLE statements, with a row after each. Lines:
    first SQL      the table, and a row
    sql SQL        what comes while nobody reads
    row JSON       the images that are expected of it: ["table",{"column":value,...}]
    unsure         a column is given another definition twice, and is of a type that the text does not tell: 78 is right, too"""
import json
import random
import sys

seed, table = int(sys.argv[1]), sys.argv[2]
draw = random.Random(seed)
# The types that a statement's text tells, and one that it does not. A value, as SQL and in JSON.
PLAIN = ["int", "INTEGER", "bigint unsigned", "smallint", "int(5)", "bool"]
TEXT = "varchar(20)"
columns = [["id", "int"], ["a", "int"], ["b", "int"], ["c", TEXT]]
counter, n_names = 0, 0
told = {}  # by its present name: was it given a definition meanwhile that the text does not tell?
unsure = False


def value(kind):
    global counter
    counter += 1
    n = counter % 120  # a tinyint takes it
    return ("'v%d'" % counter, "v%d" % counter) if kind == TEXT else (str(n), n)


def row():
    values = {}
    texts = []
    for name, kind in columns:
        text, out = value(kind)
        if name == "id":
            global ids
            ids += 1
            text, out = str(ids), ids
        texts.append(text)
        values[name] = out
    return "insert into %s values (%s);" % (table, ", ".join(texts)), json.dumps([table, values], separators=(",", ":"), ensure_ascii=False)


def new_name():
    global n_names
    n_names += 1
    return draw.choice(["n%d", "N%d", "`first%d`", "ü%d"]) % n_names


def bare(name):
    return name.strip("`")


def place(touched):
    free = [c[0] for c in columns if c[0] not in touched]
    way = draw.randrange(3)
    if way == 0 or not free:
        return "", len(columns)
    if way == 1:
        return " first", 0
    after = draw.choice(free)
    touched.add(after)
    return " after `%s`" % after, [c[0] for c in columns].index(after) + 1


def others():
    return [c for c in columns if c[0] != "id"]


def lose(name):
    """What it is by now does not tell what it was."""
    global unsure
    unsure |= told.pop(name, False)


def define(name, kind):
    lose(name)
    told[name] = kind == TEXT


def alter():
    global columns
    clauses, touched = [], set()
    for _ in range(draw.randint(1, 3)):
        rest = [c for c in others() if c[0] not in touched]
        way = draw.choice(["add", "add", "drop", "rename", "modify", "change", "move", "option"])
        if way == "add":
            name, kind = new_name(), draw.choice(PLAIN + [TEXT])
            where, at = place(touched)
            clauses.append("add %s%s %s%s" % (draw.choice(["", "column "]), name, kind, where))
            columns.insert(at, [bare(name), kind])
            touched.add(bare(name))
            define(bare(name), kind)
        elif way == "drop" and len(rest) > 1:
            name = draw.choice(rest)[0]
            if any(w.startswith("add") for w in clauses):
                continue
            clauses.append("drop column `%s`" % name)
            lose(name)
            columns = [c for c in columns if c[0] != name]
            touched.add(name)
        elif way in ("rename", "change") and rest:
            column = draw.choice(rest)
            old, new = column[0], new_name()
            if way == "rename":
                clauses.append("rename column `%s` to %s" % (old, new))
                told[bare(new)] = told.pop(old, False)
            else:
                clauses.append("change `%s` %s %s" % (old, new, column[1]))
                lose(old)
                define(bare(new), column[1])
            column[0] = bare(new)
            touched |= {old, bare(new)}
        elif way == "modify" and rest:
            column = draw.choice(rest)
            clauses.append("modify `%s` %s null" % (column[0], column[1]))
            define(column[0], column[1])
            touched.add(column[0])
        elif way == "move" and rest and not clauses:
            column = draw.choice(rest)
            columns.remove(column)
            where, at = place({column[0]})
            if not where:
                columns.append(column)
                where = " after `%s`" % columns[-2][0]
            else:
                columns.insert(at, column)
            define(column[0], column[1])
            return "alter table %s modify `%s` %s%s;" % (table, column[0], column[1], where)
        elif way == "option":
            clauses.append("comment 'after first, (drop'")
    return "alter table %s %s;" % (table, ", ".join(clauses)) if clauses else ""


ids = 0
sql, expected = [], []
print("first create table %s (id int primary key, a int, b int, c varchar(20));" % table)
for _ in range(draw.randint(2, 5)):
    text, line = row()
    sql.append(text)
    expected.append(line)
    sql.append(alter())
text, line = row()
sql.append(text)
expected.append(line)
print("sql " + " ".join(sql))
for line in expected:
    print("row " + line)
if unsure:
    print("unsure")
