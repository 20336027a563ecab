/* SPDX-License-Identifier: MIT */
/* The binary log of MySQL and MariaDB, the pure part: bytes in, events, values and
 * lines out. No connection, no clock, no files. All integers of the log are
 * little-endian unless said. Nothing here trusts a length. */
#ifndef BINLOG_H
#define BINLOG_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* -- bytes ---------------------------------------------------------------------
 * A read beyond the end yields 0 and sets bad: checked once, before anything is used. */
struct binlog_reader {
    const uint8_t *p, *end;
    bool bad;
};

static inline size_t binlog_left(const struct binlog_reader *reader)
{
    return (size_t)(reader->end - reader->p);
}

/* n bytes, or NULL. */
static inline const uint8_t *binlog_bytes(struct binlog_reader *reader, size_t n)
{
    if (binlog_left(reader) < n) {
        reader->bad = true;
        reader->p = reader->end;
        return NULL;
    }
    const uint8_t *p = reader->p;
    reader->p += n;
    return p;
}

/* n (1..8) bytes, little-endian. */
static inline uint64_t binlog_uint(struct binlog_reader *reader, size_t n)
{
    const uint8_t *p = binlog_bytes(reader, n);
    uint64_t value = 0;
    for (size_t i = n; p != NULL && i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

/* The protocol's packed integer: 1, 3, 4 or 9 bytes. (event.c) */
uint64_t binlog_packed(struct binlog_reader *reader);

/* -- events (event.c) ------------------------------------------------------------ */
enum binlog_flavor { BINLOG_MYSQL, BINLOG_MARIADB };

enum binlog_event_type {
    BINLOG_QUERY = 2,
    BINLOG_STOP = 3,
    BINLOG_ROTATE = 4,
    BINLOG_INTVAR = 5,
    BINLOG_RAND = 13,
    BINLOG_USER_VAR = 14,
    BINLOG_FORMAT = 15,
    BINLOG_XID = 16,
    BINLOG_TABLE_MAP = 19,
    BINLOG_WRITE_ROWS_V1 = 23,
    BINLOG_UPDATE_ROWS_V1 = 24,
    BINLOG_DELETE_ROWS_V1 = 25,
    BINLOG_INCIDENT = 26,
    BINLOG_HEARTBEAT = 27,
    BINLOG_IGNORABLE = 28,
    BINLOG_ROWS_QUERY = 29,
    BINLOG_WRITE_ROWS = 30,
    BINLOG_UPDATE_ROWS = 31,
    BINLOG_DELETE_ROWS = 32,
    BINLOG_GTID = 33,
    BINLOG_ANONYMOUS_GTID = 34,
    BINLOG_PREVIOUS_GTIDS = 35,
    BINLOG_TRANSACTION_CONTEXT = 36,
    BINLOG_VIEW_CHANGE = 37,
    BINLOG_XA_PREPARE = 38,
    BINLOG_PARTIAL_UPDATE_ROWS = 39,
    BINLOG_TRANSACTION_PAYLOAD = 40,
    BINLOG_HEARTBEAT_V2 = 41,
    BINLOG_GTID_TAGGED = 42,
    BINLOG_MARIADB_ANNOTATE_ROWS = 160,
    BINLOG_MARIADB_CHECKPOINT = 161,
    BINLOG_MARIADB_GTID = 162,
    BINLOG_MARIADB_GTID_LIST = 163,
    BINLOG_MARIADB_START_ENCRYPTION = 164,
    BINLOG_MARIADB_QUERY_COMPRESSED = 165,
    BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1 = 166,
    BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1 = 167,
    BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1 = 168,
    BINLOG_MARIADB_WRITE_ROWS_COMPRESSED = 169,
    BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED = 170,
    BINLOG_MARIADB_DELETE_ROWS_COMPRESSED = 171
};
#define BINLOG_FLAG_ARTIFICIAL 0x20
#define BINLOG_FLAG_RELAY_LOG 0x40 /* of a relay log itself: its place is one there */
#define BINLOG_FLAG_IGNORABLE 0x80
#define BINLOG_HEADER_SIZE 19

struct binlog_header {
    uint32_t timestamp; /* seconds since 1970, the statement's start */
    uint8_t type;
    uint32_t server_id;
    uint32_t size; /* of the whole event, checksum included */
    uint32_t next_position;
    uint16_t flags;
};

/* What FORMAT_DESCRIPTION says of the events that follow. Start with binlog_format_default. */
struct binlog_format {
    enum binlog_flavor flavor;
    char server_version[51];
    uint32_t created;         /* of the event's header: when the file was begun; may be 0 in artificial ones */
    bool checksums;           /* each event ends in a CRC32 */
    uint8_t post_header[256]; /* by event type; 0: the server does not write that type */
};
/* MySQL, no checksums: set checksums as agreed with the server before its first (artificial) ROTATE is read. */
void binlog_format_default(struct binlog_format *format);

/* Reads the header of the event data[0..n); n must be its whole size. PROTOCOL when it is cut or damaged. */
int binlog_header_parse(const uint8_t *data, size_t n, struct binlog_header *header, struct cdc_error *error);
/* The body between header and checksum; the CRC32 (over header and body) is verified where the format has them (a
 * FORMAT_DESCRIPTION tells of its own). PROTOCOL on a mismatch: an event that was damaged is never skipped. */
int binlog_body(const struct binlog_format *format, const struct binlog_header *header, const uint8_t *data, size_t n,
                struct binlog_reader *body, struct cdc_error *error);
/* The same for an event (no FORMAT_DESCRIPTION) that comes in parts: data[0..n) is its beginning, with all of the header;
 * then the next ones. *body: what each has of the body, BORROWED. The checksum is verified before the last one is given. */
struct binlog_parts {
    struct binlog_header header;
    size_t taken; /* of the event's bytes */
    bool checksums;
    uint32_t crc, sum; /* sum: what the event says that crc is */
};
int binlog_parts_begin(struct binlog_parts *parts, const struct binlog_format *format, const uint8_t *data, size_t n,
                       struct binlog_reader *body, struct cdc_error *error);
int binlog_parts_next(struct binlog_parts *parts, const uint8_t *data, size_t n, struct binlog_reader *body,
                      struct cdc_error *error);
/* FORMAT_DESCRIPTION: body as binlog_body gave it. */
int binlog_format_parse(const struct binlog_header *header, struct binlog_reader body, struct binlog_format *format,
                        struct cdc_error *error);

struct binlog_rotate {
    uint64_t position;
    struct cdc_span file; /* BORROWED, like all spans below, from the event */
};
int binlog_rotate_parse(struct binlog_reader body, struct binlog_rotate *rotate, struct cdc_error *error);

struct binlog_query {
    uint32_t thread_id;
    uint16_t error_code;
    struct cdc_span db, sql; /* in UTF-8, where the text is valid in the client's charset */
    uint16_t charset;        /* collation id of sql, 0 when not said */
};
/* QUERY, and QUERY_COMPRESSED of MariaDB (unpacked into scratch, replacing what it holds; sql may BORROW from it). A
 * status variable that is not known is an error: it could hide the charset. */
int binlog_query_parse(const struct binlog_header *header, struct binlog_reader body, struct cdc_buf *scratch,
                       struct binlog_query *query, struct cdc_error *error);

/* One transaction's identity. */
enum binlog_gtid_kind { BINLOG_GTID_NONE, BINLOG_GTID_OF_MYSQL, BINLOG_GTID_OF_MARIADB };
#define BINLOG_MARIADB_GTID_STANDALONE 0x01
#define BINLOG_MARIADB_GTID_TRANSACTIONAL 0x04
#define BINLOG_MARIADB_GTID_DDL 0x20
#define BINLOG_MARIADB_GTID_PREPARED_XA 0x40
#define BINLOG_MARIADB_GTID_COMPLETED_XA 0x80
#define BINLOG_MARIADB_GTID_START_ALTER 0x02 /* these two: of more_flags */
#define BINLOG_MARIADB_GTID_ROLLBACK_ALTER 0x08
struct binlog_gtid {
    enum binlog_gtid_kind kind; /* NONE: ANONYMOUS_GTID */
    uint8_t uuid[16];           /* MySQL */
    char tag[33];               /* MySQL 8.3 and later; "" without */
    uint64_t number;            /* gno, or MariaDB's sequence number */
    uint32_t domain, server_id; /* MariaDB */
    uint8_t flags, more_flags;  /* MariaDB, as above */
    uint64_t commit_us;         /* commit time at the server that sends, in us since 1970; 0: not said */
};
/* GTID, ANONYMOUS_GTID, GTID_TAGGED, MARIADB_GTID. */
int binlog_gtid_parse(const struct binlog_header *header, struct binlog_reader body, struct binlog_gtid *gtid,
                      struct cdc_error *error);
/* "uuid:5", "uuid:tag:5", "0-1-5". */
void binlog_gtid_append(struct cdc_buf *out, const struct binlog_gtid *gtid);

/* XA_PREPARE: *one_phase, and appends the id as the statements write it: X'6162',X'',1 */
int binlog_xa_prepare_parse(struct binlog_reader body, bool *one_phase, struct cdc_buf *xid, struct cdc_error *error);
/* HEARTBEAT and HEARTBEAT_V2: file (BORROWED) and position. */
int binlog_heartbeat_parse(const struct binlog_header *header, struct binlog_reader body, struct binlog_rotate *where,
                           struct cdc_error *error);

/* TRANSACTION_PAYLOAD (zstd or plain): the inner events one after the other, without ever holding them all. */
struct binlog_payload;
struct binlog_payload *binlog_payload_new(struct cdc_error *error); /* RETURNS NEW; used for many payloads */
void binlog_payload_free(struct binlog_payload *payload);
/* part: of the event's body, which has so many bytes; last: there is no other one to come. BORROWED until the last event
 * was taken, or the next part is wanted. */
int binlog_payload_open(struct binlog_payload *payload, struct binlog_reader part, uint64_t size, bool last,
                        struct cdc_error *error);
void binlog_payload_feed(struct binlog_payload *payload, struct binlog_reader part, bool last);
/* Has its last part come? The last inner event is given only then. */
bool binlog_payload_is_whole(const struct binlog_payload *payload);
/* 1: an inner event (header and body, no checksum), BORROWED until the next call; 2 (BINLOG_WANTS): the next part is to be
 * fed; 0: no more; -1: error. */
#define BINLOG_WANTS 2
int binlog_payload_next(struct binlog_payload *payload, const uint8_t **data, size_t *n, struct cdc_error *error);
/* MariaDB's compressed body (a rows event's, behind its bitmaps, and a query's), to its end: appends the unpacked bytes to
 * out. */
int binlog_uncompress(struct binlog_reader *body, struct cdc_buf *out, struct cdc_error *error);

/* TABLE_MAP, as it stands in the event. */
struct binlog_table_map {
    uint64_t table_id;
    uint16_t flags;
    struct cdc_span db, table;
    size_t n_columns;
    const uint8_t *types;     /* n_columns */
    struct cdc_span metadata; /* of all columns */
    const uint8_t *null_bits; /* (n_columns + 7) / 8 */
    struct cdc_span optional; /* type, packed length, value ...: checked to be well-formed */
};
int binlog_table_map_parse(struct binlog_reader body, struct binlog_table_map *map, struct cdc_error *error);

/* A rows event, all versions of both servers; PARTIAL_UPDATE_ROWS too. */
enum binlog_rows_kind { BINLOG_ROWS_WRITE, BINLOG_ROWS_UPDATE, BINLOG_ROWS_DELETE };
#define BINLOG_ROWS_STATEMENT_END 0x01
struct binlog_rows {
    enum binlog_rows_kind kind;
    bool partial_json; /* PARTIAL_UPDATE_ROWS */
    uint64_t table_id;
    uint16_t flags;
    size_t n_columns;
    const uint8_t *present;       /* bitmap of the (only, or before) image's columns */
    const uint8_t *present_after; /* of the after image of an UPDATE; else NULL */
    struct binlog_reader images;  /* the rows; of a compressed event in scratch, replacing what it holds */
};
int binlog_rows_parse(const struct binlog_header *header, struct binlog_reader body, struct cdc_buf *scratch,
                      struct binlog_rows *rows, struct cdc_error *error);

/* -- GTID sets (gtid.c) ------------------------------------------------------------
 * MySQL: the whole set, tags included. MariaDB: the newest number of each domain. */
struct binlog_gtid_set;
struct binlog_gtid_set *binlog_gtid_set_new(enum binlog_flavor flavor, struct cdc_error *error); /* RETURNS NEW */
void binlog_gtid_set_free(struct binlog_gtid_set *set);
/* Replaces the content: "uuid:1-5:7,uuid:tag:1" (white space allowed), or "0-1-5,1-1-7". CONFIG when it is neither. */
int binlog_gtid_set_parse(struct binlog_gtid_set *set, struct cdc_span text, struct cdc_error *error);
/* The canonical text, as the server prints it, without line breaks. */
void binlog_gtid_set_append(struct cdc_buf *out, const struct binlog_gtid_set *set);
/* Adds one transaction; amortised constant time when it follows the one before. One without a GTID changes nothing.
 * MariaDB: the newest of a domain is the one added last. 0 or -1 (memory; PROTOCOL: of the other server). */
int binlog_gtid_set_add(struct binlog_gtid_set *set, const struct binlog_gtid *gtid, struct cdc_error *error);
bool binlog_gtid_set_contains(const struct binlog_gtid_set *set, const struct binlog_gtid *gtid);
bool binlog_gtid_set_is_empty(const struct binlog_gtid_set *set);
bool binlog_gtid_set_equal(const struct binlog_gtid_set *a, const struct binlog_gtid_set *b);
/* The binary form that COM_BINLOG_DUMP_GTID takes and PREVIOUS_GTIDS has (MySQL), that of GTID_LIST (MariaDB). */
void binlog_gtid_set_encode(struct cdc_buf *out, const struct binlog_gtid_set *set);
/* Replaces the content with that of PREVIOUS_GTIDS or GTID_LIST. */
int binlog_gtid_set_decode(struct binlog_gtid_set *set, struct binlog_reader body, struct cdc_error *error);

/* -- statements (statement.c) ------------------------------------------------------- */
enum binlog_statement_kind {
    BINLOG_STATEMENT_BEGIN,
    BINLOG_STATEMENT_COMMIT,
    BINLOG_STATEMENT_ROLLBACK,
    BINLOG_STATEMENT_SAVEPOINT,
    BINLOG_STATEMENT_RELEASE,
    BINLOG_STATEMENT_ROLLBACK_TO,
    BINLOG_STATEMENT_XA_START,
    BINLOG_STATEMENT_XA_END,
    BINLOG_STATEMENT_XA_PREPARE,
    BINLOG_STATEMENT_XA_COMMIT,
    BINLOG_STATEMENT_XA_ROLLBACK,
    BINLOG_STATEMENT_TRUNCATE, /* TRUNCATE [TABLE] name: also a DDL statement */
    BINLOG_STATEMENT_DDL,      /* CREATE, ALTER, DROP, RENAME, GRANT, ... : everything else that is no row change */
    BINLOG_STATEMENT_DML       /* INSERT, UPDATE, DELETE, REPLACE, LOAD DATA, CALL, ...: statement format */
};
struct binlog_statement {
    enum binlog_statement_kind kind;
    struct cdc_span xid;      /* of XA statements: as written, BORROWED */
    struct cdc_buf db, table; /* of TRUNCATE: unquoted; db empty when not said. SAVEPOINT, ROLLBACK TO: table is the
                                 savepoint, empty when it cannot be read. Freed by binlog_statement_free */
};
/* Leading white space and comments are passed over, the inside of executable comments counts as text. A TRUNCATE whose
 * table cannot be read is a DDL. CREATE TABLE ... SELECT and ALTER are DDL. Statements inside of BEGIN and COMMIT that are
 * DDL by name (CREATE TEMPORARY TABLE) are DDL. A text of nothing but comments is a DDL. MariaDB's SET STATEMENT ... FOR
 * is what follows FOR. sql: as in the event, ASCII-compatible. statement: {0} before its first use, then used again. */
void binlog_statement_parse(struct binlog_statement *statement, struct cdc_span sql);
void binlog_statement_free(struct binlog_statement *statement);
/* Is it about accounts, so that it may carry secrets? In doubt it is. */
bool binlog_statement_is_of_accounts(struct cdc_span sql);
/* Does an identifier of that name (case-insensitive, quoted or not) stand anywhere in the text outside of strings and
 * comments (executable comments count)? May say yes too often, never no wrongly. */
bool binlog_statement_names(struct cdc_span sql, struct cdc_span name);

/* -- charsets (charset.c) ------------------------------------------------------------ */
struct binlog_charset; /* of a collation id: name, longest character, how to turn it into UTF-8 */
/* By collation id (both servers; ids above 255 too); NULL when unknown. */
const struct binlog_charset *binlog_charset_of(unsigned collation);
/* By the name of charset or collation ("latin1", "utf8mb4_0900_ai_ci"); NULL when unknown. */
const struct binlog_charset *binlog_charset_named(const char *name);
const char *binlog_charset_name(const struct binlog_charset *charset);
unsigned binlog_charset_longest(const struct binlog_charset *charset); /* bytes of one character, 1..4 */
bool binlog_charset_is_binary(const struct binlog_charset *charset);
/* Appends the bytes as a JSON string in UTF-8; bytes that are not valid in the charset as {"base64":"..."}, counted in
 * *unconvertible. charset NULL: unknown, valid UTF-8 as a string, else base64. */
void binlog_text_append(struct cdc_buf *out, const struct binlog_charset *charset, const uint8_t *p, size_t n,
                        uint64_t *unconvertible);
/* Of a key: different bytes never give the same. Some charsets have two characters with the same Unicode; a text with the
 * one that Unicode does not turn back into is base64, too. */
void binlog_key_text_append(struct cdc_buf *out, const struct binlog_charset *charset, const uint8_t *p, size_t n,
                            uint64_t *unconvertible);
/* Frees what the thread keeps from one text to the next: before it ends. */
void binlog_text_release(void);
/* As binlog_text_append, but plain bytes without quotes and escapes; false when not valid. */
bool binlog_text_convert(struct cdc_buf *out, const struct binlog_charset *charset, const uint8_t *p, size_t n);

/* -- values (value.c, temporal.c, decimal.c, json_binary.c) -------------------------------- */
enum binlog_type {
    BINLOG_TYPE_DECIMAL_OLD = 0,
    BINLOG_TYPE_TINY = 1,
    BINLOG_TYPE_SHORT = 2,
    BINLOG_TYPE_LONG = 3,
    BINLOG_TYPE_FLOAT = 4,
    BINLOG_TYPE_DOUBLE = 5,
    BINLOG_TYPE_NULL = 6,
    BINLOG_TYPE_TIMESTAMP = 7,
    BINLOG_TYPE_LONGLONG = 8,
    BINLOG_TYPE_INT24 = 9,
    BINLOG_TYPE_DATE = 10,
    BINLOG_TYPE_TIME = 11,
    BINLOG_TYPE_DATETIME = 12,
    BINLOG_TYPE_YEAR = 13,
    BINLOG_TYPE_VARCHAR = 15,
    BINLOG_TYPE_BIT = 16,
    BINLOG_TYPE_TIMESTAMP2 = 17,
    BINLOG_TYPE_DATETIME2 = 18,
    BINLOG_TYPE_TIME2 = 19,
    BINLOG_TYPE_MARIADB_BLOB_COMPRESSED = 140,
    BINLOG_TYPE_MARIADB_VARCHAR_COMPRESSED = 141,
    BINLOG_TYPE_VECTOR = 242,
    BINLOG_TYPE_JSON = 245,
    BINLOG_TYPE_DECIMAL = 246,
    BINLOG_TYPE_ENUM = 247,
    BINLOG_TYPE_SET = 248,
    BINLOG_TYPE_BLOB = 252,
    BINLOG_TYPE_STRING = 254,
    BINLOG_TYPE_GEOMETRY = 255
};

struct binlog_value_style {
    bool int64_as_string;   /* --int64=string: beyond 2^53 */
    bool decimal_as_number; /* --decimal=number */
};

/* What the JSON looks like; settled once by binlog_column_settle. */
enum binlog_kind {
    BINLOG_KIND_INTEGER,
    BINLOG_KIND_FLOAT,
    BINLOG_KIND_DOUBLE,
    BINLOG_KIND_DECIMAL,
    BINLOG_KIND_BIT,  /* one bit: true and false; more: a string of 0 and 1 */
    BINLOG_KIND_YEAR, /* a number; 0 for the year 0000; MariaDB's YEAR(2): its last two digits */
    BINLOG_KIND_DATE,
    BINLOG_KIND_TIME,
    BINLOG_KIND_DATETIME,
    BINLOG_KIND_TIMESTAMP,
    BINLOG_KIND_TEXT,
    BINLOG_KIND_BINARY, /* base64 */
    BINLOG_KIND_ENUM,
    BINLOG_KIND_SET,
    BINLOG_KIND_JSON,      /* MySQL's binary form */
    BINLOG_KIND_JSON_TEXT, /* MariaDB's: text that is known to be JSON */
    BINLOG_KIND_GEOMETRY,
    BINLOG_KIND_VECTOR,
    BINLOG_KIND_UUID,
    BINLOG_KIND_INET4,
    BINLOG_KIND_INET6,
    BINLOG_KIND_OLD_TEMPORAL /* MariaDB, mysql56_temporal_format=OFF: precision must be known (decimals >= 0) */
};

struct binlog_column {
    char *name;               /* UTF-8, owned; NULL when the log does not say */
    struct cdc_buf name_json; /* "\"name\":" ready to append */
    uint8_t type;             /* enum binlog_type; of STRING the real one (ENUM, SET) is resolved */
    uint16_t metadata; /* as in TABLE_MAP, its first byte low; of STRING: length, of ENUM and SET: size in bytes */
    enum binlog_kind kind;
    bool is_unsigned;
    const struct binlog_charset *charset; /* of texts, ENUM and SET; NULL: not known */
    uint32_t length;                      /* of strings: in bytes, as declared; of VECTOR: dimensions; of BIT: bits;
                                             of YEAR: digits */
    uint8_t precision;                    /* of DECIMAL */
    int8_t decimals;                      /* scale, or digits of a second; -1: not known */
    char **labels;                        /* of ENUM and SET, UTF-8, owned */
    size_t n_labels;
    char *type_name; /* as the database names it, owned */
    bool nullable, key, generated, invisible;
    bool listed;         /* information_schema shows it now */
    bool hidden;         /* MariaDB keeps it for itself: not in the lines */
    uint8_t length_size; /* bytes of the length before a value; 0: */
    uint16_t fixed_size; /* bytes of every value; 0: not known */
};
void binlog_column_free(struct binlog_column *column); /* the members, not the struct */
/* From type, metadata, charset and type_name: kind, length, precision, decimals. type_name (information_schema's
 * COLUMN_TYPE, may be NULL) decides where the log cannot tell: json, uuid, inet4, inet6, vector on MariaDB, the digits of
 * a second in its old temporals, blob or text where no charset is known. CONFIG: a type that is not known; PROTOCOL:
 * metadata that the type cannot have. */
int binlog_column_settle(struct binlog_column *column, enum binlog_flavor flavor, struct cdc_error *error);
/* A text of a column, of the key or not. */
static inline void binlog_column_text_append(struct cdc_buf *out, const struct binlog_column *column, const uint8_t *p,
                                             size_t n, uint64_t *unconvertible)
{
    (column->key ? binlog_key_text_append : binlog_text_append)(out, column->charset, p, n, unconvertible);
}
/* Appends the value at reader as JSON (cdc-event(5)) and steps over it. PROTOCOL when the bytes do not fit, CONFIG when an
 * old temporal's digits are not known: what was appended until then is the caller's to take back. */
int binlog_value_append(struct cdc_buf *out, const struct binlog_column *column, struct binlog_reader *reader,
                        const struct binlog_value_style *style, uint64_t *unconvertible, struct cdc_error *error);
/* Steps over it. */
int binlog_value_skip(const struct binlog_column *column, struct binlog_reader *reader, struct cdc_error *error);
/* A value of a partial JSON update: diffs (their bytes) applied to before (the binary JSON of the before image). Appends
 * the whole new document. 1; 0 when before is not there (before.p NULL): nothing appended, the column is unchanged-unknown. */
int binlog_json_apply(struct cdc_buf *out, struct cdc_span before, struct cdc_span diffs, struct cdc_error *error);

/* The parts, for the snapshot, whose values must be the same bytes as the log's. */
struct binlog_time {
    bool negative;
    uint32_t year, month, day, hour, minute, second, microsecond;
};
/* kind DATE, TIME, DATETIME, TIMESTAMP; decimals 0..6. Zero and partial dates are written as the server does. */
void binlog_time_append(struct cdc_buf *out, enum binlog_kind kind, const struct binlog_time *time, int decimals);
void binlog_float_append(struct cdc_buf *out, float value); /* shortest that reads back the same */
void binlog_double_append(struct cdc_buf *out, double value);
void binlog_integer_append(struct cdc_buf *out, uint64_t bits, bool is_unsigned,
                           const struct binlog_value_style *style);
/* Digits as the server prints them. */
void binlog_decimal_append(struct cdc_buf *out, struct cdc_span digits, const struct binlog_value_style *style);
void binlog_bits_append(struct cdc_buf *out, const uint8_t *bytes, size_t n, unsigned bits); /* big-endian */
void binlog_geometry_append(struct cdc_buf *out, const uint8_t *bytes, size_t n); /* SRID u32, WKB; "" is null */
void binlog_vector_append(struct cdc_buf *out, const uint8_t *bytes, size_t n);   /* float32s */
void binlog_binary_append(struct cdc_buf *out, const uint8_t *bytes, size_t n);   /* base64 string */
/* MySQL's JSON as the server prints it ({"a": 1}), on one line without white space, the very bytes that
 * binlog_value_append writes for the binary form. */
void binlog_json_text_append(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible);

#endif
