/* SPDX-License-Identifier: MIT */
/* TABLE_MAP and rows. */
#include "connectors/mysql/decoder/row_key.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/event/table_map.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/unit/binlog-events.h"

#include <cdc/bytes.h>

/* -- TABLE_MAP and rows -- */

#define MYSQL_MAP                                                                                                      \
    "6f00000000000100017400026d31000b031313f6fefefff203f5100d03060e04fe03f7010404040300fe070101800302083f0701000d0104" \
    "041b02696402746902746e016e0163016501670176026976016a0262780a0108060502016101620801000c02ff600afac637"
#define MARIADB_MAP                                                                                                    \
    "1900000000000100017400026d31000b03fefe1313f6fefeff8d030ffe10fe1003060e04fe03f701041500fe0701018002053f02080408"   \
    "070100041c026964026936017502746902746e016e0163016501670263630269760a010806050201610162080100f1009d11"

static int map_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_table_map map;
    return my_table_map_parse(cursor, &map, error);
}

/* Behind each of the optional fields it may end. */
static size_t ends_of(const struct my_table_map *map, size_t *ends)
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
    struct my_table_map map;
    size_t ends[32];
    vector(hex);
    check(my_table_map_parse(whole(), &map, NULL) == 0 && map.table_id == id && map.flags == 1 && map.n_columns == 11 &&
              map.metadata.n == metadata && memcmp(map.types, types, 11) == 0,
          "a table map");
    check_text("its database", map.db, "t");
    check_text("its table", map.table, "m1");
    check(map.null_bits == (const uint8_t *)map.metadata.p + metadata &&
              map.optional.p == (const char *)map.null_bits + 2 && map.optional.p[0] == 1 &&
              (const uint8_t *)map.optional.p + map.optional.n == copy + body.len,
          "what follows");
    size_t n = ends_of(&map, ends);
    check_truncated("truncated", map_body, ends, n);
    check_event_truncated(MY_EVENT_TABLE_MAP);
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
    check(map_body(whole(), NULL) < 0, "no NUL after a name");
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
    struct my_table *table = my_table_new(whole(), MY_FLAVOR_MYSQL, &error);
    bool taken = table != NULL &&
                 my_table_prepare(table, MY_FLAVOR_MYSQL, "p", &(struct cdc_selection){.any_case = false}, &error) == 0;
    check(taken || error.status == CDC_EXIT_PROTOCOL, "refused with a reason");
    my_table_free(table);
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
    struct my_table *table = my_table_new(whole(), MY_FLAVOR_MYSQL, &error);
    check(table && table->has_names && table->columns[5].n_labels == 2, "labels");
    my_table_free(table);
    vector(MYSQL_MAP);
    char *at = memmem(body.data, body.len, "\x0a\x01\x08", 3);
    if (at == NULL)
        abort();
    *at = 0x7f;
    table = my_table_new(whole(), MY_FLAVOR_MYSQL, &error);
    check(table && !table->has_names && table->has_key_told && table->columns[5].n_labels == 0, "without a charset");
    check(table &&
              my_table_prepare(table, MY_FLAVOR_MYSQL, "p", &(struct cdc_selection){.any_case = false}, &error) < 0 &&
              error.status == CDC_EXIT_CONFIG,
          "refused when nobody knows");
    my_table_free(table);
}

/* t(VARCHAR, INT, VARCHAR, VARCHAR) with those fields: are the collations of its texts these three? */
static bool has_charsets(const char *fields, unsigned first, unsigned second, unsigned third)
{
    start();
    put_hex("120000000000010001640001740004"
            "0f030f0f"
            "063c003c003c00"
            "0f");
    put_hex(fields);
    struct my_table *table = my_table_new(whole(), MY_FLAVOR_MYSQL, NULL);
    bool good = table && table->columns[0].charset == my_charset_of(first) && table->columns[1].charset == NULL &&
                table->columns[2].charset == my_charset_of(second) && table->columns[3].charset == my_charset_of(third);
    my_table_free(table);
    return good;
}

/* 8: latin1, 33: utf8mb3, 45: utf8mb4. Exceptions are counted among texts alone. */
static void test_charsets(void)
{
    check(has_charsets("020108", 8, 8, 8), "one charset for all");
    check(has_charsets("0203080121", 8, 33, 8), "and an exception");
    check(has_charsets("0205080021022d", 33, 8, 45), "and two");
    check(has_charsets("0303082d21", 8, 45, 33), "a charset each");
}

