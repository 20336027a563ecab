/* SPDX-License-Identifier: MIT */
/* One line becomes a view: the members are found while the text is validated. */
#include "json_scan.h"
#include <cdc/event.h>

static const struct {
    const char *text;
    enum cdc_op op;
} op_names[] = {
    {"c", CDC_OP_CREATE}, {"u", CDC_OP_UPDATE}, {"d", CDC_OP_DELETE}, {"r", CDC_OP_READ},
    {"commit", CDC_OP_COMMIT}, {"heartbeat", CDC_OP_HEARTBEAT}, {"schema", CDC_OP_SCHEMA},
    {"t", CDC_OP_TRUNCATE}, {"m", CDC_OP_MESSAGE}, {"ddl", CDC_OP_DDL},
};

static enum cdc_op op_of(struct cdc_span raw)
{
    for (size_t i = 0; i < sizeof op_names / sizeof op_names[0]; i++)
        if (cdc_json_raw_is(raw, cdc_span_text(op_names[i].text)))
            return op_names[i].op;
    return CDC_OP_UNKNOWN;
}

/* A member of the line or of its source: where its value goes and what it must be. */
enum want { WANT_ANY, WANT_STRING, WANT_OBJECT, WANT_OBJECT_OR_NULL, WANT_ARRAY, WANT_INTEGER };
struct field {
    const char *name;
    size_t n;
    size_t offset;
    enum want want;
};
#define FIELD(text, member, want) {text, sizeof text - 1, offsetof(struct cdc_event, member), want}

static const struct field line_fields[] = {
    FIELD("op", op_text, WANT_STRING), FIELD("pos", pos, WANT_STRING), FIELD("source", source, WANT_OBJECT),
    FIELD("key", key, WANT_OBJECT_OR_NULL), FIELD("before", before, WANT_OBJECT_OR_NULL),
    FIELD("after", after, WANT_OBJECT_OR_NULL), FIELD("unchanged", unchanged, WANT_ARRAY),
    FIELD("columns", columns, WANT_ARRAY), FIELD("key_columns", key_columns, WANT_ARRAY),
    FIELD("message", message, WANT_ANY), FIELD("events", events, WANT_INTEGER),
};
static const struct field source_fields[] = {
    FIELD("connector", connector, WANT_STRING), FIELD("name", name, WANT_STRING), FIELD("db", db, WANT_STRING),
    FIELD("schema", schema, WANT_STRING), FIELD("table", table, WANT_STRING),
    FIELD("snapshot", snapshot, WANT_ANY), FIELD("txId", tx_id, WANT_ANY),
};

static bool type_fits(enum want want, struct cdc_span value)
{
    enum cdc_json_type type = cdc_json_type(value);
    int64_t number;

    switch (want) {
    case WANT_STRING: return type == CDC_JSON_STRING;
    case WANT_OBJECT: return type == CDC_JSON_OBJECT;
    case WANT_OBJECT_OR_NULL: return type == CDC_JSON_OBJECT || type == CDC_JSON_NULL;
    case WANT_ARRAY: return type == CDC_JSON_ARRAY;
    case WANT_INTEGER: return cdc_json_int64(value, &number);
    default: return true;
    }
}

static const struct field *find_field(const struct field *fields, size_t n, struct cdc_span name)
{
    for (size_t i = 0; i < n; i++)
        if (fields[i].n == name.n && memcmp(fields[i].name, name.p, name.n) == 0)
            return &fields[i];
    if (name.n != 0 && memchr(name.p, '\\', name.n) != NULL) /* a name written with escapes is the same name */
        for (size_t i = 0; i < n; i++)
            if (cdc_json_raw_is(name, cdc_span(fields[i].name, fields[i].n)))
                return &fields[i];
    return NULL;
}

static int store(struct cdc_event *event, const struct field *field, struct cdc_span value, struct cdc_error *error)
{
    if (!type_fits(field->want, value))
        return cdc_error_set(error, CDC_EXIT_DATA, "field \"%s\" has the wrong type", field->name);
    if (field->want == WANT_STRING)
        value = cdc_json_string_raw(value);
    memcpy((char *)event + field->offset, &value, sizeof value);
    return 0;
}

