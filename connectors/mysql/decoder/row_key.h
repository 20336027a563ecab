/* SPDX-License-Identifier: MIT */
/* What identifies a row: one answer for snapshot, stream and --check.
 *
 * The key is the one that the server itself goes by: the primary key, else the first unique key that may stand for it,
 * else none. Both servers let a unique key stand for it ("promote" it) when none of its columns takes NULL and it has them
 * whole: of
 *     create table t (a int not null, b int, c varchar(40) not null, unique (b), unique (c(10)), unique (a))
 * the key is a. Not promoted are a key of MySQL's expressions or virtual columns, and MariaDB's unique keys that are hashes
 * (of TEXT and BLOB, or USING HASH). There is no second opinion on this: the server says which one it is, in two places that
 * agree on MariaDB 10.11 and MySQL 9.7 for every case of tests/mysql-key.bats.
 *
 *   The log: the PRIMARY_KEY fields of a TABLE_MAP with binlog_row_metadata=FULL. They tell of the promoted key, too, and
 *   of the table as it was then, so that they count where they are. With FULL metadata, no such field means no key.
 *
 *   The catalog: information_schema.COLUMNS has COLUMN_KEY = 'PRI' for the same columns. A snapshot and --check know
 *   nothing else, nor does a log with other metadata (whose catalog rows schema/ proves to be those of that time, and keeps).
 *
 * Of the columns of that key:
 *   - All count, and whole: PRIMARY KEY (t(10)) makes the first ten characters unique, so t is, too. An UPDATE of what
 *     comes after them is a new key to us; the old one stands in "before", as of any other.
 *   - Invisible and generated columns count. So does my_row_id, the primary key that MySQL makes where
 *     sql_generate_invisible_primary_key is ON (and no unique key stands for it); each session asks to be shown it.
 *   - The end of a row's time does not count. MariaDB adds it to each unique key of a system-versioned table, since rows of
 *     the past stay there, but lines tell of the current rows only (hidden.c), which are unique without it. Where it was
 *     all of the key, the table has none.
 *   - One of ENUM or SET has no label '': enum('x','') prints its second label as '', and so it prints what is none of its
 *     labels (the number 0, which the server takes without a strict sql_mode). Two rows would have one key. Such a table is
 *     refused by all three.
 *   - None is ever NULL: rows.c refuses an image where one is. */
#ifndef MY_ROW_KEY_H
#define MY_ROW_KEY_H

#include <stdbool.h>

struct my_table;

/* What is said of one column. */
struct my_row_key_facts {
    bool told;    /* the log tells the table's key, or that it has none: it counts, and not the catalog */
    bool logged;  /* the log has the column in it */
    bool listed;  /* the catalog has */
    bool row_end; /* a row's time ends in it: MariaDB, system versioning */
};
/* Is the column of the key? */
bool my_row_key_has(const struct my_row_key_facts *facts);
/* What the catalog says: COLUMN_KEY and GENERATION_EXPRESSION of information_schema.COLUMNS; NULL is NULL. */
struct my_row_key_facts my_row_key_listed(const char *column_key, const char *generation_expression);
/* COLUMN_TYPE: is it of ENUM or SET, with a label ''? */
bool my_row_key_is_ambiguous(const char *column_type);
/* Sets each column's key, and the table's has_key. Once row_end is known; nothing else sets them. */
void my_row_key_settle(struct my_table *table);

#endif
