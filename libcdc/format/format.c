/* SPDX-License-Identifier: MIT */
/* The formats by their names, what they are asked for, and what they have lost. */
#include <stdlib.h>

#include "libcdc/format/internal.h"

static const struct {
    const char *name;
    const struct writer_ops *writer;
    const struct reader_ops *reader;
} formats[] = {
    {"debezium", &debezium_writer, &debezium_reader}, {"maxwell", &maxwell_writer, &maxwell_reader},
    {"wal2json", &wal2json_writer, &wal2json_reader}, {"canal", &canal_writer, &canal_reader},
    {"singer", &singer_writer, &singer_reader},
};
#define FORMATS (sizeof formats / sizeof formats[0])

static const char *const loss_texts[LOSSES] = {
    [LOSS_NO_DATE] = "dates or times that the format cannot say became null",
    [LOSS_BYTES_TEXT] = "texts that are not UTF-8 stayed objects with base64",
    [LOSS_OBJECT] = "objects became the text of their JSON",
    [LOSS_UNCHANGED] = "values that the log did not carry could not be told apart from absent ones",
    [LOSS_MOVED] = "updates of a key came without an unchanged value, which is lost with the old key",
    [LOSS_UNAVAILABLE] = "rows came without a value that was not carried: a copy has NULL there",
    [LOSS_BIG_UNSIGNED] = "integers were beyond 2^63-1",
    [LOSS_OLD_ROW] = "updates came without the old row",
    [LOSS_TRUNCATE] = "truncates could not be told",
    [LOSS_MESSAGE] = "logical messages could not be told",
    [LOSS_MESSAGE_KIND] = "logical messages do not say whether they were part of a transaction",
    [LOSS_DDL] = "DDL statements could not be told",
    [LOSS_NAN] = "numbers that are none (NaN, infinities) became null",
    [LOSS_JSON_NULL] = "nulls of JSON became NULL",
    [LOSS_EMPTY_SET] = "values of set or enum could not be told as they are",
    [LOSS_READ] = "beginnings and ends of tables that are read again became truncates or nothing",
    [LOSS_UNKNOWN] = "lines of kinds that are not known were dropped",
    [LOSS_VERSION] = "first versions of tables were activated: which rows are older is not known",
    [LOSS_UNTYPED] = "columns came without a type: dates and times in them may be numbers",
    [LOSS_GONE] =
        "tables or databases were dropped, and their rows stay: which of the other partitions' came later is not known",
    [LOSS_ALTERED] = "tables were altered or renamed: what that did to rows that were there is in no line",
    [LOSS_TYPE] = "values were not of their column's type, and stayed as they were",
};

static uint64_t append_losses(const struct losses *losses, struct cdc_buf *out)
{
    uint64_t all = 0;

    for (int i = 0; i < LOSSES; i++)
        if (losses->n[i] > 0) {
            cdc_buf_printf(out, "%s%llu %s", all > 0 ? "; " : "", (unsigned long long)losses->n[i], loss_texts[i]);
            all += losses->n[i];
        }
    return all;
}

/* -- names ----------------------------------------------------------------------- */

static int find_format(const char *option, struct cdc_span name, size_t *at, struct cdc_error *error)
{
    struct cdc_buf names = CDC_BUF_INIT;

    for (*at = 0; *at < FORMATS; ++*at)
        if (cdc_span_is(name, formats[*at].name))
            return 0;
    for (size_t i = 0; i < FORMATS; i++)
        cdc_buf_printf(&names, "%s%s", i > 0 ? ", " : "", formats[i].name);
    cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.*s\" is no format that is known", option,
                  (int)(name.n > 64 ? 64 : name.n), name.p);
    if (!names.failed)
        cdc_error_hint(error, "use one of %.*s", (int)names.len, names.data);
    cdc_buf_free(&names);
    return -1;
}

static int take_part(const char *option, struct cdc_span part, const char *const *parts, unsigned *bits,
                     struct cdc_error *error)
{
    for (unsigned i = 0; parts[i] != NULL; i++)
        if (cdc_span_is(part, parts[i])) {
            *bits |= 1u << i;
            return 0;
        }
    return cdc_error_set(error, CDC_EXIT_USAGE, "%s: \"%.*s\" is nothing that this format can be asked for", option,
                         (int)(part.n > 64 ? 64 : part.n), part.p);
}

/* "debezium,schemas" */
static struct cdc_span first_of(const char *spec)
{
    return cdc_span(spec, strcspn(spec, ","));
}

static int take_parts(const char *option, const char *spec, const char *const *parts, unsigned *bits,
                      struct cdc_error *error)
{
    for (const char *p = spec + strcspn(spec, ","); *p == ','; p += strcspn(p, ","))
        if (++p, take_part(option, first_of(p), parts, bits, error) != 0)
            return -1;
    return 0;
}

/* -- writing --------------------------------------------------------------------- */

struct cdc_format_writer *cdc_format_writer_new(const char *spec, struct cdc_error *error)
{
    size_t at;
    unsigned parts = 0;

    if (find_format("--to", first_of(spec), &at, error) != 0 ||
        take_parts("--to", spec, formats[at].writer->parts, &parts, error) != 0)
        return NULL;
    struct cdc_format_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    writer->ops = formats[at].writer;
    writer->parts = parts;
    return writer;
}