static int store_number(struct cdc_event *event, struct cdc_span name, struct cdc_span value, struct cdc_error *error)
{
    if (cdc_json_raw_is(name, cdc_span_text("seq"))) {
        event->has_seq = cdc_json_int64(value, &event->seq) && event->seq >= 0;
        if (!event->has_seq)
            return cdc_error_set(error, CDC_EXIT_DATA, "field \"seq\" is no integer of 0..2^63-1");
    } else if (cdc_json_raw_is(name, cdc_span_text("ts_ms")) && !cdc_json_int64(value, &event->ts_ms)) {
        return cdc_error_set(error, CDC_EXIT_DATA, "field \"ts_ms\" is no integer");
    }
    return 0;
}

static int bad_json(const char *line, const struct json_fault *fault, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "bad JSON at byte %zu of the line: %s", (size_t)(fault->where - line),
                         fault->why);
}

static int parse_source(struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    cdc_json_iter(&iter, event->source);
    while (cdc_json_next_member(&iter, &name, &value)) {
        const struct field *field =
            find_field(source_fields, sizeof source_fields / sizeof source_fields[0], name);
        if (field == NULL)
            continue;
        if (cdc_json_type(value) == CDC_JSON_NULL)
            continue; /* Debezium writes null where it knows nothing */
        if (store(event, field, value, error) != 0)
            return cdc_error_prefix(error, "source");
    }
    return 0;
}

/* p: after the opening brace. Returns 0 when the object is closed and nothing follows. */
static int parse_members(struct cdc_event *event, const char *line, const char *p, const char *end,
                         struct cdc_error *error)
{
    struct json_fault fault = {"',' or '}' was expected", p};
    bool first = true;

    for (;;) {
        p = json_skip_space(p, end);
        if (p < end && *p == '}' && first)
            break;
        fault.where = p;
        if (p == end || *p != '"')
            return fault.why = "a member name was expected", bad_json(line, &fault, error);
        const char *name_end = json_scan_string(p + 1, end, &fault);
        if (name_end == NULL)
            return bad_json(line, &fault, error);
        struct cdc_span name = {p + 1, (size_t)(name_end - p) - 2};
        p = json_skip_space(name_end, end);
        if (p == end || *p != ':')
            return fault.why = "':' was expected", fault.where = p, bad_json(line, &fault, error);
        const char *start = json_skip_space(p + 1, end);
        p = json_scan_value(start, end, 1, &fault);
        if (p == NULL)
            return bad_json(line, &fault, error);
        struct cdc_span value = {start, (size_t)(p - start)};
        const struct field *field = find_field(line_fields, sizeof line_fields / sizeof line_fields[0], name);
        if ((field != NULL ? store(event, field, value, error) : store_number(event, name, value, error)) != 0)
            return -1;
        first = false;
        p = json_skip_space(p, end);
        if (p < end && *p == ',') {
            p++;
            continue;
        }
        break;
    }
    if (p == end || *p != '}')
        return fault.why = "',' or '}' was expected", fault.where = p, bad_json(line, &fault, error);
    p = json_skip_space(p + 1, end);
    if (p != end)
        return fault.why = "text after the object", fault.where = p, bad_json(line, &fault, error);
    return 0;
}

int cdc_event_parse(struct cdc_event *event, const char *line, size_t n, struct cdc_error *error)
{
    const char *end = line + n;
    const char *p = json_skip_space(line, end);

    memset(event, 0, sizeof *event);
    event->line = cdc_span(line, n);
    if (p == end || *p != '{')
        return cdc_error_set(error, CDC_EXIT_DATA, "the line is not a JSON object");
    if (parse_members(event, line, p + 1, end, error) != 0)
        return -1;
    if (event->op_text.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has no \"op\"");
    event->op = op_of(event->op_text);
    return event->source.p != NULL ? parse_source(event, error) : 0;
}

bool cdc_event_has_row(const struct cdc_event *event)
{
    return event->op == CDC_OP_CREATE || event->op == CDC_OP_UPDATE || event->op == CDC_OP_DELETE ||
           event->op == CDC_OP_READ;
}
