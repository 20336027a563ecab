#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every column type: makes tables of one, and compares lines of mysql-binlog with what the server itself says.

mysql-types.py run FOLDER [SQL]: makes the tables, inserts, updates and deletes rows, after SQL in the session; keeps what
SELECT gives after the inserts and after the updates. mysql-types.py compare FOLDER LINES: the lines against that.
Environment: TYPES_CLIENT (the client's command line), TYPES_MARIADB (1 or 0), TYPES_VERSION (101100, 90700), TYPES_WITHOUT
(a table that the lines are not looked at for)."""
import base64
import json
import os
import pickle
import shlex
import struct
import subprocess
import sys
from collections import Counter

CLIENT = shlex.split(os.environ["TYPES_CLIENT"])
MARIADB = os.environ["TYPES_MARIADB"] == "1"
VERSION = int(os.environ["TYPES_VERSION"])


def client(sql):
    done = subprocess.run(CLIENT, input=sql.encode(), capture_output=True)
    if done.returncode:
        sys.exit(f"the client: {done.stderr.decode()[-1500:]}")
    return done.stdout.decode()


# -- the rules: how SELECT asks for a value, and which JSON that makes ------------------------------------------------
def utf8(column):
    return f"hex(convert({column} using utf8mb4))"


def as_text(h):
    return bytes.fromhex(h).decode()


class Single(float):
    """A FLOAT: the shortest number that reads back the same in 32 bits."""


class Text:
    sql = staticmethod(utf8)
    value = staticmethod(as_text)


class Decimal(Text):
    sql = staticmethod(lambda c: f"hex(cast({c} as char))")


class Number(Decimal):
    value = staticmethod(lambda h: int(as_text(h)))


class Float(Text):
    sql = staticmethod(lambda c: f"hex(cast({c} * 1e0 as char))")
    value = staticmethod(lambda h: Single(as_text(h)))


class Double(Decimal):
    value = staticmethod(lambda h: float(as_text(h)))


class Bits:
    def __init__(self, n):
        self.n = n

    def sql(self, c):
        return f"hex(lpad(bin({c} + 0), {self.n}, '0'))"

    def value(self, h):
        return as_text(h) == "1" if self.n == 1 else as_text(h)


class Binary:
    sql = staticmethod(lambda c: f"hex({c})")
    value = staticmethod(lambda h: base64.b64encode(bytes.fromhex(h)).decode())


def is_date(text):
    """A day that ISO 8601 knows; also of the year 0."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= month <= 12 and 1 <= day <= (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


class Datetime(Decimal):
    zone = ""

    def value(self, h):
        text = as_text(h)
        return text.replace(" ", "T") + self.zone if is_date(text) else text


class Timestamp(Datetime):
    zone = "Z"


class Json(Decimal):
    # Exact numbers: 1.50 stays 1.50, but 1e3 and 1000.0 are the same.
    # The first releases of MySQL 8.0 do not escape the line breaks of base64.
    value = staticmethod(lambda h: json.loads(as_text(h).replace("\n", "\\n"), parse_float=exact))


class Geometry:
    def sql(self, c):
        binary = f"st_aswkb({c})" if MARIADB else f"st_asbinary({c}, 'axis-order=long-lat')"
        return f"concat(hex(st_srid({c})), 'x', hex({binary}))"

    def value(self, h):
        srid, wkb = h.split("x")
        return {"srid": int(srid, 16), "wkb": Binary.value(wkb)}


class Vector:
    # The server's own text has six digits only.
    sql = staticmethod(lambda c: f"hex({c})")
    value = staticmethod(lambda h: [Single(x[0]) for x in struct.iter_unpack("<f", bytes.fromhex(h))])


def exact(text):
    import decimal
    return decimal.Decimal(text)


# -- the types -----------------------------------------------------------------------------------------------------------
def quote(text):
    return "_utf8mb4 x'" + text.encode().hex() + "'" if text else "''"


def types():
    for name, bits in (("tinyint", 8), ("smallint", 16), ("mediumint", 24), ("int", 32), ("bigint", 64)):
        half = 1 << (bits - 1)
        yield name, Number(), [-half, -half + 1, -1, 0, 1, 42, half - 1]
        yield name + " unsigned", Number(), [0, 1, half - 1, half, 2 * half - 1]
    yield "int(7) unsigned zerofill", Number(), [0, 7, 4294967295]
    yield "boolean", Number(), [0, 1, -1]
    yield "year", Number(), [1901, 2155, "'0000'", 2026]
    for n in range(1, 65):
        if n in (1, 2, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64):
            yield f"bit({n})", Bits(n), [0, 1, (1 << n) - 1, 1 << (n - 1)]
    for p, s in ((1, 0), (1, 1), (5, 2), (9, 0), (9, 9), (10, 0), (10, 9), (14, 4), (18, 9), (19, 10), (27, 13), (38, 10), (38, 30), (65, 0), (65, 30)):
        whole, nines = "9" * (p - s) or "0", "9" * s
        most = whole + ("." + nines if s else "")
        small = "0." + "0" * (s - 1) + "1" if s else "1"
        some = ("1234567890" * 7)[:p - s] or "0"
        some += "." + ("0987654321" * 3)[:s] if s else ""
        yield f"decimal({p},{s})", Decimal(), [most, "-" + most, 0, small, "-" + small, some, "-" + some]
    yield "decimal(12,3) unsigned", Decimal(), ["999999999.999", 0, "0.001"]
    floats = ["0", "-0e0", "1", "-1.5", "0.1", "3.4028234e38", "-3.4028234e38", "1.17549435e-38", "1e-45", "16777217", "123456.789", "1e20", "1e-5", "33554430"]
    yield "float", Float(), floats
    yield "float(10,3)", Float(), ["0.125", "-1234567.891", "0.001"]
    doubles = ["0", "-0e0", "1", "0.1", "-2.5", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "9007199254740993", "1e22", "1e21", "1e15", "123456789.123456789", "1e-7", "0.30000000000000004"]
    yield "double", Double(), doubles
    yield "double(20,4)", Double(), ["0.125", "-123456789012.3456"]
    yield "double unsigned", Double(), ["0", "1e100"]
    # dates and times
    yield "date", Decimal(), ["'1000-01-01'", "'9999-12-31'", "'0000-00-00'", "'2026-00-00'", "'2026-11-00'", "'2024-02-29'", "'2023-02-31'", "'0001-01-01'"]
    for n in range(7):
        f = "." + "123456"[:n] if n else ""
        nines = "." + "9" * n if n else ""
        tiny = "." + "0" * (n - 1) + "1" if n else ""
        yield f"time({n})", Decimal(), [f"'00:00:00'", f"'12:34:56{f}'", f"'-12:34:56{f}'", f"'838:59:58{nines}'", f"'-838:59:58{nines}'", f"'-00:00:00{tiny}'", f"'-00:00:01{f}'", f"'100:00:00'", f"'-00:00:01'", f"'23:59:59{nines}'", "'-838:59:59'"]
        yield f"datetime({n})", Datetime(), [f"'2026-11-21 09:28:42{f}'", f"'9999-12-31 23:59:59{nines}'", f"'0000-00-00 00:00:00'", f"'1000-01-01 00:00:00{tiny}'", f"'2026-00-15 01:02:03{f}'", f"'2024-02-29 00:00:00'", f"'2023-02-31 00:00:00{f}'"]
        yield f"timestamp({n}) null", Timestamp(), [f"'2026-11-21 09:28:42{f}'", f"'1970-01-01 00:00:01{f}'", f"'2038-01-19 03:14:07{nines}'", "'0000-00-00 00:00:00'", f"'2001-09-09 01:46:40{tiny}'"]
    # strings
    quick = 'The quick "brown" \\ fox\n\t\r\b\x01\x7f/<>&\''
    western = "Größe, café, ñ ß ÿ €"
    samples = {
        "latin1": western, "latin2": "Zażółć gęślą jaźń", "cp1250": "Příliš žluťoučký", "cp1251": "Съешь ещё этих мягких", "koi8r": "Съешь ещё",
        "cp866": "Съешь", "greek": "Ξεσκεπάζω", "hebrew": "שלום", "latin5": "İstanbul ğüş", "latin7": "Žuvis ąčęėįšų", "cp850": "Größe é ñ",
        "cp852": "Zażółć", "cp1256": "مرحبا", "cp1257": "Žuvis ąčę", "macroman": "Größe é", "tis620": "สวัสดี", "ascii": "plain", "utf8mb3": "ÿ € 漢字 ﬀ",
        "utf8mb4": "é 漢字 😀 \U0010ffff", "ucs2": "é € 漢字", "utf16": "é 漢字 😀", "utf16le": "é 漢字 😀", "utf32": "é 漢字 😀", "sjis": "日本語 ｶﾅ 表", "cp932": "日本語 ①髙",
        "ujis": "日本語 ｶﾅ", "eucjpms": "日本語 ①", "gbk": "漢字 简体 镕", "gb2312": "汉字", "big5": "漢字 許功蓋", "euckr": "한국어",
    }
    if not MARIADB:
        samples["gb18030"] = "漢字 😀"
    for charset, sample in samples.items():
        words = ["", sample, sample * 3, "a", "a b", quick, "'" + sample + "'"]
        wide = charset in ("utf8mb3", "utf8mb4", "utf16", "utf32", "latin1")
        yield f"char(60) character set {charset}", Text(), [quote(w[:60]) for w in words] + [quote("x  ")]
        if wide:
            yield f"char(255) character set {charset}", Text(), [quote((sample * 200)[:255]), quote("short")]
            yield f"varchar(10000) character set {charset}", Text(), [quote((sample * 3000)[:10000]), quote("short  ")]
            yield f"mediumtext character set {charset}", Text(), [quote(sample * 20000), "''"]
        yield f"varchar(60) character set {charset}", Text(), [quote(w[:60]) for w in words] + [quote("x  "), quote(" \t ")]
        yield f"text character set {charset}", Text(), [quote(w) for w in words]
    yield "varchar(256) character set latin1", Text(), ["_latin1 x'" + bytes(range(256)).hex() + "'"]
    yield "varchar(128) character set cp1251", Text(), ["_cp1251 x'" + bytes(c for c in range(128, 256) if c != 0x98).hex() + "'"]
    yield "tinytext", Text(), [quote(western), "repeat('z', 255)"]
    yield "longtext", Text(), [quote(western), f"repeat('z', 70000)", "repeat('漢', 30000)"]
    yield "varchar(20) collate utf8mb4_bin", Text(), [quote("É"), quote("é")]
    blobs = ["''", "x'00'", "x'0000000000'", "x'6100'", "'a  '", "x'ff00fe0a0d22'", "x'20'", "x'610020'"]
    yield "binary(1)", Binary(), ["x'00'", "x'ff'", "''"]
    for n in (5, 16, 255):
        yield f"binary({n})", Binary(), blobs[:4] + ["'ab'", "x'ff00fe0a00'", "'a  '"]
    for n in (20, 255, 256, 1000):
        yield f"varbinary({n})", Binary(), blobs + [f"repeat(x'00', {n})", f"repeat(x'9a', {n})"]
    for kind, n in (("tinyblob", 255), ("blob", 65535), ("mediumblob", 70000), ("longblob", 100000)):
        yield kind, Binary(), blobs + [f"repeat(x'00ff', {n // 2})"]
    yield "enum('a','b','it''s, so','é','')", Text(), ["'a'", "'b'", "'it''s, so'", "'é'", "5"]
    yield "enum(" + ",".join(f"'v{i}'" for i in range(300)) + ")", Text(), ["'v0'", "'v254'", "'v255'", "'v299'"]
    yield "enum('Ж','ё') character set cp1251", Text(), [quote("Ж"), quote("ё")]
    yield "enum('a','bü','') character set ucs2", Text(), ["'a'", "'bü'", "''"]
    if os.environ.get("TYPES_NAMED", "1") == "1":  # information_schema shows it as '?'
        yield "enum('c','😀') character set utf32", Text(), ["'c'", "'😀'"]
    yield "set('a','b','c d','é')", Text(), ["''", "'a'", "'a,c d'", "'a,b,c d,é'", "'é'"]
    yield "set(" + ",".join(f"'s{i}'" for i in range(64)) + ")", Text(), ["'s0'", "'s63'", "18446744073709551615", "9223372036854775808", "0"]
    yield "set('表','ｶ') character set sjis", Text(), [quote("表"), quote("表,ｶ")]
    yield "set('q','ω') character set utf16", Text(), ["''", "'q,ω'", "'ω'"]
    # JSON
    depth = 30 if MARIADB else 90  # MariaDB takes 32 at the most, MySQL 100
    deep = "[" * depth + "1" + "]" * depth
    big = json.dumps({f"key {i:05d}": {"n": i, "text": "é" * (i % 40), "list": [i, -i, i * 1000003, None, True]} for i in range(1500)}, ensure_ascii=False)
    documents = ["{}", "[]", "null", "true", "false", "0", "-1", "32767", "32768", "-32769", "2147483648", "-2147483649", "9223372036854775807", "18446744073709551615", "1.5", "-0.25", "1e100", "0.1",
                 '"text"', '""', '"é 😀 \\" \\\\ \\n \\u0001"', '{"a":1,"b":[1,2,{"c":null}],"":"empty","é":"ü"}', '[[],{},[{}]]', deep, '{"dup":1}', '["' + "x" * 200 + '","' + "y" * 20000 + '"]', big,
                 json.dumps(list(range(20000))), '{"' + "k" * 300 + '":true}']
    yield "json", Json(), [quote(d) for d in documents]
    if not MARIADB:
        yield "json ", Json(), ["json_object('d', cast('2024-01-02' as date), 't', cast('-01:02:03.4' as time(1)), 'dt', cast('2024-01-02 03:04:05.6' as datetime(6)), 'z', cast('0000-00-00' as date))",
                                "json_array(1.50, cast('-12345678901234567890.123456789' as decimal(65,9)), 1.5e0, cast(18446744073709551615 as unsigned), pi(), 0.0, -0.0e0, 1e300)",
                                "json_object('bin', x'6162ff', 'bit', b'1010', 'blob', cast(repeat('x', 400) as binary))", "json_array(st_geomfromtext('point(1 2)'))", "cast(cast('2024-01-02' as date) as json)", "cast(1.10 as json)", "cast('10:00:00' as json)" if False else "cast(cast('10:00:00' as time) as json)"]
    # geometry
    shapes = ["point(1 2)", "linestring(0 0, 1 1, 2 3.5)", "polygon((0 0, 10 0, 10 10, 0 10, 0 0), (2 2, 4 2, 4 4, 2 4, 2 2))", "multipoint((1 1), (2 2))", "multilinestring((0 0, 1 1), (2 2, 3 3))",
              "multipolygon(((0 0, 1 0, 1 1, 0 0)))", "geometrycollection(point(1 2), linestring(0 0, 1 1))", "point(-180.5 1e-10)"]
    yield "geometry", Geometry(), [f"st_geomfromtext('{s}')" for s in shapes] + ["st_geomfromtext('point(1 2)', 4326)", "st_geomfromtext('linestring(1 2, 3 4)', 4326)"]
    yield "point", Geometry(), ["st_geomfromtext('point(1 2)')", "st_geomfromtext('point(0 0)', 4326)"]
    yield "polygon", Geometry(), [f"st_geomfromtext('{shapes[2]}')"]
    if not MARIADB:
        yield "point srid 4326", Geometry(), ["st_geomfromtext('point(10 20)', 4326)"]
    # of one server alone
    if MARIADB and VERSION >= 100700:
        yield "uuid", Text(), [f"'{u}'" for u in ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "123e4567-e89b-12d3-a456-426655440000", "123e4567-e89b-72d3-a456-420000000000", "00112233-4455-6677-8899-aabbccddee00")]
    if MARIADB:
        yield "inet6", Text(), [f"'{a}'" for a in ("::", "::1", "2001:db8::", "2001:db8::1", "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1:0:0:1", "1:2:3:4:5:6:7:8", "1:0:0:2:0:0:0:3", "1::", "0:1::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1:0:3:4:5:6:7:8", "::ffff:0:0")]
    if MARIADB and VERSION >= 101000:
        yield "inet4", Text(), [f"'{a}'" for a in ("0.0.0.0", "255.255.255.255", "192.0.2.1", "10.0.0.0", "1.0.0.0")]
    if MARIADB:
        long = ["''", "'short'", "repeat('abc', 500)", "repeat('é', 1000)"]
        yield "varchar(2000) compressed", Text(), long
        yield "text compressed", Text(), long + ["repeat('long and ', 5000)"]
        yield "mediumtext compressed", Text(), long + ["repeat('long and ', 20000)"]
        yield "varbinary(2000) compressed", Binary(), long[:3] + ["repeat(x'00', 2000)"]
        yield "blob compressed", Binary(), long[:3] + ["repeat(x'00ff', 20000)"]
        if VERSION >= 110700:
            yield "vector(4)", Vector(), ["vec_fromtext('[1,2,-3.5,0.1]')", "vec_fromtext('[0,0,0,0]')", "x'" + struct.pack("<4f", 1e-10, 1e18, 16777216, -1).hex() + "'"]
    elif VERSION >= 90000:
        yield "vector(4)", Vector(), ["string_to_vector('[1,2,-3.5,0.1]')", "string_to_vector('[0,0,0]')", "string_to_vector('[1e-10,3.4e38,16777216,-1]')"]
        yield "vector(1000)", Vector(), ["string_to_vector('[" + ",".join(str(i * 0.1) for i in range(1000)) + "]')"]


