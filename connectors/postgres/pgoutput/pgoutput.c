/* SPDX-License-Identifier: MIT */
/* The messages of the stream, checked and taken apart. */
#include "connectors/postgres/pgoutput/internal.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>

/* -- transactions ---------------------------------------------------------- */

/* Example: the primary is lost while a large transaction is on its way, and the standby that takes its place never had the
 * commit. The reader has lines of it, and what comes next would pass for their rest, or for what follows it. Not LOST: all
 * up to the transaction is in the log. Not UNAVAILABLE: in this run the reader cannot be told; with the end of the input he
 * drops what has no commit line. */
static int torn_is_gone(const struct pgoutput *decoder, struct cdc_error *error)
{
    char position[24];
    pg_lsn_format(position, decoder->torn.final_lsn);
    cdc_error_set(error, CDC_EXIT_IO,
                  "the connection broke inside the transaction at %s, and the server does not have it any more: it was "
                  "set back, or is another one",
                  position);
    return cdc_error_hint(error,
                          "start the same pipeline again: its sinks drop the part that they have, and go on with "
                          "what the server has");
}

/* Is the transaction that begins the one that the reader has a part of? It comes before all others. */
static int check_torn(const struct pgoutput *decoder, struct cdc_error *error)
{
    const struct pg_transaction *tx = &decoder->tx;
    const struct pg_torn *torn = &decoder->torn;
    if (!torn->due || tx->read ||
        (tx->final_lsn == torn->final_lsn && tx->ts_ms == torn->ts_ms && tx->xid == torn->xid))
        return 0;
    return torn_is_gone(decoder, error);
}

bool pgoutput_is_torn(const struct pgoutput *decoder, uint32_t *xid)
{
    *xid = decoder->torn.xid;
    return decoder->torn.due;
}

int pgoutput_refuse_torn(const struct pgoutput *decoder, struct cdc_error *error)
{
    char position[24];
    pg_lsn_format(position, decoder->torn.final_lsn);
    cdc_error_set(error, CDC_EXIT_IO,
                  "the connection broke inside the transaction at %s, and the server may decode it in another way now: "
                  "the publication may have been altered while it was open",
                  position);
    return cdc_error_hint(error, "start the same pipeline again: its sinks drop the part that they have");
}

int pgoutput_reached(struct pgoutput *decoder, uint64_t lsn, struct cdc_error *error)
{
    if (decoder->torn.due && !decoder->tx.open && lsn > decoder->torn.final_lsn)
        return torn_is_gone(decoder, error);
    if (!decoder->tx.open && pg_ahead_reached(decoder, lsn, error) < 0)
        return -1;
    if (lsn < decoder->expected_until)
        return 0;
    if (decoder->last_is_due)
        return pg_other_log(decoder->expected_until, error);
    decoder->expected_until = 0;
    return 0;
}

/* The open transaction: one that was read before, or the first of the new ones? */
static int take_expected(struct pgoutput *decoder, struct cdc_error *error)
{
    struct pg_transaction *tx = &decoder->tx;
    if (decoder->expected_until == 0)
        return 0;
    if (tx->final_lsn >= decoder->expected_until)
        return pgoutput_reached(decoder, tx->final_lsn, error);
    if (!decoder->last_is_due || tx->final_lsn != decoder->last.begin || tx->ts_ms != decoder->last.ts_ms)
        return pg_other_log(decoder->expected_until, error);
    decoder->last_is_due = false;
    tx->read = true;
    return 0;
}

/* What the snapshot has seen end had its commit record before visible.lsn. One that has it there or later is of another log:
 * the server was set back, and gives the ids that the snapshot knows to other transactions, which were omitted so far. Only the
 * first transaction is asked, since ids wrap. */
static int check_visible(struct pgoutput *decoder, struct cdc_error *error)
{
    struct pg_visible *visible = &decoder->visible;
    if (!visible->json || decoder->tx.final_lsn < visible->lsn)
        return 0;
    bool ended = pg_visible_ended(visible, decoder->tx.xid);
    uint64_t lsn = visible->lsn;
    pg_visible_clear(visible);
    return ended ? pg_other_log(lsn, error) : 0;
}

