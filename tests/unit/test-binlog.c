/* SPDX-License-Identifier: MIT */
/* Events of binary logs, some as real servers wrote them, others built byte by byte. Every body is read from a copy of
 * its exact size, so that the address sanitizer sees each read beyond it. */
#include "connectors/mysql/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static void check_text(const char *what, struct cdc_span got, const char *want)
{
    bool good = cdc_span_is(got, want);
    check(good, what);
    if (!good)
        printf("#  got %.*s\n# want %s\n", (int)got.n, got.p, want);
}

static struct cdc_span text_of(const struct cdc_buf *buf)
{
    return cdc_span(buf->data, buf->len);
}

/* -- bytes -- */

static struct cdc_buf body, scratch, text;

static void put(uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        cdc_buf_byte(&body, (char)(value >> (8 * i)));
}

static void put_text(const char *value)
{
    cdc_buf_text(&body, value);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void put_hex(const char *hex)
{
    for (; *hex; hex += 2)
        put((uint64_t)(digit(hex[0]) << 4 | digit(hex[1])), 1);
}

static void start(void)
{
    body.len = 0;
}

/* The body of an event as a server sent it: the checksum at its end is left out. */
static void vector(const char *hex)
{
    start();
    put_hex(hex);
    body.len -= 4;
}

static uint8_t *copy; /* of the exact size */

static struct binlog_reader reader_of(size_t n)
{
    free(copy);
    copy = malloc(n ? n : 1);
    if (copy == NULL)
        abort();
    if (n != 0)
        memcpy(copy, body.data, n);
    return (struct binlog_reader){copy, copy + n, false};
}

static struct binlog_reader whole(void)
{
    return reader_of(body.len);
}

/* Cuts what is in body at every length: bad(n) says whether it may be taken then. */
typedef int parse_function(struct binlog_reader reader, struct cdc_error *error);

static void check_cut(const char *what, parse_function *parse, const size_t *good, size_t n_good)
{
    size_t taken = 0, silent = 0;
    for (size_t n = 0; n < body.len; n++) {
        struct cdc_error error = {0};
        bool may = false;
        for (size_t i = 0; i < n_good; i++)
            may |= good[i] == n;
        int result = parse(reader_of(n), &error);
        taken += result == 0 && !may;
        silent += result != 0 && error.status != CDC_EXIT_PROTOCOL;
    }
    check(taken == 0 && silent == 0, what);
}

/* -- header and checksum -- */

static uint32_t crc_of(const struct cdc_buf *bytes)
{
    return (uint32_t)crc32(0, (const Bytef *)bytes->data, (uInt)bytes->len);
}

/* An event around content, into body. */
static void build(uint8_t type, const char *content, size_t n, uint16_t flags, bool checksum)
{
    start();
    put(1700000000, 4);
    put(type, 1);
    put(7, 4);
    put(BINLOG_HEADER_SIZE + n + (checksum ? 4 : 0), 4);
    put(1234, 4);
    put(flags, 2);
    cdc_buf_append(&body, content, n);
    if (checksum)
        put(crc_of(&body), 4);
}

static int parse_event(struct binlog_reader event, const struct binlog_format *format, struct binlog_header *header,
                       struct binlog_reader *inside, struct cdc_error *error)
{
    size_t n = binlog_left(&event);
    if (binlog_header_parse(event.p, n, header, error) < 0)
        return -1;
    return binlog_body(format, header, event.p, n, inside, error);
}

static bool is_refused(const struct binlog_format *format)
{
    struct cdc_error error = {0};
    struct binlog_header header;
    struct binlog_reader inside;
    return parse_event(whole(), format, &header, &inside, &error) < 0 && error.status == CDC_EXIT_PROTOCOL;
}

static void test_packed(void)
{
    start();
    put_hex("fafc0001fd000001fe0000000000000001");
    struct binlog_reader reader = whole();
    check(binlog_packed(&reader) == 250 && binlog_packed(&reader) == 256 && binlog_packed(&reader) == 65536 &&
              binlog_packed(&reader) == UINT64_C(1) << 56 && !reader.bad && binlog_left(&reader) == 0,
          "packed integers");
    check(binlog_packed(&reader) == 0 && reader.bad, "none is left");
    static const char *const wrong[] = {"fb", "ff", "fc00", "fd0000", "fe00000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        start();
        put_hex(wrong[i]);
        reader = whole();
        binlog_packed(&reader);
        check(reader.bad, wrong[i]);
    }
}

static void test_header(void)
{
    struct binlog_format format;
    struct binlog_header header;
    struct binlog_reader inside;
    binlog_format_default(&format);
    build(BINLOG_XID, "12345678", 8, BINLOG_FLAG_IGNORABLE, false);
    check(parse_event(whole(), &format, &header, &inside, NULL) == 0 && header.timestamp == 1700000000 &&
              header.type == BINLOG_XID && header.server_id == 7 && header.size == 27 && header.next_position == 1234 &&
              header.flags == BINLOG_FLAG_IGNORABLE && binlog_left(&inside) == 8,
          "a header, no checksum");
    put(0, 1);
    check(is_refused(&format), "a size that is not the event's");
    format.checksums = true;
    build(BINLOG_XID, "12345678", 8, 0, true);
    check(parse_event(whole(), &format, &header, &inside, NULL) == 0 && binlog_left(&inside) == 8, "a checksum");
    size_t seen = 0;
    for (size_t i = 0; i < body.len; i++) {
        body.data[i] ^= 0x10;
        seen += is_refused(&format);
        body.data[i] ^= 0x10;
    }
    check(seen == body.len, "a bit that was turned over, wherever it is");
    build(BINLOG_XID, "", 0, 0, false);
    check(is_refused(&format), "too short for a checksum");
}

/* Every body of this file as a whole event, cut at every byte. */
static void check_event_cut(uint8_t type)
{
    struct binlog_format format;
    struct cdc_buf content = CDC_BUF_INIT;
    binlog_format_default(&format);
    format.checksums = true;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, true);
    size_t refused = 0, size = body.len;
    check(!is_refused(&format), "the whole event");
    for (body.len = 0; body.len < size; body.len++)
        refused += is_refused(&format);
    size_t wrong_sum = 0; /* the size in the header fits, the checksum does not */
    for (size_t n = BINLOG_HEADER_SIZE; n < size; n++) {
        body.len = 9;
        put(n, 4);
        body.len = n;
        wrong_sum += is_refused(&format);
    }
    check(refused == size && wrong_sum == size - BINLOG_HEADER_SIZE, "an event that is cut is refused");
    start();
    cdc_buf_append(&body, content.data, content.len);
    cdc_buf_free(&content);
}

/* -- FORMAT_DESCRIPTION -- */

static void put_format(const char *version, size_t n_types, uint8_t algorithm)
{
    struct binlog_format known;
    binlog_format_default(&known);
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

static int parse_format(struct binlog_format *format, uint16_t flags, bool good_crc, struct cdc_error *error)
{
    struct binlog_header header;
    struct binlog_reader inside;
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(BINLOG_FORMAT, content.data, content.len, 0, true);
    body.data[17] = (char)flags; /* behind the checksum's back: so does the server while the file is open */
    if (!good_crc)
        body.data[body.len - 1] ^= 1;
    cdc_buf_free(&content);
    if (parse_event(whole(), format, &header, &inside, error) < 0)
        return -1;
    return binlog_format_parse(&header, inside, format, error);
}

static int format_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_header header = {.type = BINLOG_FORMAT};
    struct binlog_format format;
    return binlog_format_parse(&header, reader, &format, error);
}

static void test_format(void)
{
    struct binlog_format format;
    struct cdc_error error = {0};
    binlog_format_default(&format);
    check(format.flavor == BINLOG_MYSQL && !format.checksums, "the format before there is one");
    put_format("8.4.6", 42, 1);
    check(parse_format(&format, 1, true, NULL) == 0 && format.flavor == BINLOG_MYSQL && format.checksums &&
              strcmp(format.server_version, "8.4.6") == 0 && format.created == 1700000000 &&
              format.post_header[BINLOG_WRITE_ROWS] == 10 && format.post_header[BINLOG_MARIADB_GTID] == 0,
          "MySQL, the file still open");
    put_format("10.11.9-MariaDB-log", 171, 0);
    check(parse_format(&format, 0, false, NULL) == 0 && format.flavor == BINLOG_MARIADB && !format.checksums &&
              format.post_header[BINLOG_MARIADB_GTID] == 19,
          "MariaDB without checksums: the four bytes are there and mean nothing");
    put_format("5.7.99", 171, 1);
    check(parse_format(&format, 0, true, NULL) == 0 && format.flavor == BINLOG_MARIADB,
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
    body.data[57 + BINLOG_TABLE_MAP - 1] = 6;
    check(format_body(whole(), NULL) < 0, "a table map of another size");
    put_format("8.4.6", 0, 1);
    check(format_body(whole(), NULL) == 0, "no types at all");
    for (size_t n = 0; n < body.len; n++)
        if (format_body(reader_of(n), NULL) == 0)
            check(false, "a format that is cut");
}

/* -- ROTATE, HEARTBEAT -- */

static int rotate_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_rotate rotate;
    return binlog_rotate_parse(reader, &rotate, error);
}

static int heartbeat_v2_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_header header = {.type = BINLOG_HEARTBEAT_V2};
    struct binlog_rotate rotate;
    return binlog_heartbeat_parse(&header, reader, &rotate, error);
}

