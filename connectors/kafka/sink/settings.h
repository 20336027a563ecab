/* SPDX-License-Identifier: MIT */
/* Kafka as a destination. */
#ifndef KAFKA_SINK_SETTINGS_H
#define KAFKA_SINK_SETTINGS_H

#include "connectors/kafka/session/session.h"
#include <cdc/sink.h>

enum kafka_unkeyed { KAFKA_UNKEYED_FAIL, KAFKA_UNKEYED_ROW, KAFKA_UNKEYED_WHOLE };

/* The lines without a row that go into tables' topics as well. */
#define KAFKA_LINES_SCHEMA 1u
#define KAFKA_LINES_TRUNCATE 2u
#define KAFKA_LINES_MESSAGE 4u
#define KAFKA_LINES_DDL 8u

struct kafka_sink_settings {
    struct kafka_client_settings client;
    const char *topic;    /* every line into this one; NULL: a topic for each table */
    const char *template; /* names of these: {name}.{schema}.{table} */
    const char *id;       /* the transactional id: two sinks with one of them are one */
    const char *offsets_topic;
    const char *transaction_topic; /* NULL: {name}.transaction; "none": none */
    bool transactional;            /* else at least once */
    bool debezium;                 /* values as Debezium has them, else the lines */
    bool schemas; /* with that, each key and value has its schema as Connect's JSON converter reads it */
    bool tombstones;
    enum kafka_unkeyed unkeyed;
    unsigned lines;
    int64_t batch_bytes, txn_timeout_ms;
    /* A transaction of the source is one of Kafka, and large ones wait in this folder. NULL: they are cut. */
    const char *spool;
    bool create;                                   /* topics that are missing are made: */
    int32_t create_partitions, create_replication; /* -1: as the broker has it */
    struct cdc_option_list topic_config;
    bool accept_repartition;
    struct cdc_option_list accept_lost; /* topics whose rows so far are known to be lost */
    bool commit_time;                   /* records are dated by their commit */
    const char *compression;            /* "lz4" */
    int64_t max_line;
    /* For tests alone. */
    bool lose_positions; /* position records are not written */
};

struct kafka_sink;
extern const struct cdc_sink_ops kafka_sink_log_ops;   /* with settings.topic */
extern const struct cdc_sink_ops kafka_sink_table_ops; /* without */
/* Connects, ends what another run left open, and reads where it was. BORROWS settings. RETURNS NEW. */
struct kafka_sink *kafka_sink_open(const struct kafka_sink_settings *settings, struct cdc_error *error);
void kafka_sink_free(struct kafka_sink *sink);
/* What Kafka has of the positions goes into the offset file. LOST: Kafka does not have what the file says it had. */
int kafka_sink_sync_offsets(struct kafka_sink *sink, struct cdc_offset_file *offsets, struct cdc_error *error);
/* At the end, where all went well: are the topics still those that were written? LOST. */
int kafka_sink_finish(struct kafka_sink *sink, struct cdc_error *error);
/* At the end: what the records cannot say. */
void kafka_sink_report(const struct kafka_sink *sink, const struct cdc_log *log);
/* --check */
int kafka_sink_check(const struct kafka_sink_settings *settings, struct cdc_findings *findings,
                     struct cdc_error *error);

#endif
