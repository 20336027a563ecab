/* SPDX-License-Identifier: MIT */
/* What --check of both tools looks at: the cluster, this librdkafka, and topics. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/session/session.h"

void kafka_finding(const struct kafka_client_settings *settings, struct cdc_findings *findings,
                   enum cdc_log_level level, const char *code, const char *topic, const char *text, const char *cure)
{
    cdc_findings_add(findings, level, code, topic, text, cure);
    cdc_log_write(settings->log, level == CDC_LOG_ERROR ? CDC_LOG_WARNING : level, "%s%s%s (hint: %s)",
                  topic != NULL ? topic : "", topic != NULL ? ": " : "", text, cure);
}

/* -- librdkafka -------------------------------------------------------------------- */

static const struct lack {
    int from; /* the release that has it */
    const char *code, *what;
} lacks[] = {
    {0x02010000, "librdkafka_truncation",
     "a partition that was cut back after an unclean election is not noticed by a reader "
     "(from 2.1.0)"},
    {0x02020000, "librdkafka_tls", "a TLS connection that is closed may look like an error of the data (from 2.2.0)"},
    {0x02030000, "librdkafka_sequence",
     "a batch that may have been stored can end the producer for good, which is then made anew "
     "(from 2.3.0)"},
    {0x020a0000, "librdkafka_coordinator", "a coordinator behind a broker that has died is found late (from 2.10.0)"},
};

static void add_library(const struct kafka_client *client, struct cdc_findings *findings)
{
    char text[400];

    cdc_findings_object(findings, "librdkafka");
    cdc_findings_text(findings, "version", rd_kafka_version_str());
    for (size_t i = 0; i < sizeof lacks / sizeof *lacks; i++)
        if (rd_kafka_version() < lacks[i].from) {
            snprintf(text, sizeof text, "librdkafka %s: %s", rd_kafka_version_str(), lacks[i].what);
            kafka_finding(client->settings, findings, CDC_LOG_INFO, lacks[i].code, NULL, text, "a newer librdkafka");
        }
}

/* -- the cluster ------------------------------------------------------------------- */

static int add_cluster(struct kafka_client *client, struct cdc_findings *findings, struct cdc_error *error)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client->handle, 0, NULL, &metadata, 5000);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error_set(error, code, "cannot ask for the brokers");
    char *id = rd_kafka_clusterid(client->handle, 1000);
    cdc_findings_object(findings, "cluster");
    cdc_findings_text(findings, "id", id);
    cdc_findings_number(findings, "brokers", metadata->broker_cnt);
    if (id != NULL)
        rd_kafka_mem_free(client->handle, id);
    if (metadata->broker_cnt < 3)
        kafka_finding(client->settings, findings, CDC_LOG_WARNING, "few_brokers", NULL,
                      "fewer than three brokers: the loss of one stops writers, or loses what it had alone",
                      "three brokers or more");
    rd_kafka_metadata_destroy(metadata);
    return 0;
}

int kafka_check_cluster(struct kafka_client *client, struct cdc_findings *findings, struct cdc_error *error)
{
    add_library(client, findings);
    return add_cluster(client, findings, error);
}

/* -- topics -------------------------------------------------------------------------- */

enum setting { CLEANUP, MAX_BYTES, MIN_ISR, RETENTION_MS, RETENTION_BYTES, UNCLEAN, SETTINGS };
static const char *const setting_names[SETTINGS] = {
    [CLEANUP] = "cleanup.policy",          [MAX_BYTES] = "max.message.bytes",
    [MIN_ISR] = "min.insync.replicas",     [RETENTION_MS] = "retention.ms",
    [RETENTION_BYTES] = "retention.bytes", [UNCLEAN] = "unclean.leader.election.enable"};

static int64_t number_of(const char *value)
{
    return value != NULL ? strtoll(value, NULL, 10) : -1;
}

