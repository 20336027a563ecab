/* SPDX-License-Identifier: MIT */
/* The log goes on at another server (a failover to a replica). Sinks that are ahead of the start know the transactions
 * between by their numbers, and drop them. So these must be the same there, in the same order as far as the sinks can tell
 * them apart: each sink must have exactly what this server, too, has up to some transaction. That is looked for in its log
 * before anything is written. After the last of the sinks' positions, counting goes on from the wall clock: what the old
 * server sent last may be written already, and may be missing here, or stand elsewhere. An example:
 *   the old server   10 a   11 b   12 c   13 d      the start is 10, one sink has 11, another one 13
 *   this server       a      b      c      d   e    the same: 11 to 13 keep their numbers, e gets one from the clock
 *   or                a      c      b      d   e    the sink at 11 has a and b, which no beginning of this log is: all that
 *                                                   follows 10 gets numbers from the clock, and the sinks get it again */
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

/* Transactions that were written after a sink's position: what a sink collects before it stores, pipes, filters. */
#define SENT_AT_MOST UINT64_C(100000000)

/* -- the sinks' positions -------------------------------------------------------------------------- */

/* What a sink that is ahead of the start has stored. */
struct sink_position {
    uint64_t number;
    const struct cdc_offset *offset; /* of the sink; BORROWED */
    struct my_gtid_set *gtids;
    struct my_numbering numbering; /* that it knows of; read by read_numberings */
    bool elsewhere;                /* read from another server */
};

struct sink_positions {
    struct sink_position *items; /* by number, each number once */
    size_t n;
};

static void free_positions(struct sink_positions *sinks)
{
    for (size_t i = 0; i < sinks->n; i++)
        my_gtid_set_free(sinks->items[i].gtids);
    free(sinks->items);
}

static struct cdc_span source_of(const struct cdc_offset *offset)
{
    return cdc_span_text(offset->source ? offset->source : "{}");
}

static int by_number(const void *a, const void *b)
{
    const struct sink_position *one = a, *other = b;
    return one->number < other->number ? -1 : one->number > other->number;
}

static int read_source(const struct my_server *server, struct sink_position *sink, struct cdc_error *error)
{
    struct cdc_span source = source_of(sink->offset);
    struct cdc_span gtids = cdc_json_member_raw(source, "gtids");
    struct cdc_span uuid = cdc_json_member_raw(source, "server_uuid");
    sink->elsewhere = uuid.n > 0 && !cdc_json_raw_is(uuid, cdc_span_text(server->uuid));
    sink->gtids = my_gtid_set_new(server->flavor, error);
    return sink->gtids ? my_gtid_set_parse(sink->gtids, gtids.p ? gtids : cdc_span("", 0), error) : -1;
}

/* All that are ahead, in any order. */
static size_t collect(struct my_stream *stream, struct cdc_acks *acks, struct sink_position *items)
{
    size_t n = 0;
    for (size_t i = 0; i < cdc_acks_count(acks); i++) {
        struct sink_position sink = {.offset = cdc_acks_offset(acks, i)};
        if (sink.offset && my_pos_number(sink.offset->pos, &sink.number) && sink.number > stream->start.number)
            items[n++] = sink;
    }
    return n;
}

static int read_positions(struct my_stream *stream, struct sink_positions *sinks, struct cdc_error *error)
{
    struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *smallest;
    if (!acks)
        return 0;
    /* Sinks that were started together with us have told by now what they have. */
    if (cdc_acks_read(acks, &smallest, error) < 0)
        return -1;
    sinks->items = calloc(cdc_acks_count(acks) + 1, sizeof *sinks->items);
    if (!sinks->items)
        return cdc_error_memory(error);
    size_t n = collect(stream, acks, sinks->items);
    qsort(sinks->items, n, sizeof *sinks->items, by_number);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && sinks->items[i].number == sinks->items[sinks->n - 1].number)
            continue;
        sinks->items[sinks->n] = sinks->items[i];
        if (read_source(&stream->session.server, &sinks->items[sinks->n++], error) < 0)
            return -1;
    }
    return 0;
}

