/* SPDX-License-Identifier: MIT */
/* A line is written anew from the members that cdc-event(5) has. Others are left out, and so is all but the last of a member that
 * is repeated: nobody could say what is in them. */
#include "libcdc/privacy/internal.h"
#include <cdc/part.h>

/* Which lines have a member. */
enum { ROW = 1, SCHEMA = 2, TRUNCATE = 4, DDL = 8, ALL = ROW | SCHEMA | TRUNCATE | DDL };

enum kind {
    KIND_COPY,
    KIND_NUMBER,
    KIND_SOURCE,
    KIND_ROW,
    KIND_NAMES,
    KIND_NULLS,
    KIND_COLUMNS,
    KIND_STATEMENT,
    KIND_TABLES,
    KIND_PART
};
static const struct member {
    const char *name;
    size_t n;
    enum kind kind;
    unsigned lines;
    size_t span;   /* of struct cdc_event, of the value that counts; NO_SPAN: it has none */
    size_t quotes; /* 1: the span is between the quotes */
} members[] = {
#define NAME(text) text, sizeof text - 1
#define NO_SPAN SIZE_MAX
#define SPAN(member) offsetof(struct cdc_event, member)
    {NAME("op"), KIND_COPY, ALL, SPAN(op_text), 1},
    {NAME("pos"), KIND_COPY, ALL, SPAN(pos), 1},
    {NAME("seq"), KIND_NUMBER, ALL, NO_SPAN, 0},
    {NAME("ts_ms"), KIND_NUMBER, ALL, NO_SPAN, 0},
    {NAME("source"), KIND_SOURCE, ALL, SPAN(source), 0},
    {NAME("key"), KIND_ROW, ROW, SPAN(key), 0},
    {NAME("before"), KIND_ROW, ROW, SPAN(before), 0},
    {NAME("after"), KIND_ROW, ROW, SPAN(after), 0},
    {NAME("unchanged"), KIND_NAMES, ROW, SPAN(unchanged), 0},
    {NAME("json_null"), KIND_NULLS, ROW, SPAN(json_null), 0},
    {NAME("json_null_old"), KIND_NULLS, ROW, SPAN(json_null_old), 0},
    {NAME("columns"), KIND_COLUMNS, SCHEMA, SPAN(columns), 0},
    {NAME("key_columns"), KIND_NAMES, SCHEMA, SPAN(key_columns), 0},
    {NAME("read"), KIND_COPY, SCHEMA | TRUNCATE, SPAN(read), 1},
    {NAME("since"), KIND_NUMBER, SCHEMA, NO_SPAN, 0},
    {NAME("except"), KIND_TABLES, TRUNCATE, NO_SPAN, 0},
    {NAME("part"), KIND_PART, SCHEMA | TRUNCATE, SPAN(part), 0},
    {NAME("ddl"), KIND_STATEMENT, DDL, NO_SPAN, 0},
    {NAME("db"), KIND_COPY, DDL, NO_SPAN, 0},
};
#define MEMBERS (sizeof members / sizeof members[0])
static const struct member untouched = {NULL, 0, KIND_COPY, ALL, NO_SPAN, 0};

/* Of source, ours and Debezium's; not its `query`, a statement. In the order in which they come. */
static const struct {
    const char *name;
    size_t n;
} source_members[] = {
    {NAME("connector")}, {NAME("name")}, {NAME("db")},     {NAME("schema")},   {NAME("table")},
    {NAME("ts_ms")},     {NAME("txId")}, {NAME("lsn")},    {NAME("gtid")},     {NAME("server_id")},
    {NAME("file")},      {NAME("pos")},  {NAME("row")},    {NAME("snapshot")}, {NAME("version")},
    {NAME("sequence")},  {NAME("xmin")}, {NAME("thread")}, {NAME("ts_us")},    {NAME("ts_ns")},
};
#define SOURCE_MEMBERS (sizeof source_members / sizeof source_members[0])

