/* SPDX-License-Identifier: MIT */
/* Files of the binary log, without a server. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/mysql.h"
#include "connectors/mysql/schema/files.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/column.h"

#include <cdc/bytes.h>
#include <cdc/file.h>
#include <cdc/line.h>
#include <cdc/retry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)256 << 10)
#define FLUSH_BYTES ((size_t)256 << 10)
#define STOP_MS 5000                /* for a slow reader to take the rest after a signal */
#define EVENT_MAX ((size_t)1 << 30) /* max_allowed_packet's limit */

static const uint8_t magic[4] = {0xFE, 'b', 'i', 'n'};
/* Of an event's header, which begins with four bytes of time: 1 byte of type, 4 of server_id, 4 of the event's size, 4 of its
 * end, 2 of flags. */
enum { TYPE_AT = 4, SIZE_AT = 9, FLAGS_AT = 17 };
/* Of FORMAT_DESCRIPTION, after the header, 2 bytes and 50: when the server began; 0 in a file that goes on from another. */
enum { BEGAN_AT = MY_EVENT_HEADER_SIZE + 52 };

/* What a file says at its head. */
struct head {
    struct my_gtid_set *set; /* of the transactions before it, owned; NULL: it does not say */
    uint32_t created;        /* when it was begun */
    uint64_t commits;        /* that were read until then */
    bool anonymous;          /* transactions without GTIDs were in it */
};

struct reading {
    const struct my_file_settings *settings;
    struct cdc_control *control;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    struct my_decoder *decoder;
    struct cdc_writer *writer;
    struct my_files_schema *schema; /* NULL: no server is asked */
    const char *path;
    size_t file; /* which of the settings */
    int fd;
    struct cdc_buf buf; /* of the file; used up to `at` */
    size_t at;
    uint64_t events;         /* of the file, so far */
    bool end;                /* of the file: buf has its last bytes */
    bool relay;              /* it is a relay log */
    bool in_use;             /* its head says that it is not complete */
    bool closed;             /* its last event says that it is, and that another one follows */
    bool anonymous;          /* it has transactions without GTIDs */
    bool doubtful;           /* the file before may lack its end */
    uint32_t created;        /* when it was begun */
    struct head head_before; /* of the last one that has such a list */
    uint64_t carried;        /* number of the transaction, from 1, that began in an earlier file; 0: none */
};

static size_t event_size(const uint8_t *header)
{
    return (size_t)cdc_little_endian(header + SIZE_AT, 4);
}

static int cannot_read(const struct reading *reading, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to read file %s: %s", reading->path, strerror(errno));
}

static int at_coord(struct reading *reading, struct cdc_error *error)
{
    return cdc_error_prefix(error, "file %.400s at %llu", reading->path,
                            (unsigned long long)my_decoder_coord(reading->decoder)->position);
}

/* At least n bytes in the buffer: 1; 0 at the end of the file; -1. */
static int need(struct reading *reading, size_t n, struct cdc_error *error)
{
    while (reading->buf.len - reading->at < n && !reading->end) {
        size_t rest = reading->buf.len - reading->at;
        if (reading->at > 0) {
            memmove(reading->buf.data, reading->buf.data + reading->at, rest);
            reading->buf.len = rest;
            reading->at = 0;
        }
        /* A length that only claims to be big gets memory as bytes really come. */
        if (!cdc_buf_room(&reading->buf, READ_SIZE))
            return cdc_error_memory(error);
        ssize_t got = read(reading->fd, reading->buf.data + reading->buf.len, reading->buf.cap - reading->buf.len);
        if (got < 0 && errno != EINTR)
            return cannot_read(reading, error);
        reading->end = got == 0;
        reading->buf.len += got > 0 ? (size_t)got : 0;
    }
    return reading->buf.len - reading->at >= n;
}

static int flush(struct reading *reading, struct cdc_error *error)
{
    if (cdc_writer_pending(reading->writer) < FLUSH_BYTES)
        return 0;
    return cdc_writer_drain(reading->writer, reading->control, error) < 0 ? -1 : 0;
}

/* Lines leave whole, after a signal for a while. */
static int finish(struct reading *reading, struct cdc_error *error)
{
    int left = cdc_writer_drain(reading->writer, reading->control, error);
    if (left > 0)
        left = cdc_writer_finish(reading->writer, reading->control, STOP_MS, error);
    return left < 0 ? -1 : 0;
}

