/* SPDX-License-Identifier: MIT */
/* One line becomes a view: the members are found while the text is validated, so each byte is looked at once. Writers
 * keep one order of members, so each name is compared with the one that the table has next, 16 bytes at once; any
 * other order is only slower. Of
 *
 *   {"op":"c","pos":"...","seq":7,"ts_ms":1,"source":{"name":"shop",...},"key":{"id":1},"after":{"id":1}}
 *
 * the view has spans: op_text is c, name is shop, key is {"id":1}. Rows are not looked into: whoever needs a column
 * walks there. */
#include "libcdc/event/familiar.h"
#include "libcdc/json/json_scan.h"

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
    /* Nearly every line is one of these four. */
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
enum want {
    WANT_ANY,
    WANT_STRING,
    WANT_OBJECT_OR_NULL,
    WANT_ROW, /* an object or null, too */
    WANT_ARRAY,
    WANT_INTEGER,
    WANT_COUNT,
    WANT_SOURCE,
    WANT_NOTHING /* known, so that the members after it are found at once */
};
#define TOKEN_SIZE 16
struct field {
    char token[TOKEN_SIZE + 1]; /* the name as writers write it: in quotes, with the colon */
    size_t token_n;
    size_t offset;
    enum want want;
};
#define FIELD(name, member, want)                                                                                      \
    {                                                                                                                  \
        "\"" name "\":", sizeof name + 2, offsetof(struct cdc_event, member), want                                     \
    }

/* In the order of the contract. */
enum { FIELD_SEQ = 2, FIELD_SOURCE = 4, FIELD_KEY, FIELD_TABLE = 4 /* in source */ };
static const struct field line_fields[] = {
    FIELD("op", op_text, WANT_STRING),
    FIELD("pos", pos, WANT_STRING),
    FIELD("seq", seq, WANT_INTEGER),
    FIELD("ts_ms", ts_ms, WANT_INTEGER),
    FIELD("source", source, WANT_SOURCE),
    FIELD("key", key, WANT_ROW),
    FIELD("before", before, WANT_ROW),
    FIELD("after", after, WANT_ROW),
    FIELD("unchanged", unchanged, WANT_ARRAY),
    FIELD("json_null", json_null, WANT_ARRAY),
    FIELD("json_null_old", json_null_old, WANT_ARRAY),
    FIELD("columns", columns, WANT_ARRAY),
    FIELD("key_columns", key_columns, WANT_ARRAY),
    FIELD("message", message, WANT_ANY),
    FIELD("events", events, WANT_COUNT),
    FIELD("read", read, WANT_STRING),
    FIELD("part", part, WANT_OBJECT_OR_NULL),
};
static const struct field source_fields[] = {
    FIELD("connector", connector, WANT_STRING),
    FIELD("name", name, WANT_STRING),
    FIELD("db", db, WANT_STRING),
    FIELD("schema", schema, WANT_STRING),
    FIELD("table", table, WANT_STRING),
    FIELD("ts_ms", source, WANT_NOTHING),
    FIELD("txId", tx_id, WANT_ANY),
    FIELD("lsn", source, WANT_NOTHING),
    FIELD("snapshot", snapshot, WANT_ANY),
};

/* The text is valid JSON already, so that the first byte tells the type. */
static bool type_fits(enum want want, struct cdc_span value)
{
    char first = value.p[0];
    int64_t number;

    switch (want) {
    case WANT_STRING: return first == '"';
    case WANT_SOURCE: return first == '{';
    case WANT_ROW:
    case WANT_OBJECT_OR_NULL: return first == '{' || first == 'n';
    case WANT_ARRAY: return first == '[';
    /* commit lines only: how many lines the transaction has; it stays text, since a filter replaces it in place. */
    case WANT_COUNT: return cdc_json_int64(value, &number) && number >= 0;
    default: return true;
    }
}

static inline struct cdc_span name_of(const struct field *field)
{
    return cdc_span(field->token + 1, field->token_n - 3);
}

/* Does the text at p begin with the field's name and the colon? */
static inline bool begins_with(const char *p, const char *end, const struct field *field)
{
#if defined(__SSE2__)
    if (end - p >= TOKEN_SIZE) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i token = _mm_loadu_si128((const __m128i *)(const void *)field->token);
        /* A bit for each byte that is equal; those after the token, which belong to the value, do not count. */
        unsigned wanted = (1u << field->token_n) - 1;
        return ((unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(text, token)) & wanted) == wanted;
    }
#endif
    return (size_t)(end - p) >= field->token_n && memcmp(p, field->token, field->token_n) == 0;
}

