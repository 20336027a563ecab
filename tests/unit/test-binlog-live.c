/* SPDX-License-Identifier: MIT */
/* A table that is read again while the log goes on: which of its changes come, and the order of its keys. */
#include "connectors/mysql/decoder/live.h"
#include "connectors/mysql/decoder/internal.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "tests/unit/binlog-events.h"

#include <strings.h>

/* -- keys -- */

static struct my_column integer = {.kind = MY_KIND_INTEGER}, fixed = {.kind = MY_KIND_BINARY, .type = MY_TYPE_STRING},
                        variable = {.kind = MY_KIND_BINARY, .type = MY_TYPE_VARCHAR}, day = {.kind = MY_KIND_DATE};

static int compare(const struct my_column *column, struct cdc_span a, struct cdc_span b)
{
    struct cdc_buf one = CDC_BUF_INIT, other = CDC_BUF_INIT;
    if (!my_live_key_add(&one, column, a) || !my_live_key_add(&other, column, b))
        abort();
    int order = my_live_key_compare(text_of(&one), text_of(&other));
    cdc_buf_free(&one);
    cdc_buf_free(&other);
    return order;
}

#define ORDER(column, a, b) compare(&(column), cdc_span(a, sizeof(a) - 1), cdc_span(b, sizeof(b) - 1))

static void test_keys(void)
{
    check(ORDER(integer, "-1", "0") < 0 && ORDER(integer, "-9223372036854775808", "-1") < 0 &&
              ORDER(integer, "9", "10") < 0 && ORDER(integer, "9223372036854775807", "18446744073709551615") < 0 &&
              ORDER(integer, "7", "7") == 0,
          "numbers, with and without a sign");
    check(ORDER(variable, "a", "a\0") < 0 && ORDER(variable, "a\0", "a\1") < 0 && ORDER(variable, "", "a") < 0 &&
              ORDER(variable, "a\xFF", "b") < 0 && ORDER(variable, "\x7F", "\x80") < 0,
          "binary strings: a shorter one comes before what it begins");
    check(ORDER(fixed, "a", "a\0") == 0 && ORDER(fixed, "a", "a\0\1") < 0, "of a fixed length: zeros fill them up");
    check(ORDER(day, "\"0999-12-31\"", "\"2026-01-01\"") < 0, "dates");
    struct cdc_buf key = CDC_BUF_INIT;
    struct my_column other = {.kind = MY_KIND_FLOAT};
    check(!my_live_key_add(&key, &other, cdc_span("\"a\"", 3)) && !my_live_key_add(&key, &integer, cdc_span("", 0)) &&
              !my_live_key_add(&key, &integer, cdc_span("-", 1)) && !my_live_key_add(&key, &integer, cdc_span("1a", 2)),
          "what is no such key");
    cdc_buf_free(&key);
}

/* A server that knows no case, and will not be asked for ever. */
static size_t answers;
static bool no_case(void *context, size_t k, struct cdc_span a, struct cdc_span b, int *order)
{
    (void)context;
    if (k != 1 || answers == 0)
        return false;
    answers--;
    *order = a.n == b.n ? strncasecmp(a.p, b.p, a.n) : a.n < b.n ? -1 : 1;
    return true;
}

static int compare_asked(struct my_live *asked, const char *a, const char *b)
{
    struct cdc_buf keys[2] = {CDC_BUF_INIT, CDC_BUF_INIT};
    const char *texts[2] = {a, b};
    for (int i = 0; i < 2; i++)
        if (!my_live_key_add(&keys[i], asked->kind[0], cdc_span(texts[i], 1)) ||
            !my_live_key_add(&keys[i], asked->kind[1], cdc_span_text(texts[i] + 1)))
            abort();
    int order = my_live_compare(asked, text_of(&keys[0]), text_of(&keys[1]));
    cdc_buf_free(&keys[0]);
    cdc_buf_free(&keys[1]);
    return order;
}

static void test_asked(void)
{
    static const struct my_column uuid = {.kind = MY_KIND_UUID};
    struct my_live asked = {.kind = {&variable, &uuid}, .n_key = 2, .order = no_case};
    answers = 3;
    check(compare_asked(&asked, "aX", "bY") < 0 && compare_asked(&asked, "aX", "aX") == 0 && answers == 3,
          "what the bytes tell is not asked for");
    check(compare_asked(&asked, "aX", "ay") < 0 && compare_asked(&asked, "ax", "aX") == 0 &&
              compare_asked(&asked, "aY", "ax") > 0 && answers == 0 && !asked.why,
          "the server's order, and its equality");
    (void)compare_asked(&asked, "ax", "ay");
    check(asked.why, "a server that does not say: the read begins anew");
    asked = (struct my_live){.kind = {&variable, &uuid}, .n_key = 2, .order = no_case, .asked = MY_LIVE_ASKED_MAX};
    answers = 1;
    (void)compare_asked(&asked, "ax", "ay");
    check(asked.why && answers == 1, "and so it does where there would be no end of questions");
    struct cdc_buf key = CDC_BUF_INIT;
    static struct my_column name = {.kind = MY_KIND_TEXT, .type = MY_TYPE_VARCHAR};
    name.charset = my_charset_named("latin1");
    check(my_live_is_asked(&name) && my_live_key_add(&key, &name, cdc_span("a\0", 2)) && key.len == 5 &&
              memcmp(key.data, "6100", 5) == 0,
          "a text as a statement can have it");
    cdc_buf_free(&key);
}

