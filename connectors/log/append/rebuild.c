/* SPDX-License-Identifier: MIT */
/* The journal of the last segment is gone, and its lines are there: it is made again from them, up to the last line at which every
 * source is at the end of a transaction. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/append/writer.h"
#include "connectors/log/file/crc32c.h"
#include <cdc/event.h>
#include <cdc/file.h>
#include <cdc/line.h>
#include <cdc/retry.h>

#define BATCH ((uint64_t)64 << 10)

struct rebuild_source {
    char *name;
    bool open; /* inside a transaction */
};

struct rebuild {
    struct log_writer *writer;
    struct cdc_offset_file *offsets; /* in memory: positions so far */
    struct rebuild_source *sources;
    size_t n_sources;
    struct log_sums sums;
    struct cdc_buf journal, at;
    uint64_t begin, good; /* of the batch; after the last line that ends one */
    uint64_t until;       /* the second pass ends there */
    uint64_t lines;
    uint64_t schemas; /* in the file beside it */
};

static int know(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct rebuild *rebuild = context;
    return cdc_offset_file_set(rebuild->offsets, name, offset, error);
}

static struct rebuild_source *source_of(struct rebuild *rebuild, const char *name)
{
    for (size_t i = 0; i < rebuild->n_sources; i++)
        if (strcmp(rebuild->sources[i].name, name) == 0)
            return &rebuild->sources[i];
    struct rebuild_source *grown = realloc(rebuild->sources, (rebuild->n_sources + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    rebuild->sources = grown;
    grown[rebuild->n_sources] = (struct rebuild_source){strdup(name), false};
    return grown[rebuild->n_sources].name != NULL ? &grown[rebuild->n_sources++] : NULL;
}

static int note(struct rebuild *rebuild, const struct cdc_event *event, struct cdc_error *error)
{
    char *name = event->name.p != NULL ? cdc_json_text(event->name, NULL) : strdup("");
    char *pos = cdc_json_text(event->pos, NULL), *object = cdc_span_copy(event->source);
    struct rebuild_source *source = name != NULL ? source_of(rebuild, name) : NULL;
    int result = source == NULL || pos == NULL || object == NULL ? cdc_error_memory(error) : 0;

    if (result == 0) {
        const struct cdc_offset *before = cdc_offset_file_get(rebuild->offsets, name);
        bool boundary = event->op == CDC_OP_COMMIT || event->op == CDC_OP_HEARTBEAT;
        bool change = !boundary && event->op != CDC_OP_SCHEMA && event->op != CDC_OP_UNKNOWN;
        struct cdc_offset offset = {.pos = pos,
                                    .seq = event->has_seq   ? event->seq
                                           : before != NULL ? before->seq
                                                            : 0,
                                    .lines = (before != NULL ? before->lines : 0) + change,
                                    .source = event->source.n > 0 ? object : NULL};
        source->open = !boundary;
        result = cdc_offset_file_set(rebuild->offsets, name, &offset, error);
    }
    free(name);
    free(pos);
    free(object);
    return result;
}

static bool nothing_open(const struct rebuild *rebuild)
{
    for (size_t i = 0; i < rebuild->n_sources; i++)
        if (rebuild->sources[i].open)
            return false;
    return true;
}

static int end_batch(struct rebuild *rebuild, struct cdc_error *error)
{
    struct log_commit commit = {.kind = LOG_COMMIT_LINE,
                                .end = rebuild->sums.end,
                                .n = rebuild->sums.n,
                                .ts = rebuild->writer->ts,
                                .crc = rebuild->sums.crc};

    memcpy(commit.chain, rebuild->sums.chain, LOG_HASH);
    rebuild->at.len = 0;
    log_at_append(&rebuild->at, rebuild->offsets);
    commit.at = cdc_span(rebuild->at.data, rebuild->at.len);
    log_commit_append(&rebuild->journal, &commit);
    rebuild->begin = commit.end;
    rebuild->sums.n = 0;
    rebuild->sums.crc = 0;
    return rebuild->journal.failed || rebuild->at.failed ? cdc_error_memory(error) : 0;
}

/* 1: the line is good; 0: it is none of a log; -1. */
static int take_line(struct rebuild *rebuild, struct cdc_buf *line, struct cdc_error *error)
{
    struct cdc_event event;

    if (memchr(line->data, '\0', line->len) != NULL || cdc_event_parse(&event, line->data, line->len - 1, NULL) != 0 ||
        event.pos.n == 0)
        return 0;
    if (note(rebuild, &event, error) != 0 ||
        log_writer_sums_add(rebuild->writer, &rebuild->sums, line->data, line->len, NULL, error) != 0)
        return -1;
    rebuild->lines++;
    if (nothing_open(rebuild))
        rebuild->good = rebuild->sums.end;
    return 1;
}

/* A second pass would be needed to end batches at the good places alone: so each line that ends one writes it, if it is long enough, and
 * the last one in any case. */
static int read_lines(struct rebuild *rebuild, const struct log_segment *segment, int fd, struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(fd, CDC_LINE_MAX_DEFAULT, error);
    struct cdc_buf line = CDC_BUF_INIT;
    struct cdc_span text;
    int result = reader != NULL ? 1 : -1, got = CDC_LINE_OK;

    while (result == 1 && (got = cdc_line_reader_next(reader, &text, error)) == CDC_LINE_OK) {
        line.len = 0;
        cdc_buf_span(&line, text);
        cdc_buf_byte(&line, '\n');
        result = line.failed ? cdc_error_memory(error) : take_line(rebuild, &line, error);
        if (result == 1 && rebuild->good == rebuild->sums.end && rebuild->good - rebuild->begin >= BATCH &&
            end_batch(rebuild, error) != 0)
            result = -1;
        else if (result == 1 && rebuild->until == rebuild->sums.end) {
            result = rebuild->begin < rebuild->until ? end_batch(rebuild, error) : 0;
            break;
        }
    }
    if (got == CDC_LINE_TOO_LONG)
        cdc_error_set(error, CDC_EXIT_CONFIG, "a line of segment %020" PRIu64 " of \"%s\" is longer than %zu bytes",
                      segment->start, rebuild->writer->folder.path, CDC_LINE_MAX_DEFAULT);
    cdc_line_reader_free(reader);
    cdc_buf_free(&line);
    /* What could not be read is no end of the log: all behind it would be cut off. */
    return result < 0 || got == CDC_LINE_ERROR || got == CDC_LINE_TOO_LONG ? -1 : 0;
}

static int begin(struct rebuild *rebuild, const struct log_segment *segment, struct cdc_span before,
                 const unsigned char chain[LOG_HASH], struct cdc_error *error)
{
    struct log_commit first = {.kind = LOG_SEGMENT_LINE,
                               .end = segment->start,
                               .log = cdc_span_text(rebuild->writer->folder.id),
                               .schemas = rebuild->schemas,
                               .at = before};

    memcpy(first.chain, chain, LOG_HASH);
    rebuild->journal.len = 0;
    log_commit_append(&rebuild->journal, &first);
    for (size_t i = 0; i < rebuild->n_sources; i++)
        free(rebuild->sources[i].name);
    rebuild->n_sources = 0;
    cdc_offset_file_free(rebuild->offsets);
    rebuild->offsets = cdc_offset_file_memory("cdc-log-append", error);
    if (rebuild->offsets == NULL || log_writer_sums_begin(&rebuild->sums, error) != 0)
        return -1;
    rebuild->sums.end = rebuild->begin = rebuild->good = segment->start;
    memcpy(rebuild->sums.chain, chain, LOG_HASH);
    rebuild->lines = 0;
    return log_at_each(before, know, rebuild, error);
}

/* Twice: the first time tells where the last good line ends. */
static int run(struct rebuild *rebuild, const struct log_segment *segment, struct cdc_span before,
               const unsigned char chain[LOG_HASH], struct cdc_error *error)
{
    int result = 0;

    rebuild->until = UINT64_MAX;
    for (int pass = 0; pass < 2 && result == 0; pass++) {
        int fd = log_part_open(&rebuild->writer->folder, LOG_PLAIN, segment->start, O_RDONLY, error);
        if (fd < 0)
            return -1;
        result = begin(rebuild, segment, before, chain, error) == 0 ? 0 : -1;
        if (result == 0 && rebuild->until > segment->start)
            result = read_lines(rebuild, segment, fd, error);
        if (pass == 0)
            rebuild->until = rebuild->good;
        close(fd);
    }
    return result;
}

static int count_schemas(struct rebuild *rebuild, uint64_t start, struct cdc_error *error)
{
    struct log_schemas schemas = {.items = NULL};
    int result = log_schemas_load(&schemas, &rebuild->writer->folder, start, error);

    rebuild->schemas = schemas.n;
    log_schemas_free(&schemas);
    return result;
}

static int save(struct rebuild *rebuild, uint64_t start, struct cdc_error *error)
{
    char *path = NULL, name[LOG_NAME_SIZE];

    if (rebuild->journal.failed ||
        asprintf(&path, "%s/%s", rebuild->writer->folder.path, log_name_make(name, LOG_INDEX, start)) < 0)
        return cdc_error_memory(error);
    int result = cdc_file_replace(path, rebuild->journal.data, rebuild->journal.len, 0600, true, error);
    free(path);
    return result;
}

int log_writer_rebuild(struct log_writer *writer, const struct log_segment *segment, struct cdc_span before,
                       const unsigned char chain[LOG_HASH], struct cdc_error *error)
{
    struct rebuild rebuild = {.writer = writer};

    if (!segment->plain || writer->folder.redactable) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the commit journal of segment %020" PRIu64 " of \"%s\" is missing",
                      segment->start, writer->folder.path);
        return cdc_error_hint(error, "restore it from a copy");
    }
    int64_t now = cdc_clock_wall_ms();
    writer->ts = now > writer->ts ? now : writer->ts;
    int result = count_schemas(&rebuild, segment->start, error);
    if (result == 0)
        result = run(&rebuild, segment, before, chain, error);
    if (result == 0)
        result = save(&rebuild, segment->start, error);
    if (result == 0)
        cdc_log_write(writer->settings->log, CDC_LOG_WARNING,
                      "the commit journal of segment %020" PRIu64 " of \"%s\" was missing: made again from its %" PRIu64
                      " lines",
                      segment->start, writer->folder.path, rebuild.lines);
    for (size_t i = 0; i < rebuild.n_sources; i++)
        free(rebuild.sources[i].name);
    free(rebuild.sources);
    cdc_offset_file_free(rebuild.offsets);
    log_writer_sums_free(&rebuild.sums);
    cdc_buf_free(&rebuild.journal);
    cdc_buf_free(&rebuild.at);
    return result;
}