static int truncated(struct reading *reading, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_DATA, "the file ends inside an event");
    cdc_error_hint(error, "it is truncated, or still being written");
    return at_coord(reading, error);
}

/* The next n bytes; they count as taken, and stay until the next call. */
static const uint8_t *take(struct reading *reading, size_t n, struct cdc_error *error)
{
    int got = need(reading, n, error);
    if (got <= 0) {
        if (got == 0)
            truncated(reading, error);
        return NULL;
    }
    reading->at += n;
    return (const uint8_t *)reading->buf.data + reading->at - n;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int does_not_go_on(const struct reading *reading, const struct my_gtid_set *set, struct cdc_error *error)
{
    struct cdc_buf gtids = CDC_BUF_INIT;
    my_gtid_set_append(&gtids, set);
    cdc_buf_byte(&gtids, '\0');
    cdc_error_set(
        error, CDC_EXIT_DATA,
        "file %.200s does not go on where %.200s ends: transactions up to \"%.200s\" come before it, and not all "
        "of them were read",
        reading->path, name_of(reading->settings->files[reading->file - 1]), gtids.failed ? "" : gtids.data);
    cdc_buf_free(&gtids);
    return cdc_error_hint(error,
                          "the file before it is truncated (was it copied while it was written?), or files between "
                          "are left out");
}

static int comes_before(const struct reading *reading, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_DATA, "file %.200s is not one that follows %.200s: it is of before, or the same",
                  reading->path, name_of(reading->settings->files[reading->file - 1]));
    return cdc_error_hint(error, "give the files of the log in their order, each once");
}

/* set: at the head of this file. Files under names of their own may come in any order, or twice. An older one has an older time,
 * and fewer transactions before it; where clock or transactions were set back, only one of both is so. */
static bool is_of_before(const struct reading *reading, const struct my_gtid_set *set)
{
    const struct head *before = &reading->head_before;
    if (!before->set || reading->created > before->created)
        return false;
    if (!my_gtid_set_includes(set, before->set))
        return true;
    bool brought = my_decoder_counts(reading->decoder)->commits > before->commits && !before->anonymous;
    return brought && reading->created == before->created && my_gtid_set_equal(set, before->set);
}

/* TAKES set. */
static void keep_head(struct reading *reading, struct my_gtid_set *set)
{
    my_gtid_set_free(reading->head_before.set);
    reading->head_before = (struct head){set, reading->created, my_decoder_counts(reading->decoder)->commits, false};
}

/* PREVIOUS_GTIDS or GTID_LIST at the head of a file: what the server had logged before it, and so what the files before it
 * must have brought. A copy of a file that was still being written ends too early, maybe between two transactions. */
static int check_goes_on(struct reading *reading, const uint8_t *data, size_t n, struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    if (my_decoder_body(reading->decoder, data, n, &header, &body, error) < 0)
        return at_coord(reading, error);
    struct my_gtid_set *set = my_gtid_set_new(my_decoder_flavor(reading->decoder), error);
    int result = set ? my_gtid_set_decode(set, body, error) : -1;
    if (result < 0)
        at_coord(reading, error);
    else if (is_of_before(reading, set))
        result = comes_before(reading, error);
    else if (reading->file > 0 && !my_gtid_set_includes(my_decoder_gtids(reading->decoder), set))
        result = does_not_go_on(reading, set, error);
    if (result < 0)
        my_gtid_set_free(set);
    else
        keep_head(reading, set);
    return result;
}

static int ends_too_early(const char *path, const char *how, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_DATA, "file %.400s %s, and another one follows", path, how);
    return cdc_error_hint(error,
                          "it is truncated, or was copied while the server wrote it: copy it again, now that it is "
                          "complete");
}

/* The file before has no end, and this one begins. A server that only goes on from one to the other has ended the first. One
 * that was started may have been killed before. */