static int decode_begin(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_error *error)
{
    uint64_t final_lsn = cdc_bytes_be(bytes, 8);
    int64_t ts = (int64_t)cdc_bytes_be(bytes, 8);
    uint32_t xid = (uint32_t)cdc_bytes_be(bytes, 4);
    if (pg_message_finished(bytes, "Begin", error) < 0)
        return -1;
    if (final_lsn > INT64_MAX) /* seq would not fit */
        return pg_message_malformed(error, "Begin");
    if (decoder->tx.open)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server began a transaction inside another one");
    pg_lines_begin(decoder, final_lsn, ts / 1000 + EPOCH_MS, xid);
    if (take_expected(decoder, error) < 0 || check_torn(decoder, error) < 0 || check_visible(decoder, error) < 0 ||
        pg_rounds_begin(decoder, error) < 0)
        return -1;
    pg_parts_begin(decoder);
    pg_live_begin(decoder);
    return decoder->tx.read ? 0 : pg_ahead_begin(decoder, error);
}

static int decode_commit(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                         struct cdc_error *error)
{
    uint8_t flags = (uint8_t)cdc_bytes_be(bytes, 1);
    uint64_t commit_lsn = cdc_bytes_be(bytes, 8), end_lsn = cdc_bytes_be(bytes, 8);
    cdc_bytes_take(bytes, 8); /* the time, known from Begin */
    if (pg_message_finished(bytes, "Commit", error) < 0)
        return -1;
    /* Each Commit names the Begin it belongs to. A mismatch would mean rows of one transaction under the position of
     * another. */
    if (!decoder->tx.open || flags != 0 || commit_lsn != decoder->tx.final_lsn || end_lsn <= commit_lsn)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the server sent a Commit that does not belong to the open transaction");
    if (decoder->tx.read) {
        decoder->tx.open = false;
        return end_lsn == decoder->last.end ? 0 : pg_other_log(decoder->expected_until, error);
    }
    decoder->last = (struct pg_last){PG_LAST_COMMIT, commit_lsn, end_lsn, decoder->tx.ts_ms};
    decoder->torn.due = false;
    pg_lines_commit(decoder, end_lsn, out);
    return 0;
}

/* -- changes --------------------------------------------------------------- */

/* One tuple into cells: n NULL, u unchanged (TOAST), t length and text. Binary values (b) were not asked for. Row
 * `1, NULL`:
 *      0002  't' 00000001 '1'  'n' */
static int read_tuple(struct cdc_bytes *bytes, const struct pg_table *table, struct pg_cell *cells,
                      struct cdc_error *error)
{
    /* A Relation message comes before the first row of another shape, also within a transaction. */
    if (cdc_bytes_be(bytes, 2) != table->n_columns || bytes->bad)
        return pg_message_malformed(error, "row");
    for (size_t i = 0; i < table->n_columns; i++) {
        struct pg_cell *cell = &cells[i];
        cell->kind = (char)cdc_bytes_be(bytes, 1);
        cell->p = NULL;
        cell->n = 0;
        cell->raw = false;
        if (cell->kind == 't') {
            cell->n = (uint32_t)cdc_bytes_be(bytes, 4);
            cell->p = (const char *)cdc_bytes_take(bytes, cell->n);
            if (!cell->p)
                return pg_message_malformed(error, "row");
        } else if (cell->kind != 'n' && cell->kind != 'u') {
            return pg_message_malformed(error, "row");
        }
    }
    return 0;
}

enum { NEW_ROW, OLD_ROW };

static int read_row(struct pgoutput *decoder, struct cdc_bytes *bytes, const struct pg_table *table, int which,
                    struct cdc_error *error)
{
    if (read_tuple(bytes, table, decoder->cells[which], error) < 0)
        return -1;
    return pg_encoding_convert_row(decoder->settings.encoding, &decoder->converted[which], decoder->cells[which],
                                   table->n_columns, error);
}

