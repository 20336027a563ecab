/* SPDX-License-Identifier: MIT */
/* A place in a log: the journal has the chain at the end of each batch, and sealed journals have fewer of them. Between two of them the
 * lines are hashed. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "connectors/log/file/place.h"
#include <cdc/json.h>

struct known {
    uint64_t byte;
    uint64_t lines; /* of the segment before it */
    unsigned char chain[LOG_HASH];
};

/* The last batch of the segment that ends at the byte or before it. 0 or -1. */
static int find_known(const struct log_folder *folder, const struct log_segment *segment, uint64_t byte,
                      struct known *known, struct cdc_error *error)
{
    struct log_index index;
    struct log_commit commit;
    int found = log_index_open(&index, folder, LOG_INDEX, segment->start, error) == 0 ? 1 : -1;
    uint64_t lines = 0;

    while (found == 1 && (found = log_index_next(&index, &commit, error)) == 1 && commit.end <= byte) {
        if (commit.kind == LOG_SEAL_LINE)
            break;
        lines += commit.n;
        *known = (struct known){.byte = commit.end, .lines = lines};
        memcpy(known->chain, commit.chain, LOG_HASH);
    }
    log_index_close(&index);
    return found < 0 ? -1 : 0;
}

static int no_salts(const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "segment %020" PRIu64 " of the log \"%s\" lacks salts", start,
                         folder->path);
}

/* The descriptor, or -1: LOST where the segment was trimmed. */
static int open_salts(const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    struct cdc_error why = {0};
    int fd = log_part_open(folder, LOG_SALTS, start, O_RDONLY, &why);

    if (fd < 0 && errno == ENOENT && why.status != CDC_EXIT_LOST)
        return no_salts(folder, start, error);
    if (fd < 0)
        *error = why;
    return fd;
}

static int read_salt(const struct log_cursor *cursor, int fd, uint64_t line, unsigned char salt[LOG_SALT],
                     struct cdc_error *error)
{
    ssize_t got = pread(fd, salt, LOG_SALT, (off_t)(line * LOG_SALT));

    if (got < 0)
        return log_file_error(cursor->folder, "read", "a salt", error);
    return got == LOG_SALT ? 0 : no_salts(cursor->folder, cursor->segment, error);
}

/* The lines and salts of a batch are those that its commit has the chain of: else the log is damaged, and no other one. */
static int check_batch(const struct log_cursor *cursor, const struct log_chain *chain, struct cdc_error *error)
{
    if (memcmp(chain->value, cursor->commit.chain, LOG_HASH) == 0)
        return 1;
    return cdc_error_set(error, CDC_EXIT_CONFIG,
                         "segment %020" PRIu64 " of the log \"%s\" is damaged: its lines up to byte %" PRIu64
                         ", or their salts, are not those that its journal has the hash chain of",
                         cursor->segment, cursor->folder->path, cursor->at);
}

/* Hashes the lines up to the end of the batch that the byte is in: *value is the chain at the byte. 1; 0: no line begins there; -1. */
static int hash_to(struct log_folder *folder, const struct known *known, int salts, uint64_t byte,
                   struct log_chain *chain, unsigned char value[LOG_HASH], struct cdc_error *error)
{
    unsigned char salt[LOG_SALT];
    struct log_cursor cursor;
    struct cdc_span line;
    uint64_t at = known->byte, lines = known->lines;
    int found = log_cursor_open(&cursor, folder, at, error) == 0 ? 1 : -1;
    bool met = false, ended = false;

    while (found == 1 && !ended && (found = log_cursor_line(&cursor, &line, &at, error)) == 1) {
        at += line.n + 1;
        if (salts >= 0 && read_salt(&cursor, salts, lines++, salt, error) != 0)
            found = -1;
        else if (log_chain_line(chain, line, salts >= 0 ? salt : NULL) != 0)
            found = cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
        if (at == byte)
            memcpy(value, chain->value, LOG_HASH);
        met |= at == byte;
        ended = at == cursor.at && cursor.ended_batch;
        if (found == 1 && ended)
            found = check_batch(&cursor, chain, error);
    }
    log_cursor_close(&cursor);
    return found < 0 ? -1 : met;
}

