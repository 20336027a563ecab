/* SPDX-License-Identifier: MIT */
/* The outbox pattern (--outbox): an application inserts what it has to tell into a table, in the transaction of what it has changed. Of
 *
 *   {"op":"c","pos":"7",...,"source":{...,"table":"outbox",...},"key":{"id":"e1"},
 *    "after":{"id":"e1","aggregatetype":"order","aggregateid":"17","type":"OrderPlaced","payload":{...}}}
 *
 * comes, where it is the first of its kind, a schema line, and
 *
 *   {"op":"c","pos":"7.2",...,"source":{...,"table":"outbox.event.order",...},"key":{"id":"e1"},"after":{...}}
 *
 * The rows are deleted sometime, which says nothing; and never changed. */
#include <stdlib.h>

#include "libcdc/shape/internal.h"
#include <cdc/pattern.h>

#define EVENTS_MAX 10000 /* kinds */

enum { ID, KIND, AGGREGATE, TYPE, PAYLOAD, COLUMNS };
static const char *const default_columns[COLUMNS] = {"id", "aggregatetype", "aggregateid", "type", "payload"};

struct seen {
    struct line_table table; /* FIRST */
    bool is_outbox;
    bool described;
    bool is_read;                 /* rows of it came from a snapshot */
    struct cdc_buf columns, keys; /* of its newest schema line; keys as the events have them */
    uint64_t version;             /* counts its schema lines */
    /* of one that was made: */
    const struct seen *from;
    uint64_t told; /* the version whose schema line has left */
};

struct cdc_outbox {
    struct cdc_outbox_settings settings;
    char *names[COLUMNS];
    const char *prefix;
    bool *used;
    uint64_t updates;
    size_t n_kinds;
    struct line_tables tables;
    struct cdc_buf name; /* of the event in hand, as it stands in a line */
};

/* -- settings ------------------------------------------------------------------------------------ */

static void release(struct line_table *table)
{
    struct seen *seen = (struct seen *)table;

    cdc_buf_free(&seen->columns);
    cdc_buf_free(&seen->keys);
}

static int take_column(struct cdc_outbox *outbox, const char *item, struct cdc_error *error)
{
    const char *equals = strchr(item, '=');

    for (int i = 0; equals != NULL && equals[1] != '\0' && cdc_utf8_valid(item, strlen(item)) && i < COLUMNS; i++)
        if (cdc_span_is(cdc_span(item, (size_t)(equals - item)), default_columns[i])) {
            free(outbox->names[i]);
            outbox->names[i] = strdup(equals + 1);
            return outbox->names[i] != NULL ? 0 : cdc_error_memory(error);
        }
    cdc_error_set(error, CDC_EXIT_USAGE, "--outbox-column: \"%.100s\" does not say how one of them is called", item);
    return cdc_error_hint(error, "write id=NAME, aggregatetype=NAME, aggregateid=NAME, type=NAME or payload=NAME");
}

static int take_settings(struct cdc_outbox *outbox, struct cdc_error *error)
{
    const struct cdc_outbox_settings *settings = &outbox->settings;

    for (size_t i = 0; i < settings->tables.count; i++)
        if (settings->tables.items[i][0] == '\0' ||
            !cdc_utf8_valid(settings->tables.items[i], strlen(settings->tables.items[i])))
            return cdc_error_set(error, CDC_EXIT_USAGE, "--outbox: \"%.100s\" names no table",
                                 settings->tables.items[i]);
    if (!cdc_utf8_valid(outbox->prefix, strlen(outbox->prefix)) ||
        (settings->key != NULL && !cdc_utf8_valid(settings->key, strlen(settings->key))))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--outbox-prefix and --outbox-key are texts in UTF-8");
    for (int i = 0; i < COLUMNS; i++)
        if ((outbox->names[i] = strdup(default_columns[i])) == NULL)
            return cdc_error_memory(error);
    for (size_t i = 0; i < settings->columns.count; i++)
        if (take_column(outbox, settings->columns.items[i], error) != 0)
            return -1;
    outbox->used = calloc(settings->tables.count + 1, sizeof *outbox->used);
    return outbox->used != NULL ? 0 : cdc_error_memory(error);
}

struct cdc_outbox *cdc_outbox_new(const struct cdc_outbox_settings *settings, struct cdc_error *error)
{
    struct cdc_outbox *outbox = calloc(1, sizeof *outbox);

