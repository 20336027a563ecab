/* SPDX-License-Identifier: MIT */
/* Events of the binary log: header, checksum, and the bodies of all events but those of rows. The layouts are those of
 * "MySQL Internals: Binary Log" with mysql-server's libs/mysql/binlog/event and libs/mysql/serialization, and of the
 * MariaDB Knowledge Base, "Replication Protocol". */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/packed.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <zlib.h>

#define CHECKSUM_SIZE 4
#define CHECKSUM_NONE 0
#define CHECKSUM_CRC32 1
#define FLAG_IN_USE 0x01 /* of FORMAT_DESCRIPTION: the file is still open */

static int damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a %s event that is damaged", what);
}

/* All fields read, none missing, nothing left? */
static int finished(const struct cdc_bytes *cursor, const char *what, struct cdc_error *error)
{
    return cursor->bad || cdc_bytes_left(cursor) != 0 ? damaged(error, what) : 0;
}

static struct cdc_span span_of(struct cdc_bytes *cursor, size_t n)
{
    const uint8_t *p = cdc_bytes_take(cursor, n);
    return cdc_span((const char *)p, p != NULL ? n : 0);
}

/* -- header, checksum ------------------------------------------------------- */

static int read_header(const uint8_t *data, size_t n, struct my_event_header *header, struct cdc_error *error)
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
    if (read_header(data, n, header, error) < 0)
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
        head[17] &= (uint8_t)~FLAG_IN_USE;
    uLong crc = crc32_z(0, head, sizeof head);
    return (uint32_t)crc32_z(crc, data + sizeof head, n - sizeof head);
}

/* Does the event end in a checksum, and is it one to verify? FORMAT_DESCRIPTION always has the four bytes, behind the
 * byte that tells of the events to come; they mean nothing when that says NONE. */
static int checksum_kind(const struct my_event_format *format, const struct my_event_header *header,
                         const uint8_t *data, size_t n, bool *present, bool *verify, struct cdc_error *error)
{
    *present = *verify = format->checksums;
    if (header->type != MY_EVENT_FORMAT)
        return 0;
    if (n < MY_EVENT_HEADER_SIZE + 1 + CHECKSUM_SIZE)
        return damaged(error, "FORMAT_DESCRIPTION");
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

/* -- an event in parts ---------------------------------------------------------- */

int my_event_parts_next(struct my_event_parts *parts, const uint8_t *data, size_t n, struct cdc_bytes *body,
                        struct cdc_error *error)
{
    size_t end = parts->header.size - (parts->checksums ? CHECKSUM_SIZE : 0); /* of header and body */
    if (n > parts->header.size - parts->taken)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has an event that is longer than it says");
    size_t take = parts->taken >= end ? 0 : end - parts->taken < n ? end - parts->taken : n;
    parts->crc = (uint32_t)crc32_z(parts->crc, data, take);
    for (size_t i = take; i < n; i++)
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
    if (read_header(data, n, &parts->header, error) < 0)
        return -1;
    if (parts->header.size < n || parts->header.type == MY_EVENT_FORMAT ||
        parts->header.size < MY_EVENT_HEADER_SIZE + (parts->checksums ? CHECKSUM_SIZE : 0))
        return damaged(error, "cut");
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

/* A length of 0: the server does not write such events. */
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
    struct cdc_span text = span_of(&body, 50);
    cdc_bytes_le(&body, 4); /* when the server, not the file, began; mostly 0 */
    unsigned header_size = (unsigned)cdc_bytes_le(&body, 1);
    size_t n = cdc_bytes_left(&body);
    if (body.bad || n < 1 || n > sizeof format->post_header)
        return damaged(error, "FORMAT_DESCRIPTION");
    if (version != 4 || header_size != MY_EVENT_HEADER_SIZE)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has version %u, header size %u: not known",
                             version, header_size);
    struct my_event_format found = {.created = header->timestamp};
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
    *file = span_of(body, cdc_bytes_left(body));
    if (body->bad || file->n == 0 || file->n > 512 || memchr(file->p, '\0', file->n))
        return damaged(error, what);
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
        uint64_t n = my_packed(&body);
        if (body.bad || n > cdc_bytes_left(&body))
            return damaged(error, "HEARTBEAT");
        struct cdc_bytes value = {body.p, body.p + n, false};
        cdc_bytes_take(&body, (size_t)n);
        if (type == FILE_NAME) {
            if (file_name(&value, &where->file, "HEARTBEAT", error) < 0)
                return -1;
        } else if (type == POSITION) {
            where->position = my_packed(&value);
            has_position = true;
            if (finished(&value, "HEARTBEAT", error) < 0)
                return -1;
        } else {
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a HEARTBEAT with an unknown field (%u)",
                                 (unsigned)type);
        }
    }
    return finished(&body, "HEARTBEAT", error) < 0 || !has_position || where->file.n == 0 ? damaged(error, "HEARTBEAT")
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

