/* SPDX-License-Identifier: MIT */
/* Events of the binary log: header, checksum, and the bodies that have no header of their own beside this one. Pure:
 * no connection, no clock, no files. All integers of the log are little-endian unless said. No length is trusted.
 *
 * A transaction of MySQL as it lies in the log; MariaDB's has no BEGIN, since its GTID event says so:
 *     GTID        its identity and time
 *     QUERY       BEGIN
 *     TABLE_MAP   what table 109 is
 *     WRITE_ROWS  rows of table 109
 *     XID         COMMIT
 * An event is a header of 19 bytes, a body, and where the FORMAT_DESCRIPTION at the file's beginning says so a
 * CRC32:
 *     25 7d 93 65  10  01 00 00 00  1f 00 00 00  cd 01 00 00  00 00      XID of server 1: 31 bytes, ends at 461, no flags
 *     2a 00 00 00 00 00 00 00                                            body: 42
 *     94 6f cc 2e                                                        checksum */
#ifndef MY_EVENT_H
#define MY_EVENT_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

enum my_event_type {
    MY_EVENT_QUERY = 2,
    MY_EVENT_STOP = 3,
    MY_EVENT_ROTATE = 4,
    MY_EVENT_INTVAR = 5,
    MY_EVENT_RAND = 13,
    MY_EVENT_USER_VAR = 14,
    MY_EVENT_FORMAT = 15,
    MY_EVENT_XID = 16,
    MY_EVENT_BEGIN_LOAD_QUERY = 17, /* of LOAD DATA in statement format: the file, then the statement */
    MY_EVENT_EXECUTE_LOAD_QUERY = 18,
    MY_EVENT_TABLE_MAP = 19,
    MY_EVENT_WRITE_ROWS_V1 = 23,
    MY_EVENT_UPDATE_ROWS_V1 = 24,
    MY_EVENT_DELETE_ROWS_V1 = 25,
    MY_EVENT_INCIDENT = 26,
    MY_EVENT_HEARTBEAT = 27,
    MY_EVENT_IGNORABLE = 28,
    MY_EVENT_ROWS_QUERY = 29,
    MY_EVENT_WRITE_ROWS = 30,
    MY_EVENT_UPDATE_ROWS = 31,
    MY_EVENT_DELETE_ROWS = 32,
    MY_EVENT_GTID = 33,
    MY_EVENT_ANONYMOUS_GTID = 34,
    MY_EVENT_PREVIOUS_GTIDS = 35,
    MY_EVENT_TRANSACTION_CONTEXT = 36,
    MY_EVENT_VIEW_CHANGE = 37,
    MY_EVENT_XA_PREPARE = 38,
    MY_EVENT_PARTIAL_UPDATE_ROWS = 39,
    MY_EVENT_TRANSACTION_PAYLOAD = 40,
    MY_EVENT_HEARTBEAT_V2 = 41,
    MY_EVENT_GTID_TAGGED = 42,
    MY_EVENT_MARIADB_ANNOTATE_ROWS = 160,
    MY_EVENT_MARIADB_CHECKPOINT = 161,
    MY_EVENT_MARIADB_GTID = 162,
    MY_EVENT_MARIADB_GTID_LIST = 163,
    MY_EVENT_MARIADB_START_ENCRYPTION = 164,
    MY_EVENT_MARIADB_QUERY_COMPRESSED = 165,
    MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1 = 166,
    MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED_V1 = 167,
    MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED_V1 = 168,
    MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED = 169,
    MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED = 170,
    MY_EVENT_MARIADB_DELETE_ROWS_COMPRESSED = 171
};
#define MY_EVENT_FLAG_IN_USE 0x01 /* of FORMAT_DESCRIPTION: the file is still open; taken away when it is complete */
#define MY_EVENT_FLAG_THREAD_SPECIFIC 0x04
#define MY_EVENT_FLAG_ARTIFICIAL 0x20 /* made for the connection, not of the file: a ROTATE says where reading begins */
#define MY_EVENT_FLAG_RELAY_LOG 0x40  /* of a relay log itself: its position is one there */
#define MY_EVENT_FLAG_IGNORABLE 0x80  /* who does not know the type may skip it */
#define MY_EVENT_HEADER_SIZE 19

struct my_event_header {
    uint32_t timestamp; /* seconds since 1970, the statement's start */
    uint8_t type;
    uint32_t server_id;
    uint32_t size;          /* of the whole event, checksum included */
    uint32_t next_position; /* where the event ends in its file, modulo 2^32; 0 in some artificial ones */
    uint16_t flags;
};