/* The field of that name, escapes in it resolved; NULL: none that we know. */
static const struct field *find_field(const struct field *fields, size_t n, struct cdc_span name)
{
    for (size_t i = 0; i < n; i++)
        if (cdc_json_raw_is(name, name_of(&fields[i])))
            return &fields[i];
    return NULL;
}

/* A field that is null is absent, also where an earlier one of that name had a value. */
static void forget(struct cdc_event *event, const struct field *field)
{
    void *target = (char *)event + field->offset;

    if (field->want == WANT_INTEGER)
        memset(target, 0, sizeof(int64_t));
    else
        memset(target, 0, sizeof(struct cdc_span));
    event->has_seq &= target != &event->seq;
}

static int wrong_type(const struct field *field, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "field %.*s has the wrong type", (int)field->token_n - 1, field->token);
}

static int store_any(struct cdc_event *event, const struct field *field, struct cdc_span value, struct cdc_error *error)
{
    void *target = (char *)event + field->offset;

    if (field->want == WANT_INTEGER) {
        int64_t number;
        /* A negative seq, or one with a fraction, could not be a version that only grows. */
        if (!cdc_json_int64(value, &number) || (target == &event->seq && number < 0))
            return *value.p == 'n' ? forget(event, field), 0 : wrong_type(field, error);
        memcpy(target, &number, sizeof number);
        event->has_seq |= target == &event->seq;
        return 0;
    }
    if (field->want == WANT_NOTHING)
        return 0;
    if (!type_fits(field->want, value))
        return *value.p == 'n' ? forget(event, field), 0 : wrong_type(field, error);
    if (field->want == WANT_STRING)
        value = cdc_span(value.p + 1, value.n - 2);
    memcpy(target, &value, sizeof value);
    return 0;
}

/* What most members are is stored without a call. */
static inline int store(struct cdc_event *event, const struct field *field, struct cdc_span value,
                        struct cdc_error *error)
{
    bool is_string = field->want == WANT_STRING && *value.p == '"';
    bool is_row = field->want == WANT_ROW && (*value.p == '{' || *value.p == 'n');

    if (field->want == WANT_NOTHING)
        return 0;
    if (!is_string && !is_row && field->want != WANT_ANY)
        return store_any(event, field, value, error);
    if (is_string)
        value = cdc_span(value.p + 1, value.n - 2);
    memcpy((char *)event + field->offset, &value, sizeof value);
    return 0;
}

/* Rows, and lists of their columns. */
static inline bool has_columns(const struct field *field)
{
    return field->want == WANT_ROW || field->want == WANT_ARRAY || field->want == WANT_OBJECT_OR_NULL;
}

static inline struct cdc_span value_of(const struct cdc_event *event, const struct field *field)
{
    struct cdc_span value;

    memcpy(&value, (const char *)event + field->offset, sizeof value);
    return value;
}

static int bad_json(const char *line, const char *where, const char *why, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "bad JSON at byte %zu of the line: %s", (size_t)(where - line), why);
}

/* The members of one kind of object, and where the search for the next one begins. */
struct members {
    const struct field *fields;
    size_t n, next;
};

static const char *expected(struct json_fault *fault, const char *why, const char *where)
{
    *fault = (struct json_fault){why, where};
    return NULL;
}

/* A name that is not the next one in order, or not written without white space. */
static const char *take_other_name(const char *p, const char *end, struct members *members, const struct field **field,
                                   struct json_fault *fault)
{
    if (p == end || *p != '"')
        return expected(fault, "a member name was expected", p);
    const char *after = json_scan_string(p + 1, end, fault);
    if (after == NULL)
        return NULL;
    *field = find_field(members->fields, members->n, cdc_span(p + 1, (size_t)(after - p) - 2));
    /* The search goes on after it: a line without `before` is found to be one at `after`, and from there the order
     * holds again. */
    if (*field != NULL)
        members->next = (size_t)(*field - members->fields) + 1;
    p = json_skip_space(after, end);
    if (p == end || *p != ':')
        return expected(fault, "':' was expected", p);
    return json_skip_space(p + 1, end);
}

/* Takes a member's name and colon. Writers keep one order, so the name is nearly always the next one of the table.
 * Returns the first byte of the value, or NULL with fault set; *field is NULL for a member that we do not know. */
static inline const char *take_name(const char *p, const char *end, struct members *members, const struct field **field,
                                    struct json_fault *fault)
{
    if (members->next == members->n || !begins_with(p, end, &members->fields[members->next]))
        return take_other_name(p, end, members, field, fault);
    *field = &members->fields[members->next++];
    p += (*field)->token_n;
    return p < end && (unsigned char)*p > ' ' ? p : json_skip_space(p, end);
}

