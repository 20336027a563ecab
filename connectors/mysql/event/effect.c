/* SPDX-License-Identifier: MIT */
/* What a DDL statement does to rows, as far as its text says. */
#include "connectors/mysql/event/effect_internal.h"
#include "connectors/mysql/event/statement.h"

static int tell_other(struct my_effect_reader *reader, bool renames, const char *what, struct cdc_error *error)
{
    struct my_effect effect = {.kind = MY_EFFECT_ROWS,
                               .renames = renames,
                               .what = what,
                               .db = {reader->other_db.data, reader->other_db.len},
                               .table = {reader->other_table.data, reader->other_table.len}};
    return my_effect_hand_over(reader, &effect, error);
}

static int unreadable(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (reader->db.failed || reader->table.failed || reader->other_db.failed || reader->other_table.failed)
        return cdc_error_memory(error);
    const struct my_effect effect = {.kind = MY_EFFECT_UNREADABLE, .what = "a statement changed rows of"};
    return reader->visit(reader->context, &effect, error);
}

static bool take_table(struct my_effect_reader *reader)
{
    return my_lexer_take_table(&reader->lexer, &reader->db, &reader->table);
}

static bool take_other(struct my_effect_reader *reader)
{
    return my_lexer_take_table(&reader->lexer, &reader->other_db, &reader->other_table);
}

/* MariaDB: how long to wait for the table's lock. */
static void skip_wait(struct my_effect_reader *reader)
{
    if (my_effect_take(reader, "wait"))
        my_lexer_next(&reader->lexer);
    else
        my_effect_take(reader, "nowait");
}

/* Does a foreign key in the rest of the statement change rows by itself? ON DELETE CASCADE, ON UPDATE SET NULL; but not
 * ON UPDATE CURRENT_TIMESTAMP, ON DELETE RESTRICT. */
static bool cascades(struct my_lexer lexer)
{
    for (struct my_token token = my_lexer_next(&lexer); token.kind != MY_TOKEN_END; token = my_lexer_next(&lexer)) {
        if (!my_token_is(&token, "on") || !(my_lexer_take(&lexer, "delete") || my_lexer_take(&lexer, "update")))
            continue;
        if (my_lexer_take(&lexer, "cascade") ||
            (my_lexer_take(&lexer, "set") && (my_lexer_take(&lexer, "null") || my_lexer_take(&lexer, "default"))))
            return true;
    }
    return false;
}

static int tell_cascades(struct my_effect_reader *reader, struct cdc_error *error)
{
    static const char what[] = "a foreign key whose changes of rows are not logged was given to";
    return cascades(reader->lexer) ? my_effect_tell(reader, MY_EFFECT_CASCADES, what, error) : 0;
}

/* -- ALTER TABLE: one of the things to do, up to the next comma -------------------------------------- */

/* EXCHANGE PARTITION p WITH TABLE x */
static int exchange(struct my_effect_reader *reader, struct cdc_error *error)
{
    static const char what[] = "ALTER TABLE ... EXCHANGE PARTITION exchanged rows of";
    my_lexer_take_name(&reader->lexer, &reader->other_table);
    if (!my_effect_take(reader, "with") || !my_effect_take(reader, "table") || !take_other(reader))
        return unreadable(reader, error);
    return my_effect_tell(reader, MY_EFFECT_ROWS, what, error) < 0 ? -1 : tell_other(reader, false, what, error);
}

/* MariaDB: CONVERT PARTITION p TO TABLE x, CONVERT TABLE x TO PARTITION p; CONVERT TO CHARACTER SET is another matter. */
static int convert(struct my_effect_reader *reader, struct cdc_error *error)
{
    static const char what[] = "ALTER TABLE ... CONVERT PARTITION moved rows into or out of";
    if (my_effect_take(reader, "to"))
        return 0;
    bool readable = my_effect_take(reader, "table")
                        ? take_other(reader)
                        : my_effect_take(reader, "partition") &&
                              my_lexer_take_name(&reader->lexer, &reader->other_table) &&
                              my_effect_take(reader, "to") && my_effect_take(reader, "table") && take_other(reader);
    if (!readable)
        return unreadable(reader, error);
    return my_effect_tell(reader, MY_EFFECT_ROWS, what, error) < 0 ? -1 : tell_other(reader, false, what, error);
}