# Each table: name, its columns (name, type, rule, member of an insert?), rows of SQL values.
def tables():
    for number, (kind, rule, values) in enumerate(types()):
        yield f"k{number:03d}", [("v", kind.strip(), rule, True)], [[str(v)] for v in values] + [["null"]]
    number, text = Number(), Text()
    invisible = "/*!80023 invisible *//*M!100303 invisible */"
    yield "gencols", [("a", "int", number, True), ("virt", "int generated always as (a * 2) virtual", number, False), ("stor", "varchar(50) generated always as (concat('<', b, '>')) stored", text, False),
                        ("b", "varchar(40)", text, True), ("hidden", f"int {invisible} default 7", number, True), ("jv", "varchar(20) generated always as (left(b, 1)) virtual", text, False)], \
        [["1", "'x'", "8"], ["-5", "'é'", "null"], ["null", "null", "9"]]
    wide = [(f"c{i}", ("int", "varchar(20)", "tinyint unsigned", "datetime(3)", "decimal(10,2)")[i % 5], (number, text, number, Datetime(), Decimal())[i % 5], True) for i in range(300)]
    cells = ("123456", "'wide é'", "255", "'2026-11-21 01:02:03.004'", "'-1.50'")
    yield "wide", wide, [[cells[i % 5] for i in range(300)], ["null"] * 300, [cells[i % 5] if i % 3 else "null" for i in range(300)]]