void cdc_format_writer_free(struct cdc_format_writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < writer->n_streams; i++) {
        free((char *)writer->streams[i].name.p);
        cdc_buf_free(&writer->streams[i].id);
        cdc_buf_free(&writer->streams[i].held);
        cdc_buf_free(&writer->streams[i].later);
        cdc_buf_free(&writer->streams[i].newest);
        cdc_buf_free(&writer->streams[i].chunk);
        free(writer->streams[i].touched);
    }
    free(writer->streams);
    free((char *)writer->source.p);
    format_tables_free(&writer->tables);
    cdc_buf_free(&writer->scratch);
    free(writer);
}

static struct writer_stream *stream_of(struct cdc_format_writer *writer, struct cdc_span name, struct cdc_error *error)
{
    for (size_t i = 0; i < writer->n_streams; i++)
        if (cdc_json_raw_equal(writer->streams[i].name, name))
            return &writer->streams[i];
    struct writer_stream *streams = realloc(writer->streams, (writer->n_streams + 1) * sizeof *streams);
    if (streams != NULL) {
        writer->streams = streams;
        struct writer_stream *stream = &streams[writer->n_streams];
        memset(stream, 0, sizeof *stream);
        stream->number = 1;
        stream->name = cdc_span(cdc_span_copy(name.p != NULL ? name : cdc_span("", 0)), name.n);
        if (stream->name.p != NULL) {
            writer->n_streams++;
            return stream;
        }
    }
    cdc_error_memory(error);
    return NULL;
}

/* Where no line says which source it is from, tables of one name would be one table, and transactions would be mixed. */
static int check_source(struct cdc_format_writer *writer, const struct cdc_event *event, struct cdc_error *error)
{
    struct cdc_span of = cdc_json_member_raw(event->source, "partition_of");

    if (writer->ops->tells_source)
        return 0;
    of = of.p != NULL ? of : event->name.p != NULL ? event->name : cdc_span("", 0);
    if (writer->source.p == NULL) {
        writer->source = cdc_span(cdc_span_copy(of), of.n);
        return writer->source.p != NULL ? 0 : cdc_error_memory(error);
    }
    if (cdc_json_raw_equal(writer->source, of))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "--to %s: the lines are of two sources, \"%.*s\" and \"%.*s\", which the format cannot tell apart",
                  writer->ops->name, (int)(writer->source.n > 64 ? 64 : writer->source.n), writer->source.p,
                  (int)(of.n > 64 ? 64 : of.n), of.p);
    return cdc_error_hint(error, "use one cdc-filter for each of them, or --to debezium");
}

/* One of a transaction's lines, that its end counts. */
static bool is_change(enum cdc_op op)
{
    return op != CDC_OP_SCHEMA && op != CDC_OP_COMMIT && op != CDC_OP_HEARTBEAT;
}

int cdc_format_write(void *state, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_format_writer *writer = state;
    struct format_table *table = NULL;
    struct writer_stream *stream = stream_of(writer, event->name, error);

    if (stream == NULL || check_source(writer, event, error) != 0)
        return -1;
    if (event->op == CDC_OP_UNKNOWN) {
        writer->losses.n[LOSS_UNKNOWN]++;
        return 0;
    }
    if (event->table.n > 0) {
        table = format_table_of(&writer->tables, event->name, event->db, event->schema, event->table, error);
        if (table == NULL)
            return -1;
        if (event->op == CDC_OP_SCHEMA && format_table_define(table, event, error) != 0)
            return -1;
    }
    /* Without the types, a time could not be told from a text. */
    if (cdc_event_has_row(event) && (table == NULL || !table->defined))
        return cdc_error_set(error, CDC_EXIT_DATA,
                             "a row before the schema line of its table: the stream must keep its schema lines");
    if (is_change(event->op)) {
        writer_place(stream, event);
        writer_name_chunk(stream, event);
    }
    int lines = writer->ops->event(writer, stream, table, event, out, error);
    bool failed = out->failed || writer->scratch.failed || stream->id.failed || stream->held.failed ||
                  stream->later.failed || stream->newest.failed || stream->chunk.failed;
    return lines >= 0 && failed ? cdc_error_memory(error) : lines;
}

uint64_t cdc_format_writer_losses(const struct cdc_format_writer *writer, struct cdc_buf *out)
{
    return append_losses(&writer->losses, out);
}

/* -- reading --------------------------------------------------------------------- */

struct cdc_format_reader *cdc_format_reader_new(const struct cdc_format_reader_settings *settings,
                                                struct cdc_error *error)
{
    size_t at;
    unsigned parts = 0;

    if (find_format("--from", first_of(settings->spec), &at, error) != 0 ||
        take_parts("--from", settings->spec, formats[at].reader->parts, &parts, error) != 0)
        return NULL;
    struct cdc_format_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    reader->ops = formats[at].reader;
    reader->settings = *settings;
    reader->has_ends = formats[at].reader->has_ends;
    reader->parts = parts;
    return reader;
}

uint64_t cdc_format_reader_losses(const struct cdc_format_reader *reader, struct cdc_buf *out)
{
    return append_losses(&reader->losses, out);
}