static struct cdc_span db_of(const struct my_effect_reader *reader, const struct cdc_buf *db)
{
    return db->len != 0 ? cdc_span(db->data, db->len) : reader->query->db;
}

/* ALTER TABLE t RENAME TO t */
static bool keeps_name(const struct my_effect_reader *reader)
{
    return cdc_span_compare(db_of(reader, &reader->db), db_of(reader, &reader->other_db)) == 0 &&
           cdc_span_compare(cdc_span(reader->table.data, reader->table.len),
                            cdc_span(reader->other_table.data, reader->other_table.len)) == 0;
}

/* What stood under the old name is gone there, and under the new one there was nothing. */
static int renamed(struct my_effect_reader *reader, const char *what, struct cdc_error *error)
{
    if (keeps_name(reader))
        return 0;
    return my_effect_tell(reader, MY_EFFECT_EMPTIES, what, error) < 0 ? -1 : tell_other(reader, true, what, error);
}

/* RENAME [TO | AS | =] x, but not RENAME COLUMN, INDEX, KEY, which are reserved words. */
static int rename_to(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (my_effect_take(reader, "column") || my_effect_take(reader, "index") || my_effect_take(reader, "key"))
        return 0;
    if (!my_effect_take(reader, "to") && !my_effect_take(reader, "as"))
        my_effect_take_symbol(reader, '=');
    return take_other(reader) ? renamed(reader, "ALTER TABLE ... RENAME gave other rows to", error)
                              : unreadable(reader, error);
}

/* Reads no more than it must: what is left of it is read by finish. */
static int change_rows(struct my_effect_reader *reader, struct cdc_error *error)
{
    struct my_lexer start = reader->lexer;
    if (my_effect_take(reader, "drop") && my_effect_take(reader, "partition"))
        return my_effect_tell(reader, MY_EFFECT_ROWS, "ALTER TABLE ... DROP PARTITION removed rows of", error);
    reader->lexer = start;
    if (my_effect_take(reader, "truncate") && my_effect_take(reader, "partition"))
        return my_effect_tell(reader, my_effect_take(reader, "all") ? MY_EFFECT_EMPTIES : MY_EFFECT_ROWS,
                              "ALTER TABLE ... TRUNCATE PARTITION removed rows of", error);
    if (my_effect_take(reader, "exchange") && my_effect_take(reader, "partition"))
        return exchange(reader, error);
    if (my_effect_take(reader, "convert"))
        return convert(reader, error);
    if (my_effect_take(reader, "discard"))
        return my_effect_tell(reader, MY_EFFECT_ROWS, "ALTER TABLE ... DISCARD TABLESPACE removed rows of", error);
    if (my_effect_take(reader, "import"))
        return my_effect_tell(reader, MY_EFFECT_ROWS, "ALTER TABLE ... IMPORT TABLESPACE brought rows into", error);
    return my_effect_take(reader, "rename") ? rename_to(reader, error) : 0;
}

/* What becomes of the rows with another engine: BLACKHOLE keeps none; of some others they are somewhere else. */
static int set_engine(struct my_effect_reader *reader, struct my_lexer lexer, struct cdc_error *error)
{
    static const char *const elsewhere[] = {"federated", "federatedx", "connect", "spider",
                                            "merge",     "mrg_myisam", "sphinx",  "oqgraph"};
    struct my_token token = my_lexer_next(&lexer);
    if (my_token_is_symbol(&token, '='))
        token = my_lexer_next(&lexer);
    if (token.text.n == strlen("blackhole") && my_lexer_same_name(token.text.p, cdc_span_text("blackhole")))
        return my_effect_tell(reader, MY_EFFECT_EMPTIES, "ALTER TABLE ... ENGINE=BLACKHOLE removed rows of", error);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (token.text.n == strlen(elsewhere[i]) && my_lexer_same_name(token.text.p, cdc_span_text(elsewhere[i])))
            return my_effect_tell(reader, MY_EFFECT_ROWS, "ALTER TABLE ... ENGINE gave other rows to", error);
    return 0;
}

