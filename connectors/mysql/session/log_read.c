/* SPDX-License-Identifier: MIT */
/* A part of the log read beside the stream, event by event, by a dump of its own. */
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/session/dump.h"
#include "connectors/mysql/session/wire.h"

#include <cdc/bytes.h>
#include <stdio.h>
#include <string.h>

struct reading {
    struct my_event_format format;
    struct my_event_parts parts; /* of a TRANSACTION_PAYLOAD */
    struct my_coord coord;
    uint32_t sum;     /* of the event at hand; 0: it has none */
    bool decrypts;    /* the next event is the first that the server has decrypted */
    bool undecrypted; /* it was none */
    my_log_visit *visit;
    void *context;
};

static int take_rotate(struct reading *reading, struct cdc_bytes body, struct cdc_error *error)
{
    struct my_event_rotate rotate;
    if (my_event_rotate_parse(body, &rotate, error) < 0)
        return -1;
    if (rotate.file.n >= sizeof reading->coord.file)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", rotate.file.n);
    memcpy(reading->coord.file, rotate.file.p, rotate.file.n);
    reading->coord.file[rotate.file.n] = '\0';
    reading->coord.position = rotate.position;
    return 0;
}

/* Nobody asks what is in a TRANSACTION_PAYLOAD: it is visited, without its body, when its last part has come. */
static int take_payload(struct reading *reading, const struct my_wire_part *part, struct cdc_error *error)
{
    struct my_event_parts *parts = &reading->parts;
    struct cdc_bytes body;
    if ((part->first ? my_event_parts_begin(parts, &reading->format, part->data, part->n, &body, error)
                     : my_event_parts_next(parts, part->data, part->n, &body, error)) < 0)
        return -1;
    if (parts->taken < parts->header.size)
        return 0;
    if (parts->header.next_position != 0)
        reading->coord.position = parts->header.next_position;
    reading->sum = parts->checksums ? parts->sum : 0;
    return reading->visit(reading->context, &parts->header, (struct cdc_bytes){0}, &reading->coord, error);
}

static int take_next(struct reading *reading, const struct my_wire_part *part, struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes body;
    if (!part->first || (part->n > 4 && part->data[4] == MY_EVENT_TRANSACTION_PAYLOAD))
        return take_payload(reading, part, error);
    if (my_event_header_parse(part->data, part->n, &header, error) < 0 ||
        my_event_body(&reading->format, &header, part->data, part->n, &body, error) < 0)
        return -1;
    if (header.type == MY_EVENT_ROTATE)
        return take_rotate(reading, body, error);
    /* Artificial events (the ROTATE and FORMAT_DESCRIPTION that open a dump) and heartbeats are not in the file:
     * their positions are none, or those of what was skipped. */
    if (header.next_position != 0 && !(header.flags & MY_EVENT_FLAG_ARTIFICIAL) && header.type != MY_EVENT_HEARTBEAT &&
        header.type != MY_EVENT_HEARTBEAT_V2)
        reading->coord.position = header.next_position;
    if (header.type == MY_EVENT_FORMAT)
        return my_event_format_parse(&header, body, &reading->format, error);
    struct cdc_bytes sum = {part->data + part->n - 4, part->data + part->n, false};
    reading->sum = reading->format.checksums ? (uint32_t)cdc_bytes_le(&sum, 4) : 0;
    return reading->visit(reading->context, &header, body, &reading->coord, error);
}

static int take_event(struct reading *reading, const struct my_wire_part *part, struct cdc_error *error)
{
    bool is_first = reading->decrypts;
    reading->decrypts = part->first && part->n > 4 && part->data[4] == MY_EVENT_MARIADB_START_ENCRYPTION;
    int result = take_next(reading, part, error);
    reading->undecrypted = result < 0 && is_first && error->status == CDC_EXIT_PROTOCOL;
    return reading->undecrypted ? my_event_undecrypted(error) : result;
}

