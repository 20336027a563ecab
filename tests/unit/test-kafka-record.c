/* SPDX-License-Identifier: MIT */
/* Records of Kafka as bytes: the partition that a key belongs to, keys, names of topics, split updates, transactions, positions. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/kafka/record/record.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static bool is(const struct cdc_buf *buf, const char *text)
{
    bool same = !buf->failed && buf->len == strlen(text) && memcmp(buf->data, text, buf->len) == 0;

    if (!same)
        printf("# expected %s\n# got      %.*s\n", text, (int)buf->len, buf->data);
    return same;
}

static void parse(struct cdc_event *event, const char *line)
{
    struct cdc_error error = {0};

    if (cdc_event_parse(event, line, strlen(line), &error) != 0) {
        printf("not ok - %s: %s\n", line, error.text);
        exit(1);
    }
}

/* As Kafka's Java client and librdkafka's murmur2_random have them. */
static void test_partitions(void)
{
    static const struct {
        const char *key;
        uint32_t hash;
        int of3, of4, of12;
    } vectors[] = {{"", 0x106e08d9, 0, 1, 9},
                   {"a", 0xa2d0b27c, 1, 0, 4},
                   {"{\"id\":1}", 0xfc9dc724, 0, 0, 0},
                   {"{\"id\":2}", 0x9a5573a8, 1, 0, 4},
                   {"{\"id\":9007199254740993}", 0x2fa2897e, 1, 2, 10},
                   {"{\"a\":1,\"b\":\"x\"}", 0xc6361c0e, 1, 2, 10},
                   {"{\"name\":\"Zo\xc3\xab\"}", 0xbeb7b02a, 1, 2, 10}};

    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *key = vectors[i].key;
        size_t n = strlen(key);
        char *copy = malloc(n > 0 ? n : 1); /* a read beyond it is seen by a sanitizer */
        memcpy(copy, key, n);
        check(kafka_murmur2(copy, n) == vectors[i].hash, key);
        check(kafka_partition_of(copy, n, 3) == vectors[i].of3 && kafka_partition_of(copy, n, 4) == vectors[i].of4 &&
                  kafka_partition_of(copy, n, 12) == vectors[i].of12,
              "its partitions");
        free(copy);
    }
}

static void test_keys(void)
{
    static const char *const names[] = {"b", "a"};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    struct cdc_span object = cdc_span_text("{ \"a\" : 1.50 , \"b\" : \"x y\" }");

    check(kafka_key_append(&out, names, 2, object, true, &error) == 0 && is(&out, "{\"b\":\"x y\",\"a\":1.50}"),
          "the table's order, values byte for byte");
    check(kafka_key_append(&out, names, 2, cdc_span_text("{\"a\":1}"), true, &error) == -1 &&
              error.status == CDC_EXIT_DATA,
          "a column is missing");
    cdc_error_clear(&error);
    check(kafka_key_append(&out, names, 2, cdc_span_text("{\"a\":1,\"b\":null}"), true, &error) == -1,
          "a column is null");
    cdc_error_clear(&error);
    check(kafka_key_append(&out, names, 2, cdc_span_text("{\"a\":1,\"b\":2,\"c\":3}"), true, &error) == -1,
          "another column");
    cdc_buf_free(&out);
}

static void test_names(void)
{
    static const char line[] =
        "{\"op\":\"c\",\"pos\":\"1\",\"source\":{\"name\":\"shop\",\"db\":\"d\",\"schema\":\"pub lic\","
        "\"table\":\"t$1\\u00e9\"}}";
    struct cdc_event event;
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char long_name[300];

    parse(&event, line);
    check(kafka_topic_name(&out, "{name}.{schema}.{table}", &event, &error) == 0 && is(&out, "shop.pub_lic.t_1_"),
          "bytes that a topic may not have");
    memset(long_name, 'x', sizeof long_name);
    long_name[250] = '\0';
    check(kafka_topic_name(&out, long_name, &event, &error) == -1 && error.status == CDC_EXIT_CONFIG, "too long");
    check(kafka_topic_is_valid(cdc_span_text("a.b_c-9")) && !kafka_topic_is_valid(cdc_span_text("..")) &&
              !kafka_topic_is_valid(cdc_span_text("")) && !kafka_topic_is_valid(cdc_span_text("a b")),
          "what a topic may be named");
    cdc_buf_free(&out);
}

