/* SPDX-License-Identifier: MIT */
/* The transaction topic, as Debezium writes it, with what a reader needs who puts the partitions together again. */
#include <stdlib.h>

#include "connectors/kafka/record/record.h"

static void free_lists(struct kafka_transaction *transaction)
{
    for (size_t i = 0; i < transaction->n_collections; i++)
        free(transaction->collections[i].name);
    for (size_t i = 0; i < transaction->n_counts; i++)
        free(transaction->counts[i].topic);
    transaction->n_collections = transaction->n_counts = 0;
}

void kafka_transaction_clear(struct kafka_transaction *transaction)
{
    free_lists(transaction);
    transaction->open = false;
    transaction->events = 0;
    transaction->id.len = 0;
}

void kafka_transaction_free(struct kafka_transaction *transaction)
{
    free_lists(transaction);
    free(transaction->collections);
    free(transaction->counts);
    cdc_buf_free(&transaction->id);
    *transaction = (struct kafka_transaction){.open = false};
}

/* "745:27440072" of PostgreSQL; else the GTID, else "file=binlog.000007,pos=154". */
void kafka_transaction_begin(struct kafka_transaction *transaction, const struct cdc_event *event)
{
    struct cdc_buf *id = &transaction->id;
    struct cdc_span tx = cdc_json_member(event->source, "txId"), gtid = cdc_json_member_raw(event->source, "gtid"),
                    file = cdc_json_member_raw(event->source, "file"), pos = cdc_json_member(event->source, "pos");

    id->len = 0;
    transaction->open = true;
    if (!cdc_json_is_null(tx) && cdc_json_type(tx) == CDC_JSON_NUMBER) {
        cdc_buf_span(id, tx);
        cdc_buf_byte(id, ':');
        cdc_buf_i64(id, event->seq);
    } else if (gtid.p != NULL) {
        cdc_buf_span(id, gtid);
    } else if (file.p != NULL) {
        cdc_buf_lit(id, "file=");
        cdc_buf_span(id, file);
        cdc_buf_lit(id, ",pos=");
        cdc_buf_span(id, pos);
    } else {
        cdc_buf_lit(id, "0:");
        cdc_buf_i64(id, event->seq);
    }
}

static struct kafka_collection *find_collection(const struct kafka_transaction *transaction, struct cdc_span schema,
                                                struct cdc_span table)
{
    for (size_t i = transaction->n_collections; i-- > 0;) {
        const char *name = transaction->collections[i].name;
        if (strncmp(name, schema.p, schema.n) == 0 && name[schema.n] == '.' && cdc_span_is(table, name + schema.n + 1))
            return &transaction->collections[i];
    }
    return NULL;
}

static int count_collection(struct kafka_transaction *transaction, struct cdc_span schema, struct cdc_span table,
                            struct cdc_error *error)
{
    struct kafka_collection *known = find_collection(transaction, schema, table);

    if (known != NULL) {
        known->n++;
        return 0;
    }
    struct kafka_collection *collections =
        realloc(transaction->collections, (transaction->n_collections + 1) * sizeof *collections);
    if (collections == NULL)
        return cdc_error_memory(error);
    transaction->collections = collections;
    struct cdc_buf name = CDC_BUF_INIT;
    cdc_buf_span(&name, schema);
    cdc_buf_byte(&name, '.');
    cdc_buf_span(&name, table);
    cdc_buf_byte(&name, '\0');
    if (name.failed) {
        cdc_buf_free(&name);
        return cdc_error_memory(error);
    }
    collections[transaction->n_collections].name = name.data;
    collections[transaction->n_collections++].n = 1;
    return 0;
}

static struct kafka_count *find_count(const struct kafka_transaction *transaction, struct cdc_span topic,
                                      int32_t partition)
{
    for (size_t i = transaction->n_counts; i-- > 0;)
        if (transaction->counts[i].partition == partition && cdc_span_is(topic, transaction->counts[i].topic))
            return &transaction->counts[i];
    return NULL;
}