static int check_file_before(struct reading *reading, const uint8_t *data, size_t n, struct cdc_error *error)
{
    const char *before = reading->settings->files[reading->file - 1];
    reading->doubtful = false;
    if (data[TYPE_AT] != MY_EVENT_FORMAT || n < BEGAN_AT + 4 || cdc_little_endian(data + BEGAN_AT, 4) == 0)
        return ends_too_early(before, "has no end", error);
    cdc_log_write(
        reading->log, CDC_LOG_WARNING,
        "file %.400s has no end, and another one follows: where the server was not killed, it is truncated, and "
        "changes are missing",
        before);
    return 0;
}

/* What the file's end is judged by. */
static void note_event(struct reading *reading, const uint8_t *data)
{
    uint8_t type = data[TYPE_AT];
    unsigned flags = (unsigned)cdc_little_endian(data + FLAGS_AT, 2);
    if (reading->events == 0) {
        reading->in_use = flags & MY_EVENT_FLAG_IN_USE;
        reading->relay = flags & MY_EVENT_FLAG_RELAY_LOG;
        reading->created = (uint32_t)cdc_little_endian(data, 4);
    }
    reading->closed = type == MY_EVENT_STOP || (type == MY_EVENT_ROTATE && !(flags & MY_EVENT_FLAG_ARTIFICIAL));
    reading->anonymous |= type == MY_EVENT_ANONYMOUS_GTID;
    reading->head_before.anonymous |= reading->anonymous;
}

/* Before an event is decoded, of which data has the n bytes of its first part: what is the file's affair. */
static int check_event(struct reading *reading, const uint8_t *data, size_t n, struct cdc_error *error)
{
    uint8_t type = data[TYPE_AT];
    note_event(reading, data);
    if (reading->doubtful && check_file_before(reading, data, n, error) < 0)
        return -1;
    /* In a relay log others come first, and lists are those of another server's files. */
    bool at_head = reading->events++ == 1;
    if (type == MY_EVENT_MARIADB_START_ENCRYPTION) {
        cdc_error_set(error, CDC_EXIT_DATA, "file %s is encrypted", reading->path);
        return cdc_error_hint(error, "an encrypted log is read from the server");
    }
    bool list = type == MY_EVENT_PREVIOUS_GTIDS || type == MY_EVENT_MARIADB_GTID_LIST;
    return list && at_head ? check_goes_on(reading, data, n, error) : 0;
}

/* An event of n bytes, of which the first part is decoded at once, and the others when the decoder asks for them: so a
 * compressed transaction of any size needs memory for one part. */
static int decode_event(struct reading *reading, size_t n, size_t part, struct cdc_error *error)
{
    struct cdc_buf *out = cdc_writer_buf(reading->writer);
    const uint8_t *data = take(reading, part, error);
    if (data && check_event(reading, data, part, error) < 0)
        return -1;
    int more = data ? my_decoder_take(reading->decoder, data, part, out, error) : -1;
    while (more > 0) {
        more = my_decoder_more(reading->decoder, out, error);
        if (more == MY_PAYLOAD_WANTS) {
            n -= part;
            part = n < MY_DECODER_PART ? n : MY_DECODER_PART;
            data = take(reading, part, error);
            more = data ? my_decoder_take_part(reading->decoder, data, part, error) : -1;
        }
        if (more > 0 && flush(reading, error) < 0)
            return -1;
    }
    if (more < 0)
        return data ? at_coord(reading, error) : -1;
    return out->failed ? cdc_error_memory(error) : flush(reading, error);
}

static bool is_done(const struct reading *reading)
{
    const struct my_counts *counts = my_decoder_counts(reading->decoder);
    bool between = !my_decoder_in_transaction(reading->decoder);
    return reading->control->stop >= 2 || (reading->control->stop && between) ||
           (reading->settings->max_events > 0 && between && counts->changes >= (uint64_t)reading->settings->max_events);
}

static int read_events(struct reading *reading, struct cdc_error *error)
{
    while (!is_done(reading)) {
        int got = need(reading, MY_EVENT_HEADER_SIZE, error);
        if (got < 0)
            return -1;
        if (got == 0)
            return reading->buf.len == reading->at ? 0 : truncated(reading, error);
        const uint8_t *p = (const uint8_t *)reading->buf.data + reading->at;
        size_t n = event_size(p);
        if (n < MY_EVENT_HEADER_SIZE || n > EVENT_MAX) {
            cdc_error_set(error, CDC_EXIT_DATA, "an event claims to be %zu bytes long", n);
            return at_coord(reading, error);
        }
        bool in_parts = p[TYPE_AT] == MY_EVENT_TRANSACTION_PAYLOAD && n > MY_DECODER_PART;
        if (decode_event(reading, n, in_parts ? MY_DECODER_PART : n, error) < 0)
            return -1;
    }
    return 0;
}