/* p: at a value. Most members are strings, or positive integers: no switch on the type for them. */
static inline const char *scan_member(const char *p, const char *end, int depth, struct json_fault *fault)
{
    if (p < end && *p == '"')
        return json_scan_string(p + 1, end, fault);
    const char *after = json_skip_integer(p, end);
    if (after != NULL && after < end && (*after == ',' || *after == '}'))
        return after;
    return json_scan_value(p, end, depth, fault);
}

/* "source" again, as the last of several counts: nothing of the first stays. */
static void forget_source(struct cdc_event *event)
{
    event->connector = event->name = event->db = event->schema = event->table = event->snapshot = event->tx_id =
        cdc_span(NULL, 0);
}

/* What a parse has come to so far. */
struct parse {
    struct cdc_event *event;
    struct cdc_event_parser *parser; /* NULL: the line is the only one */
    const char *head; /* where "seq" stands, as long as only what belongs to the head has come; else NULL */
    size_t head_next; /* the field that has to come next */
    bool wrong_type;  /* with the error; it is none where the op turns out to be unknown */
    struct cdc_error *error;
};

/* After a value: to the next name. The closing brace instead: *ended, and the byte after it. NULL with the error set. */
static inline const char *take_mark(const struct parse *parse, const char *p, const char *end, bool *ended)
{
    *ended = false;
    if (end - p >= 2 && p[0] == ',' && p[1] == '"')
        return p + 1;
    p = json_skip_space(p, end);
    if (p == end || (*p != ',' && *p != '}'))
        return bad_json(parse->event->line.p, p, "',' or '}' was expected", parse->error), NULL;
    *ended = *p++ == '}';
    return *ended ? p : json_skip_space(p, end);
}

/* The names, if the source begins as that of the line that is expected. */
static const char *skip_names(const struct parse *parse, const char *brace, const char *end, struct members *members)
{
    const char *after = parse->parser != NULL ? familiar_skip_names(parse->parser, brace, end, parse->event) : NULL;

    if (after == NULL)
        return NULL;
    parse->parser->names_end = after;
    members->next = FIELD_TABLE + 1;
    return after;
}

static void note_names_end(const struct parse *parse, const struct field *field, const char *p)
{
    const struct cdc_event *event = parse->event;

    if (parse->parser != NULL && field == &source_fields[FIELD_TABLE])
        parse->parser->names_end = event->snapshot.p == NULL && event->tx_id.p == NULL ? p : NULL;
}

/* The members of source, whose brace is at p: as parse_line. */
static const char *parse_source(struct parse *parse, const char *brace, const char *end)
{
    struct members members = {source_fields, sizeof source_fields / sizeof source_fields[0], 0};
    struct json_fault fault = {NULL, NULL};
    bool ended = false;
    const char *p = skip_names(parse, brace, end, &members);

    if (p != NULL && ((p = take_mark(parse, p, end, &ended)) == NULL || ended))
        return p;
    if (p == NULL) {
        p = json_skip_space(brace + 1, end);
        if (p < end && *p == '}')
            return p + 1;
    }
    for (;;) {
        const struct field *field;
        const char *start = take_name(p, end, &members, &field, &fault);
        p = start != NULL ? scan_member(start, end, 2, &fault) : NULL;
        if (p == NULL)
            return bad_json(parse->event->line.p, fault.where, fault.why, parse->error), NULL;
        /* Debezium writes null into its source where it knows nothing. */
        if (field != NULL && *start != 'n') {
            /* The first one is the error; what comes after it may be the op, which decides whether it is one. */
            if (store(parse->event, field, cdc_span(start, (size_t)(p - start)), parse->error) != 0) {
                if (!parse->wrong_type)
                    cdc_error_prefix(parse->error, "source");
                parse->wrong_type = true;
            }
            note_names_end(parse, field, p);
        }
        if ((p = take_mark(parse, p, end, &ended)) == NULL || ended)
            return p;
    }
}