static int count_partition(struct kafka_transaction *transaction, struct cdc_span topic, int32_t partition, uint64_t n,
                           struct cdc_error *error)
{
    struct kafka_count *known = find_count(transaction, topic, partition);

    if (known != NULL) {
        known->n += n;
        return 0;
    }
    struct kafka_count *counts = realloc(transaction->counts, (transaction->n_counts + 1) * sizeof *counts);
    char *copy = cdc_span_copy(topic);
    if (counts != NULL)
        transaction->counts = counts;
    if (counts == NULL || copy == NULL) {
        free(copy);
        return cdc_error_memory(error);
    }
    counts[transaction->n_counts++] = (struct kafka_count){copy, partition, n};
    return 0;
}

int kafka_transaction_count(struct kafka_transaction *transaction, const struct cdc_event *event, const char *topic,
                            int32_t partition, struct cdc_error *error)
{
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db;
    struct cdc_span none = cdc_span("", 0);

    transaction->events++;
    return count_collection(transaction, schema.p != NULL ? schema : none, event->table.p != NULL ? event->table : none,
                            error) == 0
               ? count_partition(transaction, cdc_span_text(topic), partition, 1, error)
               : -1;
}

/* One of them. */
static int describe(struct kafka_transaction *transaction, struct cdc_span item, struct cdc_error *error)
{
    const struct cdc_event schema = {.schema = cdc_json_member_raw(item, "schema"),
                                     .table = cdc_json_member_raw(item, "table")};
    char *topic = cdc_json_member_text(item, "topic");
    int64_t partitions = 0;
    int result = topic != NULL && cdc_json_int64(cdc_json_member(item, "partitions"), &partitions)
                     ? 0
                     : cdc_error_set(error, CDC_EXIT_CONFIG, "a position record in Kafka is damaged");

    for (int64_t i = 0; result == 0 && i < partitions; i++)
        result = kafka_transaction_count(transaction, &schema, topic, (int32_t)i, error);
    free(topic);
    return result;
}

int kafka_transaction_describe(struct kafka_transaction *transaction, struct cdc_span list, struct cdc_error *error)
{
    struct cdc_buf array = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span item;

    if (list.n == 0)
        return 0;
    cdc_buf_byte(&array, '[');
    cdc_buf_span(&array, list);
    cdc_buf_byte(&array, ']');
    int result = array.failed ? cdc_error_memory(error) : 0;
    for (cdc_json_iter_begin(&iter, cdc_span(array.data, array.len));
         result == 0 && cdc_json_next_element(&iter, &item);)
        result = describe(transaction, item, error);
    cdc_buf_free(&array);
    return result;
}

void kafka_transaction_uncount(struct kafka_transaction *transaction, const struct cdc_event *event, const char *topic,
                               int32_t partition)
{
    struct cdc_span schema = event->schema.p != NULL ? event->schema : event->db;
    struct kafka_collection *collection = find_collection(transaction, schema.p != NULL ? schema : cdc_span("", 0),
                                                          event->table.p != NULL ? event->table : cdc_span("", 0));
    struct kafka_count *count = find_count(transaction, cdc_span_text(topic), partition);

    if (collection == NULL || count == NULL)
        return;
    transaction->events--;
    collection->n--;
    count->n--;
}

void kafka_transaction_key(struct cdc_buf *out, const struct kafka_transaction *transaction)
{
    cdc_buf_lit(out, "{\"id\":\"");
    cdc_buf_append_buf(out, &transaction->id);
    cdc_buf_lit(out, "\"}");
}