    if (outbox == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    outbox->settings = *settings;
    outbox->prefix = settings->prefix != NULL ? settings->prefix : "outbox.event.";
    outbox->tables.size = sizeof(struct seen);
    outbox->tables.of_source = true;
    outbox->tables.release = release;
    if (take_settings(outbox, error) == 0)
        return outbox;
    cdc_outbox_free(outbox);
    return NULL;
}

void cdc_outbox_free(struct cdc_outbox *outbox)
{
    if (outbox == NULL)
        return;
    line_tables_free(&outbox->tables);
    for (int i = 0; i < COLUMNS; i++)
        free(outbox->names[i]);
    cdc_buf_free(&outbox->name);
    free(outbox->used);
    free(outbox);
}

uint64_t cdc_outbox_updates(const struct cdc_outbox *outbox)
{
    return outbox->updates;
}

/* -- tables -------------------------------------------------------------------------------------- */

static int refuse(const struct seen *table, int status, const char *what, const char *hint, struct cdc_error *error)
{
    cdc_error_set(error, status, "--outbox: table \"%.*s\" %s", (int)table->table.plain_table.n,
                  table->table.plain_table.p, what);
    return hint != NULL ? cdc_error_hint(error, "%s", hint) : -1;
}

static bool has_column(const struct cdc_event *event, const char *name)
{
    struct cdc_json_iter iter;
    struct cdc_span column;

    for (cdc_json_iter_begin(&iter, event->columns); cdc_json_next_element(&iter, &column);)
        if (cdc_json_raw_is(cdc_json_member_raw(column, "name"), cdc_span_text(name)))
            return true;
    return false;
}

static int take_schema(struct cdc_outbox *outbox, struct seen *table, const struct cdc_event *event,
                       struct cdc_error *error)
{
    const char *key = outbox->settings.key;

    for (int i = 0; i <= COLUMNS; i++) {
        const char *name = i < COLUMNS ? outbox->names[i] : key;
        if (name == NULL || has_column(event, name))
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG, "--outbox: table \"%.*s\" has no column \"%s\"",
                      (int)table->table.plain_table.n, table->table.plain_table.p, name);
        return cdc_error_hint(error, "say with --outbox-column how its columns are called");
    }
    table->columns.len = table->keys.len = 0;
    cdc_buf_span(&table->columns, event->columns);
    if (key != NULL) {
        cdc_buf_byte(&table->keys, '[');
        cdc_json_append_string(&table->keys, key, strlen(key));
        cdc_buf_byte(&table->keys, ']');
    } else
        cdc_buf_span(&table->keys, event->key_columns.p != NULL ? event->key_columns : cdc_span("[]", 2));
    table->described = true;
    table->version++;
    return table->columns.failed || table->keys.failed ? cdc_error_memory(error) : 0;
}

/* -- events -------------------------------------------------------------------------------------- */

/* outbox->name becomes that, escaped, without quotes. */
static void append_prefix(struct cdc_outbox *outbox)
{
    struct cdc_buf *name = &outbox->name;

    name->len = 0;
    cdc_json_append_string(name, outbox->prefix, strlen(outbox->prefix));
    if (name->failed)
        return;
    memmove(name->data, name->data + 1, name->len - 2);
    name->len -= 2;
}

/* outbox->name becomes the name of the event, the same. */
static int name_event(struct cdc_outbox *outbox, const struct seen *table, const struct cdc_event *event,
                      struct cdc_error *error)
{
    struct cdc_span kind = cdc_json_member(event->after, outbox->names[KIND]), raw = cdc_json_string_raw(kind);
    struct cdc_buf *name = &outbox->name;

    if (raw.n == 0 && cdc_json_type(kind) != CDC_JSON_NUMBER)
        return refuse(table, CDC_EXIT_DATA, "has a row whose aggregatetype is no text", NULL, error);
    append_prefix(outbox);
    cdc_buf_span(name, raw.n > 0 ? raw : kind);
    if (shape_has_nul(cdc_span(name->data, name->len)))
        return refuse(table, CDC_EXIT_DATA, "has a row whose aggregatetype has a NUL in it", NULL, error);
    return name->failed ? cdc_error_memory(error) : 0;
}

/* What the step knows of events of that name; one of a table that is called so is CONFIG. */
static struct seen *find_kind(struct cdc_outbox *outbox, const struct seen *table, const struct cdc_event *event,
                              struct cdc_error *error)
{
    struct cdc_event named = *event;
    bool is_new;

