/* SPDX-License-Identifier: MIT */
/* Lines that are what the CRCs of their batches say, held against the hash chain. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connectors/log/file/cursor.h"
#include "connectors/log/repair/internal.h"

/* One more line. 1; 0: it has no salt; -1 */
static int add_line(struct log_chain *chain, struct cdc_span line, int salts, uint64_t number, struct cdc_error *error)
{
    unsigned char salt[LOG_SALT];

    if (salts >= 0 && pread(salts, salt, LOG_SALT, (off_t)(number * LOG_SALT)) != LOG_SALT)
        return 0;
    if (log_chain_line(chain, line, salts >= 0 ? salt : NULL) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
    return 1;
}

/* A batch of n lines, which was read to its end. */
static bool is_batch(const struct log_cursor *cursor, const struct log_chain *chain, uint64_t n)
{
    return cursor->commit.n == n && memcmp(cursor->commit.chain, chain->value, LOG_HASH) == 0;
}

/* All lines up to end. 1; 0: one has no salt, or a batch is not what its commit says; -1 */
static int add_lines(struct log_cursor *cursor, struct log_chain *chain, int salts, uint64_t end,
                     struct cdc_error *error)
{
    struct cdc_span line;
    uint64_t at = 0, n = 0, before = 0;
    int good = 1;

    for (uint64_t next = cursor->at; good == 1 && next < end;) {
        if (log_cursor_line(cursor, &line, &at, error) != 1)
            return -1;
        next = at + line.n + 1;
        good = add_line(chain, line, salts, n++, error);
        if (good == 1 && next == cursor->at && cursor->ended_batch) {
            good = is_batch(cursor, chain, n - before);
            before = n;
        }
    }
    return good;
}

/* As the journal has it before its first batch. 0 or -1 */
static int chain_before(const struct log_folder *folder, uint64_t start, struct log_chain *chain,
                        struct cdc_error *error)
{
    struct log_index index;
    struct log_commit first;
    int result = log_chain_open(chain, folder->id, error);

    if (result != 0 || log_index_open(&index, folder, LOG_INDEX, start, error) != 0)
        return -1;
    if (log_index_next(&index, &first, error) == 1)
        memcpy(chain->value, first.chain, LOG_HASH);
    else
        result = -1;
    log_index_close(&index);
    return result;
}

int log_repair_prove(struct log_folder *folder, const struct log_proved *what, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct log_chain chain;
    struct log_cursor cursor;
    int salts = folder->redactable ? log_part_open(folder, LOG_SALTS, what->start, O_RDONLY, &why) : -1;
    int good = !folder->redactable || salts >= 0;

    if (chain_before(folder, what->start, &chain, error) != 0)
        good = -1;
    log_cursor_open_segment(&cursor, folder, what->start);
    cursor.without_table = what->without_table;
    if (good == 1)
        good = add_lines(&cursor, &chain, salts, what->end, error);
    if (good == 1)
        good = memcmp(chain.value, what->chain, LOG_HASH) == 0;
    log_cursor_close(&cursor);
    log_chain_free(&chain);
    if (salts >= 0)
        close(salts);
    return good;
}