static void test_rotate(void)
{
    struct binlog_rotate rotate;
    start();
    put(4, 8);
    put_text("mbin.000002");
    check(binlog_rotate_parse(whole(), &rotate, NULL) == 0 && rotate.position == 4, "rotate");
    check_text("its file", rotate.file, "mbin.000002");
    body.len = 8;
    check_cut("rotate without a name", rotate_body, NULL, 0);
    check(rotate_body(whole(), NULL) < 0, "not even one byte");
    put_hex("6100");
    check(rotate_body(whole(), NULL) < 0, "a NUL in the name");
}

static void test_heartbeat(void)
{
    struct binlog_header header = {.type = BINLOG_HEARTBEAT_V2};
    struct binlog_rotate where;
    vector("010d62696e6c6f672e3030303030370209fe5fd29303000000000090cfb85a");
    check(binlog_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == 60019295, "heartbeat v2");
    check_text("its file", where.file, "binlog.000007");
    check_cut("heartbeat v2, cut", heartbeat_v2_body, NULL, 0);
    check_event_cut(BINLOG_HEARTBEAT_V2);
    start();
    put_hex("0101610201040300");
    struct cdc_error error = {0};
    check(heartbeat_v2_body(whole(), &error) < 0 && strstr(error.text, "3"), "a field that is not known");
    start();
    put_hex("01016100");
    check(heartbeat_v2_body(whole(), NULL) < 0, "no position");
    header = (struct binlog_header){.type = BINLOG_HEARTBEAT, .next_position = 777};
    vector("6d62696e2e3030303030383b3ba588");
    check(binlog_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == 777, "heartbeat");
    check_text("its file", where.file, "mbin.000008");
    check_event_cut(BINLOG_HEARTBEAT);
    header.next_position = 0;
    start();
    put(UINT64_C(5) << 32, 8);
    put_text("mbin.000009");
    check(binlog_heartbeat_parse(&header, whole(), &where, NULL) == 0 && where.position == UINT64_C(5) << 32,
          "heartbeat beyond 4 GiB");
    check_text("its file", where.file, "mbin.000009");
}

/* -- QUERY -- */

static void put_query(const char *variables, const char *db, const char *sql)
{
    start();
    put(11, 4);
    put(0, 4);
    put(strlen(db), 1);
    put(1062, 2);
    put(strlen(variables) / 2, 2);
    put_hex(variables);
    put_text(db);
    put(0, 1);
    put_text(sql);
}

static int query_type(uint8_t type, struct binlog_query *query, struct cdc_error *error)
{
    struct binlog_header header = {.type = type};
    return binlog_query_parse(&header, whole(), &scratch, query, error);
}

static int query_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_header header = {.type = BINLOG_QUERY};
    struct binlog_query query;
    return binlog_query_parse(&header, reader, &scratch, &query, error);
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

static void test_query(void)
{
    struct binlog_query query;

    put_query("", "shop", "BEGIN");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0 && query.thread_id == 11 && query.error_code == 1062 &&
              query.charset == 0,
          "query");
    check_text("its database", query.db, "shop");
    check_text("its text", query.sql, "BEGIN");
    size_t head = 13 + 4 + 1, good[] = {head, head + 1, head + 2, head + 3, head + 4};
    check_cut("query, cut before the text", query_body, good, 5);
    check_event_cut(BINLOG_QUERY);
    put_query(all_variables, "", "COMMIT");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0 && query.charset == 45 && query.db.n == 0,
          "all status variables, in any order");
    check_text("and the text behind them", query.sql, "COMMIT");
    put_query("042d002d00e00015", "", "COMMIT");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0 && query.charset == 45, "one that is not known ends the reading");
    check_text("and the text is there", query.sql, "COMMIT");
    static const char *const wrong[] = {"00000000", "0102",     "0205737464", "042d002d00e0", "05",    "05045554",
                                        "0b0175",   "0c026100", "8204000000", "830108",       "0d0102"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_query(wrong[i], "db", "BEGIN");
        check(query_type(BINLOG_QUERY, &query, NULL) < 0, "a status variable that is cut");
    }
    put_query("0408000800e000", "db", "TRUNCATE t\xe4");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0 && query.charset == 45, "a text in latin1");
    check_text("is turned into UTF-8", query.sql, "TRUNCATE t\xc3\xa4");
    put_query("040d000d00e000", "db", "TRUNCATE `\x95\x60`");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0, "one in sjis, with a byte that looks like a quote");
    check_text("too", query.sql, "TRUNCATE `\xe6\x8f\x8f`");
    put_query("040d000d00e000", "db", "x \xff");
    check(query_type(BINLOG_QUERY, &query, NULL) == 0 && query.charset == 13, "one that is not valid");
    check_text("stays", query.sql, "x \xff");
    put_query("", "d\xff", "x");
    check(query_type(BINLOG_QUERY, &query, NULL) < 0, "a database that is not UTF-8");
    put_query("", "db", "x");
    body.data[body.len - 2] = 'y';
    check(query_type(BINLOG_QUERY, &query, NULL) < 0, "no NUL behind the database");
}

/* -- compressed by MariaDB -- */

static void put_zlib(const char *data, size_t n, uint8_t head, uint64_t claimed)
{
    uLongf size = compressBound((uLong)n);
    Bytef *packed = malloc(size);
    if (packed == NULL || compress(packed, &size, (const Bytef *)data, (uLong)n) != Z_OK)
        abort();
    put(head, 1);
    for (int i = (head & 7) - 1; i >= 0; i--)
        put(claimed >> (8 * i) & 0xff, 1);
    cdc_buf_append(&body, packed, size);
    free(packed);
}

static int uncompress_body(struct binlog_reader reader, struct cdc_error *error)
{
    scratch.len = 0;
    return binlog_uncompress(&reader, &scratch, error);
}

static bool is_unpacked(uint8_t head, uint64_t claimed)
{
    start();
    put_zlib("hello hello hello hello", 23, head, claimed);
    return uncompress_body(whole(), NULL) == 0;
}

static void test_uncompress(void)
{
    struct binlog_query query;
    check(is_unpacked(0x81, 23) && is_unpacked(0x84, 23), "zlib, sizes of one and of four bytes");
    check_text("unpacked", text_of(&scratch), "hello hello hello hello");
    check_cut("cut", uncompress_body, NULL, 0);
    check(!is_unpacked(0x81, 22) && !is_unpacked(0x81, 24) && !is_unpacked(0x84, 0xffffffff) &&
              !is_unpacked(0x84, UINT64_C(1) << 30) && !is_unpacked(0x84, 0x40000001),
          "a false size");
    check(scratch.len == 0 && scratch.cap < 1 << 20, "takes no memory");
    check(!is_unpacked(0x80, 23) && !is_unpacked(0x85, 23) && !is_unpacked(0x91, 23) && !is_unpacked(0x01, 23),
          "an unknown head");
    is_unpacked(0x81, 23);
    put(0, 1);
    check(uncompress_body(whole(), NULL) < 0, "something behind the end");
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
    check(query_type(BINLOG_MARIADB_QUERY_COMPRESSED, &query, NULL) == 0 && query.charset == 45, "a compressed query");
    check_text("its text", query.sql, "INSERT INTO t VALUES (1)");
    check_text("its database", query.db, "shop");
}

/* -- GTID -- */

static uint8_t gtid_type;
static uint32_t gtid_server;

static int gtid_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_header header = {.type = gtid_type};
    struct binlog_gtid gtid;
    return binlog_gtid_parse(&header, reader, &gtid, error);
}

static struct binlog_gtid gtid_of(uint8_t type)
{
    struct binlog_header header = {.type = type, .server_id = gtid_server};
    struct binlog_gtid gtid;
    struct cdc_error error = {0};
    if (binlog_gtid_parse(&header, whole(), &gtid, &error) < 0) {
        printf("# %s\n", error.text);
        check(false, "a GTID that can be read");
    }
    text.len = 0;
    binlog_gtid_append(&text, &gtid);
    return gtid;
}

#define GTID_33                                                                                                        \
    "00fb7d3384e58f11f19fe002fc00000001140000000000000002010000000000000002000000000000001"                            \
    "0429a49c66006fc7001506201007f672519"
#define GTID_42                                                                                                        \
    "027200000002ed03fa66110295033d0222c5037d02810304f103000000020408060663646308000a040c7f3e41"                       \
    "9a49c6600610c5051283120bdd78d2db"

static void test_gtid_mysql(void)
{
    vector(GTID_33);
    struct binlog_gtid gtid = gtid_of(BINLOG_GTID);
    check_text("GTID", text_of(&text), "fb7d3384-e58f-11f1-9fe0-02fc00000001:20");
    check(gtid.kind == BINLOG_GTID_OF_MYSQL && gtid.number == 20 && gtid.tag[0] == '\0' &&
              gtid.commit_us == UINT64_C(0x0660c6499a4210),
          "its parts");
    size_t old[] = {25, 42, 49, 52}; /* as 5.6, 5.7 and what lies between wrote it */
    gtid_type = BINLOG_GTID;
    check_cut("GTID, cut", gtid_body, old, 4);
    check_event_cut(BINLOG_GTID);
    gtid = gtid_of(BINLOG_ANONYMOUS_GTID);
    check(gtid.kind == BINLOG_GTID_NONE && gtid.commit_us != 0 && text.len == 0, "an anonymous one");
    put(1, 8);
    check(gtid_of(BINLOG_GTID).number == 20, "with a ticket");
    put(1, 1);
    check(gtid_body(whole(), NULL) < 0, "with something behind it");
    vector(GTID_33);
    body.len = 42;
    put(UINT64_C(5) | UINT64_C(1) << 55, 7);
    put(4, 7);
    put(200, 1);
    put(UINT64_C(1) << 31 | 80400, 4);
    put(80036, 4);
    check(gtid_of(BINLOG_GTID).commit_us == 5, "with the time and version of the server where it began");
    vector(GTID_33);
    memset(body.data + 17, 0, 8);
    check(gtid_body(whole(), NULL) < 0, "number 0");
    memset(body.data + 17, 0xff, 8);
    check(gtid_body(whole(), NULL) < 0, "a number beyond the last");
}

