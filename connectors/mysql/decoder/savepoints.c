/* SPDX-License-Identifier: MIT */
/* Rows that were undone, and are in the log all the same.
 * The server takes rows that ROLLBACK TO undoes out of a transaction before it logs it; but MariaDB leaves them in, and logs
 * SAVEPOINT and ROLLBACK TO, once the transaction has changed a table without transactions, or made or dropped a temporary
 * one. Rows of tables without transactions are in groups of their own, so that all rows of such a group are undone. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/statement.h"

#include <cdc/bytes.h>
#include <stdlib.h>
#include <string.h>

#define SAVEPOINTS_MAX 1000 /* of different names in a transaction; those above share one */
#define UNDONE_MAX 100000   /* ranges in a transaction */

/* Its key: the name in lower case. "": one that may be equal to another by the rules of a collation, or is not understood. */
static void key_of(struct cdc_span name, char *key)
{
    key[0] = '\0';
    if (name.n > SAVEPOINT_NAME_MAX)
        return;
    for (size_t i = 0; i < name.n; i++)
        if ((name.p[i] & 0x80) || name.p[i] == '\0')
            return;
    for (size_t i = 0; i < name.n; i++)
        key[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] | 0x20) : name.p[i];
    key[name.n] = '\0';
}

static struct my_savepoint *find(const struct my_decoder *decoder, const char *key)
{
    for (size_t i = 0; i < decoder->n_savepoints; i++)
        if (strcmp(decoder->savepoints[i].key, key) == 0)
            return &decoder->savepoints[i];
    return NULL;
}

static int add_savepoint(struct my_decoder *decoder, struct cdc_span name, const struct my_savepoint_state *coord,
                         struct cdc_error *error)
{
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    if (decoder->n_savepoints == SAVEPOINTS_MAX && !find(decoder, key))
        key[0] = '\0';
    struct my_savepoint *known = find(decoder, key);
    if (known) {
        known->last = *coord;
        return 0;
    }
    struct my_savepoint *more = realloc(decoder->savepoints, (decoder->n_savepoints + 1) * sizeof *more);
    if (!more)
        return cdc_error_memory(error);
    decoder->savepoints = more;
    more = &more[decoder->n_savepoints++];
    more->first = more->last = *coord;
    memcpy(more->key, key, sizeof more->key);
    return 0;
}

int my_decoder_savepoint(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    const struct my_transaction *transaction = &decoder->transaction;
    const struct my_savepoint_state coord = {.serial = ++decoder->savepoint_serial,
                                             .held = decoder->held.len,
                                             .index = transaction->index,
                                             .ordinal = transaction->ordinal,
                                             .events = transaction->events,
                                             .rows = transaction->rows,
                                             .counts = decoder->counts};
    return transaction->foreseen ? 0 : add_savepoint(decoder, name, &coord, error);
}

/* What is behind it was never there. */
static void forget_since(struct my_decoder *decoder, const struct my_savepoint_state *coord)
{
    size_t n = 0;
    for (size_t i = 0; i < decoder->n_savepoints; i++) {
        struct my_savepoint *savepoint = &decoder->savepoints[i];
        if (savepoint->first.serial > coord->serial)
            continue;
        if (savepoint->last.serial > coord->serial)
            savepoint->last = savepoint->first;
        decoder->savepoints[n++] = *savepoint;
    }
    decoder->n_savepoints = n;
}

static int not_told(const struct my_decoder *decoder, const char *why, struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "%s at %llu: a transaction was rolled back to a savepoint, and which of its rows stay is not known: %s",
        decoder->coord.file, (unsigned long long)decoder->event_position, why);
    return cdc_error_hint(error, "take a new snapshot; where savepoints are rolled back to, change no tables without "
                                 "transactions, and make and drop no temporary ones");
}

int my_decoder_rolled_back(const struct my_decoder *decoder, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s at %llu: a transaction of tables with and without transactions was rolled back: what of it stays "
                  "is not in the log",
                  decoder->coord.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(
        error, "take a new snapshot; in one transaction, change no tables without transactions besides those with, and "
               "make and drop no temporary ones");
}

