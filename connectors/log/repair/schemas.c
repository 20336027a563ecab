/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/schemas.h"
#include "connectors/log/repair/internal.h"
#include <cdc/file.h>

/* By the lines of the segments before, as far as these are in the copy, and the newest file that is good. 1; 0: nobody knows; -1. */
static int gather_schemas(struct repair *repair, size_t i, struct log_schemas *schemas, struct cdc_error *error)
{
    const struct log_folder *from = &repair->from;
    size_t first = i;
    bool found = false;

    while (!found && first > 0) {
        struct cdc_error why = {0};
        found = log_schemas_load(schemas, &repair->to, from->segments[--first].start, &why) == 0;
    }
    /* Of the first one without a file nothing says that there were none before it, if the log was trimmed. */
    if (!found || (schemas->n == 0 && from->segments[first].start > 0))
        return 0;
    for (; first < i; first++)
        if (log_schemas_read(schemas, &repair->to, from->segments[first].start, from->segments[first + 1].start,
                             error) != 0)
            return -1;
    return 1;
}

static int write_schemas(struct repair *repair, uint64_t start, const struct log_schemas *schemas,
                         struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    struct cdc_buf text = CDC_BUF_INIT;

    if (schemas->n == 0)
        return 0;
    log_schemas_append_file(&text, schemas);
    int fd = text.failed ? cdc_error_memory(error)
                         : log_file_open(&repair->to, log_name_make(name, LOG_SCHEMAS, start),
                                         O_WRONLY | O_CREAT | O_EXCL, error);
    int result = fd < 0 ? -1 : 0;
    if (fd >= 0 && (cdc_file_write(fd, text.data, text.len) != 0 || fchmod(fd, 0400) != 0 || fsync(fd) != 0))
        result = log_file_error(&repair->to, "write", name, error);
    if (fd >= 0)
        close(fd);
    cdc_buf_free(&text);
    return result;
}

int log_repair_schemas(struct repair *repair, size_t i, struct cdc_error *error)
{
    uint64_t start = repair->from.segments[i].start;
    struct log_schemas schemas = {.items = NULL};
    struct cdc_error why = {0};
    bool good = log_schemas_load(&schemas, &repair->from, start, &why) == 0;

    log_schemas_free(&schemas);
    repair->lacks_schemas = false;
    if (good)
        return log_repair_copy_part(repair, LOG_SCHEMAS, start, UINT64_MAX, 0400, error);
    int known = gather_schemas(repair, i, &schemas, error);
    int result = known > 0 ? write_schemas(repair, start, &schemas, error) : known;
    log_schemas_free(&schemas);
    repair->lacks_schemas = known == 0;
    repair->left_out |= known == 0;
    repair->made |= known > 0;
    cdc_log_write(repair->settings->log, CDC_LOG_WARNING, "%s: they are %s", why.text,
                  known > 0 ? "made again from the lines before it" : "left out");
    return result;
}

int log_repair_count_schemas(struct repair *repair, size_t i, uint64_t *n, struct cdc_error *error)
{
    struct log_schemas schemas = {.items = NULL};
    struct cdc_error why = {0};
    uint64_t start = repair->from.segments[i].start;
    int result = log_schemas_load(&schemas, &repair->to, start, &why) == 0 ? 0 : -1;

    if (result == 0 && schemas.n == 0 && i > 0) {
        int known = gather_schemas(repair, i, &schemas, error);
        result = known > 0 ? write_schemas(repair, start, &schemas, error) : known;
    }
    *n = schemas.n;
    log_schemas_free(&schemas);
    return result;
}
