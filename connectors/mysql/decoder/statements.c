/* SPDX-License-Identifier: MIT */
/* Statements of the log: what begins and ends transactions, DDL, XA, and changes that should have been rows. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/statement.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

static int statement_text(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out)
{
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    my_charset_append(out, charset, (const uint8_t *)query->sql.p, query->sql.n, &decoder->counts.unconvertible);
    return 0;
}

static void ddl_line(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out)
{
    struct cdc_buf head = CDC_BUF_INIT;
    char *db = cdc_span_copy(query->db);
    my_table_source_head(&head, decoder->flavor, decoder->settings.pipeline, db && *db ? db : NULL, NULL);
    free(db);
    my_decoder_line_head(decoder, &head, "ddl", ++decoder->transaction.ordinal, 0, out);
    cdc_buf_free(&head);
    cdc_buf_lit(out, ",\"ddl\":");
    statement_text(decoder, query, out);
    cdc_buf_lit(out, ",\"db\":");
    cdc_json_append_text(out, query->db.p, query->db.n);
    cdc_buf_lit(out, "}\n");
}

/* The name as rows have it. RETURNS NEW */
static char *name_of_rows(const struct my_decoder *decoder, struct cdc_span name)
{
    char *copy = cdc_span_copy(name);
    for (char *p = copy; p && *p && decoder->lower_case; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return copy;
}

static int truncate_line(struct my_decoder *decoder, const struct my_event_query *query,
                         const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    if ((statement->db.len > 0 && !cdc_utf8_valid(statement->db.data, statement->db.len)) ||
        !cdc_utf8_valid(statement->table.data, statement->table.len))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s at %llu: TRUNCATE of a table whose name is no valid text",
                             decoder->coord.file, (unsigned long long)decoder->event_position);
    const struct my_decoder_settings *settings = &decoder->settings;
    struct cdc_buf head = CDC_BUF_INIT;
    struct cdc_span db_name = statement->db.len ? cdc_span(statement->db.data, statement->db.len) : query->db;
    char *db = name_of_rows(decoder, db_name);
    char *table = name_of_rows(decoder, cdc_span(statement->table.data, statement->table.len));
    if (db && table && cdc_selection_has_table(&settings->selection, db, table)) {
        my_table_source_head(&head, decoder->flavor, settings->pipeline, db, table);
        my_decoder_line_head(decoder, &head, "t", ++decoder->transaction.ordinal, 0, out);
        cdc_buf_lit(out, "}\n");
    }
    cdc_buf_free(&head);
    free(db);
    free(table);
    return 0;
}

/* MariaDB, my_alter_two_phase: ALTER TABLE is logged when it begins, and again when it has been done, or failed. */
bool my_gtid_is_done(const struct my_gtid *gtid)
{
    return gtid->kind != MY_GTID_OF_MARIADB || !(gtid->more_flags & (MY_GTID_START_ALTER | MY_GTID_ROLLBACK_ALTER));
}

struct cdc_span my_statement_text(const struct my_event_query *query, struct cdc_buf *text)
{
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    text->len = 0;
    if (my_charset_convert(text, charset, (const uint8_t *)query->sql.p, query->sql.n) && !text->failed)
        return cdc_span(text->data, text->len);
    return query->sql;
}

static int data_definition(struct my_decoder *decoder, const struct my_event_query *query,
                           const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    my_transaction_begin_event(decoder);
    decoder->transaction.statements++;
    if (statement->kind == MY_STATEMENT_DDL && my_gtid_is_done(&decoder->transaction.gtid))
        my_decoder_altered(decoder, my_statement_text(query, &decoder->statement_text));
    /* Statements on accounts carry secrets, and say nothing of any table. */
    if (!my_statement_is_of_accounts(query->sql) && my_gtid_is_done(&decoder->transaction.gtid))
        ddl_line(decoder, query, out);
    if (statement->kind == MY_STATEMENT_TRUNCATE && truncate_line(decoder, query, statement, out, error) < 0)
        return -1;
    /* MariaDB flags a statement that is a group by itself; in MySQL there is no BEGIN before it. */
    bool alone = decoder->transaction.gtid.kind == MY_GTID_OF_MARIADB
                     ? (decoder->transaction.gtid.flags & MY_GTID_STANDALONE) != 0
                     : !decoder->transaction.begun;
    return alone ? my_transaction_end(decoder, out, error) : 0;
}

static int statement_format(const struct my_decoder *decoder, const struct my_event_query *query,
                            struct cdc_error *error)
{
    int n = (int)(query->sql.n < 60 ? query->sql.n : 60);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: a change was logged as a statement, not as rows: %.*s",
                  decoder->coord.file, (unsigned long long)decoder->event_position, n, query->sql.p);
    return cdc_error_hint(error, "SET GLOBAL binlog_format = ROW; let sessions reconnect, and take a new snapshot%s",
                          decoder->flavor == MY_FLAVOR_MARIADB
                              ? "; a table with versions by transaction is always logged so: give it a period of two "
                                "TIMESTAMP(6) columns"
                              : "");
}

