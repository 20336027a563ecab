/* SPDX-License-Identifier: MIT */
/* Single events: header, checksum, FORMAT_DESCRIPTION, ROTATE, HEARTBEAT, QUERY, and what MariaDB compresses. */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/compressed_body.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/value/flavor.h"
#include "connectors/mysql/value/packed.h"
#include "tests/unit/binlog-events.h"

#include <cdc/bytes.h>

/* -- header and checksum -- */

static void test_packed(void)
{
    start();
    put_hex("fafc0001fd000001fe0000000000000001");
    struct cdc_bytes cursor = whole();
    check(my_packed_read(&cursor) == 250 && my_packed_read(&cursor) == 256 && my_packed_read(&cursor) == 65536 &&
              my_packed_read(&cursor) == UINT64_C(1) << 56 && !cursor.bad && cdc_bytes_left(&cursor) == 0,
          "packed integers");
    check(my_packed_read(&cursor) == 0 && cursor.bad, "none is left");
    static const char *const wrong[] = {"fb", "ff", "fc00", "fd0000", "fe00000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        start();
        put_hex(wrong[i]);
        cursor = whole();
        my_packed_read(&cursor);
        check(cursor.bad, wrong[i]);
    }
}

static void test_header(void)
{
    struct my_event_format format;
    struct my_event_header header;
    struct cdc_bytes inside;
    my_event_format_default(&format);
    build(MY_EVENT_XID, "12345678", 8, MY_EVENT_FLAG_IGNORABLE, false);
    check(parse_event(whole(), &format, &header, &inside, NULL) == 0 && header.timestamp == 1700000000 &&
              header.type == MY_EVENT_XID && header.server_id == 7 && header.size == 27 &&
              header.next_position == 1234 && header.flags == MY_EVENT_FLAG_IGNORABLE && cdc_bytes_left(&inside) == 8,
          "a header, no checksum");
    put(0, 1);
    check(is_refused(&format), "a size that is not the event's");
    format.checksums = true;
    build(MY_EVENT_XID, "12345678", 8, 0, true);
    check(parse_event(whole(), &format, &header, &inside, NULL) == 0 && cdc_bytes_left(&inside) == 8, "a checksum");
    size_t seen = 0;
    for (size_t i = 0; i < body.len; i++) {
        body.data[i] ^= 0x10;
        seen += is_refused(&format);
        body.data[i] ^= 0x10;
    }
    check(seen == body.len, "a bit that was turned over, wherever it is");
    build(MY_EVENT_XID, "", 0, 0, false);
    check(is_refused(&format), "too short for a checksum");
}

/* -- FORMAT_DESCRIPTION -- */

static void put_format(const char *version, size_t n_types, uint8_t algorithm)
{
    struct my_event_format known;
    my_event_format_default(&known);
    start();
    put(4, 2);
    put_text(version);
    for (size_t i = strlen(version); i < 50; i++)
        put(0, 1);
    put(0, 4);
    put(19, 1);
    for (size_t i = 1; i <= n_types; i++)
        put(known.post_header[i], 1);
    put(algorithm, 1);
}

static int parse_format(struct my_event_format *format, uint16_t flags, bool good_crc, struct cdc_error *error)
{
    struct my_event_header header;
    struct cdc_bytes inside;
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(MY_EVENT_FORMAT, content.data, content.len, 0, true);
    body.data[17] = (char)flags; /* after the checksum's back: so does the server while the file is open */
    if (!good_crc)
        body.data[body.len - 1] ^= 1;
    cdc_buf_free(&content);
    if (parse_event(whole(), format, &header, &inside, error) < 0)
        return -1;
    return my_event_format_parse(&header, inside, format, error);
}

static int format_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_header header = {.type = MY_EVENT_FORMAT};
    struct my_event_format format;
    return my_event_format_parse(&header, cursor, &format, error);
}