/* The value of a member of the line; NULL with the error set. */
static inline const char *take_value(struct parse *parse, const struct field *field, const char *start, const char *end)
{
    struct json_fault fault = {NULL, NULL};
    const char *p = NULL;

    if (field != NULL && field->want == WANT_SOURCE && start < end && *start == '{') {
        forget_source(parse->event);
        if (parse->parser != NULL)
            parse->parser->names_end = NULL;
        return parse_source(parse, start, end);
    }
    if (field != NULL && field->want == WANT_ROW && end - start > 4 && memcmp(start, "null", 4) == 0)
        return start + 4;
    if (field != NULL && field->want == WANT_ROW && parse->parser != NULL && start < end && *start == '{')
        p = familiar_scan_row(parse->parser, (unsigned)(field - &line_fields[FIELD_KEY]), start, end);
    if (p == NULL)
        p = scan_member(start, end, 1, &fault);
    return p != NULL ? p : (bad_json(parse->event->line.p, fault.where, fault.why, parse->error), NULL);
}

/* "seq", "ts_ms" and "source", if they are those of the line that is expected; and where they begin. */
static inline const char *skip_head(struct parse *parse, const char *p, const char *end, struct members *members)
{
    if (parse->parser == NULL || members->next != FIELD_SEQ)
        return NULL;
    const char *after = familiar_skip_head(parse->parser, p, end, parse->event);
    parse->head = after == NULL ? p : NULL;
    parse->head_next = FIELD_SEQ;
    if (after != NULL)
        members->next = FIELD_SOURCE + 1;
    return after;
}

/* A member has been stored. */
static inline void note_head(struct parse *parse, const struct members *members, const struct field *field,
                             const char *p)
{
    if (parse->head == NULL)
        return;
    if (field == NULL || field != &members->fields[parse->head_next]) {
        parse->head = NULL;
    } else if (parse->head_next++ == FIELD_SOURCE) {
        if (!parse->wrong_type)
            familiar_learn_head(parse->parser, parse->head, p, parse->event);
        parse->head = NULL;
    }
}

/* One pass over the members of the line: validates and stores. p: after the opening brace. Returns the byte after the closing one, or
 * NULL with the error set. */
static const char *parse_line(struct parse *parse, const char *p, const char *end)
{
    struct members members = {line_fields, sizeof line_fields / sizeof line_fields[0], 0};
    struct json_fault fault = {NULL, NULL};
    bool ended;

    p = json_skip_space(p, end);
    if (p < end && *p == '}')
        return p + 1;
    for (;;) {
        const char *after = skip_head(parse, p, end, &members);
        if (after == NULL) {
            const struct field *field;
            const char *start = take_name(p, end, &members, &field, &fault);
            if (start == NULL)
                return bad_json(parse->event->line.p, fault.where, fault.why, parse->error), NULL;
            if ((after = take_value(parse, field, start, end)) == NULL)
                return NULL;
            parse->event->repeats |= field != NULL && has_columns(field) && value_of(parse->event, field).p != NULL;
            /* The first one is the error; what comes after it may be the op, which decides whether it is one. */
            if (field != NULL &&
                store(parse->event, field, cdc_span(start, (size_t)(after - start)), parse->error) != 0)
                parse->wrong_type = true;
            note_head(parse, &members, field, after);
        }
        if ((p = take_mark(parse, after, end, &ended)) == NULL || ended)
            return p;
    }
}

/* With the size known, compilers write an instruction that takes as long as all the rest of a familiar line. */
static const volatile size_t event_size = sizeof(struct cdc_event);

static int parse_event(struct parse *parse, const char *line, size_t n)
{
    struct cdc_event *event = parse->event;
    struct cdc_error *error = parse->error;
    const char *end = line + n;
    const char *p = json_skip_space(line, end);

    memset(event, 0, event_size);
    event->line = cdc_span(line, n);
    if (p == end || *p != '{')
        return cdc_error_set(error, CDC_EXIT_DATA, "the line is not a JSON object");
    p = parse_line(parse, p + 1, end);
    if (p == NULL)
        return -1;
    p = json_skip_space(p, end);
    if (p != end)
        return bad_json(line, p, "text after the object", error);
    /* An unknown op is fine, since later versions may have more; none at all is no event line. */
    if (event->op_text.p == NULL)
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has no \"op\"");
    event->op = op_of(event->op_text);
    if (parse->wrong_type && event->op != CDC_OP_UNKNOWN)
        return -1;
    /* Of a newer version, which may use a name for something else. */
    if (parse->wrong_type)
        cdc_error_clear(error);
    return 0;
}

int cdc_event_parse(struct cdc_event *event, const char *line, size_t n, struct cdc_error *error)
{
    struct parse parse = {.event = event, .error = error};

    return parse_event(&parse, line, n);
}

int cdc_event_parser_next(struct cdc_event_parser *parser, struct cdc_event *event, const char *line, size_t n,
                          struct cdc_error *error)
{
    struct parse parse = {.event = event, .parser = parser, .error = error};

