/* SPDX-License-Identifier: MIT */
/* pgoutput messages, built byte by byte, as lines. */
#include "connectors/postgres/pgoutput/internal.h"
#include "connectors/postgres/pgoutput/live.h"
#include "connectors/postgres/pgoutput/pgoutput.h"
#include "tests/unit/no-memory.h"

#include <cdc/event.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void check(bool good, const char *what, const char *got, const char *want)
{
    if (good) {
        printf("ok - %s\n", what);
        return;
    }
    failures++;
    printf("not ok - %s\n#  got %s\n# want %s\n", what, got, want);
}

/* -- messages -- */

static struct cdc_buf message;

static void put(uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        cdc_buf_byte(&message, (char)(value >> (8 * i)));
}

static void start(char tag)
{
    message.len = 0;
    cdc_buf_byte(&message, tag);
}

static void put_string(const char *text)
{
    cdc_buf_append(&message, text, strlen(text) + 1);
}

#define FINAL UINT64_C(0x1994768)
#define END UINT64_C(0x1994798)
#define TS INT64_C(700000000123456) /* 1646684800123 ms since 1970 */

static void begin_message(uint64_t final_lsn)
{
    start('B');
    put(final_lsn, 8);
    put((uint64_t)TS, 8);
    put(742, 4);
}

static void commit_message(uint64_t final_lsn, uint64_t end_lsn)
{
    start('C');
    put(0, 1);
    put(final_lsn, 8);
    put(end_lsn, 8);
    put((uint64_t)TS, 8);
}

/* columns: "id*:23,name:25": * marks the identity. */
static void relation_message(uint32_t oid, const char *schema, const char *name, char identity, const char *columns)
{
    char text[256];
    int n = columns[0] != '\0';
    for (const char *p = columns; *p; p++)
        n += *p == ',';
    start('R');
    put(oid, 4);
    put_string(schema);
    put_string(name);
    put((uint64_t)identity, 1);
    put((uint64_t)n, 2);
    snprintf(text, sizeof text, "%s", columns);
    for (char *save, *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        char *colon = strchr(p, ':');
        bool key = colon[-1] == '*';
        colon[key ? -1 : 0] = '\0';
        put(key, 1);
        put_string(p);
        put(strtoul(colon + 1, NULL, 10), 4);
        put(UINT32_MAX, 4);
    }
}

/* values: "t1|n|u|thello" */
static void put_tuple(const char *values)
{
    char text[512];
    int n = 1;
    for (const char *p = values; *p; p++)
        n += *p == '|';
    put((uint64_t)n, 2);
    snprintf(text, sizeof text, "%s", values);
    for (char *save, *p = strtok_r(text, "|", &save); p; p = strtok_r(NULL, "|", &save)) {
        put((uint64_t)*p, 1);
        if (*p != 't')
            continue;
        put(strlen(p + 1), 4);
        cdc_buf_append(&message, p + 1, strlen(p + 1));
    }
}

static void change_message(char tag, uint32_t oid, char old_kind, const char *old_values, const char *new_values)
{
    start(tag);
    put(oid, 4);
    if (old_kind) {
        put((uint64_t)old_kind, 1);
        put_tuple(old_values);
    }
    if (new_values) {
        put('N', 1);
        put_tuple(new_values);
    }
}

/* -- decoding -- */

static struct pgoutput *decoder;
static struct cdc_buf lines;

static void fresh(const char *exclude)
{
    static const char *list[1];
    struct pgoutput_settings settings = {.pipeline = "shop", .database = "d"};
    struct cdc_error error = {0};
    list[0] = exclude;
    settings.selection.exclude = (struct cdc_option_list){list, exclude != NULL};
    pgoutput_free(decoder);
    decoder = pgoutput_new(&settings, &error);
    if (!decoder)
        exit(1);
    lines.len = 0;
}

/* The message in a buffer of exactly its length: a sanitizer sees a read beyond it. */
static int feed(struct cdc_error *error)
{
    char *copy = malloc(message.len ? message.len : 1);
    if (!copy)
        exit(1);
    memcpy(copy, message.data, message.len);
    int result = pgoutput_decode(decoder, copy, message.len, &lines, error);
    free(copy);
    return result;
}

static void must_feed(void)
{
    struct cdc_error error = {0};
    if (feed(&error) < 0)
        check(false, "message is taken", error.text, "");
}

static void expect(const char *what, const char *want)
{
    cdc_buf_byte(&lines, '\0');
    check(strcmp(lines.data, want) == 0, what, lines.data, want);
    lines.len = 0;
}

static void expect_refusal(const char *what, int status)
{
    struct cdc_error error = {0};
    size_t before = lines.len;
    int result = feed(&error);
    check(result < 0 && error.status == status && lines.len == before, what, error.text, "an error, and no line");
}

static void expect_error(const char *what)
{
    expect_refusal(what, CDC_EXIT_PROTOCOL);
}

static void begin_with(uint32_t oid, char identity, const char *columns)
{
    begin_message(FINAL);
    must_feed();
    relation_message(oid, "public", "t", identity, columns);
    must_feed();
}

#define NUMBERS "\",\"seq\":26822504,\"ts_ms\":1646684800123,\"source\":"
#define SOURCE_DB "{\"connector\":\"postgresql\",\"name\":\"shop\",\"db\":\"d\""
#define SOURCE_T                                                                                                       \
    SOURCE_DB ",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":1646684800123,\"txId\":742,\"lsn\":26822504,"          \
              "\"snapshot\":\"false\"}"
#define HEAD(op, ordinal) "{\"op\":\"" op "\",\"pos\":\"0000000001994768.00000000" ordinal ".1" NUMBERS SOURCE_T
#define COMMIT(n)                                                                                                      \
    "{\"op\":\"commit\",\"pos\":\"0000000001994768.FFFFFFFFFF.0000000001994798" NUMBERS SOURCE_DB                      \
    ",\"ts_ms\":1646684800123,\"txId\":742,\"lsn\":26822552,\"snapshot\":\"false\"},\"events\":" n "}\n"

/* Drops the schema lines, which a test of their own looks at. */
static void drop_schema_lines(void)
{
    size_t to = 0;
    for (size_t at = 0; at < lines.len;) {
        char *lf = memchr(lines.data + at, '\n', lines.len - at);
        size_t n = (size_t)(lf - (lines.data + at)) + 1;
        if (strncmp(lines.data + at, "{\"op\":\"schema\"", 14) != 0) {
            memmove(lines.data + to, lines.data + at, n);
            to += n;
        }
        at += n;
    }
    lines.len = to;
}

static void expect_changes(const char *what, const char *want)
{
    drop_schema_lines();
    expect(what, want);
}