static void test_split(void)
{
    static const char *const names[] = {"id"};
    static const char line[] =
        "{\"op\":\"u\",\"pos\":\"7\",\"seq\":5,\"ts_ms\":9,\"source\":{\"name\":\"n\"},\"key\":{\"id\":2},"
        "\"before\":{\"id\":1,\"a\":\"A\",\"doc\":null},\"after\":{\"id\":2},\"unchanged\":[\"a\",\"b\",\"doc\"],"
        "\"json_null_old\":[\"doc\"]}";
    struct cdc_event event;
    struct cdc_buf key = CDC_BUF_INIT, out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t n = 0;

    parse(&event, line);
    check(kafka_key_moves(&key, names, 1, &event, cdc_span_text("{\"id\":2}"), &error) == 1 && is(&key, "{\"id\":1}"),
          "the key moves");
    check(!kafka_split_update(&out, &event, cdc_span(key.data, key.len), &n), "a column that neither row has");
    struct cdc_buf first = {out.data, n, n, false}, second = {out.data + n, out.len - n, 0, false};
    check(is(&first, "{\"op\":\"d\",\"pos\":\"7\",\"seq\":5,\"ts_ms\":9,\"source\":{\"name\":\"n\"},\"key\":{\"id\":1},"
                     "\"before\":{\"id\":1,\"a\":\"A\",\"doc\":null},\"after\":null,\"json_null\":[\"doc\"]}"),
          "the old row goes");
    check(is(&second,
             "{\"op\":\"c\",\"pos\":\"7.1\",\"seq\":5,\"ts_ms\":9,\"source\":{\"name\":\"n\"},\"key\":{\"id\":2},"
             "\"before\":null,\"after\":{\"id\":2,\"a\":\"A\",\"doc\":null},\"unchanged\":[\"b\"],"
             "\"json_null\":[\"doc\"]}"),
          "the new one comes, with what the old one has");
    parse(&event,
          "{\"op\":\"u\",\"pos\":\"7\",\"source\":{},\"key\":{\"id\":2},\"before\":{\"id\":2,\"a\":1},\"after\":{}}");
    key.len = 0;
    check(kafka_key_moves(&key, names, 1, &event, cdc_span_text("{\"id\":2}"), &error) == 0, "the key stays");
    cdc_buf_free(&key);
    cdc_buf_free(&out);
}

static void test_transaction(void)
{
    struct kafka_transaction written = {.open = false}, read = {.open = false};
    struct cdc_event event;
    struct cdc_buf out = CDC_BUF_INIT, pos = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int64_t seq = 0;

    parse(&event, "{\"op\":\"c\",\"pos\":\"1\",\"seq\":8,\"ts_ms\":3,\"source\":{\"schema\":\"public\",\"table\":\"t\","
                  "\"txId\":7,"
                  "\"ts_ms\":2}}");
    kafka_transaction_begin(&written, &event);
    kafka_transaction_key(&out, &written);
    check(is(&out, "{\"id\":\"7:8\"}"), "the id");
    check(kafka_transaction_count(&written, &event, "s.public.t", 1, &error) == 0 &&
              kafka_transaction_count(&written, &event, "s.public.t", 1, &error) == 0 &&
              kafka_transaction_count(&written, &event, "s.public.t", 0, &error) == 0,
          "counted");
    kafka_transaction_uncount(&written, &event, "s.public.t", 1);
    parse(&event, "{\"op\":\"commit\",\"pos\":\"2\",\"seq\":8,\"ts_ms\":3,\"source\":{\"ts_ms\":2}}");
    out.len = 0;
    kafka_transaction_end(&out, &written, &event);
    check(is(&out, "{\"status\":\"END\",\"id\":\"7:8\",\"ts_ms\":2,\"event_count\":2,\"data_collections\":[{\"data_"
                   "collection\":"
                   "\"public.t\",\"event_count\":2}],\"pos\":\"2\",\"seq\":8,\"partitions\":[{\"topic\":\"s.public.t\","
                   "\"partition\":1,\"count\":1},{\"topic\":\"s.public.t\",\"partition\":0,\"count\":1}]}"),
          "END");
    check(kafka_transaction_read(&read, cdc_span(out.data, out.len), &pos, &seq, &error) == 1 && is(&pos, "2") &&
              seq == 8 && read.events == 2 && read.n_counts == 2 && read.counts[0].partition == 1,
          "and read");
    check(kafka_transaction_read(&read, cdc_span_text("{\"status\":\"BEGIN\",\"id\":\"1\"}"), &pos, &seq, &error) == 0,
          "BEGIN is none");
    check(kafka_transaction_read(&read, cdc_span_text("{\"status\""), &pos, &seq, &error) == -1, "damaged");
    kafka_transaction_free(&written);
    kafka_transaction_free(&read);
    cdc_buf_free(&out);
    cdc_buf_free(&pos);
}

