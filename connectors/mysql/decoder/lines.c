/* SPDX-License-Identifier: MIT */
/* The lines of the stream. A change's line, in the parts that are put together here:
 *
 *     {"op":"u","pos":"00060D1E2F3A4B5C.0000000001.1","seq":N,"ts_ms":1704164645000,"source":           pos_head, numbers
 *     {"connector":"mysql","name":"p","db":"d","table":"t"                                            the table's source_head
 *     ,"ts_ms":1704164645000,"gtid":"fb7d...:20","server_id":1,"file":"binlog.000001","pos":461,"row":  event_tail
 *     0,"snapshot":"false"}                                                                            row
 *     ,"key":{...},"before":{...},"after":{...}}                                                       rows.c
 *
 * The first is made once a transaction, the second once a table, the third once an event: a row only copies them. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/json.h>
#include <string.h>

void my_line_begin_change(struct my_decoder *decoder, const struct cdc_buf *source, const char *op, uint64_t ordinal,
                          uint64_t row, struct cdc_buf *out)
{
    struct my_transaction *transaction = &decoder->transaction;
    cdc_buf_lit(out, "{\"op\":\"");
    cdc_buf_text(out, op);
    cdc_buf_lit(out, "\",\"pos\":\"");
    cdc_buf_append(out, transaction->pos_head, sizeof transaction->pos_head);
    cdc_buf_hex(out, ordinal, 10);
    cdc_buf_lit(out, ".1");
    cdc_buf_append_buf(out, &transaction->numbers);
    cdc_buf_append_buf(out, source);
    cdc_buf_append_buf(out, &decoder->event_tail);
    cdc_buf_u64(out, row);
    cdc_buf_lit(out, ",\"snapshot\":\"false\"}");
    transaction->events++;
    decoder->counts.changes++;
    decoder->counts.lines++;
}

void my_line_schema(struct my_decoder *decoder, struct my_table *table, uint64_t ordinal, struct cdc_buf *out)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    size_t tail = decoder->event_tail.len;
    my_table_report_omits(table, &decoder->omits_reported, decoder->settings.log);
    my_pos_schema(&pos, decoder->number, ordinal);
    cdc_buf_lit(&decoder->event_tail, "0,\"snapshot\":\"false\"}");
    my_table_schema_line(out, table, cdc_span(text, pos.len), decoder->number, decoder->transaction.ts_ms,
                         cdc_span(decoder->event_tail.data, decoder->event_tail.len));
    out->failed |= decoder->event_tail.failed;
    decoder->event_tail.len = tail;
    table->schema_written = true;
    table->schema_number = decoder->number;
    table->schema_ordinal = ordinal;
    decoder->counts.lines++;
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

void my_line_begin_event(struct my_decoder *decoder)
{
    decoder->event_tail.len = 0;
    append_origin(decoder, &decoder->event_tail, decoder->transaction.ts_ms, decoder->coord.file);
    cdc_buf_u64(&decoder->event_tail, decoder->event_position);
    cdc_buf_lit(&decoder->event_tail, ",\"row\":");
}

static void advance_gtids_coord(struct my_decoder *decoder)
{
    /* A TRANSACTION_PAYLOAD has its checksum at its end, which has come when a transaction ends in it. */
    const struct my_event_parts *parts = &decoder->parts;
    if (decoder->in_payload)
        decoder->seal = (struct my_seal){decoder->event_position, parts->checksums ? parts->sum : 0};
    decoder->gtids_seal = decoder->seal;
    decoder->gtids_coord = decoder->coord;
    decoder->gtids_file_created = decoder->format.created;
}