static void test_gtid_tagged(void)
{
    vector(GTID_42);
    struct binlog_gtid gtid = gtid_of(BINLOG_GTID_TAGGED);
    check_text("GTID with a tag", text_of(&text), "fb7d3384-e58f-11f1-9fe0-02fc00000001:cdc:2");
    check(gtid.commit_us == UINT64_C(0x0660c6499a413e), "its time");
    gtid_type = BINLOG_GTID_TAGGED;
    check_cut("GTID with a tag, cut", gtid_body, NULL, 0);
    check_event_cut(BINLOG_GTID_TAGGED);
    size_t tag = body.len;
    while (tag > 0 && memcmp(body.data + tag - 3, "cdc", 3) != 0)
        tag--;
    body.data[tag - 1] = 'C';
    check(gtid_body(whole(), NULL) < 0, "a tag that is none");
    body.data[tag - 1] = 'c';
    body.data[2] = 24;
    check(gtid_body(whole(), NULL) < 0, "a field that must be understood and is not");
    body.data[2] = 0;
    put(24, 1); /* field 12 */
    put(0xffff, 2);
    body.data[1] += 6;
    check(gtid_body(whole(), NULL) == 0, "a field that need not be");
    body.data[0] = 4;
    check(gtid_body(whole(), NULL) < 0, "another version");
    vector(GTID_42);
    put(2, 1); /* field 1 once more */
    body.data[1] += 2;
    check(gtid_body(whole(), NULL) < 0, "fields out of order");
}

static void test_gtid_mariadb(void)
{
    gtid_server = 9;
    gtid_type = BINLOG_MARIADB_GTID;
    start();
    put(77, 8);
    put(3, 4);
    put(BINLOG_MARIADB_GTID_STANDALONE | BINLOG_MARIADB_GTID_DDL, 1);
    put(0, 6);
    struct binlog_gtid gtid = gtid_of(BINLOG_MARIADB_GTID);
    check_text("GTID of MariaDB", text_of(&text), "3-9-77");
    check(gtid.kind == BINLOG_GTID_OF_MARIADB && gtid.flags == 0x21 && gtid.more_flags == 0, "its flags");
    check_cut("GTID of MariaDB, cut", gtid_body, NULL, 0);
    check_event_cut(BINLOG_MARIADB_GTID);
    start();
    put(UINT64_MAX, 8);
    put(0, 4);
    put(BINLOG_MARIADB_GTID_PREPARED_XA | 2, 1);
    put(123, 8);
    put(1, 4);
    put(3, 1);
    put(2, 1);
    put_text("abcde");
    gtid_of(BINLOG_MARIADB_GTID);
    check_text("with a commit id and an XA id", text_of(&text), "0-9-18446744073709551615");
    check_cut("the same, cut", gtid_body, NULL, 0);
    put(BINLOG_MARIADB_GTID_ROLLBACK_ALTER, 1);
    put(76, 8);
    gtid = gtid_of(BINLOG_MARIADB_GTID);
    check(gtid.more_flags == BINLOG_MARIADB_GTID_ROLLBACK_ALTER, "more flags behind them");
}

static int xa_body(struct binlog_reader reader, struct cdc_error *error)
{
    bool one_phase;
    text.len = 0;
    return binlog_xa_prepare_parse(reader, &one_phase, &text, error);
}

static void put_xa(uint8_t one_phase, uint64_t gtrid_n, uint64_t bqual_n)
{
    start();
    put(one_phase, 1);
    put(5, 4);
    put(gtrid_n, 4);
    put(bqual_n, 4);
    put_hex("616263ff");
}

static void test_xa(void)
{
    bool one_phase = false;
    put_xa(1, 3, 1);
    text.len = 0;
    check(binlog_xa_prepare_parse(whole(), &one_phase, &text, NULL) == 0 && one_phase, "XA_PREPARE in one phase");
    check_text("its id", text_of(&text), "X'616263',X'ff',5");
    check_cut("cut", xa_body, NULL, 0);
    put_xa(0, 4, 0);
    check(xa_body(whole(), NULL) == 0, "no second part");
    check_text("its id", text_of(&text), "X'616263ff',X'',5");
    put_xa(0, 2, 1);
    check(xa_body(whole(), NULL) < 0, "something behind it");
    put_xa(0, UINT32_MAX, 1);
    check(xa_body(whole(), NULL) < 0, "too long");
}

/* -- TRANSACTION_PAYLOAD -- */

static struct binlog_payload *payload;

static void append_event(struct cdc_buf *events, uint8_t type, size_t size)
{
    struct cdc_buf kept = body;
    body = (struct cdc_buf)CDC_BUF_INIT;
    put(1, 4);
    put(type, 1);
    put(7, 4);
    put(size, 4);
    put(0, 6);
    while (body.len < size)
        put(body.len * 2654435761u >> 16, 1);
    cdc_buf_append(events, body.data, body.len);
    cdc_buf_free(&body);
    body = kept;
}

static void put_field(uint64_t type, uint64_t value)
{
    put(type, 1);
    put(9, 1);
    put(0xfe, 1);
    put(value, 8);
}

/* cut: of the compressed bytes, so many are left out. */
static void put_payload_cut(const struct cdc_buf *events, uint64_t compression, int64_t too_much, size_t cut)
{
    struct cdc_buf packed = CDC_BUF_INIT;
    size_t n = events->len;
    cdc_buf_room(&packed, ZSTD_compressBound(n));
    if (compression == 0)
        n = ZSTD_compress(packed.data, packed.cap, events->data, n, 3);
    else
        memcpy(packed.data, events->data, n);
    n -= cut;
    start();
    put_field(2, compression);
    put_field(3, (uint64_t)((int64_t)events->len + too_much));
    put_field(1, n);
    put(0, 1);
    cdc_buf_append(&body, packed.data, n);
    cdc_buf_free(&packed);
}

static void put_payload(const struct cdc_buf *events, uint64_t compression, int64_t too_much)
{
    put_payload_cut(events, compression, too_much, 0);
}

/* All inner events, each as its type and size. */
static int payload_body(struct binlog_reader reader, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    int result;
    text.len = 0;
    if (binlog_payload_open(payload, reader, binlog_left(&reader), true, error) < 0)
        return -1;
    while ((result = binlog_payload_next(payload, &data, &n, error)) == 1) {
        struct binlog_header header;
        if (binlog_header_parse(data, n, &header, error) < 0)
            return -1;
        cdc_buf_printf(&text, "%u:%zu ", header.type, n);
        for (size_t i = BINLOG_HEADER_SIZE; i < n; i++)
            if (data[i] != (uint8_t)(i * 2654435761u >> 16))
                return -1;
    }
    return result;
}

/* The same, a few bytes at a time. */
static int payload_in_parts(size_t step)
{
    const uint8_t *p = (const uint8_t *)body.data, *end = p + body.len, *data;
    size_t n, first = body.len < 40 + step ? body.len : 40 + step; /* its header is in the first part */
    text.len = 0;
    int result =
        binlog_payload_open(payload, (struct binlog_reader){p, p + first, false}, body.len, first == body.len, NULL);
    p += first;
    while (result == 0 && (result = binlog_payload_next(payload, &data, &n, NULL)) > 0) {
        if (result == BINLOG_WANTS) {
            n = (size_t)(end - p) < step ? (size_t)(end - p) : step;
            if (binlog_payload_is_whole(payload))
                return -1;
            binlog_payload_feed(payload, (struct binlog_reader){p, p + n, false}, n == 0); /* the last one is empty */
            p += n;
        } else {
            cdc_buf_printf(&text, "%u:%zu ", data[4], n);
            if (data[4] == BINLOG_XID && !binlog_payload_is_whole(payload))
                return -1;
        }
        result = 0;
    }
    return result;
}

static void test_payload_in_parts(void)
{
    struct cdc_buf events = CDC_BUF_INIT;
    payload = binlog_payload_new(NULL);
    append_event(&events, BINLOG_QUERY, 60);
    append_event(&events, BINLOG_WRITE_ROWS, 300000);
    append_event(&events, BINLOG_TABLE_MAP, 19);
    append_event(&events, BINLOG_XID, 27);
    for (uint64_t compression = 0; compression <= 255; compression += 255)
        for (size_t step = 1; step < 400000; step = step * 3 / 2 + 1) {
            put_payload(&events, compression, 0);
            if (payload_in_parts(step) != 0 || !cdc_span_is(text_of(&text), "2:60 30:300000 19:19 16:27 "))
                check(false, "a payload in parts");
            put_payload(&events, compression, 1);
            if (payload_in_parts(step) != -1)
                check(false, "one in parts that holds less than it says");
        }
    check(true, "payloads in parts");
    cdc_buf_free(&events);
    binlog_payload_free(payload);
}

/* An event with a checksum, in parts of any size: is it taken? text: its body. */
static bool event_in_parts(size_t first, size_t step)
{
    struct binlog_format format;
    struct binlog_parts parts;
    struct binlog_reader part;
    const uint8_t *p = (const uint8_t *)body.data, *end = p + body.len;
    binlog_format_default(&format);
    format.checksums = true;
    text.len = 0;
    if (binlog_parts_begin(&parts, &format, p, first, &part, NULL) < 0)
        return false;
    cdc_buf_append(&text, part.p, binlog_left(&part));
    for (p += first; p < end; p += step) {
        step = (size_t)(end - p) < step ? (size_t)(end - p) : step;
        if (binlog_parts_next(&parts, p, step, &part, NULL) < 0)
            return false;
        cdc_buf_append(&text, part.p, binlog_left(&part));
    }
    return parts.taken == parts.header.size;
}

