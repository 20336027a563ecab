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
    const struct my_seen *seen = &stream->start.seen;
    struct my_start other = {.number = stream->start.number, .gtids = seen->gtids, .coord = seen->coord};
    bool coord_stands;
    other.file_created = seen->file_created;
    memcpy(other.server_uuid, seen->server_uuid, sizeof other.server_uuid);
    if (my_behind_check(stream, seen->server_uuid, seen->gtids, error) < 0)
        return -1;
    int stands = my_start_stands(stream, &other, &coord_stands, error);
    if (stands > 0 && !coord_stands && stream->session.server.flavor == MY_FLAVOR_MARIADB)
        return is_known_elsewhere(stream, seen->gtids, error);
    return stands;
}

int my_seen_check(struct my_stream *stream, struct cdc_error *error)
{
    int has = stream->start.seen.given ? has_seen(stream, error) : 1;
    return has < 0    ? -1
           : has == 0 ? my_start_lost(error, "rows of the copy were read at transactions that the server has no more")
                      : 0;
}