/* -- QUERY ----------------------------------------------------------------------- */

enum query_variable {
    Q_FLAGS2 = 0,
    Q_SQL_MODE = 1,
    Q_CATALOG_OLD = 2,
    Q_AUTO_INCREMENT = 3,
    Q_CHARSET = 4,
    Q_TIME_ZONE = 5,
    Q_CATALOG = 6,
    Q_LC_TIME_NAMES = 7,
    Q_CHARSET_DATABASE = 8,
    Q_TABLE_MAP_FOR_UPDATE = 9,
    Q_MASTER_DATA_WRITTEN = 10,
    Q_INVOKER = 11,
    Q_UPDATED_DB_NAMES = 12,
    Q_MICROSECONDS = 13,
    Q_COMMIT_TS = 14,  /* never written with a value */
    Q_COMMIT_TS2 = 15, /* the same */
    Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP = 16,
    Q_DDL_LOGGED_WITH_XID = 17,
    Q_DEFAULT_COLLATION_FOR_UTF8MB4 = 18,
    Q_SQL_REQUIRE_PRIMARY_KEY = 19,
    Q_DEFAULT_TABLE_ENCRYPTION = 20,
    Q_MARIADB_HRNOW = 128,
    Q_MARIADB_XID = 129,
    Q_MARIADB_GTID_FLAGS3 = 130,
    Q_MARIADB_CHARACTER_SET_COLLATIONS = 131,
    Q_MARIADB_DUMMY = 255 /* fills up */
};

static void skip_counted(struct cdc_bytes *cursor)
{
    cdc_bytes_take(cursor, (size_t)cdc_bytes_le(cursor, 1));
}

/* A count, then names that end in NUL; 254: too many, and no names. */
static void skip_names(struct cdc_bytes *cursor)
{
    uint64_t n = cdc_bytes_le(cursor, 1);
    for (uint64_t i = 0; i < n && n != 254 && !cursor->bad; i++) {
        const uint8_t *nul = memchr(cursor->p, 0, cdc_bytes_left(cursor));
        cdc_bytes_take(cursor, nul != NULL ? (size_t)(nul - cursor->p) + 1 : SIZE_MAX);
    }
}

/* Two-phase ALTER has the number of its first half behind the flags. */
static void skip_gtid_flags(struct cdc_bytes *cursor)
{
    enum { COMMIT_ALTER = 4, ROLLBACK_ALTER = 8 };
    uint64_t flags = cdc_bytes_le(cursor, 1);
    cdc_bytes_take(cursor, flags & (COMMIT_ALTER | ROLLBACK_ALTER) ? 8 : 0);
}

/* Nothing says how long an unknown variable is, and MariaDB (11.5) does not write them in order: one that is unknown
 * could hide the charset. */
