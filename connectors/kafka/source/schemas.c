/* SPDX-License-Identifier: MIT */
/* Sinks need the schema line of a table before its first row of a run. A run that begins in the middle of a log gets those that
 * came before from a file beside the offset file, or, without one, from the log itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"
#include <cdc/file.h>

static void free_one(struct schema *schema)
{
    free(schema->name);
    free(schema->db);
    free(schema->schema);
    free(schema->table);
    free(schema->line);
    free(schema->told);
}

void kafka_schemas_free(struct kafka_source *source)
{
    for (size_t i = 0; i < source->schemas.n; i++)
        free_one(&source->schemas.items[i]);
    free(source->schemas.items);
}

static bool is_text(const char *text, struct cdc_span raw)
{
    return strlen(text) == raw.n && (raw.n == 0 || memcmp(text, raw.p, raw.n) == 0);
}

static bool is_it(const struct schema *schema, const struct cdc_event *event)
{
    return is_text(schema->table, event->table) && is_text(schema->schema, event->schema) &&
           is_text(schema->db, event->db) && is_text(schema->name, event->name);
}

/* Lines of one table come together. */
static struct schema *find(struct schemas *schemas, const struct cdc_event *event)
{
    if (schemas->last < schemas->n && is_it(&schemas->items[schemas->last], event))
        return &schemas->items[schemas->last];
    for (size_t i = 0; i < schemas->n; i++)
        if (is_it(&schemas->items[i], event)) {
            schemas->last = i;
            return &schemas->items[i];
        }
    return NULL;
}

static char *copy(struct cdc_span span)
{
    return span.p != NULL ? cdc_span_copy(span) : strdup("");
}

static struct schema *add(struct schemas *schemas, const struct cdc_event *event, struct cdc_error *error)
{
    struct schema *grown = realloc(schemas->items, (schemas->n + 1) * sizeof *grown);

    if (grown != NULL)
        schemas->items = grown;
    struct schema made = {copy(event->name), copy(event->db), copy(event->schema), copy(event->table), NULL, NULL, 0};
    if (grown == NULL || made.name == NULL || made.db == NULL || made.schema == NULL || made.table == NULL) {
        free_one(&made);
        cdc_error_memory(error);
        return NULL;
    }
    grown[schemas->n] = made;
    return &grown[schemas->n++];
}

static size_t index_of(const struct kafka_source *source, const struct part *part)
{
    return source->order == KAFKA_ORDER_PARTITION ? (size_t)(part - source->parts) : 0;
}

static bool is_told(const struct schema *schema, size_t i)
{
    return i < schema->n_told && schema->told[i];
}

static int tell(struct schema *schema, size_t i, struct cdc_error *error)
{
    if (i >= schema->n_told) {
        bool *told = realloc(schema->told, (i + 1) * sizeof *told);
        if (told == NULL)
            return cdc_error_memory(error);
        memset(told + schema->n_told, 0, (i + 1 - schema->n_told) * sizeof *told);
        schema->told = told;
        schema->n_told = i + 1;
    }
    schema->told[i] = true;
    return 0;
}

void kafka_schemas_begin(struct kafka_source *source)
{
    for (size_t i = 0; i < source->schemas.n; i++)
        source->schemas.items[i].n_told = 0;
}

/* part: that has the line now; NULL: it is one of before. */
static int keep(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                struct cdc_error *error)
{
    struct schema *schema = find(&source->schemas, event);

    if (schema == NULL && (schema = add(&source->schemas, event, error)) == NULL)
        return -1;
    if (part != NULL && tell(schema, index_of(source, part), error) != 0)
        return -1;
    if (schema->line != NULL && is_text(schema->line, event->line))
        return 0;
    char *line = cdc_span_copy(event->line);
    if (line == NULL)
        return cdc_error_memory(error);
    free(schema->line);
    schema->line = line;
    source->schemas.changed = true;
    return 0;
}

int kafka_schemas_note(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                       struct cdc_error *error)
{
    return keep(source, part, event, error);
}

int kafka_schemas_row(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct schema *schema = find(&source->schemas, event);
    struct cdc_event line;

    if (schema == NULL || is_told(schema, index_of(source, part)))
        return 0;
    if (tell(schema, index_of(source, part), error) != 0)
        return -1;
    if (cdc_event_parse(&line, schema->line, strlen(schema->line), error) != 0)
        return -1;
    if (source->order == KAFKA_ORDER_PARTITION)
        kafka_append_named(out, part, &line, line.line);
    else
        cdc_buf_span(out, line.line);
    cdc_buf_byte(out, '\n');
    return 0;
}

const char *kafka_schemas_of(const struct kafka_source *source, const char *table)
{
    for (size_t i = 0; i < source->schemas.n; i++)
        if (cdc_json_raw_is(cdc_span_text(source->schemas.items[i].table), cdc_span_text(table)))
            return source->schemas.items[i].line;
    return NULL;
}

bool kafka_schemas_wait(const struct kafka_source *source)
{
    for (size_t i = 0; i < source->schemas.n; i++)
        if (!is_told(&source->schemas.items[i], 0))
            return true;
    return false;
}

int kafka_schemas_load(struct kafka_source *source, struct cdc_error *error)
{
    const char *path = source->settings->schema_file;
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int result = 0;
    struct cdc_event event;

    if (file == NULL && path != NULL && errno != ENOENT)
        return cdc_error_set(error, cdc_file_exit(errno), "cannot open %s: %s", path, strerror(errno));
    while (result == 0 && file != NULL && (n = getline(&line, &size, file)) > 0) {
        n -= line[n - 1] == '\n';
        result = cdc_event_parse(&event, line, (size_t)n, error) != 0 ? cdc_error_prefix(error, "%s", path)
                                                                      : keep(source, NULL, &event, error);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    source->schemas.changed = false;
    return result == 0 && file != NULL ? 1 : result;
}

int kafka_schemas_save(struct kafka_source *source, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (!source->schemas.changed || source->settings->schema_file == NULL)
        return 0;
    for (size_t i = 0; i < source->schemas.n; i++) {
        cdc_buf_text(&text, source->schemas.items[i].line);
        cdc_buf_byte(&text, '\n');
    }
    int result = text.failed ? cdc_error_memory(error)
                             : cdc_file_replace(source->settings->schema_file, text.data, text.len, 0600, true, error);
    cdc_buf_free(&text);
    source->schemas.changed = result != 0;
    return result;
}

int kafka_json_of_message(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                          size_t *told, struct cdc_buf *out, struct cdc_error *error)
{
    rd_kafka_timestamp_type_t type;
    const struct kafka_json_record record = {
        {message->key, message->key_len},
        {message->payload, message->len},
        message->offset,
        rd_kafka_message_timestamp(message, &type),
    };

    return kafka_json_lines(part->json, &record, source->settings->name, told, out, error);
}
