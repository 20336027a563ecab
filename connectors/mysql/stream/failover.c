/* SPDX-License-Identifier: MIT */
/* The log goes on at another server (a failover to a replica). Sinks that are ahead of the start know the transactions
 * between by their numbers, and drop them. So these must be the same there, in the same order as far as the sinks can tell
 * them apart: each sink must have exactly what this server, too, has up to some transaction. That is looked for in its log
 * before anything is written. Behind the last of the sinks' positions, counting goes on from the wall clock: what the old
 * server sent last may be written already, and may be missing here, or stand elsewhere. */
#include "connectors/mysql/stream/internal.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

/* What a sink that is ahead of the start has stored. */
struct mark {
    uint64_t number;
    const struct cdc_offset *offset; /* of the sink; BORROWED */
    struct my_gtid_set *gtids;
    bool elsewhere; /* read from another server */
};

struct marks {
    struct mark *items; /* by number, each number once */
    size_t n;
};

static void free_marks(struct marks *marks)
{
    for (size_t i = 0; i < marks->n; i++)
        my_gtid_set_free(marks->items[i].gtids);
    free(marks->items);
}

static struct cdc_span source_of(const struct cdc_offset *offset)
{
    return cdc_span_text(offset->source ? offset->source : "{}");
}

static int by_number(const void *a, const void *b)
{
    const struct mark *one = a, *other = b;
    return one->number < other->number ? -1 : one->number > other->number;
}

static int fill_mark(struct my_stream *stream, struct mark *mark, struct cdc_error *error)
{
    struct cdc_span source = source_of(mark->offset);
    struct cdc_span gtids = cdc_json_string_raw(cdc_json_member(source, "gtids"));
    struct cdc_span uuid = cdc_json_string_raw(cdc_json_member(source, "server_uuid"));
    mark->elsewhere = uuid.n > 0 && !cdc_json_raw_is(uuid, cdc_span_text(stream->server.uuid));
    mark->gtids = my_gtid_set_new(stream->server.flavor, error);
    return mark->gtids ? my_gtid_set_parse(mark->gtids, gtids.p ? gtids : cdc_span("", 0), error) : -1;
}

static int read_marks(struct my_stream *stream, struct marks *marks, struct cdc_error *error)
{
    struct cdc_acks *acks = stream->settings.acks;
    const struct cdc_offset *smallest;
    /* Sinks that were started together with us have told by now what they have. */
    if (acks && cdc_acks_read(acks, &smallest, error) < 0)
        return -1;
    size_t count = acks ? cdc_acks_count(acks) : 0;
    struct mark mark = {0};
    size_t n = 0;
    marks->items = calloc(count + 1, sizeof *marks->items);
    if (!marks->items)
        return cdc_error_memory(error);
    for (size_t i = 0; i < count; i++) {
        mark.offset = cdc_acks_offset(acks, i);
        if (mark.offset && my_pos_number(mark.offset->pos, &mark.number) && mark.number > stream->start.number)
            marks->items[n++] = mark;
    }
    qsort(marks->items, n, sizeof *marks->items, by_number);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && marks->items[i].number == marks->items[marks->n - 1].number)
            continue;
        marks->items[marks->n] = marks->items[i];
        if (fill_mark(stream, &marks->items[marks->n++], error) < 0)
            return -1;
    }
    return 0;
}

/* -- comparing with the log ---------------------------------------------------------------------- */

struct comparison {
    const struct my_numbering *numbering;
    struct my_gtid_set *set; /* of what was read */
    uint64_t number;         /* and its number */
    const struct mark *mark, *end;
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
    if (comparison->number < comparison->mark->number)
        return 0;
    comparison->differs =
        comparison->number > comparison->mark->number || !my_gtid_set_equal(comparison->set, comparison->mark->gtids);
    return comparison->differs || ++comparison->mark == comparison->end ? MY_LOG_ENOUGH : 0;
}

/* Does this server have what the sinks have, in their order? 1, 0 or -1. */
static int is_same_log(struct my_stream *stream, const struct marks *marks, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    struct comparison comparison = {.numbering = &start->numbering,
                                    .number = start->number,
                                    .mark = marks->items,
                                    .end = marks->items + marks->n,
                                    .set = my_gtid_set_new(stream->server.flavor, error)};
    int result = comparison.set ? my_gtid_set_parse(comparison.set, cdc_span_text(start->gtids), error) : -1;
    if (result == 0)
        result = my_log_read_after_start(stream, compare, &comparison, error);
    my_gtid_set_free(comparison.set);
    return result < 0 ? -1 : !comparison.differs && comparison.mark == comparison.end;
}

/* -- does the server have what the sinks have? ------------------------------------------------------- */

struct search {
    const struct mark *mark;
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
    if (!my_gtid_set_contains(search->mark->gtids, &gtid))
        return 0;
    if (my_gtid_set_add(search->found, &gtid, error) < 0)
        return -1;
    return my_gtid_set_equal(search->found, search->mark->gtids) ? MY_LOG_ENOUGH : 0;
}

