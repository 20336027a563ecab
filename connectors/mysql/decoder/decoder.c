/* SPDX-License-Identifier: MIT */
/* A decoder: made, started where reading begins, asked what it knows. */
#include "connectors/mysql/decoder/internal.h"

#include <stdlib.h>
#include <string.h>

struct my_decoder *my_decoder_new(const struct my_decoder_settings *settings, struct cdc_error *error)
{
    struct my_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    decoder->flavor = settings->flavor;
    decoder->payload = my_payload_new(error);
    decoder->gtids = my_gtid_set_new(settings->flavor, error);
    my_event_format_default(&decoder->format);
    if (settings->xa_folder && (decoder->xa = my_xa_new(settings->xa_folder, error)) == NULL) {
        my_decoder_free(decoder);
        return NULL;
    }
    if (decoder->payload && decoder->gtids && my_tables_resize(decoder, 64, error) == 0)
        return decoder;
    my_decoder_free(decoder);
    return NULL;
}

void my_decoder_free(struct my_decoder *decoder)
{
    if (!decoder)
        return;
    my_tables_clear(decoder);
    free(decoder->tables);
    free(decoder->before);
    free(decoder->after);
    my_payload_free(decoder->payload);
    my_xa_free(decoder->xa);
    cdc_buf_free(&decoder->xid);
    my_gtid_set_free(decoder->gtids);
    cdc_buf_free(&decoder->transaction.numbers);
    cdc_buf_free(&decoder->query_scratch);
    cdc_buf_free(&decoder->fresh);
    cdc_buf_free(&decoder->statement_text);
    cdc_buf_free(&decoder->rows_scratch);
    cdc_buf_free(&decoder->json_null[0]);
    cdc_buf_free(&decoder->json_null[1]);
    cdc_buf_free(&decoder->buffered);
    free(decoder->savepoints);
    free(decoder->undone);
    cdc_buf_free(&decoder->event_tail);
    cdc_buf_free(&decoder->of_temporary);
    my_temporaries_clear(&decoder->temporaries);
    my_seen_clear(&decoder->seen);
    cdc_buf_free(&decoder->boundary_pos);
    cdc_buf_free(&decoder->boundary_source);
    free(decoder);
}

int my_decoder_start(struct my_decoder *decoder, uint64_t number, const char *gtids, const struct my_coord *coord,
                     struct cdc_error *error)
{
    my_tables_clear(decoder);
    decoder->transaction.open = false;
    decoder->transaction.gtid.kind = MY_GTID_NONE;
    decoder->in_payload = decoder->in_xa = false;
    decoder->buffered.len = decoder->fresh.len = 0;
    decoder->number = number;
    decoder->numbering.n = 0;
    my_seen_clear(&decoder->seen);
    decoder->coord = decoder->gtids_coord = *coord;
    /* Tables are forgotten, too: another server counts its ids anew. Counters go on, they are of the program's run. */
    decoder->gtids_file_created = 0;
    my_event_format_default(&decoder->format);
    if (decoder->xa && my_xa_start(decoder->xa, number, error) < 0)
        return -1;
    return my_gtid_set_parse(decoder->gtids, cdc_span_text(gtids ? gtids : ""), error);
}

void my_decoder_go_on(struct my_decoder *decoder, const struct my_coord *coord)
{
    decoder->coord = decoder->gtids_coord = *coord;
    decoder->gtids_file_created = 0;
    my_event_format_default(&decoder->format);
}

int my_decoder_break_off(struct my_decoder *decoder, struct cdc_error *error)
{
    struct my_transaction *transaction = &decoder->transaction;
    bool gone = !transaction->open || transaction->discarded || transaction->events == 0;
    if (!gone && !my_transaction_discard(decoder))
        return cdc_error_set(error, CDC_EXIT_DATA, "a transaction has no end in the log, and a part of it is written");
    transaction->open = false;
    return 0;
}