/* An escape is longer than what it stands for. */
static inline bool name_is(struct cdc_span raw, const char *name, size_t n)
{
    if (raw.n <= n)
        return raw.n == n && memcmp(raw.p, name, n) == 0;
    return memchr(raw.p, '\\', raw.n) != NULL && cdc_json_raw_is(raw, cdc_span(name, n));
}

/* One line on its way. */
struct pass {
    struct cdc_privacy *privacy;
    struct table *table; /* NULL: of none */
    const struct cdc_event *event;
    struct cdc_buf *out;
    struct cdc_buf nulls[2]; /* with --decrypt: names of columns that were JSON's null, of the row and of the old one */
    struct cdc_error *error;
};

/* With its quotes, which stand around it in the line. */
static void append_name(struct cdc_buf *out, struct cdc_span raw)
{
    cdc_buf_append(out, raw.p - 1, raw.n + 2);
}

/* -- rows ------------------------------------------------------------------------------------ */

static bool has_name(struct cdc_span names, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);)
        if (cdc_json_type(item) == CDC_JSON_STRING && cdc_json_raw_equal(cdc_json_string_raw(item), raw))
            return true;
    return false;
}

static struct cdc_span member_of(struct cdc_span row, struct cdc_span plain)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, found = {NULL, 0};

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_is(name, plain))
            found = value;
    return found;
}

/* The value of --subject in that row. The key has it as well, but in an update it is the new row's. */
static struct cdc_span subject_of(const struct pass *pass, struct cdc_span row)
{
    const struct cdc_event *event = pass->event;
    struct cdc_span found = member_of(row, pass->table->subject);

    if (found.p == NULL && (event->op != CDC_OP_UPDATE || row.p == event->after.p))
        found = member_of(event->key, pass->table->subject);
    return found;
}

static int append_value(struct pass *pass, struct cdc_span row, struct cdc_span raw, const struct column *column,
                        struct cdc_span value, struct cdc_span subject)
{
    const struct cdc_event *event = pass->event;
    bool old = event->op == CDC_OP_UPDATE && row.p == event->before.p, json_null = false;

    if (column == NULL) {
        int result = value_open(pass->privacy, pass->out, event, pass->table, raw, value, &json_null, pass->error);
        if (json_null) {
            cdc_buf_byte(&pass->nulls[old], ',');
            append_name(&pass->nulls[old], raw);
        }
        return result;
    }
    if (row.p == event->key.p && !action_keeps_identity(column->action))
        return key_is_lost(pass->table, raw, column, pass->error);
    json_null = cdc_json_is_null(value) && has_name(old ? event->json_null_old : event->json_null, raw);
    return value_append(pass->privacy, pass->out, event, pass->table, column, value, subject, json_null, pass->error);
}

static int append_row(struct pass *pass, struct cdc_span row)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value, subject = {NULL, 0};
    const char *comma = "";
    bool sought = false; /* the subject, which is one for the row */

    if (cdc_json_type(row) != CDC_JSON_OBJECT) {
        cdc_buf_span(pass->out, row);
        return 0;
    }
    cdc_buf_byte(pass->out, '{');
    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value); comma = ",") {
        while (!table_allows(&pass->privacy->tables, pass->table, name))
            if (!cdc_json_next_member(&iter, &name, &value)) {
                cdc_buf_byte(pass->out, '}');
                return 0;
            }
        const struct column *column = table_column(pass->table, name);
        if (!sought && column != NULL && column->action == ACTION_ENCRYPT) {
            subject = subject_of(pass, row);
            sought = true;
        }
        cdc_buf_text(pass->out, comma);
        append_name(pass->out, name);
        cdc_buf_byte(pass->out, ':');
        if (column == NULL && !table_opens(pass->table, name))
            cdc_buf_span(pass->out, value);
        else if (append_value(pass, row, name, column, value, subject) != 0)
            return -1;
    }
    cdc_buf_byte(pass->out, '}');
    return 0;
}