    familiar_begin_line(parser);
    int result = parse_event(&parse, line, n);
    event->rows = parser->rows;
    return result;
}

void cdc_event_append_once(struct cdc_buf *out, const struct cdc_event *event)
{
    struct cdc_span line = event->line, name, value;
    struct cdc_json_iter iter;
    const char *comma = "{";

    /* White space may stand before the object. */
    while (line.n > 0 && *line.p != '{')
        line = cdc_span(line.p + 1, line.n - 1);
    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        const struct field *field = find_field(line_fields, sizeof line_fields / sizeof line_fields[0], name);
        if (field != NULL && has_columns(field) && value_of(event, field).p != value.p)
            continue;
        cdc_buf_text(out, comma);
        cdc_buf_append(out, name.p - 1, name.n + 2);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
        comma = ",";
    }
    cdc_buf_byte(out, '}');
}

const struct cdc_event_row *cdc_event_row_of(const struct cdc_event *event, struct cdc_span row)
{
    for (unsigned i = 0; event->rows != NULL && row.p != NULL && i < CDC_EVENT_ROWS; i++)
        if (event->rows[i].p == row.p)
            return &event->rows[i];
    return NULL;
}

void cdc_event_iter_begin(struct cdc_json_iter *iter, const struct cdc_event *event, struct cdc_span row)
{
    const struct cdc_event_row *known = cdc_event_row_of(event, row);

    if (known != NULL)
        *iter = (struct cdc_json_iter){row.p, row.p, known->pairs, known->pairs + known->n};
    else
        cdc_json_iter_begin(iter, row);
}

bool cdc_event_has_row(const struct cdc_event *event)
{
    return event->op == CDC_OP_CREATE || event->op == CDC_OP_UPDATE || event->op == CDC_OP_DELETE ||
           event->op == CDC_OP_READ;
}

bool cdc_event_is_of_database(const struct cdc_event *event)
{
    return event->op == CDC_OP_TRUNCATE && event->table.p == NULL && event->db.n > 0;
}

static bool is_excepted(const struct cdc_event *event, const char *table)
{
    struct cdc_span list = cdc_json_member(event->line, "except"), item;
    struct cdc_json_iter iter;

    if (list.p == NULL || cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    for (cdc_json_iter_begin(&iter, list); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p != NULL && cdc_json_raw_is(raw, cdc_span_text(table)))
            return true;
    }
    return false;
}

int cdc_event_of_table(const struct cdc_event *event, const char *schema, const char *table, struct cdc_buf *scratch,
                       struct cdc_event *one, struct cdc_error *error)
{
    if (is_excepted(event, table))
        return 0;
    scratch->len = 0;
    cdc_json_append_text(scratch, schema, strlen(schema));
    size_t at = scratch->len;
    cdc_json_append_text(scratch, table, strlen(table));
    if (scratch->failed)
        return cdc_error_memory(error);
    *one = *event;
    one->schema = at > 2 ? cdc_span(scratch->data + 1, at - 2) : cdc_span(NULL, 0);
    one->table = cdc_span(scratch->data + at + 1, scratch->len - at - 2);
    return 1;
}

bool cdc_event_ends_read(const struct cdc_event *event)
{
    return event->op == CDC_OP_TRUNCATE && cdc_span_is(event->read, "dropped");
}

bool cdc_event_is_of_read(const struct cdc_event *event)
{
    if (event->op == CDC_OP_SCHEMA)
        return cdc_span_is(event->read, "end");
    if (event->op != CDC_OP_TRUNCATE)
        return false;
    struct cdc_span snapshot = cdc_json_string_raw(event->snapshot);
    return cdc_span_is(event->read, "begin") || cdc_span_is(event->read, "live") ||
           (snapshot.n > 0 && !cdc_span_is(snapshot, "false"));
}

size_t cdc_event_placeholder(const char *p, const struct cdc_event *event, struct cdc_span *raw)
{
    const struct {
        const char *text;
        struct cdc_span value;
    } known[] = {
        {"{db}", event ? event->db : cdc_span(NULL, 0)},
        {"{schema}", event == NULL             ? cdc_span(NULL, 0)
                     : event->schema.p != NULL ? event->schema
                                               : event->db},
        {"{table}", event ? event->table : cdc_span(NULL, 0)},
        {"{name}", event ? event->name : cdc_span(NULL, 0)},
    };

    for (size_t i = 0; *p == '{' && i < sizeof known / sizeof known[0]; i++)
        if (strncmp(p, known[i].text, strlen(known[i].text)) == 0) {
            *raw = known[i].value;
            return strlen(known[i].text);
        }
    return 0;
}