static void test_format(void)
{
    struct my_event_format format;
    struct cdc_error error = {0};
    my_event_format_default(&format);
    check(format.flavor == MY_FLAVOR_MYSQL && !format.checksums, "the format before there is one");
    put_format("8.4.6", 42, 1);
    check(parse_format(&format, 1, true, NULL) == 0 && format.flavor == MY_FLAVOR_MYSQL && format.checksums &&
              strcmp(format.server_version, "8.4.6") == 0 && format.created == 1700000000 &&
              format.post_header[MY_EVENT_WRITE_ROWS] == 10 && format.post_header[MY_EVENT_MARIADB_GTID] == 0,
          "MySQL, the file still open");
    put_format("10.11.9-MariaDB-log", 171, 0);
    check(parse_format(&format, 0, false, NULL) == 0 && format.flavor == MY_FLAVOR_MARIADB && !format.checksums &&
              format.post_header[MY_EVENT_MARIADB_GTID] == 19,
          "MariaDB without checksums: the four bytes are there and mean nothing");
    put_format("5.7.99", 171, 1);
    check(parse_format(&format, 0, true, NULL) == 0 && format.flavor == MY_FLAVOR_MARIADB,
          "MariaDB under another version");
    put_format("8.4.6", 42, 1);
    check(parse_format(&format, 0, false, &error) < 0 && error.status == CDC_EXIT_PROTOCOL, "a wrong checksum");
    put_format("8.4.6", 42, 2);
    check(parse_format(&format, 0, true, NULL) < 0, "an unknown checksum");
    put_format("8.4.6", 42, 1);
    check(format_body(whole(), NULL) == 0, "as it is");
    body.data[0] = 3;
    check(format_body(whole(), NULL) < 0, "another version");
    body.data[0] = 4;
    body.data[57 + MY_EVENT_TABLE_MAP - 1] = 6;
    check(format_body(whole(), NULL) < 0, "a table map of another size");
    put_format("8.4.6", 0, 1);
    check(format_body(whole(), NULL) == 0, "no types at all");
    for (size_t n = 0; n < body.len; n++)
        if (format_body(cursor_of(n), NULL) == 0)
            check(false, "a format that is truncated");
}

/* -- ROTATE, HEARTBEAT -- */

static int rotate_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_rotate rotate;
    return my_event_rotate_parse(cursor, &rotate, error);
}

static int heartbeat_v2_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_header header = {.type = MY_EVENT_HEARTBEAT_V2};
    struct my_event_rotate rotate;
    return my_event_heartbeat_parse(&header, cursor, &rotate, error);
}

static void test_rotate(void)
{
    struct my_event_rotate rotate;
    start();
    put(4, 8);
    put_text("mbin.000002");
    check(my_event_rotate_parse(whole(), &rotate, NULL) == 0 && rotate.position == 4, "rotate");
    check_text("its file", rotate.file, "mbin.000002");
    body.len = 8;
    check_truncated("rotate without a name", rotate_body, NULL, 0);
    check(rotate_body(whole(), NULL) < 0, "not even one byte");
    put_hex("6100");
    check(rotate_body(whole(), NULL) < 0, "a NUL in the name");
}

static void test_heartbeat(void)
{
    struct my_event_header header = {.type = MY_EVENT_HEARTBEAT_V2};
    struct my_event_rotate where;
    vector("010d62696e6c6f672e3030303030370209fe5fd29303000000000090cfb85a");
    check(my_event_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == 60019295, "heartbeat v2");
    check_text("its file", where.file, "binlog.000007");
    check_truncated("heartbeat v2, truncated", heartbeat_v2_body, NULL, 0);
    check_event_truncated(MY_EVENT_HEARTBEAT_V2);
    start();
    put_hex("0101610202050000"); /* a position of one byte, and one more */
    check(heartbeat_v2_body(whole(), NULL) < 0, "a position that is longer than a number");
    start();
    put_hex("01010102010400");
    check(heartbeat_v2_body(whole(), NULL) == 0, "a file and a position");
    start();
    put_hex("0102610002010400");
    check(heartbeat_v2_body(whole(), NULL) < 0, "a NUL in the file's name");
    start();
    put_hex("0101610201040300");
    struct cdc_error error = {0};
    check(heartbeat_v2_body(whole(), &error) < 0 && strstr(error.text, "3"), "a field that is not known");
    start();
    put_hex("01016100");
    check(heartbeat_v2_body(whole(), NULL) < 0, "no position");
    header = (struct my_event_header){.type = MY_EVENT_HEARTBEAT, .next_position = 777};
    vector("6d62696e2e3030303030383b3ba588");
    check(my_event_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == 777, "heartbeat");
    check_text("its file", where.file, "mbin.000008");
    check_event_truncated(MY_EVENT_HEARTBEAT);
    header.next_position = 0;
    start();
    put(UINT64_C(5) << 32, 8);
    put_text("mbin.000009");
    check(my_event_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == UINT64_C(5) << 32,
          "heartbeat beyond 4 GiB");
    check_text("its file", where.file, "mbin.000009");
}

