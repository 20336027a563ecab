/* SPDX-License-Identifier: MIT */
/* cdc-sink-kafka: change events from stdin into topics of Kafka. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/kafka.h"
#include "cmd/program/options.h"
#include "cmd/program/program.h"
#include "cmd/program/source.h"

#include <cdc/json.h>

#define MB ((int64_t)1 << 20)

struct options {
    const char *topic, *template, *name, *id, *offsets_topic, *transaction_topic, *config;
    const char *spool, *value, *schema, *tombstones, *unkeyed, *delivery, *create, *timestamp, *compression;
    struct cdc_option_list topic_config, properties, lines, accept_lost;
    bool accept_repartition, atomic, check, json;
    int64_t batch_bytes;
    double txn_timeout;
    struct sink_options sink;
};

#define AT(member) offsetof(struct options, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("Topics"),
    OPTION_TEXT("topic", AT(topic), "T", "every line, as it is, into this topic with one partition"),
    OPTION_TEXT("topic-template", AT(template), "PATTERN", "topics of tables (default {name}.{schema}.{table})"),
    OPTION_TEXT("create-topics", AT(create), "PARTS[:RF]", "how topics are made that are missing, or no"),
    OPTION_LIST(0, "topic-config", AT(topic_config), "NAME=VALUE", "a setting of topics that are made"),
    OPTION_TEXT("transaction-topic", AT(transaction_topic), "T",
                "where transactions begin and end (default {name}.transaction), or none"),
    OPTION_TEXT("offsets-topic", AT(offsets_topic), "T", "where positions are kept (default __cdc_offsets)"),
    OPTION_FLAG(0, "accept-repartition", AT(accept_repartition), "go on with another number of partitions"),
    OPTION_LIST(0, "accept-lost", AT(accept_lost), "TOPIC", "go on although what was in it is lost"),
    OPTION_HEADING("Records"),
    OPTION_CHOICE("value", AT(value), "FORM", "the line (default), or Debezium's form of it", "line|debezium"),
    OPTION_CHOICE("schema", AT(schema), "WHERE", "with --value=debezium: in each key and value, or none (default)",
                  "none|inline"),
    OPTION_CHOICE("tombstones", AT(tombstones), "YES", "after a delete, its key without a value (default yes)",
                  "yes|no"),
    OPTION_CHOICE("unkeyed", AT(unkeyed), "ACTION", "rows without a key: refused, without, or all of it as key",
                  "fail|row|whole"),
    OPTION_LIST(0, "lines", AT(lines), "KIND", "lines without a row as well: schema, t, m, ddl"),
    OPTION_CHOICE("timestamp", AT(timestamp), "WHICH", "records are dated now (default), or by their commit",
                  "now|commit"),
    OPTION_CHOICE("compression", AT(compression), "CODEC", "of batches (default lz4)", "lz4|zstd|snappy|gzip|none"),
    OPTION_HEADING("Delivery"),
    OPTION_TEXT("name", AT(name), "NAME", "name of the pipeline: the transactional id is cdc-NAME"),
    OPTION_TEXT("transactional-id", AT(id), "ID", "who this sink is for the brokers (default cdc-NAME or cdc-T)"),
    OPTION_CHOICE("delivery", AT(delivery), "HOW", "exactly once (default), or at least once",
                  "transactional|idempotent"),
    OPTION_SIZE("batch-bytes", AT(batch_bytes), "store at the latest after so many bytes (default 8M)",
                (int64_t)1 << 30),
    OPTION_SECONDS("batch-time", AT(sink.batch_time), "and at the latest after SEC seconds (default 200ms)"),
    OPTION_FLAG(0, "atomic", AT(atomic), "a transaction of the source is one of Kafka, never cut"),
    OPTION_TEXT("spool", AT(spool), "FOLDER", "with --atomic: where large ones wait (default TMPDIR or /tmp)"),
    OPTION_SECONDS("txn-timeout", AT(txn_timeout), "brokers end a transaction after SEC (default 60s)"),
    OPTION_LIST('X', "property", AT(properties), "NAME=VALUE", "a property of librdkafka"),
    OPTION_TEXT("config", AT(config), "FILE", "lines of such properties; secrets belong here"),
    OPTION_FLAG(0, "check", AT(check), "look at the cluster and its topics, write nothing"),
    OPTION_FLAG(0, "json", AT(json), "with --check: all of it as one JSON object"),
    OPTION_END,
};

/* The options of all sinks, but those that are told of in another way here. */
static struct cdc_option shared_table[24];

static void make_shared_table(void)
{
    size_t n = 0;

    for (const struct cdc_option *option = sink_option_table; option->name != NULL; option++)
        if (strcmp(option->name, "batch-time") != 0 && strcmp(option->name, "batch-events") != 0 &&
            n + 1 < sizeof shared_table / sizeof *shared_table)
            shared_table[n++] = *option;
    shared_table[n] = (struct cdc_option)OPTION_END;
}

/* -- options into settings ------------------------------------------------------------ */