int log_chain_at(struct log_folder *folder, uint64_t byte, unsigned char value[LOG_HASH], struct cdc_error *error)
{
    struct log_chain chain;
    struct known known;

    if (folder->n > 0 && byte < log_folder_begin(folder))
        return cdc_error_set(error, CDC_EXIT_LOST, "byte %" PRIu64 " of the log \"%s\" was removed by retention", byte,
                             folder->path);
    const struct log_segment *segment = log_folder_find(folder, byte);
    if (segment == NULL && (byte > 0 || folder->n > 0))
        return cdc_error_set(error, CDC_EXIT_LOST,
                             "byte %" PRIu64 " is after the end of the log \"%s\", which is %" PRIu64, byte,
                             folder->path, log_folder_end(folder));
    int result = log_chain_open(&chain, folder->id, error) == 0 ? 1 : -1;
    if (result == 1 && segment != NULL) {
        known = (struct known){.byte = segment->start};
        memcpy(known.chain, chain.value, LOG_HASH);
        result = find_known(folder, segment, byte, &known, error) == 0 ? 1 : -1;
        memcpy(chain.value, known.chain, LOG_HASH);
    }
    memcpy(value, chain.value, LOG_HASH);
    if (result == 1 && segment != NULL && known.byte < byte) {
        int salts = folder->redactable ? open_salts(folder, segment->start, error) : -1;
        result = folder->redactable && salts < 0 ? -1 : hash_to(folder, &known, salts, byte, &chain, value, error);
        if (salts >= 0)
            close(salts);
    }
    log_chain_free(&chain);
    return result;
}

void log_state_append(struct cdc_buf *out, const char *id, const unsigned char chain[LOG_HASH])
{
    char hex[LOG_HASH_HEX + 1];

    log_hash_print(hex, chain);
    cdc_buf_printf(out, "{\"log\":\"%s\",\"chain\":\"%s\"}", id, hex);
}

static int other_log(const struct log_folder *folder, uint64_t byte, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the log \"%s\" is not the one that was read up to byte %" PRIu64 ": %s",
                  folder->path, byte, why);
    return cdc_error_hint(error,
                          "where it was restored from a copy, what was read after that copy is not in it: rebuild the "
                          "destination, with another --reader or without the offset file");
}

int log_state_check(struct log_folder *folder, uint64_t byte, const char *state, struct cdc_error *error)
{
    unsigned char kept[LOG_HASH], now[LOG_HASH];
    struct cdc_span object = cdc_span_text(state);

    if (state == NULL)
        return 0;
    if (!cdc_span_is(cdc_json_member_raw(object, "log"), folder->id))
        return other_log(folder, byte, "it has another id", error);
    if (!log_hash_parse(kept, cdc_json_member_raw(object, "chain")))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the offset file has no chain of the log \"%s\"", folder->path);
    if (byte > log_folder_end(folder))
        return other_log(folder, byte, "it ends before that", error);
    int found = log_chain_at(folder, byte, now, error);
    if (found < 0)
        return -1;
    return found == 1 && memcmp(kept, now, LOG_HASH) == 0 ? 0
                                                          : other_log(folder, byte, "its hash chain is another", error);
}

void log_pos_make(char pos[LOG_DIGITS + 1], uint64_t byte)
{
    snprintf(pos, LOG_DIGITS + 1, "%020" PRIu64, byte);
}

bool log_pos_parse(const char *pos, uint64_t *byte)
{
    char name[LOG_NAME_SIZE];

    if (strlen(pos) != LOG_DIGITS)
        return false;
    snprintf(name, sizeof name, "%s.idx", pos);
    return log_name_parse(name, byte) == LOG_INDEX;
}
