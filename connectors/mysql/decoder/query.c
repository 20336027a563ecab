/* SPDX-License-Identifier: MIT */
/* QUERY events: what begins and ends transactions, savepoints, XA, DDL; and changes that should have been rows. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>

static void append_sql(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out)
{
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    my_charset_append(out, charset, (const uint8_t *)query->sql.p, query->sql.n, &decoder->counts.unconvertible);
}

/* `{"op":"ddl",...,"ddl":"ALTER TABLE ...","db":"d"}` */
static void ddl_line(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out)
{
    struct cdc_buf head = CDC_BUF_INIT;
    char *db = cdc_span_copy(query->db);
    out->failed |= db == NULL;
    my_table_source_head(&head, decoder->flavor, decoder->settings.pipeline, db && *db ? db : NULL, NULL);
    free(db);
    my_line_begin_change(decoder, &head, "ddl", ++decoder->transaction.ordinal, 0, out);
    cdc_buf_free(&head);
    cdc_buf_lit(out, ",\"ddl\":");
    append_sql(decoder, query, out);
    cdc_buf_lit(out, ",\"db\":");
    cdc_json_append_text(out, query->db.p, query->db.n);
    cdc_buf_lit(out, "}\n");
}

/* The table of a TRUNCATE or CREATE TABLE. 1: it is selected, and *db and *table RETURN NEW (free in any case); 0; -1. */
static int table_of(const struct my_decoder *decoder, const struct my_event_query *query,
                    const struct my_statement *statement, char **db, char **table, struct cdc_error *error)
{
    if (my_unlogged_table(decoder, query, cdc_span(statement->db.data, statement->db.len),
                          cdc_span(statement->table.data, statement->table.len), db, table, error) < 0)
        return -1;
    return cdc_selection_has_table(&decoder->settings.selection, *db, *table);
}

/* `{"op":"t",...}`: rows go without being in the log. */
static int truncate_line(struct my_decoder *decoder, const struct my_event_query *query,
                         const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    char *db, *table;
    int selected = table_of(decoder, query, statement, &db, &table, error);
    bool temporary = selected > 0 && query->thread_specific && my_unlogged_is_temporary(decoder, query, db, table);
    if (selected > 0 && !temporary && decoder->live)
        my_live_alter(decoder, db, table, "it was truncated");
    if (selected > 0 && my_copies_omit(decoder, db, table))
        decoder->transaction.ordinal++;
    else if (selected > 0 && !temporary)
        my_unlogged_truncate_line(decoder, db, table, out);
    free(db);
    free(table);
    return selected < 0 ? -1 : 0;
}

/* What it does to tables, and to their rows. */
static int alter_tables(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out,
                        struct cdc_error *error)
{
    bool untold;
    struct cdc_span sql;
    if (my_unlogged_look(decoder, query, &untold, error) < 0 ||
        my_statement_text(query, &decoder->statement_text, &sql, error) < 0)
        return -1;
    my_tables_altered(decoder, sql, query->thread_specific ? cdc_span(NULL, 0) : query->db);
    if (!my_statement_is_of_accounts(query->sql))
        ddl_line(decoder, query, out);
    return untold ? 0 : my_unlogged_lines(decoder, query, out, error);
}

static int data_definition(struct my_decoder *decoder, const struct my_event_query *query,
                           const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    my_line_begin_event(decoder);
    decoder->transaction.statements++;
    if (my_gtid_is_done(&decoder->transaction.gtid)) {
        bool truncates = statement->kind == MY_STATEMENT_TRUNCATE;
        if (truncates)
            ddl_line(decoder, query, out);
        if (truncates ? truncate_line(decoder, query, statement, out, error) < 0
                      : alter_tables(decoder, query, out, error) < 0)
            return -1;
    }
    /* MariaDB flags a statement that is a transaction by itself; in MySQL there is no BEGIN before it. */
    bool alone = decoder->transaction.gtid.kind == MY_GTID_OF_MARIADB
                     ? (decoder->transaction.gtid.flags & MY_GTID_STANDALONE) != 0
                     : !decoder->transaction.begun;
    return alone ? my_transaction_end(decoder, out, error) : 0;
}