static void test_insert(void)
{
    fresh(NULL);
    begin_with(1, 'd', "id*:23,v:25");
    change_message('I', 1, 0, NULL, "t1|thello");
    must_feed();
    expect("schema line before the first row",
           "{\"op\":\"schema\",\"pos\":\"0000000001994768.0000000001.0\",\"seq\":26822504,\"ts_ms\":1646684800123,"
           "\"source\":" SOURCE_DB ",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":1646684800123,\"lsn\":26822504,"
           "\"snapshot\":\"false\"},\"columns\":["
           "{\"name\":\"id\",\"type\":\"23\",\"nullable\":false,\"generated\":false},"
           "{\"name\":\"v\",\"type\":\"25\",\"nullable\":true,\"generated\":false}],\"key_columns\":[\"id\"]}\n" HEAD(
               "c", "01") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"v\":\"hello\"}}\n");
    check(pgoutput_in_transaction(decoder) && !pgoutput_boundary(decoder), "no boundary inside a transaction", "", "");
    change_message('I', 1, 0, NULL, "t2|n");
    must_feed();
    expect("no second schema line",
           HEAD("c", "02") ",\"key\":{\"id\":2},\"before\":null,\"after\":{\"id\":2,\"v\":null}}\n");
    commit_message(FINAL, END);
    must_feed();
    expect("commit", COMMIT("2"));
    const struct cdc_offset *boundary = pgoutput_boundary(decoder);
    check(boundary && strcmp(boundary->pos, "0000000001994768.FFFFFFFFFF.0000000001994798") == 0 &&
              boundary->seq == 26822504 && boundary->lines == 2 && strstr(boundary->source, "\"lsn\":26822552"),
          "the boundary is the commit", boundary ? boundary->pos : "none", "");
    check(!pgoutput_in_transaction(decoder), "the transaction is closed", "", "");
}

static void test_relation_again(void)
{
    fresh(NULL);
    begin_with(1, 'd', "id*:23");
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    lines.len = 0;
    relation_message(1, "public", "t", 'd', "id*:23");
    must_feed();
    change_message('I', 1, 0, NULL, "t2");
    must_feed();
    check(!memmem(lines.data, lines.len, "schema\",\"pos", 12), "a Relation merely sent again makes no schema line", "",
          "");
    relation_message(1, "public", "t", 'd', "id*:23,added:16");
    must_feed();
    lines.len = 0;
    change_message('I', 1, 0, NULL, "t3|tt");
    must_feed();
    check(lines.len > 14 && memcmp(lines.data, "{\"op\":\"schema\"", 14) == 0 &&
              memmem(lines.data, lines.len, "\"added\":true", 12),
          "a changed one does, inside a transaction too", "", "");
    pgoutput_reset(decoder);
    check(!pgoutput_in_transaction(decoder), "reset forgets the transaction", "", "");
    begin_message(FINAL);
    must_feed();
    change_message('I', 1, 0, NULL, "t1");
    expect_error("reset forgets relations");
}

static void test_update(void)
{
    fresh(NULL);
    begin_with(1, 'd', "id*:23,v:25,big:25");
    change_message('U', 1, 0, NULL, "t1|tx|tb");
    must_feed();
    expect_changes(
        "update without an old row",
        HEAD("u", "01") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"v\":\"x\",\"big\":\"b\"}}\n");
    change_message('U', 1, 0, NULL, "t1|n|u");
    must_feed();
    expect_changes(
        "unchanged TOAST is omitted and named",
        HEAD("u",
             "02") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"v\":null},\"unchanged\":[\"big\"]}\n");
    change_message('U', 1, 'K', "t1|n|n", "t10|tx2|u");
    must_feed();
    expect_changes("key change: the old key only, no NULLs that are none",
                   HEAD("u", "03") ",\"key\":{\"id\":10},\"before\":{\"id\":1},\"after\":{\"id\":10,\"v\":\"x2\"},"
                                   "\"unchanged\":[\"big\"]}\n");
    change_message('U', 1, 'K', "tlong|n|n", "u|tx2|tb");
    must_feed();
    expect_changes("a toasted key that did not change comes from the old row",
                   HEAD("u", "04") ",\"key\":{\"id\":\"long\"},\"before\":null,\"after\":{\"id\":\"long\",\"v\":\"x2\","
                                   "\"big\":\"b\"}}\n");
    change_message('U', 1, 0, NULL, "u|tx2|tb");
    expect_error("a key that nobody tells is an error");
}

static void test_full(void)
{
    fresh(NULL);
    begin_with(1, 'f', "id*:23,big*:25");
    change_message('U', 1, 'O', "t1|tbig", "t2|u");
    must_feed();
    expect_changes("FULL: unchanged TOAST comes from the old row; no primary key, no key",
                   HEAD("u", "01") ",\"before\":{\"id\":1,\"big\":\"big\"},\"after\":{\"id\":2,\"big\":\"big\"}}\n");
    change_message('D', 1, 'O', "t1|n", NULL);
    must_feed();
    expect_changes("FULL: delete", HEAD("d", "02") ",\"before\":{\"id\":1,\"big\":null},\"after\":null}\n");
    change_message('U', 1, 'O', "t1|n", "t2|u");
    expect_refusal("FULL: an old row that cannot be whole, and no key", CDC_EXIT_CONFIG);
    change_message('U', 1, 0, NULL, "t2|u");
    expect_refusal("FULL: no old row, and no key", CDC_EXIT_CONFIG);
}

static void test_delete(void)
{
    fresh(NULL);
    begin_with(1, 'i', "id:23,a*:23,b*:25,v:25");
    change_message('D', 1, 'K', "n|t5|tx|n", NULL);
    must_feed();
    expect_changes("delete by an index",
                   HEAD("d", "01") ",\"key\":{\"a\":5,\"b\":\"x\"},\"before\":{\"a\":5,\"b\":\"x\"},\"after\":null}\n");
    begin_message(FINAL);
    expect_error("a transaction inside another");
    start('A');
    put(1, 4);
    put(1, 4);
    expect_error("a rollback inside a transaction");
    change_message('D', 1, 0, NULL, "t1|t5|tx|n");
    expect_error("a delete without an old row");
    change_message('D', 1, 'K', "n|t5|tx", NULL);
    expect_error("a row of too few columns");
    change_message('D', 2, 'K', "n|t5|tx|n", NULL);
    expect_error("an unknown table");
    change_message('I', 1, 0, NULL, "t1|t5|tx|b");
    expect_error("an unknown kind of value");
}

static void test_excluded(void)
{
    fresh("public.t");
    begin_with(1, 'd', "id*:23");
    relation_message(2, "other", "t", 'd', "id*:23");
    must_feed();
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    change_message('I', 2, 0, NULL, "t1");
    must_feed();
    check(memmem(lines.data, lines.len, "0000000001994768.0000000002.1", 29) &&
              memmem(lines.data, lines.len, "\"other\"", 7),
          "excluded changes count in pos", "", "");
    lines.len = 0;
    commit_message(FINAL, END);
    must_feed();
    expect("but not in events", COMMIT("1"));
    begin_message(FINAL);
    must_feed();
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    commit_message(FINAL, END);
    must_feed();
    expect("a transaction with nothing in it still ends", COMMIT("0"));
}

static void test_truncate(void)
{
    fresh(NULL);
    begin_with(1, 'd', "id*:23");
    relation_message(2, "public", "t", 'd', "id*:23");
    must_feed();
    start('T');
    put(2, 4);
    put(1, 1);
    put(1, 4);
    put(2, 4);
    must_feed();
    expect_changes("truncate: a line for each table", HEAD("t", "01") "}\n" HEAD("t", "02") "}\n");
    start('T');
    put(UINT32_MAX, 4);
    put(0, 1);
    put(1, 4);
    expect_error("truncate with a false count");
}

