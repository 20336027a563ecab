/* SPDX-License-Identifier: MIT */
/* Lines of a commit journal, whatever is in them: one that is taken prints as it was, or is damaged (78); and a compressed segment, which is
 * read whole, or is damaged. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <unistd.h>

#include <cdc/exit.h>

#include "connectors/log/file/commit.h"
#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/frames.h"

static int count(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    (void)name, (void)error;
    *(size_t *)context += offset->pos != NULL;
    return 0;
}

/* With a CRC that fits, so that what is behind it is reached. */
static void take_line(const uint8_t *data, size_t n)
{
    struct cdc_buf line = CDC_BUF_INIT, again = CDC_BUF_INIT;
    struct log_commit commit;
    struct cdc_error error = {0};
    size_t names = 0;

    cdc_buf_append(&line, data, n);
    cdc_buf_printf(&line, ",\"c\":\"%08x\"}", log_crc32c(0, data, n));
    if (log_commit_parse(&commit, cdc_span(line.data, line.len), &error) == 0) {
        log_commit_append(&again, &commit);
        if (again.failed || log_commit_parse(&commit, cdc_span(again.data, again.len - 1), NULL) != 0)
            abort();
        (void)log_at_each(commit.at, count, &names, NULL);
    } else if (error.status != CDC_EXIT_CONFIG) {
        abort();
    }
    cdc_buf_free(&line);
    cdc_buf_free(&again);
}

static void take_frames(const uint8_t *data, size_t n)
{
    struct cdc_error error = {0};
    char block[4096];
    FILE *file = tmpfile();

    if (file == NULL || fwrite(data, 1, n, file) != n || fflush(file) != 0)
        exit(1);
    struct log_unpacker *unpacker = log_unpacker_new(dup(fileno(file)), &error);
    while (unpacker != NULL && log_unpacker_read(unpacker, block, sizeof block, &error) > 0)
        ;
    if (error.status != 0 && error.status != CDC_EXIT_CONFIG && error.status != CDC_EXIT_INTERNAL)
        abort();
    log_unpacker_free(unpacker);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 1 && data[0] == 'z')
        take_frames(data + 1, n - 1);
    else
        take_line(data, n);
    return 0;
}