int my_query_refuse(const struct my_decoder *decoder, struct cdc_span sql, struct cdc_error *error)
{
    int marked = my_copies_mark_all(decoder, sql, error);
    if (marked != 0)
        return marked < 0 ? -1 : 0;
    int n = (int)(sql.n < 60 ? sql.n : 60);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: a change was logged as a statement, not as rows: %.*s",
                  decoder->coord.file, (unsigned long long)decoder->event_position, n, sql.p);
    return cdc_error_hint(error, "SET GLOBAL binlog_format = ROW; let sessions reconnect, and take a new snapshot%s",
                          decoder->flavor == MY_FLAVOR_MARIADB
                              ? "; a table with versions by transaction is always logged so: give it a period of two "
                                "TIMESTAMP(6) columns"
                              : "");
}

/* The rows of a table that is selected: they are nowhere in the log. */
static int create_select(struct my_decoder *decoder, const struct my_event_query *query,
                         const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    char *db, *table;
    int selected = table_of(decoder, query, statement, &db, &table, error);
    if (selected > 0 && decoder->live)
        my_live_alter(decoder, db, table, "it was made anew");
    if (selected > 0 && !my_copies_omit(decoder, db, table))
        selected = my_copies_are_kept(decoder)
                       ? my_copies_mark(decoder, db, table, "CREATE TABLE ... SELECT was logged without rows", error)
                       : my_query_refuse(decoder, query->sql, error);
    free(db);
    free(table);
    if (selected < 0)
        return -1;
    return data_definition(decoder, query, statement, out, error);
}

/* Statements stay: MariaDB logs the DROP TABLE of a CREATE OR REPLACE ... SELECT that failed before a ROLLBACK. */
static int roll_back(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->transaction.rows == 0 || my_transaction_discard(decoder))
        return my_transaction_end(decoder, out, error);
    return my_transaction_unclear(decoder, error);
}

static int run_statement(struct my_decoder *decoder, const struct my_event_query *query,
                         const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    switch (statement->kind) {
    case MY_STATEMENT_BEGIN: decoder->transaction.begun = true; return 0;
    case MY_STATEMENT_COMMIT: return my_transaction_end(decoder, out, error);
    case MY_STATEMENT_ROLLBACK: return roll_back(decoder, out, error);
    case MY_STATEMENT_SAVEPOINT:
        return my_savepoint_set(decoder, cdc_span(statement->table.data, statement->table.len), error);
    case MY_STATEMENT_ROLLBACK_TO:
        return my_savepoint_rollback_to(decoder, cdc_span(statement->table.data, statement->table.len), error);
    case MY_STATEMENT_TRUNCATE:
    case MY_STATEMENT_DDL: return data_definition(decoder, query, statement, out, error);
    case MY_STATEMENT_CREATE_SELECT: return create_select(decoder, query, statement, out, error);
    case MY_STATEMENT_DML: return my_query_refuse(decoder, query->sql, error);
    default: return my_prepared_statement(decoder, statement, out, error);
    }
}

int my_query_decode(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                    struct cdc_buf *out, struct cdc_error *error)
{
    struct my_event_query query;
    struct my_statement statement = {0};
    if (my_event_query_parse(header, body, &decoder->query_scratch, &query, error) < 0)
        return -1;
    int result = my_statement_parse(&statement, &query, error);
    if (result == 0 && !decoder->transaction.open) /* servers without GTIDs */
        result = my_transaction_open(decoder, header, NULL, error);
    result = result == 0 ? run_statement(decoder, &query, &statement, out, error) : result;
    my_statement_free(&statement);
    return result;
}