static bool any_elsewhere(const struct sink_positions *sinks)
{
    for (size_t i = 0; i < sinks->n; i++)
        if (sinks->items[i].elsewhere)
            return true;
    return false;
}

/* -- is it the same log? ---------------------------------------------------------------------------- */

/* Walks along the sinks' positions as the log is read. */
struct comparison {
    const struct my_numbering *numbering;
    struct my_gtid_set *set; /* of what was read */
    uint64_t number;         /* of the last of it */
    const struct sink_position *sink, *end;
    bool differs;
};

/* A transaction counts with its beginning: only which they are, and their order, matters here. */
static int compare(void *context, const struct my_event_header *header, struct cdc_bytes body,
                   const struct my_coord *coord, struct cdc_error *error)
{
    struct comparison *comparison = context;
    struct my_gtid gtid;
    (void)coord;
    if (header->type != MY_EVENT_GTID && header->type != MY_EVENT_GTID_TAGGED &&
        header->type != MY_EVENT_MARIADB_GTID && header->type != MY_EVENT_ANONYMOUS_GTID)
        return 0;
    if (my_gtid_parse(header, body, &gtid, error) < 0 || my_gtid_set_add(comparison->set, &gtid, error) < 0)
        return -1;
    comparison->number = my_numbering_after(comparison->numbering, comparison->number);
    if (comparison->number < comparison->sink->number)
        return 0;
    comparison->differs =
        comparison->number > comparison->sink->number || !my_gtid_set_equal(comparison->set, comparison->sink->gtids);
    return comparison->differs || ++comparison->sink == comparison->end ? MY_LOG_ENOUGH : 0;
}

/* Does this server have what the sinks have, in their order? 1, 0 or -1. */
static int is_same_log(struct my_stream *stream, const struct sink_positions *sinks, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    struct comparison comparison = {.numbering = &start->numbering,
                                    .number = start->number,
                                    .sink = sinks->items,
                                    .end = sinks->items + sinks->n,
                                    .set = my_gtid_set_new(stream->session.server.flavor, error)};
    int result = comparison.set ? my_gtid_set_parse(comparison.set, cdc_span_text(start->gtids), error) : -1;
    if (result == 0)
        result = my_log_read_after(&stream->session, start->gtids, compare, &comparison, error);
    my_gtid_set_free(comparison.set);
    return result < 0 ? -1 : !comparison.differs && comparison.sink == comparison.end;
}

/* -- does the server have what the sinks have, in whatever order? ------------------------------------ */

struct search {
    const struct my_gtid_set *wanted;
    struct my_gtid_set *found;
};

static int take_if_wanted(void *context, const struct my_event_header *header, struct cdc_bytes body,
                          const struct my_coord *coord, struct cdc_error *error)
{
    struct search *search = context;
    struct my_gtid gtid;
    (void)coord;
    if (header->type != MY_EVENT_MARIADB_GTID)
        return 0;
    if (my_gtid_parse(header, body, &gtid, error) < 0)
        return -1;
    if (!my_gtid_set_contains(search->wanted, &gtid))
        return 0;
    if (my_gtid_set_add(search->found, &gtid, error) < 0)
        return -1;
    return my_gtid_set_reaches(search->found, search->wanted) ? MY_LOG_ENOUGH : 0;
}

int my_failover_has(struct my_stream *stream, const struct my_gtid_set *wanted, struct cdc_error *error)
{
    const char *start = stream->start.gtids;
    struct search search = {wanted, my_gtid_set_new(MY_FLAVOR_MARIADB, error)};
    int result = search.found ? my_gtid_set_parse(search.found, cdc_span_text(start), error) : -1;
    int found = result == 0 && my_gtid_set_reaches(search.found, wanted);
    if (result == 0 && !found)
        result = my_log_read_after(&stream->session, start, take_if_wanted, &search, error);
    if (result == 0)
        result = found || my_gtid_set_reaches(search.found, wanted);
    my_gtid_set_free(search.found);
    return result;
}

