/* SPDX-License-Identifier: MIT */
/* What the lines before let expect of the next one. */
#ifndef FAMILIAR_H
#define FAMILIAR_H

#include "libcdc/json/json_row.h"
#include <cdc/event.h>

/* Members of source that a view has, and source itself. */
enum {
    FAMILIAR_CONNECTOR,
    FAMILIAR_NAME,
    FAMILIAR_DB,
    FAMILIAR_SCHEMA,
    FAMILIAR_TABLE,
    FAMILIAR_SNAPSHOT,
    FAMILIAR_TX_ID,
    FAMILIAR_SOURCE,
    FAMILIAR_SPANS
};

/* Of the newest line of a table. */
struct familiar {
    struct familiar *next; /* whose line came after, the last time */
    /* The text from "seq" to the end of source, and what it says. Nothing in it: none. */
    struct cdc_buf head;
    struct familiar_span {
        size_t at, n; /* in head; at SIZE_MAX: absent */
    } spans[FAMILIAR_SPANS];
    bool has_seq;
    int64_t seq, ts_ms;
    size_t names_n; /* bytes of source up to the end of `table`, if all names are in them; else 0 */
    struct json_names rows[CDC_EVENT_ROWS];
};

#define FAMILIAR_TABLES 64 /* a power of two */
#define FAMILIAR_PAIRS 1024

struct cdc_event_parser {
    struct familiar
        *tables[FAMILIAR_TABLES]; /* by a hash of the names: two may take turns in one place. NULL: none yet */
    struct familiar *last;        /* of the line before; NULL: it had none */
    struct familiar *current;     /* of the line in hand, once its source is known */
    const char *names_end;        /* in the source in hand: after `table`; NULL: not usable */
    struct cdc_event_row rows[CDC_EVENT_ROWS]; /* of the line in hand */
    struct json_pairs pairs;
    struct cdc_json_pair items[FAMILIAR_PAIRS];
};

void familiar_begin_line(struct cdc_event_parser *parser);
/* p: where the text may be the head of the line that is expected. Then the event gets what it says, and the byte after it is returned;
 * else NULL. */
const char *familiar_skip_head(struct cdc_event_parser *parser, const char *p, const char *end,
                               struct cdc_event *event);
/* The same with the names in source, whose brace is at p. */
const char *familiar_skip_names(const struct cdc_event_parser *parser, const char *p, const char *end,
                                struct cdc_event *event);
/* The text at head, up to after, was "seq", "ts_ms" and "source" alone, in this order, and all of it is in the event. */
void familiar_learn_head(struct cdc_event_parser *parser, const char *head, const char *after,
                         const struct cdc_event *event);
/* Scans a row (0: key, 1: before, 2: after) and finds its members: the byte after it, or NULL where the plain scanner has to. */
const char *familiar_scan_row(struct cdc_event_parser *parser, unsigned which, const char *p, const char *end);

#endif