static void test_parts(void)
{
    struct cdc_buf event = CDC_BUF_INIT;
    append_event(&event, BINLOG_TRANSACTION_PAYLOAD, BINLOG_HEADER_SIZE);
    cdc_buf_lit(&event, "what is inside");
    event.data[9] = (char)(event.len + 4);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)event.data, (uInt)event.len);
    start();
    cdc_buf_append(&body, event.data, event.len);
    put(crc, 4);
    for (size_t first = BINLOG_HEADER_SIZE; first <= body.len; first++)
        for (size_t step = 1; step < body.len; step++) {
            if (!event_in_parts(first, step) || !cdc_span_is(text_of(&text), "what is inside"))
                check(false, "an event in parts");
            body.data[body.len - 1] ^= 1;
            if (event_in_parts(first, step))
                check(false, "an event in parts whose checksum is wrong");
            body.data[body.len - 1] ^= 1;
        }
    check(!event_in_parts(BINLOG_HEADER_SIZE - 1, 1), "a first part without the whole header");
    put(0, 1);
    check(!event_in_parts(BINLOG_HEADER_SIZE, 7), "an event that goes on behind its end");
    cdc_buf_free(&event);
}

static void test_payload(void)
{
    struct cdc_buf events = CDC_BUF_INIT;
    payload = binlog_payload_new(NULL);
    append_event(&events, BINLOG_QUERY, 60);
    append_event(&events, BINLOG_TABLE_MAP, 19);
    append_event(&events, BINLOG_XID, 27);
    for (uint64_t compression = 0; compression <= 255; compression += 255) {
        put_payload(&events, compression, 0);
        check(payload_body(whole(), NULL) == 0, compression ? "a plain payload" : "a payload of zstd");
        check_text("its events", text_of(&text), "2:60 19:19 16:27 ");
        check_cut("cut", payload_body, NULL, 0);
        check_event_cut(BINLOG_TRANSACTION_PAYLOAD);
        for (size_t cut = 1; cut < 40; cut++) {
            put_payload_cut(&events, compression, compression ? -(int64_t)cut : 0, cut);
            if (payload_body(whole(), NULL) == 0 && !(compression && cut == 27)) /* then the last event is missing */
                check(false, "a payload whose inside is cut");
        }
        put_payload(&events, compression, 1);
        check(payload_body(whole(), NULL) < 0, "holds less than it says");
        put_payload(&events, compression, -1);
        check(payload_body(whole(), NULL) < 0, "holds more than it says");
    }
    put_payload(&events, 0, 0);
    body.data[body.len - 40] ^= 0x7f;
    body.data[34] ^= 0x7f;
    check(payload_body(whole(), NULL) < 0, "bytes that are not zstd");
    put_payload(&events, 1, 0);
    check(payload_body(whole(), NULL) < 0, "another compression");
    start();
    put_field(4, 0);
    put_hex("00");
    check(payload_body(whole(), NULL) < 0, "an unknown field");
    put_payload(&events, 0, 0);
    body.len = (size_t)(memmem(body.data, body.len, "\x28\xb5\x2f\xfd", 4) ? 34 : 0);
    check(payload_body(whole(), NULL) < 0, "the size of what follows is false");
    append_event(&events, BINLOG_WRITE_ROWS, 5000000);
    append_event(&events, BINLOG_WRITE_ROWS, 20);
    append_event(&events, BINLOG_WRITE_ROWS, 700000);
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) == 0, "large events, the same reader");
    check_text("its events", text_of(&text), "2:60 19:19 16:27 30:5000000 30:20 30:700000 ");
    append_event(&events, BINLOG_TRANSACTION_PAYLOAD, 30);
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) < 0, "a payload in a payload");
    events.len = 0;
    append_event(&events, BINLOG_XID, 27);
    events.data[9] = 18;
    put_payload(&events, 0, 0);
    check(payload_body(whole(), NULL) < 0, "an inner event that cannot be");
    events.data[9] = 28;
    put_payload(&events, 255, 0);
    check(payload_body(whole(), NULL) < 0, "an inner event that is cut");
    cdc_buf_free(&events);
    binlog_payload_free(payload);
    binlog_payload_free(NULL);
}

/* -- TABLE_MAP and rows -- */

#define MYSQL_MAP                                                                                                      \
    "6f00000000000100017400026d31000b031313f6fefefff203f5100d03060e04fe03f7010404040300fe070101800302083f0701000d0104" \
    "041b02696402746902746e016e0163016501670176026976016a0262780a0108060502016101620801000c02ff600afac637"
#define MARIADB_MAP                                                                                                    \
    "1900000000000100017400026d31000b03fefe1313f6fefeff8d030ffe10fe1003060e04fe03f701041500fe0701018002053f02080408"   \
    "070100041c026964026936017502746902746e016e0163016501670263630269760a010806050201610162080100f1009d11"

static int map_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_table_map map;
    return binlog_table_map_parse(reader, &map, error);
}

/* Behind each of the optional fields it may end. */
static size_t ends_of(const struct binlog_table_map *map, size_t *ends)
{
    size_t n = 0, at = body.len - map->optional.n;
    while (at < body.len) {
        ends[n++] = at;
        at += 2 + (uint8_t)body.data[at + 1];
    }
    return n;
}

static void check_map(const char *hex, uint64_t id, const char *types, size_t metadata)
{
    struct binlog_table_map map;
    size_t ends[32];
    vector(hex);
    check(binlog_table_map_parse(whole(), &map, NULL) == 0 && map.table_id == id && map.flags == 1 &&
              map.n_columns == 11 && map.metadata.n == metadata && memcmp(map.types, types, 11) == 0,
          "a table map");
    check_text("its database", map.db, "t");
    check_text("its table", map.table, "m1");
    check(map.null_bits == (const uint8_t *)map.metadata.p + metadata &&
              map.optional.p == (const char *)map.null_bits + 2 && map.optional.p[0] == 1 &&
              (const uint8_t *)map.optional.p + map.optional.n == copy + body.len,
          "what follows");
    size_t n = ends_of(&map, ends);
    check_cut("cut", map_body, ends, n);
    check_event_cut(BINLOG_TABLE_MAP);
}

static void test_table_map(void)
{
    check_map(MYSQL_MAP, 0x6f, "\x03\x13\x13\xf6\xfe\xfe\xff\xf2\x03\xf5\x10", 13);
    check_map(MARIADB_MAP, 0x19, "\x03\xfe\xfe\x13\x13\xf6\xfe\xfe\xff\x8d\x03", 15);
    start();
    put_hex("0100000000000000017400017400fe0000000000000010");
    check(map_body(whole(), NULL) < 0, "a hostile number of columns");
    start();
    put_hex("01000000000000000174000174000000");
    check(map_body(whole(), NULL) < 0, "no columns");
    start();
    put_hex("0100000000000000017401017400010300010103");
    check(map_body(whole(), NULL) < 0, "no NUL behind a name");
}

/* Whether a table is made of it, with `changed` in the place of the one `name` in it. */
static bool takes_name(const char *name, const char *changed)
{
    struct cdc_error error = {0};
    vector(MYSQL_MAP);
    char *at = memmem(body.data, body.len, name, strlen(name));
    if (at == NULL)
        abort();
    memcpy(at, changed, strlen(name));
    struct binlog_table *table = binlog_table_new(whole(), BINLOG_MYSQL, &error);
    bool taken = table != NULL && binlog_table_prepare(table, BINLOG_MYSQL, "p", &error) == 0;
    check(taken || error.status == CDC_EXIT_PROTOCOL, "refused with a reason");
    binlog_table_free(table);
    return taken;
}

static void test_table_names(void)
{
    check(takes_name("bx", "yz") && takes_name("bx", "\xc3\xbc"), "names of columns");
    check(!takes_name("bx", "b\x82") && !takes_name("bx", "b\0"), "that are no UTF-8, or have a NUL");
    check(takes_name("m1", "\xc3\xbc") && !takes_name("m1", "m\xff") && !takes_name("m1", "m\0"), "and of tables");
}

/* Early MySQL 8.0: labels, and no charset of theirs. The server has to be asked, and without one there is an end. */
static void test_unclear_labels(void)
{
    struct cdc_error error = {0};
    vector(MYSQL_MAP);
    struct binlog_table *table = binlog_table_new(whole(), BINLOG_MYSQL, &error);
    check(table && table->has_names && table->columns[5].n_labels == 2, "labels");
    binlog_table_free(table);
    vector(MYSQL_MAP);
    char *at = memmem(body.data, body.len, "\x0a\x01\x08", 3);
    if (at == NULL)
        abort();
    *at = 0x7f;
    table = binlog_table_new(whole(), BINLOG_MYSQL, &error);
    check(table && !table->has_names && table->has_key_told && table->columns[5].n_labels == 0, "without a charset");
    check(table && binlog_table_prepare(table, BINLOG_MYSQL, "p", &error) < 0 && error.status == CDC_EXIT_CONFIG,
          "refused when nobody knows");
    binlog_table_free(table);
}

static uint8_t rows_type;

static int rows_body(struct binlog_reader reader, struct cdc_error *error)
{
    struct binlog_header header = {.type = rows_type};
    struct binlog_rows rows;
    return binlog_rows_parse(&header, reader, &scratch, &rows, error);
}

