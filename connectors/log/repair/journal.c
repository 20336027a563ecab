/* SPDX-License-Identifier: MIT */
/* The commit journal of a segment: are its lines in order, and a copy of it. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/index.h"
#include "connectors/log/repair/internal.h"
#include <cdc/file.h>

#define BLOCK_SIZE ((size_t)1 << 16)

/* Where its lines are up to now. */
struct order {
    uint64_t end; /* of the last batch */
    bool sealed;
};

/* After the first one: each batch ends after the one before, and nothing follows the seal, which is where the last one ends. */
static bool is_next(struct order *order, const struct log_commit *commit)
{
    if (order->sealed || commit->kind == LOG_SEGMENT_LINE)
        return false;
    if (commit->kind == LOG_SEAL_LINE) {
        order->sealed = commit->end == order->end;
        return order->sealed;
    }
    if (commit->end <= order->end)
        return false;
    order->end = commit->end;
    return true;
}

void log_repair_check_journal(const struct log_folder *folder, uint64_t start, struct cdc_error *why)
{
    struct order order = {start, false};
    struct log_index index;
    struct log_commit commit;
    bool good = true;

    if (log_index_open(&index, folder, LOG_INDEX, start, why) != 0)
        return;
    int found = log_index_next(&index, &commit, why);
    while (good && found == 1 && (found = log_index_next(&index, &commit, why)) == 1)
        good = is_next(&order, &commit);
    if (!good || (found == 0 && order.sealed && index.torn))
        cdc_error_set(why, CDC_EXIT_CONFIG, "a line of the commit journal of segment %020" PRIu64 " is out of order",
                      start);
    log_index_close(&index);
}

/* Where the schema lines before it are lost, it does not say that they are there. 1, 0, -1 */
static int take_first(const struct repair *repair, struct log_index *index, struct cdc_buf *text,
                      struct cdc_error *error)
{
    struct log_commit first;
    int found = log_index_next(index, &first, error);

    if (found == 1 && repair->lacks_schemas)
        first.schemas = 0;
    if (found == 1)
        log_commit_append(text, &first);
    return found;
}

static int write_out(struct repair *repair, int to, const char *name, struct cdc_buf *text, struct cdc_error *error)
{
    if (text->failed)
        return cdc_error_memory(error);
    int result = cdc_file_write(to, text->data, text->len) == 0 ? 0 : log_file_error(&repair->to, "write", name, error);
    text->len = 0;
    return result;
}

/* One may be longer than memory. */
static int copy_lines(struct repair *repair, struct log_index *index, uint64_t n, int to, const char *name,
                      struct cdc_error *error)
{
    struct order order = {index->start, false};
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_commit commit;
    int result = 0, found = take_first(repair, index, &text, error);

    while (result == 0 && found == 1 && index->offset < n && (found = log_index_next(index, &commit, error)) == 1) {
        if (is_next(&order, &commit))
            log_commit_append(&text, &commit);
        if (text.len >= BLOCK_SIZE)
            result = write_out(repair, to, name, &text, error);
    }
    if (result == 0)
        result = found < 0 ? -1 : write_out(repair, to, name, &text, error);
    cdc_buf_free(&text);
    return result;
}

int log_repair_copy_journal(struct repair *repair, uint64_t start, uint64_t n, unsigned mode, struct cdc_error *error)
{
    char name[LOG_NAME_SIZE];
    struct log_index index;

    if (log_index_open(&index, &repair->from, LOG_INDEX, start, error) != 0)
        return -1;
    int to = log_file_open(&repair->to, log_name_make(name, LOG_INDEX, start), O_WRONLY | O_CREAT | O_EXCL, error);
    int result = to < 0 ? -1 : copy_lines(repair, &index, n, to, name, error);
    if (result == 0 && (fchmod(to, mode) != 0 || fsync(to) != 0))
        result = log_file_error(&repair->to, "write", name, error);
    if (to >= 0)
        close(to);
    log_index_close(&index);
    return result;
}