static void logical_message(int flags, uint64_t lsn, const char *content, size_t n)
{
    start('M');
    put((uint64_t)flags, 1);
    put(lsn, 8);
    put_string("prefix");
    put(n, 4);
    cdc_buf_append(&message, content, n);
}

static void test_message(void)
{
    fresh(NULL);
    begin_message(FINAL);
    must_feed();
    logical_message(1, 5, "hi", 2);
    must_feed();
    expect("a transactional message", "{\"op\":\"m\",\"pos\":\"0000000001994768.0000000001.1" NUMBERS SOURCE_DB
                                      ",\"ts_ms\":1646684800123,\"txId\":742,\"lsn\":26822504,\"snapshot\":\"false\"},"
                                      "\"message\":{\"prefix\":\"prefix\",\"content\":\"hi\","
                                      "\"transactional\":true}}\n");
    commit_message(FINAL, END);
    must_feed();
    lines.len = 0;
    logical_message(0, END + 8, "\xff", 1);
    must_feed();
    const struct cdc_offset *boundary = pgoutput_boundary(decoder);
    check(memmem(lines.data, lines.len, "\"content\":{\"base64\":\"/w==\"},\"transactional\":false", 49) != NULL,
          "bytes in a message", "", "");
    check(strcmp(boundary->pos, "000000000199479F.FFFFFFFFFF.00000000019947A0") == 0,
          "a message alone ends where its record ends, its pos differs from that of a commit there", boundary->pos, "");
    logical_message(1, 5, "hi", 2);
    expect_error("a transactional message outside a transaction");
    logical_message(0, 5, "hi", 2);
    message.len--;
    expect_error("a message that is cut");
}

/* In the schema line that is among the lines. */
static void expect_type(const char *what, const char *column, const char *type)
{
    char want[100];
    snprintf(want, sizeof want, "\"name\":\"%s\",\"type\":\"%s\"", column, type);
    check(memmem(lines.data, lines.len, want, strlen(want)) != NULL, what, lines.data, want);
}

static void test_types(void)
{
    fresh(NULL);
    begin_message(FINAL);
    must_feed();
    start('Y');
    put(20001, 4);
    put_string("");
    put_string("int4");
    must_feed();
    start('Y');
    put(20002, 4);
    put_string("public");
    put_string("int4");
    must_feed();
    start('Y');
    put(20003, 4);
    put_string("My \"types\"");
    put_string("_mood");
    must_feed();
    relation_message(1, "public", "t", 'd', "id*:20001,e:20002,m:20003");
    must_feed();
    change_message('I', 1, 0, NULL, "t1|t2|t{}");
    must_feed();
    expect_type("a type by its schema and name", "e", "public.int4");
    expect_type("an array, and a name that needs quotes", "m", "\\\"My \\\"\\\"types\\\"\\\"\\\".mood[]");
    expect_changes("a domain is written like what it is made of, a type of that name elsewhere is not",
                   HEAD("c", "01") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"e\":\"2\",\"m\":[]}}\n");
}

static void test_heartbeat(void)
{
    fresh(NULL);
    pgoutput_heartbeat(decoder, END, &lines);
    check(memmem(lines.data, lines.len, "\"pos\":\"0000000001994798.0000000000.h00000001\",\"seq\":26822552", 59) !=
              NULL,
          "heartbeat", "", "");
    check(strcmp(pgoutput_boundary(decoder)->pos, "0000000001994798.0000000000.h00000001") == 0,
          "a heartbeat is a boundary", "", "");
}

static void test_malformed(void)
{
    fresh(NULL);
    message.len = 0;
    expect_error("an empty message");
    start('?');
    expect_error("an unknown message");
    start('S');
    put(1, 4);
    put(1, 1);
    expect_error("a message of the streaming protocol");
    /* But this one, which release 18 sends of a transaction of which nothing has come. */
    start('A');
    put(1, 4);
    put(2, 4);
    must_feed();
    start('A');
    put(1, 4);
    expect_error("a rollback that is cut");
    start('Y');
    put(20001, 4);
    put_string("public");
    put_string("mood");
    for (size_t n = message.len - 1; n > 0; n--) {
        message.len = n;
        expect_error("a Type that is cut");
    }
    start('Y');
    put(20001, 4);
    put_string("public");
    put_string("mood");
    put(0, 1);
    expect_error("a Type that is too long");
    change_message('I', 1, 0, NULL, "t1");
    expect_error("a change outside a transaction");
    commit_message(FINAL, END);
    expect_error("a commit without a transaction");
    begin_message(UINT64_C(1) << 63);
    expect_error("an LSN that does not fit into seq");
    begin_message(FINAL);
    put(0, 1);
    expect_error("a message that is too long");
    begin_message(FINAL);
    must_feed();
    commit_message(FINAL + 8, END);
    expect_error("a commit of another transaction");
    relation_message(1, "public", "t", 'd', "id*:23,v:25");
    size_t whole = message.len;
    for (message.len = 1; message.len < whole; message.len++) { /* cut at every byte */
        struct cdc_error error = {0};
        if (feed(&error) == 0)
            check(false, "a Relation that is cut", "taken", "an error");
    }
    must_feed();
    change_message('U', 1, 'K', "t1|n", "t2|thello");
    whole = message.len;
    for (message.len = 1; message.len < whole; message.len++) {
        struct cdc_error error = {0};
        if (feed(&error) == 0)
            check(false, "an Update that is cut", "taken", "an error");
    }
    check(lines.len == 0, "messages that are cut leave no line", "", "");
}

static int describe(void *context, struct pg_table *table, struct cdc_error *error)
{
    (void)error;
    ++*(int *)context;
    table->columns[1].nullable = false;
    table->columns[0].primary = table->key_facts.primary_is_immediate = true;
    return 0;
}

static void test_describe(void)
{
    int calls = 0;
    struct cdc_error error = {0};
    struct pgoutput_settings settings = {
        .pipeline = "shop", .database = "d", .describe = describe, .describe_context = &calls};
    pgoutput_free(decoder);
    decoder = pgoutput_new(&settings, &error);
    lines.len = 0;
    begin_with(1, 'f', "id*:23,v*:25");
    change_message('D', 1, 'O', "t1|tx", NULL);
    must_feed();
    check(calls == 1 && memmem(lines.data, lines.len, "\"key_columns\":[\"id\"]", 20) &&
              memmem(lines.data, lines.len, "\"25\",\"nullable\":false", 21),
          "the catalogs complete a relation, once", "", "");
    expect_changes("FULL with a primary key: that is the key",
                   HEAD("d", "01") ",\"key\":{\"id\":1},\"before\":{\"id\":1,\"v\":\"x\"},\"after\":null}\n");
}

static void test_many_tables(void)
{
    fresh(NULL);
    begin_message(FINAL);
    must_feed();
    for (uint32_t oid = 1; oid <= 1000; oid++) {
        relation_message(oid * 64, "public", "t", 'd', "id*:23");
        must_feed();
    }
    int found = 0;
    for (uint32_t oid = 1; oid <= 1000; oid++) {
        struct cdc_error error = {0};
        change_message('I', oid * 64, 0, NULL, "t1");
        found += feed(&error) == 0;
    }
    check(found == 1000 && pgoutput_counts_of(decoder)->changes == 1000 && pgoutput_counts_of(decoder)->lines == 2000,
          "a thousand tables", "", "");
}

