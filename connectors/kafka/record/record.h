/* SPDX-License-Identifier: MIT */
/* Records in Kafka, as bytes: what topics are named, what a row's key is and which partition it belongs to, how a line is several
 * records, what ends a transaction, and where a sink is. Nothing here knows a client or a broker. */
#ifndef KAFKA_RECORD_H
#define KAFKA_RECORD_H

#include <cdc/event.h>
#include <cdc/offset.h>
#include <cdc/table.h>

/* Headers of our records. */
#define KAFKA_HEADER_NAME "cdc.name"     /* source.name of the line */
#define KAFKA_HEADER_POS "cdc.pos"       /* its pos */
#define KAFKA_HEADER_SEQ "cdc.seq"       /* its seq */
#define KAFKA_HEADER_SOURCE "cdc.source" /* of a tombstone: the source of its delete, which may go */
#define KAFKA_HEADER_LINE "cdc.line"     /* the very line, where a record that stands for it is not that line */
#define KAFKA_HEADER_POSITION                                                                                          \
    "cdc.position" /* of the last record of a delivery in a topic that keeps the lines themselves */
#define KAFKA_HEADER_NEW_KEY "__debezium.newkey" /* of the delete of a row that goes on under another key */
#define KAFKA_HEADER_OLD_KEY "__debezium.oldkey" /* of the create of a row that was under another key */

#define KAFKA_UNAVAILABLE "__debezium_unavailable_value"

/* -- topics: name.c -- */
#define KAFKA_TOPIC_MAX 249
/* Appends {name}.{schema}.{table} or what the template says; bytes that no topic may have become "_". CONFIG: too long, or no
 * name at all. */
int kafka_topic_name(struct cdc_buf *out, const char *template, const struct cdc_event *event, struct cdc_error *error);
/* Is it a name that a topic may have? */
bool kafka_topic_is_valid(struct cdc_span name);

/* -- keys: key.c -- */
/* Appends the row's key as Debezium writes it without schemas: one object without spaces, of these n columns in this order, values
 * byte for byte but for spaces between tokens. object: `key` of a line, or a row that has these columns. exact: it has no others.
 * DATA: a column is missing or null, or there is another one. */
int kafka_key_append(struct cdc_buf *out, const char *const *names, size_t n, struct cdc_span object, bool exact,
                     struct cdc_error *error);
/* The hash of Kafka's Java clients. */
uint32_t kafka_murmur2(const void *data, size_t n);
/* Which of n partitions a key belongs to for them. */
int32_t kafka_partition_of(const void *key, size_t n, int32_t partitions);

/* -- a row whose key changes: split.c -- */
/* Has the update another key in before than new_key, which kafka_key_append made? *old_key: appended. 1, 0 or -1. */
int kafka_key_moves(struct cdc_buf *old_key, const char *const *names, size_t n, const struct cdc_event *event,
                    struct cdc_span new_key, struct cdc_error *error);
/* Appends the two lines that such an update is: the delete of the old row at POS, and the create of the new one at POS.1, each
 * without a line break. What the log did not carry of the new row and the old one has is filled in. *n_delete: the length of the
 * first. false: columns are missing in the second, as neither has them. */
bool kafka_split_update(struct cdc_buf *out, const struct cdc_event *event, struct cdc_span old_key, size_t *n_delete);

/* -- transactions: transaction.c -- */
struct kafka_count { /* records of a transaction in a partition, tombstones apart */
    char *topic;
    int32_t partition;
    uint64_t n;
};
struct kafka_transaction {
    struct cdc_buf id; /* "571:24023128": raw JSON text */
    bool open;
    uint64_t events; /* records, tombstones apart */
    struct kafka_collection {
        char *name; /* raw: "public.orders" */
        uint64_t n;
    } * collections;
    size_t n_collections;
    struct kafka_count *counts;
    size_t n_counts;
};
void kafka_transaction_free(struct kafka_transaction *transaction);
/* Of the event, which is its first one: its id. */
void kafka_transaction_begin(struct kafka_transaction *transaction, const struct cdc_event *event);
/* One record more. 0 or -1 without memory. */
int kafka_transaction_count(struct kafka_transaction *transaction, const struct cdc_event *event, const char *topic,
                            int32_t partition, struct cdc_error *error);
/* One that was counted was refused. */
void kafka_transaction_uncount(struct kafka_transaction *transaction, const struct cdc_event *event, const char *topic,
                               int32_t partition);