/* A row without a key is found by all of its values, and each time that one is encrypted it is another. */
static int check_encrypted(const struct pass *pass)
{
    const struct cdc_event *event = pass->event;
    const struct table *table = pass->table;

    if (!table->encrypts || (event->op != CDC_OP_UPDATE && event->op != CDC_OP_DELETE) || !cdc_json_is_null(event->key))
        return 0;
    cdc_error_set(pass->error, CDC_EXIT_CONFIG,
                  "a row of table \"%.*s\" was changed or deleted, and has no key: encrypted, it could not be found",
                  (int)table->names.plain_table.n, table->names.plain_table.p);
    return cdc_error_hint(pass->error, "give the table a primary key, or use --mask COLUMN=hash");
}

/* A value that the line does not have stays encrypted for the old subject. */
static int check_moved(const struct pass *pass)
{
    const struct cdc_event *event = pass->event;
    const struct table *table = pass->table;

    if (!table->encrypts || event->op != CDC_OP_UPDATE || event->unchanged.p == NULL)
        return 0;
    struct cdc_span was = member_of(event->before, table->subject), is = member_of(event->after, table->subject);
    if (was.p == NULL || is.p == NULL || cdc_span_equal(was, is))
        return 0;
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].action == ACTION_ENCRYPT) {
            struct cdc_json_iter iter;
            struct cdc_span item;
            for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);)
                if (cdc_json_raw_is(cdc_json_string_raw(item), table->columns[i].name)) {
                    cdc_error_set(
                        pass->error, CDC_EXIT_CONFIG,
                        "a row of table \"%.*s\" got another subject, and the log has not its column \"%.*s\"",
                        (int)table->names.plain_table.n, table->names.plain_table.p, (int)table->columns[i].name.n,
                        table->columns[i].name.p);
                    return cdc_error_hint(
                        pass->error, "the log must have whole rows: REPLICA IDENTITY FULL, or binlog_row_image=FULL");
                }
        }
    return 0;
}

/* -- lists --------------------------------------------------------------------------------------- */

/* nulls: of values that are SQL's NULL, or no null at all, from here on. */
static void append_names(struct pass *pass, struct cdc_span names, bool nulls)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *comma = "";

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        if (raw.p == NULL || !table_allows(&pass->privacy->tables, pass->table, raw) ||
            (nulls && table_column(pass->table, raw) != NULL))
            continue;
        cdc_buf_text(pass->out, comma);
        append_name(pass->out, raw);
        comma = ",";
    }
}

/* Tables of a database that was dropped, those that are listed. */
static void append_tables(struct pass *pass, struct cdc_span names)
{
    const struct rules *rules = &pass->privacy->rules;
    struct cdc_buf table = CDC_BUF_INIT, db = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;
    const char *comma = "";

    cdc_json_unescape(&db, pass->event->db);
    cdc_buf_byte(pass->out, '[');
    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);) {
        struct cdc_span raw = cdc_json_string_raw(item);
        bool listed = false;
        table.len = 0;
        cdc_json_unescape(&table, raw);
        for (size_t i = 0; i < rules->n && !listed; i++)
            listed = rules->items[i].action == ACTION_ONLY &&
                     rule_applies(&rules->items[i], cdc_span(db.data, db.len), cdc_span(table.data, table.len));
        if (raw.p == NULL || !listed)
            continue;
        cdc_buf_text(pass->out, comma);
        cdc_buf_span(pass->out, item);
        comma = ",";
    }
    cdc_buf_byte(pass->out, ']');
    pass->out->failed |= table.failed || db.failed;
    cdc_buf_free(&table);
    cdc_buf_free(&db);
}

/* -- part ----------------------------------------------------------------------------------------- */

