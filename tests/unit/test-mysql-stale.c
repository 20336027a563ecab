/* SPDX-License-Identifier: MIT */
/* What a round of cdc-snapshot has seen of the log, as its state keeps it, and as the stream asks. */
#include "connectors/mysql/schema/read_at.h"

#include <cdc/json.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

static struct my_read_at parse(struct cdc_buf *text, enum my_flavor flavor, const char *gtids)
{
    struct cdc_error error = {0};
    struct my_read_at at;
    struct cdc_buf columns = CDC_BUF_INIT;
    const struct my_coord coord = {"binlog.000007", 4711};
    cdc_buf_lit(&columns, "[[\"id\",\"int(11)\",null,2]]");
    my_read_at_append(text, &coord, gtids, "1/host:3306");
    my_read_at_append_table(text, true, "d", "t\"x", &columns);
    my_read_at_append_table(text, false, "d", "u", NULL);
    cdc_buf_append(text, "]}", 3);
    check(cdc_json_validate(text->data, strlen(text->data), &error) == 0, "it is JSON");
    check(my_read_at_parse(&at, cdc_span_text(text->data), flavor, &error) == 0, "it is read again");
    cdc_buf_free(&columns);
    return at;
}

static bool has(const struct my_read_at *at, const struct my_gtid *gtid, const char *file, uint64_t position, bool here)
{
    struct my_coord coord = {.position = position};
    snprintf(coord.file, sizeof coord.file, "%s", file);
    return my_read_at_has(at, gtid, &coord, here);
}

static void test_mariadb(void)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct my_gtid gtid = {.kind = MY_GTID_OF_MARIADB, .number = 7, .domain = 0, .server_id = 1};
    struct my_read_at at = parse(&text, MY_FLAVOR_MARIADB, "0-1-7,3-1-2");
    check(at.tables.n == 2 && cdc_stale_has(&at.tables, "d", "", "t\"x") && cdc_stale_has(&at.tables, "d", "", "u"),
          "its tables");
    check(cdc_span_is(my_read_at_columns(&at, "d", "t\"x"), "[[\"id\",\"int(11)\",null,2]]"), "the columns of one");
    check(!my_read_at_columns(&at, "d", "u").p && !my_read_at_columns(&at, "e", "u").p, "and none of others");
    check(has(&at, &gtid, "binlog.000007", 4710, true), "a transaction that begins before the point");
    check(!has(&at, &gtid, "binlog.000007", 4711, true), "the one that begins there, whatever its number");
    check(!has(&at, &gtid, "binlog.000008", 4, true) && has(&at, &gtid, "binlog.000006", 99999, true), "other files");
    check(has(&at, &gtid, "other.000001", 4, false), "at another server the number tells");
    gtid.number = 8;
    check(!has(&at, &gtid, "binlog.000001", 4, false), "one that is not in the set");
    gtid.domain = 9;
    check(!has(&at, &gtid, "binlog.000001", 4, false), "a domain that is not in it");
    my_read_at_free(&at);
    cdc_buf_free(&text);
}

static void test_mysql(void)
{
    static const char set[] = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7";
    struct cdc_buf text = CDC_BUF_INIT, bare = CDC_BUF_INIT;
    const struct my_gtid none = {.kind = MY_GTID_NONE};
    struct my_gtid gtid = {
        .kind = MY_GTID_OF_MYSQL,
        .uuid = {0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62},
        .number = 7};
    struct my_read_at at = parse(&text, MY_FLAVOR_MYSQL, set), by_coord = parse(&bare, MY_FLAVOR_MYSQL, "");
    check(has(&at, &gtid, "binlog.000009", 4, true), "MySQL: the set tells, wherever it stands");
    gtid.number = 6;
    check(!has(&at, &gtid, "binlog.000001", 4, true), "also of a gap");
    check(has(&at, &none, "binlog.000007", 4, true) && !has(&at, &none, "binlog.000007", 4, false),
          "one without a GTID by its coordinates, at that server alone");
    check(has(&by_coord, &gtid, "binlog.000007", 4, true) && !has(&by_coord, &gtid, "binlog.000007", 4711, true),
          "without GTIDs at the time of the read");
    my_read_at_free(&at);
    my_read_at_free(&by_coord);
    cdc_buf_free(&text);
    cdc_buf_free(&bare);
}

static void test_damaged(void)
{
    static const char *const bad[] = {
        "{}",
        "[]",
        "{\"file\":\"b\",\"pos\":4,\"gtids\":\"x\",\"server_uuid\":\"\",\"tables\":[]}",
        "{\"file\":\"b\",\"pos\":-1,\"gtids\":\"\",\"server_uuid\":\"\",\"tables\":[]}",
        "{\"file\":\"b\",\"pos\":4,\"gtids\":\"\",\"server_uuid\":\"\"}",
        "{\"file\":\"b\",\"pos\":4,\"gtids\":\"\",\"server_uuid\":\"\",\"tables\":[{\"db\":\"d\"}]}",
        "{\"file\":\"b\",\"pos\":4,\"gtids\":\"\",\"server_uuid\":\"\",\"tables\":[7]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cdc_error error = {0};
        struct my_read_at at;
        check(my_read_at_parse(&at, cdc_span_text(bad[i]), MY_FLAVOR_MARIADB, &error) < 0 &&
                  error.status == CDC_EXIT_CONFIG,
              bad[i]);
        my_read_at_free(&at);
    }
}

int main(void)
{
    test_mariadb();
    test_mysql();
    test_damaged();
    return failures != 0;
}
