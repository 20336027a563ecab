/* SPDX-License-Identifier: MIT */
/* QUERY: a statement, with the session's variables that it depends on. Of these only the client's charset and the
 * SQL mode matter here, but nothing tells how long a variable is, so that the lengths of all are listed (mysql-server's
 * statement_events.h; MariaDB's log_event.h). */
#include "connectors/mysql/event/internal.h"
#include "connectors/mysql/event/compressed_body.h"
#include "connectors/mysql/value/charset.h"

#include <cdc/json.h>
#include <string.h>

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

/* Two-phase ALTER has the number of its first half after the flags. */
static void skip_gtid_flags(struct cdc_bytes *cursor)
{
    enum { COMMIT_ALTER = 4, ROLLBACK_ALTER = 8 };
    uint64_t flags = cdc_bytes_le(cursor, 1);
    cdc_bytes_take(cursor, flags & (COMMIT_ALTER | ROLLBACK_ALTER) ? 8 : 0);
}

/* A code, then a value of the length that belongs to it: 00 00 00 00 00 | 04 21 00 2d 00 08 00 are flags and
 * charsets (the client's is 33, utf8mb3_general_ci). */
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
        case Q_SQL_MODE: query->sql_mode = cdc_bytes_le(&cursor, 8); break;
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
    return cursor.bad ? my_event_damaged(error, "QUERY") : 0;
}

/* The text came in the client's charset; the names in it are compared with those of tables, which are in UTF-8.
 * Bytes that are not valid in that charset (a comment may have them) leave all as it is. */
static int query_to_utf8(struct my_event_query *query, struct cdc_buf *scratch, struct cdc_error *error)
{
    enum { UTF8MB4 = 45 };
    const struct my_charset *charset = query->charset ? my_charset_of(query->charset) : NULL;
    size_t n = query->sql.n, used = scratch->len, i = 0;
    while (i < n && (unsigned char)query->sql.p[i] < 0x80)
        i++;
    if (i == n || charset == NULL || my_charset_is_binary(charset) || strncmp(my_charset_name(charset), "utf8", 4) == 0)
        return 0;
    bool inside = used > 0 && query->sql.p == scratch->data; /* which may move */
    if (n > SIZE_MAX / 16 || !cdc_buf_room(scratch, 4 * n))
        return cdc_error_memory(error);
    if (my_charset_convert(scratch, charset, (const uint8_t *)(inside ? scratch->data : query->sql.p), n)) {
        query->sql = cdc_span(scratch->data + used, scratch->len - used);
        query->charset = UTF8MB4;
    } else {
        scratch->len = used;
        query->sql.p = inside ? scratch->data : query->sql.p;
    }
    return 0;
}

int my_event_query_parse(const struct my_event_header *header, struct cdc_bytes body, struct cdc_buf *scratch,
                         struct my_event_query *query, struct cdc_error *error)
{
    *query = (struct my_event_query){.server_id = header->server_id,
                                     .thread_id = (uint32_t)cdc_bytes_le(&body, 4),
                                     .thread_specific = (header->flags & MY_EVENT_FLAG_THREAD_SPECIFIC) != 0};
    cdc_bytes_le(&body, 4); /* how long it took */
    size_t db_n = (size_t)cdc_bytes_le(&body, 1);
    query->error_code = (uint16_t)cdc_bytes_le(&body, 2);
    struct cdc_span variables = my_event_span(&body, (size_t)cdc_bytes_le(&body, 2));
    query->db = my_event_span(&body, db_n);
    uint64_t nul = cdc_bytes_le(&body, 1);
    if (body.bad || nul != 0 || !cdc_utf8_valid(query->db.p, query->db.n)) /* the servers write names in UTF-8 */
        return my_event_damaged(error, "QUERY");
    const uint8_t *first = (const uint8_t *)variables.p;
    if (query_variables((struct cdc_bytes){first, first + variables.n, false}, query, error) < 0)
        return -1;
    scratch->len = 0;
    query->sql = my_event_span(&body, cdc_bytes_left(&body));
    if (header->type != MY_EVENT_MARIADB_QUERY_COMPRESSED)
        return query_to_utf8(query, scratch, error);
    struct cdc_bytes packed = {(const uint8_t *)query->sql.p, (const uint8_t *)query->sql.p + query->sql.n, false};
    if (my_compressed_body_unpack(&packed, scratch, error) < 0)
        return -1;
    query->sql = cdc_span(scratch->data, scratch->len);
    return query_to_utf8(query, scratch, error);
}