static void append_status(struct cdc_buf *out, const struct kafka_transaction *transaction, const char *status,
                          int64_t ts_ms)
{
    cdc_buf_lit(out, "{\"status\":\"");
    cdc_buf_text(out, status);
    cdc_buf_lit(out, "\",\"id\":\"");
    cdc_buf_append_buf(out, &transaction->id);
    cdc_buf_lit(out, "\",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
}

void kafka_transaction_status(struct cdc_buf *out, const struct kafka_transaction *transaction,
                              const struct cdc_event *event)
{
    int64_t ts_ms = event->ts_ms;

    (void)cdc_json_int64(cdc_json_member(event->source, "ts_ms"), &ts_ms);
    append_status(out, transaction, "BEGIN", ts_ms);
    cdc_buf_lit(out, ",\"event_count\":null,\"data_collections\":null}");
}

void kafka_transaction_end(struct cdc_buf *out, const struct kafka_transaction *transaction,
                           const struct cdc_event *commit)
{
    int64_t ts_ms = commit->ts_ms;

    (void)cdc_json_int64(cdc_json_member(commit->source, "ts_ms"), &ts_ms);
    append_status(out, transaction, "END", ts_ms);
    cdc_buf_lit(out, ",\"event_count\":");
    cdc_buf_u64(out, transaction->events);
    cdc_buf_lit(out, ",\"data_collections\":[");
    for (size_t i = 0; i < transaction->n_collections; i++) {
        cdc_buf_text(out, i > 0 ? ",{\"data_collection\":\"" : "{\"data_collection\":\"");
        cdc_buf_text(out, transaction->collections[i].name);
        cdc_buf_lit(out, "\",\"event_count\":");
        cdc_buf_u64(out, transaction->collections[i].n);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, "],\"pos\":\"");
    cdc_buf_span(out, commit->pos);
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_i64(out, commit->seq);
    cdc_buf_lit(out, ",\"partitions\":[");
    for (size_t i = 0; i < transaction->n_counts; i++) {
        const struct kafka_count *count = &transaction->counts[i];
        cdc_buf_text(out, i > 0 ? ",{\"topic\":\"" : "{\"topic\":\"");
        cdc_buf_text(out, count->topic);
        cdc_buf_lit(out, "\",\"partition\":");
        cdc_buf_i64(out, count->partition);
        cdc_buf_lit(out, ",\"count\":");
        cdc_buf_u64(out, count->n);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_lit(out, "]}");
}

/* -- reading ------------------------------------------------------------------------- */

static int read_count(struct kafka_transaction *transaction, struct cdc_span item, struct cdc_error *error)
{
    int64_t partition, n;
    struct cdc_span topic = cdc_json_member_raw(item, "topic");

    if (!kafka_topic_is_valid(topic) || !cdc_json_int64(cdc_json_member(item, "partition"), &partition) ||
        partition < 0 || partition > INT32_MAX || !cdc_json_int64(cdc_json_member(item, "count"), &n) || n < 0)
        return cdc_error_set(error, CDC_EXIT_DATA, "an END of a transaction has a count that is none");
    transaction->events += (uint64_t)n;
    return count_partition(transaction, topic, (int32_t)partition, (uint64_t)n, error);
}

int kafka_transaction_read(struct kafka_transaction *transaction, struct cdc_span value, struct cdc_buf *pos,
                           int64_t *seq, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item, place, id, partitions;

    kafka_transaction_clear(transaction);
    if (cdc_json_validate(value.p, value.n, error) != 0)
        return -1;
    partitions = cdc_json_member(value, "partitions");
    place = cdc_json_member_raw(value, "pos");
    id = cdc_json_member_raw(value, "id");
    if (!cdc_json_member_is(value, "status", "END") || cdc_json_type(partitions) != CDC_JSON_ARRAY || place.p == NULL)
        return 0;
    if (!cdc_json_int64(cdc_json_member(value, "seq"), seq) || *seq < 0)
        return cdc_error_set(error, CDC_EXIT_DATA, "an END of a transaction has no \"seq\"");
    for (cdc_json_iter_begin(&iter, partitions); cdc_json_next_element(&iter, &item);)
        if (read_count(transaction, item, error) != 0)
            return -1;
    cdc_buf_span(pos, place);
    cdc_buf_span(&transaction->id, id);
    return pos->failed || transaction->id.failed ? cdc_error_memory(error) : 1;
}
