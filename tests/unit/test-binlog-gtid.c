/* SPDX-License-Identifier: MIT */
/* GTID events, XA_PREPARE, and sets of GTIDs. */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/unit/binlog-events.h"

#include <cdc/bytes.h>

/* -- GTID -- */

static uint8_t gtid_type;
static uint32_t gtid_server;

static int gtid_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    struct my_event_header header = {.type = gtid_type};
    struct my_gtid gtid;
    return my_gtid_parse(&header, cursor, &gtid, error);
}

static struct my_gtid gtid_of(uint8_t type)
{
    struct my_event_header header = {.type = type, .server_id = gtid_server};
    struct my_gtid gtid;
    struct cdc_error error = {0};
    if (my_gtid_parse(&header, whole(), &gtid, &error) < 0) {
        printf("# %s\n", error.text);
        check(false, "a GTID that can be read");
    }
    text.len = 0;
    my_gtid_append(&text, &gtid);
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
    struct my_gtid gtid = gtid_of(MY_EVENT_GTID);
    check_text("GTID", text_of(&text), "fb7d3384-e58f-11f1-9fe0-02fc00000001:20");
    check(gtid.kind == MY_GTID_OF_MYSQL && gtid.number == 20 && gtid.tag[0] == '\0' &&
              gtid.commit_us == UINT64_C(0x0660c6499a4210),
          "its parts");
    size_t old[] = {25, 42, 49, 52}; /* as 5.6, 5.7 and what lies between wrote it */
    gtid_type = MY_EVENT_GTID;
    check_truncated("GTID, truncated", gtid_body, old, 4);
    check_event_truncated(MY_EVENT_GTID);
    gtid = gtid_of(MY_EVENT_ANONYMOUS_GTID);
    check(gtid.kind == MY_GTID_NONE && gtid.commit_us != 0 && text.len == 0, "an anonymous one");
    put(1, 8);
    check(gtid_of(MY_EVENT_GTID).number == 20, "with a ticket");
    put(1, 1);
    check(gtid_body(whole(), NULL) < 0, "with something after it");
    vector(GTID_33);
    body.len = 42;
    put(UINT64_C(5) | UINT64_C(1) << 55, 7);
    put(4, 7);
    put(200, 1);
    put(UINT64_C(1) << 31 | 80400, 4);
    put(80036, 4);
    check(gtid_of(MY_EVENT_GTID).commit_us == 5, "with the time and version of the server where it began");
    vector(GTID_33);
    memset(body.data + 17, 0, 8);
    check(gtid_body(whole(), NULL) < 0, "number 0");
    memset(body.data + 17, 0xff, 8);
    check(gtid_body(whole(), NULL) < 0, "a number beyond the last");
}

static void test_gtid_tagged(void)
{
    vector(GTID_42);
    struct my_gtid gtid = gtid_of(MY_EVENT_GTID_TAGGED);
    check_text("GTID with a tag", text_of(&text), "fb7d3384-e58f-11f1-9fe0-02fc00000001:cdc:2");
    check(gtid.commit_us == UINT64_C(0x0660c6499a413e), "its time");
    gtid_type = MY_EVENT_GTID_TAGGED;
    check_truncated("GTID with a tag, truncated", gtid_body, NULL, 0);
    check_event_truncated(MY_EVENT_GTID_TAGGED);
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
    put(4, 1); /* field 2 once more: another number */
    put(8, 1);
    body.data[1] += 4;
    check(gtid_body(whole(), NULL) < 0, "fields out of order");
}

static void test_gtid_mariadb(void)
{
    gtid_server = 9;
    gtid_type = MY_EVENT_MARIADB_GTID;
    start();
    put(77, 8);
    put(3, 4);
    put(MY_GTID_STANDALONE | MY_GTID_DDL, 1);
    put(0, 6);
    struct my_gtid gtid = gtid_of(MY_EVENT_MARIADB_GTID);
    check_text("GTID of MariaDB", text_of(&text), "3-9-77");
    check(gtid.kind == MY_GTID_OF_MARIADB && gtid.flags == 0x21 && gtid.more_flags == 0, "its flags");
    check_truncated("GTID of MariaDB, truncated", gtid_body, NULL, 0);
    check_event_truncated(MY_EVENT_MARIADB_GTID);
    start();
    put(UINT64_MAX, 8);
    put(0, 4);
    put(MY_GTID_PREPARED_XA | 2, 1);
    put(123, 8);
    put(1, 4);
    put(3, 1);
    put(2, 1);
    put_text("abcde");
    gtid_of(MY_EVENT_MARIADB_GTID);
    check_text("with a commit id and an XA id", text_of(&text), "0-9-18446744073709551615");
    check_truncated("the same, truncated", gtid_body, NULL, 0);
    put(MY_GTID_ROLLBACK_ALTER, 1);
    put(76, 8);
    gtid = gtid_of(MY_EVENT_MARIADB_GTID);
    check(gtid.more_flags == MY_GTID_ROLLBACK_ALTER, "more flags after them");
}