static int read_create(struct kafka_sink_settings *settings, const char *text, struct cdc_error *error)
{
    char *end = NULL;

    settings->create = text == NULL || strcmp(text, "no") != 0;
    settings->create_partitions = settings->create_replication = -1;
    if (text == NULL || !settings->create)
        return 0;
    long partitions = strtol(text, &end, 10), replication = *end == ':' ? strtol(end + 1, &end, 10) : -1;
    if (end == text || *end != '\0' || (partitions < 1 && partitions != -1) || partitions > 1000000 ||
        (replication < 1 && replication != -1) || replication > 1000)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--create-topics is no, or PARTITIONS[:REPLICATION], and not \"%s\"", text);
    settings->create_partitions = (int32_t)partitions;
    settings->create_replication = (int32_t)replication;
    return 0;
}

static int read_lines(struct kafka_sink_settings *settings, const struct cdc_option_list *lists,
                      struct cdc_error *error)
{
    static const struct {
        const char *name;
        unsigned bit;
    } kinds[] = {{"schema", KAFKA_LINES_SCHEMA},
                 {"t", KAFKA_LINES_TRUNCATE},
                 {"m", KAFKA_LINES_MESSAGE},
                 {"ddl", KAFKA_LINES_DDL}};

    for (size_t i = 0; i < lists->count; i++)
        for (const char *p = lists->items[i]; *p != '\0';) {
            size_t n = strcspn(p, ","), k = 0;
            while (k < 4 && (strlen(kinds[k].name) != n || strncmp(kinds[k].name, p, n) != 0))
                k++;
            if (k == 4)
                return cdc_error_set(error, CDC_EXIT_USAGE, "--lines knows schema, t, m and ddl, and not \"%s\"", p);
            settings->lines |= kinds[k].bit;
            p += n + (p[n] == ',');
        }
    return 0;
}

static int check_id(const char *id, struct cdc_error *error)
{
    if (cdc_utf8_valid(id, strlen(id)))
        return 0;
    return cdc_error_set(error, CDC_EXIT_USAGE, "--transactional-id \"%s\" is not UTF-8", id);
}

/* Two sinks of one id shut each other out, so it must not be the same by chance. */
static int make_id(const struct options *options, char **id, struct cdc_error *error)
{
    const char *base = options->name != NULL ? options->name : options->topic;
    struct cdc_buf text = CDC_BUF_INIT;

    if (options->id == NULL && base == NULL) {
        cdc_error_set(error, CDC_EXIT_USAGE,
                      "--name NAME is missing: who this sink is, for the brokers and after a restart");
        return cdc_error_hint(error, "give it the pipeline's name; no two pipelines have the same");
    }
    if (options->id == NULL)
        cdc_buf_lit(&text, "cdc-");
    cdc_buf_text(&text, options->id != NULL ? options->id : base);
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    *id = text.data;
    if (text.len <= 1)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--transactional-id is empty");
    return options->id == NULL ? program_check_name(base, error) : check_id(options->id, error);
}

