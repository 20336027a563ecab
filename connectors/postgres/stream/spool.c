/* SPDX-License-Identifier: MIT */
/* One file a transaction: the changes, each as
 *
 *      length (4 bytes)  place in the log (8)  payload without the id
 *
 * and one with where each subtransaction begins in it. Ids are given at the first write, so a subtransaction's is higher than that
 * of what it is in, and those of one transaction come in ascending order. When one is rolled back, all with a higher id are within
 * it (the next one is not made yet), so all from the first of them on goes. Integers are this machine's. */
#include "connectors/postgres/stream/spool.h"

#include <cdc/bytes.h>
#include <cdc/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD = 12,
    WRITE_BYTES = 1 << 16,
    READ_BYTES = 1 << 18,
    KEEP_BYTES = 1 << 20,
    BEGIN_BYTES = 21,
    COMMIT_BYTES = 26
};

struct part {
    uint64_t begin; /* in the file of changes */
    uint32_t xid;
    uint32_t follows_message; /* it begins just after a logical message */
};

struct transaction {
    uint32_t xid;
    int changes, parts; /* descriptors; -1: none yet */
    uint64_t size;      /* of the changes, without what is in spool->unwritten */
    uint64_t n_parts;
    bool ends_in_message;  /* its last change is a logical message */
    uint32_t last_part;    /* the highest id of them */
    uint64_t first_change; /* where the first message begins that is a change; UINT64_MAX: none */
    struct transaction *next;
};

struct pg_spool {
    char *folder;
    bool keeps_empty;
    struct transaction *all;   /* the newest first */
    struct transaction *block; /* that of the block that is open; NULL: none is */
    struct cdc_buf unwritten;  /* of it */
    /* the one that comes out */
    struct transaction *out;
    uint8_t begin[BEGIN_BYTES], commit[COMMIT_BYTES];
    uint64_t commit_lsn;
    enum { OUT_BEGIN, OUT_CHANGES } step;
    uint64_t read; /* bytes of the changes that are in `bytes`, or were */
    struct cdc_buf bytes;
    size_t at; /* in bytes: what has come out */
};

/* -- files ------------------------------------------------------------------------- */

static int fail(const struct pg_spool *spool, const char *what, struct cdc_error *error)
{
    int number = errno;
    cdc_error_set(error, cdc_file_exit(number), "cannot %s an open transaction in %.200s: %s", what, spool->folder,
                  strerror(number));
    if (number == EMFILE || number == ENFILE)
        return cdc_error_hint(error, "raise the limit of open files, or do without --spool");
    if (number == ENOSPC || number == EDQUOT)
        return cdc_error_hint(error, "make room, give a larger folder with --spool, or do without it: the server then "
                                     "keeps open transactions on its own disk");
    return -1;
}

/* A file without a name is gone with the process. Where the file system has none such, it loses its name at once. */
static int open_file(const struct pg_spool *spool, struct cdc_error *error)
{
    struct cdc_buf path = CDC_BUF_INIT;
    int fd = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        cdc_buf_printf(&path, "%s/.cdc-spool-XXXXXX", spool->folder);
        cdc_buf_byte(&path, '\0');
        fd = path.failed ? -1 : mkostemp(path.data, O_CLOEXEC);
        if (fd >= 0)
            (void)unlink(path.data);
    }
    if (fd < 0)
        fail(spool, "keep", error);
    cdc_buf_free(&path);
    return fd;
}

static int write_at(const struct pg_spool *spool, int fd, const void *data, size_t n, uint64_t at,
                    struct cdc_error *error)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return fail(spool, "write", error);
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return 0;
}

