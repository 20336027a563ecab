/* SPDX-License-Identifier: MIT */
/* A client of Kafka: its settings, what it says, what its errors mean, waits that a signal ends, topics and their settings. */
#ifndef KAFKA_SESSION_H
#define KAFKA_SESSION_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/findings.h>
#include <cdc/log.h>
#include <cdc/options.h>
#include <cdc/retry.h>

/* -- settings: settings.c -- */

/* What the user says about the client. BORROWED. */
struct kafka_client_settings {
    const char *brokers;               /* "host:9092,host2:9092" */
    struct cdc_option_list properties; /* -X NAME=VALUE */
    const char *config_file;           /* lines NAME=VALUE, and comments after #; NULL: none */
    struct cdc_control *control;
    const struct cdc_log *log;
    int64_t retry_max; /* -1: for ever */
};
/* A property that the tool decides; a list of them ends with name NULL. */
struct kafka_property {
    const char *name, *value;
};
/* kafka://host:9092[,host2:9092][/rest]: *brokers NEW (free), with the port 9092 where none is given; *rest BORROWED from url, what
 * is after the slash, NULL without one. USAGE. */
int kafka_url_read(const char *url, char **brokers, const char **rest, struct cdc_error *error);
/* The configuration: `own`, then the file's properties, then -X, each of which counts before those before it. No message has a value in it: it may be a secret. USAGE or
 * CONFIG: a property that librdkafka does not know or take, or that is refused since the tool depends on it. RETURNS NEW
 * (rd_kafka_new takes it, or rd_kafka_conf_destroy). */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_client_settings *settings, const struct kafka_property *own,
                                struct cdc_error *error);
/* Would that be an error? Looked at before anything is opened. 0 or -1. */
int kafka_conf_check(const struct kafka_client_settings *settings, struct cdc_error *error);

/* -- errors: error.c -- */
/* The exit status that an error of the client or a broker has (cdc/exit.h). */
int kafka_error_status(rd_kafka_resp_err_t code);
/* "what: the error's text (its name)". Always -1. */
int kafka_error_set(struct cdc_error *error, rd_kafka_resp_err_t code, const char *format, ...) CDC_PRINTF(3, 4);

/* -- a client: client.c -- */
struct kafka_client {
    rd_kafka_t *handle;
    const struct kafka_client_settings *settings;
    /* Set before kafka_client_open, or NULL: told of each error that the client tells (also within librdkafka's own calls in other
     * threads of ours). */
    void (*on_error)(void *context, rd_kafka_resp_err_t code, const char *text);
    /* Told of each log line; facility as librdkafka names it ("OFFSET"). */
    void (*on_log)(void *context, const char *facility, const char *text);
    /* Of a producer: each delivery report. */
    void (*on_delivery)(void *context, const rd_kafka_message_t *message);
    void *context;
    /* client.c's own: */
    pthread_mutex_t lock;
    bool has_lock;
    rd_kafka_resp_err_t refused; /* a login or a TLS handshake failed: there is no use in waiting */
    char refused_text[512];
    /* A broker that hangs up at once speaks another protocol, or is about to stop: the same again and again says which. */
    char greeting_text[512]; /* "" since a broker has answered */
    unsigned greetings_failed;
    bool answered;     /* by any broker, in this run */
    bool stranger;     /* what answered that greeting is no broker */
    char protocol[24]; /* security.protocol */
    rd_kafka_resp_err_t fatal;
    char fatal_text[512];
    uint64_t disconnects;
    bool busy; /* a call was left while it was under way: the handle is not to be touched any more */
    struct cdc_retry retry;
};
/* own: see kafka_conf_new. Nothing is sent. */
int kafka_client_open(struct kafka_client *client, const struct kafka_client_settings *settings, rd_kafka_type_t type,
                      const struct kafka_property *own, struct cdc_error *error);