static int query_variables(struct cdc_bytes cursor, struct my_event_query *query, struct cdc_error *error)
{
    while (cdc_bytes_left(&cursor) != 0) {
        unsigned code = (unsigned)cdc_bytes_le(&cursor, 1);
        switch ((enum query_variable)code) {
        case Q_MARIADB_DUMMY:
        case Q_COMMIT_TS:
        case Q_COMMIT_TS2: break;
        case Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP:
        case Q_SQL_REQUIRE_PRIMARY_KEY:
        case Q_DEFAULT_TABLE_ENCRYPTION: cdc_bytes_take(&cursor, 1); break;
        case Q_LC_TIME_NAMES:
        case Q_CHARSET_DATABASE:
        case Q_DEFAULT_COLLATION_FOR_UTF8MB4: cdc_bytes_take(&cursor, 2); break;
        case Q_MICROSECONDS:
        case Q_MARIADB_HRNOW: cdc_bytes_take(&cursor, 3); break;
        case Q_FLAGS2:
        case Q_AUTO_INCREMENT:
        case Q_MASTER_DATA_WRITTEN: cdc_bytes_take(&cursor, 4); break;
        case Q_SQL_MODE:
        case Q_TABLE_MAP_FOR_UPDATE:
        case Q_DDL_LOGGED_WITH_XID:
        case Q_MARIADB_XID: cdc_bytes_take(&cursor, 8); break;
        case Q_CHARSET:
            query->charset = (uint16_t)cdc_bytes_le(&cursor, 2);
            cdc_bytes_take(&cursor, 4); /* of the connection, of the server */
            break;
        case Q_TIME_ZONE:
        case Q_CATALOG: skip_counted(&cursor); break;
        case Q_CATALOG_OLD:
            skip_counted(&cursor);
            cdc_bytes_take(&cursor, 1); /* NUL */
            break;
        case Q_INVOKER:
            skip_counted(&cursor);
            skip_counted(&cursor);
            break;
        case Q_UPDATED_DB_NAMES: skip_names(&cursor); break;
        case Q_MARIADB_GTID_FLAGS3: skip_gtid_flags(&cursor); break;
        case Q_MARIADB_CHARACTER_SET_COLLATIONS: cdc_bytes_take(&cursor, 4 * (size_t)cdc_bytes_le(&cursor, 1)); break;
        default:
            return 0; /* codes grow, so that readers may stop at one they do not know: the charset's is an old one */
        }
    }
    return cursor.bad ? damaged(error, "QUERY") : 0;
}

/* The text came in the client's charset; the names in it are compared with those of tables, which are in UTF-8. Bytes that
 * are not valid in that charset (a comment may have them) leave all as it is. */
static int query_to_utf8(struct my_event_query *query, struct cdc_buf *scratch, struct cdc_error *error)
{
    enum { UTF8MB4 = 45 };
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    size_t n = query->sql.n, held = scratch->len, i = 0;
    while (i < n && (unsigned char)query->sql.p[i] < 0x80)
        i++;
    if (i == n || charset == NULL || my_charset_is_binary(charset) || strncmp(my_charset_name(charset), "utf8", 4) == 0)
        return 0;
    bool inside = held > 0 && query->sql.p == scratch->data; /* which may move */
    if (n > SIZE_MAX / 16 || !cdc_buf_room(scratch, 4 * n))
        return cdc_error_memory(error);
    if (my_charset_convert(scratch, charset, (const uint8_t *)(inside ? scratch->data : query->sql.p), n)) {
        query->sql = cdc_span(scratch->data + held, scratch->len - held);
        query->charset = UTF8MB4;
    } else {
        scratch->len = held;
        query->sql.p = inside ? scratch->data : query->sql.p;
    }
    return 0;
}