static int check_options(const struct options *options, struct cdc_error *error)
{
    if (options->topic != NULL && options->template != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--topic and --topic-template exclude each other");
    if (options->topic != NULL && strcmp(options->value, "line") != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--topic keeps the lines as they are: it takes no --value");
    if (strcmp(options->schema, "inline") == 0 && strcmp(options->value, "debezium") != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--schema=inline goes with --value=debezium");
    if (strcmp(options->schema, "inline") == 0 && strcmp(options->unkeyed, "whole") == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--schema=inline has no schema for --unkeyed=whole");
    if (strcmp(options->schema, "inline") == 0 && options->lines.count > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--schema=inline has no schema for --lines");
    if (options->topic != NULL && options->accept_lost.count > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--accept-lost is for topics of tables: of one that has the lines, take a new snapshot");
    if (options->topic != NULL && options->lines.count > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--topic keeps lines of every kind: it takes no --lines");
    if (options->atomic && strcmp(options->delivery, "transactional") != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--atomic needs the transactions of --delivery=transactional");
    if (options->spool != NULL && !options->atomic)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--spool goes with --atomic");
    if (options->txn_timeout < 1 || options->txn_timeout > 900)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--txn-timeout is between 1s and 15m");
    return 0;
}

static const char *spool_of(const struct options *options)
{
    const char *folder = getenv("TMPDIR");

    if (!options->atomic || options->spool != NULL)
        return options->spool;
    return folder != NULL && folder[0] != '\0' ? folder : "/tmp";
}

static int read_settings(struct program *program, const struct options *options, struct kafka_sink_settings *settings,
                         struct cdc_error *error)
{
    *settings = (struct kafka_sink_settings){
        .client = {NULL, options->properties, options->config, &program->control, &program->log,
                   options->sink.retry_max},
        .topic = options->topic,
        .template = options->template != NULL ? options->template : "{name}.{schema}.{table}",
        .offsets_topic = options->offsets_topic,
        .transaction_topic = options->transaction_topic,
        .transactional = strcmp(options->delivery, "transactional") == 0,
        .debezium = strcmp(options->value, "debezium") == 0,
        .schemas = strcmp(options->schema, "inline") == 0,
        .tombstones = strcmp(options->tombstones, "yes") == 0,
        .unkeyed = strcmp(options->unkeyed, "row") == 0     ? KAFKA_UNKEYED_ROW
                   : strcmp(options->unkeyed, "whole") == 0 ? KAFKA_UNKEYED_WHOLE
                                                            : KAFKA_UNKEYED_FAIL,
        .batch_bytes = options->batch_bytes,
        .spool = spool_of(options),
        .txn_timeout_ms = (int64_t)(options->txn_timeout * 1000),
        .topic_config = options->topic_config,
        .accept_repartition = options->accept_repartition,
        .accept_lost = options->accept_lost,
        .commit_time = strcmp(options->timestamp, "commit") == 0,
        .compression = options->compression,
        .max_line = options->sink.max_line,
    };
    return check_options(options, error) == 0 && read_create(settings, options->create, error) == 0 &&
                   read_lines(settings, &options->lines, error) == 0
               ? kafka_conf_check(&settings->client, error)
               : -1;
}

/* -- running ------------------------------------------------------------------------------ */

/* One attempt: a person waits for the answer. */
static int run_check(struct program *program, const struct options *options, struct kafka_sink_settings *settings,
                     struct cdc_error *error)
{
    struct cdc_findings findings = {.rows = NULL};

    settings->client.retry_max = 0;
    int result = kafka_sink_check(settings, &findings, error);
    return source_program_check_end(program, &findings, settings->id, options->json, result, error);
}

static int run_sink(struct program *program, struct options *options, struct kafka_sink_settings *settings,
                    struct cdc_error *error)
{
    int result = -1;

    struct cdc_offset_file *offsets = sink_program_open_offsets(program, &options->sink, NULL, error);
    struct kafka_sink *sink = offsets != NULL ? kafka_sink_open(settings, error) : NULL;
    if (sink != NULL && kafka_sink_sync_offsets(sink, offsets, error) == 0) {
        result = sink_program_loop(program, &options->sink, offsets,
                                   settings->topic != NULL ? &kafka_sink_log_ops : &kafka_sink_table_ops, sink, error);
        if (result == 0)
            result = kafka_sink_finish(sink, error);
    } else if (program->control.stop && cdc_error_is_transient(error)) {
        cdc_log_write(&program->log, CDC_LOG_INFO, "stopped while waiting: %s", error->text);
        cdc_error_clear(error);
        result = 0;
    }
    if (sink != NULL)
        kafka_sink_report(sink, &program->log);
    kafka_sink_free(sink);
    cdc_offset_file_free(offsets);
    return result;
}

static int run_with(struct program *program, struct options *options, const char *url, struct cdc_error *error)
{
    struct kafka_sink_settings settings;
    char *brokers = NULL, *id = NULL;
    const char *rest;
    int result = -1;

    if (kafka_url_read(url, &brokers, &rest, error) == 0 && rest != NULL && rest[0] != '\0')
        cdc_error_set(error, CDC_EXIT_USAGE, "the URL ends after the brokers; a topic is named with --topic");
    else if (brokers != NULL && source_program_check_json(program, options->check, options->json, error) == 0 &&
             read_settings(program, options, &settings, error) == 0 && make_id(options, &id, error) == 0) {
        settings.client.brokers = brokers;
        settings.id = id;
        result = options->check ? run_check(program, options, &settings, error)
                                : run_sink(program, options, &settings, error);
    }
    free(brokers);
    free(id);
    return result;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct options *options = program->values;
    int result;

    if (operands.count != 1)
        result = cdc_error_set(error, CDC_EXIT_USAGE,
                               operands.count == 0 ? "the URL is missing" : "one URL is expected, not \"%s\" too",
                               operands.count == 0 ? "" : operands.items[1]);
    else
        result = run_with(program, options, operands.items[0], error);
    free(options->topic_config.items);
    free(options->properties.items);
    free(options->lines.items);
    free(options->accept_lost.items);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {.value = "line",
                              .schema = "none",
                              .tombstones = "yes",
                              .unkeyed = "fail",
                              .delivery = "transactional",
                              .timestamp = "now",
                              .compression = "lz4",
                              .offsets_topic = "__cdc_offsets",
                              .batch_bytes = 8 * MB,
                              .txn_timeout = 60};
    struct program program = {
        .name = "cdc-sink-kafka",
        .synopsis = "[options] kafka://HOST:PORT[,HOST:PORT] < events",
        .summary = "Writes change events to topics of Kafka, each exactly once.",
        .options = option_table,
        .values = &options,
        .more_options = shared_table,
        .more_values = &options.sink,
        .exit_statuses = "0 64 65 69 70 74 75 76 77 78 79",
        .run = run,
    };

    make_shared_table();
    sink_options_init(&options.sink);
    options.sink.batch_events = 1000000;
    options.sink.batch_time = 0.2;
    options.sink.destination_keeps = true;
    return program_main(&program, argc, argv);
}