/* One line cannot be there for one sink, and not for another. */
static int needed_change(const struct pgoutput *decoder, struct pg_table *table, struct cdc_error *error)
{
    const struct pgoutput_settings *settings = &decoder->settings;
    int again = settings->needed ? settings->needed(settings->describe_context, table, decoder->needed_by, error) : 0;
    table->stale = again > 0;
    if (again != 0)
        return again < 0 ? -1 : 0;
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "table \"%s\".\"%s\": the snapshot that was taken again has seen changes that the sink of \"%s\" has not: it "
        "was in the log already, and its copy would lack them",
        table->schema, table->name, decoder->needed_by);
    return cdc_error_hint(error, "remove that offset file and the copy of its sink, and start again with cdc-snapshot: "
                                 "this sink then takes the snapshot with the others");
}

/* Is it of a transaction that began after the rows of the table were read, which were read after the last alteration? Where that was
 * in the log is not known so exactly. */
static bool began_after_read(const struct pgoutput *decoder, const struct pg_table *table)
{
    uint64_t xmax = table->round > 0 ? decoder->rounds[table->round - 1].xmax : decoder->xmax;
    return table->composites_read && xmax != 0 && (int32_t)(decoder->tx.xid - (uint32_t)xmax) >= 0;
}

/* An alteration of a type is in no message. A change that came before it, or that may come after it, has composites as text. */
static int check_composites(struct pgoutput *decoder, struct pg_table *table, struct cdc_error *error)
{
    const struct pgoutput_settings *settings = &decoder->settings;
    for (int tries = 0; settings->recheck && tries < 3 && decoder->place > table->composites_until; tries++) {
        int altered = settings->recheck(settings->describe_context, table, error);
        if (altered <= 0) {
            if (altered < 0)
                return -1;
            break;
        }
        table->composites_due = true;
        if (pg_relations_settle(settings, table, decoder->tx.final_lsn, error) < 0)
            return -1;
    }
    table->composites_unsure = (decoder->place < table->composites_from && !began_after_read(decoder, table)) ||
                               (settings->recheck && decoder->place > table->composites_until);
    return 0;
}

/* The table of a truncate, and of a change. Counts the change: excluded ones too, so that a pos does not depend on -t. */
static struct pg_table *change_table(struct pgoutput *decoder, uint32_t oid, struct cdc_error *error)
{
    if (!decoder->tx.open) {
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a change outside a transaction");
        return NULL;
    }
    decoder->tx.ordinal++;
    struct pg_table *table = pg_relations_find(&decoder->relations, oid, error);
    if (table && (table->unsure_until != 0 || table->composites_due) && !table->stale &&
        pg_relations_settle(&decoder->settings, table, decoder->tx.final_lsn, error) < 0)
        return NULL;
    if (table && table->n_composites > 0 && check_composites(decoder, table, error) < 0)
        return NULL;
    if (table && table->selected && !table->stale && decoder->tx.needed && pg_parts_have(decoder, table) &&
        needed_change(decoder, table, error) < 0)
        return NULL;
    return table;
}

static struct pg_table *row_table(struct pgoutput *decoder, uint32_t oid, struct cdc_error *error)
{
    const struct pgoutput_settings *settings = &decoder->settings;
    struct pg_table *table = change_table(decoder, oid, error);
    const struct pg_table *partition =
        table && decoder->relations.described[1] != 0 ? pg_relations_changed(&decoder->relations, table) : NULL;
    if (partition && settings->passed_by &&
        settings->passed_by(settings->describe_context, partition, table, error) < 0)
        return NULL;
    return table;
}

static bool is_wanted(struct pgoutput *decoder, const struct pg_table *table)
{
    return table->selected && !table->stale && !decoder->tx.read && !pg_parts_have(decoder, table) &&
           !pg_rounds_have(decoder, table) && !(table->live && pg_live_omits(decoder, table));
}

/* An UPDATE that moves a row into the publication's row filter comes as an insert, and where it did not touch a large value
 * (TOAST) the log has no copy of that:
 *      UPDATE t SET id = 11      with (WHERE id > 10): I ... N (11, u)
 * No reader had the row before, so none has the value. Whoever wrote the line without it would store NULL. The start refuses
 * such tables (schema/gaps.c); this is for what was written before somebody heeded that. */