static int part_is_lost(const struct table *table, struct cdc_span raw, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "column \"%.*s\" says of which table a row of \"%.*s\" is, and does not leave so that it still would",
                  (int)raw.n, raw.p, (int)table->names.plain_table.n, table->names.plain_table.p);
    return cdc_error_hint(error,
                          "list it, with --mask COLUMN=hash or --tokenize if it must not be seen; a database that "
                          "was dropped needs it as it is");
}

/* Which rows the line is about must be said as the rows have it: of {"column":"source_table","value":"shop1.orders"} the value becomes
 * what that column's does. */
static int append_part(struct pass *pass, struct cdc_span value)
{
    struct cdc_part part;
    int got = cdc_part_read(&part, pass->event, pass->error);

    if (got < 0)
        return -1;
    const struct column *column = got == 1 && pass->table != NULL ? table_column(pass->table, part.column) : NULL;
    if (got == 1 && pass->table != NULL &&
        (!table_allows(&pass->privacy->tables, pass->table, part.column) ||
         (column != NULL && (!action_keeps_identity(column->action) || part.value.p == NULL))))
        return part_is_lost(pass->table, part.column, pass->error);
    if (column == NULL) {
        cdc_buf_span(pass->out, value);
        return 0;
    }
    cdc_buf_lit(pass->out, "{\"column\":");
    append_name(pass->out, part.column);
    cdc_buf_lit(pass->out, ",\"value\":");
    if (value_append(pass->privacy, pass->out, pass->event, pass->table, column, cdc_json_member(value, "value"),
                     cdc_span(NULL, 0), false, pass->error) != 0)
        return -1;
    cdc_buf_byte(pass->out, '}');
    return 0;
}

/* -- source ---------------------------------------------------------------------------------------- */

static bool is_source_member(struct cdc_span name, size_t *next)
{
    for (size_t i = 0; i < SOURCE_MEMBERS; i++) {
        size_t at = *next + i < SOURCE_MEMBERS ? *next + i : *next + i - SOURCE_MEMBERS;
        if (name_is(name, source_members[at].name, source_members[at].n)) {
            *next = at + 1;
            return true;
        }
    }
    return false;
}

static bool is_plain(struct cdc_span value)
{
    enum cdc_json_type type = cdc_json_type(value);

    return type != CDC_JSON_OBJECT && type != CDC_JSON_ARRAY;
}

static bool may_leave(struct cdc_span name, struct cdc_span value, size_t *next)
{
    return is_source_member(name, next) && is_plain(value);
}

/* Byte for byte, where nothing has to be left out. */
static void append_source(struct cdc_buf *out, struct cdc_span source)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;
    const char *comma = "";
    bool all = true;

    for (cdc_json_iter_begin(&iter, source); all && cdc_json_next_member(&iter, &name, &value);)
        all = may_leave(name, value, &next);
    if (all) {
        cdc_buf_span(out, source);
        return;
    }
    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, source); cdc_json_next_member(&iter, &name, &value);) {
        if (!may_leave(name, value, &next))
            continue;
        cdc_buf_text(out, comma);
        append_name(out, name);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, value);
        comma = ",";
    }
    cdc_buf_byte(out, '}');
}

/* -- the line -------------------------------------------------------------------------------------- */

static unsigned lines_of(enum cdc_op op)
{
    switch (op) {
    case CDC_OP_SCHEMA: return SCHEMA;
    case CDC_OP_TRUNCATE: return TRUNCATE;
    case CDC_OP_DDL: return DDL;
    default: return ROW;
    }
}

/* Of a line of that kind, the member that counts; NULL: it is none, or a later one does. */
static const struct member *find_member(const struct cdc_event *event, struct cdc_span name, struct cdc_span value,
                                        size_t *next)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct member *member = &members[*next + i < MEMBERS ? *next + i : *next + i - MEMBERS];
        if (!name_is(name, member->name, member->n))
            continue;
        *next = (size_t)(member - members) + 1;
        if ((member->lines & lines_of(event->op)) == 0)
            return NULL;
        if (member->kind == KIND_NUMBER)
            return cdc_json_type(value) == CDC_JSON_NUMBER ? member : NULL;
        if (member->span == NO_SPAN)
            return member->kind != KIND_COPY || cdc_json_type(value) == CDC_JSON_STRING ? member : NULL;
        struct cdc_span span;
        memcpy(&span, (const char *)event + member->span, sizeof span);
        return span.p == value.p + member->quotes ? member : NULL;
    }
    return NULL;
}