    named.table = cdc_span(outbox->name.data, outbox->name.len);
    struct seen *kind = line_table_of(&outbox->tables, &named, &is_new, error);
    if (kind == NULL)
        return NULL;
    if (is_new && ++outbox->n_kinds > EVENTS_MAX) {
        refuse(table, CDC_EXIT_CONFIG, "has too many kinds of events", "aggregatetype is to be one of a few names",
               error);
        return NULL;
    }
    if (is_new)
        kind->from = table;
    if (kind->from == table)
        return kind;
    refuse(kind, CDC_EXIT_CONFIG, "has the name of an outbox's events",
           "give the events another one with --outbox-prefix", error);
    return NULL;
}

static int append_key(const struct cdc_outbox *outbox, const struct seen *table, const struct cdc_event *event,
                      struct cdc_buf *key, struct cdc_error *error)
{
    const char *name = outbox->settings.key;
    struct cdc_span value = cdc_json_member(event->after, name);

    if (cdc_json_is_null(value))
        return refuse(table, CDC_EXIT_DATA, "has a row without the value of --outbox-key", NULL, error);
    cdc_buf_byte(key, '{');
    cdc_json_append_string(key, name, strlen(name));
    cdc_buf_byte(key, ':');
    cdc_buf_span(key, value);
    cdc_buf_byte(key, '}');
    return 0;
}

static struct cdc_span before_last_brace(struct cdc_span line)
{
    while (line.n > 0 && line.p[line.n - 1] != '}')
        line.n--;
    return cdc_span(line.p + line.n - 1, 0);
}

static int append_event(struct cdc_outbox *outbox, const struct seen *table, const struct cdc_event *event,
                        struct cdc_buf *out, struct cdc_error *error)
{
    struct shape_edit edits[SHAPE_EDITS] = {
        {event->table, cdc_span(outbox->name.data, outbox->name.len)},
        {cdc_span(event->pos.p + event->pos.n, 0), cdc_span(".2", 2)},
    };
    struct cdc_buf key = CDC_BUF_INIT;
    size_t n = 2;

    if (outbox->settings.key != NULL) {
        if (event->key.p == NULL)
            cdc_buf_lit(&key, ",\"key\":");
        if (append_key(outbox, table, event, &key, error) != 0) {
            cdc_buf_free(&key);
            return -1;
        }
        edits[n].at = event->key.p != NULL ? event->key : before_last_brace(event->line);
        edits[n++].text = cdc_span(key.data, key.len);
    }
    shape_append_edited(out, event->line, edits, n);
    out->failed |= key.failed;
    cdc_buf_free(&key);
    return 0;
}

static void append_schema(struct cdc_outbox *outbox, const struct seen *table, const struct cdc_event *event,
                          struct cdc_buf *out)
{
    struct shape_edit edit = {event->table, cdc_span(outbox->name.data, outbox->name.len)};
    struct cdc_buf line = CDC_BUF_INIT;
    struct cdc_event made = *event;

    /* the source with the events' name */
    shape_append_edited(&line, event->line, &edit, 1);
    made.line = cdc_span(line.data, line.len);
    shape_append_schema(out, &made, ".1", cdc_span(table->columns.data, table->columns.len),
                        cdc_span(table->keys.data, table->keys.len));
    cdc_buf_byte(out, '\n');
    out->failed |= line.failed;
    cdc_buf_free(&line);
}

static enum cdc_step_result take_insert(struct cdc_outbox *outbox, struct seen *table, const struct cdc_event *event,
                                        struct cdc_buf *out, struct cdc_error *error)
{
    if (event->pos.p == NULL) {
        cdc_error_set(error, CDC_EXIT_DATA, "--outbox: the line has no \"pos\"");
        return CDC_STEP_FAILED;
    }
    if (!table->described) {
        refuse(table, CDC_EXIT_DATA, "has a row before the schema line that says what columns there are",
               "nothing before the filter may drop schema lines", error);
        return CDC_STEP_FAILED;
    }
    if (name_event(outbox, table, event, error) != 0)
        return CDC_STEP_FAILED;
    struct seen *kind = find_kind(outbox, table, event, error);
    if (kind == NULL)
        return CDC_STEP_FAILED;
    bool is_told = kind->told == table->version;
    if (!is_told)
        append_schema(outbox, table, event, out);
    if (append_event(outbox, table, event, out, error) != 0)
        return CDC_STEP_FAILED;
    kind->told = table->version;
    return CDC_STEP_CHANGED;
}