static int check_whole(const struct pg_table *table, const struct pg_cell *cells, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        if (cells[i].kind != 'u')
            continue;
        cdc_error_set(
            error, CDC_EXIT_CONFIG,
            "table \"%s\".\"%s\": an UPDATE moved a row into the publication's row filter, and the log lacks its "
            "column \"%s\", which it did not change",
            table->schema, table->name, table->columns[i].name);
        return cdc_error_hint(
            error,
            "ALTER TABLE \"%s\".\"%s\" REPLICA IDENTITY FULL; and take a new snapshot (run pg-cdc --drop, "
            "remove the offset files of the pipeline and the copies, and begin with cdc-snapshot)",
            table->schema, table->name);
    }
    return 0;
}

static int decode_insert(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                         struct cdc_error *error)
{
    struct pg_table *table = row_table(decoder, (uint32_t)cdc_bytes_be(bytes, 4), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    struct pg_cell *cells = decoder->cells[0];
    if (cdc_bytes_be(bytes, 1) != 'N')
        return pg_message_malformed(error, "Insert");
    if (read_row(decoder, bytes, table, NEW_ROW, error) < 0 || pg_message_finished(bytes, "Insert", error) < 0)
        return -1;
    if (pg_row_check_key(table, cells, error) < 0 || check_whole(table, cells, error) < 0)
        return -1;
    if (!table->live || pg_live_has_row(decoder, table, cells))
        pg_lines_insert(decoder, table, out);
    return 0;
}

/* Changes of a partition come under the name of the table above it, and where that one has FULL the server calls their old
 * rows whole. It logs them by the partition's own identity, which may be another one (a new partition has DEFAULT):
 *      UPDATE t SET id = 11      O (10, NULL, NULL)  N (11, x, u)
 * The tables of now do not show it: whoever is told of such a partition sets FULL there, and the log of before still comes. But
 * a value that an UPDATE did not touch was not NULL, nor was that of a column that must not be. new_row: NULL for a delete. */
static bool is_short(const struct pg_table *table, const struct pg_cell *old_row, const struct pg_cell *new_row)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (old_row[i].kind == 'n' && (table->columns[i].never_null || (new_row && new_row[i].kind == 'u')))
            return true;
    return false;
}

static int no_old_row(const struct pg_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\".\"%s\"%s the log has a change without the old row: when it was made the "
                  "replica identity of %s partition was another one than that of the table",
                  table->schema, table->name, table->has_key ? ":" : " has no key, and",
                  table->has_key ? "some" : "its");
    return cdc_error_hint(
        error, "take a new snapshot (run pg-cdc --drop, remove the offset files of the pipeline and the copies, and "
               "begin with cdc-snapshot)");
}

/* What the old row says, which came as *kind (PG_OLD_NONE where none came). 0, or -1 where the row cannot be told from others. */
static int judge_old(const struct pg_table *table, const struct pg_cell *old_row, const struct pg_cell *new_row,
                     char *kind, struct cdc_error *error)
{
    bool full = table->key_facts.replica_identity == 'f';
    if (full && *kind == PG_OLD_WHOLE && is_short(table, old_row, new_row))
        *kind = PG_OLD_SHORT;
    if (full && *kind != PG_OLD_WHOLE && !table->has_key)
        return no_old_row(table, error);
    /* The key of the partition's own identity did not change; what is the key of the table may have. */
    if (table->n_unlike > 0 && *kind == PG_OLD_NONE)
        return no_old_row(table, error);
    return *kind == PG_OLD_NONE ? 0 : pg_row_check_key(table, old_row, error);
}

/* What the new row omits and the old one has. */
static void fill_unchanged(const struct pg_table *table, struct pg_cell *new_row, const struct pg_cell *old_row,
                           char old_kind)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (new_row[i].kind == 'u' && pg_old_has(old_kind, &table->columns[i]))
            new_row[i] = old_row[i];
}

static int mark_stale(const struct pgoutput *decoder, const struct pg_table *table, struct cdc_error *error)
{
    static const char why[] = "a row moved to another key, without its large values, while the snapshot was read";
    if (decoder->settings.stale)
        return decoder->settings.stale(decoder->settings.describe_context, table, why, error);
    return cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\".\"%s\": %s", table->schema, table->name, why);
}

