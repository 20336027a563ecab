/* SPDX-License-Identifier: MIT */
/* A row's line with some of its members replaced, left out, or put to its end: the others, known or not, byte for byte. */
#include "connectors/sqlite/filter/internal.h"

struct change {
    const char *member;
    struct cdc_span from, to;
};

void parts_of(struct parts *parts, const struct cdc_event *event)
{
    *parts = (struct parts){event->op,        event->key,       event->before,       event->after,
                            event->unchanged, event->json_null, event->json_null_old};
}

static struct cdc_span op_of(const struct cdc_event *event, enum cdc_op op)
{
    if (op == event->op)
        return cdc_span(event->op_text.p - 1, event->op_text.n + 2);
    return op == CDC_OP_CREATE ? cdc_span("\"c\"", 3) : cdc_span("\"d\"", 3);
}

static bool differs(const struct change *change)
{
    return change->to.p != change->from.p;
}

static void append_separator(struct cdc_buf *out, bool *first)
{
    if (!*first)
        cdc_buf_byte(out, ',');
    *first = false;
}

static struct change *find(struct change *changes, size_t n, struct cdc_span name)
{
    for (size_t i = 0; i < n; i++)
        if (differs(&changes[i]) && cdc_json_raw_is(name, cdc_span_text(changes[i].member)))
            return &changes[i];
    return NULL;
}

static void append_members(struct cdc_buf *out, struct cdc_span line, struct change *changes, size_t n)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool first = true;

    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        struct change *change = find(changes, n, name);
        if (change != NULL && change->to.p == NULL)
            continue;
        append_separator(out, &first);
        cdc_buf_byte(out, '"');
        cdc_buf_span(out, name);
        cdc_buf_lit(out, "\":");
        cdc_buf_span(out, change != NULL ? change->to : value);
    }
    for (size_t i = 0; i < n; i++) {
        if (changes[i].from.p != NULL || changes[i].to.p == NULL)
            continue;
        append_separator(out, &first);
        cdc_buf_printf(out, "\"%s\":", changes[i].member);
        cdc_buf_span(out, changes[i].to);
    }
}

void parts_append(struct cdc_buf *out, const struct cdc_event *event, const struct parts *parts)
{
    struct change changes[] = {{"op", op_of(event, event->op), op_of(event, parts->op)},
                               {"key", event->key, parts->key},
                               {"before", event->before, parts->before},
                               {"after", event->after, parts->after},
                               {"unchanged", event->unchanged, parts->unchanged},
                               {"json_null", event->json_null, parts->json_null},
                               {"json_null_old", event->json_null_old, parts->json_null_old}};
    struct cdc_span line = event->line;

    while (line.n > 0 && *line.p != '{') { /* white space before the object */
        line.p++;
        line.n--;
    }
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    cdc_buf_byte(out, '{');
    append_members(out, line, changes, sizeof changes / sizeof changes[0]);
    cdc_buf_byte(out, '}');
}