/* A rows event as a server wrote it; images: where they begin. */
static struct binlog_rows check_rows(const char *hex, uint8_t type, size_t images)
{
    struct binlog_header header = {.type = type};
    struct binlog_rows rows = {0};
    size_t ends[512], n = 0;
    vector(hex);
    rows_type = type;
    for (size_t i = images; i < body.len && n < 512; i++)
        ends[n++] = i; /* the rows themselves are read elsewhere */
    check_cut("rows, cut", rows_body, ends, n);
    check_event_cut(type);
    check(binlog_rows_parse(&header, whole(), &scratch, &rows, NULL) == 0 &&
              (images == SIZE_MAX || rows.images.p == copy + images) && !rows.images.bad,
          "rows");
    return rows;
}

#define PARTIAL_FULL                                                                                                   \
    "6c00000000001100020004ffff00010000000d0000000001000c000b0001000502006119000000000000000101000000000000000000f03f" \
    "00000000000000404d0000000000010000000d0000000001000c000b000100052c016119000000000000000101000000000000000000f03f" \
    "0000000000000040050000008bfbf837"

static void test_rows(void)
{
    struct binlog_rows rows = check_rows(
        "6f0000000000110002000bffff000000286bee7ffffeec784b9105ffffff7ef204c72dfb2d036162630219000000e6100000"
        "01010000000000000000000040000000000000f03f080000000000803f0000004005000000a5000000000b00a40051000100"
        "52000100530001005400010055000100560001005700010058000100590001005a0002005c000300025f000401000f6b000f"
        "750005fdff0f7b000400000f84000a8e000f96000fa00061626466696b6e7475647462696e02000c000501000c0a0001780c"
        "08c02709053144b219f60402018105f6070b0280000001320b080000007defffffffffffffffffffffff0a08000000000044"
        "b2190f02616205d20f22dc",
        BINLOG_WRITE_ROWS, 13);
    check(rows.kind == BINLOG_ROWS_WRITE && rows.table_id == 0x6f && rows.flags == 0x11 && rows.n_columns == 11 &&
              rows.present == copy + 11 && rows.present_after == NULL && !rows.partial_json &&
              binlog_left(&rows.images) == body.len - 13,
          "version 2 of MySQL");
    rows = check_rows(
        "19000000000001000bff0700fc00286bee1020010db80000000000000000000000010e550e8400e29b41d4a716446655447f"
        "fffeec784b9104ffffff7ef204c72dfb2d036162630219000000e61000000101000000000000000000f03f00000000000000"
        "4015006161616161616161616161616161616161616161871fd40b",
        BINLOG_WRITE_ROWS_V1, 11);
    check(rows.table_id == 0x19 && rows.flags == BINLOG_ROWS_STATEMENT_END && rows.present[0] == 0xff &&
              rows.present[1] == 7,
          "version 1 of MariaDB");
    rows = check_rows(
        "1b00000000000100077f8001000000457c178468120000257d936525d8ff00422a83bcc32e00b3ced4c00000008002000000"
        "000000000000000000000000000000004229d3fc000000b407a58040d00ff1910de0",
        BINLOG_WRITE_ROWS_V1, 10);
    check(rows.n_columns == 7 && rows.present[0] == 0x7f, "old-style times of MariaDB");
    rows = check_rows("6c0000000000110002000401020001000000010100050000000203242e616185cf81",
                      BINLOG_PARTIAL_UPDATE_ROWS, 13);
    check(rows.kind == BINLOG_ROWS_UPDATE && rows.partial_json && rows.n_columns == 4 && rows.present[0] == 1 &&
              rows.present_after[0] == 2,
          "a partial update, minimal image");
    rows = check_rows(PARTIAL_FULL, BINLOG_PARTIAL_UPDATE_ROWS, 13);
    check(rows.present[0] == 0xff && rows.present_after[0] == 0xff, "the same, full image");
    rows = check_rows("120000000000010004050000000000", BINLOG_DELETE_ROWS_V1, 10);
    check(rows.kind == BINLOG_ROWS_DELETE && rows.present_after == NULL, "delete");
    rows = check_rows("1200000000000100070000010200030307070000"
                      "00000000",
                      BINLOG_UPDATE_ROWS, 18);
    check(rows.kind == BINLOG_ROWS_UPDATE && rows.n_columns == 3, "extra data");
}

static void test_rows_compressed(void)
{
    struct binlog_rows rows = check_rows("12000000000001000eff3f820102789cfbf7d79d8181e11743c5880500b29f786dae46ae58",
                                         BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1, SIZE_MAX);
    check(rows.n_columns == 14 && binlog_left(&rows.images) == 258 && rows.images.p == (uint8_t *)scratch.data &&
              rows.images.p[257] == 'x',
          "compressed rows of MariaDB");
    start();
    put_hex("120000000000010002000eff3fff3f");
    put_zlib("rows", 4, 0x81, 4);
    struct binlog_header header = {.type = BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED};
    check(binlog_rows_parse(&header, whole(), &scratch, &rows, NULL) == 0 && rows.kind == BINLOG_ROWS_UPDATE &&
              binlog_left(&rows.images) == 4,
          "the same, version 2");
    rows_type = header.type;
    check_cut("cut", rows_body, NULL, 0);
    struct cdc_error error = {0};
    rows_type = BINLOG_XID;
    check(rows_body(whole(), &error) < 0 && strstr(error.text, "16"), "an event of something else");
    rows_type = BINLOG_WRITE_ROWS;
    start();
    put_hex("120000000000010001000eff3f");
    check(rows_body(whole(), NULL) < 0, "extra data that are shorter than their length");
    start();
    put_hex("12000000000001000200fe0000000000000001ff");
    check(rows_body(whole(), NULL) < 0, "a hostile number of columns");
}

/* -- GTID sets -- */

#define A "00000000-0000-0000-0000-00000000000a"
#define B "fb7d3384-e58f-11f1-9fe0-02fc00000001"

static struct binlog_gtid_set *set;

static void fresh_set(enum binlog_flavor flavor)
{
    binlog_gtid_set_free(set);
    set = binlog_gtid_set_new(flavor, NULL);
}

static struct cdc_span set_text(void)
{
    text.len = 0;
    binlog_gtid_set_append(&text, set);
    return text_of(&text);
}

/* What is parsed prints as want, and so does what is parsed of that, and what its binary form says. */
static void check_set(const char *from, const char *want)
{
    struct cdc_error error = {0};
    check(binlog_gtid_set_parse(set, cdc_span_text(from), &error) == 0, from);
    check_text("its text", set_text(), want);
    check(binlog_gtid_set_parse(set, cdc_span_text(want), NULL) == 0, "the text is one too");
    check_text("the same", set_text(), want);
    start();
    binlog_gtid_set_encode(&body, set);
    check(binlog_gtid_set_decode(set, whole(), &error) == 0, "binary form");
    check_text("the same", set_text(), want);
}

static void check_no_set(const char *from)
{
    struct cdc_error error = {0};
    check(binlog_gtid_set_parse(set, cdc_span_text(from), &error) < 0 && error.status == CDC_EXIT_CONFIG &&
              binlog_gtid_set_is_empty(set),
          from);
}