static int decode_update(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                         struct cdc_error *error)
{
    struct pg_table *table = row_table(decoder, (uint32_t)cdc_bytes_be(bytes, 4), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    char old_kind = PG_OLD_NONE, kind = (char)cdc_bytes_be(bytes, 1);
    if (kind == PG_OLD_IDENTITY || kind == PG_OLD_WHOLE) {
        old_kind = kind;
        if (read_row(decoder, bytes, table, OLD_ROW, error) < 0)
            return -1;
        kind = (char)cdc_bytes_be(bytes, 1);
    }
    if (kind != 'N')
        return pg_message_malformed(error, "Update");
    if (read_row(decoder, bytes, table, NEW_ROW, error) < 0 || pg_message_finished(bytes, "Update", error) < 0)
        return -1;
    if (judge_old(table, decoder->cells[1], decoder->cells[0], &old_kind, error) < 0)
        return -1;
    if (old_kind)
        fill_unchanged(table, decoder->cells[0], decoder->cells[1], old_kind);
    if (pg_row_check_key(table, decoder->cells[0], error) < 0)
        return -1;
    if (pg_parts_may_lack(decoder, table, old_kind))
        return mark_stale(decoder, table, error);
    if (table->live)
        pg_live_update(decoder, table, old_kind, out);
    else
        pg_lines_update(decoder, table, old_kind, out);
    return 0;
}

static bool has_identity(const struct pg_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].identity)
            return true;
    return false;
}

static int decode_delete(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                         struct cdc_error *error)
{
    struct pg_table *table = row_table(decoder, (uint32_t)cdc_bytes_be(bytes, 4), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    struct pg_cell *cells = decoder->cells[1];
    char kind = (char)cdc_bytes_be(bytes, 1);
    if (kind != PG_OLD_WHOLE && !(kind == PG_OLD_IDENTITY && has_identity(table)))
        return pg_message_malformed(error, "Delete");
    if (read_row(decoder, bytes, table, OLD_ROW, error) < 0 || pg_message_finished(bytes, "Delete", error) < 0)
        return -1;
    if (judge_old(table, cells, NULL, &kind, error) < 0)
        return -1;
    if (!table->live || pg_live_has_row(decoder, table, cells))
        pg_lines_delete(decoder, table, kind, out);
    return 0;
}

static int decode_truncate(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                           struct cdc_error *error)
{
    uint32_t n = (uint32_t)cdc_bytes_be(bytes, 4);
    cdc_bytes_take(bytes, 1); /* CASCADE, RESTART IDENTITY: its tables are listed */
    if (bytes->bad || cdc_bytes_left(bytes) != (size_t)n * 4)
        return pg_message_malformed(error, "Truncate");
    decoder->relations.described[0] = decoder->relations.described[1] = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct pg_table *table = change_table(decoder, (uint32_t)cdc_bytes_be(bytes, 4), error);
        if (!table)
            return -1;
        if (is_wanted(decoder, table) && (!table->live || pg_live_has_truncate(decoder, table)))
            pg_lines_truncate(decoder, table, out);
    }
    return 0;
}

/* pg_logical_emit_message(false, ...) belongs to no transaction, and is one by itself here. The LSN of the message
 * is where its record ends, which may be where the commit record of the next transaction begins. Say that is 0/200:
 *      message   pos 0/1FF ...  end 0/200
 *      next      pos 0/200 ...
 * The byte before as pos keeps the two apart and in order. The end is that LSN and no more: with 0/201 the server
 * would pass over the next transaction when replication starts there. */
static int decode_message(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out,
                          struct cdc_error *error)
{
    uint8_t flags = (uint8_t)cdc_bytes_be(bytes, 1);
    uint64_t lsn = cdc_bytes_be(bytes, 8);
    const char *prefix = pg_message_string(bytes);
    uint32_t n = (uint32_t)cdc_bytes_be(bytes, 4);
    const char *content = (const char *)cdc_bytes_take(bytes, n);
    if (pg_message_finished(bytes, "logical", error) < 0)
        return -1;
    if (flags > 1 || (flags == 1 && !decoder->tx.open) || lsn == 0 || lsn > INT64_MAX)
        return pg_message_malformed(error, "logical");
    bool alone = flags == 0 && !decoder->tx.open;
    if (decoder->tx.open ? decoder->tx.read : lsn <= decoder->expected_until)
        return 0;
    if (alone && pgoutput_reached(decoder, lsn, error) < 0)
        return -1;
    if (alone) {
        pg_lines_begin(decoder, lsn - 1, cdc_clock_wall_ms(), 0);
        if (check_torn(decoder, error) < 0)
            return -1;
    }
    char *name = pg_encoding_name(decoder->settings.encoding, prefix, error);
    if (!name)
        return -1;
    pg_lines_message(decoder, name, content, n, flags == 1, out);
    free(name);
    if (alone)
        pg_lines_commit(decoder, lsn, out);
    return 0;
}

