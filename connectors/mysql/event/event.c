/* SPDX-License-Identifier: MIT */
/* Events of the binary log: header, checksum, what FORMAT_DESCRIPTION says of the others, and the small bodies. The
 * layouts are those of "MySQL Internals: Binary Log" with mysql-server's libs/mysql/binlog/event, and of the MariaDB
 * Knowledge Base, "Replication Protocol". */
#include "connectors/mysql/event/internal.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <zlib.h>

#define COLUMNS_MAX 4096 /* of a table, for both servers */
#define CHECKSUM_SIZE 4
#define CHECKSUM_NONE 0
#define CHECKSUM_CRC32 1

int my_event_damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a %s event that is damaged", what);
}

int my_event_finished(const struct cdc_bytes *cursor, const char *what, struct cdc_error *error)
{
    return cursor->bad || cdc_bytes_left(cursor) != 0 ? my_event_damaged(error, what) : 0;
}

struct cdc_span my_event_span(struct cdc_bytes *cursor, size_t n)
{
    const uint8_t *p = cdc_bytes_take(cursor, n);
    return cdc_span((const char *)p, p != NULL ? n : 0);
}

size_t my_event_column_count(struct cdc_bytes *body)
{
    uint64_t n = my_packed_read(body);
    body->bad |= n > COLUMNS_MAX;
    return body->bad ? 0 : (size_t)n;
}

size_t my_event_bitmap_size(size_t n_columns)
{
    return (n_columns + 7) / 8;
}

void my_event_append_hex(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    if (!cdc_buf_room(out, 2 * n))
        return;
    for (size_t i = 0; i < n; i++) {
        out->data[out->len++] = digits[p[i] >> 4];
        out->data[out->len++] = digits[p[i] & 15];
    }
}

/* -- header, checksum ------------------------------------------------------- */

int my_event_header_begin(const uint8_t *data, size_t n, struct my_event_header *header, struct cdc_error *error)
{
    struct cdc_bytes cursor = {data, data + n, false};
    header->timestamp = (uint32_t)cdc_bytes_le(&cursor, 4);
    header->type = (uint8_t)cdc_bytes_le(&cursor, 1);
    header->server_id = (uint32_t)cdc_bytes_le(&cursor, 4);
    header->size = (uint32_t)cdc_bytes_le(&cursor, 4);
    header->next_position = (uint32_t)cdc_bytes_le(&cursor, 4);
    header->flags = (uint16_t)cdc_bytes_le(&cursor, 2);
    if (cursor.bad)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has an event of %zu bytes: too short", n);
    return 0;
}

int my_event_header_parse(const uint8_t *data, size_t n, struct my_event_header *header, struct cdc_error *error)
{
    if (my_event_header_begin(data, n, header, error) < 0)
        return -1;
    if (header->size != n)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has an event (type %u) of %zu bytes that should be %lu long", header->type,
                             n, (unsigned long)header->size);
    return 0;
}

/* While a file is open its FORMAT_DESCRIPTION is marked so, but the checksum is that of the closed one. */
static uint32_t checksum_of(const struct my_event_header *header, const uint8_t *data, size_t n)
{
    uint8_t head[MY_EVENT_HEADER_SIZE];
    memcpy(head, data, sizeof head);
    if (header->type == MY_EVENT_FORMAT)
        head[17] &= (uint8_t)~MY_EVENT_FLAG_IN_USE;
    uLong crc = crc32_z(0, head, sizeof head);
    return (uint32_t)crc32_z(crc, data + sizeof head, n - sizeof head);
}

/* Does the event end in a checksum, and is it one to verify? FORMAT_DESCRIPTION always has the four bytes, after the
 * byte that tells of the events to come; they mean nothing when that says NONE. */