/* Append keys and values of the transaction topic: {"id":"..."}, and
 *   {"status":"BEGIN","id":"...","ts_ms":N,"event_count":null,"data_collections":null}
 *   {"status":"END","id":"...","ts_ms":N,"event_count":N,"data_collections":[{"data_collection":"public.orders","event_count":N}],
 *    "pos":"...","seq":N,"partitions":[{"topic":"shop.public.orders","partition":0,"count":N}]} */
/* What Connect's JSON converter calls the schemas of these. */
#define KAFKA_FIELD(type, optional, field) "{\"type\":\"" type "\",\"optional\":" optional ",\"field\":\"" field "\"}"
#define KAFKA_LIST(fields, name, field)                                                                                \
    "{\"type\":\"array\",\"items\":{\"type\":\"struct\",\"fields\":[" fields "],\"optional\":false,\"name\":\"" name   \
    "\",\"version\":1},\"optional\":true,\"field\":\"" field "\"}"
#define KAFKA_TRANSACTION_KEY_SCHEMA                                                                                   \
    "{\"type\":\"struct\",\"fields\":[" KAFKA_FIELD(                                                                   \
        "string", "false", "id") "],\"optional\":false,"                                                               \
                                 "\"name\":\"io.debezium.connector.common.TransactionMetadataKey\",\"version\":1}"
#define KAFKA_TRANSACTION_SCHEMA                                                                                                                                                                                                     \
    "{\"type\":\"struct\",\"fields\":[" KAFKA_FIELD("string", "false", "status") "," KAFKA_FIELD("string", "false", "id") "," KAFKA_FIELD("int64", "false", "ts_ms") "," KAFKA_FIELD("int64", "true", "event_count") "," KAFKA_LIST( \
        KAFKA_FIELD("string", "false", "data_collection") "," KAFKA_FIELD("int64", "false", "event_count"),                                                                                                                          \
        "event.collection",                                                                                                                                                                                                          \
        "data_collections") "," KAFKA_FIELD("string", "true",                                                                                                                                                                        \
                                            "pos") "," KAFKA_FIELD("int64", "true",                                                                                                                                                  \
                                                                   "seq") "," KAFKA_LIST(KAFKA_FIELD("string",                                                                                                                       \
                                                                                                     "false",                                                                                                                        \
                                                                                                     "topic") "," KAFKA_FIELD("int32",                                                                                               \
                                                                                                                              "false",                                                                                               \
                                                                                                                              "partition") "," KAFKA_FIELD("int64",                                                                  \
                                                                                                                                                           "false",                                                                  \
                                                                                                                                                           "count"),                                                                 \
                                                                                         "cdc.partition",                                                                                                                            \
                                                                                         "partitions") "],"                                                                                                                          \
                                                                                                       "\"optional\":"                                                                                                               \
                                                                                                       "false,"                                                                                                                      \
                                                                                                       "\"name\":"                                                                                                                   \
                                                                                                       "\"io."                                                                                                                       \
                                                                                                       "debezium."                                                                                                                   \
                                                                                                       "connector."                                                                                                                  \
                                                                                                       "common."                                                                                                                     \
                                                                                                       "TransactionMe"                                                                                                               \
                                                                                                       "tadataValue\""                                                                                                               \
                                                                                                       ",\"version\":"                                                                                                               \
                                                                                                       "1}"
/* Schema lines that are in each partition of a topic, as text that a position keeps: {"schema":"public","table":"t",
 * "topic":"shop.public.t","partitions":3}, with a comma before it where it is not the first one. */
void kafka_described_append(struct cdc_buf *out, const struct cdc_event *schema, const char *topic, int32_t partitions);
/* Of a part of them that is a record of its own: ["cdc-sink-kafka",{"name":"shop","id":"cdc-shop","begins":"POS","part":0}] */
void kafka_described_key(struct cdc_buf *out, const char *name, const char *id, const char *begins, size_t part);
void kafka_described_value(struct cdc_buf *out, const char *id, struct cdc_span members);
/* They count as records of the transaction. list: such members. 0 or -1. */
int kafka_transaction_describe(struct kafka_transaction *transaction, struct cdc_span list, struct cdc_error *error);
void kafka_transaction_key(struct cdc_buf *out, const struct kafka_transaction *transaction);
void kafka_transaction_status(struct cdc_buf *out, const struct kafka_transaction *transaction,
                              const struct cdc_event *event);
void kafka_transaction_end(struct cdc_buf *out, const struct kafka_transaction *transaction,
                           const struct cdc_event *commit);
