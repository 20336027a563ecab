/* SPDX-License-Identifier: MIT */
/* Requests under way: while the server is busy with one, the next lines are read, and sent in another one.
 *
 *   lines 1..3333      sent, under way
 *   lines 3334..6666   read meanwhile; sent, unless one of their ids is under way: then that is waited for first
 *   lines 6667..10000  ... and so on; at a delivery all are waited for
 *
 * No two of them have an id in common. So whatever becomes of one (not taken now, refused, its answer lost) is between
 * that request and the server: it is judged, and sent again, as any other (send.c), and nothing that comes later in the
 * input for the same documents is on its way before. They are judged in the order of the input.
 *
 * Only plain batches take part: whole documents and deletes, under an id that stays. One that must look at the index before
 * or after (columns that the log omits, a key that changes, an id that two rows had, a table that is read again, an index
 * that may have an ingest pipeline) is sent alone, and so is what one request cannot hold. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"

#define TURN_EVENTS 32 /* events from one turn to the next */

int es_flights_open(struct es_sink *sink, const struct es_settings *settings, struct cdc_error *error)
{
    struct es_flights *flights = &sink->flights;

    if (settings->requests < 2)
        return 0;
    /* A delivery waits for all: of its lines one part is read while the others are under way. */
    flights->part_lines = settings->most_lines / (settings->requests + 1) + 1;
    flights->part_bytes = settings->most_bytes / (settings->requests + 1) + 1;
    flights->items = calloc(settings->requests, sizeof *flights->items);
    if (flights->items == NULL)
        return cdc_error_memory(error);
    while (flights->n < settings->requests) {
        struct es_flight *flight = &flights->items[flights->n++];
        if (http_client_open_beside(&flight->client, sink->client, error) != 0 ||
            es_batch_init(&flight->batch, settings, error) != 0)
            return -1;
    }
    return 0;
}

void es_flights_close(struct es_sink *sink)
{
    for (size_t i = 0; i < sink->flights.n; i++) {
        struct es_flight *flight = &sink->flights.items[i];
        http_client_close(&flight->client);
        es_batch_free(&flight->batch);
        cdc_buf_free(&flight->body);
    }
    free(sink->flights.items);
}

bool es_flights_is_plain(const struct es_sink *sink, const struct es_item *item, const struct cdc_event *event)
{
    return item->kind != ES_MERGE && item->old_n == 0 && item->look == ES_NO_LOOK &&
           !es_places_watched((const struct es_table *)item->table) &&
           (event->op != CDC_OP_READ || es_index_ids_read(sink->index_ids, item->table->target) == NULL);
}

bool es_flights_is_part(const struct es_sink *sink)
{
    const struct es_batch *batch = &sink->batch;
    /* One that does not fit into a request must be sent alone. Lines are longer than what becomes of them. */
    size_t bytes = sink->flights.part_bytes < sink->limit.now ? sink->flights.part_bytes : sink->limit.now;

    return sink->flights.n > 0 && batch->plain &&
           (batch->lines.n >= sink->flights.part_lines || batch->lines.bytes.len >= bytes);
}

void es_flights_turn(struct es_sink *sink)
{
    if (sink->flights.under_way > 0 && ++sink->flights.events % TURN_EVENTS == 0)
        http_client_turn(sink->client);
}

static struct es_flight *flight_at(struct es_flights *flights, size_t index)
{
    return &flights->items[(flights->first + index) % flights->n];
}

/* The flight's batch and request become those in hand, and those in hand wait in the flight; and back. */
static void swap_batch(struct es_sink *sink, struct es_flight *flight)
{
    struct es_batch batch = sink->batch;
    struct cdc_buf body = sink->body;

    sink->batch = flight->batch;
    flight->batch = batch;
    sink->body = flight->body;
    flight->body = body;
}

/* The oldest one, to its end. */
static int settle_first(struct es_sink *sink, struct cdc_error *error)
{
    struct es_flight *flight = flight_at(&sink->flights, 0);
    struct http_client *client = sink->client;
    bool watch = sink->watch; /* of the batch in hand */

    swap_batch(sink, flight);
    sink->client = &flight->client;
    sink->watch = false;
    sink->asked = flight->asked;
    int result = es_send_batch(sink, error);
    sink->watch = watch;
    sink->client = client;
    swap_batch(sink, flight);
    es_batch_clear(&flight->batch);
    flight->body.len = flight->client.response.len = 0;
    cdc_buf_shrink(&flight->body, HTTP_BATCH_KEEP);
    cdc_buf_shrink(&flight->client.response, HTTP_BATCH_KEEP);
    sink->flights.first = (sink->flights.first + 1) % sink->flights.n;
    sink->flights.under_way--;
    sink->flights.failed |= result != 0;
    return result;
}

static int check_failed(const struct es_sink *sink, struct cdc_error *error)
{
    return sink->flights.failed ? cdc_error_set(error, CDC_EXIT_TEMPORARY, "what was not sent comes again") : 0;
}

int es_flights_settle(struct es_sink *sink, struct cdc_error *error)
{
    while (!sink->flights.failed && sink->flights.under_way > 0)
        if (settle_first(sink, error) != 0)
            return -1;
    return check_failed(sink, error);
}

/* Under whatever routing: two may lead to one shard, where the two ids are one document. */
static bool has_id_of(const struct es_batch *batch, const struct cdc_table *table, struct cdc_span id)
{
    return es_batch_has_seen(batch, table, id) || es_batch_has_seen_any(batch, table, id);
}

/* Is an id of the batch in hand under way? */
static bool is_under_way(struct es_sink *sink)
{
    const struct es_batch *batch = &sink->batch;

    for (size_t k = 0; k < sink->flights.under_way; k++)
        for (size_t i = 0; i < batch->lines.n; i++)
            if (has_id_of(&flight_at(&sink->flights, k)->batch, batch->items[i].table,
                          es_batch_id(batch, &batch->items[i])))
                return true;
    return false;
}

static int begin(struct es_sink *sink, struct es_flight *flight, struct cdc_error *error)
{
    struct http_client *client = sink->client;
    uint64_t number = sink->batch.number;

    sink->client = &flight->client;
    int result = es_send_begin(sink, error);
    sink->client = client;
    if (result != 0)
        return -1;
    flight->asked = sink->asked;
    es_written_note(&sink->written, &sink->batch);
    swap_batch(sink, flight);
    sink->batch.number = number + 1; /* no other batch has had it */
    sink->flights.under_way++;
    return 0;
}

int es_flights_begin(struct es_sink *sink, struct cdc_error *error)
{
    struct es_flights *flights = &sink->flights;

    if (check_failed(sink, error) != 0)
        return -1;
    if (flights->n == 0 || !sink->batch.plain)
        return 0;
    int whole = es_send_build(sink, error);
    if (whole != 1)
        return whole;
    while (flights->under_way == flights->n || is_under_way(sink))
        if (settle_first(sink, error) != 0)
            return -1;
    return begin(sink, flight_at(flights, flights->under_way), error) == 0 ? 1 : -1;
}