/* MariaDB: 1 when the newest transaction of each domain that the sink has is in this log, too; 0; -1. */
static int finds_in_log(struct my_stream *stream, const struct mark *mark, struct cdc_error *error)
{
    struct search search = {mark, my_gtid_set_new(MY_FLAVOR_MARIADB, error)};
    int result = search.found ? my_gtid_set_parse(search.found, cdc_span_text(stream->start.gtids), error) : -1;
    if (result == 0)
        result = my_log_read_after_start(stream, take_if_wanted, &search, error);
    if (result == 0)
        result = my_gtid_set_equal(search.found, mark->gtids);
    my_gtid_set_free(search.found);
    return result;
}

static int is_executed(struct my_stream *stream, const struct mark *mark, struct cdc_error *error)
{
    struct cdc_buf quoted = CDC_BUF_INIT;
    cdc_buf_byte(&quoted, '\'');
    my_gtid_set_append(&quoted, mark->gtids);
    cdc_buf_lit(&quoted, "'");
    cdc_buf_byte(&quoted, '\0');
    int result = quoted.failed ? cdc_error_memory(error)
                               : my_start_is_subset(stream, quoted.data, "@@GLOBAL.gtid_executed", error);
    cdc_buf_free(&quoted);
    return result;
}

static int check_known(struct my_stream *stream, const struct marks *marks, struct cdc_error *error)
{
    for (size_t i = 0; i < marks->n; i++) {
        int known = stream->server.flavor == MY_FLAVOR_MYSQL ? is_executed(stream, &marks->items[i], error)
                                                             : finds_in_log(stream, &marks->items[i], error);
        if (known < 0)
            return -1;
        if (!known)
            return my_start_lost(error, "a sink has stored transactions that this server does not have");
    }
    return 0;
}

/* -- numbers ------------------------------------------------------------------------------------ */

static int step_behind(struct my_stream *stream, uint64_t number, uint64_t newest, struct cdc_error *error)
{
    uint64_t now = (uint64_t)cdc_clock_wall_ms() * 1000;
    return my_numbering_add(&stream->start.numbering, (struct my_renumbering){number, now > newest ? now : newest + 1},
                            error);
}

/* Sinks that are ahead get again what they have, as if it were new. */
static int count_anew(struct my_stream *stream, uint64_t newest, struct cdc_error *error)
{
    cdc_log(stream->log, CDC_LOG_WARNING,
            "this server has the transactions between the sinks' positions in another order: sinks that are ahead of "
            "others get them again, as new ones; a table without a key may have rows twice there");
    return step_behind(stream, stream->start.number, newest, error);
}

/* Steps that one position knows of and another one does not. And: was what was read last read from another server? That is
 * told by a position behind the newest step that any of them knows. */
static int gather_steps(struct my_stream *stream, const struct marks *marks, bool *moved, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct my_numbering known;
    uint64_t newest = my_numbering_newest(&start->numbering);
    *moved = start->server_uuid[0] && strcmp(start->server_uuid, stream->server.uuid) != 0;
    for (size_t i = 0; i < marks->n; i++) {
        const struct cdc_offset *offset = marks->items[i].offset;
        if (!my_numbering_read(source_of(offset), &known))
            return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of a sink's position '%.80s' is damaged",
                                 offset->pos);
        if (my_numbering_newest(&known) >= newest)
            *moved = marks->items[i].elsewhere;
        if (my_numbering_newest(&known) > newest)
            newest = my_numbering_newest(&known);
        if (my_numbering_merge(&start->numbering, &known, error) < 0)
            return -1;
    }
    return 0;
}

static int number_behind_marks(struct my_stream *stream, const struct marks *marks, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    uint64_t newest = marks->items[marks->n - 1].number;
    bool moved, elsewhere = false;
    if (gather_steps(stream, marks, &moved, error) < 0)
        return -1;
    if (!my_numbering_is_counted(&start->numbering, start->number))
        return count_anew(stream, newest, error);
    for (size_t i = 0; i < marks->n; i++)
        elsewhere |= marks->items[i].elsewhere;
    if (!elsewhere)
        return moved ? step_behind(stream, newest, newest, error) : 0;
    int same = is_same_log(stream, marks, error);
    if (same == 0 && check_known(stream, marks, error) < 0)
        return -1;
    if (same <= 0)
        return same < 0 ? -1 : count_anew(stream, newest, error);
    return moved ? step_behind(stream, newest, newest, error) : 0;
}

int my_failover_number(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct marks marks = {0};
    bool moved = start->server_uuid[0] && strcmp(start->server_uuid, stream->server.uuid) != 0;
    if (moved)
        cdc_log(stream->log, CDC_LOG_INFO, "the log goes on at another server (%s instead of %s)", stream->server.uuid,
                start->server_uuid);
    if (moved && start->number < stream->cut)
        return cdc_error_set(error, CDC_EXIT_IO,
                             "the log goes on at another server within a transaction that is written in part: to be "
                             "started again, so that the sinks drop that part");
    int result = read_marks(stream, &marks, error);
    if (result == 0 && marks.n > 0 && my_start_by_gtid(stream))
        result = number_behind_marks(stream, &marks, error);
    else if (result == 0 && moved)
        result = step_behind(stream, start->number, start->number, error);
    if (!stream->has_start)
        my_numbering_confirm(&start->numbering, start->number);
    free_marks(&marks);
    return result;
}