int my_event_query_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                         struct my_event_query *query, struct cdc_error *error)
{
    *query = (struct my_event_query){.thread_id = (uint32_t)cdc_bytes_le(&body, 4)};
    cdc_bytes_le(&body, 4); /* how long it took */
    size_t db_n = (size_t)cdc_bytes_le(&body, 1);
    query->error_code = (uint16_t)cdc_bytes_le(&body, 2);
    struct cdc_span variables = span_of(&body, (size_t)cdc_bytes_le(&body, 2));
    query->db = span_of(&body, db_n);
    uint64_t nul = cdc_bytes_le(&body, 1);
    if (body.bad || nul != 0 || !cdc_utf8_valid(query->db.p, query->db.n)) /* the servers write names in UTF-8 */
        return damaged(error, "QUERY");
    const uint8_t *first = (const uint8_t *)variables.p;
    if (query_variables((struct cdc_bytes){first, first + variables.n, false}, query, error) < 0)
        return -1;
    scratch->len = 0;
    query->sql = span_of(&body, cdc_bytes_left(&body));
    if (header->type != MY_EVENT_MARIADB_QUERY_COMPRESSED)
        return query_to_utf8(query, scratch, error);
    struct cdc_bytes packed = {(const uint8_t *)query->sql.p, (const uint8_t *)query->sql.p + query->sql.n, false};
    if (my_payload_uncompress(&packed, scratch, error) < 0)
        return -1;
    query->sql = cdc_span(scratch->data, scratch->len);
    return query_to_utf8(query, scratch, error);
}

/* -- GTID ------------------------------------------------------------------------- */

static const char gtid_name[] = "GTID";

/* A 7-byte time whose highest bit says that another one follows. */
static uint64_t commit_time(struct cdc_bytes *body)
{
    const uint64_t more = UINT64_C(1) << 55;
    uint64_t now = cdc_bytes_le(body, 7);
    if (now & more)
        cdc_bytes_le(body, 7); /* at the server where the transaction began */
    return now & ~more;
}

/* Each version of MySQL added something at the end: 5.6 stops at the number, 5.7 has the logical clock, 8.0 the rest. */
static int gtid_plain(struct cdc_bytes body, struct my_gtid *gtid, struct cdc_error *error)
{
    enum { LOGICAL_CLOCK = 2 };
    cdc_bytes_le(&body, 1); /* flags: may have been logged as statements */
    struct cdc_span uuid = span_of(&body, sizeof gtid->uuid);
    gtid->number = cdc_bytes_le(&body, 8);
    if (body.bad)
        return damaged(error, gtid_name);
    memcpy(gtid->uuid, uuid.p, sizeof gtid->uuid);
    if (cdc_bytes_left(&body) != 0 && cdc_bytes_le(&body, 1) == LOGICAL_CLOCK)
        cdc_bytes_take(&body, 16);
    if (cdc_bytes_left(&body) != 0)
        gtid->commit_us = commit_time(&body);
    if (cdc_bytes_left(&body) != 0)
        my_packed(&body); /* length of the transaction */
    if (cdc_bytes_left(&body) != 0 && cdc_bytes_le(&body, 4) >> 31)
        cdc_bytes_le(&body, 4); /* version of the server where it began */
    if (cdc_bytes_left(&body) != 0)
        cdc_bytes_le(&body, 8); /* ticket of the commit group */
    return finished(&body, gtid_name, error);
}

/* mysql/serialization: as many bytes follow the first as it ends in ones; the ones and a zero are not part of the
 * number. Nine bytes: the last eight are it. */
static uint64_t tagged_uint(struct cdc_bytes *body)
{
    uint64_t first = cdc_bytes_le(body, 1);
    unsigned more = 0;
    while (more < 8 && first >> more & 1)
        more++;
    if (more == 0)
        return first >> 1;
    uint64_t rest = cdc_bytes_le(body, more);
    return more == 8 ? rest : rest << (7 - more) | first >> (more + 1);
}

enum tagged_field {
    TAGGED_FLAGS,
    TAGGED_UUID,
    TAGGED_NUMBER,
    TAGGED_TAG,
    TAGGED_LAST_COMMITTED,
    TAGGED_SEQUENCE_NUMBER,
    TAGGED_COMMIT_TIME,
    TAGGED_ORIGINAL_COMMIT_TIME,
    TAGGED_LENGTH,
    TAGGED_VERSION,
    TAGGED_ORIGINAL_VERSION,
    TAGGED_TICKET,
    TAGGED_FIELDS
};