/* It is over. */
void kafka_transaction_clear(struct kafka_transaction *transaction);
/* Reads such a value: 1 an END with what we add (filled; pos and seq as well), 0 something else, -1 DATA. pos: appended. */
int kafka_transaction_read(struct kafka_transaction *transaction, struct cdc_span value, struct cdc_buf *pos,
                           int64_t *seq, struct cdc_error *error);

/* -- where a sink is: position.c -- */
/* One source of a sink: what Kafka has of it (pos, inside a transaction maybe), and the last boundary of it (offset). */
struct kafka_place {
    char *name;
    char *pos;
    int64_t seq;
    struct cdc_offset offset; /* offset.pos "": no boundary so far */
    char *described;          /* members, see kafka_described_append; NULL: none */
    char *begins;             /* pos of the first of them, where the older ones are n_cuts records of their own */
    size_t n_cuts, *cuts;     /* cuts, of kafka_places_join: where each of these ends in described */
};
struct kafka_described_part {
    char *key, *members; /* members NULL: it was removed */
    bool used;
};
struct kafka_places {
    struct kafka_place *items;
    size_t n;
    char *id; /* the transactional id that wrote them; NULL */
    struct kafka_described_part *parts;
    size_t n_parts;
};
#define KAFKA_PLACES_INIT                                                                                              \
    {                                                                                                                  \
        NULL, 0, NULL, NULL, 0                                                                                         \
    }
void kafka_places_free(struct kafka_places *places);
struct kafka_place *kafka_places_find(const struct kafka_places *places, const char *name);
/* A new one, with pos "". NULL without memory. BORROWED until the next. */
struct kafka_place *kafka_places_add(struct kafka_places *places, const char *name, struct cdc_error *error);
void kafka_places_remove(struct kafka_places *places, const char *name);
int kafka_place_move(struct kafka_place *place, struct cdc_span pos, int64_t seq, struct cdc_error *error);

/* {"format":1,"tool":"cdc-sink-kafka","id":"cdc-shop","places":{"shop":{"pos":"...","seq":N,"offset":{...}}}}
 * Of all of them, or (only >= 0) of one. */
void kafka_position_append(struct cdc_buf *out, const struct kafka_places *places, const char *id, long only);
/* Takes in what such a text has; places that were there are moved. CONFIG: damaged, or of a newer format. */
int kafka_position_read(struct kafka_places *places, struct cdc_span text, struct cdc_error *error);
/* One of the records beside it; p NULL: removed. */
int kafka_places_take_part(struct kafka_places *places, struct cdc_span key, struct cdc_span value,
                           struct cdc_error *error);
/* Once all was read: described is whole. CONFIG: a part of it is missing. */
int kafka_places_join(struct kafka_places *places, const char *id, struct cdc_error *error);
/* Keys in the topic of positions: ["cdc-sink-kafka",{"name":"shop","id":"cdc-shop"}] and ["cdc-sink-kafka",{"topic":"T"}]. */
void kafka_position_key(struct cdc_buf *out, const char *name, const char *id);
void kafka_owner_key(struct cdc_buf *out, const char *topic);
/* ["cdc-sink-kafka",{"ends":"shop.public.t","id":"cdc-shop"}] */
void kafka_ends_key(struct cdc_buf *out, const char *topic, const char *id);
/* Which of them a key is. 1: a position, with *name and *id NEW; 2: an owner, with *name the topic; 3: a part of what a position has of
 * schema lines, with *name and *id; 4: ends of a topic, *name, of the sink *id; 0: none. */
int kafka_position_read_key(struct cdc_span key, char **name, char **id);
/* {"format":1,"tool":"cdc-sink-kafka","id":"...","partitions":N,"name":"...","db":"...","schema":"...","table":"..."} */
void kafka_owner_append(struct cdc_buf *out, const char *id, int32_t partitions, const struct cdc_table_id *owner);
int kafka_owner_read(struct cdc_span text, struct cdc_table_id *owner, int32_t *partitions, struct cdc_error *error);

/* -- how far a sink has written a topic: ends.c -- */
/* {"format":1,"tool":"cdc-sink-kafka","id":"cdc-shop","ends":[12,0,7]}: by partition, the offset after the newest record of that sink.
 * lost: and "lost":true, the topic was found to be shorter than that once. */
void kafka_ends_append(struct cdc_buf *out, const char *id, const int64_t *ends, int32_t n, bool lost);
/* *ends: NEW (free), n of them; NULL where there is none. CONFIG: damaged, or of a newer format. */
int kafka_ends_read(struct cdc_span text, int64_t **ends, int32_t *n, bool *lost, struct cdc_error *error);

#endif
