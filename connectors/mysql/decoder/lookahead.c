/* SPDX-License-Identifier: MIT */
/* What becomes of a transaction that is larger than what is buffered. Before its first lines go out, the rest of it
 * is looked through in the log (settings.look_ahead reads it apart from the stream): is it committed, which ranges
 * of its events are undone by a ROLLBACK TO? Then the events are decoded as they come, and those in such a range are
 * left alone.
 *
 *     index 1 rows   2 SAVEPOINT a   3 rows | 4 rows   5 ROLLBACK TO a   6 rows   XID
 *                                           ^ the buffer is full here
 *
 * The look ahead goes on from event 4, and finds 2..5 undone: the buffer is truncated to savepoint a, 4 is not
 * decoded. Events are counted by an index, for when they come again they may lie elsewhere in the file that is sent. */
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/statement.h"

#include <stdlib.h>

#define UNDONE_MAX 100000 /* ranges in a transaction */

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

bool my_lookahead_counts(uint8_t type)
{
    return is_rows(type) || is_query(type);
}

/* The rest of a transaction, seen before it is decoded. */
struct outlook {
    struct my_decoder *decoder;
    uint64_t seen;        /* index of the last event that was decoded */
    uint64_t index, rows; /* rows: number of rows events so far; only compared for being equal */
    uint64_t statement;   /* index of the last one that stays, whatever is undone */
    bool ended, rolled_back, truncated;
    bool has_rollback; /* to a savepoint within what is buffered: */
    struct my_savepoint_state rollback;
};

static int add_undone(struct outlook *outlook, const struct my_savepoint_state *state, struct cdc_error *error)
{
    struct my_decoder *decoder = outlook->decoder;
    if (outlook->statement > state->index)
        return my_savepoint_unclear(decoder, "there are statements among them", error);
    /* A range that lies within this one: a ROLLBACK TO an earlier savepoint. */
    while (decoder->n_undone > 0 && decoder->undone[decoder->n_undone - 1].savepoint >= state->index)
        decoder->n_undone--;
    if (decoder->n_undone == UNDONE_MAX)
        return my_savepoint_unclear(decoder, "it does so too often", error);
    struct my_undone *more = realloc(decoder->undone, (decoder->n_undone + 1) * sizeof *more);
    if (!more)
        return cdc_error_memory(error);
    decoder->undone = more;
    more[decoder->n_undone++] = (struct my_undone){state->index, outlook->index};
    if (state->index <= decoder->transaction.index) { /* the savepoint was read already */
        outlook->has_rollback = true;
        outlook->rollback = *state;
    }
    outlook->rows = state->rows;
    my_savepoint_forget_after(decoder, state);
    return 0;
}

static int see_statement(struct outlook *outlook, const struct my_statement *statement, struct cdc_error *error)
{
    struct cdc_span name = cdc_span(statement->table.data, statement->table.len);
    struct my_savepoint_state state = {
        .serial = ++outlook->decoder->savepoint_serial, .index = outlook->index, .rows = outlook->rows};
    int found;
    switch (statement->kind) {
    case MY_STATEMENT_SAVEPOINT: return my_savepoint_add(outlook->decoder, name, &state, error);
    case MY_STATEMENT_ROLLBACK_TO:
        found = my_savepoint_resolve(outlook->decoder, name, outlook->rows, &state, error);
        return found <= 0 ? found : add_undone(outlook, &state, error);
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

static int see_event(void *context, const struct my_event_header *header, struct cdc_bytes body,
                     const struct my_coord *coord, struct cdc_error *error)
{
    struct outlook *outlook = context;
    struct my_event_query query;
    struct my_statement statement = {0};
    (void)coord;
    outlook->index += my_lookahead_counts(header->type);
    if (my_lookahead_counts(header->type) && outlook->index <= outlook->seen)
        return 0;
    outlook->rows += is_rows(header->type);
    outlook->ended = header->type == MY_EVENT_XID;
    /* Another transaction, or another file, and no end of this one: the server crashed in it. */
    outlook->truncated = header->type == MY_EVENT_MARIADB_GTID || header->type == MY_EVENT_ROTATE;
    if (outlook->ended || outlook->truncated)
        return MY_LOG_ENOUGH;
    if (!is_query(header->type))
        return 0;
    if (my_event_query_parse(header, body, &outlook->decoder->query_scratch, &query, error) < 0)
        return -1;
    int result = my_statement_parse(&statement, &query, error);
    result = result == 0 ? see_statement(outlook, &statement, error) : result;
    my_statement_free(&statement);
    return result;
}

int my_lookahead_run(struct my_decoder *decoder, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    struct my_transaction *transaction = &decoder->transaction;
    struct outlook outlook = {.decoder = decoder, .seen = transaction->index, .rows = transaction->rows};
    struct my_coord from = decoder->coord;
    from.position = transaction->start; /* the events of a transaction may not tell theirs */
    if (!settings->look_ahead || decoder->in_xa)
        return 0;
    if (settings->look_ahead(settings->context, &from, transaction->bytes, see_event, &outlook, error) < 0)
        return -1;
    if (!outlook.ended && !outlook.truncated) /* the log does not go so far yet */
        return 0;
    if (outlook.rolled_back && (outlook.statement != 0 || !my_transaction_discard(decoder)))
        return my_transaction_unclear(decoder, error);
    if (outlook.truncated && (outlook.statement != 0 || !my_transaction_discard(decoder)))
        return 0;
    if (outlook.ended && outlook.has_rollback && my_savepoint_truncate(decoder, &outlook.rollback, error) < 0)
        return -1;
    transaction->outcome_known = true;
    transaction->discarded = outlook.truncated || outlook.rolled_back;
    transaction->end_index = outlook.index;
    return 0;
}

bool my_lookahead_is_undone(struct my_decoder *decoder)
{
    const struct my_transaction *transaction = &decoder->transaction;
    if (!transaction->outcome_known || transaction->discarded)
        return transaction->discarded;
    while (decoder->at_undone < decoder->n_undone && decoder->undone[decoder->at_undone].rollback <= transaction->index)
        decoder->at_undone++;
    return decoder->at_undone < decoder->n_undone && decoder->undone[decoder->at_undone].savepoint < transaction->index;
}
