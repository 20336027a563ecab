/* SPDX-License-Identifier: MIT */
/* Groups (transactions) begin and end; the lines that end one are where reading may begin again. */
#include "connectors/mysql/decoder/internal.h"

#include <cdc/json.h>
#include <cdc/pattern.h>
#include <stdlib.h>
#include <string.h>

void decoder_begin_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                         const struct binlog_gtid *gtid)
{
    struct group *group = &decoder->group;
    char head[17 + 16];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    struct cdc_buf numbers = group->numbers, tail = group->tail;
    *group = (struct group){.open = true,
                            .start = decoder->place.position,
                            .server_id = header->server_id,
                            .counts = decoder->counts,
                            .numbers = numbers,
                            .tail = tail};
    if (gtid)
        group->gtid = *gtid;
    decoder->n_savepoints = decoder->n_undone = decoder->at_undone = 0;
    group->ts_ms =
        gtid && gtid->commit_us ? (int64_t)(gtid->commit_us / 1000) : (int64_t)header->timestamp * INT64_C(1000);
    decoder->counts.commit_ms = group->ts_ms;
    decoder->number = binlog_number_after(&decoder->numbering, decoder->number);
    cdc_buf_hex(&pos, decoder->number, 16);
    cdc_buf_byte(&pos, '.');
    memcpy(group->pos_head, head, sizeof group->pos_head);
    group->numbers.len = 0;
    cdc_buf_lit(&group->numbers, "\",\"seq\":");
    cdc_buf_u64(&group->numbers, decoder->number);
    cdc_buf_lit(&group->numbers, ",\"ts_ms\":");
    cdc_buf_i64(&group->numbers, group->ts_ms);
    cdc_buf_lit(&group->numbers, ",\"source\":");
}

/* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
static void append_origin(const struct binlog_decoder *decoder, struct cdc_buf *out, int64_t ts_ms, const char *file)
{
    const struct group *group = &decoder->group;
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    if (group->gtid.kind != BINLOG_GTID_NONE) {
        cdc_buf_lit(out, ",\"gtid\":\"");
        binlog_gtid_append(out, &group->gtid);
        cdc_buf_byte(out, '"');
    }
    cdc_buf_lit(out, ",\"server_id\":");
    cdc_buf_u64(out, group->server_id);
    cdc_buf_lit(out, ",\"file\":");
    cdc_json_append_text(out, file, strlen(file));
    cdc_buf_lit(out, ",\"pos\":");
}

void decoder_begin_event(struct binlog_decoder *decoder)
{
    decoder->event_tail.len = 0;
    append_origin(decoder, &decoder->event_tail, decoder->group.ts_ms, decoder->place.file);
    cdc_buf_u64(&decoder->event_tail, decoder->event_position);
    cdc_buf_lit(&decoder->event_tail, ",\"row\":");
}

static void settle(struct binlog_decoder *decoder)
{
    decoder->settled = decoder->place;
    decoder->settled_created = decoder->format.created;
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on. */
static void boundary_line(struct binlog_decoder *decoder, struct cdc_buf *out, size_t pos_at, int64_t ts_ms)
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
    binlog_source_head(out, decoder->flavor, decoder->settings.pipeline, NULL, NULL);
    append_origin(decoder, out, ts_ms, decoder->settled.file);
    cdc_buf_u64(out, decoder->settled.position);
    cdc_buf_lit(out, ",\"row\":0,\"snapshot\":\"false\",\"gtids\":\"");
    binlog_gtid_set_append(out, decoder->gtids);
    if (decoder->server_uuid[0]) {
        cdc_buf_lit(out, "\",\"server_uuid\":\"");
        cdc_buf_text(out, decoder->server_uuid);
    }
    cdc_buf_byte(out, '"');
    if (decoder->flavor == BINLOG_MYSQL && decoder->settled_created) {
        cdc_buf_lit(out, ",\"file_created\":");
        cdc_buf_u64(out, decoder->settled_created);
    }
    binlog_numbering_append(out, &decoder->numbering);
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

int decoder_end_group(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    struct group *group = &decoder->group;
    if (decoder->in_payload && !binlog_payload_is_whole(decoder->payload)) /* its checksum is not known yet */
        return cdc_error_set(
            error, CDC_EXIT_PROTOCOL,
            "a TRANSACTION_PAYLOAD event in %s before %llu is damaged: it goes on behind the transaction's end",
            decoder->place.file, (unsigned long long)decoder->place.position);
    if (group->foreseen && group->index != group->end_index)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "a transaction in %s before %llu ends elsewhere than it did before", decoder->place.file,
                             (unsigned long long)decoder->place.position);
    if (binlog_gtid_set_add(decoder->gtids, &group->gtid, error) < 0)
        return -1;
    group->open = false;
    decoder->counts.commits++;
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    settle(decoder);
    size_t pos_at = out->len;
    binlog_pos_commit(out, decoder->number);
    boundary_line(decoder, out, pos_at, group->ts_ms);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, group->events);
    cdc_buf_lit(out, "}\n");
    return 0;
}

void binlog_heartbeat(struct binlog_decoder *decoder, int64_t now_ms, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    binlog_pos_heartbeat(out, decoder->number, ++decoder->heartbeats);
    boundary_line(decoder, out, pos_at, now_ms);
    cdc_buf_lit(out, "}\n");
}

int decoder_start_of_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                           const struct binlog_gtid *gtid, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->group.open &&
        (decoder->group.forgotten || (decoder->group.events > 0 && decoder_forget_group(decoder))))
        decoder->group.open = false; /* it was never committed */
    if (decoder->group.open && decoder->group.events > 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a transaction in %s before %llu has no end",
                             decoder->place.file, (unsigned long long)decoder->event_position);
    if (decoder->group.open && decoder_end_group(decoder, out, error) < 0)
        return -1;
    decoder_begin_group(decoder, header, gtid);
    return 0;
}

void decoder_forget_schemas(struct binlog_decoder *decoder, uint64_t ordinal)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        struct binlog_table *table = decoder->tables[i];
        if (table && table->schema_number == decoder->number && table->schema_ordinal > ordinal)
            table->schema_written = false;
    }
}

void decoder_restore_counts(struct binlog_decoder *decoder, const struct binlog_counts *counts)
{
    struct binlog_counts restored = *counts;
    restored.ignored_events = decoder->counts.ignored_events;
    restored.commit_ms = decoder->counts.commit_ms;
    decoder->counts = restored;
}

bool decoder_forget_group(struct binlog_decoder *decoder)
{
    struct group *group = &decoder->group;
    if (decoder->flavor != BINLOG_MARIADB || group->released || group->rows != group->events)
        return false;
    decoder_forget_schemas(decoder, 0);
    decoder->held.len = 0;
    decoder_restore_counts(decoder, &group->counts);
    group->events = group->rows = 0;
    return true;
}
