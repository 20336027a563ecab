/* SPDX-License-Identifier: MIT */
/* Transactions begin and end.
 *
 * MySQL's log has only what was committed, but MariaDB's also has rows of transactions that were rolled back, when
 * they touched a table without transactions (which cannot be rolled back) or made a temporary one:
 *     GTID 0-1-7   TABLE_MAP t   WRITE_ROWS t   QUERY SAVEPOINT a   ...   QUERY ROLLBACK
 * and after a crash the beginning of a transaction whose end is missing: another GTID follows. So the lines of
 * MariaDB's transactions are buffered until the end is read, and discarded if there is none. Of one that is larger
 * than the buffer lookahead.c finds out what becomes of it. */
#include "connectors/mysql/decoder/internal.h"

#include <string.h>

static int tell_begin(const struct my_decoder *decoder, struct cdc_error *error)
{
    const struct my_decoder_settings *settings = &decoder->settings;
    struct my_coord coord = decoder->coord;
    if (!settings->copy)
        return 0;
    coord.position = decoder->event_position;
    return settings->copy->begins(settings->context, &decoder->transaction.gtid, &coord, error);
}

int my_transaction_open(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                        struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    char head[17 + 16];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    struct cdc_buf numbers = transaction->numbers;
    *transaction = (struct my_transaction){.open = true,
                                           .start = decoder->coord.position,
                                           .server_id = header->server_id,
                                           .counts = decoder->counts,
                                           .numbers = numbers};
    if (gtid)
        transaction->gtid = *gtid;
    decoder->n_savepoints = decoder->n_undone = decoder->at_undone = 0;
    /* MySQL 8.0 tells when it was committed; before, and in MariaDB, there is the second of the first event. */
    transaction->ts_ms =
        gtid && gtid->commit_us ? (int64_t)(gtid->commit_us / 1000) : (int64_t)header->timestamp * INT64_C(1000);
    decoder->counts.commit_ms = transaction->ts_ms;
    decoder->number = my_numbering_after(&decoder->numbering, decoder->number);
    cdc_buf_hex(&pos, decoder->number, 16);
    cdc_buf_byte(&pos, '.');
    memcpy(transaction->pos_head, head, sizeof transaction->pos_head);
    transaction->numbers.len = 0;
    cdc_buf_lit(&transaction->numbers, "\",\"seq\":");
    cdc_buf_u64(&transaction->numbers, decoder->number);
    cdc_buf_lit(&transaction->numbers, ",\"ts_ms\":");
    cdc_buf_i64(&transaction->numbers, transaction->ts_ms);
    cdc_buf_lit(&transaction->numbers, ",\"source\":");
    return tell_begin(decoder, error);
}

int my_transaction_end(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (decoder->in_payload && !my_payload_is_whole(decoder->payload)) /* its checksum is not known yet */
        return cdc_error_set(
            error, CDC_EXIT_PROTOCOL,
            "a TRANSACTION_PAYLOAD event in %s before %llu is damaged: it goes on after the transaction's end",
            decoder->coord.file, (unsigned long long)decoder->coord.position);
    if (transaction->outcome_known && transaction->index != transaction->end_index)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "a transaction in %s before %llu ends elsewhere than it did before", decoder->coord.file,
                             (unsigned long long)decoder->coord.position);
    if (my_gtid_set_add(decoder->gtids, &transaction->gtid, error) < 0)
        return -1;
    transaction->open = false;
    decoder->counts.commits++;
    my_line_commit(decoder, out);
    return 0;
}

int my_transaction_begin(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                         struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->transaction.open &&
        (decoder->transaction.discarded || (decoder->transaction.events > 0 && my_transaction_discard(decoder))))
        decoder->transaction.open = false; /* it was never committed */
    if (decoder->transaction.open && decoder->transaction.events > 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a transaction in %s before %llu has no end",
                             decoder->coord.file, (unsigned long long)decoder->event_position);
    if (decoder->transaction.open && my_transaction_end(decoder, out, error) < 0)
        return -1;
    return my_transaction_open(decoder, header, gtid, error);
}

/* Those that are of the log, and not of the lines, stay. */
void my_transaction_restore_counts(struct my_decoder *decoder, const struct my_counts *counts)
{
    struct my_counts restored = *counts;
    restored.ignored_events = decoder->counts.ignored_events;
    restored.commit_ms = decoder->counts.commit_ms;
    decoder->counts = restored;
}

bool my_transaction_discard(struct my_decoder *decoder)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (decoder->flavor != MY_FLAVOR_MARIADB || transaction->flushed || transaction->rows != transaction->events)
        return false;
    my_tables_forget_schemas(decoder, 0);
    decoder->buffered.len = 0;
    my_transaction_restore_counts(decoder, &transaction->counts);
    transaction->events = transaction->rows = 0;
    return true;
}

int my_transaction_unclear(const struct my_decoder *decoder, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s at %llu: a transaction of tables with and without transactions was rolled back: what of it stays "
                  "is not in the log",
                  decoder->coord.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(
        error, "take a new snapshot; in one transaction, change no tables without transactions besides those with, and "
               "make and drop no temporary ones");
}