def in_lines(columns):
    """MariaDB's lines omit generated columns, which no insert has a value for."""
    return [column for column in columns if column[3] or not MARIADB]


def table_sql(columns):
    return ", ".join(f"{name} {kind}" for name, kind, _, _ in columns)


def view(todo):
    """What SELECT gives: {table: {id: {column: value}}}"""
    sql = ["set time_zone = '+00:00';"]
    todo = [(name, in_lines(columns), rows) for name, columns, rows in todo]
    for name, columns, _ in todo:
        asked = ", ".join(rule.sql(column) for column, _, rule, _ in columns)
        sql.append(f"select '{name}', id, {asked} from {name} order by id;")
    result = {name: {} for name, _, _ in todo}
    by_name = {name: columns for name, columns, _ in todo}
    for line in client("\n".join(sql)).splitlines():
        name, key, *cells = line.split("\t")
        result[name][int(key)] = {column: None if cell == "NULL" else rule.value(cell) for (column, _, rule, _), cell in zip(by_name[name], cells)}
    return result


def run(folder, before=""):
    todo = list(tables())
    head = f"set time_zone = '+00:00'; set sql_mode = 'ALLOW_INVALID_DATES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'; set session group_concat_max_len = 1000000; {before};\n"
    client(head + "\n".join(f"create table {name} (id int primary key, {table_sql(columns)}) character set utf8mb4{' row_format=dynamic' if name == 'wide' else ''};" for name, columns, _ in todo))
    inserts, updates, deletes = [head], [head], [head]
    for name, columns, rows in todo:
        names = ["id"] + [column for column, _, _, told in columns if told]
        inserts.append("begin;")
        inserts += [f"insert into {name} ({', '.join(names)}) values ({key}, {', '.join(row)});" for key, row in enumerate(rows)]
        updates.append("begin;")
        for key in range(len(rows)):
            row = rows[(key + 1) % len(rows)]
            updates.append(f"update {name} set {', '.join(f'{c} = {v}' for c, v in zip(names[1:], row))} where id = {key};")
        updates.append("commit;")
        inserts.append("commit;")
        deletes.append(f"delete from {name};")
    client("\n".join(inserts))
    first = view(todo)
    client("\n".join(updates))
    second = view(todo)
    client("\n".join(deletes))
    with open(f"{folder}/views", "wb") as file:
        pickle.dump((first, second), file)