/* 1, 0; -1: it could not be found out, or may come (UNAVAILABLE). */
static int has_stored(struct my_stream *stream, const struct sink_position *sink, const char *gtids,
                      struct cdc_error *error)
{
    bool mysqls = stream->session.server.flavor == MY_FLAVOR_MYSQL;
    char uuid[sizeof stream->start.server_uuid] = "";
    MYSQL *sql = mysqls ? my_session_sql(&stream->session, error) : NULL;
    int known = !mysqls ? my_failover_has(stream, sink->gtids, error)
                : sql   ? my_server_is_subset(sql, gtids, "@@GLOBAL.gtid_executed", error)
                        : -1;
    cdc_json_member_copy(source_of(sink->offset), "server_uuid", uuid, sizeof uuid);
    return known == 0 && my_behind_check(stream, uuid, gtids, error) < 0 ? -1 : known;
}

static int check_sinks(struct my_stream *stream, const struct sink_positions *sinks, struct cdc_error *error)
{
    int known = 1;
    for (size_t i = 0; known > 0 && i < sinks->n; i++) {
        struct cdc_buf gtids = CDC_BUF_INIT;
        my_gtid_set_append(&gtids, sinks->items[i].gtids);
        cdc_buf_byte(&gtids, '\0');
        known = gtids.failed ? cdc_error_memory(error) : has_stored(stream, &sinks->items[i], gtids.data, error);
        cdc_buf_free(&gtids);
    }
    if (known != 0)
        return known < 0 ? -1 : 0;
    return my_start_lost(error, "a sink has stored transactions that this server does not have");
}

/* Does the server that a sink's position is of have it still? A crash may have taken back what that sink has stored, and others
 * have not: what follows their positions is there, and what was committed since has numbers that the sink knows.
 *     the log   10 a   11 b   12 c         a sink has 12, another one 10
 *     then      10 a   11 d   12 e   13 f       of d and e the first one would take nothing, and keep b and c */
static int check_sinks_here(struct my_stream *stream, const struct sink_positions *sinks, struct cdc_error *error)
{
    int stands = 1;
    for (size_t i = 0; stands > 0 && i < sinks->n; i++) {
        struct my_start of_sink = {.number = 0};
        bool coord_stands;
        if (sinks->items[i].elsewhere)
            continue;
        stands = my_start_from(&of_sink, sinks->items[i].offset, error) < 0
                     ? -1
                     : my_start_stands(stream, &of_sink, &coord_stands, error);
        my_start_clear(&of_sink);
    }
    if (stands != 0)
        return stands < 0 ? -1 : 0;
    return my_start_lost(error,
                         "a sink has stored transactions that the server has no more: it lost them in a crash, or "
                         "was set back to a copy");
}

/* -- numbers ------------------------------------------------------------------------------------ */

/* What follows that number is counted from the wall clock on, above all numbers that were given. The clock may have been set back since
 * they began, and a sink may have more than it has told: of an index that keeps the highest version, the newer row would be left out.
 *     told 43      sent 44 45      the clock says 7: 43 and the margin, not 44 */
static int renumber_after(struct my_stream *stream, uint64_t number, uint64_t newest, struct cdc_error *error)
{
    uint64_t now = (uint64_t)cdc_clock_wall_ms() * 1000, above = newest + SENT_AT_MOST;
    return my_numbering_add(&stream->start.numbering, (struct my_renumbering){number, now > above ? now : above},
                            error);
}

/* Sinks that are ahead get again what they have, as if it were new. */
static int renumber_all(struct my_stream *stream, uint64_t newest, struct cdc_error *error)
{
    cdc_log_write(
        stream->log, CDC_LOG_WARNING,
        "this server has the transactions between the sinks' positions in another order: sinks that are ahead of "
        "others get them again, as new ones; a table without a key may have rows twice there");
    return renumber_after(stream, stream->start.number, newest, error);
}