/* What a server describes without end is forgotten between transactions, and refused inside one. */
/* The first lines of a transaction, and the connection breaks. */
static void break_inside(void)
{
    fresh(NULL);
    begin_with(1, 'd', "id*:23");
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    pgoutput_reset(decoder);
}

static void expect_gone(const char *what, int result, const struct cdc_error *error)
{
    check(result < 0 && error->status == CDC_EXIT_IO, what, error->text, "an input or output error");
}

static void test_torn(void)
{
    struct cdc_error error = {0};
    break_inside();
    check(pgoutput_reached(decoder, FINAL, &error) == 0, "the server has not come to it yet", error.text, "");
    begin_message(FINAL);
    must_feed();
    pgoutput_reset(decoder); /* before its first change */
    expect_gone("it began again, and was not there at a third time", pgoutput_reached(decoder, END, &error), &error);
    begin_message(FINAL);
    must_feed();
    commit_message(FINAL, END);
    must_feed();
    error = (struct cdc_error){0};
    check(pgoutput_reached(decoder, END, &error) == 0, "it came again, whole", error.text, "");

    static const uint64_t others[] = {FINAL - 0x100, FINAL + 0x100};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        break_inside();
        error = (struct cdc_error){0};
        begin_message(others[i]);
        expect_gone("another transaction in its place", feed(&error), &error);
    }
    break_inside();
    error = (struct cdc_error){0};
    logical_message(0, FINAL - 0x100, "x", 1);
    expect_gone("a message in its place", feed(&error), &error);

    fresh(NULL);
    begin_message(FINAL);
    must_feed();
    pgoutput_reset(decoder);
    begin_message(FINAL + 0x100);
    must_feed(); /* of the one before the reader has no line */
}

static void expect_lost(const char *what, int result, const struct cdc_error *error)
{
    check(result < 0 && error->status == CDC_EXIT_LOST, what, error->text, "a lost position");
}

/* A sink that is after the begin of the lines, at `until`, and its newest transaction there. */
static void fresh_beside(enum pg_last_kind kind, uint64_t begin, uint64_t until)
{
    struct cdc_error error = {0};
    const struct pg_last last = {kind, begin, begin + 0x30, INT64_C(1646684800123)};
    fresh(NULL);
    check(pgoutput_add_ahead(decoder, &last, FINAL - 0x1000, until, "one.offset", &error) == 0, "a sink", error.text,
          "");
}

static void test_ahead(void)
{
    struct cdc_error error = {0};
    fresh_beside(PG_LAST_COMMIT, FINAL, END);
    begin_message(FINAL - 0x100);
    must_feed(); /* it has this one as well */
    commit_message(FINAL - 0x100, FINAL - 0x80);
    must_feed();
    begin_message(FINAL);
    must_feed();
    commit_message(FINAL, END);
    must_feed();
    begin_message(END);
    must_feed();
    check(pgoutput_counts_of(decoder)->commits == 2, "what the sink has comes, and then the rest", "", "");

    fresh_beside(PG_LAST_COMMIT, FINAL, END);
    begin_message(END);
    expect_lost("its newest transaction did not come", feed(&error), &error);
    error = (struct cdc_error){0};
    fresh_beside(PG_LAST_COMMIT, FINAL, END);
    expect_lost("the log is past its newest transaction", pgoutput_reached(decoder, END, &error), &error);
    error = (struct cdc_error){0};
    fresh_beside(PG_LAST_COMMIT, FINAL - 0x800, END);
    begin_message(FINAL);
    expect_lost("a transaction after its newest one, before where it is", feed(&error), &error);
    error = (struct cdc_error){0};
    fresh_beside(PG_LAST_NONE, 0, END);
    begin_message(FINAL);
    expect_lost("a transaction before where it is, and it has none", feed(&error), &error);
    error = (struct cdc_error){0};
    fresh_beside(PG_LAST_COMMIT, FINAL - 0x2000, END);
    check(pgoutput_reached(decoder, END, &error) == 0, "its newest one is before the begin", error.text, "");
    fresh_beside(PG_LAST_UNKNOWN, 0, END);
    begin_message(FINAL);
    must_feed();
    fresh_beside(PG_LAST_COMMIT, FINAL, END);
    pgoutput_reset(decoder);
    begin_message(END);
    must_feed(); /* another connection, that has other sinks */
}

/* Of FINAL's id: a snapshot that has seen it end, and whose position is at `at`. */
static int begin_seen(const char *at, const char *xids, struct cdc_error *error)
{
    char json[96];
    fresh(NULL);
    snprintf(json, sizeof json, "{\"lsn\":\"%s\",\"xids\":\"%s\"}", at, xids);
    *error = (struct cdc_error){0};
    check(pgoutput_set_visible(decoder, cdc_span_text(json), error) == 0, "read_at", error->text, "");
    begin_message(FINAL);
    return feed(error);
}

static void test_visible_of_another_log(void)
{
    struct cdc_error error;
    check(begin_seen("0/1994769", "900:900:", &error) == 0, "seen, and before the position", error.text, "");
    expect_lost("seen, and not before the position", begin_seen("0/1994768", "900:900:", &error), &error);
    check(begin_seen("0/1994768", "700:900:742", &error) == 0, "it was running", error.text, "");
    check(begin_seen("0/1994768", "700:700:", &error) == 0, "it came later", error.text, "");
}

/* -- tables that were read again -- */

#define HEAD_U                                                                                                         \
    "{\"op\":\"c\",\"pos\":\"0000000001994768.0000000002.1" NUMBERS SOURCE_DB                                          \
    ",\"schema\":\"public\",\"table\":\"u\",\"ts_ms\":1646684800123,\"txId\":742,\"lsn\":26822504,"                    \
    "\"snapshot\":\"false\"}"
#define OF_T HEAD("c", "01") ",\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1}}\n"
#define OF_U HEAD_U ",\"key\":{\"id\":2},\"before\":null,\"after\":{\"id\":2}}\n"

/* A transaction at FINAL with a row of t and one of u, where t was read again at `at`, and what was read has seen xids up to lsn. */
static void with_round(const char *what, const char *at, const char *lsn, const char *xids, const char *want)
{
    char state[256];
    struct cdc_rounds rounds = {.items = NULL};
    struct cdc_error error = {0};
    snprintf(
        state, sizeof state,
        "{\"again\":[{\"at\":\"%s\",\"tables\":[{\"db\":\"d\",\"schema\":\"public\",\"table\":\"t\"}],\"origin\":1,"
        "\"attempt\":1,\"read_at\":{\"lsn\":\"%s\",\"xids\":\"%s\"},\"finished\":true}]}",
        at, lsn, xids);
    fresh(NULL);
    check(cdc_rounds_read(&rounds, cdc_span_text(state), &error) == 0 &&
              pgoutput_set_rounds(decoder, &rounds, 1, &error) == 0,
          "a round", error.text, "");
    begin_with(1, 'd', "id*:23");
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    relation_message(2, "public", "u", 'd', "id*:23");
    must_feed();
    change_message('I', 2, 0, NULL, "t2");
    must_feed();
    expect_changes(what, want);
    pgoutput_set_rounds(decoder, NULL, 0, &error);
    cdc_rounds_clear(&rounds);
}