/* The name in the positions is the file's, as the server would say it: binlog.000007, wherever the copy lies. So a
 * stream from the server can go on where the files end. */
static void name_coord(const char *path, struct my_coord *coord)
{
    const char *slash = strrchr(path, '/');
    snprintf(coord->file, sizeof coord->file, "%s", slash ? slash + 1 : path);
    coord->position = sizeof magic;
}

static int read_magic(struct reading *reading, struct cdc_error *error)
{
    int got = need(reading, sizeof magic, error);
    if (got > 0 && memcmp(reading->buf.data, magic, sizeof magic) == 0) {
        reading->at = sizeof magic;
        return 0;
    }
    if (got < 0)
        return -1;
    cdc_error_set(error, CDC_EXIT_DATA, "file %s is no binary log", reading->path);
    return cdc_error_hint(error, "an encrypted log is read from the server");
}

/* The numbers of transactions and the GTIDs go on from one file to the next. */
static int start_decoder(struct reading *reading, const struct my_coord *coord, struct cdc_error *error)
{
    struct cdc_buf gtids = CDC_BUF_INIT;
    const struct cdc_offset *boundary = my_decoder_boundary(reading->decoder);
    uint64_t number = boundary ? (uint64_t)boundary->seq : 0;
    my_gtid_set_append(&gtids, my_decoder_gtids(reading->decoder));
    cdc_buf_byte(&gtids, '\0');
    int result =
        gtids.failed ? cdc_error_memory(error) : my_decoder_start(reading->decoder, number, gtids.data, coord, error);
    cdc_buf_free(&gtids);
    return result;
}

/* -- from one file to the next -------------------------------------------------------------- */

/* The file ends inside a transaction. A relay log is rotated wherever it is full. MariaDB that was killed leaves one that
 * was never committed; a truncated copy looks the same, but then the head of the next file lists it (check_goes_on). MySQL
 * takes such a rest away when it starts. 1: the transaction goes on; 0; -1. */
static int leave_transaction(struct reading *reading, struct cdc_error *error)
{
    if (reading->relay && reading->closed) {
        reading->carried = my_decoder_counts(reading->decoder)->commits + 1;
        return 1;
    }
    if (reading->relay || my_decoder_flavor(reading->decoder) == MY_FLAVOR_MYSQL)
        return ends_too_early(reading->path, "ends inside a transaction", error);
    return my_decoder_break_off(reading->decoder, error) < 0 ? at_coord(reading, error) : 0;
}

/* Where transactions have no GTIDs, the next file's head does not tell whether some are missing. A server that ends or begins
 * another file says so at the end of this one, and in its head. */
static int check_complete(struct reading *reading, struct cdc_error *error)
{
    bool listed = !reading->anonymous && !my_gtid_set_is_empty(my_decoder_gtids(reading->decoder));
    reading->doubtful = !reading->closed && !listed && reading->events > 0;
    return reading->doubtful && reading->in_use ? ends_too_early(reading->path, "was still open", error) : 0;
}

/* reading is still that of the file before. 1: a transaction goes on in the next one; 0; -1. */
static int leave_file(struct reading *reading, struct cdc_error *error)
{
    int carries = my_decoder_in_transaction(reading->decoder) ? leave_transaction(reading, error) : 0;
    if (carries == 0 && check_complete(reading, error) < 0)
        return -1;
    return carries;
}

static int read_file(struct reading *reading, const char *path, struct cdc_error *error)
{
    struct my_coord coord = {"", 0};
    int carries = reading->file > 0 ? leave_file(reading, error) : 0;
    if (carries < 0)
        return -1;
    reading->path = path;
    reading->at = reading->buf.len = 0;
    reading->events = 0;
    reading->end = reading->closed = reading->anonymous = false;
    name_coord(path, &coord);
    if (carries > 0)
        my_decoder_go_on(reading->decoder, &coord);
    else if (start_decoder(reading, &coord, error) < 0)
        return -1;
    reading->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reading->fd < 0)
        return cdc_error_set(error, cdc_file_exit(errno), "unable to open file %s: %s", path, strerror(errno));
    int result = read_magic(reading, error) < 0 ? -1 : read_events(reading, error);
    close(reading->fd);
    return result;
}