/* What was inserted and deleted before a read has seen the table is in no line: as rows nothing is missing, as events they are. */
static void tell_read(const struct cdc_outbox *outbox, struct seen *table, const struct cdc_event *event)
{
    const char *name = table->table.plain_table.p;

    if (outbox->settings.log == NULL)
        return;
    if (event->op == CDC_OP_READ && !table->is_read)
        cdc_log_write(
            outbox->settings.log, CDC_LOG_WARNING,
            "--outbox: table \"%s\" comes with a snapshot: where it is read again, events whose rows are gone by "
            "then do not come (hint: begin such a pipeline without cdc-snapshot; said once)",
            name);
    table->is_read |= event->op == CDC_OP_READ;
    if (event->op == CDC_OP_TRUNCATE && event->read.p != NULL)
        cdc_log_write(outbox->settings.log, CDC_LOG_WARNING,
                      "--outbox: table \"%s\" is read again: events whose rows were deleted before that may be missing",
                      name);
}

static enum cdc_step_result take_outbox(struct cdc_outbox *outbox, struct seen *table, const struct cdc_event *event,
                                        struct cdc_buf *out, struct cdc_error *error)
{
    tell_read(outbox, table, event);
    switch (event->op) {
    case CDC_OP_SCHEMA: return take_schema(outbox, table, event, error) == 0 ? CDC_STEP_DROPPED : CDC_STEP_FAILED;
    case CDC_OP_READ:
    case CDC_OP_CREATE: return take_insert(outbox, table, event, out, error);
    case CDC_OP_UPDATE: outbox->updates++; return CDC_STEP_DROPPED;
    default: return CDC_STEP_DROPPED; /* a delete or a truncate, by which the table is kept small */
    }
}

static enum cdc_step_result take_event(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                       struct cdc_error *error)
{
    struct cdc_outbox *outbox = state;
    bool is_new;

    if (event->table.p == NULL || event->op == CDC_OP_DDL)
        return CDC_STEP_KEPT;
    struct seen *table = line_table_of(&outbox->tables, event, &is_new, error);
    if (table == NULL)
        return CDC_STEP_FAILED;
    for (size_t i = 0; is_new && i < outbox->settings.tables.count; i++)
        if (cdc_pattern_matches_table(outbox->settings.tables.items[i], table->table.plain_schema,
                                      table->table.plain_table, false))
            table->is_outbox = outbox->used[i] = true;
    if (table->from != NULL) {
        refuse(table, CDC_EXIT_CONFIG, "has the name of an outbox's events",
               "give the events another one with --outbox-prefix", error);
        return CDC_STEP_FAILED;
    }
    return table->is_outbox ? take_outbox(outbox, table, event, out, error) : CDC_STEP_KEPT;
}

static size_t unmatched(void *state, bool more, struct cdc_buf *out)
{
    const struct cdc_outbox *outbox = state;
    size_t n = 0;

    for (size_t i = 0; i < outbox->settings.tables.count; i++)
        if (!outbox->used[i])
            cdc_buf_printf(out, "%s--outbox '%s'", more || n > 0 ? ", " : "", outbox->settings.tables.items[i]), n++;
    return n;
}

static enum cdc_step_clarity explain(void *state, const struct cdc_event *event, struct cdc_span column,
                                     struct cdc_buf *out)
{
    struct cdc_outbox *outbox = state;
    struct cdc_error ignored = {0};
    bool is_new = false;
    const struct seen *table = line_table_of(&outbox->tables, event, &is_new, &ignored);

    if (column.p == NULL && table != NULL && table->is_outbox)
        cdc_buf_printf(out, "each insert an event with the name that is in \"%s\"; no updates, deletes and truncates",
                       outbox->names[KIND]);
    return CDC_CLEAR_AS_BEFORE;
}

static void becomes(void *state, const struct cdc_event *event, struct cdc_buf *out)
{
    struct cdc_outbox *outbox = state;
    struct cdc_error ignored = {0};
    bool is_new = false;
    const struct seen *table = line_table_of(&outbox->tables, event, &is_new, &ignored);

    if (table == NULL || !table->is_outbox)
        return;
    append_prefix(outbox);
    cdc_buf_byte(&outbox->name, '*');
    struct shape_edit edits[] = {{event->table, cdc_span(outbox->name.data, outbox->name.len)},
                                 {event->key_columns, cdc_span(table->keys.data, table->keys.len)}};
    shape_append_edited(out, event->line, edits, event->key_columns.p != NULL ? 2 : 1);
}

struct cdc_filter_step cdc_outbox_step(struct cdc_outbox *outbox)
{
    return (struct cdc_filter_step){
        .event = take_event, .unmatched = unmatched, .explain = explain, .becomes = becomes, .state = outbox};
}