static int xa_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    bool one_phase;
    text.len = 0;
    return my_event_xa_prepare_parse(cursor, &one_phase, &text, error);
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
    check(my_event_xa_prepare_parse(whole(), &one_phase, &text, NULL) == 0 && one_phase, "XA_PREPARE in one phase");
    check_text("its id", text_of(&text), "X'616263',X'ff',5");
    check_truncated("truncated", xa_body, NULL, 0);
    put_xa(0, 4, 0);
    check(xa_body(whole(), NULL) == 0, "no second part");
    check_text("its id", text_of(&text), "X'616263ff',X'',5");
    put_xa(0, 2, 1);
    check(xa_body(whole(), NULL) < 0, "something after it");
    put_xa(0, UINT32_MAX, 1);
    check(xa_body(whole(), NULL) < 0, "too long");
}

/* -- GTID sets -- */

#define A "00000000-0000-0000-0000-00000000000a"
#define B "fb7d3384-e58f-11f1-9fe0-02fc00000001"

static struct my_gtid_set *set;

static void fresh_set(enum my_flavor flavor)
{
    my_gtid_set_free(set);
    set = my_gtid_set_new(flavor, NULL);
}

static struct cdc_span set_text(void)
{
    text.len = 0;
    my_gtid_set_append(&text, set);
    return text_of(&text);
}

/* What is parsed prints as want, and so does what is parsed of that, and what its binary form says. */
static void check_set(const char *from, const char *want)
{
    struct cdc_error error = {0};
    check(my_gtid_set_parse(set, cdc_span_text(from), &error) == 0, from);
    check_text("its text", set_text(), want);
    check(my_gtid_set_parse(set, cdc_span_text(want), NULL) == 0, "the text is one too");
    check_text("the same", set_text(), want);
    start();
    my_gtid_set_encode(&body, set);
    check(my_gtid_set_decode(set, whole(), &error) == 0, "binary form");
    check_text("the same", set_text(), want);
}

static void check_no_set(const char *from)
{
    struct cdc_error error = {0};
    check(my_gtid_set_parse(set, cdc_span_text(from), &error) < 0 && error.status == CDC_EXIT_CONFIG &&
              my_gtid_set_is_empty(set),
          from);
}

static void test_set_text(void)
{
    fresh_set(MY_FLAVOR_MYSQL);
    check(my_gtid_set_is_empty(set), "an empty set");
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
    check(my_gtid_set_parse(set, cdc_span(A ":1\0", 39), NULL) < 0, "a NUL");
    fresh_set(MY_FLAVOR_MARIADB);
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

static struct my_gtid number_of(const char *tag, uint64_t number)
{
    struct my_gtid gtid = {.kind = MY_GTID_OF_MYSQL, .uuid = {[15] = 0x0a}, .number = number};
    memcpy(gtid.tag, tag, strlen(tag) + 1);
    return gtid;
}

static void add(const char *tag, uint64_t number)
{
    struct my_gtid gtid = number_of(tag, number);
    if (my_gtid_set_contains(set, &gtid) && number < 100)
        check(false, "not in it yet");
    if (my_gtid_set_add(set, &gtid, NULL) < 0 || !my_gtid_set_contains(set, &gtid))
        check(false, "added");
}

static void test_set_add(void)
{
    fresh_set(MY_FLAVOR_MYSQL);
    static const uint64_t order[] = {5, 6, 1, 3, 9, 2, 8, 7, 20, 4, 22, 21};
    static const char *const want[] = {A ":5",          A ":5-6",       A ":1:5-6",       A ":1:3:5-6",
                                       A ":1:3:5-6:9",  A ":1-3:5-6:9", A ":1-3:5-6:8-9", A ":1-3:5-9",
                                       A ":1-3:5-9:20", A ":1-9:20",    A ":1-9:20:22",   A ":1-9:20-22"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        add("", order[i]);
        check_text("numbers in any order", set_text(), want[i]);
    }
    struct my_gtid gtid = number_of("", 8);
    check(my_gtid_set_add(set, &gtid, NULL) == 0, "one that is in it already");
    check_text("changes nothing", set_text(), A ":1-9:20-22");
    add("x", 4);
    add("b", 4);
    check_text("tags", set_text(), A ":1-9:20-22:b:4:x:4");
    gtid = number_of("", 10);
    check(!my_gtid_set_contains(set, &gtid), "beside an interval");
    gtid.number = 19;
    check(!my_gtid_set_contains(set, &gtid), "before one");
    gtid.number = 23;
    check(!my_gtid_set_contains(set, &gtid), "after all");
    gtid.uuid[0] = 1;
    check(!my_gtid_set_contains(set, &gtid), "of another server");
    gtid.number = 0;
    check(my_gtid_set_add(set, &gtid, NULL) < 0, "number 0");
    gtid.kind = MY_GTID_NONE;
    check(my_gtid_set_add(set, &gtid, NULL) == 0, "none");
    gtid.kind = MY_GTID_OF_MARIADB;
    check(my_gtid_set_add(set, &gtid, NULL) < 0 && !my_gtid_set_contains(set, &gtid), "of another kind");
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
        fresh_set(MY_FLAVOR_MYSQL);
        for (int i = 0; i < round; i++) {
            seed = seed * 1103515245u + 12345u;
            uint64_t number = 1 + (seed >> 16) % MOST;
            struct my_gtid gtid = number_of("", number);
            wrong += my_gtid_set_contains(set, &gtid) != in[number];
            wrong += my_gtid_set_add(set, &gtid, NULL) < 0;
            in[number] = true;
        }
        for (uint64_t number = 1; number <= MOST; number++) {
            struct my_gtid gtid = number_of("", number);
            wrong += my_gtid_set_contains(set, &gtid) != in[number];
        }
        struct cdc_span printed = set_text();
        char *again = cdc_span_copy(printed);
        wrong +=
            again == NULL || my_gtid_set_parse(set, cdc_span_text(again), NULL) < 0 || !cdc_span_is(set_text(), again);
        free(again);
    }
    check(wrong == 0, "numbers by chance");
}