/* Which savepoint is meant, `rows` rows into the group? 1; 0: there is nothing behind it; -1. */
static int resolve(const struct my_decoder *decoder, struct cdc_span name, uint64_t rows,
                   struct my_savepoint_state *coord, struct cdc_error *error)
{
    char key[SAVEPOINT_NAME_MAX + 1];
    key_of(name, key);
    const struct my_savepoint *found = find(decoder, key);
    if (decoder->xa && !decoder->in_xa && my_xa_is_open(decoder->xa))
        return not_told(decoder, "it is an XA transaction", error);
    /* They stand in their order: whichever is meant, there is nothing behind the first of them. */
    if (rows == (decoder->n_savepoints ? decoder->savepoints[0].first.rows : 0))
        return 0;
    if (!found || find(decoder, ""))
        return not_told(decoder, "the savepoint cannot be told from others", error);
    /* One of that name in a trigger, which is not that of the statements outside, looks the same in the log. */
    if (found->first.rows != found->last.rows)
        return not_told(decoder, "two savepoints have the same name", error);
    *coord = found->last;
    return rows != found->last.rows;
}

static int cut_back(struct my_decoder *decoder, const struct my_savepoint_state *coord, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (transaction->events - coord->events != transaction->rows - coord->rows)
        return not_told(decoder, "there are statements among them", error);
    decoder->held.len = coord->held;
    transaction->events = coord->events;
    transaction->rows = coord->rows;
    my_transaction_forget_schemas(decoder, coord->ordinal);
    my_transaction_restore_counts(decoder, &coord->counts);
    return 0;
}

int my_decoder_rollback_to(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    struct my_savepoint_state coord;
    if (transaction->foreseen)
        return 0;
    int found = resolve(decoder, name, transaction->rows, &coord, error);
    if (found <= 0)
        return found;
    if (decoder->flavor != MY_FLAVOR_MARIADB || transaction->released)
        return not_told(decoder, "it is larger than what is held back", error);
    if (cut_back(decoder, &coord, error) < 0)
        return -1;
    forget_since(decoder, &coord);
    return 0;
}

/* -- what is too large to be held back ----------------------------------------------------- */

static bool is_rows(uint8_t type)
{
    return (type >= MY_EVENT_WRITE_ROWS_V1 && type <= MY_EVENT_DELETE_ROWS_V1) ||
           (type >= MY_EVENT_WRITE_ROWS && type <= MY_EVENT_DELETE_ROWS) ||
           (type >= MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1 && type <= MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED);
}

static bool is_query(uint8_t type)
{
    return type == MY_EVENT_QUERY || type == MY_EVENT_MARIADB_QUERY_COMPRESSED;
}

bool my_decoder_indexes(uint8_t type)
{
    return is_rows(type) || is_query(type);
}

/* The rest of a group, seen before it is decoded. */
struct outlook {
    struct my_decoder *decoder;
    uint64_t seen;        /* index of the last event that was decoded */
    uint64_t index, rows; /* rows: as many events of them as there are; a change of their number is all that counts */
    uint64_t statement;   /* index of the last one that stays, whatever is undone */
    bool ended, rolled_back, cut_off;
    bool cuts; /* what is held back, too: */
    struct my_savepoint_state cut;
};

static int add_undone(struct outlook *outlook, const struct my_savepoint_state *coord, struct cdc_error *error)
{
    struct my_decoder *decoder = outlook->decoder;
    if (outlook->statement > coord->index)
        return not_told(decoder, "there are statements among them", error);
    while (decoder->n_undone > 0 && decoder->undone[decoder->n_undone - 1].savepoint >= coord->index)
        decoder->n_undone--;
    if (decoder->n_undone == UNDONE_MAX)
        return not_told(decoder, "it does so too often", error);
    struct my_undone *more = realloc(decoder->undone, (decoder->n_undone + 1) * sizeof *more);
    if (!more)
        return cdc_error_memory(error);
    decoder->undone = more;
    more[decoder->n_undone++] = (struct my_undone){coord->index, outlook->index};
    if (coord->index <= decoder->transaction.index) {
        outlook->cuts = true;
        outlook->cut = *coord;
    }
    outlook->rows = coord->rows;
    forget_since(decoder, coord);
    return 0;
}