/* Up to the comma, or the end. 1: another one follows; 0; -1. */
static int finish(struct my_effect_reader *reader, struct cdc_error *error)
{
    struct my_token first = my_lexer_peek(&reader->lexer);
    bool names = my_token_is(&first, "change"); /* CHANGE engine blackhole INT */
    int depth = 0;
    for (struct my_token token = my_lexer_next(&reader->lexer); token.kind != MY_TOKEN_END;
         token = my_lexer_next(&reader->lexer)) {
        depth += my_token_is_symbol(&token, '(') - my_token_is_symbol(&token, ')');
        if (depth == 0 && my_token_is_symbol(&token, ','))
            return 1;
        reader->changes_checks |= my_token_is(&token, "check"); /* also one of a column: c TEXT CHECK (json_valid(c)) */
        if (depth == 0 && !names && my_token_is(&token, "engine") && set_engine(reader, reader->lexer, error) < 0)
            return -1;
    }
    return 0;
}

static int alter(struct my_effect_reader *reader, struct cdc_error *error)
{
    int more = 1;
    reader->by = MY_EFFECT_BY_ALTER;
    while (my_effect_take(reader, "online") || my_effect_take(reader, "offline"))
        ;
    bool ignores = my_effect_take(reader, "ignore");
    if (!my_effect_take(reader, "table"))
        return 0;
    my_effect_skip_if_exists(reader);
    if (!take_table(reader))
        return unreadable(reader, error);
    skip_wait(reader);
    if (tell_cascades(reader, error) < 0)
        return -1;
    if (ignores && my_effect_tell(reader, MY_EFFECT_ROWS, "ALTER IGNORE TABLE may have removed rows of", error) < 0)
        return -1;
    while (more > 0) {
        more = my_effect_of_columns(reader, error);
        if (more == 0)
            more = change_rows(reader, error) < 0 ? -1 : 0;
        if (more == 0)
            more = finish(reader, error);
    }
    return more < 0 ? -1 : my_effect_of_parts(reader, error);
}

/* -- the other statements ------------------------------------------------------------------------------ */

static int drop_tables(struct my_effect_reader *reader, enum my_effect_kind kind, struct cdc_error *error)
{
    my_effect_skip_if_exists(reader);
    do {
        if (!take_table(reader))
            return unreadable(reader, error);
        if (my_effect_tell(reader, kind, "DROP TABLE removed", error) < 0)
            return -1;
    } while (my_effect_take_symbol(reader, ','));
    return 0;
}

/* [UNIQUE] INDEX i ON t: a key may come or go. */
static int change_index(struct my_effect_reader *reader, struct cdc_error *error)
{
    struct my_token token = my_lexer_next(&reader->lexer);
    while (token.kind != MY_TOKEN_END && !my_token_is(&token, "on"))
        token = my_lexer_next(&reader->lexer);
    if (token.kind == MY_TOKEN_END)
        return 0;
    if (!take_table(reader))
        return reader->db.failed || reader->table.failed ? cdc_error_memory(error) : 0;
    reader->by = MY_EFFECT_BY_ALTER;
    return my_effect_tell(reader, MY_EFFECT_KEYS, "a statement on an index may have changed the key of", error);
}

/* DROP DATABASE d, and MariaDB's CREATE OR REPLACE DATABASE d, which drops it first: 1, or 0 where it is about something else; -1. */
static int drop_database(struct my_effect_reader *reader, const char *what, struct cdc_error *error)
{
    if (!my_effect_take(reader, "database") && !my_effect_take(reader, "schema"))
        return 0;
    my_effect_skip_if_exists(reader);
    if (!my_lexer_take_name(&reader->lexer, &reader->db))
        return unreadable(reader, error) < 0 ? -1 : 1;
    return my_effect_tell(reader, MY_EFFECT_DATABASE, what, error) < 0 ? -1 : 1;
}