/* -- changes -- */

static struct my_live live;

static int decode(struct my_decoder *decoder, uint8_t type)
{
    struct cdc_buf content = CDC_BUF_INIT;
    cdc_buf_append(&content, body.data, body.len);
    build(type, content.data, content.len, 0, false);
    cdc_buf_free(&content);
    return my_decoder_take(decoder, (const uint8_t *)body.data, body.len, &text, NULL);
}

static void put_row(int32_t row)
{
    put(0, 1);
    put((uint32_t)row, 4);
}

enum { NONE = -1 };

/* A transaction that changes t(a int primary key) from one row to another; the ops of its lines but for schema and commit. */
static const char *change(struct my_decoder *decoder, int32_t from, int32_t to)
{
    static char ops[16];
    size_t n = 0;
    text.len = 0;
    start();
    put(77, 8);
    put(0, 4);
    put(MY_GTID_TRANSACTIONAL, 1);
    put(0, 1);
    put(76, 8);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID);
    start();
    put_hex("12000000000001000164000174000103000004020161080100");
    result |= decode(decoder, MY_EVENT_TABLE_MAP);
    start();
    put_hex(from != NONE && to != NONE ? "120000000000010001ffff" : "120000000000010001ff");
    if (from != NONE)
        put_row(from);
    if (to != NONE)
        put_row(to);
    result |= decode(decoder, from == NONE ? MY_EVENT_WRITE_ROWS_V1
                              : to == NONE ? MY_EVENT_DELETE_ROWS_V1
                                           : MY_EVENT_UPDATE_ROWS_V1);
    start();
    put_query("", "d", "COMMIT");
    result |= decode(decoder, MY_EVENT_QUERY);
    if (result < 0)
        abort();
    cdc_buf_byte(&text, 0);
    for (const char *p = text.data; (p = strstr(p, "{\"op\":\"")) != NULL; p++)
        if (p[8] == '"' && n + 1 < sizeof ops)
            ops[n++] = p[7];
    ops[n] = '\0';
    return ops;
}

static struct my_decoder *new_decoder(void)
{
    struct my_decoder_settings settings = {.pipeline = "p", .flavor = MY_FLAVOR_MARIADB, .allow_unlogged = true};
    struct my_coord coord = {"binlog.000001", 4};
    struct my_decoder *decoder = my_decoder_new(&settings, NULL);
    if (!decoder || my_decoder_start(decoder, 1, "", &coord, NULL) < 0)
        abort();
    live = (struct my_live){.db = "d", .name = "t", .column = {"a"}, .n_key = 1};
    my_decoder_set_live(decoder, &live);
    return decoder;
}

static void done_up_to(const char *number)
{
    live.begun = live.has_done = true;
    live.done.len = 0;
    (void)my_live_key_add(&live.done, &integer, cdc_span_text(number));
}

static void test_changes(void)
{
    static const struct {
        int32_t from, to;
        const char *ops;
    } cases[] = {{NONE, 5, "c"}, {NONE, 7, "c"}, {NONE, 8, ""},  {5, 6, "u"},  {5, 9, "d"},
                 {9, 5, "c"},    {9, 10, ""},    {5, NONE, "d"}, {9, NONE, ""}};
    struct my_decoder *decoder = new_decoder();
    check_text("before its first line all comes", cdc_span_text(change(decoder, NONE, 9)), "c");
    done_up_to("7");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_text("rows up to 7 are out", cdc_span_text(change(decoder, cases[i].from, cases[i].to)), cases[i].ops);
    live.all_done = true;
    check_text("and all are", cdc_span_text(change(decoder, 5, 9)), "u");
    live.all_done = false;
    my_live_spoil(&live, "a reason");
    check_text("it must begin anew: nothing comes", cdc_span_text(change(decoder, NONE, 5)), "");
    check(live.hidden && live.why, "and why is known");
    my_decoder_free(decoder);
    my_live_clear(&live);
}

/* -- the lines of a piece -- */

#define HEAD(op, line)                                                                                                 \
    "{\"op\":\"" op "\",\"pos\":\"0000000000000003.0000000000.r0003.000000.000000000" line "\",\"seq\":3,"
#define SOURCE(table, tail)                                                                                            \
    "\"ts_ms\":1234,\"source\":{\"connector\":\"mariadb\",\"name\":\"p\"," table "\"ts_ms\":1234," tail
#define OF_T                                                                                                           \
    SOURCE("\"db\":\"d\",\"table\":\"t\",",                                                                            \
           "\"server_id\":7,\"file\":\"binlog.000001\",\"pos\":1234,\"row\":0,\"snapshot\":\"true\"}")