static void check_durable(const struct kafka_client *client, const struct kafka_check_topic *what,
                          const struct kafka_topic_facts *facts, char **values, struct cdc_findings *findings)
{
    char text[300];

    if (facts->replication < 3) {
        snprintf(text, sizeof text,
                 "replication factor %d: a broker that loses its disk or its power loses rows that were "
                 "acknowledged",
                 (int)facts->replication);
        kafka_finding(client->settings, findings, CDC_LOG_WARNING, "replication", what->topic, text,
                      "a topic with replication factor 3 on three brokers");
    }
    if (values[MIN_ISR] != NULL && number_of(values[MIN_ISR]) < 2)
        kafka_finding(client->settings, findings, CDC_LOG_WARNING, "min_insync_replicas", what->topic,
                      "min.insync.replicas is 1: rows that one broker alone has are acknowledged",
                      "kafka-configs.sh --alter --add-config min.insync.replicas=2");
    if (values[UNCLEAN] != NULL && strcmp(values[UNCLEAN], "true") == 0)
        kafka_finding(
            client->settings, findings, CDC_LOG_ERROR, "unclean_leader_election", what->topic,
            "unclean.leader.election.enable is true: a broker that lacks rows may become the leader, and they are gone",
            "kafka-configs.sh --alter --add-config unclean.leader.election.enable=false");
}

static void check_kept(const struct kafka_client *client, const struct kafka_check_topic *what, char **values,
                       struct cdc_findings *findings)
{
    char text[300];
    bool deletes = values[CLEANUP] != NULL && strstr(values[CLEANUP], "delete") != NULL;

    if (deletes && what->retention &&
        (number_of(values[RETENTION_MS]) >= 0 || number_of(values[RETENTION_BYTES]) >= 0)) {
        snprintf(text, sizeof text,
                 "retention: rows are removed after %s ms or beyond %s bytes; who reads from the beginning lacks "
                 "them",
                 values[RETENTION_MS] != NULL ? values[RETENTION_MS] : "-",
                 values[RETENTION_BYTES] != NULL ? values[RETENTION_BYTES] : "-");
        kafka_finding(client->settings, findings, CDC_LOG_WARNING, "retention", what->topic, text,
                      "retention.ms=-1, or readers that begin with a snapshot");
    }
    if (values[MAX_BYTES] != NULL && what->line > 0 && number_of(values[MAX_BYTES]) < what->line) {
        snprintf(text, sizeof text, "max.message.bytes is %s: longer rows are refused", values[MAX_BYTES]);
        kafka_finding(client->settings, findings, CDC_LOG_WARNING, "max_message_bytes", what->topic, text,
                      "kafka-configs.sh --alter --add-config max.message.bytes=N, for readers of N bytes as well; "
                      "see --on-error");
    }
}

int kafka_topic_check(struct kafka_client *client, const struct kafka_check_topic *what,
                      struct kafka_topic_facts *facts, struct cdc_findings *findings, struct cdc_error *error)
{
    char *values[SETTINGS];

    if (kafka_topic_look(client, what->topic, facts, error) != 0)
        return -1;
    if (facts->partitions == 0)
        return 0;
    cdc_findings_row(findings, "topics");
    cdc_findings_text(findings, "topic", what->topic);
    cdc_findings_number(findings, "partitions", facts->partitions);
    cdc_findings_number(findings, "replication", facts->replication);
    int result =
        kafka_configs_read(client, RD_KAFKA_RESOURCE_TOPIC, what->topic, setting_names, values, SETTINGS, error);
    if (result == 0) {
        for (size_t i = 0; i < SETTINGS; i++) {
            char name[64];
            size_t n = 0;
            for (; setting_names[i][n] != '\0' && n + 1 < sizeof name; n++)
                name[n] = setting_names[i][n] == '.' ? '_' : setting_names[i][n];
            name[n] = '\0';
            cdc_findings_text(findings, name, values[i]);
        }
        if (what->durable)
            check_durable(client, what, facts, values, findings);
        check_kept(client, what, values, findings);
    }
    for (size_t i = 0; i < SETTINGS; i++)
        free(values[i]);
    return result;
}