# -- comparing -----------------------------------------------------------------------------------------------------------
class Token(str):
    """A number as it stands in the line."""


def shortest(text, value, pack):
    """Is there no shorter text that reads back the same?"""
    digits = len(text.lower().split("e")[0].replace("-", "").replace(".", "").strip("0"))
    return digits <= 1 or pack(float(f"{value:.{digits - 1}g}")) != pack(value) if digits > 1 else True


def number_equal(expected, token):
    import decimal
    if isinstance(expected, Single):
        pack = lambda x: struct.pack("<f", x)
        try:
            return pack(expected) == pack(float(token)) and shortest(token, float(token), pack)
        except OverflowError:
            return False
    if isinstance(expected, float):
        pack = lambda x: struct.pack("<d", x)
        return pack(expected) == pack(float(token)) and shortest(token, float(token), pack)
    return decimal.Decimal(token) == expected


def equal(expected, actual):
    if isinstance(actual, Token):
        return isinstance(expected, (int, float)) and not isinstance(expected, bool) and number_equal(expected, actual) or type(expected).__name__ == "Decimal" and number_equal(expected, actual)
    if isinstance(expected, dict):
        return isinstance(actual, dict) and expected.keys() == actual.keys() and all(equal(expected[k], actual[k]) for k in expected)
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(equal, expected, actual))
    return type(expected) is type(actual) and expected == actual