static void test_rounds(void)
{
    with_round("a round: what it has seen of its table is omitted", "0000000001994768.0000000000.h00000000",
               "0/1994769", "900:900:", OF_U);
    with_round("a round: one that ran then comes whole", "0000000001994768.0000000000.h00000000", "0/1994769",
               "700:900:742", OF_T OF_U);
    with_round("a round: what lies before it comes whole", "0000000001994769.0000000000.h00000000", "0/1994770",
               "900:900:", OF_T OF_U);
    with_round("a round: after what it has seen all comes", "0000000001994760.0000000000.h00000000", "0/1994768",
               "700:700:", OF_T OF_U);
    fresh(NULL);
    begin_with(1, 'd', "id*:23");
    pgoutput_set_stale(decoder, "public", "t");
    change_message('I', 1, 0, NULL, "t1");
    must_feed();
    expect_changes("a table that is to be read again: nothing of it", "");
    uint32_t xid = 0;
    check(pgoutput_transaction(decoder, &xid) == FINAL && xid != 0, "the open transaction", "", "");
}

/* Rows up to 7 are done, those up to 19 read, and none after that. */
static struct pg_live pieces_of(const char *xids)
{
    struct pg_live live = {.schema = "public", .name = "t", .column = {"id"}, .n_key = 1};
    struct pg_visible visible = {.json = NULL};
    struct cdc_error error = {0};
    char json[96];
    const struct pg_live_key seven = {.words = {UINT64_C(7) ^ (UINT64_C(1) << 63)}},
                             nineteen = {.words = {UINT64_C(19) ^ (UINT64_C(1) << 63)}};
    snprintf(json, sizeof json, "{\"lsn\":\"0/1994770\",\"xids\":\"%s\"}", xids);
    pg_live_take_piece(&live, &seven, &visible);
    check(pg_live_passed(&live, 1), "a piece that has seen nothing is passed at once", "", "");
    check(pg_visible_parse(&visible, cdc_span_text(json), &error) == 0, "what the next one sees", error.text, "");
    pg_live_take_piece(&live, &nineteen, &visible);
    check(!pg_live_passed(&live, FINAL), "the log is not there yet", "", "");
    return live;
}

/* `c {"id":7}` of each change that came. */
static void expect_keys(const char *what, const char *want)
{
    struct cdc_buf found = CDC_BUF_INIT;
    struct cdc_error error = {0};
    struct cdc_event event;
    drop_schema_lines();
    for (size_t at = 0; at < lines.len;) {
        size_t n = (size_t)((char *)memchr(lines.data + at, '\n', lines.len - at) - (lines.data + at));
        if (cdc_event_parse(&event, lines.data + at, n, &error) == 0) {
            cdc_buf_span(&found, event.op_text);
            cdc_buf_byte(&found, ' ');
            cdc_buf_span(&found, event.key);
        }
        at += n + 1;
    }
    cdc_buf_byte(&found, '\0');
    check(strcmp(found.data, want) == 0, what, found.data, want);
    cdc_buf_free(&found);
    lines.len = 0;
}

/* A change of table t, in a transaction that the piece has seen (xids 743:743:) or not (700:743:742). */
static void with_pieces(const char *what, const char *xids, char tag, char old_kind, const char *old_values,
                        const char *new_values, const char *want)
{
    struct pg_live live = pieces_of(xids);
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    change_message(tag, 16384, old_kind, old_values, new_values);
    must_feed();
    expect_keys(what, want);
    check(live.n_xids == 1 && live.xids[0] == 742, "its transaction is known", "", "");
    pg_live_clear(&live);
}

/* Tables beside it, of which one has its name and the other its schema: all of them comes. */
static void test_beside_pieces(void)
{
    struct pg_live live = pieces_of("743:743:");
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    relation_message(2, "public", "u", 'd', "id*:23");
    must_feed();
    relation_message(3, "other", "t", 'd', "id*:23");
    must_feed();
    for (uint32_t oid = 2; oid <= 3; oid++) {
        change_message('I', oid, 0, NULL, oid == 2 ? "t20" : "t8");
        must_feed();
    }
    expect_keys("tables beside the one that is read", "c {\"id\":20}c {\"id\":8}");
    check(live.n_xids == 0 && !live.broken, "which the read does not see", "", "");
    pgoutput_set_live(decoder, NULL, NULL);
    pg_live_clear(&live);
}

#define SEEN "743:743:"
#define UNSEEN "700:743:742"
static void test_pieces(void)
{
    with_pieces("a row that is done: it comes, though it was seen", SEEN, 'I', 0, NULL, "t7|tx", "c {\"id\":7}");
    with_pieces("a row that is read, and seen", SEEN, 'I', 0, NULL, "t8|tx", "");
    with_pieces("the last one that is read, and not seen", UNSEEN, 'I', 0, NULL, "t19|tx", "c {\"id\":19}");
    with_pieces("a row that is not read yet", UNSEEN, 'I', 0, NULL, "t20|tx", "");
    with_pieces("a negative key is before it", SEEN, 'U', 0, NULL, "t-5|tx", "u {\"id\":-5}");
    with_pieces("an update of one that is read and seen", SEEN, 'U', 0, NULL, "t19|u", "");
    with_pieces("of one that is not seen", UNSEEN, 'U', 0, NULL, "t19|u", "u {\"id\":19}");
    with_pieces("a delete of one that is read and seen", SEEN, 'D', 'K', "t9|n", NULL, "");
    with_pieces("of one that is done", SEEN, 'D', 'K', "t1|n", NULL, "d {\"id\":1}");
    with_pieces("a move from done to done", SEEN, 'U', 'K', "t1|n", "t2|u", "u {\"id\":2}");
    with_pieces("a move out of what is done into what shows it", SEEN, 'U', 'K', "t1|n", "t9|u", "d {\"id\":1}");
    with_pieces("a move to where nothing is read yet", UNSEEN, 'U', 'K', "t9|n", "t99|u", "d {\"id\":9}");
    with_pieces("a move from there: the whole row", UNSEEN, 'U', 'K', "t99|n", "t9|tx", "c {\"id\":9}");
    with_pieces("a move within what is not read yet", UNSEEN, 'U', 'K', "t98|n", "t99|tx", "");
}

/* A server that has an order of its own: the lower number is the greater one. It answers so many times. */
static size_t answers;
static bool backwards(void *context, const struct pg_live_key *a, const struct pg_live_key *b, int *order)
{
    (void)context;
    *order = atoi(b->text.data) - atoi(a->text.data);
    return answers > 0 && answers-- > 0;
}