static int drop(struct my_effect_reader *reader, struct cdc_error *error)
{
    bool online = my_effect_take(reader, "online") || my_effect_take(reader, "offline");
    if (my_effect_take(reader, "index") || online)
        return change_index(reader, error);
    bool temporary = my_effect_take(reader, "temporary");
    if (my_effect_take(reader, "table") || my_effect_take(reader, "tables"))
        return drop_tables(reader, temporary ? MY_EFFECT_DROPPED : MY_EFFECT_EMPTIES, error);
    return drop_database(reader, "DROP DATABASE removed the tables of", error) < 0 ? -1 : 0;
}

/* One after the other: RENAME TABLE a TO tmp, b TO a, tmp TO b */
static int rename_tables(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (!my_effect_take(reader, "table") && !my_effect_take(reader, "tables"))
        return 0;
    my_effect_skip_if_exists(reader);
    reader->by = MY_EFFECT_BY_RENAME;
    do {
        bool readable = take_table(reader);
        skip_wait(reader);
        if (!readable || !my_effect_take(reader, "to") || !take_other(reader))
            return unreadable(reader, error);
        if (renamed(reader, "RENAME TABLE gave other rows to", error) < 0)
            return -1;
    } while (my_effect_take_symbol(reader, ','));
    return 0;
}

/* CREATE OR REPLACE TABLE: a table of before is dropped, as by CREATE OR REPLACE SEQUENCE, and a database with its tables. */
static int create(struct my_effect_reader *reader, struct cdc_error *error)
{
    bool replaces = my_effect_take(reader, "or") && my_effect_take(reader, "replace");
    while (my_effect_take(reader, "online") || my_effect_take(reader, "offline"))
        ;
    if (my_effect_take(reader, "unique") || (replaces && my_effect_take(reader, "index")))
        return change_index(reader, error);
    int database = replaces ? drop_database(reader, "CREATE OR REPLACE removed the tables of", error) : 0;
    if (database != 0)
        return database < 0 ? -1 : 0;
    bool temporary = my_effect_take(reader, "temporary");
    if (!my_effect_take(reader, "table") && (temporary || !replaces || !my_effect_take(reader, "sequence")))
        return 0;
    bool is_new = !my_effect_take(reader, "if");
    if (!is_new) {
        my_effect_take(reader, "not");
        my_effect_take(reader, "exists");
    }
    if (!take_table(reader))
        return replaces || temporary ? unreadable(reader, error) : 0;
    if (temporary)
        return my_effect_tell(reader, MY_EFFECT_MADE, "CREATE TEMPORARY TABLE made", error);
    if (replaces && my_effect_tell(reader, MY_EFFECT_EMPTIES, "CREATE OR REPLACE removed rows of", error) < 0)
        return -1;
    if (is_new && my_effect_tell(reader, MY_EFFECT_CREATED, "CREATE TABLE made", error) < 0)
        return -1;
    return tell_cascades(reader, error);
}

/* One that can be read is none of the statements here. */
static int truncate_table(struct my_effect_reader *reader, struct cdc_error *error)
{
    struct my_statement statement = {0};
    int result = my_statement_parse(&statement, reader->query, error);
    bool read = statement.kind == MY_STATEMENT_TRUNCATE;
    my_statement_free(&statement);
    return result < 0 || read ? result : unreadable(reader, error);
}

int my_effects_of(const struct my_event_query *query, my_effect_visit *visit, void *context, struct cdc_error *error)
{
    struct my_effect_reader reader = {
        .lexer = my_lexer_of_query(query), .query = query, .visit = visit, .context = context};
    int result = 0;
    while (my_lexer_skip_set_statement(&reader.lexer))
        ;
    if (my_effect_take(&reader, "alter"))
        result = alter(&reader, error);
    else if (my_effect_take(&reader, "drop"))
        result = drop(&reader, error);
    else if (my_effect_take(&reader, "rename"))
        result = rename_tables(&reader, error);
    else if (my_effect_take(&reader, "create"))
        result = create(&reader, error);
    else if (my_effect_take(&reader, "truncate"))
        result = truncate_table(&reader, error);
    cdc_buf_free(&reader.db);
    cdc_buf_free(&reader.table);
    cdc_buf_free(&reader.other_db);
    cdc_buf_free(&reader.other_table);
    cdc_buf_free(&reader.column);
    cdc_buf_free(&reader.other_column);
    return result;
}
