/* SPDX-License-Identifier: MIT */
/* kafka-cdc: lines out of Kafka's topics: those that cdc-sink-kafka wrote, or records of other tools (--format). */
#include "cmd/program/options.h"
#include "cmd/program/source.h"
#include "connectors/kafka/kafka.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct values {
    struct source_options common;
    struct cdc_option_list properties, keys;
    const char *mirror_group, *order, *partitions, *transactions, *format, *config, *from, *until;
    int64_t max_line;
    bool check, json;
};

#define AT(member) offsetof(struct values, member)
static const struct cdc_option option_table[] = {
    OPTION_HEADING("What to read"),
    OPTION_TEXT("name", AT(common.name), "NAME", "name of the pipeline (default: the topics')"),
    OPTION_CHOICE("order", AT(order), "ORDER", "log (default of one partition), partition or source",
                  "log|partition|source"),
    OPTION_TEXT("partitions", AT(partitions), "LIST", "only these, such as 0-3,7"),
    OPTION_TEXT("transaction-topic", AT(transactions), "TOPIC", "with --order=source (default NAME.transaction)"),
    OPTION_CHOICE("format", AT(format), "FORMAT", "records of other tools: debezium, maxwell, json ...",
                  "debezium|maxwell|canal|wal2json|singer|json"),
    OPTION_LIST(0, "key", AT(keys), "[TABLE:]A,B", "key columns of tables whose records do not tell"),
    OPTION_MAX_LINE(AT(max_line)),
    OPTION_HEADING("The client"),
    OPTION_LIST('X', "property", AT(properties), "NAME=VALUE", "a property of librdkafka (repeatable)"),
    OPTION_TEXT("config", AT(config), "FILE", "properties, a line each: for secrets"),
    OPTION_HEADING("Instead of reading"),
    OPTION_FLAG(0, "check", AT(check), "say what would stop the pipe or lose rows"),
    OPTION_FLAG(0, "json", AT(json), "with --check: all of it as one JSON object"),
    OPTION_HEADING("Position"),
    OPTION_TEXT("from", AT(from), "WHERE", "first start: earliest, latest, TIME, POS, @OFFSET"),
    OPTION_TEXT("until", AT(until), "WHEN", "end there: now, a time, or a position"),
    OPTION_TEXT("offset-file", AT(common.offset_file), "FILE", "where the position is kept"),
    OPTION_STATE_DIR(AT(common.state_dir)),
    OPTION_LIST(0, "ack", AT(common.ack), "FILE", "a sink's offset file: confirm that; or stdout"),
    OPTION_TEXT("mirror-group", AT(mirror_group), "GROUP", "a consumer group that shows it, for dashboards"),
    OPTION_INTEGER(0, "max-events", AT(common.max_events), "N", "end after N changes, at a commit", 1, INT64_MAX),
    OPTION_SECONDS("idle-exit", AT(common.idle_exit), "end after SEC seconds without a change"),
    OPTION_RETRY_MAX(AT(common.retry_max)),
    OPTION_END,
};

struct context {
    struct kafka_source_settings settings;
    char *schema_file;
};

static void *open_source(void *pointer, struct source_run *run, struct cdc_error *error)
{
    struct context *context = pointer;

    if (program_beside(&context->schema_file, cdc_offset_file_path(run->positions.offsets), ".schema", error) < 0)
        return NULL;
    context->settings.schema_file = context->schema_file;
    context->settings.start = &run->start;
    context->settings.ack_files = run->positions.files;
    context->settings.n_ack_files = run->positions.n_files;
    context->settings.state_dir = run->positions.state_dir;
    context->settings.confirm_acks = run->positions.confirm == CDC_CONFIRM_ACKS;
    return kafka_source_new(&context->settings, &run->metrics, &run->program->log, error);
}

static int check(struct program *program, const struct values *v, const struct kafka_source_settings *settings,
                 struct cdc_error *error)
{
    struct cdc_findings findings = {.rows = NULL};
    int result = kafka_source_check(settings, &findings, &program->log, error);
    return source_program_check_end(program, &findings, settings->name, v->json, result, error);
}

static int run_topics(struct program *program, const struct values *v, const char *brokers, const char *topics,
                      struct cdc_error *error)
{
    static const struct source_kind kind = {&kafka_source_ops, open_source, kafka_source_free, true};
    const char *name = v->common.name ? v->common.name : topics;
    struct context context = {.settings = {.client = {.brokers = brokers,
                                                      .properties = v->properties,
                                                      .config_file = v->config,
                                                      .control = &program->control,
                                                      .log = &program->log,
                                                      .retry_max = v->common.retry_max},
                                           .topics = topics,
                                           .name = name,
                                           .order = v->order,
                                           .partitions = v->partitions,
                                           .from = v->from,
                                           .until = v->until,
                                           .transactions = v->transactions,
                                           .format = v->format,
                                           .mirror_group = v->mirror_group,
                                           .keys = v->keys,
                                           .max_events = v->common.max_events,
                                           .max_line = v->max_line}};
    if (kafka_conf_check(&context.settings.client, error) < 0)
        return -1;
    int result = v->check
                     ? check(program, v, &context.settings, error)
                     : source_program_stream(program, &v->common, name, SOURCE_KEEP_IF_GIVEN, &kind, &context, error);
    free(context.schema_file);
    return result;
}

static int check_options(const struct values *v, const char *topics, struct cdc_error *error)
{
    if (!topics || !*topics) {
        cdc_error_set(error, CDC_EXIT_USAGE, "the URL lacks a topic");
        return cdc_error_hint(error, "kafka://host:9092/TOPIC, with more after commas, or /^EXPRESSION");
    }
    if (v->format && v->order && strcmp(v->order, "partition") != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--format is for --order=partition");
    if (v->keys.count > 0 && !v->format)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--key goes with --format");
    if (v->transactions && (!v->order || strcmp(v->order, "source") != 0))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--transaction-topic goes with --order=source");
    if (v->partitions && v->order && strcmp(v->order, "source") == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--order=source needs all partitions: no --partitions");
    return 0;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    struct values *v = program->values;
    char *brokers = NULL;
    const char *topics = NULL;
    if (source_program_check_options(&v->common, error) < 0 ||
        source_program_check_json(program, v->check, v->json, error) < 0)
        return -1;
    char *url = source_program_take_url(operands, error);
    int result = url ? kafka_url_read(url, &brokers, &topics, error) : -1;
    if (result == 0)
        result = check_options(v, topics, error);
    if (result == 0)
        result = run_topics(program, v, brokers, topics, error);
    free(brokers);
    source_program_free_url(url);
    return result;
}

int main(int argc, char **argv)
{
    struct values values = {.max_line = 256 << 20};
    struct program program = {.name = "kafka-cdc",
                              .synopsis = "[options] kafka://HOST[:PORT][,HOST...]/TOPIC[,TOPIC...]",
                              .summary = "Writes the lines that are in Kafka's topics to stdout.",
                              .options = option_table,
                              .values = &values,
                              .exit_statuses = "0 64 65 69 70 74 75 76 77 78 79",
                              .run = run};
    source_options_init(&values.common);
    int status = program_main(&program, argc, argv);
    source_options_free(&values.common);
    free(values.properties.items);
    free(values.keys.items);
    return status;
}