/* -- what the decoder asks for ---------------------------------------------------------------- */

/* Where the bytes that the decoder has taken end; -1 in a pipe. */
static off_t taken_up_to(const struct reading *reading)
{
    off_t offset = lseek(reading->fd, 0, SEEK_CUR);
    return offset < 0 ? -1 : offset - (off_t)(reading->buf.len - reading->at);
}

enum { AT_END = 2 };

/* n bytes of the file at that offset: 1; AT_END: it has not so many; -1: a fault of reading is no end, after which a transaction
 * would count as one that was never committed. */
static int read_at(const struct reading *reading, off_t offset, void *data, size_t n, struct cdc_error *error)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(reading->fd, (char *)data + done, n - done, offset + (off_t)done);
        if (got < 0 && errno != EINTR)
            return cannot_read(reading, error);
        if (got == 0)
            return AT_END;
        done += got > 0 ? (size_t)got : 0;
    }
    return 1;
}

/* One event of the file at that offset, for look_ahead: 1; 0: that is enough; AT_END: there is no whole one. */
static int visit_event(struct reading *reading, off_t *offset, struct cdc_buf *event, my_log_visit *visit,
                       void *visitor, struct cdc_error *error)
{
    uint8_t head[MY_EVENT_HEADER_SIZE];
    struct my_event_header header = {0};
    struct cdc_bytes body = {0};
    int got = read_at(reading, *offset, head, sizeof head, error);
    if (got != 1)
        return got;
    size_t n = event_size(head);
    header.type = head[TYPE_AT];
    if (n < MY_EVENT_HEADER_SIZE || n > EVENT_MAX)
        return AT_END;
    if (header.type == MY_EVENT_ROTATE && reading->relay) /* the transaction may go on after it */
        return 0;
    if (header.type == MY_EVENT_QUERY || header.type == MY_EVENT_MARIADB_QUERY_COMPRESSED) {
        event->len = 0;
        if (!cdc_buf_room(event, n))
            return cdc_error_memory(error);
        if ((got = read_at(reading, *offset, event->data, n, error)) != 1)
            return got;
        if (my_decoder_body(reading->decoder, (const uint8_t *)event->data, n, &header, &body, error) < 0)
            return at_coord(reading, error);
    }
    *offset += (off_t)n;
    int result = visit(visitor, &header, body, my_decoder_coord(reading->decoder), error);
    return result == 0 ? 1 : result < 0 ? -1 : 0;
}

static int look_ahead(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                      struct cdc_error *error)
{
    const struct my_event_header rotate = {.type = MY_EVENT_ROTATE};
    struct reading *reading = context;
    struct cdc_buf event = CDC_BUF_INIT;
    off_t offset = taken_up_to(reading);
    bool here = reading->carried != my_decoder_counts(reading->decoder)->commits + 1, followed;
    int result = offset < 0 || !here ? 0 : 1;
    (void)from; /* positions may be those of another server, in a relay log */
    if (offset < 0 && errno != ESPIPE)
        return cannot_read(reading, error);
    offset -= (off_t)bytes;
    while (result == 1)
        result = visit_event(reading, &offset, &event, visit, visitor, error);
    cdc_buf_free(&event);
    /* Another file follows: this one is as long as it will ever be, and a transaction without an end was never committed. */
    followed = result == AT_END && !reading->relay && reading->file + 1 < reading->settings->n_files;
    if (followed && visit(visitor, &rotate, (struct cdc_bytes){0}, my_decoder_coord(reading->decoder), error) < 0)
        return -1;
    return result < 0 ? -1 : 0;
}

static int describe(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error)
{
    struct reading *reading = context;
    (void)coord;
    if (!reading->schema) {
        table->sequence = table->has_names && my_table_may_be_sequence(table, my_decoder_flavor(reading->decoder));
        return 0;
    }
    if (table->has_names)
        return my_files_schema_describe(reading->schema, my_decoder_flavor(reading->decoder), table, error);
    return my_files_schema_complete(reading->schema, my_decoder_flavor(reading->decoder), reading->file,
                                    (uint64_t)taken_up_to(reading), table, error);
}