static int checksum_kind(const struct my_event_format *format, const struct my_event_header *header,
                         const uint8_t *data, size_t n, bool *present, bool *verify, struct cdc_error *error)
{
    *present = *verify = format->checksums;
    if (header->type != MY_EVENT_FORMAT)
        return 0;
    if (n < MY_EVENT_HEADER_SIZE + 1 + CHECKSUM_SIZE)
        return my_event_damaged(error, "FORMAT_DESCRIPTION");
    uint8_t algorithm = data[n - CHECKSUM_SIZE - 1];
    if (algorithm != CHECKSUM_NONE && algorithm != CHECKSUM_CRC32)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has checksums of an unknown kind (%u)",
                             algorithm);
    *present = true;
    *verify = algorithm == CHECKSUM_CRC32;
    return 0;
}

static int wrong_checksum(const struct my_event_header *header, struct cdc_error *error)
{
    return cdc_error_set(
        error, CDC_EXIT_PROTOCOL,
        "the checksum of an event (type %u, ending at %lu) is wrong: it was damaged on its way or on the disk",
        header->type, (unsigned long)header->next_position);
}

int my_event_body(const struct my_event_format *format, const struct my_event_header *header, const uint8_t *data,
                  size_t n, struct cdc_bytes *body, struct cdc_error *error)
{
    bool present, verify;
    if (checksum_kind(format, header, data, n, &present, &verify, error) < 0)
        return -1;
    size_t end = n - (present ? CHECKSUM_SIZE : 0);
    if (n < MY_EVENT_HEADER_SIZE + (present ? CHECKSUM_SIZE : 0))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has an event (type %u) without a checksum",
                             header->type);
    if (verify) {
        struct cdc_bytes tail = {data + end, data + n, false};
        if (cdc_bytes_le(&tail, CHECKSUM_SIZE) != checksum_of(header, data, end))
            return wrong_checksum(header, error);
    }
    *body = (struct cdc_bytes){data + MY_EVENT_HEADER_SIZE, data + end, false};
    return 0;
}

int my_event_undecrypted(struct cdc_error *error)
{
    const struct cdc_error why = *error;
    cdc_error_clear(error);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "the server decrypts its log with another key than it was written with, or the log is damaged: %s",
                  why.text);
    return cdc_error_hint(error, "start the server with the keys that the log was written with, and then the same line "
                                 "again: the position stays right");
}

/* -- an event in parts ---------------------------------------------------------- */

int my_event_parts_next(struct my_event_parts *parts, const uint8_t *data, size_t n, struct cdc_bytes *body,
                        struct cdc_error *error)
{
    size_t end = parts->header.size - (parts->checksums ? CHECKSUM_SIZE : 0); /* of header and body */
    if (n > parts->header.size - parts->taken)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has an event that is longer than it says");
    size_t take = parts->taken >= end ? 0 : end - parts->taken < n ? end - parts->taken : n;
    parts->crc = (uint32_t)crc32_z(parts->crc, data, take);
    for (size_t i = take; i < n; i++) /* the checksum itself may be split */
        parts->sum |= (uint32_t)data[i] << 8 * (parts->taken + i - end);
    parts->taken += n;
    *body = (struct cdc_bytes){data, data + take, false};
    bool wrong = parts->checksums && parts->taken == parts->header.size && parts->crc != parts->sum;
    return wrong ? wrong_checksum(&parts->header, error) : 0;
}

int my_event_parts_begin(struct my_event_parts *parts, const struct my_event_format *format, const uint8_t *data,
                         size_t n, struct cdc_bytes *body, struct cdc_error *error)
{
    *parts = (struct my_event_parts){.checksums = format->checksums};
    if (my_event_header_begin(data, n, &parts->header, error) < 0)
        return -1;
    if (parts->header.size < n || parts->header.type == MY_EVENT_FORMAT ||
        parts->header.size < MY_EVENT_HEADER_SIZE + (parts->checksums ? CHECKSUM_SIZE : 0))
        return my_event_damaged(error, "truncated");
    if (my_event_parts_next(parts, data, n, body, error) < 0)
        return -1;
    cdc_bytes_take(body, MY_EVENT_HEADER_SIZE);
    return 0;
}

