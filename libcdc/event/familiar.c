/* SPDX-License-Identifier: MIT */
/* The lines of a table are much like each other. All lines of a transaction have the same text in this place:
 *
 *   "seq":28072120,"ts_ms":1795825812341,"source":{"connector":"postgresql",...,"table":"items",...,"snapshot":"false"}
 *
 * and all lines of a table the first half of source. What is byte for byte what a line before had there, and began in the same state
 * of the parser, ends in the same state: it is compared with memcmp and not parsed again. Nothing else is concluded from lines before, so
 * that a line is judged as if it were the only one. Which text to compare with is guessed from which table came after which. */
#include "libcdc/event/familiar.h"

#include <stdlib.h>

#include <cdc/hash.h>

#define HEAD_MAX 4096 /* longer ones are not kept */

static const size_t span_offsets[FAMILIAR_SPANS] = {
    offsetof(struct cdc_event, connector), offsetof(struct cdc_event, name),   offsetof(struct cdc_event, db),
    offsetof(struct cdc_event, schema),    offsetof(struct cdc_event, table),  offsetof(struct cdc_event, snapshot),
    offsetof(struct cdc_event, tx_id),     offsetof(struct cdc_event, source),
};

static inline struct cdc_span *span_of(struct cdc_event *event, unsigned i)
{
    return (struct cdc_span *)(void *)((char *)event + span_offsets[i]);
}

struct cdc_event_parser *cdc_event_parser_new(struct cdc_error *error)
{
    struct cdc_event_parser *parser = calloc(1, sizeof *parser);

    if (parser == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    parser->pairs = (struct json_pairs){parser->items, 0, FAMILIAR_PAIRS};
    return parser;
}

void cdc_event_parser_free(struct cdc_event_parser *parser)
{
    if (parser == NULL)
        return;
    for (size_t i = 0; i < FAMILIAR_TABLES; i++) {
        struct familiar *table = parser->tables[i];
        for (unsigned k = 0; table != NULL && k < CDC_EVENT_ROWS; k++)
            json_names_free(&table->rows[k]);
        if (table != NULL)
            cdc_buf_free(&table->head);
        free(table);
    }
    free(parser);
}

void familiar_begin_line(struct cdc_event_parser *parser)
{
    parser->last = parser->current;
    parser->current = NULL;
    parser->pairs.n = 0;
    for (unsigned i = 0; i < CDC_EVENT_ROWS; i++)
        parser->rows[i].p = NULL;
}

/* Of the first n spans. p: where the text that is at `at` in the head is in the line. */
static inline void put_spans(const struct familiar *table, size_t at, const char *p, struct cdc_event *event,
                             unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct familiar_span *span = &table->spans[i];
        *span_of(event, i) = span->at == SIZE_MAX ? cdc_span(NULL, 0) : cdc_span(p + (span->at - at), span->n);
    }
}

static inline const struct familiar *guess(const struct cdc_event_parser *parser)
{
    return parser->last != NULL ? parser->last->next : NULL;
}

const char *familiar_skip_head(struct cdc_event_parser *parser, const char *p, const char *end, struct cdc_event *event)
{
    const struct familiar *table = guess(parser);

    if (table == NULL || table->head.len == 0 || (size_t)(end - p) < table->head.len ||
        memcmp(p, table->head.data, table->head.len) != 0)
        return NULL;
    event->has_seq = table->has_seq;
    event->seq = table->seq;
    event->ts_ms = table->ts_ms;
    put_spans(table, 0, p, event, FAMILIAR_SPANS);
    parser->current = parser->last->next;
    return p + table->head.len;
}

const char *familiar_skip_names(const struct cdc_event_parser *parser, const char *p, const char *end,
                                struct cdc_event *event)
{
    const struct familiar *table = guess(parser);

    if (table == NULL || table->names_n == 0 || (size_t)(end - p) < table->names_n)
        return NULL;
    size_t at = table->spans[FAMILIAR_SOURCE].at;
    if (memcmp(p, table->head.data + at, table->names_n) != 0)
        return NULL;
    put_spans(table, at, p, event, FAMILIAR_TABLE + 1);
    return p + table->names_n;
}

/* That of the table's names; NULL without memory. */
static struct familiar *table_of(struct cdc_event_parser *parser, const struct cdc_event *event)
{
    struct cdc_span of = event->schema.p != NULL ? event->schema : event->db;
    uint64_t hash = cdc_hash_span(cdc_hash_span(CDC_HASH_INIT, of), event->table);
    struct familiar **table = &parser->tables[cdc_hash_fold(hash) & (FAMILIAR_TABLES - 1)];

    if (*table == NULL)
        *table = calloc(1, sizeof **table);
    return *table;
}

/* Are all names before that place in the head, and not given once more after it? */
static bool names_are_before(const struct familiar *table, size_t end)
{
    for (unsigned i = 0; i <= FAMILIAR_TABLE; i++)
        if (table->spans[i].at != SIZE_MAX && table->spans[i].at > end)
            return false;
    return true;
}

void familiar_learn_head(struct cdc_event_parser *parser, const char *head, const char *after,
                         const struct cdc_event *event)
{
    struct familiar *table = table_of(parser, event);
    struct cdc_event view = *event;
    size_t n = (size_t)(after - head);

    parser->current = table;
    if (table == NULL)
        return;
    if (parser->last != NULL)
        parser->last->next = table;
    table->head.len = table->names_n = 0;
    if (n > HEAD_MAX)
        return;
    cdc_buf_append(&table->head, head, n);
    if (table->head.failed)
        return;
    table->has_seq = event->has_seq;
    table->seq = event->seq;
    table->ts_ms = event->ts_ms;
    for (unsigned i = 0; i < FAMILIAR_SPANS; i++) {
        const struct cdc_span *span = span_of(&view, i);
        table->spans[i] = span->p != NULL ? (struct familiar_span){(size_t)(span->p - head), span->n}
                                          : (struct familiar_span){SIZE_MAX, 0};
    }
    if (parser->names_end != NULL && names_are_before(table, (size_t)(parser->names_end - head)))
        table->names_n = (size_t)(parser->names_end - event->source.p);
}

const char *familiar_scan_row(struct cdc_event_parser *parser, unsigned which, const char *p, const char *end)
{
    if (parser->current == NULL)
        return NULL;
    struct json_pairs *pairs = &parser->pairs;
    struct cdc_event_row *row = &parser->rows[which];
    size_t first = pairs->n;
    uint64_t shape;
    const char *after = json_scan_row(p, end, 1, &parser->current->rows[which], pairs, &shape);

    row->p = NULL;
    if (after != NULL && pairs->n <= pairs->size)
        *row = (struct cdc_event_row){p, pairs->items + first, pairs->n - first, shape};
    else
        pairs->n = first < pairs->size ? first : pairs->size;
    return after;
}