/* -- the files -------------------------------------------------------------------------------- */

static int open_schema(struct reading *reading, struct cdc_error *error)
{
    const struct my_file_settings *settings = reading->settings;
    if (!settings->schema_from)
        return 0;
    reading->schema = my_files_schema_new(settings->schema_from, settings->files, settings->n_files, error);
    return reading->schema ? 0 : -1;
}

static int open_reading(struct reading *reading, struct cdc_error *error)
{
    const struct my_file_settings *settings = reading->settings;
    const struct my_decoder_settings decoder_settings = {.pipeline = settings->name,
                                                         .value_format = settings->value_format,
                                                         .selection = settings->selection,
                                                         .allow_unlogged = settings->allow_unlogged,
                                                         .describe = describe,
                                                         .look_ahead = look_ahead,
                                                         .context = reading,
                                                         .xa_folder = settings->xa_folder,
                                                         .log = reading->log};
    if (open_schema(reading, error) == 0)
        reading->decoder = my_decoder_new(&decoder_settings, error);
    if (reading->decoder)
        reading->writer = cdc_writer_new(settings->output_fd, error);
    return reading->writer ? 0 : -1;
}

static void report(const struct reading *reading)
{
    const struct my_counts *counts = my_decoder_counts(reading->decoder);
    struct cdc_metrics *metrics = reading->metrics;
    metrics->changes = counts->changes;
    metrics->commits = counts->commits;
    metrics->lines_out = counts->lines;
    metrics->unconvertible = counts->unconvertible;
    metrics->bytes_out = cdc_writer_written(reading->writer);
}

static int read_files(struct reading *reading, struct cdc_error *error)
{
    const struct my_file_settings *settings = reading->settings;
    struct cdc_error ignored = {0};
    int result = 0;
    for (; result == 0 && reading->file < settings->n_files && !is_done(reading); reading->file++)
        result = read_file(reading, settings->files[reading->file], error);
    if (finish(reading, result == 0 ? error : &ignored) < 0) /* what came before a fault is good */
        result = -1;
    report(reading);
    if (result == 0 && my_decoder_in_transaction(reading->decoder))
        cdc_log_write(reading->log, CDC_LOG_WARNING, "the last transaction in the files has no end");
    return result;
}

/* The number in binlog.000007, and where it begins; NULL: the name has none. */
static const char *number_of(const char *name, unsigned long *number)
{
    const char *dot = strrchr(name, '.');
    if (!dot || dot[1] == '\0' || dot[1 + strspn(dot + 1, "0123456789")] != '\0')
        return NULL;
    *number = strtoul(dot + 1, NULL, 10);
    return dot + 1;
}

/* Files that bear the server's names come one after the other: what is between two others would be missing in silence, and
 * an older one after a newer would undo its rows. */
static int check_order(const struct my_file_settings *settings, struct cdc_error *error)
{
    for (size_t i = 1; i < settings->n_files; i++) {
        const char *before = name_of(settings->files[i - 1]), *name = name_of(settings->files[i]);
        unsigned long a = 0, b = 0;
        const char *digits = number_of(before, &a), *others = number_of(name, &b);
        if (!digits || !others || digits - before != others - name ||
            strncmp(before, name, (size_t)(digits - before)) != 0 || b == a + 1)
            continue;
        cdc_error_set(error, CDC_EXIT_USAGE, "file %.200s does not follow %.200s", name, before);
        return cdc_error_hint(error, "give the files of the log in their order, each once, and none omitted");
    }
    return 0;
}

int my_file_run(const struct my_file_settings *settings, struct cdc_control *control, struct cdc_metrics *metrics,
                const struct cdc_log *log, struct cdc_error *error)
{
    struct reading reading = {.settings = settings, .control = control, .metrics = metrics, .log = log, .fd = -1};
    int result =
        check_order(settings, error) < 0 || open_reading(&reading, error) < 0 ? -1 : read_files(&reading, error);
    cdc_writer_free(reading.writer);
    my_decoder_free(reading.decoder);
    my_files_schema_free(reading.schema);
    my_gtid_set_free(reading.head_before.set);
    cdc_buf_free(&reading.buf);
    return result;
}
