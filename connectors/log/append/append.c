/* SPDX-License-Identifier: MIT */
/* The operations of the sink loop: lines into the writer, a delivery is a commit. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/append/pack.h"
#include "connectors/log/append/writer.h"

struct log_append {
    struct cdc_sink_context context; /* first, for the loop */
    struct log_writer writer;
    struct log_keeper *keeper;
    uint64_t complete; /* the place after the last boundary */
};

struct log_append *log_append_open(const struct log_append_settings *settings, struct cdc_error *error)
{
    struct log_append *append = calloc(1, sizeof *append);

    if (append == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    bool good = log_writer_open(&append->writer, settings, error) == 0 &&
                (append->keeper = log_keeper_new(settings, error)) != NULL;
    if (!good) {
        log_append_free(append);
        return NULL;
    }
    append->writer.sealed = log_keeper_wake;
    append->writer.sealed_context = append->keeper;
    append->complete = append->writer.end;
    if (!settings->sync)
        cdc_log_write(settings->log, CDC_LOG_WARNING,
                      "--sync=none: what is acknowledged may be lost with the power, and does not come again then");
    return append;
}

void log_append_free(struct log_append *append)
{
    if (append == NULL)
        return;
    log_keeper_free(append->keeper);
    log_writer_close(&append->writer);
    free(append);
}

void log_append_finish(struct log_append *append)
{
    log_keeper_finish(append->keeper);
}

/* -- positions ----------------------------------------------------------------- */

struct telling {
    struct log_append *append;
    struct cdc_offset_file *offsets;
};

/* After a kill the log is ahead of the file, and knows its lines. The file is ahead where the log was restored from a copy. */
static int tell(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct telling *telling = context;
    const struct cdc_offset *kept = cdc_offset_file_get(telling->offsets, name);

    if (kept == NULL || !cdc_offset_file_owns(telling->offsets, name))
        return cdc_offset_file_know(telling->offsets, name, offset, NULL, error);
    if (strcmp(kept->pos, offset->pos) > 0)
        cdc_log_write(telling->append->writer.settings->log, CDC_LOG_WARNING,
                      "the offset file is ahead of the log \"%s\" at source \"%s\": the log's position counts",
                      telling->append->writer.folder.path, name);
    return cdc_offset_file_set(telling->offsets, name, offset, error);
}

/* Of a source that the log has nothing of, all would be dropped as stored. */
static int check_known(const char *path, struct cdc_span at, const struct cdc_offset_file *offsets,
                       struct cdc_error *error)
{
    for (size_t i = 0; i < cdc_offset_file_count(offsets); i++) {
        const char *name = cdc_offset_file_name(offsets, i);
        struct cdc_offset there = {.pos = NULL};
        int found = cdc_offset_file_get(offsets, name)->pos[0] == '\0' ? 1 : log_at_get(at, name, &there, error);
        cdc_offset_free(&there);
        if (found < 0)
            return -1;
        if (found > 0)
            continue;
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the offset file \"%s\" has a position of source \"%s\", of which the log \"%s\" has nothing",
                      cdc_offset_file_path(offsets), name, path);
        return cdc_error_hint(error, "is that the log's path? If it was begun anew, remove the offset file");
    }
    return 0;
}

int log_append_check_new(const char *path, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    char meta[PATH_MAX];

    snprintf(meta, sizeof meta, "%s/meta.json", path);
    return access(meta, F_OK) == 0 ? 0 : check_known(path, cdc_span_text("{}"), offsets, error);
}

int log_append_sync_offsets(struct log_append *append, struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct telling telling = {append, offsets};
    struct cdc_span at = cdc_span(append->writer.at.data, append->writer.at.len);

    if (check_known(append->writer.folder.path, at, offsets, error) != 0 || log_at_each(at, tell, &telling, error) != 0)
        return -1;
    return cdc_offset_file_is_new(offsets) ? 0 : cdc_offset_file_save(offsets, error);
}

/* -- the loop ------------------------------------------------------------------- */

static int event_op(void *sink, const struct cdc_event *event, struct cdc_error *error)
{
    struct log_append *append = sink;
    return log_writer_line(&append->writer, event, error);
}

static int deliver(void *sink, const struct cdc_offset_file *offsets, struct cdc_error *error)
{
    struct log_append *append = sink;

    if (log_writer_commit(&append->writer, offsets, error) != 0)
        return -1;
    append->complete = append->writer.end;
    return 0;
}

static int boundary(void *sink, struct cdc_error *error)
{
    struct log_append *append = sink;

    (void)error;
    append->complete = log_writer_place(&append->writer);
    return 0;
}

/* What fails here fails at the next commit as well, and is told there. */
static void discard(void *sink)
{
    struct log_append *append = sink;
    struct cdc_error error = {0};

    if (log_writer_cut(&append->writer, append->complete, &error) != 0)
        append->writer.failed = true;
}

const struct cdc_sink_ops log_append_ops = {
    .event = event_op, .deliver = deliver, .boundary = boundary, .discard = discard, .history = true, .verbatim = true};