static void keep_boundary(struct my_decoder *decoder, struct cdc_span pos, struct cdc_span source)
{
    decoder->boundary_pos.len = decoder->boundary_source.len = 0;
    cdc_buf_span(&decoder->boundary_pos, pos);
    cdc_buf_byte(&decoder->boundary_pos, '\0');
    cdc_buf_span(&decoder->boundary_source, source);
    cdc_buf_byte(&decoder->boundary_source, '\0');
    decoder->boundary = (struct cdc_offset){.pos = decoder->boundary_pos.data,
                                            .source = decoder->boundary_source.data,
                                            .seq = (int64_t)decoder->number,
                                            .lines = decoder->counts.changes};
    decoder->has_boundary = !decoder->boundary_pos.failed && !decoder->boundary_source.failed;
}

static void append_seen(struct my_decoder *decoder, struct cdc_buf *out)
{
    struct cdc_error ignored = {0};
    if (!decoder->seen.given)
        return;
    int passed = my_seen_is_passed(&decoder->seen, decoder->gtids, &decoder->gtids_coord, decoder->server_uuid,
                                   decoder->flavor, &ignored);
    out->failed |= passed < 0;
    if (passed > 0)
        my_seen_clear(&decoder->seen);
    my_seen_append(out, &decoder->seen);
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on.
 * Both are kept as the boundary, from which reading may begin again:
 *     "source":{"connector":"mysql","name":"p","ts_ms":...,"gtid":"fb7d...:20","server_id":1,"file":"binlog.000001",
 *     "pos":461,"row":0,"snapshot":"false","gtids":"fb7d...:1-20","server_uuid":"fb7d...","file_created":1704164000,
 *     "event":430,"event_sum":2893011} */
static void boundary_line(struct my_decoder *decoder, struct cdc_buf *out, size_t pos_at, int64_t ts_ms)
{
    size_t pos_n = out->len - pos_at;
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, decoder->number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    size_t source_at = out->len;
    if (!decoder->by_gtid) /* nothing was omitted: `coord` is right, and goes on with the files */
        advance_gtids_coord(decoder);
    my_table_source_head(out, decoder->flavor, decoder->settings.pipeline, NULL, NULL);
    append_origin(decoder, out, ts_ms, decoder->gtids_coord.file);
    cdc_buf_u64(out, decoder->gtids_coord.position);
    cdc_buf_lit(out, ",\"row\":0,\"snapshot\":\"false\",\"gtids\":\"");
    my_gtid_set_append(out, decoder->gtids);
    if (decoder->server_uuid[0]) {
        cdc_buf_lit(out, "\",\"server_uuid\":\"");
        cdc_buf_text(out, decoder->server_uuid);
    }
    cdc_buf_byte(out, '"');
    if (decoder->gtids_file_created) {
        cdc_buf_lit(out, ",\"file_created\":");
        cdc_buf_u64(out, decoder->gtids_file_created);
    }
    if (decoder->gtids_seal.sum) {
        cdc_buf_lit(out, ",\"event\":");
        cdc_buf_u64(out, decoder->gtids_seal.position);
        cdc_buf_lit(out, ",\"event_sum\":");
        cdc_buf_u64(out, decoder->gtids_seal.sum);
    }
    my_numbering_append(out, &decoder->numbering);
    my_temporaries_append(out, &decoder->temporaries);
    append_seen(decoder, out);
    cdc_buf_byte(out, '}');
    decoder->counts.lines++;
    if (!out->failed)
        keep_boundary(decoder, cdc_span(out->data + pos_at, pos_n),
                      cdc_span(out->data + source_at, out->len - source_at));
}

void my_line_commit(struct my_decoder *decoder, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    advance_gtids_coord(decoder);
    size_t pos_at = out->len;
    my_pos_commit(out, decoder->number);
    boundary_line(decoder, out, pos_at, decoder->transaction.ts_ms);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, decoder->transaction.events);
    cdc_buf_lit(out, "}\n");
}

void my_line_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    my_pos_heartbeat(out, decoder->number, ++decoder->heartbeats);
    boundary_line(decoder, out, pos_at, now_ms);
    cdc_buf_lit(out, "}\n");
}