void my_decoder_confirm(struct my_decoder *decoder, uint64_t number)
{
    if (decoder->xa)
        my_xa_confirm(decoder->xa, number);
    my_numbering_confirm(&decoder->numbering, number);
}

/* -- what is told -------------------------------------------------------------------------- */

void my_decoder_set_checksums(struct my_decoder *decoder, bool checksums)
{
    decoder->format.checksums = checksums;
}

void my_decoder_set_heartbeats(struct my_decoder *decoder, uint32_t heartbeats)
{
    if (decoder->heartbeats < heartbeats) /* after a reconnect it has gone on already */
        decoder->heartbeats = heartbeats;
}

void my_decoder_set_by_gtid(struct my_decoder *decoder, bool by_gtid)
{
    decoder->by_gtid = by_gtid;
}

void my_decoder_set_numbering(struct my_decoder *decoder, const struct my_numbering *numbering)
{
    decoder->numbering = *numbering;
}

int my_decoder_set_temporaries(struct my_decoder *decoder, const struct my_temporaries *temporaries,
                               struct cdc_error *error)
{
    return my_temporaries_copy(&decoder->temporaries, temporaries, error);
}

int my_decoder_set_seen(struct my_decoder *decoder, const struct my_seen *seen, struct cdc_error *error)
{
    return my_seen_copy(&decoder->seen, seen, error);
}

void my_decoder_set_cascades(struct my_decoder *decoder, bool logged)
{
    decoder->cascades_unlogged = !logged;
}

void my_decoder_set_lower_case(struct my_decoder *decoder, bool lower_case)
{
    decoder->lower_case = decoder->settings.selection.any_case = lower_case;
}

/* -- what is asked ------------------------------------------------------------------------- */

enum my_flavor my_decoder_flavor(const struct my_decoder *decoder)
{
    return decoder->flavor;
}

bool my_decoder_in_transaction(const struct my_decoder *decoder)
{
    return decoder->transaction.open;
}

uint64_t my_decoder_truncated(const struct my_decoder *decoder)
{
    const struct my_transaction *transaction = &decoder->transaction;
    /* Lines of MySQL go out at once, those of MariaDB when they are no longer buffered. */
    bool out =
        transaction->open && transaction->events > 0 && (decoder->flavor == MY_FLAVOR_MYSQL || transaction->flushed);
    return out ? decoder->number : 0;
}

void my_decoder_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out)
{
    my_line_heartbeat(decoder, now_ms, out);
}

const struct cdc_offset *my_decoder_boundary(const struct my_decoder *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

void my_decoder_forget_boundary(struct my_decoder *decoder)
{
    decoder->has_boundary = false;
}

const struct my_event_format *my_decoder_format(const struct my_decoder *decoder)
{
    return &decoder->format;
}

const struct my_coord *my_decoder_coord(const struct my_decoder *decoder)
{
    return &decoder->coord;
}

struct my_point my_decoder_point(const struct my_decoder *decoder)
{
    if (decoder->transaction.open)
        return (struct my_point){decoder->number, decoder->transaction.statements};
    return (struct my_point){my_numbering_after(&decoder->numbering, decoder->number), 0};
}

const struct my_gtid_set *my_decoder_gtids(const struct my_decoder *decoder)
{
    return decoder->gtids;
}

const struct my_counts *my_decoder_counts(const struct my_decoder *decoder)
{
    return &decoder->counts;
}

void my_decoder_set_server(struct my_decoder *decoder, const char *server_uuid)
{
    size_t n = strnlen(server_uuid, sizeof decoder->server_uuid - 1);
    memcpy(decoder->server_uuid, server_uuid, n);
    decoder->server_uuid[n] = '\0';
}

int my_decoder_body(const struct my_decoder *decoder, const uint8_t *data, size_t n, struct my_event_header *header,
                    struct cdc_bytes *body, struct cdc_error *error)
{
    return my_event_header_parse(data, n, header, error) < 0 ||
                   my_event_body(&decoder->format, header, data, n, body, error) < 0
               ? -1
               : 0;
}