static void tagged_uuid(struct cdc_bytes *body, uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++) {
        uint64_t byte = tagged_uint(body);
        body->bad |= byte > UINT8_MAX;
        uuid[i] = (uint8_t)byte;
    }
}

static void tagged_tag(struct cdc_bytes *body, char tag[33])
{
    uint64_t n = tagged_uint(body);
    const uint8_t *p = n <= 32 ? cdc_bytes_take(body, (size_t)n) : NULL;
    if (p == NULL) {
        body->bad = true;
        return;
    }
    memcpy(tag, p, (size_t)n);
    tag[n] = '\0';
    for (uint64_t i = 0; i < n; i++) /* it becomes part of texts */
        if (!(p[i] == '_' || (p[i] >= 'a' && p[i] <= 'z') || (i > 0 && p[i] >= '0' && p[i] <= '9')))
            body->bad = true;
}

static void tagged_value(struct cdc_bytes *body, enum tagged_field field, struct my_gtid *gtid)
{
    uint64_t number;
    switch (field) {
    case TAGGED_UUID: tagged_uuid(body, gtid->uuid); break;
    case TAGGED_TAG: tagged_tag(body, gtid->tag); break;
    case TAGGED_NUMBER: /* signed: the lowest bit is the sign */
        number = tagged_uint(body);
        body->bad |= number & 1;
        gtid->number = number >> 1;
        break;
    case TAGGED_COMMIT_TIME: gtid->commit_us = tagged_uint(body); break;
    default: tagged_uint(body); break; /* all the others are numbers */
    }
}

/* Version, size of everything, last field that must be understood; then the fields, each behind its id, in order. What
 * follows a field that is new and may be ignored cannot be read, and need not be. */
static int gtid_tagged(struct cdc_bytes body, struct my_gtid *gtid, struct cdc_error *error)
{
    const uint32_t needed = 1u << TAGGED_UUID | 1u << TAGGED_NUMBER | 1u << TAGGED_TAG;
    size_t whole = cdc_bytes_left(&body);
    uint64_t version = tagged_uint(&body), size = tagged_uint(&body), last = tagged_uint(&body);
    if (body.bad || size != whole)
        return damaged(error, gtid_name);
    if (version != 1 || last >= TAGGED_FIELDS)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has a GTID event of an unknown form (version %lu, field %lu)",
                             (unsigned long)version, (unsigned long)last);
    uint32_t seen = 0;
    while (cdc_bytes_left(&body) != 0) {
        uint64_t field = tagged_uint(&body);
        if (field >= TAGGED_FIELDS)
            break;
        if (seen >> field != 0) /* this one or a later one was there already */
            return damaged(error, gtid_name);
        seen |= 1u << field;
        tagged_value(&body, (enum tagged_field)field, gtid);
    }
    return body.bad || (seen & needed) != needed ? damaged(error, gtid_name) : 0;
}

/* Behind the flags: the id of the commit group or zeros, that of an XA transaction, then (11.x) more flags, of which none
 * matters here. */
static int gtid_mariadb(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                        struct cdc_error *error)
{
    enum { GROUP_COMMIT_ID = 0x02, SIZE = 19 };
    bool whole = cdc_bytes_left(&body) >= SIZE;
    gtid->server_id = header->server_id;
    gtid->number = cdc_bytes_le(&body, 8);
    gtid->domain = (uint32_t)cdc_bytes_le(&body, 4);
    gtid->flags = (uint8_t)cdc_bytes_le(&body, 1);
    if (gtid->flags & GROUP_COMMIT_ID)
        cdc_bytes_le(&body, 8);
    if (gtid->flags & (MY_GTID_PREPARED_XA | MY_GTID_COMPLETED_XA)) {
        cdc_bytes_le(&body, 4);
        size_t n = (size_t)cdc_bytes_le(&body, 1);
        n += (size_t)cdc_bytes_le(&body, 1);
        cdc_bytes_take(&body, n);
    }
    if (cdc_bytes_left(&body) > 0)
        gtid->more_flags = (uint8_t)cdc_bytes_le(&body, 1);
    return !whole || body.bad ? damaged(error, gtid_name) : 0;
}