/* -- QUERY -- */

static int query_type(uint8_t type, struct my_event_query *query, struct cdc_error *error)
{
    struct my_event_header header = {.type = type};
    return my_event_query_parse(&header, whole(), &scratch, query, error);
}

static int query_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_header header = {.type = MY_EVENT_QUERY};
    struct my_event_query query;
    return my_event_query_parse(&header, cursor, &scratch, &query, error);
}

static const char all_variables[] = "83010800e000"       /* MariaDB's collations, before the charset */
                                    "0000000000"         /* flags */
                                    "010000000000000000" /* mode */
                                    "02037374640003"
                                    "01000100"       /* old catalog, auto increment */
                                    "042d002d00e000" /* charset */
                                    "0503555443"     /* time zone */
                                    "0603737464"     /* catalog */
                                    "070000"
                                    "080000" /* names of days, charset of the database */
                                    "090000000000000000"
                                    "0a00000000" /* tables, length */
                                    "0b01750168" /* invoker */
                                    "0c0261006200"
                                    "0d010203"
                                    "1001" /* databases, microseconds, defaults */
                                    "110000000000000000"
                                    "12ff00" /* xid, collation */
                                    "1301"
                                    "1401" /* key, encryption */
                                    "80010203"
                                    "810000000000000000" /* MariaDB: microseconds, xid */
                                    "8200"
                                    "82040000000000000000" /* flags, with the number of an ALTER */
                                    "0cfe"
                                    "ff"; /* too many databases, filling */

/* After each of them the next one is found, and without a byte of its own it is damaged. */
static void test_each_variable(void)
{
    static const char *const variables[] = {"0000000000",
                                            "010000000000000000",
                                            "020373746400",
                                            "0300010001",
                                            "0503555443",
                                            "0603737464",
                                            "070000",
                                            "080000",
                                            "090000000000000000",
                                            "0a00000000",
                                            "0b01750168",
                                            "0c0261006200",
                                            "0d010203",
                                            "1001",
                                            "110000000000000000",
                                            "12ff00",
                                            "1301",
                                            "1401",
                                            "80010203",
                                            "810000000000000000",
                                            "8200",
                                            "82040000000000000000",
                                            "82080000000000000000",
                                            "83010800e000",
                                            "042d002d00e000",
                                            "830208002d00e000e000"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        struct my_event_query query;
        char one[64];
        snprintf(one, sizeof one, "%s042d002d00e000", variables[i]);
        put_query(one, "", "COMMIT");
        check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.charset == 45, variables[i]);
        snprintf(one, sizeof one, "%.*s", (int)strlen(variables[i]) - 2, variables[i]);
        put_query(one, "", "COMMIT");
        check(query_type(MY_EVENT_QUERY, &query, NULL) < 0, "without its last byte");
    }
}