/* The transaction was applied here by a subscription or the like. All are delivered, wherever they come from; only
 * the form is checked. */
static int decode_origin(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_error *error)
{
    cdc_bytes_take(bytes, 8);
    pg_message_string(bytes);
    if (pg_message_finished(bytes, "Origin", error) < 0)
        return -1;
    return decoder->tx.open ? 0 : pg_message_malformed(error, "Origin");
}

/* A server of release 18 sends it without streaming, too: of a large transaction that it has found to be rolled back, and of which it
 * has sent nothing. The ids of the transaction and of the subtransaction. */
static int decode_abort(const struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_error *error)
{
    cdc_bytes_take(bytes, 8);
    if (pg_message_finished(bytes, "Stream Abort", error) < 0)
        return -1;
    if (decoder->tx.open)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a rollback inside a transaction");
    return 0;
}

/* -- interface ------------------------------------------------------------- */

static int decode(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_buf *out, struct cdc_error *error)
{
    uint8_t tag = (uint8_t)cdc_bytes_be(bytes, 1);
    if (bytes->bad)
        return pg_message_malformed(error, "replication");
    switch (tag) {
    case 'I': return decode_insert(decoder, bytes, out, error);
    case 'U': return decode_update(decoder, bytes, out, error);
    case 'D': return decode_delete(decoder, bytes, out, error);
    case 'B': return decode_begin(decoder, bytes, error);
    case 'C': return decode_commit(decoder, bytes, out, error);
    case 'R': return pg_relations_decode_relation(decoder, bytes, error);
    case 'Y': return pg_relations_decode_type(&decoder->relations, bytes, error);
    case 'T': return decode_truncate(decoder, bytes, out, error);
    case 'M': return decode_message(decoder, bytes, out, error);
    case 'O': return decode_origin(decoder, bytes, error);
    case 'A': return decode_abort(decoder, bytes, error);
    default:
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a message of the unknown type 0x%02x", tag);
    }
}

int pgoutput_decode(struct pgoutput *decoder, const char *data, size_t n, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_bytes bytes = {(const uint8_t *)data, (const uint8_t *)data + n, false};
    size_t start = out->len;
    if (decode(decoder, &bytes, out, error) < 0) {
        out->len = start; /* whole lines or none */
        return -1;
    }
    if (out->failed || decoder->tx.numbers.failed || decoder->tx.source_tail.failed || decoder->boundary_pos.failed ||
        decoder->boundary_source.failed)
        return cdc_error_memory(error);
    return 0;
}

struct pgoutput *pgoutput_new(const struct pgoutput_settings *settings, struct cdc_error *error)
{
    struct pgoutput *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    decoder->unsure = settings->format;
    decoder->unsure.composites_as_text = true;
    decoder->needed_from = UINT64_MAX;
    if (settings->table_bytes == 0)
        decoder->settings.table_bytes = TABLE_BYTES;
    pg_source_head(&decoder->source_head, settings->pipeline, settings->database);
    for (int i = 0; i < 2; i++)
        decoder->cells[i] = calloc(MAX_COLUMNS, sizeof *decoder->cells[i]);
    if (!decoder->cells[0] || !decoder->cells[1] || decoder->source_head.failed) {
        cdc_error_memory(error);
        pgoutput_free(decoder);
        return NULL;
    }
    return decoder;
}

/* What was written of an open transaction stays written; the server sends all of it again, with the same positions.
 * Relation messages come anew in each connection. */