static void test_set_mariadb(void)
{
    fresh_set(MY_FLAVOR_MARIADB);
    struct my_gtid gtid = {.kind = MY_GTID_OF_MARIADB, .domain = 5, .server_id = 1, .number = 7};
    check(my_gtid_set_add(set, &gtid, NULL) == 0 && my_gtid_set_contains(set, &gtid), "a domain");
    gtid.domain = 0;
    check(!my_gtid_set_contains(set, &gtid) && my_gtid_set_add(set, &gtid, NULL) == 0, "another one");
    gtid.number = 8;
    gtid.server_id = 2;
    check(!my_gtid_set_contains(set, &gtid) && my_gtid_set_add(set, &gtid, NULL) == 0, "the next of it");
    check_text("the newest of each", set_text(), "0-2-8,5-1-7");
    gtid.number = 3;
    check(my_gtid_set_contains(set, &gtid), "an older one");
    gtid = number_of("", 1);
    check(my_gtid_set_add(set, &gtid, NULL) < 0, "of another kind");
    start();
    put_hex("000000000000");
    check(my_gtid_set_decode(set, whole(), NULL) == 0 && my_gtid_set_is_empty(set), "an empty GTID_LIST");
    start();
    put_hex("02000010"
            "0000000001000000"
            "0500000000000000"
            "0000000002000000"
            "0400000000000000");
    check(my_gtid_set_decode(set, whole(), NULL) == 0, "GTID_LIST with a flag");
    check_text("the last of a domain is the newest", set_text(), "0-2-4");
}

/* Has all what part has? */
static bool includes(enum my_flavor flavor, const char *all, const char *part)
{
    struct my_gtid_set *other = my_gtid_set_new(flavor, NULL);
    fresh_set(flavor);
    check(my_gtid_set_parse(set, cdc_span_text(all), NULL) == 0, all);
    check(my_gtid_set_parse(other, cdc_span_text(part), NULL) == 0, part);
    bool result = my_gtid_set_includes(set, other);
    my_gtid_set_free(other);
    return result;
}

static bool reaches(enum my_flavor flavor, const char *all, const char *part)
{
    struct my_gtid_set *other = my_gtid_set_new(flavor, NULL);
    fresh_set(flavor);
    bool result = my_gtid_set_parse(set, cdc_span_text(all), NULL) == 0 &&
                  my_gtid_set_parse(other, cdc_span_text(part), NULL) == 0 && my_gtid_set_reaches(set, other);
    my_gtid_set_free(other);
    return result;
}