/* What FORMAT_DESCRIPTION says of the events that follow. Start with my_event_format_default. */
struct my_event_format {
    enum my_flavor flavor;
    char server_version[51];
    uint32_t created;         /* of the event's header: when the file was begun; may be 0 in artificial ones */
    bool server_began;        /* with this file: sessions of before are gone, and their temporary tables */
    bool checksums;           /* each event ends in a CRC32 */
    uint8_t post_header[256]; /* by event type; 0: the server does not write that type */
};
/* MySQL, no checksums: set checksums as agreed with the server before its first (artificial) ROTATE is read. */
void my_event_format_default(struct my_event_format *format);

/* Reads the header of an event of which data[0..n) is the beginning. PROTOCOL when it is too short for that. */
int my_event_header_begin(const uint8_t *data, size_t n, struct my_event_header *header, struct cdc_error *error);
/* Reads the header of the event data[0..n); n must be its whole size. PROTOCOL when it is truncated or damaged. */
int my_event_header_parse(const uint8_t *data, size_t n, struct my_event_header *header, struct cdc_error *error);
/* The body between header and checksum; the CRC32 (over header and body) is verified where the format has them (a
 * FORMAT_DESCRIPTION tells of its own). PROTOCOL on a mismatch: an event that was damaged is never skipped. */
int my_event_body(const struct my_event_format *format, const struct my_event_header *header, const uint8_t *data,
                  size_t n, struct cdc_bytes *body, struct cdc_error *error);
/* For the first event after START_ENCRYPTION, which the server has decrypted, where it is none (error says why): CONFIG, -1. */
int my_event_undecrypted(struct cdc_error *error);
/* The same for an event (no FORMAT_DESCRIPTION) that comes in parts, for a TRANSACTION_PAYLOAD may have a gigabyte:
 * data[0..n) is its beginning, with all of the header; then the next ones. *body: what each part has of the body,
 * BORROWED. The last part is only returned if the checksum over all of them is right. */
#define MY_EVENT_PART ((size_t)256 << 10) /* one part, as who reads the log hands them on; the last may be shorter */
struct my_event_parts {
    struct my_event_header header;
    size_t taken; /* of the event's bytes */
    bool checksums;
    uint32_t crc, sum; /* sum: what the event says that crc is */
};
int my_event_parts_begin(struct my_event_parts *parts, const struct my_event_format *format, const uint8_t *data,
                         size_t n, struct cdc_bytes *body, struct cdc_error *error);
int my_event_parts_next(struct my_event_parts *parts, const uint8_t *data, size_t n, struct cdc_bytes *body,
                        struct cdc_error *error);
/* FORMAT_DESCRIPTION: body as my_event_body gave it. */
int my_event_format_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_event_format *format,
                          struct cdc_error *error);

struct my_event_rotate {
    uint64_t position;
    struct cdc_span file; /* BORROWED, like all spans below, from the event */
};
int my_event_rotate_parse(struct cdc_bytes body, struct my_event_rotate *rotate, struct cdc_error *error);

struct my_event_query {
    uint32_t server_id, thread_id; /* the session */
    bool thread_specific;          /* it uses temporary tables, or belongs to what does */
    uint16_t error_code;
    struct cdc_span db, sql; /* in UTF-8, where the text is valid in the client's charset */
    uint16_t charset;        /* collation id of sql, 0 when not said */
    uint64_t sql_mode;       /* of the session; 0 when not said */
};
#define MY_SQL_MODE_ANSI_QUOTES (UINT64_C(1) << 2)
#define MY_SQL_MODE_NO_BACKSLASH_ESCAPES (UINT64_C(1) << 20)
/* QUERY, and QUERY_COMPRESSED of MariaDB (unpacked into scratch, replacing what it holds; sql may BORROW from it). */
int my_event_query_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                         struct my_event_query *query, struct cdc_error *error);

/* XA_PREPARE: *one_phase, and appends the id as the statements write it: X'6162',X'',1 */
int my_event_xa_prepare_parse(struct cdc_bytes body, bool *one_phase, struct cdc_buf *xid, struct cdc_error *error);
/* HEARTBEAT and HEARTBEAT_V2: file (BORROWED) and position. */
int my_event_heartbeat_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_event_rotate *where,
                             struct cdc_error *error);

/* Called for each event of a part of the log that is read apart from the stream; coord: where the event ends. 0: go on;
 * MY_LOG_ENOUGH: no more events are asked for; -1: error. */
typedef int my_log_visit(void *context, const struct my_event_header *header, struct cdc_bytes body,
                         const struct my_coord *coord, struct cdc_error *error);
#define MY_LOG_ENOUGH 3

#endif