/* All n bytes: a file of ours is never shorter than we know. */
static int read_at(const struct pg_spool *spool, int fd, void *data, size_t n, uint64_t at, struct cdc_error *error)
{
    char *p = data;
    while (n > 0) {
        ssize_t done = pread(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO;
        if (done <= 0)
            return fail(spool, "read", error);
        p += done;
        n -= (size_t)done;
        at += (uint64_t)done;
    }
    return 0;
}

/* -- transactions ------------------------------------------------------------------- */

static struct transaction **find(struct pg_spool *spool, uint32_t xid)
{
    struct transaction **at = &spool->all;
    while (*at && (*at)->xid != xid)
        at = &(*at)->next;
    return at;
}

static void close_transaction(struct transaction *transaction)
{
    if (transaction->changes >= 0)
        close(transaction->changes);
    if (transaction->parts >= 0)
        close(transaction->parts);
    free(transaction);
}

static void forget(struct transaction **at)
{
    struct transaction *transaction = *at;
    *at = transaction->next;
    close_transaction(transaction);
}

static struct transaction *add(struct pg_spool *spool, uint32_t xid, struct cdc_error *error)
{
    struct transaction *transaction = calloc(1, sizeof *transaction);
    if (!transaction) {
        cdc_error_memory(error);
        return NULL;
    }
    *transaction = (struct transaction){.xid = xid, .parts = -1, .first_change = UINT64_MAX, .next = spool->all};
    transaction->changes = open_file(spool, error);
    if (transaction->changes < 0) {
        close_transaction(transaction);
        return NULL;
    }
    spool->all = transaction;
    return transaction;
}

static int flush(struct pg_spool *spool, struct cdc_error *error)
{
    struct transaction *transaction = spool->block;
    if (spool->unwritten.failed)
        return cdc_error_memory(error);
    if (write_at(spool, transaction->changes, spool->unwritten.data, spool->unwritten.len, transaction->size, error) <
        0)
        return -1;
    transaction->size += spool->unwritten.len;
    spool->unwritten.len = 0;
    cdc_buf_shrink(&spool->unwritten, KEEP_BYTES);
    return 0;
}

/* -- subtransactions ---------------------------------------------------------------- */

static bool is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0; /* ids wrap */
}

static int note_part(struct pg_spool *spool, uint32_t xid, struct cdc_error *error)
{
    struct transaction *transaction = spool->block;
    if (xid == transaction->xid || (transaction->n_parts > 0 && !is_before(transaction->last_part, xid)))
        return 0;
    if (transaction->parts < 0 && (transaction->parts = open_file(spool, error)) < 0)
        return -1;
    struct part part = {
        .begin = transaction->size + spool->unwritten.len, .xid = xid, .follows_message = transaction->ends_in_message};
    if (write_at(spool, transaction->parts, &part, sizeof part, transaction->n_parts * sizeof part, error) < 0)
        return -1;
    transaction->n_parts++;
    transaction->last_part = xid;
    return 0;
}

/* The first of those whose ids are not before xid: *index; n_parts: there is none. */
static int find_part(const struct pg_spool *spool, const struct transaction *transaction, uint32_t xid, uint64_t *index,
                     struct part *found, struct cdc_error *error)
{
    uint64_t low = 0, high = transaction->n_parts;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct part part;
        if (read_at(spool, transaction->parts, &part, sizeof part, middle * sizeof part, error) < 0)
            return -1;
        if (is_before(part.xid, xid)) {
            low = middle + 1;
        } else {
            high = middle;
            *found = part;
        }
    }
    *index = low;
    return 0;
}

/* enum pg_spool_taken or -1 */
static int roll_back(const struct pg_spool *spool, struct transaction *transaction, uint32_t xid,
                     struct cdc_error *error)
{
    uint64_t index;
    struct part part = {.xid = 0}, before = {.xid = transaction->xid};
    if (find_part(spool, transaction, xid, &index, &part, error) < 0)
        return -1;
    if (index == transaction->n_parts) /* no change of it has come, but a message may have */
        return transaction->ends_in_message ? PG_SPOOL_UNSURE : PG_SPOOL_TAKEN;
    if (part.follows_message)
        return PG_SPOOL_UNSURE;
    if (index > 0 && read_at(spool, transaction->parts, &before, sizeof before, (index - 1) * sizeof before, error) < 0)
        return -1;
    transaction->n_parts = index;
    transaction->last_part = before.xid;
    transaction->size = part.begin;
    transaction->ends_in_message = false;
    if (transaction->first_change >= part.begin)
        transaction->first_change = UINT64_MAX;
    /* Only for the room: what comes next is written over it. */
    return ftruncate(transaction->changes, (off_t)part.begin) < 0 ? fail(spool, "write", error) : PG_SPOOL_TAKEN;
}

/* -- messages ----------------------------------------------------------------------- */

static int refuse(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server streams an open transaction, and %s", what);
}