void pgoutput_reset(struct pgoutput *decoder)
{
    const struct pg_transaction *tx = &decoder->tx;
    pg_relations_clear(&decoder->relations);
    if (tx->open && tx->events > 0)
        decoder->torn = (struct pg_torn){true, tx->final_lsn, tx->ts_ms, tx->xid};
    decoder->tx.open = false;
    decoder->n_ahead = 0;
}

void pgoutput_expect(struct pgoutput *decoder, const struct pg_last *last, uint64_t from, uint64_t until)
{
    decoder->last = *last;
    decoder->expected_until = until;
    decoder->last_is_due = until != 0 && last->kind == PG_LAST_COMMIT && last->begin >= from;
}

bool pgoutput_is_expecting(const struct pgoutput *decoder)
{
    return decoder->expected_until != 0;
}

void pgoutput_set_server(struct pgoutput *decoder, const char *system_id, int64_t timeline)
{
    snprintf(decoder->system_id, sizeof decoder->system_id, "%s", system_id);
    decoder->timeline = timeline;
}

int pgoutput_set_visible(struct pgoutput *decoder, struct cdc_span read_at, struct cdc_error *error)
{
    int status = pg_visible_parse(&decoder->visible, read_at, error);
    decoder->xmax = decoder->visible.xmax;
    return status;
}

void pgoutput_set_needed(struct pgoutput *decoder, uint64_t lsn, const char *offset_file)
{
    decoder->needed_from = offset_file ? lsn : UINT64_MAX;
    snprintf(decoder->needed_by, sizeof decoder->needed_by, "%s", offset_file ? offset_file : "");
}

void pgoutput_set_stale(struct pgoutput *decoder, const char *schema, const char *name)
{
    pg_relations_set_stale(&decoder->relations, schema, name);
}

void pgoutput_described(struct pgoutput *decoder, const struct pg_table *table)
{
    pg_relations_described(&decoder->relations, table);
}

void pgoutput_set_composites_due(struct pgoutput *decoder)
{
    pg_relations_composites_due(&decoder->relations);
}

void pgoutput_set_place(struct pgoutput *decoder, uint64_t lsn)
{
    decoder->place = lsn;
}

void pgoutput_free(struct pgoutput *decoder)
{
    if (!decoder)
        return;
    pg_rounds_free(decoder);
    pg_parts_free(decoder);
    pg_relations_free(&decoder->relations);
    pg_visible_clear(&decoder->visible);
    free(decoder->ahead);
    free(decoder->cells[0]);
    free(decoder->cells[1]);
    cdc_buf_free(&decoder->converted[0]);
    cdc_buf_free(&decoder->converted[1]);
    cdc_buf_free(&decoder->source_head);
    cdc_buf_free(&decoder->tx.numbers);
    cdc_buf_free(&decoder->tx.source_tail);
    cdc_buf_free(&decoder->boundary_pos);
    cdc_buf_free(&decoder->boundary_source);
    free(decoder);
}

bool pgoutput_is_full(const struct pgoutput *decoder)
{
    return decoder->relations.bytes > decoder->settings.table_bytes;
}

bool pgoutput_in_transaction(const struct pgoutput *decoder)
{
    return decoder->tx.open;
}

uint64_t pgoutput_transaction(const struct pgoutput *decoder, uint32_t *xid)
{
    *xid = decoder->tx.open ? decoder->tx.xid : 0;
    return decoder->tx.open ? decoder->tx.final_lsn : 0;
}

bool pgoutput_has_read(const struct pgoutput *decoder, char *schema, char *name)
{
    struct pg_table table = {.schema = schema, .name = name};
    const struct pg_live *live = pg_live_is(decoder, &table) ? decoder->live : NULL;
    table.round = pg_rounds_of(decoder, &table);
    table.part = pg_parts_of(decoder, &table);
    return decoder->tx.open && (decoder->tx.read || pg_parts_have(decoder, &table) || pg_rounds_have(decoder, &table) ||
                                (live && live->begun && live->seen));
}

const struct cdc_offset *pgoutput_boundary(const struct pgoutput *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

const struct pgoutput_counts *pgoutput_counts_of(const struct pgoutput *decoder)
{
    return &decoder->counts;
}
