/* SPDX-License-Identifier: MIT */
/* Transactions without GTIDs, on a MySQL where gtid_mode was less than ON for a while. A dump by GTID set misses them: the server
 * begins it with the newest file whose list of GTIDs holds no others than ours, and passes over all files before that one.
 *     binlog.5   uuid:1  uuid:2          the position
 *     binlog.6   -                       not in the dump of what follows uuid:1-2
 *     binlog.7   uuid:3
 * A dump by coordinates has them, but while gtid_mode is ON the server ends each dump that meets one with an error. */
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/internal.h"

/* The first transaction that is not known is enough: later ones are in the dump by GTID, or end it. */
static int look(void *context, const struct my_event_header *header, struct cdc_bytes body,
                const struct my_coord *coord, struct cdc_error *error)
{
    const struct my_gtid_set *known = context;
    struct my_gtid gtid;
    (void)coord;
    if (header->type != MY_EVENT_GTID && header->type != MY_EVENT_GTID_TAGGED)
        return 0;
    if (my_gtid_parse(header, body, &gtid, error) < 0)
        return -1;
    return my_gtid_set_contains(known, &gtid) ? 0 : MY_LOG_ENOUGH;
}

int my_anonymous_check(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    if (start->coord.position > UINT32_MAX) /* the protocol has no more */
        return 0;
    struct my_gtid_set *known = my_gtid_set_new(MY_FLAVOR_MYSQL, error);
    int result = known ? my_gtid_set_parse(known, cdc_span_text(start->gtids), error) : -1;
    if (result == 0)
        result = my_log_read(&stream->session, &start->coord, NULL, look, known, NULL, error);
    my_gtid_set_free(known);
    return result;
}

int my_anonymous_refused(struct my_stream *stream, struct cdc_error *error)
{
    if (stream->start.after_refusal)
        return -1;
    stream->refused = true;
    error->status = CDC_EXIT_UNAVAILABLE;
    error->hint[0] = '\0';
    return -1;
}