/* 'S', id, 1: the first block of it */
static int take_start(struct pg_spool *spool, struct cdc_bytes *bytes, struct cdc_error *error)
{
    uint32_t xid = (uint32_t)cdc_bytes_be(bytes, 4);
    bool is_first = cdc_bytes_be(bytes, 1) == 1;
    if (bytes->bad || cdc_bytes_left(bytes) > 0)
        return refuse(error, "the head of a block is malformed");
    if (spool->block)
        return refuse(error, "a block begins in another one");
    struct transaction *transaction = *find(spool, xid);
    if (is_first != !transaction)
        return refuse(error, is_first ? "begins it twice" : "its beginning is missing");
    spool->block = is_first ? add(spool, xid, error) : transaction;
    return spool->block ? PG_SPOOL_TAKEN : -1;
}

static int take_stop(struct pg_spool *spool, const struct cdc_bytes *bytes, struct cdc_error *error)
{
    if (!spool->block || cdc_bytes_left(bytes) > 0)
        return refuse(error, "a block ends that did not begin");
    int status = flush(spool, error);
    spool->block = NULL;
    return status < 0 ? -1 : PG_SPOOL_TAKEN;
}

/* 'A', id, id of the subtransaction, or the same once more */
static int take_abort(struct pg_spool *spool, struct cdc_bytes *bytes, struct cdc_error *error)
{
    uint32_t xid = (uint32_t)cdc_bytes_be(bytes, 4), part = (uint32_t)cdc_bytes_be(bytes, 4);
    if (bytes->bad || cdc_bytes_left(bytes) > 0 || spool->block)
        return refuse(error, "a rollback is malformed");
    struct transaction **at = find(spool, xid);
    if (*at && part != xid)
        return roll_back(spool, *at, part, error);
    if (*at)
        forget(at);
    return PG_SPOOL_TAKEN;
}

static void put(uint8_t *to, uint64_t value, size_t n)
{
    while (n-- > 0) {
        to[n] = (uint8_t)value;
        value >>= 8;
    }
}

/* 'c', id, flags, place of the commit record, its end, time */
static int take_commit(struct pg_spool *spool, struct cdc_bytes *bytes, struct cdc_error *error)
{
    uint32_t xid = (uint32_t)cdc_bytes_be(bytes, 4);
    const uint8_t *rest = cdc_bytes_take(bytes, COMMIT_BYTES - 1);
    if (bytes->bad || cdc_bytes_left(bytes) > 0 || spool->block)
        return refuse(error, "a commit is malformed");
    struct transaction **at = find(spool, xid);
    if (!*at)
        return refuse(error, "one commits that has not begun");
    if ((*at)->first_change == UINT64_MAX && !spool->keeps_empty) {
        forget(at);
        return PG_SPOOL_TAKEN;
    }
    spool->out = *at;
    spool->step = OUT_BEGIN;
    spool->read = spool->at = spool->bytes.len = 0;
    cdc_buf_shrink(&spool->bytes, KEEP_BYTES);
    spool->commit_lsn = cdc_big_endian(rest + 1, 8);
    spool->begin[0] = 'B';
    memcpy(spool->begin + 1, rest + 1, 8);
    memcpy(spool->begin + 9, rest + 17, 8);
    put(spool->begin + 17, xid, 4);
    spool->commit[0] = 'C';
    memcpy(spool->commit + 1, rest, COMMIT_BYTES - 1);
    return PG_SPOOL_TAKEN;
}

static bool is_change(char type)
{
    return strchr("IUDTM", type) != NULL;
}

/* Within a block all but the origin have the id after their first byte. */
static int take_message(struct pg_spool *spool, uint64_t place, char type, struct cdc_bytes *bytes,
                        struct cdc_error *error)
{
    if (strchr("RYIUDTMO", type) == NULL)
        return refuse(error, "a block has a message that is none of a transaction");
    if (type != 'O') {
        uint32_t xid = (uint32_t)cdc_bytes_be(bytes, 4);
        if (bytes->bad || is_before(xid, spool->block->xid))
            return refuse(error, "a message in a block is malformed");
        if (note_part(spool, xid, error) < 0)
            return -1;
    }
    uint64_t at = spool->block->size + spool->unwritten.len;
    size_t left = cdc_bytes_left(bytes);
    uint32_t length = (uint32_t)left + 1;
    cdc_buf_append(&spool->unwritten, &length, sizeof length);
    cdc_buf_append(&spool->unwritten, &place, sizeof place);
    cdc_buf_byte(&spool->unwritten, type);
    cdc_buf_append(&spool->unwritten, (const char *)bytes->p, left);
    if (is_change(type) && spool->block->first_change == UINT64_MAX)
        spool->block->first_change = at;
    if (is_change(type))
        spool->block->ends_in_message = type == 'M';
    return spool->unwritten.len >= WRITE_BYTES && flush(spool, error) < 0 ? -1 : PG_SPOOL_TAKEN;
}