int my_gtid_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                  struct cdc_error *error)
{
    *gtid = (struct my_gtid){0};
    if (header->type == MY_EVENT_MARIADB_GTID) {
        gtid->kind = MY_GTID_OF_MARIADB;
        return gtid_mariadb(header, body, gtid, error);
    }
    int result = header->type == MY_EVENT_GTID_TAGGED ? gtid_tagged(body, gtid, error) : gtid_plain(body, gtid, error);
    if (result < 0)
        return -1;
    if (header->type == MY_EVENT_ANONYMOUS_GTID) {
        *gtid = (struct my_gtid){.commit_us = gtid->commit_us};
        return 0;
    }
    gtid->kind = MY_GTID_OF_MYSQL;
    return gtid->number == 0 || gtid->number >= INT64_MAX ? damaged(error, gtid_name) : 0;
}

static void append_hex(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    if (!cdc_buf_room(out, 2 * n))
        return;
    for (size_t i = 0; i < n; i++) {
        out->data[out->len++] = digits[p[i] >> 4];
        out->data[out->len++] = digits[p[i] & 15];
    }
}

static void append_mysql(struct cdc_buf *out, const struct my_gtid *gtid)
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    const uint8_t *p = gtid->uuid;
    for (size_t i = 0; i < sizeof groups; p += groups[i++]) {
        if (i > 0)
            cdc_buf_byte(out, '-');
        append_hex(out, p, groups[i]);
    }
    cdc_buf_byte(out, ':');
    if (gtid->tag[0] != '\0') {
        cdc_buf_text(out, gtid->tag);
        cdc_buf_byte(out, ':');
    }
    cdc_buf_u64(out, gtid->number);
}

void my_gtid_append(struct cdc_buf *out, const struct my_gtid *gtid)
{
    if (gtid->kind == MY_GTID_OF_MYSQL) {
        append_mysql(out, gtid);
    } else if (gtid->kind == MY_GTID_OF_MARIADB) {
        cdc_buf_u64(out, gtid->domain);
        cdc_buf_byte(out, '-');
        cdc_buf_u64(out, gtid->server_id);
        cdc_buf_byte(out, '-');
        cdc_buf_u64(out, gtid->number);
    }
}

/* -- XA ----------------------------------------------------------------------------- */

int my_event_xa_prepare_parse(struct cdc_bytes body, bool *one_phase, struct cdc_buf *xid, struct cdc_error *error)
{
    enum { LONGEST = 64 }; /* of each part, X/Open XA */
    *one_phase = cdc_bytes_le(&body, 1) != 0;
    uint64_t format = cdc_bytes_le(&body, 4);
    uint64_t gtrid_n = cdc_bytes_le(&body, 4), bqual_n = cdc_bytes_le(&body, 4);
    if (body.bad || gtrid_n > LONGEST || bqual_n > LONGEST)
        return damaged(error, "XA_PREPARE");
    const uint8_t *gtrid = cdc_bytes_take(&body, (size_t)gtrid_n), *bqual = cdc_bytes_take(&body, (size_t)bqual_n);
    if (finished(&body, "XA_PREPARE", error) < 0)
        return -1;
    cdc_buf_lit(xid, "X'");
    append_hex(xid, gtrid, (size_t)gtrid_n);
    cdc_buf_lit(xid, "',X'");
    append_hex(xid, bqual, (size_t)bqual_n);
    cdc_buf_lit(xid, "',");
    cdc_buf_u64(xid, format);
    return 0;
}