static int foresee_statement(struct outlook *outlook, const struct my_statement *statement, struct cdc_error *error)
{
    struct cdc_span name = cdc_span(statement->table.data, statement->table.len);
    struct my_savepoint_state coord = {
        .serial = ++outlook->decoder->savepoint_serial, .index = outlook->index, .rows = outlook->rows};
    int found;
    switch (statement->kind) {
    case MY_STATEMENT_SAVEPOINT: return add_savepoint(outlook->decoder, name, &coord, error);
    case MY_STATEMENT_ROLLBACK_TO:
        found = resolve(outlook->decoder, name, outlook->rows, &coord, error);
        return found <= 0 ? found : add_undone(outlook, &coord, error);
    case MY_STATEMENT_COMMIT:
    case MY_STATEMENT_ROLLBACK:
        outlook->rolled_back = statement->kind == MY_STATEMENT_ROLLBACK;
        outlook->ended = true;
        return MY_LOG_ENOUGH;
    case MY_STATEMENT_BEGIN:
    case MY_STATEMENT_RELEASE: return 0;
    default: outlook->statement = outlook->index; return 0;
    }
}

static int foresee(void *context, const struct my_event_header *header, struct cdc_bytes body,
                   const struct my_coord *coord, struct cdc_error *error)
{
    struct outlook *outlook = context;
    struct my_event_query query;
    struct my_statement statement = {0};
    (void)coord;
    outlook->index += my_decoder_indexes(header->type);
    if (my_decoder_indexes(header->type) && outlook->index <= outlook->seen)
        return 0;
    outlook->rows += is_rows(header->type);
    outlook->ended = header->type == MY_EVENT_XID;
    outlook->cut_off = header->type == MY_EVENT_MARIADB_GTID || header->type == MY_EVENT_ROTATE;
    if (outlook->ended || outlook->cut_off)
        return MY_LOG_ENOUGH;
    if (!is_query(header->type))
        return 0;
    if (my_event_query_parse(header, body, &outlook->decoder->query_scratch, &query, error) < 0)
        return -1;
    my_statement_parse(&statement, query.sql);
    int result = foresee_statement(outlook, &statement, error);
    my_statement_free(&statement);
    return result;
}

int my_decoder_look_ahead(struct my_decoder *decoder, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    struct my_transaction *transaction = &decoder->transaction;
    struct outlook outlook = {.decoder = decoder, .seen = transaction->index, .rows = transaction->rows};
    struct my_coord from = decoder->coord;
    from.position = transaction->start; /* the events of a group may not tell theirs */
    if (!settings->look_ahead || decoder->in_xa)
        return 0;
    if (settings->look_ahead(settings->context, &from, transaction->bytes, foresee, &outlook, error) < 0)
        return -1;
    if (!outlook.ended && !outlook.cut_off)
        return 0;
    if (outlook.rolled_back && (outlook.statement != 0 || !my_transaction_forget(decoder)))
        return my_decoder_rolled_back(decoder, error);
    if (outlook.cut_off && (outlook.statement != 0 || !my_transaction_forget(decoder)))
        return 0;
    if (outlook.ended && outlook.cuts && cut_back(decoder, &outlook.cut, error) < 0)
        return -1;
    transaction->foreseen = true;
    transaction->forgotten = outlook.cut_off || outlook.rolled_back;
    transaction->end_index = outlook.index;
    return 0;
}

bool my_decoder_is_undone(struct my_decoder *decoder)
{
    const struct my_transaction *transaction = &decoder->transaction;
    if (!transaction->foreseen || transaction->forgotten)
        return transaction->forgotten;
    while (decoder->at_undone < decoder->n_undone && decoder->undone[decoder->at_undone].rollback <= transaction->index)
        decoder->at_undone++;
    return decoder->at_undone < decoder->n_undone && decoder->undone[decoder->at_undone].savepoint < transaction->index;
}
