# SPDX-License-Identifier: MIT
"""What tests/migrations draws: the kinds of migrations, each with its weight, and what the traffic must know of tables."""
import threading

# -- servers and tables, as far as a migration must know them -------------------

# What an enum begins with, and what migrations add to it. The traffic writes all of them, and some statements are refused.
MOODS = ["calm", "glad", "m0", "m1", "m2"]

# Kinds of columns, and their types on PostgreSQL and on MySQL; what one of them lacks is None.
TYPES = {
    "int": ("integer", "int"), "num": ("numeric(12,2)", "decimal(12,2)"), "text": ("text", "varchar(400)"), "enum": ("app.mood", "enum('calm', 'glad')"),
    "large": ("text", "mediumtext"), "time": ("timestamp", "datetime"), "bytes": ("bytea", "varbinary(100)"), "json": ("jsonb", "json"),
    "array": ("integer[]", None), "pair": ("app.pair", None)}
# As information_schema names the types; what the traffic does not write is in none.
KINDS = {
    "integer": "int", "int": "int", "bigint": "int", "numeric": "num", "decimal": "num", "text": "text", "varchar": "text", "enum": "enum", "mood": "enum",
    "mediumtext": "large", "timestamp without time zone": "time", "timestamp with time zone": "time", "datetime": "time", "timestamp": "time",
    "bytea": "bytes", "varbinary": "bytes", "jsonb": "json", "json": "json", "longtext": "json", "ARRAY": "array", "pair": "pair"}
# What becomes of tables must not go by these names.
LEFT_OVER = ["swapping", "other"]


def value(rng, kind):
    if kind == "int":
        return str(rng.randrange(1000))
    if kind == "num":
        return f"{rng.randrange(100000) / 100:.2f}"
    if kind == "enum":
        return "'" + rng.choice(MOODS) + "'"
    if kind == "time":
        return f"'2026-0{rng.randrange(1, 10)}-1{rng.randrange(10)} 0{rng.randrange(10)}:30:00'"
    if kind == "json":
        return "'" + rng.choice(['{"a": 1.50, "b": [null, "ä"]}', "null", "[]", '"text"']) + "'"
    if kind == "array":
        return "'" + rng.choice(["{}", "{1,NULL,3}", "{{1,2},{3,4}}"]) + "'"
    if kind == "pair":
        return f"row({rng.randrange(100)}, 'of two')" if rng.random() < 0.9 else "null"
    if kind == "large" and rng.random() < 0.6:
        # Too long and too random to stay in its row on PostgreSQL.
        return "'" + "".join(f"{rng.getrandbits(64):016x}" for _ in range(400)) + "'"
    return "'" + rng.choice(["tea", "coffee", "Grüße", "x" * 300, "0", ""]) + str(rng.randrange(100)) + "'"


