#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tests/workload does with files: test files of MariaDB become SQL for one server, and copies are compared.

workload.py prepare SUITE-ROOT TEST-FILE OUT    exit 1: not for one server that must not be restarted
workload.py compare STREAM-DB SNAPSHOT-DB TABLES LINES TOUCH
  TABLES: schema, table, rows at the server, 1 where a foreign key changes its rows unlogged; tab-separated.
  LINES: what mysql-binlog wrote. TOUCH: gets the tables whose rows an ALTER may have changed and that differ; when it is
  "-", they were logged again, and differ. Prints one line a table: the verdict, rows, name, and an example of a difference."""
import json
import os
import re
import sqlite3
import sys

# The server that is captured must stay, and write what it is asked to write; the others need what is not built in here.
UNFIT = re.compile(r"restart_mysqld|start_mysqld|shutdown_(server|mysqld)|shutdown_server|kill_mysqld|have_debug|big_test\.inc|"
                   r"have_valgrind|galera|have_file_key|encrypt_binlog|encrypted_master|install\s+(plugin|soname)|mysql_upgrade|have_perfschema|innodb_fast_shutdown", re.I)
# Waiting for, or steering, a replica; files and programs outside of the server.
COMMAND = re.compile(r"(sync_with_master|save_master_pos|sync_slave|exec|exec_in_background|system|send_quit|send_shutdown|remove_files?|"
                     r"remove_files_wildcard|copy_files?|copy_files_wildcard|move_file|mkdir|rmdir|chmod|list_files\w*|cat_file|diff_files|"
                     r"change_user|real_sleep|sleep|die|exit|skip|query_log|enable_abort_on_error|replace_regex|start_timer|"
                     r"require|shutdown_server|reset_connection|send_file)\b", re.I)
SQL = re.compile(r"((start|stop|reset)\s+(all\s+)?(slave|replica|master)|change\s+(master|replication)|purge\s+(binary|master)|"
                 r"(set|set\s+statement)\b.*\b(binlog_format|binlog_row_metadata|sql_log_bin|log_bin\b|pseudo_slave_mode|gtid_slave_pos|"
                 r"gtid_binlog_state|read_only|debug|default_tmp_storage_engine|rpl_semi_sync\w*|server_id)\b|show\s+(binlog|relaylog|slave|master|all\s+slaves)|shutdown\b|"
                 r"reset\s+(query|binary)|do\s+sleep|select\s+sleep|select\s+master_(pos|gtid)_wait|drop\s+(database|schema)\s+(if\s+exists\s+)?`?(test|mysql|mtr)`?\s*;|use\s+`?test`?\s*;|"
                 r"call\s+mtr|(create|drop)\s+(or\s+replace\s+)?user|set\s+password|flush\s+privileges|.*\bmysql\.\w+)", re.I)
INCLUDE = re.compile(r"\b(rpl_\w*(end|sync|connect|connection|reconnect|change|start|stop|for_each|init|reset|diff)\w*|sync\w*|wait_\w+|check_slave\w*|assert\w*|"
                     r"show_\w+|kill_\w+|restart\w*|diff_tables|count_sessions|save_\w+|restore_\w+|start_slave\w*|stop_slave\w*|"
                     r"reset_\w+|begin_include_file|end_include_file|setup_fake\w*|search_pattern\w*|grep_\w+|mysqlbinlog\w*|"
                     r"write_\w+|get_\w+|check_\w*type|default_\w+|print_\w+|no_valgrind\w*|not_embedded|not_windows|linux|have_innodb|"
                     r"have_binlog_format_\w*row\w*|have_binlog_format_mixed_or_row|have_log_bin|master-slave|rpl_generate\w*|expect_\w+)\.(inc|test)\b", re.I)


def source_of(name, folder, root):
    for base in (root, os.path.join(root, "include"), folder, os.path.join(folder, ".."), os.path.join(folder, "../include")):
        path = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(path):
            return path
    return None


def flatten(path, root, depth=0):
    """The lines of a test with what it includes."""
    with open(path, encoding="latin1") as file:
        text = file.read()
    if UNFIT.search(text):
        raise ValueError("unfit")
    for line in text.split("\n"):
        include = re.match(r"\s*(?:--)?\s*source\s+([^\s;]+)", line, re.I)
        if not include:
            yield line
            continue
        name = include.group(1)
        if re.search(r"master-slave\.inc|rpl_init\.inc", name):
            for connection, port in (("master", "MASTER"), ("master1", "MASTER"), ("slave", "SLAVE"), ("slave1", "SLAVE")):
                yield f"connect ({connection},127.0.0.1,root,,test,${port}_MYPORT,);"
            yield "connection master;"
            yield "eval use $workload_db;"
        elif INCLUDE.search(name):
            continue
        elif re.search(r"/?(have|not)_\w+\.inc$", name) or "$" in name or depth > 8:
            yield line  # mariadb-test itself skips what the server has not
        else:
            found = source_of(name, os.path.dirname(path), root)
            if found:
                yield from flatten(found, root, depth + 1)


def skip_block(lines, end):
    for line in lines:
        if re.match(rf"\s*{re.escape(end)}\s*$", line):
            return


def prepared(lines, name):
    """Tables are not dropped: instead of DROP TABLE, what follows goes into a new database."""
    delimiter, number = ";", 0
    yield from ("--disable_abort_on_error", "--disable_warnings", f"let $workload_db= {name};")
    for line in lines:
        bare = re.sub(r"^\s*(--)?\s*", "", line)
        changed = re.match(r"delimiter\s+(\S+)", bare, re.I)
        if changed:
            word = changed.group(1)
            is_command = line.lstrip().startswith("--")
            delimiter = word if is_command or word == delimiter or not word.endswith(delimiter) else word[: -len(delimiter)]
        block = re.match(r"(perl|write_file|append_file)\b\s*(.*)", bare, re.I)
        if block:
            words = block.group(2).rstrip(";").split()
            skip_block(lines, words[-1] if words and (words[-1].isupper() or block.group(1) == "perl") else "EOF")
        elif re.match(r"sync_slave_with_master\b", bare, re.I):
            words = bare.replace(";", " ").split()
            yield f"connection {words[1] if len(words) > 1 else 'slave'};"
        elif delimiter == ";" and re.match(r"drop\s+table\b[^;]*;\s*(#.*)?$", bare, re.I):
            number += 1
            yield f"create database if not exists {name}_{number}; use {name}_{number};"
            yield f"let $workload_db= {name}_{number};"
        elif not COMMAND.match(bare) and not SQL.match(re.sub(r"^eval\s+", "", bare, flags=re.I)):
            yield line


def prepare(root, path, out):
    name = "w"
    try:
        text = "\n".join(prepared(flatten(path, root), name))
    except (ValueError, RecursionError):
        sys.exit(1)
    with open(out, "w", encoding="latin1") as file:
        file.write(text)


# -- comparing ---------------------------------------------------------------


def rows_of(database, table, columns):
    names = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
    quoted = '"' + table.replace('"', '""') + '"'
    return sorted(repr(row) for row in database.execute(f"select {names} from {quoted}"))


def columns_of(database, table):
    quoted = '"' + table.replace('"', '""') + '"'
    return [row[1] for row in database.execute(f"pragma table_info({quoted})")]


def statements_of(lines):
    with open(lines, encoding="utf-8") as file:
        for line in file:
            if line.startswith('{"op":"ddl"'):
                text = json.loads(line)["ddl"]
                if isinstance(text, str):
                    yield re.sub(r"/\*.*?\*/", " ", text, flags=re.S).strip()


class History:
    """What DDL did to tables beyond what rows say of it."""

    def __init__(self, lines):
        self.altered, self.made_anew = [], []
        for text in statements_of(lines):
            if re.match(r"(set\s+statement\s.*\sfor\s+)?(alter|rename|optimize|repair)\b", text, re.I | re.S):
                self.altered.append(text.lower())
            if re.match(r"(set\s+statement\s.*\sfor\s+)?(drop|create\s+or\s+replace)\b", text, re.I | re.S):
                self.made_anew.append(text.lower())

    @staticmethod
    def names(texts, table):
        word = re.compile(r"(?<![\w$])" + re.escape(table.lower()) + r"(?![\w$])")
        return any(word.search(text) for text in texts)

    def of(self, table, schema):
        if self.names(self.made_anew, table) or any(re.match(rf"drop\s+(database|schema)\s.*\b{re.escape(schema.lower())}\b", text) for text in self.made_anew):
            return "made-anew"  # rows of the table that was dropped stay in a copy
        if any(self.names([text], table) and re.search(r"\bpartition\b|\brename\b|\bdiscard\b", text) for text in self.altered):
            return "partitions"  # moved, dropped or emptied without a row in the log
        return "altered" if self.names(self.altered, table) else None


def difference(stream, snapshot, name):
    columns = columns_of(snapshot, name)
    if not columns:
        return None
    missing = [c for c in columns if c not in columns_of(stream, name)]
    if missing:
        return f"no columns {missing[:3]}" if rows_of(snapshot, name, columns) else None
    expected, actual = rows_of(snapshot, name, columns), rows_of(stream, name, columns)
    if expected == actual:
        return None
    absent = next((row for row in expected if row not in actual), "")
    extra = next((row for row in actual if row not in expected), "")
    return f"{len(expected)} rows expected, {len(actual)} there; missing {absent[:200]}; left over {extra[:200]}"


def compare(stream_path, snapshot_path, tables, lines, touch):
    stream, snapshot = sqlite3.connect(stream_path), sqlite3.connect(snapshot_path)
    for database in (stream, snapshot):
        database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    history, again = History(lines), []
    with open(tables, encoding="utf-8", errors="surrogateescape") as file:
        entries = [line.rstrip("\n").split("\t") for line in file]
    for schema, table, count, cascades in entries:
        name = f"{schema}.{table}"
        there = columns_of(snapshot, name)
        read = len(rows_of(snapshot, name, there)) if there else 0
        found = difference(stream, snapshot, name)
        verdict = "equal"
        if read != int(count):
            verdict, found = "DIFFERENT", f"{count} rows at the server, {read} in the snapshot"
        elif found:
            verdict = history.of(table, schema) or ("cascades" if cascades == "1" else "DIFFERENT")
            if verdict == "altered" and touch != "-":
                again.append(f"{schema}\t{table}")
                continue
            verdict = "DIFFERENT" if verdict == "altered" else verdict
        print(f"{verdict}\t{count}\t{name}\t{found or ''}")
    if touch != "-":
        with open(touch, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(line + "\n" for line in again)


if __name__ == "__main__":
    {"prepare": prepare, "compare": compare}[sys.argv[1]](*sys.argv[2:])