def compare(folder, path):
    with open(f"{folder}/views", "rb") as file:
        first, second = pickle.load(file)
    todo = {name: in_lines(columns) for name, columns, _ in tables() if name != os.environ.get("TYPES_WITHOUT")}
    problems, seen = [], {"c": Counter(), "u": Counter(), "d": Counter()}

    def check(name, op, key, side, row, expected):
        if row is None or row.keys() != {"id", *expected}:
            problems.append(f"{name} {op} {key}: {side} has other columns: {list(row or [])[:10]}")
            return
        for column, kind, _, _ in todo[name]:
            if not equal(expected[column], row[column]):
                problems.append(f"{name} {op} id {key}, {side}.{column} {kind[:50]}: expected {repr(expected[column])[:150]}, got {repr(row[column])[:150]}")

    for line in open(path, encoding="utf-8"):
        event = json.loads(line, parse_int=Token, parse_float=Token)
        op, name = event["op"], event["source"].get("table")
        if op not in seen or name not in todo:
            continue
        before, after = event["before"], event["after"]
        key = int(event["key"]["id"])
        seen[op][name] += 1
        if "unchanged" in event:
            problems.append(f"{name} {op} {key}: unchanged {event['unchanged']}")
        if op != "d":
            check(name, op, key, "after", after, (first if op == "c" else second)[name][key])
        if op != "c":
            check(name, op, key, "before", before, (first if op == "u" else second)[name][key])
    values = 0
    for name, columns in todo.items():
        rows = len(first[name])
        changed = sum(first[name][key] != second[name][key] for key in first[name])
        values += len(columns) * (rows * 2 + changed * 2)
        if not rows or seen["c"][name] != rows or seen["d"][name] != rows or seen["u"][name] < changed:
            problems.append(f"{name}: {rows} rows, {changed} changed; lines: {[seen[op][name] for op in 'cud']}")
    for problem in problems[:25]:
        print(problem)
    print(f"{len(todo)} tables, {values} values, {len(problems)} problems")
    sys.exit(bool(problems))


if __name__ == "__main__":
    {"run": run, "compare": compare}[sys.argv[1]](*sys.argv[2:])
