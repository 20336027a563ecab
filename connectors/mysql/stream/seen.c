/* SPDX-License-Identifier: MIT */
/* Does the server have what the rows of the copy have seen (decoder/seen.h)? A crash may have taken it back, or it goes on at a
 * replica that never had it. */
#include "connectors/mysql/stream/internal.h"

#include <string.h>

/* 1, 0, -1 */
static int is_known_elsewhere(struct my_stream *stream, const char *gtids, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(MY_FLAVOR_MARIADB, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(gtids), error) : -1;
    if (result == 0)
        result = my_failover_has(stream, set, error);
    my_gtid_set_free(set);
    return result;
}

/* As a start there would be checked. 1, 0, -1 */
static int has_seen(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start kept = stream->start;
    const struct my_server server = stream->session.server;
    struct my_start *start = &stream->start;
    *start = (struct my_start){.number = kept.number, .gtids = kept.seen.gtids, .coord = kept.seen.coord};
    start->file_created = kept.seen.file_created;
    start->gtids_lag = true;
    memcpy(start->server_uuid, kept.seen.server_uuid, sizeof start->server_uuid);
    int result = my_start_verify(stream, error);
    bool elsewhere = !start->coord_stands;
    stream->start = kept;
    stream->session.server = server;
    if (result < 0 && error->status == CDC_EXIT_LOST) {
        cdc_error_clear(error);
        return 0;
    }
    if (result == 0 && elsewhere && server.flavor == MY_FLAVOR_MARIADB)
        return is_known_elsewhere(stream, kept.seen.gtids, error);
    return result < 0 ? -1 : 1;
}

int my_seen_check(struct my_stream *stream, struct cdc_error *error)
{
    int has = stream->start.seen.given ? has_seen(stream, error) : 1;
    return has < 0    ? -1
           : has == 0 ? my_start_lost(error, "rows of the copy were read at transactions that the server has no more")
                      : 0;
}