/* Statements stay: MariaDB logs the DROP TABLE of a CREATE OR REPLACE ... SELECT that failed before a ROLLBACK. */
static int rolled_back(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->transaction.rows == 0 || my_transaction_forget(decoder))
        return my_transaction_end(decoder, out, error);
    return my_decoder_rolled_back(decoder, error);
}

int my_decoder_begin_xa(struct my_decoder *decoder, struct cdc_error *error)
{
    if (decoder->xa)
        return my_xa_begin(decoder->xa, error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: an XA transaction is prepared, and there is no place to keep it",
                  decoder->coord.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(error, "give --offset-file or --state-dir: prepared transactions are kept beside it");
}

/* Without the spaces that a client may have put between its parts. */
static int take_xid(struct my_decoder *decoder, struct cdc_span text, struct cdc_error *error)
{
    decoder->xid.len = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ')
            cdc_buf_byte(&decoder->xid, text.p[i]);
    return decoder->xid.failed ? cdc_error_memory(error) : 0;
}

struct cdc_span my_decoder_xid_of(const struct my_decoder *decoder)
{
    return cdc_span(decoder->xid.data, decoder->xid.len);
}

static int commit_xa(struct my_decoder *decoder, struct cdc_error *error)
{
    int found = decoder->xa ? my_xa_open(decoder->xa, my_decoder_xid_of(decoder), decoder->number, error) : 0;
    if (found < 0)
        return -1;
    if (found == 0) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "%s at %llu: XA transaction %.*s is committed, which was prepared before reading began",
                      decoder->coord.file, (unsigned long long)decoder->event_position,
                      (int)(decoder->xid.len < 300 ? decoder->xid.len : 300), decoder->xid.data);
        return cdc_error_hint(error, "take a new snapshot while no XA transaction is prepared");
    }
    decoder->in_xa = true;
    return 1;
}

int my_decoder_xa_prepared(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_buf *out,
                           struct cdc_error *error)
{
    bool one_phase;
    decoder->xid.len = 0;
    if (my_event_xa_prepare_parse(body, &one_phase, &decoder->xid, error) < 0)
        return -1;
    if (decoder->xa && !my_xa_is_open(decoder->xa) && my_decoder_begin_xa(decoder, error) < 0) /* one without rows */
        return -1;
    if (!decoder->xa)
        return my_decoder_begin_xa(decoder, error);
    if (my_xa_prepare(decoder->xa, my_decoder_xid_of(decoder), decoder->number, error) < 0)
        return -1;
    return one_phase ? commit_xa(decoder, error) : my_transaction_end(decoder, out, error);
}

static int xa_statement(struct my_decoder *decoder, const struct my_statement *statement, struct cdc_buf *out,
                        struct cdc_error *error)
{
    switch (statement->kind) {
    case MY_STATEMENT_XA_START: return my_decoder_begin_xa(decoder, error);
    case MY_STATEMENT_XA_COMMIT: return take_xid(decoder, statement->xid, error) < 0 ? -1 : commit_xa(decoder, error);
    case MY_STATEMENT_XA_ROLLBACK:
        if (take_xid(decoder, statement->xid, error) < 0 ||
            (decoder->xa && my_xa_finish(decoder->xa, my_decoder_xid_of(decoder), decoder->number, error) < 0))
            return -1;
        return my_transaction_end(decoder, out, error);
    default: return 0; /* XA END; XA PREPARE has an event of its own */
    }
}

static int run_statement(struct my_decoder *decoder, const struct my_event_query *query,
                         const struct my_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    switch (statement->kind) {
    case MY_STATEMENT_BEGIN: decoder->transaction.begun = true; return 0;
    case MY_STATEMENT_COMMIT: return my_transaction_end(decoder, out, error);
    case MY_STATEMENT_ROLLBACK: return rolled_back(decoder, out, error);
    case MY_STATEMENT_SAVEPOINT:
        return my_decoder_savepoint(decoder, cdc_span(statement->table.data, statement->table.len), error);
    case MY_STATEMENT_ROLLBACK_TO:
        return my_decoder_rollback_to(decoder, cdc_span(statement->table.data, statement->table.len), error);
    case MY_STATEMENT_TRUNCATE:
    case MY_STATEMENT_DDL: return data_definition(decoder, query, statement, out, error);
    case MY_STATEMENT_DML: return statement_format(decoder, query, error);
    default: return xa_statement(decoder, statement, out, error);
    }
}

int my_decoder_query_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                           struct cdc_buf *out, struct cdc_error *error)
{
    struct my_event_query query;
    struct my_statement statement = {0};
    if (my_event_query_parse(header, body, &decoder->query_scratch, &query, error) < 0)
        return -1;
    my_statement_parse(&statement, query.sql);
    if (!decoder->transaction.open) /* servers without GTIDs */
        my_transaction_begin(decoder, header, NULL);
    int result = run_statement(decoder, &query, &statement, out, error);
    my_statement_free(&statement);
    return result;
}