static void test_set_text(void)
{
    fresh_set(BINLOG_MYSQL);
    check(binlog_gtid_set_is_empty(set), "an empty set");
    check_set("", "");
    check_set(" \n ", "");
    check_set(A ":1", A ":1");
    check_set(A ":1-1", A ":1");
    check_set(A ":7:1-5", A ":1-5:7");
    check_set(A ":1-5:6:4-9:20-30:25", A ":1-9:20-30");
    check_set(B ":1 - 3 : 5 ,\n" A ":1", A ":1," B ":1-3:5");
    check_set(A ":3," A ":1," A ":2", A ":1-3");
    check_set("FB7D3384-E58F-11F1-9FE0-02FC00000001:9", B ":9");
    check_set(A ":1-5:Tag:1-2:_b9:7," A ":abc:1", A ":1-5:_b9:7:abc:1:tag:1-2");
    check_set(A ":tag:1-2," B ":tag:3", A ":tag:1-2," B ":tag:3");
    check_set(A ":1-9223372036854775806", A ":1-9223372036854775806");
    static const char *const wrong[] = {"x",
                                        A,
                                        A ":",
                                        A ":0",
                                        A ":2-1",
                                        A ":1-",
                                        A ":-1",
                                        A ":1,",
                                        "," A ":1",
                                        A ":1 1",
                                        A ":1:",
                                        A ":tag",
                                        A ":tag:",
                                        A ":tag:x:1",
                                        A ":1:tag",
                                        A ":1-2-3",
                                        A ":1;" B,
                                        A "0:1",
                                        A ":9a:1",
                                        A ":1:\xff:1",
                                        "0-1-5",
                                        A ":9223372036854775807",
                                        A ":1-9223372036854775807",
                                        A ":18446744073709551617",
                                        A ":a2345678901234567890123456789012x:1",
                                        "00000000-0000-0000-0000-0000000000:1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_no_set(wrong[i]);
    check(binlog_gtid_set_parse(set, cdc_span(A ":1\0", 39), NULL) < 0, "a NUL");
    fresh_set(BINLOG_MARIADB);
    check_set("", "");
    check_set("0-1-5", "0-1-5");
    check_set(" 7-2-9 , 0 - 1 - 5", "0-1-5,7-2-9");
    check_set("4294967295-4294967295-18446744073709551615", "4294967295-4294967295-18446744073709551615");
    static const char *const wrong_mariadb[] = {"0",
                                                "0-1",
                                                "0-1-",
                                                "0-1-5,",
                                                "0-1-5,0-2-6",
                                                "0-1-5-",
                                                "--",
                                                "a-b-c",
                                                "4294967296-1-1",
                                                "0-4294967296-1",
                                                "0-1-x",
                                                A ":1",
                                                "0-1-18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong_mariadb / sizeof *wrong_mariadb; i++)
        check_no_set(wrong_mariadb[i]);
}

static struct binlog_gtid number_of(const char *tag, uint64_t number)
{
    struct binlog_gtid gtid = {.kind = BINLOG_GTID_OF_MYSQL, .uuid = {[15] = 0x0a}, .number = number};
    memcpy(gtid.tag, tag, strlen(tag) + 1);
    return gtid;
}

static void add(const char *tag, uint64_t number)
{
    struct binlog_gtid gtid = number_of(tag, number);
    if (binlog_gtid_set_contains(set, &gtid) && number < 100)
        check(false, "not in it yet");
    if (binlog_gtid_set_add(set, &gtid, NULL) < 0 || !binlog_gtid_set_contains(set, &gtid))
        check(false, "added");
}

static void test_set_add(void)
{
    fresh_set(BINLOG_MYSQL);
    static const uint64_t order[] = {5, 6, 1, 3, 9, 2, 8, 7, 20, 4, 22, 21};
    static const char *const want[] = {A ":5",          A ":5-6",       A ":1:5-6",       A ":1:3:5-6",
                                       A ":1:3:5-6:9",  A ":1-3:5-6:9", A ":1-3:5-6:8-9", A ":1-3:5-9",
                                       A ":1-3:5-9:20", A ":1-9:20",    A ":1-9:20:22",   A ":1-9:20-22"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        add("", order[i]);
        check_text("numbers in any order", set_text(), want[i]);
    }
    struct binlog_gtid gtid = number_of("", 8);
    check(binlog_gtid_set_add(set, &gtid, NULL) == 0, "one that is in it already");
    check_text("changes nothing", set_text(), A ":1-9:20-22");
    add("x", 4);
    add("b", 4);
    check_text("tags", set_text(), A ":1-9:20-22:b:4:x:4");
    gtid = number_of("", 10);
    check(!binlog_gtid_set_contains(set, &gtid), "beside an interval");
    gtid.number = 19;
    check(!binlog_gtid_set_contains(set, &gtid), "before one");
    gtid.number = 23;
    check(!binlog_gtid_set_contains(set, &gtid), "behind all");
    gtid.uuid[0] = 1;
    check(!binlog_gtid_set_contains(set, &gtid), "of another server");
    gtid.number = 0;
    check(binlog_gtid_set_add(set, &gtid, NULL) < 0, "number 0");
    gtid.kind = BINLOG_GTID_NONE;
    check(binlog_gtid_set_add(set, &gtid, NULL) == 0, "none");
    gtid.kind = BINLOG_GTID_OF_MARIADB;
    check(binlog_gtid_set_add(set, &gtid, NULL) < 0 && !binlog_gtid_set_contains(set, &gtid), "of another kind");
    for (uint64_t i = 100; i < 1000100; i++)
        add("x", i);
    check_text("a million", set_text(), A ":1-9:20-22:b:4:x:4:100-1000099");
}

/* Against a plain table of what is in it. */
static void test_set_random(void)
{
    enum { MOST = 60 };
    uint32_t seed = 1;
    size_t wrong = 0;
    for (int round = 0; round < 300; round++) {
        bool in[MOST + 2] = {false};
        fresh_set(BINLOG_MYSQL);
        for (int i = 0; i < round; i++) {
            seed = seed * 1103515245u + 12345u;
            uint64_t number = 1 + (seed >> 16) % MOST;
            struct binlog_gtid gtid = number_of("", number);
            wrong += binlog_gtid_set_contains(set, &gtid) != in[number];
            wrong += binlog_gtid_set_add(set, &gtid, NULL) < 0;
            in[number] = true;
        }
        for (uint64_t number = 1; number <= MOST; number++) {
            struct binlog_gtid gtid = number_of("", number);
            wrong += binlog_gtid_set_contains(set, &gtid) != in[number];
        }
        struct cdc_span printed = set_text();
        char *again = cdc_span_copy(printed);
        wrong += again == NULL || binlog_gtid_set_parse(set, cdc_span_text(again), NULL) < 0 ||
                 !cdc_span_is(set_text(), again);
        free(again);
    }
    check(wrong == 0, "numbers by chance");
}

static void test_set_mariadb(void)
{
    fresh_set(BINLOG_MARIADB);
    struct binlog_gtid gtid = {.kind = BINLOG_GTID_OF_MARIADB, .domain = 5, .server_id = 1, .number = 7};
    check(binlog_gtid_set_add(set, &gtid, NULL) == 0 && binlog_gtid_set_contains(set, &gtid), "a domain");
    gtid.domain = 0;
    check(!binlog_gtid_set_contains(set, &gtid) && binlog_gtid_set_add(set, &gtid, NULL) == 0, "another one");
    gtid.number = 8;
    gtid.server_id = 2;
    check(!binlog_gtid_set_contains(set, &gtid) && binlog_gtid_set_add(set, &gtid, NULL) == 0, "the next of it");
    check_text("the newest of each", set_text(), "0-2-8,5-1-7");
    gtid.number = 3;
    check(binlog_gtid_set_contains(set, &gtid), "an older one");
    gtid = number_of("", 1);
    check(binlog_gtid_set_add(set, &gtid, NULL) < 0, "of another kind");
    start();
    put_hex("000000000000");
    check(binlog_gtid_set_decode(set, whole(), NULL) == 0 && binlog_gtid_set_is_empty(set), "an empty GTID_LIST");
    start();
    put_hex("02000010"
            "0000000001000000"
            "0500000000000000"
            "0000000002000000"
            "0400000000000000");
    check(binlog_gtid_set_decode(set, whole(), NULL) == 0, "GTID_LIST with a flag");
    check_text("the last of a domain is the newest", set_text(), "0-2-4");
}

static int set_body(struct binlog_reader reader, struct cdc_error *error)
{
    return binlog_gtid_set_decode(set, reader, error);
}

static void test_set_binary(void)
{
    fresh_set(BINLOG_MYSQL);
    vector("0102000000000001fb7d3384e58f11f19fe002fc0000000100010000000000000001000000000000000e00000000000000"
           "fb7d3384e58f11f19fe002fc0000000106636463010000000000000001000000000000000200000000000000cd1fa366");
    check(binlog_gtid_set_decode(set, whole(), NULL) == 0, "PREVIOUS_GTIDS with a tag");
    check_text("its text", set_text(), B ":1-13:cdc:1");
    struct cdc_buf again = CDC_BUF_INIT;
    binlog_gtid_set_encode(&again, set);
    check(cdc_span_equal(text_of(&again), text_of(&body)), "the same bytes again");
    cdc_buf_free(&again);
    check_cut("cut", set_body, NULL, 0);
    check_event_cut(BINLOG_PREVIOUS_GTIDS);
    put(0, 1);
    check(set_body(whole(), NULL) < 0 && binlog_gtid_set_is_empty(set), "something behind it");
    binlog_gtid_set_parse(set, cdc_span_text(A ":1-5:7," B ":9"), NULL);
    start();
    binlog_gtid_set_encode(&body, set);
    check(body.len == 8 + 24 + 32 + 24 + 16, "the form without tags");
    check_cut("cut", set_body, NULL, 0);
    start();
    put(UINT64_C(1) << 40, 8);
    check(set_body(whole(), NULL) < 0, "a hostile number of servers");
    start();
    put(1, 8);
    put(0, 8);
    put(0, 8);
    put(UINT64_MAX, 8);
    put(0, 8);
    put(0, 8);
    check(set_body(whole(), NULL) < 0, "a hostile number of intervals");
    fresh_set(BINLOG_MARIADB);
    binlog_gtid_set_parse(set, cdc_span_text("0-1-5,7-2-9"), NULL);
    start();
    binlog_gtid_set_encode(&body, set);
    check_cut("GTID_LIST, cut", set_body, NULL, 0);
    check_event_cut(BINLOG_MARIADB_GTID_LIST);
}

/* -- statements -- */

static struct binlog_statement statement;

static void parse_statement(const char *sql)
{
    start();
    put_text(sql);
    struct binlog_reader reader = whole();
    binlog_statement_parse(&statement, cdc_span((const char *)reader.p, binlog_left(&reader)));
}

static void check_kind(enum binlog_statement_kind kind, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        parse_statement(*texts);
        check(statement.kind == kind, *texts);
    }
}

#define KIND(name, ...) check_kind(BINLOG_STATEMENT_##name, (const char *const[]){__VA_ARGS__, NULL})

static void test_statements(void)
{
    KIND(BEGIN, "BEGIN", "begin", " \t\n/* a */ BEGIN", "BEGIN WORK", "START TRANSACTION", "start /**/ transaction",
         "/*!50000 BEGIN*/", "-- x\nBEGIN", "#x\nBEGIN;", "/*M!100100 BEGIN */", "--\nBEGIN");
    KIND(COMMIT, "COMMIT", "commit /* x */", "COMMIT AND CHAIN", "# a\n-- b\n/* c */COMMIT");
    KIND(ROLLBACK, "ROLLBACK", "rollback work", "ROLLBACK /* to */");
    KIND(SAVEPOINT, "SAVEPOINT s", "SAVEPOINT `s`");
    KIND(RELEASE, "RELEASE SAVEPOINT s");
    KIND(ROLLBACK_TO, "ROLLBACK TO s", "ROLLBACK WORK TO SAVEPOINT `s`");
    KIND(XA_START, "XA START X'31',X'',1", "xa begin 'a'", "/* c */XA/* c */START/* c */'x'");
    KIND(XA_END, "XA END X'31',X'',1");
    KIND(XA_PREPARE, "XA PREPARE X'31',X'',1");
    KIND(XA_COMMIT, "XA COMMIT X'31',X'',1", "XA COMMIT X'31',X'',1 ONE PHASE");
    KIND(XA_ROLLBACK, "XA ROLLBACK X'31',X'',1");
    KIND(DDL, "", " ", "/* BEGIN */", "-- BEGIN", "# Dummy event replacing event type 161", "XA RECOVER",
         "CREATE TABLE t (i INT)", "CREATE TABLE t SELECT 1", "CREATE TEMPORARY TABLE t(i INT)",
         "ALTER TABLE t TRUNCATE PARTITION p", "DROP TABLE t", "RENAME TABLE a TO b", "GRANT ALL ON *.* TO x",
         "FLUSH TABLES", "ANALYZE TABLE t", "ANALYZE LOCAL TABLE t", "beginning", "`BEGIN`", "'BEGIN'",
         "SET PASSWORD = 'x'", "SET STATEMENT a=1 FOR ALTER TABLE t ADD i INT", "TRUNCATE", "TRUNCATE TABLE",
         "TRUNCATE 'x'", "TRUNCATE t.", "TRUNCATE `t", "TRUNCATE a.b.c", "START REPLICA", "RELEASE x", "/* never ends",
         "SET STATEMENT x", "/*!40000 ALTER TABLE `t` DISABLE KEYS */", "--x\nBEGIN");
    KIND(DML, "INSERT INTO t VALUES (1)", "update t set a = 1", "/* TRUNCATE t */ DELETE FROM t",
         "REPLACE t VALUES (1)", "LOAD DATA INFILE 'x' INTO TABLE t", "CALL p()", "DO f()", "SELECT f()",
         "WITH x AS (SELECT 1) DELETE FROM t", "/*!50001 INSERT */ INTO t VALUES (1)", "(SELECT f())",
         "ANALYZE UPDATE t SET a = 1", "ANALYZE FORMAT=JSON DELETE FROM t",
         "SET STATEMENT a=1, b='for' FOR INSERT INTO t VALUES (1)",
         "SET STATEMENT a=(SELECT 1 FOR UPDATE) FOR SET STATEMENT b=1 FOR DELETE FROM t", "insert`t`values(1)");
}

static void check_truncate(const char *sql, const char *db, const char *table)
{
    parse_statement(sql);
    check(statement.kind == BINLOG_STATEMENT_TRUNCATE, sql);
    check_text("its database", text_of(&statement.db), db);
    check_text("its table", text_of(&statement.table), table);
}

static void test_truncate(void)
{
    check_truncate("TRUNCATE t", "", "t");
    check_truncate("truncate TABLE shop.t;", "shop", "t");
    check_truncate("TRUNCATE TABLE `t`", "", "t");
    check_truncate(" /* a */ TRUNCATE -- b\n TABLE # c\n `a b` . /*d*/ `t``x` /* e */", "a b", "t`x");
    check_truncate("TRUNCATE/*!50000 TABLE*/`a`.`b`", "a", "b");
    check_truncate("/*!50000 TRUNCATE t */", "", "t");
    check_truncate("TRUNCATE \"a\".\"b\"\"c\"", "a", "b\"c");
    check_truncate("TRUNCATE `table`", "", "table");
    check_truncate("TRUNCATE TABLE db.1t", "db", "1t");
    check_truncate("TRUNCATE t WAIT 5", "", "t");
    check_truncate("TRUNCATE t DROP STORAGE", "", "t");
    check_truncate("TRUNCATE \xc3\xa4$_.t", "\xc3\xa4$_", "t");
    check_truncate("SET STATEMENT max_statement_time=1 FOR TRUNCATE t", "", "t");
    parse_statement("DROP TABLE t");
    check(statement.db.len == 0 && statement.table.len == 0, "nothing is left of the one before");
}

static void check_xid(const char *sql, const char *xid)
{
    parse_statement(sql);
    check_text(sql, statement.xid, xid);
}

static void test_xid(void)
{
    check_xid("XA START X'6162',X'',1", "X'6162',X'',1");
    check_xid("XA COMMIT  X'6162',X'',1  ONE PHASE", "X'6162',X'',1");
    check_xid("XA END 'a' SUSPEND", "'a'");
    check_xid("XA START 'a\\'b', \"c''\" , 7 /* x */ JOIN", "'a\\'b', \"c''\" , 7");
    check_xid("/* 'x' */ xa prepare 0x61 ;", "0x61");
    check_xid("XA END", "");
    check_xid("BEGIN", "");
    parse_statement(" -- x\n /* y */ DROP TABLE t -- z");
    check_text("the rest", statement.rest, "DROP TABLE t -- z");
}

static bool named(const char *sql, const char *name)
{
    start();
    put_text(sql);
    struct binlog_reader reader = whole();
    return binlog_statement_names(cdc_span((const char *)reader.p, binlog_left(&reader)), cdc_span_text(name));
}

static void test_names(void)
{
    static const char *const yes[] = {"t1",
                                      "ALTER TABLE t1 ADD x INT",
                                      "alter table T1",
                                      "DROP TABLE a,t1,b",
                                      "DROP TABLE shop.t1",
                                      "RENAME TABLE`t1`TO x",
                                      "ALTER TABLE \"t1\"",
                                      "/*!50000 DROP TABLE t1*/",
                                      "/*M!50000t1*/",
                                      "x /* ' */ t1 /* ' */",
                                      "a-- b\nt1",
                                      "x # don't\nt1",
                                      "a--t1",
                                      "'it''s' t1",
                                      "a*/* don't */t1/* don't */",
                                      "/*!1 /* x */ t1 */",
                                      "t1-1",
                                      "(t1)",
                                      "x 'a\\' t1",
                                      "\xe4`t1`",
                                      "/*!501001t1*/",
                                      "unended 't1",
                                      "unended /* t1"};
    static const char *const no[] = {"",        "ALTER TABLE t2", "ALTER TABLE t11", "ALTER TABLE at1",   "x 't1'",
                                     "x -- t1", "x # t1\n",       "x /* t1 */",      "`t1``x`",           "`t 1`",
                                     "t1$",     "t1\xc3\xa4",     "'a''t1'",         "/* ' */ x /* t1 */"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        check(named(yes[i], "t1"), yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        check(!named(no[i], "t1"), no[i]);
    check(named("DROP TABLE `a``b`", "a`b") && !named("DROP TABLE `a``c`", "a`b"), "a backtick in the name");
    check(named("DROP TABLE \xe4", "\xc3\xa4") && !named("DROP TABLE a", "\xc3\xa4"), "a name in another charset");
    check(!named("DROP TABLE t", ""), "no name");
}

/* -- groups that are undone -- */

static int decode(struct binlog_decoder *decoder, uint8_t type, struct cdc_error *error)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, false);
    cdc_buf_free(&content);
    return binlog_decode(decoder, (const uint8_t *)body.data, body.len, &text, error);
}

static void put_gtid(uint8_t flags, uint8_t more_flags)
{
    start();
    put(77, 8);
    put(0, 4);
    put(flags, 1);
    put(more_flags, 1);
    put(76, 8);
}

/* A log, a letter a step: R a row, D a statement, E COMMIT, X ROLLBACK, G another transaction; others a SAVEPOINT of that
 * name or, behind '<', ROLLBACK TO it. */
static const char *ahead; /* what is behind the event at hand; NULL: nobody may look */

/* The step's event, in body; its type. */
static uint8_t put_step(const char **steps)
{
    char sql[40];
    char c = *(*steps)++;
    snprintf(sql, sizeof sql, "SAVEPOINT `%c`", c);
    start();
    if (c == 'R')
        put_hex("120000000000010001ff0005000000");
    if (c == 'G')
        put_gtid(BINLOG_MARIADB_GTID_TRANSACTIONAL, 0);
    if (c == 'R' || c == 'G')
        return c == 'R' ? BINLOG_WRITE_ROWS_V1 : BINLOG_MARIADB_GTID;
    if (c == '<')
        snprintf(sql, sizeof sql, "ROLLBACK TO `%c`", *(*steps)++);
    put_query("", "d", c == 'D' ? "DROP TEMPORARY TABLE t" : c == 'E' ? "COMMIT" : c == 'X' ? "ROLLBACK" : sql);
    return BINLOG_QUERY;
}

static int look_ahead(void *context, const struct binlog_place *from, binlog_visit *visit, void *visitor,
                      struct cdc_error *error)
{
    int result = 0;
    (void)context;
    for (const char *p = ahead; *p && result == 0;) {
        struct binlog_header header = {.type = put_step(&p)};
        result = visit(visitor, &header, whole(), from, error);
    }
    return result < 0 ? -1 : 0;
}

static struct binlog_decoder *new_decoder(void)
{
    struct binlog_decoder_settings settings = {
        .pipeline = "p", .flavor = BINLOG_MARIADB, .look_ahead = ahead ? look_ahead : NULL};
    struct binlog_place place = {"binlog.000001", 4};
    struct binlog_decoder *decoder = binlog_decoder_new(&settings, NULL);
    if (!decoder || binlog_decoder_start(decoder, 1, "", &place, NULL) < 0)
        abort();
    text.len = 0;
    return decoder;
}

/* A row of t(a int). */
static int decode_map(struct binlog_decoder *decoder)
{
    start();
    put_hex("12000000000001000164000174000103000004020161");
    return decode(decoder, BINLOG_TABLE_MAP, NULL);
}

static int decode_row(struct binlog_decoder *decoder)
{
    int result = decode_map(decoder);
    start();
    put_hex("120000000000010001ff0005000000");
    return result == 0 ? decode(decoder, BINLOG_WRITE_ROWS_V1, NULL) : result;
}

/* Decodes those steps in a transaction, and COMMIT. */
static int savepoints(const char *steps, struct cdc_error *error)
{
    struct binlog_decoder *decoder = new_decoder();
    struct cdc_buf all = CDC_BUF_INIT;
    for (; *steps; steps++) /* B: many rows */
        for (int i = 0; i < (*steps == 'B' ? 3000 : 1); i++)
            cdc_buf_byte(&all, *steps == 'B' ? 'R' : *steps);
    if (!strchr("EX", all.data[all.len - 1]))
        cdc_buf_byte(&all, 'E');
    cdc_buf_byte(&all, '\0');
    put_gtid(BINLOG_MARIADB_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    for (const char *p = all.data; *p && result == 0;) {
        if (*p == 'R')
            result = decode_map(decoder);
        uint8_t type = put_step(&p);
        ahead = ahead ? p : NULL;
        result = result == 0 ? decode(decoder, type, error) : result;
    }
    binlog_decoder_free(decoder);
    cdc_buf_free(&all);
    cdc_buf_byte(&text, '\0');
    return result;
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *p = text.data; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void savepoints_leave(const char *steps, size_t rows)
{
    char events[30];
    snprintf(events, sizeof events, "\"events\":%zu}", rows);
    bool good = savepoints(steps, NULL) == 0 && count("{\"op\":\"c\"") == rows && strstr(text.data, events) &&
                count("{\"op\":\"schema\"") == (rows > 0);
    printf("# savepoints: %s\n", steps);
    check(good, "what a rollback to a savepoint leaves");
}

static void savepoints_stop(const char *steps)
{
    struct cdc_error error = {0};
    int result = savepoints(steps, &error);
    printf("# savepoints: %s: %s\n", steps, error.text);
    check(result < 0 && error.status == CDC_EXIT_CONFIG, "a rollback to a savepoint that stops");
}

/* Transactions that are larger than what is held back. */
static void test_look_ahead(void)
{
    ahead = "";
    savepoints_leave("BsB<sR", 3001);
    savepoints_leave("RsBR<sB", 3001); /* what is held back is cut, too */
    savepoints_leave("sB<s", 0);
    savepoints_leave("BaBbB<bR<aRcR<cR", 3002);
    savepoints_leave("RaRbB<bR<aB", 3001);
    savepoints_leave("RaRbBcR<aR", 2);
    savepoints_leave("BX", 0);
    savepoints_leave("BsB<sX", 0);
    savepoints_leave("BGRE", 1); /* a crash */
    savepoints_stop("BsRsR<s");
    savepoints_stop("BsRDR<s");
    savepoints_stop("BDX");
    ahead = NULL;
    savepoints_stop("BX");
    savepoints_stop("BsR<s");
}

static void test_savepoints(void)
{
    savepoints_leave("Rs<s", 1);
    savepoints_leave("<s", 0); /* of a savepoint before anything was logged */
    savepoints_leave("RsRR<s", 1);
    savepoints_leave("sRR<s", 0);
    savepoints_leave("sRR<sR", 1); /* the schema line comes again */
    savepoints_leave("RsRR<sRR<sR", 2);
    savepoints_leave("RaRbRcR<bR<aR", 2);
    savepoints_leave("RaRbRcR<cRR", 5);
    savepoints_leave("RaRbR<aRbR<b", 2); /* b was gone, and is another one */
    savepoints_leave("RssR<S", 1);
    savepoints_stop("RsRsR<s"); /* the first may be meant, when the second was made by a trigger */
    savepoints_stop("RsRS<S");  /* the same name */
    savepoints_stop("RsRDR<s");
    savepoints_stop("Rs\xe9R<s");
    savepoints_stop("R<s");
    savepoints_stop("RsR<t");
}

/* Behind BEGIN: `DROP TABLE`, with_row: a row of t(a int), then ROLLBACK. Its result. */
static int roll_back(bool with_row, struct cdc_error *error)
{
    struct binlog_decoder *decoder = new_decoder();
    put_gtid(BINLOG_MARIADB_GTID_TRANSACTIONAL | BINLOG_MARIADB_GTID_DDL, 0);
    int result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    put_query("", "d", "DROP TABLE IF EXISTS `d`.`t`/* Generated to handle failed CREATE OR REPLACE */");
    result = result == 0 ? decode(decoder, BINLOG_QUERY, NULL) : result;
    if (with_row)
        result = result == 0 ? decode_row(decoder) : result;
    put_query("", "d", "ROLLBACK");
    result = result == 0 ? decode(decoder, BINLOG_QUERY, error) : -2;
    binlog_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result;
}

/* A row twice, in two transactions; the first ends in ROLLBACK, or has no end, as after a crash. */
static int roll_back_row(bool rollback)
{
    struct binlog_decoder *decoder = new_decoder();
    put_gtid(BINLOG_MARIADB_GTID_TRANSACTIONAL, 0);
    int result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    result = result == 0 ? decode_row(decoder) : result;
    if (rollback) {
        put_query("", "d", "ROLLBACK");
    } else {
        put_gtid(BINLOG_MARIADB_GTID_TRANSACTIONAL, 0);
        result = result == 0 ? decode(decoder, BINLOG_MARIADB_GTID, NULL) : result;
        result = result == 0 ? decode_row(decoder) : result;
        put_query("", "d", "COMMIT");
    }
    result = result == 0 ? decode(decoder, BINLOG_QUERY, NULL) : -2;
    binlog_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result;
}

static void test_rollback(void)
{
    struct cdc_error error = {0};
    check(roll_back(false, NULL) == 0 && strstr(text.data, "{\"op\":\"ddl\"") &&
              strstr(text.data, "{\"op\":\"commit\"") && strstr(text.data, "\"events\":1}"),
          "a statement stays when its group is rolled back");
    check(roll_back(true, &error) == -1 && error.status == CDC_EXIT_CONFIG && !strstr(text.data, "{\"op\":\"c\""),
          "a statement and a row before a rollback are an error, and the row does not go out");
    check(roll_back_row(true) == 0 && !strstr(text.data, "{\"op\":\"c\"") && !strstr(text.data, "\"schema\"") &&
              strstr(text.data, "\"events\":0}"),
          "rows that are rolled back leave nothing");
    check(roll_back_row(false) == 0 && strstr(text.data, "\"schema\"") && strstr(text.data, "{\"op\":\"c\"") &&
              strstr(text.data, "\"events\":1}"),
          "the same without a rollback are there");
}

static const char *alter(uint8_t more_flags)
{
    struct binlog_decoder *decoder = new_decoder();
    put_gtid(BINLOG_MARIADB_GTID_STANDALONE | BINLOG_MARIADB_GTID_DDL, more_flags);
    int result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    put_query("", "d", "ALTER TABLE t ADD b INT");
    result = result == 0 ? decode(decoder, BINLOG_QUERY, NULL) : result;
    binlog_decoder_free(decoder);
    cdc_buf_byte(&text, '\0');
    return result == 0 ? text.data : "";
}

static void test_alter(void)
{
    static const uint8_t commit = 4;
    check(strstr(alter(0), "\"ddl\":\"ALTER") && strstr(alter(commit), "\"ddl\":\"ALTER"), "an ALTER that is done");
    check(!strstr(alter(BINLOG_MARIADB_GTID_START_ALTER), "\"ddl\"") && strstr(text.data, "\"events\":0}"),
          "one that begins");
    check(!strstr(alter(BINLOG_MARIADB_GTID_ROLLBACK_ALTER), "\"ddl\"") && strstr(text.data, "\"events\":0}"),
          "one that failed");
}

/* Which table a TRUNCATE of a client with latin1 empties. */
static void test_truncate_charset(void)
{
    struct cdc_error error = {0};
    struct binlog_decoder *decoder = new_decoder();
    put_gtid(BINLOG_MARIADB_GTID_STANDALONE | BINLOG_MARIADB_GTID_DDL, 0);
    int result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    put_query("0408000800e000", "d", "TRUNCATE `t\xe4`");
    result = result == 0 ? decode(decoder, BINLOG_QUERY, NULL) : result;
    cdc_buf_byte(&text, '\0');
    check(result == 0 && strstr(text.data, "\"op\":\"t\"") && strstr(text.data, "\"table\":\"t\xc3\xa4\""),
          "TRUNCATE in latin1");
    put_gtid(BINLOG_MARIADB_GTID_STANDALONE | BINLOG_MARIADB_GTID_DDL, 0);
    result = decode(decoder, BINLOG_MARIADB_GTID, NULL);
    put_query("", "d", "TRUNCATE `t\xe4`");
    check(result == 0 && decode(decoder, BINLOG_QUERY, &error) < 0 && error.status == CDC_EXIT_PROTOCOL,
          "TRUNCATE of what cannot be read");
    binlog_decoder_free(decoder);
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
    test_gtid_mysql();
    test_gtid_tagged();
    test_gtid_mariadb();
    test_xa();
    test_payload();
    test_payload_in_parts();
    test_parts();
    test_table_map();
    test_table_names();
    test_unclear_labels();
    test_rows();
    test_rows_compressed();
    test_set_text();
    test_set_add();
    test_set_random();
    test_set_mariadb();
    test_set_binary();
    test_statements();
    test_truncate();
    test_xid();
    test_names();
    test_rollback();
    test_savepoints();
    test_look_ahead();
    test_alter();
    test_truncate_charset();
    binlog_statement_free(&statement);
    binlog_gtid_set_free(set);
    free(copy);
    cdc_buf_free(&body);
    cdc_buf_free(&scratch);
    cdc_buf_free(&text);
    return failures ? 1 : 0;
}
