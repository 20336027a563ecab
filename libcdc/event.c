/* SPDX-License-Identifier: MIT */
/* One line becomes a view: the members are found while the text is validated. */
#include "json_scan.h"
#include <cdc/event.h>

static const struct {
    const char *text;
    enum cdc_op op;
} op_names[] = {
    {"c", CDC_OP_CREATE},      {"u", CDC_OP_UPDATE},      {"d", CDC_OP_DELETE},
    {"r", CDC_OP_READ},        {"commit", CDC_OP_COMMIT}, {"heartbeat", CDC_OP_HEARTBEAT},
    {"schema", CDC_OP_SCHEMA}, {"t", CDC_OP_TRUNCATE},    {"m", CDC_OP_MESSAGE},
    {"ddl", CDC_OP_DDL},
};

static enum cdc_op op_of(struct cdc_span raw)
{
    if (raw.n == 1)
        switch (raw.p[0]) {
        case 'c': return CDC_OP_CREATE;
        case 'u': return CDC_OP_UPDATE;
        case 'd': return CDC_OP_DELETE;
        case 'r': return CDC_OP_READ;
        default: break;
        }
    for (size_t i = 0; i < sizeof op_names / sizeof op_names[0]; i++)
        if (cdc_json_raw_is(raw, cdc_span_text(op_names[i].text)))
            return op_names[i].op;
    return CDC_OP_UNKNOWN;
}

/* A member of the line or of its source: where its value goes and what it must be. */
enum want { WANT_ANY, WANT_STRING, WANT_OBJECT_OR_NULL, WANT_ARRAY, WANT_INTEGER, WANT_COUNT, WANT_SOURCE };
struct field {
    const char *name;
    size_t n;
    size_t offset;
    enum want want;
};
#define FIELD(text, member, want)                                                                                      \
    {                                                                                                                  \
        text, sizeof text - 1, offsetof(struct cdc_event, member), want                                                \
    }

static const struct field line_fields[] = {
    FIELD("op", op_text, WANT_STRING),
    FIELD("pos", pos, WANT_STRING),
    FIELD("seq", seq, WANT_INTEGER),
    FIELD("ts_ms", ts_ms, WANT_INTEGER),
    FIELD("source", source, WANT_SOURCE),
    FIELD("key", key, WANT_OBJECT_OR_NULL),
    FIELD("before", before, WANT_OBJECT_OR_NULL),
    FIELD("after", after, WANT_OBJECT_OR_NULL),
    FIELD("unchanged", unchanged, WANT_ARRAY),
    FIELD("columns", columns, WANT_ARRAY),
    FIELD("key_columns", key_columns, WANT_ARRAY),
    FIELD("message", message, WANT_ANY),
    FIELD("events", events, WANT_COUNT),
};
static const struct field source_fields[] = {
    FIELD("connector", connector, WANT_STRING), FIELD("name", name, WANT_STRING),   FIELD("db", db, WANT_STRING),
    FIELD("schema", schema, WANT_STRING),       FIELD("table", table, WANT_STRING), FIELD("txId", tx_id, WANT_ANY),
    FIELD("snapshot", snapshot, WANT_ANY),
};

static bool type_fits(enum want want, struct cdc_span value)
{
    enum cdc_json_type type = cdc_json_type(value);
    int64_t number;

    switch (want) {
    case WANT_STRING: return type == CDC_JSON_STRING;
    case WANT_SOURCE: return type == CDC_JSON_OBJECT;
    case WANT_OBJECT_OR_NULL: return type == CDC_JSON_OBJECT || type == CDC_JSON_NULL;
    case WANT_ARRAY: return type == CDC_JSON_ARRAY;
    case WANT_COUNT: return cdc_json_int64(value, &number) && number >= 0;
    default: return true;
    }
}

static inline bool field_is(const struct field *field, struct cdc_span name)
{
    return field->n == name.n && field->name[0] == name.p[0] && memcmp(field->name, name.p, name.n) == 0;
}

/* Writers keep one order of fields: the search begins behind the field found last, *next. */
static const struct field *find_field(const struct field *fields, size_t n, struct cdc_span name, size_t *next)
{
    if (*next < n && field_is(&fields[*next], name))
        return &fields[(*next)++];
    for (size_t i = 0; i < n; i++)
        if (field_is(&fields[i], name)) {
            *next = i + 1;
            return &fields[i];
        }
    if (name.n != 0 && memchr(name.p, '\\', name.n) != NULL) /* a name written with escapes is the same name */
        for (size_t i = 0; i < n; i++)
            if (cdc_json_raw_is(name, cdc_span(fields[i].name, fields[i].n)))
                return &fields[i];
    return NULL;
}