#define COMMIT(line, events)                                                                                           \
    HEAD("commit", line)                                                                                               \
    SOURCE("", "\"gtid\":\"0-7-77\",\"server_id\":7,\"file\":\"binlog.000001\",\"pos\":1234,\"row\":0,\"snapshot\":"   \
               "\"false\",\"gtids\":\"0-7-77\"}")                                                                      \
    ",\"events\":" events "}\n"
#define COLUMNS                                                                                                        \
    ",\"columns\":[{\"name\":\"a\",\"type\":\"int\",\"nullable\":false,\"generated\":false}],\"key_columns\":[\"a\"]"

static const char piece_lines[] = HEAD("t", "1") OF_T ",\"read\":\"live\"}\n" HEAD("schema", "2") OF_T COLUMNS
    "}\n" HEAD("r", "3") OF_T ",\"key\":{\"a\":1}}\n" COMMIT("4", "2") HEAD("schema", "5") OF_T COLUMNS
    ",\"read\":\"end\",\"since\":2}\n" HEAD("t", "6") OF_T ",\"read\":\"dropped\"}\n" COMMIT("7", "1");

static void test_lines(void)
{
    struct my_decoder *decoder = new_decoder();
    (void)change(decoder, NONE, 5);
    struct my_piece_lines lines = {
        .decoder = decoder, .table = decoder->tables[0], .attempt = 3, .since = 2, .ts_ms = 1234};
    for (size_t i = 0; !lines.table; i++)
        lines.table = decoder->tables[i];
    text.len = 0;
    my_piece_begin(&lines, &text);
    my_piece_row(&lines, cdc_span_text(",\"key\":{\"a\":1}}\n"), &text);
    my_piece_commit(&lines, &text);
    my_piece_end(&lines, &text);
    my_piece_gone(&lines, &text);
    my_piece_commit(&lines, &text);
    check_text("the lines of two pieces", text_of(&text), piece_lines);
    struct cdc_buf next = CDC_BUF_INIT;
    my_piece_append_pos(decoder, 3, &next);
    check_text("what the next line will have", text_of(&next), "0000000000000003.0000000000.r0003.000000.0000000008");
    cdc_buf_free(&next);
    my_decoder_free(decoder);
    my_live_clear(&live);
}

/* The row 9 becomes 5; of its other column the log has nothing. */
static bool moves_in_part(struct my_decoder *decoder)
{
    text.len = 0;
    start();
    put(78, 8);
    put(0, 4);
    put(MY_GTID_TRANSACTIONAL, 1);
    put(0, 1);
    put(77, 8);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID);
    start();
    put_hex("12000000000001000164000174000203030000040401610162080100");
    result |= decode(decoder, MY_EVENT_TABLE_MAP);
    start();
    put_hex("1200000000000100020101");
    put_row(9);
    put_row(5);
    result |= decode(decoder, MY_EVENT_UPDATE_ROWS_V1);
    start();
    put_query("", "d", "COMMIT");
    result |= decode(decoder, MY_EVENT_QUERY);
    if (result < 0)
        abort();
    return text.len > 0 && memmem(text.data, text.len, "\"op\":\"c\"", 8);
}

static void test_moved_in_part(void)
{
    struct my_decoder *decoder = new_decoder();
    done_up_to("7");
    check(!moves_in_part(decoder) && live.why && live.hidden,
          "a row moves to where it was read, and the log lacks columns of it");
    my_decoder_free(decoder);
    my_live_clear(&live);
}

static void test_touched(void)
{
    struct my_decoder *decoder = new_decoder();
    struct cdc_buf least = CDC_BUF_INIT;
    done_up_to("7");
    (void)change(decoder, NONE, 8);
    check(!live.touched, "a transaction that the piece shows, or not, for sure");
    live.unsure = true; /* my_copy_ops.begins says so */
    (void)change(decoder, NONE, 20);
    (void)change(decoder, 12, 30);
    (void)change(decoder, 25, NONE);
    (void)my_live_key_add(&least, &integer, cdc_span_text("12"));
    check(live.touched && my_live_key_compare(text_of(&live.least), text_of(&least)) == 0,
          "the first row that others have changed");
    my_live_forget_touched(&live);
    check(!live.touched && !live.unsure, "and the next piece");
    cdc_buf_free(&least);
    my_decoder_free(decoder);
    my_live_clear(&live);
}

static void test_truncated(void)
{
    struct my_decoder *decoder = new_decoder();
    done_up_to("7");
    text.len = 0;
    start();
    put(77, 8);
    put(0, 4);
    put(1, 1); /* a statement by itself */
    put(0, 1);
    put(76, 8);
    int result = decode(decoder, MY_EVENT_MARIADB_GTID);
    put_query("", "d", "truncate table t");
    result |= decode(decoder, MY_EVENT_QUERY);
    check(result == 0 && live.hidden && live.why, "a truncate: it begins anew");
    my_decoder_free(decoder);
    my_live_clear(&live);
}

int main(void)
{
    test_keys();
    test_asked();
    test_changes();
    test_moved_in_part();
    test_lines();
    test_touched();
    test_truncated();
    cdc_buf_free(&body);
    cdc_buf_free(&scratch);
    cdc_buf_free(&text);
    free(copy);
    return failures > 0;
}