static int append_member(struct pass *pass, const struct member *member, struct cdc_span value)
{
    struct cdc_buf *out = pass->out;

    switch (member->kind) {
    case KIND_COPY:
    case KIND_NUMBER: cdc_buf_span(out, value); return 0;
    case KIND_SOURCE: append_source(out, value); return 0;
    case KIND_ROW: return append_row(pass, value);
    case KIND_COLUMNS: schema_append_columns(pass->privacy, pass->table, value, out); return 0;
    case KIND_STATEMENT: cdc_buf_lit(out, "\"\""); return 0;
    case KIND_TABLES: append_tables(pass, value); return 0;
    case KIND_PART: return append_part(pass, value);
    default:
        cdc_buf_byte(out, '[');
        append_names(pass, value, member->kind == KIND_NULLS);
        cdc_buf_byte(out, ']');
        return 0;
    }
}

/* With --decrypt these come last, as what they say is known only then. */
static void append_nulls(struct pass *pass)
{
    static const char *const names[] = {",\"json_null\":[", ",\"json_null_old\":["};
    const struct cdc_span lists[] = {pass->event->json_null, pass->event->json_null_old};

    for (int i = 0; i < 2; i++) {
        if (lists[i].p == NULL && pass->nulls[i].len == 0)
            continue;
        cdc_buf_text(pass->out, names[i]);
        size_t begin = pass->out->len;
        append_names(pass, lists[i], true);
        bool first = pass->out->len == begin;
        pass->out->failed |= pass->nulls[i].failed;
        if (pass->nulls[i].len > 0)
            cdc_buf_append(pass->out, pass->nulls[i].data + first, pass->nulls[i].len - first);
        cdc_buf_byte(pass->out, ']');
    }
}

static int append_members(struct pass *pass)
{
    bool decrypt = pass->privacy->settings.decrypt;
    struct cdc_span line = pass->event->line, name, value;
    struct cdc_json_iter iter;
    const char *comma = "";
    size_t next = 0;

    /* White space may stand around the object. */
    while (line.n > 0 && *line.p != '{')
        line = cdc_span(line.p + 1, line.n - 1);
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    cdc_buf_byte(pass->out, '{');
    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);) {
        const struct member *member = find_member(pass->event, name, value, &next);
        if (decrypt && (member == NULL || member->kind == KIND_SOURCE))
            member = &untouched;
        if (member == NULL || (decrypt && member->kind == KIND_NULLS))
            continue;
        cdc_buf_text(pass->out, comma);
        append_name(pass->out, name);
        cdc_buf_byte(pass->out, ':');
        if (append_member(pass, member, value) != 0)
            return -1;
        comma = ",";
    }
    if (decrypt)
        append_nulls(pass);
    cdc_buf_byte(pass->out, '}');
    return 0;
}

int line_append(struct cdc_privacy *privacy, struct table *table, const struct cdc_event *event, struct cdc_buf *out,
                struct cdc_error *error)
{
    struct pass pass = {.privacy = privacy, .table = table, .event = event, .out = out, .error = error};

    if (!cdc_buf_room(out, event->line.n + 64))
        return cdc_error_memory(error);
    if (table != NULL && (check_encrypted(&pass) != 0 || check_moved(&pass) != 0))
        return -1;
    int result = append_members(&pass);
    cdc_buf_free(&pass.nulls[0]);
    cdc_buf_free(&pass.nulls[1]);
    return result == 0 && out->failed ? cdc_error_memory(error) : result;
}