static bool start_is_elsewhere(const struct my_stream *stream)
{
    const char *uuid = stream->start.server_uuid;
    return uuid[0] && strcmp(uuid, stream->session.server.uuid) != 0;
}

/* Numberings that one position knows of and another one does not. */
static int read_numberings(struct sink_positions *sinks, struct cdc_error *error)
{
    for (size_t i = 0; i < sinks->n; i++) {
        const struct cdc_offset *offset = sinks->items[i].offset;
        if (!my_numbering_read(source_of(offset), &sinks->items[i].numbering))
            return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of a sink's position '%.80s' is damaged",
                                 offset->pos);
    }
    return 0;
}

/* Was what was read last read from another server? The position with the newest renumbering tells, and of several the one
 * that is furthest: older ones may be from before this server took over for the first time. */
static bool last_was_elsewhere(const struct my_stream *stream, const struct sink_positions *sinks)
{
    uint64_t newest = my_numbering_newest(&stream->start.numbering);
    bool elsewhere = start_is_elsewhere(stream);
    for (size_t i = 0; i < sinks->n; i++) {
        uint64_t known = my_numbering_newest(&sinks->items[i].numbering);
        if (known < newest)
            continue;
        newest = known;
        elsewhere = sinks->items[i].elsewhere;
    }
    return elsewhere;
}

static int merge_numberings(struct my_numbering *numbering, const struct sink_positions *sinks, struct cdc_error *error)
{
    for (size_t i = 0; i < sinks->n; i++)
        if (my_numbering_merge(numbering, &sinks->items[i].numbering, error) < 0)
            return -1;
    return 0;
}

/* 1: what lies between the start and the last sink has the numbers that the sinks know; 0: it must get others; -1: LOST, or
 * it could not be found out. */
static int numbers_hold(struct my_stream *stream, const struct sink_positions *sinks, struct cdc_error *error)
{
    if (!my_numbering_is_counted(&stream->start.numbering, stream->start.number))
        return 0;
    if (!any_elsewhere(sinks))
        return 1;
    int same = is_same_log(stream, sinks, error);
    return same == 0 && check_sinks(stream, sinks, error) < 0 ? -1 : same;
}

static int number_by_sinks(struct my_stream *stream, struct sink_positions *sinks, struct cdc_error *error)
{
    struct my_numbering *numbering = &stream->start.numbering;
    uint64_t newest = sinks->items[sinks->n - 1].number;
    if (read_numberings(sinks, error) < 0)
        return -1;
    bool moved = last_was_elsewhere(stream, sinks);
    if (merge_numberings(numbering, sinks, error) < 0)
        return -1;
    int hold = numbers_hold(stream, sinks, error);
    if (hold < 0)
        return -1;
    if (!hold)
        return renumber_all(stream, newest, error);
    return moved ? renumber_after(stream, newest, newest, error) : 0;
}

int my_failover_number(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct sink_positions sinks = {0};
    bool moved = start_is_elsewhere(stream);
    if (moved)
        cdc_log_write(stream->log, CDC_LOG_INFO, "the log goes on at another server (%s instead of %s)",
                      stream->session.server.uuid, start->server_uuid);
    if (moved && start->number < stream->truncated)
        return cdc_error_set(error, CDC_EXIT_IO,
                             "the log goes on at another server within a transaction that is written in part: to be "
                             "started again, so that the sinks drop that part");
    int result = read_positions(stream, &sinks, error);
    if (result == 0)
        result = check_sinks_here(stream, &sinks, error);
    if (result == 0 && sinks.n > 0 && my_start_by_gtid(stream))
        result = number_by_sinks(stream, &sinks, error);
    else if (result == 0 && moved)
        result = renumber_after(stream, start->number, start->number, error);
    if (!stream->has_start)
        my_numbering_confirm(&start->numbering, start->number);
    free_positions(&sinks);
    return result;
}