static void with_asked(const char *what, const char *values, size_t asks, const char *want, bool breaks)
{
    struct pg_live live = {.schema = "public", .name = "t", .column = {"id"}, .n_key = 1, .order = backwards};
    struct pg_visible visible = {.json = NULL};
    struct pg_live_key seven = {.text = CDC_BUF_INIT};
    cdc_buf_append(&seven.text, "7", 2);
    pg_live_take_piece(&live, &seven, &visible);
    pg_live_passed(&live, 1);
    pg_live_key_free(&seven);
    answers = asks;
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    change_message('I', 16384, 0, NULL, values);
    must_feed();
    expect_keys(what, want);
    check(!live.broken == !breaks && answers == 0, what, live.broken ? live.broken : "", "and no more questions");
    pg_live_clear(&live);
}
static void test_asked(void)
{
    with_asked("the server says that it comes first", "t8|tx", 1, "c {\"id\":8}", false);
    with_asked("and that it comes later: for what is done, and for what is read", "t6|tx", 2, "", false);
    with_asked("the same bytes are not asked for", "t7|tx", 0, "c {\"id\":7}", false);
    with_asked("a server that does not say: it begins anew", "t8|tx", 0, "", true);
}

/* A table in one piece; of another key than it was described with. */
static void with_whole(const char *what, const char *xids, bool whole, char tag, const char *values, const char *want)
{
    struct pg_live live = {.schema = "public", .name = "t", .column = {"other"}, .n_key = 1, .whole = whole};
    struct pg_visible visible = {.json = NULL};
    struct cdc_error error = {0};
    const struct pg_live_key seven = {.words = {UINT64_C(7) ^ (UINT64_C(1) << 63)}};
    char json[96];
    snprintf(json, sizeof json, "{\"lsn\":\"0/1994770\",\"xids\":\"%s\"}", xids);
    check(pg_visible_parse(&visible, cdc_span_text(json), &error) == 0, "what it sees", error.text, "");
    pg_live_take_piece(&live, whole ? NULL : &seven, &visible);
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    change_message(tag, 16384, tag == 'D' ? 'K' : 0, tag == 'D' ? values : NULL, tag == 'D' ? NULL : values);
    must_feed();
    expect_keys(what, want);
    check(!live.broken, what, live.broken ? live.broken : "", "goes on");
    pg_live_clear(&live);
}
static void test_whole(void)
{
    with_whole("in one piece, and not seen: whatever the key", UNSEEN, true, 'I', "t99|tx", "c {\"id\":99}");
    with_whole("and seen", SEEN, true, 'I', "t99|tx", "");
    with_whole("an update without large values, not seen", UNSEEN, true, 'U', "t99|u", "u {\"id\":99}");
    with_whole("and seen", SEEN, true, 'U', "t99|u", "");
    with_whole("a delete, not seen", UNSEEN, true, 'D', "t9|n", "d {\"id\":9}");
    with_whole("and seen", SEEN, true, 'D', "t9|n", "");
    with_whole("the first piece has seen a change of a form without its key", SEEN, false, 'I', "t3|tx", "");
}

/* What cannot be told ends the read, and nothing of the table comes until it begins anew. */
static void test_broken_pieces(void)
{
    struct pg_live live = pieces_of(UNSEEN);
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    change_message('U', 16384, 'K', "t99|n", "t9|u");
    must_feed();
    check(live.broken != NULL, "a move whose columns are not all in the log", "goes on", "ends the read");
    change_message('I', 16384, 0, NULL, "t3|tx");
    must_feed();
    expect_keys("and nothing comes after it", "");
    pg_live_clear(&live);
    live = pieces_of(UNSEEN);
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', "id*:23,v:25");
    start('T');
    put(1, 4);
    put(0, 1);
    put(16384, 4);
    must_feed();
    expect_keys("a truncate", "");
    check(live.broken != NULL, "ends it, too", "goes on", "ends the read");
    const struct pg_visible before = {.json = NULL, .xmin = 742, .xmax = 742},
                            after = {.json = NULL, .xmin = 743, .xmax = 743};
    check(!pg_live_is_whole(&live, &before), "a snapshot that has not seen what the log has brought", "", "");
    check(pg_live_is_whole(&live, &after) && live.n_xids == 0, "and one that has", "", "");
    pgoutput_set_live(decoder, NULL, NULL);
    pg_live_clear(&live);
}

/* The order of two rows' keys, by the piece that ends at the first one: does the other one come? 1, 0; -1: it has another key. */
static int is_done(const char *columns, bool uuid_first, const char *last, const char *row)
{
    struct pg_live live = {.schema = "public", .name = "t", .column = {"a", "b"}, .is_uuid = {uuid_first}, .n_key = 2};
    struct pg_live_key key = {.text = CDC_BUF_INIT};
    struct pg_visible visible = {.json = NULL};
    struct cdc_error error = {0};
    fresh(NULL);
    pgoutput_set_live(decoder, &live, NULL);
    begin_with(16384, 'd', columns);
    const struct pg_table *table = pg_relations_find(&decoder->relations, 16384, &error);
    const char *second = strchr(last, '|') + 1;
    const struct pg_cell cells[2] = {{.p = last + 1, .n = (uint32_t)(second - last - 2), .kind = 't'},
                                     {.p = second + 1, .n = (uint32_t)strlen(second + 1), .kind = 't'}};
    bool good = table && pg_live_key_of(&live, table, cells, &key);
    pg_live_take_piece(&live, &key, &visible);
    pg_live_passed(&live, 1);
    lines.len = 0;
    change_message('I', 16384, 0, NULL, row);
    must_feed();
    drop_schema_lines();
    int result = !good || live.broken ? -1 : lines.len > 0;
    pgoutput_set_live(decoder, NULL, NULL);
    pg_live_key_free(&key);
    pg_live_clear(&live);
    return result;
}