static uint8_t rows_type;

static int rows_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_header header = {.type = rows_type};
    struct my_rows_event rows;
    return my_rows_event_parse(&header, cursor, &scratch, &rows, error);
}

/* A rows event as a server wrote it; images: where they begin. */
static struct my_rows_event check_rows(const char *hex, uint8_t type, size_t images)
{
    struct my_event_header header = {.type = type};
    struct my_rows_event rows = {0};
    size_t ends[512], n = 0;
    vector(hex);
    rows_type = type;
    for (size_t i = images; i < body.len && n < 512; i++)
        ends[n++] = i; /* the rows themselves are read elsewhere */
    check_truncated("rows, truncated", rows_body, ends, n);
    check_event_truncated(type);
    check(my_rows_event_parse(&header, whole(), &scratch, &rows, NULL) == 0 &&
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
    struct my_rows_event rows = check_rows(
        "6f0000000000110002000bffff000000286bee7ffffeec784b9105ffffff7ef204c72dfb2d036162630219000000e6100000"
        "01010000000000000000000040000000000000f03f080000000000803f0000004005000000a5000000000b00a40051000100"
        "52000100530001005400010055000100560001005700010058000100590001005a0002005c000300025f000401000f6b000f"
        "750005fdff0f7b000400000f84000a8e000f96000fa00061626466696b6e7475647462696e02000c000501000c0a0001780c"
        "08c02709053144b219f60402018105f6070b0280000001320b080000007defffffffffffffffffffffff0a08000000000044"
        "b2190f02616205d20f22dc",
        MY_EVENT_WRITE_ROWS, 13);
    check(rows.kind == MY_ROWS_WRITE && rows.table_id == 0x6f && rows.flags == 0x11 && rows.n_columns == 11 &&
              rows.present == copy + 11 && rows.present_after == NULL && !rows.partial_json &&
              cdc_bytes_left(&rows.images) == body.len - 13,
          "version 2 of MySQL");
    rows = check_rows(
        "19000000000001000bff0700fc00286bee1020010db80000000000000000000000010e550e8400e29b41d4a716446655447f"
        "fffeec784b9104ffffff7ef204c72dfb2d036162630219000000e61000000101000000000000000000f03f00000000000000"
        "4015006161616161616161616161616161616161616161871fd40b",
        MY_EVENT_WRITE_ROWS_V1, 11);
    check(rows.table_id == 0x19 && rows.flags == MY_ROWS_STATEMENT_END && rows.present[0] == 0xff &&
              rows.present[1] == 7,
          "version 1 of MariaDB");
    rows = check_rows(
        "1b00000000000100077f8001000000457c178468120000257d936525d8ff00422a83bcc32e00b3ced4c00000008002000000"
        "000000000000000000000000000000004229d3fc000000b407a58040d00ff1910de0",
        MY_EVENT_WRITE_ROWS_V1, 10);
    check(rows.n_columns == 7 && rows.present[0] == 0x7f, "old-style times of MariaDB");
    rows = check_rows("6c0000000000110002000401020001000000010100050000000203242e616185cf81",
                      MY_EVENT_PARTIAL_UPDATE_ROWS, 13);
    check(rows.kind == MY_ROWS_UPDATE && rows.partial_json && rows.n_columns == 4 && rows.present[0] == 1 &&
              rows.present_after[0] == 2,
          "a partial update, minimal image");
    rows = check_rows(PARTIAL_FULL, MY_EVENT_PARTIAL_UPDATE_ROWS, 13);
    check(rows.present[0] == 0xff && rows.present_after[0] == 0xff, "the same, full image");
    rows = check_rows("120000000000010004050000000000", MY_EVENT_DELETE_ROWS_V1, 10);
    check(rows.kind == MY_ROWS_DELETE && rows.present_after == NULL, "delete");
    rows = check_rows("1200000000000100070000010200030307070000"
                      "00000000",
                      MY_EVENT_UPDATE_ROWS, 18);
    check(rows.kind == MY_ROWS_UPDATE && rows.n_columns == 3, "extra data");
}

static void test_rows_compressed(void)
{
    struct my_rows_event rows = check_rows("12000000000001000eff3f820102789cfbf7d79d8181e11743c5880500b29f786dae46ae58",
                                           MY_EVENT_MARIADB_WRITE_ROWS_COMPRESSED_V1, SIZE_MAX);
    check(rows.n_columns == 14 && cdc_bytes_left(&rows.images) == 258 && rows.images.p == (uint8_t *)scratch.data &&
              rows.images.p[257] == 'x',
          "compressed rows of MariaDB");
    start();
    put_hex("120000000000010002000eff3fff3f");
    put_zlib("rows", 4, 0x81, 4);
    struct my_event_header header = {.type = MY_EVENT_MARIADB_UPDATE_ROWS_COMPRESSED};
    check(my_rows_event_parse(&header, whole(), &scratch, &rows, NULL) == 0 && rows.kind == MY_ROWS_UPDATE &&
              cdc_bytes_left(&rows.images) == 4,
          "the same, version 2");
    rows_type = header.type;
    check_truncated("truncated", rows_body, NULL, 0);
    struct cdc_error error = {0};
    rows_type = MY_EVENT_XID;
    check(rows_body(whole(), &error) < 0 && strstr(error.text, "16"), "an event of something else");
    rows_type = MY_EVENT_WRITE_ROWS;
    start();
    put_hex("120000000000010001000eff3f");
    check(rows_body(whole(), NULL) < 0, "extra data that are shorter than their length");
    start();
    put_hex("12000000000001000200fe0000000000000001ff");
    check(rows_body(whole(), NULL) < 0, "a hostile number of columns");
}

/* Columns a, b, c: which of them the log has in the key (NULL: it does not tell), which the catalog has, which is a row's end. */
static void test_row_key(void)
{
    static const struct {
        const char *logged, *listed;
        char row_end;
        const char *key, *what;
    } cases[] = {
        {NULL, "ab", 0, "ab", "the catalog's"},        {NULL, "", 0, "", "the catalog has none"},
        {"b", "a", 0, "b", "the log's, of its time"},  {"", "a", 0, "", "the log has none"},
        {NULL, "ac", 'c', "a", "a row's end, listed"}, {"ac", "", 'c', "a", "a row's end, logged"},
        {NULL, "c", 'c', "", "nothing else, listed"},  {"c", "c", 'c', "", "nothing else, logged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct my_column columns[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
        struct my_table table = {.columns = columns, .n_columns = 3, .has_key_told = cases[i].logged != NULL};
        char key[4] = "";
        for (size_t c = 0; c < 3; c++) {
            columns[c].logged_key = cases[i].logged && strchr(cases[i].logged, columns[c].name[0]);
            columns[c].listed_key = strchr(cases[i].listed, columns[c].name[0]) != NULL;
            if (columns[c].name[0] == cases[i].row_end)
                table.row_end = &columns[c];
        }
        table.has_key = columns[1].key = true; /* from before */
        my_row_key_settle(&table);
        for (size_t c = 0; c < 3; c++)
            if (columns[c].key)
                strcat(key, columns[c].name);
        check(strcmp(key, cases[i].key) == 0 && table.has_key == (*key != '\0'), cases[i].what);
    }
    struct my_row_key_facts facts = my_row_key_listed("PRI", "");
    check(facts.listed && !facts.row_end && !facts.told && my_row_key_has(&facts), "PRI");
    facts = my_row_key_listed("PRI", "ROW END");
    check(facts.listed && facts.row_end && !my_row_key_has(&facts), "PRI of a row's end");
    check(my_row_key_is_ambiguous("enum('x','')") && my_row_key_is_ambiguous("set('')") &&
              my_row_key_is_ambiguous("enum('it''s','\\\\','')") && my_row_key_is_ambiguous("enum('''','','x')"),
          "a label ''");
    check(!my_row_key_is_ambiguous("enum('''')") && !my_row_key_is_ambiguous("enum('x',''',''')") &&
              !my_row_key_is_ambiguous("set('a','b')") && !my_row_key_is_ambiguous("varchar(10)") &&
              !my_row_key_is_ambiguous("enum('\\'',''',','x')") && !my_row_key_is_ambiguous("enum('x"),
          "no label ''");
    facts = my_row_key_listed("UNI", NULL);
    check(!facts.listed && !my_row_key_has(&facts), "UNI");
    facts = my_row_key_listed(NULL, NULL);
    check(!facts.listed && !facts.row_end, "no column");
}

int main(void)
{
    test_row_key();
    test_table_map();
    test_table_names();
    test_unclear_labels();
    test_charsets();
    test_rows();
    test_rows_compressed();
    return finish();
}