/* -- FORMAT_DESCRIPTION -------------------------------------------------------- */

/* The fixed parts that are read here as they have been since MySQL 5.6 and MariaDB 5.3: nothing else is understood. */
static const struct {
    uint8_t type, size;
} post_headers[] = {
    {MY_EVENT_QUERY, 13},
    {MY_EVENT_ROTATE, 8},
    {MY_EVENT_TABLE_MAP, 8},
    {MY_EVENT_WRITE_ROWS_V1, 8},
    {MY_EVENT_UPDATE_ROWS_V1, 8},
    {MY_EVENT_DELETE_ROWS_V1, 8},
    {MY_EVENT_WRITE_ROWS, 10},
    {MY_EVENT_UPDATE_ROWS, 10},
    {MY_EVENT_DELETE_ROWS, 10},
    {MY_EVENT_PARTIAL_UPDATE_ROWS, 10},
    {MY_EVENT_MARIADB_GTID, 19},
    {MY_EVENT_MARIADB_QUERY_COMPRESSED, 13},
    {MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1, 8},
    {MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1, 8},
    {MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1, 8},
    {MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED, 10},
    {MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED, 10},
    {MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED, 10},
};

void my_event_format_default(struct my_event_format *format)
{
    memset(format, 0, sizeof *format);
    for (size_t i = 0; i < sizeof post_headers / sizeof *post_headers; i++)
        format->post_header[post_headers[i].type] = post_headers[i].size;
}

/* The list has a length for each type, from 1 on; 0: the server does not write such events. */
static int check_post_headers(const struct my_event_format *format, struct cdc_error *error)
{
    for (size_t i = 0; i < sizeof post_headers / sizeof *post_headers; i++) {
        uint8_t size = format->post_header[post_headers[i].type];
        if (size != 0 && size != post_headers[i].size)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                                 "the server (%s) writes events of type %u in a form that is not known (%u)",
                                 format->server_version, post_headers[i].type, size);
    }
    return 0;
}

int my_event_format_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_event_format *format,
                          struct cdc_error *error)
{
    unsigned version = (unsigned)cdc_bytes_le(&body, 2);
    struct cdc_span text = my_event_span(&body, 50);
    uint64_t server_began = cdc_bytes_le(&body, 4); /* 0 in a file that goes on from another one */
    unsigned header_size = (unsigned)cdc_bytes_le(&body, 1);
    size_t n = cdc_bytes_left(&body);
    if (body.bad || n < 1 || n > sizeof format->post_header)
        return my_event_damaged(error, "FORMAT_DESCRIPTION");
    if (version != 4 || header_size != MY_EVENT_HEADER_SIZE)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has version %u, header size %u: not known",
                             version, header_size);
    struct my_event_format found = {.created = header->timestamp,
                                    .server_began = server_began != 0 && !(header->flags & MY_EVENT_FLAG_RELAY_LOG)};
    memcpy(found.server_version, text.p, text.n);
    /* MariaDB's version can be set to any text; its own types of events tell too. */
    bool mariadb = strstr(found.server_version, "MariaDB") || n > MY_EVENT_MARIADB_GTID;
    found.flavor = mariadb ? MY_FLAVOR_MARIADB : MY_FLAVOR_MYSQL;
    for (size_t type = 1; type < n; type++)
        found.post_header[type] = (uint8_t)cdc_bytes_le(&body, 1);
    uint64_t algorithm = cdc_bytes_le(&body, 1);
    if (algorithm != CHECKSUM_NONE && algorithm != CHECKSUM_CRC32)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has checksums of an unknown kind (%u)",
                             (unsigned)algorithm);
    found.checksums = algorithm == CHECKSUM_CRC32;
    if (check_post_headers(&found, error) < 0)
        return -1;
    *format = found;
    return 0;
}

