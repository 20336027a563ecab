/* SPDX-License-Identifier: MIT */
/* What comes back from Kafka is of anybody: position records, their keys, ENDs of transactions. What was read is written so that it
 * reads the same; updates that are split are lines again. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "connectors/kafka/record/record.h"

static void positions(struct cdc_span text)
{
    struct kafka_places places = {NULL, 0, NULL}, again = {NULL, 0, NULL};
    struct cdc_buf out = CDC_BUF_INIT, twice = CDC_BUF_INIT;
    struct cdc_error error = {0};

    if (kafka_position_read(&places, text, &error) == 0) {
        kafka_position_append(&out, &places, places.id, -1);
        if (kafka_position_read(&again, cdc_span(out.data, out.len), &error) != 0)
            abort();
        kafka_position_append(&twice, &again, again.id, -1);
        if (out.len != twice.len || memcmp(out.data, twice.data, out.len) != 0)
            abort();
    }
    kafka_places_free(&places);
    kafka_places_free(&again);
    cdc_buf_free(&out);
    cdc_buf_free(&twice);
}

static void keys(struct cdc_span text)
{
    struct cdc_table_id owner;
    struct cdc_error error = {0};
    int32_t partitions;
    char *name, *id;

    if (kafka_position_read_key(text, &name, &id) > 0) {
        free(name);
        free(id);
    }
    int64_t *ends;
    int32_t n_ends;
    bool lost;
    if (kafka_ends_read(text, &ends, &n_ends, &lost, &error) == 0)
        free(ends);
    if (kafka_owner_read(text, &owner, &partitions, &error) == 0)
        cdc_table_id_free(&owner);
}

static void transactions(struct cdc_span text)
{
    struct kafka_transaction transaction = {.open = false};
    struct cdc_buf pos = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int64_t seq;

    (void)kafka_transaction_read(&transaction, text, &pos, &seq, &error);
    kafka_transaction_free(&transaction);
    cdc_buf_free(&pos);
}

static void line(struct cdc_span text)
{
    static const char *const names[] = {"id"};
    struct cdc_event event, part;
    struct cdc_buf key = CDC_BUF_INIT, old = CDC_BUF_INIT, out = CDC_BUF_INIT, topic = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t n;

    if (cdc_event_parse(&event, text.p, text.n, &error) == 0) {
        if (kafka_topic_name(&topic, "{name}.{schema}.{table}", &event, &error) == 0 &&
            !kafka_topic_is_valid(cdc_span(topic.data, topic.len)))
            abort();
        if (event.pos.p != NULL && cdc_json_type(event.after) == CDC_JSON_OBJECT && event.source.p != NULL &&
            kafka_key_append(&key, names, 1, event.key, true, &error) == 0 &&
            kafka_key_moves(&old, names, 1, &event, cdc_span(key.data, key.len), &error) == 1) {
            (void)kafka_split_update(&out, &event, cdc_span(old.data, old.len), &n);
            if (cdc_event_parse(&part, out.data, n, &error) != 0 || part.op != CDC_OP_DELETE ||
                cdc_event_parse(&part, out.data + n, out.len - n, &error) != 0 || part.op != CDC_OP_CREATE)
                abort();
        }
    }
    cdc_buf_free(&key);
    cdc_buf_free(&old);
    cdc_buf_free(&out);
    cdc_buf_free(&topic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size);
    struct cdc_span text = cdc_span((const char *)copy, size);

    positions(text);
    keys(text);
    transactions(text);
    line(text);
    free(copy);
    return 0;
}
