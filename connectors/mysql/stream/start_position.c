/* SPDX-License-Identifier: MIT */
/* A position as a place where reading could begin. */
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <stdlib.h>

/* "" where the source has none of that name. */
static bool copy_member(struct cdc_span source, const char *name, char *to, size_t size)
{
    return cdc_json_member_copy(source, name, to, size) || !cdc_json_member_raw(source, name).p;
}

void my_start_clear(struct my_start *start)
{
    free(start->gtids);
    start->gtids = NULL;
    my_temporaries_clear(&start->temporaries);
    my_seen_clear(&start->seen);
}

int my_start_from(struct my_start *start, const struct cdc_offset *from, struct cdc_error *error)
{
    struct cdc_span source = cdc_span_text(from->source ? from->source : "{}");
    struct cdc_span gtids = cdc_json_member_raw(source, "gtids");
    int64_t position = 0;
    free(start->gtids);
    start->gtids = cdc_span_copy(gtids.p ? gtids : cdc_span("", 0)); /* nothing in it is ever escaped */
    if (!start->gtids)
        return cdc_error_memory(error);
    if (!my_pos_number(from->pos, &start->number) || !from->source)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a MySQL or MariaDB source", from->pos);
    start->confirmed = start->number;
    start->heartbeats = my_pos_counter(from->pos);
    if (!my_numbering_read(source, &start->numbering))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of position '%.80s' is damaged", from->pos);
    if (my_temporaries_read(&start->temporaries, source, error) < 0)
        return cdc_error_prefix(error, "'%.80s'", from->pos);
    if (my_seen_read(&start->seen, source, error) < 0)
        return cdc_error_prefix(error, "'%.80s'", from->pos);
    cdc_json_int64(cdc_json_member(source, "pos"), &position);
    start->file_created = 0;
    cdc_json_int64(cdc_json_member(source, "file_created"), &start->file_created);
    start->event = start->event_sum = 0;
    cdc_json_int64(cdc_json_member(source, "event"), &start->event);
    cdc_json_int64(cdc_json_member(source, "event_sum"), &start->event_sum);
    start->coord.position = position > 0 ? (uint64_t)position : 4;
    if (!copy_member(source, "file", start->coord.file, sizeof start->coord.file) ||
        !copy_member(source, "server_uuid", start->server_uuid, sizeof start->server_uuid))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of position '%.80s' is damaged", from->pos);
    return 0;
}