static void test_ends(struct cdc_buf *out)
{
    static const int64_t ends[] = {12, 0, INT64_MAX};
    int64_t *read;
    int32_t n;
    bool lost = false;
    struct cdc_error error = {0};

    out->len = 0;
    kafka_ends_append(out, "cdc-shop", ends, 3, true);
    check(kafka_ends_read(cdc_span(out->data, out->len), &read, &n, &lost, &error) == 0 && n == 3 && lost &&
              memcmp(read, ends, sizeof ends) == 0,
          "ends are read");
    free(read);
    for (size_t i = 0; i < out->len; i++) {
        struct cdc_error why = {0};
        check(kafka_ends_read(cdc_span(out->data, i), &read, &n, &lost, &why) == -1 && why.status == CDC_EXIT_CONFIG,
              "a part of them is damaged");
    }
    out->len = 0;
    kafka_ends_append(out, "cdc-shop", NULL, 0, false);
    check(kafka_ends_read(cdc_span(out->data, out->len), &read, &n, &lost, &error) == 0 && n == 0 && read == NULL &&
              !lost,
          "none");
}

static void test_positions(void)
{
    struct kafka_places places = KAFKA_PLACES_INIT, read = KAFKA_PLACES_INIT;
    struct cdc_buf out = CDC_BUF_INIT, again = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char *name, *id;

    struct kafka_place *place = kafka_places_add(&places, "sh\"op", &error);
    check(place != NULL && kafka_place_move(place, cdc_span_text("0012.3"), 5, &error) == 0, "a place");
    place->offset.source = strdup("{\"lsn\":1}");
    place->offset.lines = 9;
    kafka_position_append(&out, &places, "cdc-shop", -1);
    check(kafka_position_read(&read, cdc_span(out.data, out.len), &error) == 0 && read.n == 1 &&
              strcmp(read.id, "cdc-shop") == 0 && strcmp(read.items[0].pos, "0012.3") == 0 &&
              read.items[0].offset.lines == 9,
          "is read");
    kafka_position_append(&again, &read, "cdc-shop", 0);
    check(out.len == again.len && memcmp(out.data, again.data, out.len) == 0, "and written alike");
    for (size_t i = 0; i < out.len; i++) {
        struct cdc_error why = {0};
        struct kafka_places part = KAFKA_PLACES_INIT;
        check(kafka_position_read(&part, cdc_span(out.data, i), &why) == -1 && why.status == CDC_EXIT_CONFIG,
              "a part of it is damaged");
        kafka_places_free(&part);
    }
    out.len = 0;
    kafka_position_key(&out, "shop", "cdc-shop");
    check(kafka_position_read_key(cdc_span(out.data, out.len), &name, &id) == 1 && strcmp(name, "shop") == 0 &&
              strcmp(id, "cdc-shop") == 0,
          "its key");
    free(name);
    free(id);
    out.len = 0;
    kafka_owner_key(&out, "t");
    check(kafka_position_read_key(cdc_span(out.data, out.len), &name, &id) == 2 && strcmp(name, "t") == 0 && id == NULL,
          "an owner's");
    free(name);
    check(kafka_position_read_key(cdc_span_text("[\"other\",{}]"), &name, &id) == 0, "another program's");
    out.len = 0;
    kafka_ends_key(&out, "shop.t", "cdc-shop");
    check(kafka_position_read_key(cdc_span(out.data, out.len), &name, &id) == 4 && strcmp(name, "shop.t") == 0 &&
              strcmp(id, "cdc-shop") == 0,
          "of ends");
    free(name);
    free(id);
    test_ends(&out);
    cdc_buf_free(&out);
    cdc_buf_free(&again);
    kafka_places_free(&places);
    kafka_places_free(&read);
}

int main(void)
{
    test_partitions();
    test_keys();
    test_names();
    test_split();
    test_transaction();
    test_positions();
    return failures != 0;
}