static void test_set_reaches(void)
{
    check(reaches(MY_FLAVOR_MARIADB, "0-1-8,1-1-3", "0-1-8"), "the very transaction");
    check(reaches(MY_FLAVOR_MARIADB, "0-2-9", "0-1-8"), "a later one, of whatever server");
    check(!reaches(MY_FLAVOR_MARIADB, "0-2-8", "0-1-8"), "one of its number, of another server");
    check(!reaches(MY_FLAVOR_MARIADB, "0-1-8", "0-1-8,1-1-3"), "not of every domain");
    check(reaches(MY_FLAVOR_MYSQL, A ":1-5", A ":2") && !reaches(MY_FLAVOR_MYSQL, A ":1-5", A ":6"), "MySQL's");
}

static void test_set_includes(void)
{
    static const struct {
        enum my_flavor flavor;
        bool includes;
        const char *all, *part;
    } cases[] = {
        {MY_FLAVOR_MYSQL, true, A ":1-5", A ":1-5"},
        {MY_FLAVOR_MYSQL, true, A ":1-5:8-10", A ":2:4-5:8-9"},
        {MY_FLAVOR_MYSQL, true, A ":1-5," B ":1", B ":1"},
        {MY_FLAVOR_MYSQL, true, A ":1-5", ""},
        {MY_FLAVOR_MYSQL, true, "", ""},
        {MY_FLAVOR_MYSQL, false, "", A ":1"},
        {MY_FLAVOR_MYSQL, false, A ":1-5", A ":1-6"},
        {MY_FLAVOR_MYSQL, false, A ":1-5:8-10", A ":4-8"},
        {MY_FLAVOR_MYSQL, false, A ":1-5:8-10", A ":1-5:7-10"},
        {MY_FLAVOR_MYSQL, false, A ":1-5", A ":1-5," B ":1"},
        {MY_FLAVOR_MYSQL, false, A ":1-5", A ":t:1-5"},
        {MY_FLAVOR_MYSQL, false, A ":t:1-5", A ":1-5"},
        {MY_FLAVOR_MYSQL, false, B ":1-5", A ":1-5"},
        {MY_FLAVOR_MARIADB, true, "0-1-5,7-1-3", "0-1-5,7-1-3"},
        {MY_FLAVOR_MARIADB, true, "0-1-5,7-1-3", "0-2-4"},
        {MY_FLAVOR_MARIADB, true, "0-1-5", ""},
        {MY_FLAVOR_MARIADB, false, "0-1-5,7-1-3", "0-1-6,7-1-3"},
        {MY_FLAVOR_MARIADB, false, "0-1-5", "0-1-5,7-1-3"},
        {MY_FLAVOR_MARIADB, false, "", "0-1-1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(includes(cases[i].flavor, cases[i].all, cases[i].part) == cases[i].includes, cases[i].part);
}

static int set_body(struct cdc_bytes cursor, struct cdc_error *error)
{
    return my_gtid_set_decode(set, cursor, error);
}

static void test_set_binary(void)
{
    fresh_set(MY_FLAVOR_MYSQL);
    vector("0102000000000001fb7d3384e58f11f19fe002fc0000000100010000000000000001000000000000000e00000000000000"
           "fb7d3384e58f11f19fe002fc0000000106636463010000000000000001000000000000000200000000000000cd1fa366");
    check(my_gtid_set_decode(set, whole(), NULL) == 0, "PREVIOUS_GTIDS with a tag");
    check_text("its text", set_text(), B ":1-13:cdc:1");
    struct cdc_buf again = CDC_BUF_INIT;
    my_gtid_set_encode(&again, set);
    check(cdc_span_equal(text_of(&again), text_of(&body)), "the same bytes again");
    cdc_buf_free(&again);
    check_truncated("truncated", set_body, NULL, 0);
    check_event_truncated(MY_EVENT_PREVIOUS_GTIDS);
    put(0, 1);
    check(set_body(whole(), NULL) < 0 && my_gtid_set_is_empty(set), "something after it");
    my_gtid_set_parse(set, cdc_span_text(A ":1-5:7," B ":9"), NULL);
    start();
    my_gtid_set_encode(&body, set);
    check(body.len == 8 + 24 + 32 + 24 + 16, "the form without tags");
    check_truncated("truncated", set_body, NULL, 0);
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
    fresh_set(MY_FLAVOR_MARIADB);
    my_gtid_set_parse(set, cdc_span_text("0-1-5,7-2-9"), NULL);
    start();
    my_gtid_set_encode(&body, set);
    check_truncated("GTID_LIST, truncated", set_body, NULL, 0);
    check_event_truncated(MY_EVENT_MARIADB_GTID_LIST);
}

int main(void)
{
    test_gtid_mysql();
    test_gtid_tagged();
    test_gtid_mariadb();
    test_xa();
    test_set_text();
    test_set_add();
    test_set_random();
    test_set_mariadb();
    test_set_reaches();
    test_set_includes();
    test_set_binary();
    my_gtid_set_free(set);
    return finish();
}