#define UUID_OF(first, last) "t" first "1e4a3c2-0000-4000-8000-00000000000" last
static void test_keys(void)
{
    static const struct {
        const char *what;
        bool uuid;
        const char *last, *row;
        int done;
    } cases[] = {
        {"the first column decides", false, "t5|t5", "t4|t9", 1},
        {"whatever the second one", false, "t5|t5", "t6|t1", 0},
        {"then the second one", false, "t5|t5", "t5|t5", 1},
        {"which is greater", false, "t5|t5", "t5|t6", 0},
        {"the least number", false, "t-9223372036854775808|t1", "t-9223372036854775807|t0", 0},
        {"and the greatest", false, "t9223372036854775807|t1", "t9223372036854775806|t2", 1},
        {"a sign counts", false, "t-1|t1", "t0|t0", 0},
        {"a lesser uuid, by its first digit", true, UUID_OF("8", "1") "|t1", UUID_OF("7", "f") "|t2", 1},
        {"a greater one", true, UUID_OF("9", "f") "|t1", UUID_OF("a", "0") "|t0", 0},
        {"by its last digit", true, UUID_OF("8", "9") "|t1", UUID_OF("8", "a") "|t0", 0},
        {"digit by digit", true, "t10e4a3c2-0000-4000-8000-000000000001|t1", "t0fe4a3c2-0000-4000-8000-000000000001|t2",
         1},
        {"the same one", true, UUID_OF("8", "a") "|t1", UUID_OF("8", "a") "|t2", 0},
        {"not a number", false, "t1|t1", "t1x|t1", -1},
        {"nothing", false, "t1|t1", "t|t1", -1},
        {"a sign alone", false, "t1|t1", "t-|t1", -1},
        {"too many digits", false, "t1|t1", "t123456789012345678901|t1", -1},
        {"a uuid that lacks a digit", true, UUID_OF("8", "a") "|t1", "t81e4a3c2-0000-4000-8000-00000000000|t1", -1},
        {"one that has too many", true, UUID_OF("8", "a") "|t1", UUID_OF("8", "a") "0|t1", -1},
        {"one of other letters", true, UUID_OF("8", "a") "|t1", UUID_OF("g", "a") "|t1", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int done = is_done(cases[i].uuid ? "a*:2950,b*:23" : "a*:20,b*:23", cases[i].uuid, cases[i].last, cases[i].row);
        check(done == cases[i].done, cases[i].what, done < 0 ? "another key" : done ? "comes" : "waits", "");
    }
}

#define PIECE(op, number) "{\"op\":\"" op "\",\"pos\":\"0000000001994770.0000000000.r0003.00000000000" number
#define PIECE_T                                                                                                        \
    "\",\"seq\":26822512,\"ts_ms\":1234,\"source\":" SOURCE_DB                                                         \
    ",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":1234,\"lsn\":26822512,\"snapshot\":\"true\"}"
#define PIECE_SCHEMA                                                                                                   \
    PIECE_T ",\"columns\":[{\"name\":\"id\",\"type\":\"23\",\"nullable\":false,\"generated\":false},{\"name\":\"j\","  \
            "\"type\":\"3802\",\"nullable\":true,\"generated\":false}],\"key_columns\":[\"id\"]"

static void test_piece_lines(void)
{
    uint64_t number = 0;
    struct cdc_error error = {0};
    fresh(NULL);
    begin_with(16384, 'd', "id*:23,j:3802");
    struct pg_live_lines piece = {.decoder = decoder,
                                  .table = pg_relations_find(&decoder->relations, 16384, &error),
                                  .lsn = FINAL + 8,
                                  .since = FINAL,
                                  .attempt = 3,
                                  .line = &number,
                                  .ts_ms = 1234};
    const struct pg_cell row[2] = {{.p = "7", .n = 1, .kind = 't'}, {.p = "null", .n = 4, .kind = 't'}};
    pg_live_begin_lines(&piece, &lines);
    pg_live_row_line(&piece, row, &lines);
    expect("the first lines of a piece",
           PIECE("t", "1") PIECE_T ",\"read\":\"live\"}\n" PIECE("schema", "2") PIECE_SCHEMA "}\n" PIECE("r", "3")
               PIECE_T ",\"key\":{\"id\":7},\"before\":null,\"after\":{\"id\":7,\"j\":null},\"json_null\":[\"j\"]}\n");
    pg_live_commit_line(&piece, &lines);
    const struct cdc_offset *boundary = pgoutput_boundary(decoder);
    check(lines.len > 100 && memcmp(lines.data, PIECE("commit", "4"), sizeof PIECE("commit", "4") - 1) == 0 &&
              memcmp(lines.data + lines.len - 13, ",\"events\":2}\n", 13) == 0 && piece.events == 0 && number == 4,
          "its commit line", "", "");
    check(boundary && strcmp(boundary->pos, "0000000001994770.0000000000.r0003.000000000004") == 0, "is the boundary",
          boundary ? boundary->pos : "none", "the commit line's");
    lines.len = 0;
    pg_live_end_line(&piece, &lines);
    expect("the last line of all", PIECE("schema", "5") PIECE_SCHEMA ",\"read\":\"end\",\"since\":26822504}\n");
    check(pgoutput_counts_of(decoder)->changes == 1, "one row", "", "");
}

/* -- tables that keep rows of earlier attempts -- */

/* A change of t in a transaction at FINAL, where t keeps what the attempt with the view `base` has read, and what was read has an end
 * in that with the view `edge`; of no other table. */
static void with_part(const char *what, const char *base, const char *edge, char tag, char old_kind,
                      const char *old_values, const char *new_values, const char *want)
{
    char read[400];
    struct cdc_error error = {0};
    snprintf(
        read, sizeof read,
        "{\"views\":[{},{\"lsn\":\"0/1994770\",\"xids\":\"%s\"},{\"lsn\":\"0/1994770\",\"xids\":\"%s\"}],\"parts\":["
        "{\"schema\":\"public\",\"table\":\"t\",\"base\":0,\"edge\":0},{\"schema\":\"public\",\"table\":\"t\",\"base\":"
        "1,"
        "\"edge\":2},{\"schema\":\"public\",\"table\":\"u\",\"base\":0,\"edge\":0},{\"schema\":\"other\",\"table\":"
        "\"t\","
        "\"base\":0,\"edge\":0}]}",
        base, edge);
    fresh(NULL);
    check(pgoutput_set_parts(decoder, cdc_span_text(read), &error) == 0, "parts", error.text, "");
    begin_with(1, 'd', "id*:23,v:25");
    change_message(tag, 1, old_kind, old_values, new_values);
    if (want)
        must_feed();
    else
        expect_refusal(what, CDC_EXIT_CONFIG);
    expect_keys(what, want ? want : "");
}

static void parts_are_damaged(const char *read)
{
    struct cdc_error error = {0};
    fresh(NULL);
    check(pgoutput_set_parts(decoder, cdc_span_text(read), &error) < 0 && error.status == CDC_EXIT_CONFIG, read,
          error.text, "an error");
}

/* Parts that are read, and what they have seen of a transaction. */
static int read_parts(struct cdc_buf *out, struct cdc_error *error)
{
    static const char read[] = "{\"views\":[{\"lsn\":\"0/1994770\",\"xids\":\"743:743:\"}],\"parts\":[{\"schema\":"
                               "\"public\",\"table\":\"t\",\"base\":0,\"edge\":0}]}";
    struct cdc_error ignored = {0};
    fresh(NULL);
    memory_begin();
    int result = pgoutput_set_parts(decoder, cdc_span_text(read), error);
    memory_end();
    if (result == 0) {
        begin_with(1, 'd', "id*:23,v:25");
        change_message('I', 1, 0, NULL, "t1|tx");
        (void)feed(&ignored);
        cdc_buf_printf(out, "%d %zu", ignored.status, lines.len);
    }
    pgoutput_free(decoder);
    decoder = NULL;
    return result;
}

static void test_parts(void)
{
    failures += memory_sweep("parts", read_parts) != 0;
    with_part("a part: seen by what was read first", SEEN, SEEN, 'I', 0, NULL, "t1|tx", "");
    with_part("not seen by it", UNSEEN, SEEN, 'I', 0, NULL, "t1|tx", "c {\"id\":1}");
    with_part("a move that what was read last has seen, with all values", UNSEEN, SEEN, 'U', 'K', "t1|n", "t2|tx",
              "u {\"id\":2}");
    with_part("without a large one", UNSEEN, SEEN, 'U', 'K', "t1|n", "t2|u", NULL);
    with_part("which the log has of the old row", UNSEEN, SEEN, 'U', 'O', "t1|tx", "t2|u", "u {\"id\":2}");
    with_part("that it has not seen", UNSEEN, UNSEEN, 'U', 'K', "t1|n", "t2|u", "u {\"id\":2}");
    with_part("an update in its place", UNSEEN, SEEN, 'U', 0, NULL, "t2|u", "u {\"id\":2}");
    parts_are_damaged("{\"views\":[{}],\"parts\":[{\"schema\":\"s\",\"table\":\"t\",\"base\":1,\"edge\":0}]}");
    parts_are_damaged("{\"views\":[{}],\"parts\":[{\"schema\":\"s\",\"table\":\"t\",\"base\":0,\"edge\":1}]}");
    parts_are_damaged("{\"views\":[{}],\"parts\":[{\"schema\":\"s\",\"table\":\"t\",\"base\":0}]}");
    parts_are_damaged("{\"views\":[{}],\"parts\":[{\"schema\":\"s\",\"base\":0,\"edge\":0}]}");
    parts_are_damaged("{\"parts\":[{\"schema\":\"s\",\"table\":\"t\",\"base\":0,\"edge\":0}]}");
    parts_are_damaged("{\"views\":[{\"lsn\":\"x\",\"xids\":\"1:1:\"}],\"parts\":[]}");
}

static void test_stop(void)
{
    fresh(NULL);
    pgoutput_heartbeat(decoder, 0x100, &lines);
    pgoutput_stop(decoder, 0x200, &lines);
    const struct cdc_offset *boundary = pgoutput_boundary(decoder);
    check(boundary && strcmp(boundary->pos, "0000000000000200.0000000000.h00000000") == 0,
          "the boundary where a run ends is known before", boundary ? boundary->pos : "none",
          "0000000000000200.0000000000.h00000000");
}

static void test_memory(void)
{
    struct cdc_error error = {0};
    static const char *list[1] = {"other.*"};
    struct pgoutput_settings settings = {.pipeline = "shop", .database = "d", .table_bytes = 100000};
    settings.selection.exclude = (struct cdc_option_list){list, 1};
    pgoutput_free(decoder);
    decoder = pgoutput_new(&settings, &error);
    lines.len = 0;
    begin_message(FINAL);
    must_feed();
    for (int i = 0; i < 10000; i++) {
        relation_message(1, "public", "t", 'd', "id*:23,v:25");
        must_feed();
    }
    check(!pgoutput_is_full(decoder), "one table, described again and again", "full", "not full");
    uint32_t oid = 2;
    for (; oid < 10000 && !pgoutput_is_full(decoder); oid++) {
        relation_message(oid, "public", "t", 'd', "id*:23,v:25");
        must_feed();
    }
    check(oid > 50 && oid < 1000, "full after some tables", "none, or without an end", "some hundred");
    change_message('I', oid - 1, 0, NULL, "t1|n");
    must_feed();
    check(pgoutput_counts_of(decoder)->changes == 1, "the transaction goes on", "", "");
    while (oid < 100000 && feed(&error) == 0)
        relation_message(++oid, "other", "t", 'd', "id*:23,v:25");
    check(error.status == CDC_EXIT_PROTOCOL && oid > 1000 && oid < 10000, "tables without an end", error.text,
          "a protocol error");
    pgoutput_reset(decoder);
    check(!pgoutput_is_full(decoder), "forgotten by the next connection", "full", "not full");
    error = (struct cdc_error){0};
    for (oid = 1; oid < 10000 && error.status == 0; oid++) {
        start('Y');
        put(20000 + oid, 4);
        put_string("public");
        put_string("mood");
        if (oid % 1000 == 0)
            relation_message(1, "public", "t", 'd', "id*:23");
        (void)feed(&error);
    }
    check(oid == 10000, "types of one table after the other", error.text, "taken");
    for (; oid < 20000 && error.status == 0; oid++) {
        start('Y');
        put(20000 + oid, 4);
        put_string("public");
        put_string("mood");
        (void)feed(&error);
    }
    check(error.status == CDC_EXIT_PROTOCOL && oid < 12000, "types without an end", error.text, "a protocol error");
}

/* -- without memory -- */

/* One message into out; 0 or -1. */
static int take(struct cdc_buf *out, struct cdc_error *error)
{
    memory_begin();
    int result = pgoutput_decode(decoder, message.data, message.len, out, error);
    memory_end();
    return result < 0 ? -1 : 0;
}

static int feed_all_kinds(struct cdc_buf *out, struct cdc_error *error)
{
    struct pgoutput_settings settings = {.pipeline = "shop", .database = "d"};
    int result = 0;

    pgoutput_free(decoder);
    memory_begin();
    decoder = pgoutput_new(&settings, error);
    memory_end();
    if (decoder == NULL)
        return -1;
#define TAKE(build) (build, result = result == 0 ? take(out, error) : result)
    TAKE(begin_message(FINAL));
    TAKE(relation_message(1, "public", "t", 'd', "id*:23,v:25,n:1700,a:1009,j:3802,b:17,at:1184,i:1186"));
    TAKE(relation_message(2, "public", "u", 'f', "x*:25,y*:1007"));
    TAKE(change_message('I', 1, 0, NULL,
                        "t1|thello|t1.50|t{a,\"b,c\",NULL}|t{\"a\": null}|t\\x00ff|t2026-11-21 09:28:42.5+00|tP1D"));
    TAKE(change_message('I', 1, 0, NULL, "t2|n|n|n|n|n|n|n"));
    TAKE(change_message('U', 1, 'K', "t1|n|n|n|n|n|n|n", "t3|u|t2|t{}|tnull|t\\x|t2026-11-21 09:28:42+00|tP1D"));
    TAKE(change_message('D', 1, 'K', "t3|n|n|n|n|n|n|n", NULL));
    TAKE(change_message('U', 2, 'O', "tone|t{{1,2},{3,4}}", "ttwo|t{}"));
    TAKE(change_message('D', 2, 'O', "ttwo|t{}", NULL));
    TAKE(commit_message(FINAL, END));
#undef TAKE
    const struct cdc_offset *boundary = pgoutput_boundary(decoder);
    if (result == 0 && !out->failed && boundary == NULL)
        return cdc_error_memory(error); /* what is not known as a boundary is not confirmed: the lines come again */
    if (result == 0 && !out->failed)
        cdc_buf_printf(out, "%s %lld %s", boundary->pos, (long long)boundary->seq, boundary->source);
    return result;
}

/* Two tables, one of them with a value of each kind that is put together, and all changes that there are. */
static int changes_of_all_kinds(struct cdc_buf *out, struct cdc_error *error)
{
    int result = feed_all_kinds(out, error);
    pgoutput_free(decoder);
    decoder = NULL;
    return result;
}

int main(void)
{
    test_insert();
    test_relation_again();
    test_update();
    test_full();
    test_delete();
    test_excluded();
    test_truncate();
    test_message();
    test_types();
    test_heartbeat();
    test_malformed();
    test_describe();
    test_many_tables();
    test_torn();
    test_ahead();
    test_visible_of_another_log();
    test_rounds();
    test_pieces();
    test_beside_pieces();
    test_asked();
    test_whole();
    test_broken_pieces();
    test_keys();
    test_piece_lines();
    test_parts();
    test_stop();
    test_memory();
    failures += memory_sweep("changes of all kinds", changes_of_all_kinds) != 0;
    pgoutput_free(decoder);
    cdc_buf_free(&message);
    cdc_buf_free(&lines);
    return failures ? 1 : 0;
}