/* -- ROTATE, HEARTBEAT ----------------------------------------------------------- */

/* The rest is the name of a file: there must be one, and it goes into requests and texts. */
static int file_name(struct cdc_bytes *body, struct cdc_span *file, const char *what, struct cdc_error *error)
{
    *file = my_event_span(body, cdc_bytes_left(body));
    if (body->bad || file->n == 0 || file->n > 512 || memchr(file->p, '\0', file->n))
        return my_event_damaged(error, what);
    return 0;
}

int my_event_rotate_parse(struct cdc_bytes body, struct my_event_rotate *rotate, struct cdc_error *error)
{
    rotate->position = cdc_bytes_le(&body, 8);
    return file_name(&body, &rotate->file, "ROTATE", error);
}

/* Fields: type, packed length, value; 0 ends them. */
static int heartbeat_v2(struct cdc_bytes body, struct my_event_rotate *where, struct cdc_error *error)
{
    enum { END, FILE_NAME, POSITION };
    bool has_position = false;
    uint64_t type;
    while ((type = cdc_bytes_le(&body, 1)) != END) {
        uint64_t n = my_packed_read(&body);
        if (body.bad || n > cdc_bytes_left(&body))
            return my_event_damaged(error, "HEARTBEAT");
        struct cdc_bytes value = {body.p, body.p + n, false};
        cdc_bytes_take(&body, (size_t)n);
        if (type == FILE_NAME) {
            if (file_name(&value, &where->file, "HEARTBEAT", error) < 0)
                return -1;
        } else if (type == POSITION) {
            where->position = my_packed_read(&value);
            has_position = true;
            if (my_event_finished(&value, "HEARTBEAT", error) < 0)
                return -1;
        } else {
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a HEARTBEAT with an unknown field (%u)",
                                 (unsigned)type);
        }
    }
    return my_event_finished(&body, "HEARTBEAT", error) < 0 || !has_position || where->file.n == 0
               ? my_event_damaged(error, "HEARTBEAT")
               : 0;
}

int my_event_heartbeat_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_event_rotate *where,
                             struct cdc_error *error)
{
    *where = (struct my_event_rotate){0};
    if (header->type == MY_EVENT_HEARTBEAT_V2)
        return heartbeat_v2(body, where, error);
    /* MariaDB writes positions that do not fit into the header before the name. */
    where->position = header->next_position != 0 ? header->next_position : cdc_bytes_le(&body, 8);
    return file_name(&body, &where->file, "HEARTBEAT", error);
}

/* -- XA ----------------------------------------------------------------------------- */

int my_event_xa_prepare_parse(struct cdc_bytes body, bool *one_phase, struct cdc_buf *xid, struct cdc_error *error)
{
    enum { LONGEST = 64 }; /* of each part, X/Open XA */
    *one_phase = cdc_bytes_le(&body, 1) != 0;
    uint64_t format = cdc_bytes_le(&body, 4);
    uint64_t gtrid_n = cdc_bytes_le(&body, 4), bqual_n = cdc_bytes_le(&body, 4);
    if (body.bad || gtrid_n > LONGEST || bqual_n > LONGEST)
        return my_event_damaged(error, "XA_PREPARE");
    const uint8_t *gtrid = cdc_bytes_take(&body, (size_t)gtrid_n), *bqual = cdc_bytes_take(&body, (size_t)bqual_n);
    if (my_event_finished(&body, "XA_PREPARE", error) < 0)
        return -1;
    cdc_buf_lit(xid, "X'");
    my_event_append_hex(xid, gtrid, (size_t)gtrid_n);
    cdc_buf_lit(xid, "',X'");
    my_event_append_hex(xid, bqual, (size_t)bqual_n);
    cdc_buf_lit(xid, "',");
    cdc_buf_u64(xid, format);
    return 0;
}
