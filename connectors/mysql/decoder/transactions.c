/* SPDX-License-Identifier: MIT */
/* Groups (transactions) begin and end; the lines that end one are where reading may begin again. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

void my_transaction_begin(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid)
{
    struct my_transaction *transaction = &decoder->transaction;
    char head[17 + 16];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    struct cdc_buf numbers = transaction->numbers, tail = transaction->tail;
    *transaction = (struct my_transaction){.open = true,
                                           .start = decoder->coord.position,
                                           .server_id = header->server_id,
                                           .counts = decoder->counts,
                                           .numbers = numbers,
                                           .tail = tail};
    if (gtid)
        transaction->gtid = *gtid;
    decoder->n_savepoints = decoder->n_undone = decoder->at_undone = 0;
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
}

/* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
static void append_origin(const struct my_decoder *decoder, struct cdc_buf *out, int64_t ts_ms, const char *file)
{
    const struct my_transaction *transaction = &decoder->transaction;
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    if (transaction->gtid.kind != MY_GTID_NONE) {
        cdc_buf_lit(out, ",\"gtid\":\"");
        my_gtid_append(out, &transaction->gtid);
        cdc_buf_byte(out, '"');
    }
    cdc_buf_lit(out, ",\"server_id\":");
    cdc_buf_u64(out, transaction->server_id);
    cdc_buf_lit(out, ",\"file\":");
    cdc_json_append_text(out, file, strlen(file));
    cdc_buf_lit(out, ",\"pos\":");
}

void my_transaction_begin_event(struct my_decoder *decoder)
{
    decoder->event_tail.len = 0;
    append_origin(decoder, &decoder->event_tail, decoder->transaction.ts_ms, decoder->coord.file);
    cdc_buf_u64(&decoder->event_tail, decoder->event_position);
    cdc_buf_lit(&decoder->event_tail, ",\"row\":");
}

static void settle(struct my_decoder *decoder)
{
    decoder->settled = decoder->coord;
    decoder->settled_created = decoder->format.created;
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on. */
static void boundary_line(struct my_decoder *decoder, struct cdc_buf *out, size_t pos_at, int64_t ts_ms)
{
    size_t pos_n = out->len - pos_at;
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, decoder->number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    size_t source_at = out->len;
    if (!decoder->by_gtid) /* nothing was left out: the place is right, and moves on with the files */
        settle(decoder);
    my_table_source_head(out, decoder->flavor, decoder->settings.pipeline, NULL, NULL);
    append_origin(decoder, out, ts_ms, decoder->settled.file);
    cdc_buf_u64(out, decoder->settled.position);
    cdc_buf_lit(out, ",\"row\":0,\"snapshot\":\"false\",\"gtids\":\"");
    my_gtid_set_append(out, decoder->gtids);
    if (decoder->server_uuid[0]) {
        cdc_buf_lit(out, "\",\"server_uuid\":\"");
        cdc_buf_text(out, decoder->server_uuid);
    }
    cdc_buf_byte(out, '"');
    if (decoder->flavor == MY_FLAVOR_MYSQL && decoder->settled_created) {
        cdc_buf_lit(out, ",\"file_created\":");
        cdc_buf_u64(out, decoder->settled_created);
    }
    my_numbering_append(out, &decoder->numbering);
    cdc_buf_byte(out, '}');
    decoder->counts.lines++;
    if (out->failed)
        return;
    decoder->boundary_pos.len = decoder->boundary_source.len = 0;
    cdc_buf_append(&decoder->boundary_pos, out->data + pos_at, pos_n);
    cdc_buf_byte(&decoder->boundary_pos, '\0');
    cdc_buf_append(&decoder->boundary_source, out->data + source_at, out->len - source_at);
    cdc_buf_byte(&decoder->boundary_source, '\0');
    decoder->boundary = (struct cdc_offset){.pos = decoder->boundary_pos.data,
                                            .source = decoder->boundary_source.data,
                                            .seq = (int64_t)decoder->number,
                                            .lines = decoder->counts.changes};
    decoder->has_boundary = !decoder->boundary_pos.failed && !decoder->boundary_source.failed;
}

int my_transaction_end(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (decoder->in_payload && !my_payload_is_whole(decoder->payload)) /* its checksum is not known yet */
        return cdc_error_set(
            error, CDC_EXIT_PROTOCOL,
            "a TRANSACTION_PAYLOAD event in %s before %llu is damaged: it goes on behind the transaction's end",
            decoder->coord.file, (unsigned long long)decoder->coord.position);
    if (transaction->foreseen && transaction->index != transaction->end_index)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "a transaction in %s before %llu ends elsewhere than it did before", decoder->coord.file,
                             (unsigned long long)decoder->coord.position);
    if (my_gtid_set_add(decoder->gtids, &transaction->gtid, error) < 0)
        return -1;
    transaction->open = false;
    decoder->counts.commits++;
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    settle(decoder);
    size_t pos_at = out->len;
    my_pos_commit(out, decoder->number);
    boundary_line(decoder, out, pos_at, transaction->ts_ms);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, transaction->events);
    cdc_buf_lit(out, "}\n");
    return 0;
}

void my_decoder_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    my_pos_heartbeat(out, decoder->number, ++decoder->heartbeats);
    boundary_line(decoder, out, pos_at, now_ms);
    cdc_buf_lit(out, "}\n");
}

int my_transaction_start(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                         struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->transaction.open &&
        (decoder->transaction.forgotten || (decoder->transaction.events > 0 && my_transaction_forget(decoder))))
        decoder->transaction.open = false; /* it was never committed */
    if (decoder->transaction.open && decoder->transaction.events > 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a transaction in %s before %llu has no end",
                             decoder->coord.file, (unsigned long long)decoder->event_position);
    if (decoder->transaction.open && my_transaction_end(decoder, out, error) < 0)
        return -1;
    my_transaction_begin(decoder, header, gtid);
    return 0;
}

void my_transaction_forget_schemas(struct my_decoder *decoder, uint64_t ordinal)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct my_table *table = decoder->tables[i];
        if (table && table->schema_number == decoder->number && table->schema_ordinal > ordinal)
            table->schema_written = false;
    }
}

void my_transaction_restore_counts(struct my_decoder *decoder, const struct my_counts *counts)
{
    struct my_counts restored = *counts;
    restored.ignored_events = decoder->counts.ignored_events;
    restored.commit_ms = decoder->counts.commit_ms;
    decoder->counts = restored;
}

bool my_transaction_forget(struct my_decoder *decoder)
{
    struct my_transaction *transaction = &decoder->transaction;
    if (decoder->flavor != MY_FLAVOR_MARIADB || transaction->released || transaction->rows != transaction->events)
        return false;
    my_transaction_forget_schemas(decoder, 0);
    decoder->held.len = 0;
    my_transaction_restore_counts(decoder, &transaction->counts);
    transaction->events = transaction->rows = 0;
    return true;
}