/* Nothing happens to one that was not opened. */
void kafka_client_close(struct kafka_client *client);
/* Waits until a broker answers. Tries again as often as the settings say. 0; -1, TEMPORARY also when a signal came first. */
int kafka_client_connect(struct kafka_client *client, struct cdc_error *error);
/* The fatal error of the client, if there is one. BORROWED text; 0: none. */
rd_kafka_resp_err_t kafka_client_fatal(struct kafka_client *client, const char **text);
/* Connections that were lost since it was opened. */
uint64_t kafka_client_disconnects(struct kafka_client *client);

/* A call that may take for ever, in a thread of its own: the caller waits for it. With the brokers away it is left once the attempts
 * are used up (UNAVAILABLE), by a signal after some seconds and by the second one at once (TEMPORARY): the client can only be closed then,
 * and `context` must stay. what: for messages, "the transaction's commit". 0: it is done; -1. */
int kafka_client_call(struct kafka_client *client, const char *what, void (*call)(void *context), void *context,
                      struct cdc_error *error);

/* -- what a port speaks: protocol.c -- */
/* The security.protocol, other than ours, that the brokers answer in. NULL: none of them. Takes seconds. A literal. */
const char *kafka_protocol_of(const struct kafka_client_settings *settings, const char *ours);

/* -- topics: topic.c -- */
struct kafka_topic_facts {
    int32_t partitions;  /* 0: there is no such topic */
    int32_t replication; /* the smallest of its partitions */
};
/* Asks the brokers. 0 or -1. */
int kafka_topic_look(struct kafka_client *client, const char *topic, struct kafka_topic_facts *facts,
                     struct cdc_error *error);
/* Makes it, and waits until it is there. partitions, replication: -1: the broker's default. config: "NAME=VALUE" of the topic. One that
 * is there already is no error. facts: as kafka_topic_look, of a broker that knows it by then. */
int kafka_topic_create(struct kafka_client *client, const char *topic, int32_t partitions, int32_t replication,
                       const struct cdc_option_list *config, struct kafka_topic_facts *facts, struct cdc_error *error);
/* First and next offset of a partition as the brokers have them: high with open transactions (the client's isolation.level must be
 * read_uncommitted), or the last stable offset. */
int kafka_topic_ends(struct kafka_client *client, const char *topic, int32_t partition, int64_t *low, int64_t *high,
                     struct cdc_error *error);
/* One attempt: the next offsets of n partitions, as kafka_topic_ends has them; highs: -1 where one is not asked for, and what was asked
 * where it is not -1. 0 or -1. */
int kafka_topic_highs(struct kafka_client *client, const char *topic, int64_t *highs, int32_t n,
                      struct cdc_error *error);
/* One attempt of kafka_topic_look. */
int kafka_topic_look_once(struct kafka_client *client, const char *topic, struct kafka_topic_facts *facts,
                          struct cdc_error *error);
/* Settings of a topic, or of a broker by its id as text. names: n of them; values: NEW texts (free) or NULL where there is none of
 * that. UNAVAILABLE, PERMISSION .... */
int kafka_configs_read(struct kafka_client *client, rd_kafka_ResourceType_t type, const char *resource,
                       const char *const *names, char **values, size_t n, struct cdc_error *error);

/* -- --check: check.c -- */
/* Adds a finding, and tells it. topic may be NULL. */
void kafka_finding(const struct kafka_client_settings *settings, struct cdc_findings *findings,
                   enum cdc_log_level level, const char *code, const char *topic, const char *text, const char *cure);
/* Adds what both tools look at: client and brokers, versions, what this librdkafka lacks. 0, or -1: no broker answers. */
int kafka_check_cluster(struct kafka_client *client, struct cdc_findings *findings, struct cdc_error *error);
struct kafka_check_topic {
    const char *topic;
    bool durable;   /* acknowledged is to stay: replication, min.insync.replicas, unclean leader election */
    bool retention; /* what time-based retention removes is missed */
    int64_t line;   /* longest line that may come; 0: not known */
};
/* A topic that is not there: *facts says so, and nothing is added. */
int kafka_topic_check(struct kafka_client *client, const struct kafka_check_topic *what,
                      struct kafka_topic_facts *facts, struct cdc_findings *findings, struct cdc_error *error);

#endif