static void test_query(void)
{
    struct my_event_query query;

    put_query("", "shop", "BEGIN");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.thread_id == 11 && query.error_code == 1062 &&
              query.charset == 0,
          "query");
    check_text("its database", query.db, "shop");
    check_text("its text", query.sql, "BEGIN");
    size_t head = 13 + 4 + 1, good[] = {head, head + 1, head + 2, head + 3, head + 4};
    check_truncated("query, truncated before the text", query_body, good, 5);
    check_event_truncated(MY_EVENT_QUERY);
    put_query(all_variables, "", "COMMIT");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.charset == 45 && query.db.n == 0,
          "all status variables, in any order");
    check_text("and the text after them", query.sql, "COMMIT");
    test_each_variable();
    put_query("042d002d00e00015", "", "COMMIT");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.charset == 45,
          "one that is not known ends the reading");
    check_text("and the text is there", query.sql, "COMMIT");
    static const char *const wrong[] = {"00000000", "0102",     "0205737464", "042d002d00e0", "05",    "05045554",
                                        "0b0175",   "0c026100", "8204000000", "830108",       "0d0102"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_query(wrong[i], "db", "BEGIN");
        check(query_type(MY_EVENT_QUERY, &query, NULL) < 0, "a status variable that is truncated");
    }
    put_query("0408000800e000", "db", "TRUNCATE t\xe4");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.charset == 45, "a text in latin1");
    check_text("is turned into UTF-8", query.sql, "TRUNCATE t\xc3\xa4");
    put_query("040d000d00e000", "db", "TRUNCATE `\x95\x60`");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0, "one in sjis, with a byte that looks like a quote");
    check_text("too", query.sql, "TRUNCATE `\xe6\x8f\x8f`");
    put_query("040d000d00e000", "db", "x \xff");
    check(query_type(MY_EVENT_QUERY, &query, NULL) == 0 && query.charset == 13, "one that is not valid");
    check_text("stays", query.sql, "x \xff");
    put_query("", "d\xff", "x");
    check(query_type(MY_EVENT_QUERY, &query, NULL) < 0, "a database that is not UTF-8");
    put_query("", "db", "x");
    body.data[body.len - 2] = 'y';
    check(query_type(MY_EVENT_QUERY, &query, NULL) < 0, "no NUL after the database");
}

/* -- compressed by MariaDB -- */

static int uncompress_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    scratch.len = 0;
    return my_compressed_body_unpack(&cursor, &scratch, error);
}

static bool is_unpacked(uint8_t head, uint64_t claimed)
{
    start();
    put_zlib("hello hello hello hello", 23, head, claimed);
    return uncompress_body(whole(), NULL) == 0;
}

static void test_uncompress(void)
{
    struct my_event_query query;
    check(is_unpacked(0x81, 23) && is_unpacked(0x84, 23), "zlib, sizes of one and of four bytes");
    check_text("unpacked", text_of(&scratch), "hello hello hello hello");
    check_truncated("truncated", uncompress_body, NULL, 0);
    check(!is_unpacked(0x81, 22) && !is_unpacked(0x81, 24) && !is_unpacked(0x84, 0xffffffff) &&
              !is_unpacked(0x84, UINT64_C(1) << 30) && !is_unpacked(0x84, 0x40000001),
          "a false size");
    check(scratch.len == 0 && scratch.cap < 1 << 20, "takes no memory");
    check(!is_unpacked(0x80, 23) && !is_unpacked(0x85, 23) && !is_unpacked(0x91, 23) && !is_unpacked(0x01, 23),
          "an unknown head");
    is_unpacked(0x81, 23);
    put(0, 1);
    check(uncompress_body(whole(), NULL) < 0, "something after the end");
    start();
    put_zlib("", 0, 0x81, 0);
    check(uncompress_body(whole(), NULL) == 0 && scratch.len == 0, "nothing at all");
    struct cdc_buf large = CDC_BUF_INIT;
    for (int i = 0; i < 300000; i++)
        cdc_buf_lit(&large, "0123456789");
    start();
    put_zlib(large.data, large.len, 0x83, large.len);
    check(uncompress_body(whole(), NULL) == 0 && cdc_span_equal(text_of(&scratch), text_of(&large)), "3 MB");
    cdc_buf_free(&large);
    put_query("042d002d00e000", "shop", "");
    put_zlib("INSERT INTO t VALUES (1)", 24, 0x81, 24);
    check(query_type(MY_EVENT_MARIADB_QUERY_COMPRESSED, &query, NULL) == 0 && query.charset == 45,
          "a compressed query");
    check_text("its text", query.sql, "INSERT INTO t VALUES (1)");
    check_text("its database", query.db, "shop");
}

int main(void)
{
    test_packed();
    test_header();
    test_format();
    test_rotate();
    test_heartbeat();
    test_query();
    test_uncompress();
    return finish();
}