static int wrong_type(const struct field *field, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "field \"%s\" has the wrong type", field->name);
}

static int store(struct cdc_event *event, const struct field *field, struct cdc_span value, struct cdc_error *error)
{
    void *target = (char *)event + field->offset;

    if (field->want == WANT_INTEGER) {
        int64_t number;
        if (!cdc_json_int64(value, &number) || (target == &event->seq && number < 0))
            return wrong_type(field, error);
        memcpy(target, &number, sizeof number);
        event->has_seq |= target == &event->seq;
        return 0;
    }
    if (!type_fits(field->want, value))
        return wrong_type(field, error);
    if (field->want == WANT_STRING)
        value = cdc_span(value.p + 1, value.n - 2);
    memcpy(target, &value, sizeof value);
    return 0;
}

static int bad_json(const char *line, const char *where, const char *why, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "bad JSON at byte %zu of the line: %s", (size_t)(where - line), why);
}

/* One pass over the members of the line (or of its source, in_source): validates and stores. p: after the opening
 * brace. Returns the byte after the closing one, or NULL with the error set. */
static const char *parse_object(struct cdc_event *event, const char *p, const char *end, bool in_source,
                                struct cdc_error *error)
{
    const char *line = event->line.p;
    const struct field *fields = in_source ? source_fields : line_fields;
    size_t n = in_source ? sizeof source_fields / sizeof source_fields[0] : sizeof line_fields / sizeof line_fields[0];
    struct json_fault fault = {NULL, NULL};
    size_t next = 0;

    p = json_skip_space(p, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        if (p == end || *p != '"')
            return bad_json(line, p, "a member name was expected", error), NULL;
        const char *name_end = json_scan_string(p + 1, end, &fault);
        if (name_end == NULL)
            return bad_json(line, fault.where, fault.why, error), NULL;
        struct cdc_span name = {p + 1, (size_t)(name_end - p) - 2};
        p = json_skip_space(name_end, end);
        if (p == end || *p != ':')
            return bad_json(line, p, "':' was expected", error), NULL;
        const char *start = json_skip_space(p + 1, end);
        const struct field *field = find_field(fields, n, name, &next);
        if (field != NULL && field->want == WANT_SOURCE && start < end && *start == '{') {
            p = parse_object(event, start + 1, end, true, error);
            if (p == NULL)
                return NULL;
        } else if ((p = json_scan_value(start, end, in_source ? 2 : 1, &fault)) == NULL) {
            return bad_json(line, fault.where, fault.why, error), NULL;
        }
        if (field != NULL) {
            struct cdc_span value = {start, (size_t)(p - start)};
            /* Debezium writes null into its source where it knows nothing. */
            bool nothing = in_source && *start == 'n';
            if (!nothing && store(event, field, value, error) != 0)
                return in_source ? cdc_error_prefix(error, "source") : 0, NULL;
        }
        p = json_skip_space(p, end);
        if (p == end || (*p != ',' && *p != '}'))
            return bad_json(line, p, "',' or '}' was expected", error), NULL;
        if (*p++ == '}')
            return p;
        p = json_skip_space(p, end);
    }
}

int cdc_event_parse(struct cdc_event *event, const char *line, size_t n, struct cdc_error *error)
{
    const char *end = line + n;
    const char *p = json_skip_space(line, end);

    memset(event, 0, sizeof *event);
    event->line = cdc_span(line, n);
    if (p == end || *p != '{')
        return cdc_error_set(error, CDC_EXIT_DATA, "the line is not a JSON object");
    p = parse_object(event, p + 1, end, false, error);
    if (p == NULL)
        return -1;
    p = json_skip_space(p, end);
    if (p != end)
        return bad_json(line, p, "text after the object", error);
    if (event->op_text.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has no \"op\"");
    event->op = op_of(event->op_text);
    return 0;
}

bool cdc_event_has_row(const struct cdc_event *event)
{
    return event->op == CDC_OP_CREATE || event->op == CDC_OP_UPDATE || event->op == CDC_OP_DELETE ||
           event->op == CDC_OP_READ;
}