class Model:
    """The tables, as far as the traffic must know them: names and kinds of columns besides id, by table."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tables = {}
        self.next_column = 0

    def pick(self, rng):
        with self.lock:
            name = rng.choice(sorted(self.tables))
            return name, list(self.tables[name])

    def change(self, after):
        """Tables and their columns; None: it is gone."""
        with self.lock:
            for name, columns in after.items():
                if columns is None:
                    self.tables.pop(name, None)
                else:
                    self.tables[name] = columns


# -- drawing --------------------------------------------------------------------

NAMES = ["t1", "t2", "t3", "t4", "t5", "t6"]
BY_NAME = {}


def kind(name, weight=2, when=None, columns=0, tables="tp", through=False):
    """A function of a Draw that returns the statements of a migration, or those and what becomes of the model.

    when: true for servers that know of it; columns: how many the table must have besides id; tables: t for ordinary ones, p for the
    one with partitions; through: later statements undo what the first has done, so they come in spite of errors."""
    def add(function):
        BY_NAME[name] = {"function": function, "weight": weight, "when": when, "columns": columns, "tables": tables, "through": through}
        return function
    return add


def postgres(server):
    return server.family == "postgresql"


def postgres_15(server):
    return postgres(server) and server.version >= 15


def listed(server):
    """The publication has a list of tables."""
    return postgres(server) and server.publication == "list"


def not_all_tables(server):
    return postgres(server) and server.publication != "all"


def not_postgres(server):
    return not postgres(server)


def mysql(server):
    return server.family == "mysql"


def mariadb(server):
    return server.family == "mariadb"


class Draw:
    """One migration of one table."""

    def __init__(self, server, model, rng, name):
        self.server, self.model, self.rng, self.name = server, model, rng, name
        self.postgres = postgres(server)
        self.columns = list(model.tables[name])
        self.table = server.prefix + name
        self.alter = f"alter table {self.table}"
        self.new = f"n{model.next_column}"
        model.next_column += 1
        # A table without a key is another matter: an index does not take it, and PostgreSQL no update of it.
        key = self.key()
        self.plain = [c for c in self.columns if c[0] not in key]
        self.some = rng.choice(self.plain) if self.plain else None
        self.kind = rng.choice([of for of in TYPES if self.type(of)])
        # Long ones would make the notes of a run hard to read.
        self.constant = rng.choice([of for of in TYPES if self.type(of) and of != "large"])

    def type(self, of):
        return TYPES[of][0 if self.postgres else 1]

    def value(self, of):
        return value(self.rng, of)

    def default(self, of):
        """As MySQL wants it: a default of json is an expression."""
        return f"({self.value(of)})" if of == "json" and not self.postgres else self.value(of)

    def with_column(self, name, of):
        return {self.name: self.columns + [(name, of)]}

    def without(self, column):
        return [c for c in self.columns if c != column]

    def other(self):
        """Another ordinary table; None where there is none."""
        others = [t for t in sorted(self.model.tables) if t not in (self.name, "p1")]
        return self.rng.choice(others) if others else None

    def begin(self, *statements):
        """In one transaction, one statement for the log of the run; MySQL commits in between."""
        return "; ".join(["begin", *statements, "commit"])

    def create(self, name):
        """Statements that make a table with rows in it, and its columns."""
        kinds = [("c1", "text"), ("c2", self.rng.choice(["int", "num"]))]
        if self.rng.random() < 0.3:
            kinds.append(("c3", self.rng.choice(["large", "json", "time"])))
        columns = ", ".join(f"{c} {self.type(of)}" for c, of in kinds)
        table = self.server.prefix + name
        rows = ", ".join(f"({i}, {self.value('text')}, {self.rng.randrange(1000)})" for i in self.rng.sample(range(400), 60))
        return [f"create table {table} (id int not null, {columns}, primary key (id))", f"insert into {table} (id, c1, c2) values {rows}"], kinds

    def key_name(self):
        return self.server.run(f"select conname from pg_constraint where conrelid = '{self.table}'::regclass and contype = 'p'")[0].strip()

    def drop_key(self):
        return f"drop constraint {self.key_name()}" if self.postgres else "drop primary key"

    def key(self):
        """Names of the columns of the primary key."""
        if self.postgres:
            query = ("select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey) "
                     f"where indrelid = to_regclass('{self.table}') and indisprimary")
        else:
            query = f"select column_name from information_schema.columns where table_schema = 'app' and table_name = '{self.name}' and column_key = 'PRI'"
        return self.server.run(query)[0].split()


def draw(server, model, rng, only):
    """Name, statements, what becomes of the model, and whether to go on after errors."""
    kinds = {name: of for name, of in BY_NAME.items() if (not only or name in only) and (of["when"] is None or of["when"](server))}
    for _ in range(100):
        what = rng.choices(list(kinds), [of["weight"] for of in kinds.values()])[0]
        of = kinds[what]
        fitting = [name for name in sorted(model.tables) if name[0] in of["tables"] and len(model.tables[name]) >= of["columns"]]
        if not fitting:
            if only:
                fitting = [None]
            else:
                continue
        name = rng.choice(fitting)
        drawn = Draw(server, model, rng, name) if name else None
        if drawn and len(drawn.plain) < of["columns"]:
            continue
        result = of["function"](drawn) if drawn else []
        if isinstance(result, list):
            result = result, {}
        return what, *result, of["through"]
    return "nothing", ["select 1"], {}, False


# -- columns --------------------------------------------------------------------

@kind("add")
def add(d):
    return [f"{d.alter} add column {d.new} {d.type(d.kind)}"], d.with_column(d.new, d.kind)


@kind("add default", weight=3)
def add_default(d):
    strict = d.rng.choice(["", " not null"])
    return [f"{d.alter} add column {d.new} {d.type(d.constant)}{strict} default {d.default(d.constant)}"], d.with_column(d.new, d.constant)


@kind("add computed", weight=1)
def add_computed(d):
    """Each row gets another value, or one that only the server knows."""
    if d.postgres:
        what = d.rng.choice(["int default (random() * 1000)::int", "serial", "int generated by default as identity", "timestamp default now()",
                             "timestamptz default clock_timestamp()", "app.word", "app.word not null"])
    else:
        whats = ["datetime default current_timestamp", "timestamp not null default current_timestamp on update current_timestamp", "int not null", "date not null default '2026-02-03'"]
        what = d.rng.choice(whats + (["varchar(40) default (uuid())"] if mariadb(d.server) else []))
    of = "int" if what.startswith(("int", "serial")) else "time" if what.startswith(("time", "date")) else "text"
    return [f"{d.alter} add column {d.new} {what}"], d.with_column(d.new, of)


@kind("drop", columns=2)
def drop(d):
    return [f"{d.alter} drop column {d.some[0]}"], {d.name: d.without(d.some)}


@kind("rename", columns=2)
def rename(d):
    renamed = d.rng.choice(d.columns)
    return [f"{d.alter} rename column {renamed[0]} to {d.new}"], {d.name: [(d.new, c[1]) if c == renamed else c for c in d.columns]}


@kind("rename and add", columns=1)
def rename_and_add(d):
    """The old name is that of a new column."""
    old, of = d.some
    first, second = f"{d.alter} rename column {old} to {d.new}", f"{d.alter} add column {old} {d.type(d.constant)} default {d.default(d.constant)}"
    statements = [first, second]
    if d.postgres and d.rng.random() < 0.5:
        statements = [d.begin(first, second)]
    elif not d.postgres and d.rng.random() < 0.5:
        # MariaDB 10.11 takes the two in one statement for a conflict at times; then nothing was done.
        statements = [f"{d.alter} rename column {old} to {d.new}, add column {old} {d.type(d.constant)} default {d.default(d.constant)}"]
    return statements, {d.name: [(d.new, of) if c == d.some else c for c in d.columns] + [(old, d.constant)]}


@kind("swap columns", weight=1, columns=2)
def swap_columns(d):
    (a, of_a), (b, of_b) = d.rng.sample(d.columns, 2)
    if d.postgres:
        statement = d.begin(f"{d.alter} rename column {a} to swapping", f"{d.alter} rename column {b} to {a}", f"{d.alter} rename column swapping to {b}")
    else:
        statement = f"{d.alter} rename column {a} to {b}, rename column {b} to {a}"
    return [statement], {d.name: [(b, of_a) if c[0] == a else (a, of_b) if c[0] == b else c for c in d.columns]}


@kind("retype", weight=3, columns=2)
def retype(d):
    name, of = d.some
    if d.postgres:
        plain = {"int": [("bigint", "int"), ("numeric(14,3)", "num"), ("text", "text")], "num": [("numeric(14,3)", "num"), ("numeric", "num"), ("text", "text")],
                 "text": [("varchar(1000)", "text"), ("text collate \"C\"", "text")], "time": [("timestamptz", "time"), ("timestamp(0)", "time"), ("text", "text")],
                 "large": [("varchar(9000)", "large")]}
        if of in plain and d.rng.random() < 0.4:
            to, kind_of = d.rng.choice(plain[of])
            return [f"{d.alter} alter {name} type {to}"], {d.name: [(c[0], kind_of) if c == d.some else c for c in d.columns]}
        to = d.rng.choice(["int", "num", "text"])
        using = f"length({name}::text)" if to == "int" else f"length({name}::text) * 1.5" if to == "num" else f"'was ' || {name}::text"
        clauses = f"alter {name} drop default, alter {name} type {d.type(to)} using ({using})"
        return [f"{d.alter} {clauses}"], {d.name: [(c[0], to) if c == d.some else c for c in d.columns]}
    to, kind_of = d.rng.choice({
        "int": [("bigint", "int"), ("int unsigned", "int"), ("varchar(50)", "text"), ("decimal(12,2)", "num")],
        "num": [("decimal(14,4)", "num"), ("decimal(16,2) not null default 3", "num"), ("double", "num")],
        "enum": [("varchar(50)", "text"), ("enum('glad', 'calm')", "enum"), ("varchar(60) character set latin1", "text")],
        "time": [("datetime(3)", "time"), ("timestamp null", "time"), ("varchar(40)", "text")],
        "bytes": [("varbinary(300)", "bytes"), ("blob", "bytes")],
        "json": [("longtext", "large"), ("json", "json")],
        "large": [("longtext", "large"), ("mediumtext character set utf16", "large")]}.get(
            of, [("varchar(500)", "text"), ("varchar(400) character set latin1", "text"), ("text", "text"), ("varchar(410) collate utf8mb4_bin", "text"), ("varbinary(900)", "bytes")]))
    return [f"{d.alter} modify {name} {to}"], {d.name: [(c[0], kind_of) if c == d.some else c for c in d.columns]}


@kind("charset", weight=1, when=not_postgres)
def charset(d):
    return [f"{d.alter} convert to character set {d.rng.choice(['latin1', 'utf8mb4', 'utf16', 'utf8mb4 collate utf8mb4_bin'])}"]


@kind("drop and add", columns=2)
def drop_and_add(d):
    first, second = f"drop column {d.some[0]}", f"add column {d.some[0]} {d.type(d.constant)}{d.rng.choice(['', ' default ' + d.default(d.constant)])}"
    statements = d.rng.choice([[f"{d.alter} {first}, {second}"], [f"{d.alter} {first}", f"{d.alter} {second}"]])
    return statements, {d.name: d.without(d.some) + [(d.some[0], d.constant)]}


@kind("default", columns=1)
def default(d):
    return [f"{d.alter} alter {d.some[0]} {d.rng.choice(['drop default', 'set default ' + d.default(d.some[1])])}"]


@kind("nullable", weight=1, columns=1)
def nullable(d):
    name, of = d.some
    if not d.postgres:
        return [f"{d.alter} modify {name} {d.type(of)} {d.rng.choice(['null', 'not null'])}"]
    if d.rng.random() < 0.5:
        return [f"{d.alter} alter {name} drop not null"]
    return [d.begin(f"update {d.table} set {name} = {d.value(of)} where {name} is null", f"{d.alter} alter {name} set not null")]


@kind("two", columns=2)
def two(d):
    return [f"{d.alter} add column {d.new} {d.type(d.constant)} default {d.default(d.constant)}", f"{d.alter} drop column {d.some[0]}"], {
        d.name: d.without(d.some) + [(d.new, d.constant)]}


@kind("several", weight=3, columns=2)
def several(d):
    """Several clauses in one statement."""
    columns, clauses, touched = list(d.columns), [], set()
    names = d.rng.sample([c[0] for c in d.plain], 2)
    for number, what in enumerate(d.rng.sample(["add", "add too", "drop", "default", "change", "first"], d.rng.randrange(2, 5))):
        fresh, of = f"{d.new}_{number}", d.rng.choice(["int", "num", "text", "enum"])
        name = next((n for n in names if n not in touched), None)
        if what.startswith("add") or (what == "first" and d.postgres):
            clauses.append(f"add column {fresh} {d.type(of)} default {d.value(of)}")
            columns.append((fresh, of))
        elif what == "first":
            clauses.append(f"add column {fresh} {d.type(of)} {d.rng.choice(['first', 'after id'])}")
            columns.append((fresh, of))
        elif name:
            touched.add(name)
            now = dict(columns)[name]
            if what == "drop":
                clauses.append(f"drop column {name}")
                columns = [c for c in columns if c[0] != name]
            elif what == "default":
                clauses.append(f"alter {name} set default {d.default(now)}")
            elif d.postgres:
                clauses.append(f"alter {name} drop default, alter {name} type text using ('then ' || {name}::text)")
                columns = [(name, "text") if c[0] == name else c for c in columns]
            else:
                clauses.append(f"change {name} {fresh} {d.type(now)} {d.rng.choice(['', 'first'])}")
                columns = [(fresh, now) if c[0] == name else c for c in columns]
    return [f"{d.alter} {', '.join(clauses)}"], {d.name: columns}


@kind("order", when=not_postgres, columns=2)
def order(d):
    """Columns change their places."""
    (a, of_a), (b, _) = d.rng.sample(d.columns, 2)
    return [f"{d.alter} modify {a} {d.type(of_a)} {d.rng.choice(['first', f'after {b}', 'after id'])}"]


@kind("instant", weight=3, when=not_postgres, columns=2)
def instant(d):
    """Old rows stay as they are on disk, and the server knows what they lack."""
    place = d.rng.choice(["", "first", f"after {d.some[0]}"])
    statement, after = d.rng.choice([
        (f"add column {d.new} {d.type(d.constant)} {place}", d.columns + [(d.new, d.constant)]),
        (f"add column {d.new} int default 9 {place}, add column {d.new}_x varchar(9) not null default 'x'", d.columns + [(d.new, "int")]),
        (f"drop column {d.some[0]}", d.without(d.some)),
        (f"drop column {d.some[0]}, add column {d.new} int {'first' if place else ''}", d.without(d.some) + [(d.new, "int")])])
    return [f"{d.alter} {statement}, algorithm=instant"], {d.name: after}


@kind("wording", when=not_postgres)
def wording(d):
    """What a statement says may be said in many ways."""
    add_it = f"add column {d.new} int default 5"
    after = d.with_column(d.new, "int")
    return d.rng.choice([
        [f"ALTER TABLE `app`.`{d.name}` ADD (`{d.new}` INT DEFAULT 5)"],
        [f"/* a note; of two */ alter /*!50000 table */ `{d.name}` -- so\n # and so\n{add_it} comment 'a '' quote, drop column c1'"],
        [f"create database if not exists elsewhere; use elsewhere; alter table app.{d.name} {add_it}"],
        [f"set session sql_mode = concat(@@sql_mode, ',ANSI_QUOTES'); alter table \"{d.name}\" add \"{d.new}\" int default 5"],
        [f"set session sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES'); alter table {d.name} {add_it} comment 'ends with a \\\\'"],
        [f"set names latin1; alter table {d.name} {add_it} comment 'h\udcf6her'"],
        [f"set @s = concat('alter table {d.name} ', '{add_it}'); prepare s from @s; execute s"],
        [f"alter table {d.name} {add_it}, order by id" if mariadb(d.server) else f"alter table {d.name} {add_it}, comment = 'drop table'"],
    ]), after


@kind("generated")
def generated(d):
    """Columns that the server computes, and that are changed to others or to ordinary ones."""
    added = f"add column {d.new} int generated always as (id * 2 + 1)"
    if d.postgres:
        later = ["select 1", f"{d.alter} drop column {d.new}"]
        if d.server.version >= 17:
            later.append(f"{d.alter} alter column {d.new} set expression as (id * 3)")
        if d.rng.random() < 0.4:
            return [f"{d.alter} {added} stored", f"{d.alter} alter column {d.new} drop expression"], d.with_column(d.new, "int")
        virtual = d.server.version >= 18 and d.rng.random() < 0.3
        return [f"{d.alter} {added} {'virtual' if virtual else 'stored'}", d.rng.choice(later)]
    later = ["select 1", f"{d.alter} drop column {d.new}", f"{d.alter} modify {d.new} int generated always as (id * 3) stored"]
    if d.rng.random() < 0.4:
        return [f"{d.alter} {added} stored", f"{d.alter} modify {d.new} int"], d.with_column(d.new, "int")
    return [f"{d.alter} {added} {d.rng.choice(['stored', 'virtual'])}", d.rng.choice(later)]


@kind("invisible", weight=1, when=lambda server: mariadb(server) or (mysql(server) and server.version >= 8), columns=1)
def invisible(d):
    return [f"{d.alter} add column {d.new} int default 4 invisible", d.rng.choice(["select 1", f"{d.alter} modify {d.new} int default 4"])], d.with_column(d.new, "int")


@kind("versioned", weight=1, when=mariadb, tables="t", through=True)
def versioned(d):
    """History is kept for a while."""
    return [f"{d.alter} add system versioning", f"delete from {d.table} where id % 11 = 2", f"set system_versioning_alter_history = 1; {d.alter} drop system versioning"]


# -- types of users -------------------------------------------------------------

@kind("mood")
def mood(d):
    """An enum has one value more, at its end or among the others, or another one."""
    if d.postgres:
        return d.rng.choice([
            [f"alter type app.mood add value if not exists 'm{d.rng.randrange(3)}'{d.rng.choice(['', ' before ' + repr('glad')])}"],
            [f"alter type app.mood rename value '{d.rng.choice(MOODS[1:])}' to 'm{d.rng.randrange(3, 6)}'"],
            [f"alter type app.mood rename value 'm{d.rng.randrange(3, 6)}' to '{d.rng.choice(MOODS[1:])}'"]])
    labels = ", ".join(f"'{label}'" for label in d.rng.choice([MOODS[:3], MOODS[:4], MOODS, ["calm", "m1", "glad"]]))
    enums = [column for column, of in d.columns if of == "enum"]
    if not enums:
        return [f"{d.alter} add column {d.new} enum({labels})"], d.with_column(d.new, "enum")
    return [f"{d.alter} modify {enums[0]} enum({labels})"]


@kind("attribute", when=lambda server: postgres(server) and server.composite == "text")
def attribute(d):
    """A composite type gets another field, or loses one; its values in the rows follow. (In lines of before that they are the server's
    text in any case.)"""
    holders = [column for column, of in d.columns if of == "pair"]
    first = [] if holders else [f"{d.alter} add column {d.new} app.pair default row(1, 'a')"]
    change = d.rng.choice([f"add attribute {d.new} int", f"add attribute {d.new} text", "rename attribute a to x", "rename attribute x to a"])
    statements = first + [f"alter type app.pair {change}"]
    if change.startswith("add"):
        statements += [f"update {d.table} set {(holders or [d.new])[0]} = (3, 'three', null) where id % 17 = 1", f"alter type app.pair drop attribute {d.new}"]
    return statements, {} if holders else d.with_column(d.new, "pair")


@kind("domain", weight=1, when=postgres)
def domain(d):
    """The default of a domain is another one, and then a column of it is added."""
    return [f"alter domain app.word set default 'w{d.rng.randrange(100)}'", f"{d.alter} add column {d.new} app.word"], d.with_column(d.new, "text")


# -- keys -----------------------------------------------------------------------

@kind("rekey", weight=1, columns=2, tables="t")
def rekey(d):
    serial = f"add column {d.new} bigserial" if d.postgres else f"add column {d.new} bigint not null default 7"
    return [f"{d.alter} {serial}, {d.drop_key()}, add primary key (id, {d.new})"], d.with_column(d.new, "int")


@kind("other key", weight=1, columns=2, tables="t")
def other_key(d):
    """Another column is the key, and id has none."""
    column = "bigserial" if d.postgres else "bigint not null auto_increment"
    return [f"{d.alter} add column {d.new} {column}, {d.drop_key()}, add primary key ({d.new})"]


@kind("key anew", weight=1, tables="t")
def key_anew(d):
    """The key is dropped and made again, of the same columns or of others, in one statement."""
    if d.key() != ["id"]:
        return [f"analyze {'' if d.postgres else 'table '}{d.table}"]
    if d.postgres and d.rng.random() < 0.5:
        return [f"create unique index {d.new} on {d.table} (id)", f"{d.alter} {d.drop_key()}, add constraint {d.new} primary key using index {d.new}"]
    return [f"{d.alter} {d.drop_key()}, add primary key (id)"]


@kind("identity", when=postgres, tables="t")
def identity(d):
    index = [f"create unique index {d.new} on {d.table} (id)", f"{d.alter} replica identity using index {d.new}"]
    return d.rng.choice([[f"{d.alter} replica identity full"], [f"{d.alter} replica identity default"], index,
                         index + [f"{d.alter} replica identity full", f"drop index app.{d.new}"],
                         [f"{d.alter} replica identity full", f"delete from {d.table} where id % 13 = 1", f"{d.alter} replica identity default"]])


# -- tables ---------------------------------------------------------------------

@kind("recreate", tables="t")
def recreate(d):
    statements, kinds = d.create(d.name)
    if d.postgres and d.rng.random() < 0.5:
        return [d.begin(f"drop table {d.table}", *statements)], {d.name: kinds}
    if mariadb(d.server) and d.rng.random() < 0.5:
        return [statements[0].replace("create table", "create or replace table"), statements[1]], {d.name: kinds}
    return [f"drop table {d.table}"] + statements, {d.name: kinds}


@kind("recreate twice", weight=1, tables="t")
def recreate_twice(d):
    """Rows of tables in between are in the log, and of no table that is left."""
    first, _ = d.create(d.name)
    second, kinds = d.create(d.name)
    statements = [f"drop table {d.table}", *first, f"{d.alter} drop column c1", f"update {d.table} set c2 = 1", f"drop table {d.table}", *second, f"delete from {d.table} where id % 5 = 1"]
    return [d.begin(*statements)] if d.postgres else statements, {d.name: kinds}


@kind("copy of it", weight=1, tables="t")
def copy_of_it(d):
    """CREATE TABLE ... SELECT, in the place of the old one."""
    fresh, key = f"{d.table}_new", d.key_name() if d.postgres else ""
    if not d.postgres:
        return [f"create table {fresh} (primary key (id)) as select * from {d.table}", f"rename table {d.name} to {d.name}_old, {d.name}_new to {d.name}", f"drop table {d.name}_old"]
    # Its rows come before its key, which an index does not take.
    make = [f"create table {fresh} as select * from {d.table}", f"alter table {fresh} add primary key (id)"] if d.server.excludes else [
        f"create table {fresh} as select * from {d.table} with no data", f"alter table {fresh} add constraint {key}_{d.new} primary key (id)", f"insert into {fresh} select * from {d.table}"]
    return [d.begin(f"lock table {d.table}", *make, f"drop table {d.table} cascade", f"alter table {fresh} rename to {d.name}")]


@kind("swap", tables="t")
def swap(d):
    statements, kinds = d.create(f"{d.name}_new")
    old, fresh = f"{d.name}_old", f"{d.table}_new"
    if d.postgres:
        change = d.begin(f"{d.alter} rename to {old}", f"alter table {fresh} rename to {d.name}")
    else:
        change = f"rename table {d.name} to {old}, {d.name}_new to {d.name}"
    return statements + [change, f"drop table {d.server.prefix}{old}"], {d.name: kinds}


@kind("shadow", tables="t")
def shadow(d):
    """The way of the tools for online schema changes: a copy of another form, kept up by triggers, changes names with the table."""
    names = ", ".join(["id"] + [c for c, _ in d.columns])
    old, fresh = f"{d.name}_old", f"{d.name}_new"
    if d.postgres:
        return [f"create table app.{fresh} (like {d.table} including all)", f"alter table app.{fresh} add column {d.new} int default 8",
                d.begin(f"lock table {d.table}", f"insert into app.{fresh} ({names}) select {names} from {d.table}", f"{d.alter} rename to {old}", f"alter table app.{fresh} rename to {d.name}"),
                f"drop table app.{old} cascade"], d.with_column(d.new, "int")
    values = ", ".join(["new.id"] + [f"new.{c}" for c, _ in d.columns])
    return [f"create table {fresh} like {d.name}", f"alter table {fresh} add column {d.new} int default 8 first",
            f"create trigger {d.new}_d after delete on {d.name} for each row delete ignore from app.{fresh} where {fresh}.id <=> old.id",
            f"create trigger {d.new}_i after insert on {d.name} for each row replace into app.{fresh} ({names}) values ({values})",
            f"create trigger {d.new}_u after update on {d.name} for each row delete ignore from app.{fresh} where {fresh}.id <=> old.id",
            f"create trigger {d.new}_v after update on {d.name} for each row replace into app.{fresh} ({names}) values ({values})",
            f"insert low_priority ignore into {fresh} ({names}) select {names} from {d.name} lock in share mode",
            f"rename table {d.name} to {old}, {fresh} to {d.name}", f"drop table {old}",
            *(f"drop trigger if exists {d.new}_{of}" for of in "diuv")], d.with_column(d.new, "int")


@kind("exchange", tables="t")
def exchange(d):
    """Two tables change their names with each other, in one transaction or statement."""
    other = d.other()
    if not other:
        return ["select 1"]
    if d.postgres:
        statement = d.begin(f"{d.alter} rename to swapping", f"alter table app.{other} rename to {d.name}", f"alter table app.swapping rename to {other}")
    else:
        statement = f"rename table {d.name} to swapping, {other} to {d.name}, swapping to {other}"
    return [statement], {d.name: list(d.model.tables[other]), other: d.columns}


@kind("another name", weight=1, tables="t")
def another_name(d):
    """For good: the old name is free."""
    free = [name for name in NAMES if name not in d.model.tables]
    if not free:
        return ["select 1"]
    to = d.rng.choice(free)
    statement = d.rng.choice([f"{d.alter} rename to {to}"] + ([] if d.postgres else [f"rename table {d.name} to {to}", f"{d.alter} add column {d.new} int, rename to {to}"]))
    columns = d.columns + ([(d.new, "int")] if "add column" in statement else [])
    return [statement], {d.name: None, to: columns}


@kind("new table", weight=1)
def new_table(d):
    free = [name for name in NAMES if name not in d.model.tables]
    if not free:
        return ["select 1"]
    name = d.rng.choice(free)
    statements, kinds = d.create(name)
    return statements, {name: kinds}


@kind("gone", weight=1, tables="t")
def gone(d):
    if len(d.model.tables) < 5:
        return ["select 1"]
    return [f"drop table {d.table}"], {d.name: None}


@kind("truncate")
def truncate(d):
    other = d.other()
    both = [f"truncate {d.table}, app.{other}"] if d.postgres and other else []
    inside = [d.begin(f"delete from {d.table} where id % 3 = 1", f"truncate table {d.table}", f"insert into {d.table} (id) values (17), (18), (19)")]
    return d.rng.choice([[f"truncate table {d.table}"], inside, both or inside])


@kind("away", through=True)
def away(d):
    """The schema, or a table, has another name for a while, and is written to under it."""
    write = d.rng.choice(["select 1", f"update {{}}.{d.name} set id = id + 2000 where id % 10 = 3", f"delete from {{}}.{d.name} where id % 10 = 4"])
    if not d.postgres:
        return ["create database if not exists elsewhere", f"rename table app.{d.name} to elsewhere.{d.name}", write.format("elsewhere"), f"rename table elsewhere.{d.name} to app.{d.name}"]
    if d.name != "p1" and d.rng.random() < 0.5:
        return ["create schema if not exists elsewhere", f"{d.alter} set schema elsewhere", write.format("elsewhere"), f"alter table elsewhere.{d.name} set schema app"]
    return [f"alter schema app rename to {d.new}", write.format(d.new), f"alter schema {d.new} rename to app"]


@kind("harmless")
def harmless(d):
    statements = [f"create index {d.new} on {d.table} (id)", f"analyze {'' if d.postgres else 'table '}{d.table}"]
    if d.postgres:
        statements += [f"vacuum full {d.table}", f"vacuum freeze {d.table}", "checkpoint", "select pg_switch_wal()", f"reindex table {d.table}", f"grant select on {d.table} to public",
                       f"{d.alter} set (autovacuum_enabled = true)" if d.name != "p1" else "select 1", f"comment on table {d.table} is 'a note'"]
    else:
        statements += [f"optimize table {d.table}", "flush binary logs", f"{d.alter} engine = innodb", f"{d.alter} comment = 'a note'", f"create or replace view v as select id from {d.table}",
                       f"check table {d.table}", f"{d.alter} force"]
    return [d.rng.choice(statements)]


# -- transactions ---------------------------------------------------------------

@kind("inside")
def inside(d):
    """DDL in the midst of rows, in one transaction where the server knows that."""
    of = d.rng.choice(["int", "text"])
    return [d.begin(f"delete from {d.table} where id % 9 = 1", f"update {d.table} set id = id + 3000 where id % 9 = 2", f"{d.alter} add column {d.new} {d.type(of)} default {d.value(of)}",
                    f"update {d.table} set {d.new} = {d.value(of)} where id % 9 = 3", f"insert into {d.table} (id, {d.new}) values ({d.rng.randrange(5000, 6000)}, {d.value(of)})")], d.with_column(d.new, of)


@kind("undone")
def undone(d):
    """DDL that is rolled back, the whole of it or up to a savepoint; MySQL commits before and after each statement."""
    ddl = d.rng.choice([f"{d.alter} add column {d.new} int default 7", f"truncate table {d.table}", f"drop table {d.table}"])
    if not d.postgres:
        return [f"begin; delete from {d.table} where id % 9 = 4; rollback; {d.alter} add column {d.new} int default 7, drop column {d.new}_not_there"]
    return [f"begin; update {d.table} set id = id + 4000 where id % 9 = 4; savepoint s; {ddl}; rollback to s; delete from {d.table} where id % 9 = 5; " + d.rng.choice(["commit", "rollback"]),
            f"begin; {ddl}; rollback"]


@kind("unlogged", weight=1, when=postgres, tables="t", through=True)
def unlogged(d):
    return [f"{d.alter} set unlogged", d.rng.choice(["select 1", f"delete from {d.table} where id % 7 = 3"]), f"{d.alter} set logged"]


# -- publications ---------------------------------------------------------------

@kind("publication", when=postgres, through=True)
def publication(d):
    """Some changes pass by for a while."""
    write = d.rng.choice(["select 1", f"delete from {d.table} where id % 8 = 5"])
    return ["alter publication cdc_mig set (publish = 'insert, update')", write, "alter publication cdc_mig set (publish = 'insert, update, delete, truncate')"]


@kind("unpublished", when=not_all_tables, through=True)
def unpublished(d):
    """A table, or all of them, is not published for a while."""
    write = d.rng.choice(["select 1", f"delete from {d.table} where id % 8 = 6", f"{d.alter} add column {d.new} int default 3"])
    what = f"table {d.table}" if listed(d.server) else "tables in schema app"
    statements = [f"alter publication cdc_mig drop {what}", write, f"alter publication cdc_mig add {what}"]
    return statements, d.with_column(d.new, "int") if "add column" in write else {}


@kind("filtered", weight=3, when=lambda server: listed(server) and postgres_15(server), tables="t", through=True)
def filtered(d):
    """Other rows or columns of a table are published for a while. What a condition lets in later must come whole (FULL)."""
    others = "".join(f", app.{name}" for name in sorted(d.model.tables) if name != d.name)
    write = d.rng.choice(["select 1", "select pg_sleep(1.2)", f"update {d.table} set id = id + 5000 where id % 11 = 1", f"delete from {d.table} where id % 11 = 2"])
    identity_is, published = d.rng.choice([("full", "where (id % 3 <> 0)"), ("full", "where (id > 100)"), ("default", "(id)"), ("default", "")])
    return [f"{d.alter} replica identity {identity_is}", f"alter publication cdc_mig set table {d.table} {published}{others}", write,
            f"alter publication cdc_mig set table {d.table}{others}"]


# -- partitions -----------------------------------------------------------------

@kind("partitions", weight=5, tables="p", through=True)
def partitions(d):
    """One partition of p1 is emptied, or taken out and put back, or replaced by another one."""
    part, number = d.rng.choice(["p1_low", "p1_high"]), d.rng.randrange(1000)
    return (partitions_of_postgres if d.postgres else partitions_of_mysql)(d, part, number)


def partitions_of_mysql(d, part, _number):
    if d.rng.random() < 0.3:
        return d.rng.choice([
            ["alter table p1 reorganize partition p1_low into (partition p1_lower values less than (50), partition p1_low values less than (200))",
             "alter table p1 drop partition p1_lower"],
            ["alter table p1 remove partitioning", "delete from p1 where id % 6 = 1",
             "alter table p1 partition by range (id) (partition p1_low values less than (200), partition p1_high values less than (maxvalue))"],
            [f"alter table p1 rebuild partition {part}"]])
    if part == "p1_high":
        return d.rng.choice([[f"alter table p1 truncate partition {part}"],
                             [f"alter table p1 drop partition {part}", "alter table p1 add partition (partition p1_high values less than (maxvalue))"]])
    column = d.rng.choice([c for c, of in d.columns if of == "text"] or ["id"])
    return d.rng.choice([[f"alter table p1 truncate partition {part}"],
                         ["create table other like p1", "alter table other remove partitioning", f"insert into other (id{', ' + column if column != 'id' else ''}) select id"
                          + (", 'other'" if column != "id" else "") + " from p1 where id < 200 and id % 2",
                          f"alter table p1 exchange partition {part} with table other", "drop table other"]])


def partitions_of_postgres(d, part, number):
    low, high = ("minvalue", "200") if part == "p1_low" else ("200", "maxvalue")
    first = 0 if part == "p1_low" else 200
    bounds = f"for values from ({low}) to ({high})"
    meanwhile = d.rng.choice([f"update app.{part} set id = id", f"delete from app.{part} where id % 3 = 0", f"truncate app.{part}", "select 1"])
    detach, attach = f"alter table app.p1 detach partition app.{part}", f"alter table app.p1 attach partition app.{part} {bounds}"
    made = f"app.{part}_{number}"
    columns = ", ".join(f"{c} {d.type(of)}" for c, of in reversed(d.columns))
    changed = d.begin(detach, f"alter table app.p1 attach partition {made} {bounds}", f"drop table app.{part}", f"alter table {made} rename to {part}")
    return d.rng.choice([
        [f"truncate app.{part}"],
        [detach, meanwhile, attach],
        [d.begin(detach, meanwhile, attach)],
        [f"{detach} concurrently", meanwhile, attach],
        [f"drop table app.{part}", f"create table app.{part} partition of app.p1 {bounds}"],
        [f"create table {made} (like app.p1 including all)", f"insert into {made} (id) select i from generate_series({first}, {first + 190}, 9) i", changed],
        # Columns in another order, and one that was dropped.
        [f"create table {made} ({columns}{', ' if columns else ''}gone int, id int primary key); alter table {made} drop column gone",
         f"insert into {made} (id) select i from generate_series({first}, {first + 190}, 11) i", changed],
        # One that has partitions itself.
        [f"create table {made} (like app.p1 including all) partition by list (id); create table {made}_all partition of {made} default",
         f"insert into {made} (id) select i from generate_series({first}, {first + 190}, 8) i", changed]])