static void begin_file(struct reading *reading, const struct my_server *server)
{
    my_event_format_default(&reading->format);
    reading->format.checksums = server->checksums;
}

/* 0 at the end, or when visit has seen enough; -1, and *fault says what of. */
static int take_events(struct reading *reading, MYSQL *dump, const struct my_coord *to, enum my_dump_fault *fault,
                       struct cdc_error *error)
{
    struct my_wire_part part;
    struct my_wire *wire = my_wire_new(dump, error);
    int got = wire ? 1 : -1;
    while (got == 1 && (!to || my_coord_compare(&reading->coord, to) < 0)) {
        got = my_wire_read(wire, &part, error);
        if (got < 0)
            cdc_error_prefix(error, "cannot search the log");
        int taken = got == 1 ? take_event(reading, &part, error) : 0;
        if (taken != 0)
            got = taken;
    }
    *fault = wire ? my_wire_fault(wire) : MY_DUMP_NO_FAULT;
    my_wire_free(wire);
    return got < 0 ? -1 : 0;
}

uint32_t my_log_replica_id(const struct my_session *session)
{
    /* Another number than the stream's, whose dump goes on meanwhile: with the same the server would end that one. */
    return session->replica_id ^ UINT32_C(0x40000000);
}

static int dump(struct my_session *session, struct reading *reading, const struct my_dump_request *request,
                const struct my_coord *to, enum my_dump_fault *fault, struct cdc_error *error)
{
    MYSQL *mysql = my_session_beside(session, error);
    *fault = MY_DUMP_NO_FAULT;
    if (!mysql)
        return -1;
    int result = my_dump_begin(mysql, &session->server, my_log_replica_id(session), request, error);
    if (result == 0)
        result = take_events(reading, mysql, to, fault, error);
    mysql_close(mysql);
    return result;
}

/* On a connection of its own: the caller may be using the session's. */
static int next_file(struct my_session *session, const char *file, struct my_coord *next, struct cdc_error *error)
{
    MYSQL *mysql = my_session_beside(session, error);
    int result = mysql ? my_server_next_file(mysql, file, next, error) : -1;
    if (mysql)
        mysql_close(mysql);
    return result;
}

/* From where reading stands, or after the GTIDs. 1: a torn file ended the dump, and there is more in the file after
 * it. MariaDB that was killed while it wrote an event leaves half of it at the end of the file, and begins another
 * file when it starts. A dump that gets there ends with 1236. Nothing of the half transaction was committed, so
 * reading goes on with the next file. */
static int read_on(struct my_session *session, struct reading *reading, const char *gtids, const struct my_coord *to,
                   struct cdc_error *error)
{
    struct cdc_error own = {0};
    struct my_coord from = reading->coord, next;
    enum my_dump_fault fault;
    const struct my_dump_request request = {.from = from.file[0] ? &from : NULL, .gtids = gtids, .to_end = true};
    if (dump(session, reading, &request, to, &fault, &own) == 0)
        return 0;
    if (session->server.flavor == MY_FLAVOR_MARIADB && fault == MY_DUMP_TORN_FILE) {
        if (next_file(session, reading->coord.file, &next, error) < 0)
            return -1;
        if (next.file[0]) {
            reading->coord = next;
            return !to || my_coord_compare(&next, to) < 0;
        }
    }
    *error = own;
    return -1;
}

static int read_all(struct my_session *session, struct reading *reading, const char *gtids, const struct my_coord *to,
                    struct cdc_error *error)
{
    int result = 1;
    begin_file(reading, &session->server);
    while (result == 1)
        result = read_on(session, reading, gtids, to, error);
    return result;
}

int my_log_read(struct my_session *session, const struct my_coord *from, const struct my_coord *to, my_log_visit *visit,
                void *context, struct my_coord *end, struct cdc_error *error)
{
    struct reading reading = {.coord = *from, .visit = visit, .context = context};
    if (to && my_coord_compare(from, to) >= 0)
        return 0;
    int result = read_all(session, &reading, "", to, error);
    if (end)
        *end = reading.coord;
    return result;
}