int pg_spool_take(struct pg_spool *spool, uint64_t place, const char *payload, size_t n, struct cdc_error *error)
{
    struct cdc_bytes bytes = {(const uint8_t *)payload, (const uint8_t *)payload + n, false};
    char type = (char)cdc_bytes_be(&bytes, 1);
    if (n > INT32_MAX || n == 0)
        return n == 0 ? PG_SPOOL_NOT : refuse(error, "a message is too long");
    switch (type) {
    case 'S': return take_start(spool, &bytes, error);
    case 'E': return take_stop(spool, &bytes, error);
    case 'A': return take_abort(spool, &bytes, error);
    case 'c': return take_commit(spool, &bytes, error);
    default: return spool->block ? take_message(spool, place, type, &bytes, error) : PG_SPOOL_NOT;
    }
}

/* -- what comes out ------------------------------------------------------------------ */

/* n bytes after `at`, of what is left. *there: they are in `bytes` from `at` on. */
static int fetch(struct pg_spool *spool, size_t n, struct cdc_error *error)
{
    struct cdc_buf *bytes = &spool->bytes;
    uint64_t left = spool->out->size - spool->read;
    if (bytes->len - spool->at >= n)
        return 0;
    if (spool->at > 0)
        memmove(bytes->data, bytes->data + spool->at, bytes->len - spool->at);
    bytes->len -= spool->at;
    spool->at = 0;
    size_t more = n - bytes->len > READ_BYTES ? n - bytes->len : READ_BYTES;
    more = more > left ? (size_t)left : more;
    if (!cdc_buf_room(bytes, more))
        return cdc_error_memory(error);
    if (read_at(spool, spool->out->changes, bytes->data + bytes->len, more, spool->read, error) < 0)
        return -1;
    bytes->len += more;
    spool->read += more;
    return 0;
}

static bool is_at_end(const struct pg_spool *spool)
{
    return spool->read == spool->out->size && spool->at == spool->bytes.len;
}

bool pg_spool_has(const struct pg_spool *spool)
{
    return spool->out != NULL;
}

int pg_spool_next(struct pg_spool *spool, uint64_t *place, struct cdc_span *payload, struct cdc_error *error)
{
    uint32_t length;
    if (spool->step == OUT_BEGIN) {
        spool->step = OUT_CHANGES;
        *place = spool->commit_lsn;
        *payload = cdc_span((const char *)spool->begin, sizeof spool->begin);
        return 0;
    }
    if (is_at_end(spool)) {
        *place = spool->commit_lsn;
        *payload = cdc_span((const char *)spool->commit, sizeof spool->commit);
        forget(find(spool, spool->out->xid));
        spool->out = NULL;
        return 0;
    }
    if (fetch(spool, HEAD, error) < 0)
        return -1;
    memcpy(&length, spool->bytes.data + spool->at, sizeof length);
    memcpy(place, spool->bytes.data + spool->at + sizeof length, sizeof *place);
    if (fetch(spool, HEAD + length, error) < 0)
        return -1;
    *payload = cdc_span(spool->bytes.data + spool->at + HEAD, length);
    spool->at += HEAD + length;
    return 0;
}

/* -- lifetime ------------------------------------------------------------------------ */

void pg_spool_reset(struct pg_spool *spool, bool keeps_empty)
{
    while (spool->all)
        forget(&spool->all);
    spool->block = spool->out = NULL;
    spool->unwritten.len = spool->bytes.len = spool->at = 0;
    spool->keeps_empty = keeps_empty;
}

void pg_spool_free(struct pg_spool *spool)
{
    if (!spool)
        return;
    pg_spool_reset(spool, false);
    cdc_buf_free(&spool->unwritten);
    cdc_buf_free(&spool->bytes);
    free(spool->folder);
    free(spool);
}

struct pg_spool *pg_spool_new(const char *folder, struct cdc_error *error)
{
    struct pg_spool *spool = calloc(1, sizeof *spool);
    if (spool)
        spool->folder = strdup(folder);
    if (!spool || !spool->folder) {
        free(spool);
        cdc_error_memory(error);
        return NULL;
    }
    /* Before anything is read, rather than at the first large transaction. */
    int fd = open_file(spool, error);
    if (fd >= 0) {
        close(fd);
        return spool;
    }
    pg_spool_free(spool);
    return NULL;
}