int my_log_read_after(struct my_session *session, const char *gtids, my_log_visit *visit, void *context,
                      struct cdc_error *error)
{
    struct reading reading = {.visit = visit, .context = context};
    return read_all(session, &reading, gtids, NULL, error);
}

/* From the head of the file of `to` up to there. */
static int read_file(struct reading *reading, MYSQL *mysql, const struct my_server *server, uint32_t replica_id,
                     const struct my_coord *to, struct cdc_error *error)
{
    enum my_dump_fault fault;
    reading->coord = *to;
    reading->coord.position = 4;
    const struct my_coord from = reading->coord;
    const struct my_dump_request request = {.from = &from, .to_end = true};
    begin_file(reading, server);
    int result = my_dump_begin(mysql, server, replica_id, &request, error);
    return result < 0 ? -1 : take_events(reading, mysql, to, &fault, error);
}

int my_log_read_file(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const struct my_coord *to,
                     my_log_visit *visit, void *context, struct my_coord *end, struct cdc_error *error)
{
    struct reading reading = {.visit = visit, .context = context};
    int result = read_file(&reading, mysql, server, replica_id, to, error);
    *end = reading.coord;
    return result;
}

static int pass_encryption(void *context, const struct my_event_header *header, struct cdc_bytes body,
                           const struct my_coord *coord, struct cdc_error *error)
{
    (void)context, (void)body, (void)coord, (void)error;
    return header->type == MY_EVENT_MARIADB_START_ENCRYPTION ? 0 : MY_LOG_ENOUGH;
}

/* The file's first event, FORMAT_DESCRIPTION, says it. MariaDB encrypts what comes after it, and sends it whatever its key makes of
 * that: the next event tells whether the key is right. What else keeps it from being read is no matter here. */
int my_log_file_created(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const char *file,
                        uint32_t *created, struct cdc_error *error)
{
    struct reading reading = {.visit = pass_encryption};
    struct my_coord to = {"", server->flavor == MY_FLAVOR_MARIADB ? UINT64_MAX : 5};
    snprintf(to.file, sizeof to.file, "%s", file);
    int result = read_file(&reading, mysql, server, replica_id, &to, error);
    *created = reading.format.created;
    if (result == 0 || reading.coord.position <= 4)
        return result;
    if (error->status != CDC_EXIT_LOST)
        return -1;
    cdc_error_clear(error);
    return 0;
}

struct event_sum {
    const struct reading *reading;
    const struct my_coord *to;
    uint32_t sum;
};

/* The first one that is of the file. */
static int note_sum(void *context, const struct my_event_header *header, struct cdc_bytes body,
                    const struct my_coord *coord, struct cdc_error *error)
{
    struct event_sum *found = context;
    (void)body, (void)error;
    if ((header->flags & MY_EVENT_FLAG_ARTIFICIAL) || header->next_position == 0 ||
        header->type == MY_EVENT_HEARTBEAT || header->type == MY_EVENT_HEARTBEAT_V2)
        return 0;
    if (my_coord_compare(coord, found->to) == 0)
        found->sum = found->reading->sum;
    return MY_LOG_ENOUGH;
}

int my_log_event_sum(struct my_session *session, const struct my_coord *from, const struct my_coord *to, uint32_t *sum,
                     struct cdc_error *error)
{
    struct event_sum found = {.to = to};
    struct reading reading = {.coord = *from, .visit = note_sum, .context = &found};
    struct cdc_error own = {0};
    found.reading = &reading;
    int result = read_all(session, &reading, "", to, &own);
    *sum = result == 0 ? found.sum : 0;
    if (result == 0 || own.status == CDC_EXIT_LOST || own.status == CDC_EXIT_PROTOCOL || reading.undecrypted)
        return 0; /* in the middle of an event the server stops, or what it sends is none */
    *error = own;
    return -1;
}
