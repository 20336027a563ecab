/* SPDX-License-Identifier: MIT */
/* A client of Kafka for tests, independent of the tools: commands come as lines on stdin, words with tabs between them, and each
 * is answered by a line on stdout, `ok` (and what was asked for) or `error CODE`. A word `-` is NULL.
 *
 *   kafka-client BOOTSTRAP [PROPERTY=VALUE]...
 *     create TOPIC PARTITIONS COPIES [NAME=VALUE]...   delete TOPIC   grow TOPIC PARTITIONS   config TOPIC NAME=VALUE...
 *     delete-records TOPIC PARTITION OFFSET            ends TOPIC PARTITION (low and high)   cluster
 *     group GROUP TOPIC PARTITION (what is committed, -1001: nothing)
 *     send TOPIC PARTITION KEY VALUE [TIMESTAMP [HEADER=VALUE]...]   load TOPIC PARTITION FILE (its lines, without keys)
 *     flush   id TRANSACTIONAL.ID [TIMEOUT_MS]   begin   commit   abort
 *   kafka-client --mock BROKERS      prints the address of a mock cluster, and takes
 *     topic TOPIC PARTITIONS   topic-error TOPIC CODE   errors API CODE...   down BROKER   up BROKER   rtt BROKER MS
 *     leader TOPIC PARTITION BROKER   marks TOPIC PARTITION LOW HIGH   api KEY MIN MAX */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 64
#define LIMIT_MS 30000

static const char *const *properties;
static const char *bootstrap;
static rd_kafka_t *producer;
static unsigned long failed; /* records, since the last flush or commit */
static rd_kafka_resp_err_t failure;

static void die(const char *what)
{
    fprintf(stderr, "kafka-client: %s\n", what);
    exit(70);
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk, (void)opaque;
    if (message->err) {
        failed++;
        failure = message->err;
    }
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];

    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) != RD_KAFKA_CONF_OK)
        die(text);
}

static rd_kafka_t *make_producer(const char *id, const char *timeout)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "linger.ms", "5");
    set(conf, "isolation.level", "read_uncommitted"); /* for the ends of a partition, open transactions or not */
    set(conf, "log_level", "2");
    set(conf, "message.max.bytes", "100000000");
    set(conf, "topic.metadata.refresh.interval.ms", "1000");
    for (size_t i = 0; properties[i] != NULL; i++) {
        char *copy = strdup(properties[i]), *value = copy != NULL ? strchr(copy, '=') : NULL;
        if (value == NULL)
            die("PROPERTY=VALUE");
        *value = '\0';
        set(conf, copy, value + 1);
        free(copy);
    }
    if (id != NULL)
        set(conf, "transactional.id", id);
    if (timeout != NULL)
        set(conf, "transaction.timeout.ms", timeout);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (rk == NULL)
        die(text);
    return rk;
}

/* -- answers -------------------------------------------------------------------- */

static void answer(rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        printf("ok\n");
    else
        printf("error %s\n", rd_kafka_err2name(code));
}

static void answer_error(rd_kafka_error_t *error)
{
    answer(rd_kafka_error_code(error)); /* NULL is none */
    rd_kafka_error_destroy(error);
}

static const char *null_or(const char *word)
{
    return strcmp(word, "-") == 0 ? NULL : word;
}

/* -- topics --------------------------------------------------------------------- */

/* The first error of a topic in what an admin call has answered. */
static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event)
{
    const rd_kafka_topic_result_t **topics = NULL;
    size_t n = 0;

    if (rd_kafka_event_error(event))
        return rd_kafka_event_error(event);
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
        break;
    case RD_KAFKA_EVENT_DELETETOPICS_RESULT:
        topics = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
        break;
    case RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT:
        topics = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
        break;
    case RD_KAFKA_EVENT_ALTERCONFIGS_RESULT: {
        const rd_kafka_ConfigResource_t **resources =
            rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &n);
        return n > 0 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    case RD_KAFKA_EVENT_DELETERECORDS_RESULT: {
        const rd_kafka_topic_partition_list_t *list =
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
        return list->cnt > 0 ? list->elems[0].err : RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    default: return RD_KAFKA_RESP_ERR__BAD_MSG;
    }
    return n > 0 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void answer_event(rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LIMIT_MS);

    answer(event != NULL ? result_of(event) : RD_KAFKA_RESP_ERR__TIMED_OUT);
    if (event != NULL)
        rd_kafka_event_destroy(event);
}

static void topic_command(char **word, size_t n)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer);

    if (strcmp(word[0], "create") == 0 && n >= 4) {
        rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(word[1], atoi(word[2]), atoi(word[3]), NULL, 0);
        for (size_t i = 4; i < n; i++) {
            char *value = strchr(word[i], '=');
            if (value == NULL)
                die("NAME=VALUE");
            *value = '\0';
            rd_kafka_NewTopic_set_config(topic, word[i], value + 1);
        }
        rd_kafka_CreateTopics(producer, &topic, 1, NULL, queue);
        answer_event(queue);
        rd_kafka_NewTopic_destroy(topic);
    } else if (strcmp(word[0], "delete") == 0 && n == 2) {
        rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(word[1]);
        rd_kafka_DeleteTopics(producer, &topic, 1, NULL, queue);
        answer_event(queue);
        rd_kafka_DeleteTopic_destroy(topic);
    } else if (strcmp(word[0], "grow") == 0 && n == 3) {
        rd_kafka_NewPartitions_t *more =
            rd_kafka_NewPartitions_new(word[1], (size_t)strtoul(word[2], NULL, 10), NULL, 0);
        rd_kafka_CreatePartitions(producer, &more, 1, NULL, queue);
        answer_event(queue);
        rd_kafka_NewPartitions_destroy(more);
    } else if (strcmp(word[0], "config") == 0 && n >= 3) {
        rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, word[1]);
        for (size_t i = 2; i < n; i++) {
            char *value = strchr(word[i], '=');
            if (value == NULL)
                die("NAME=VALUE");
            *value = '\0';
            rd_kafka_ConfigResource_set_config(resource, word[i], value + 1);
        }
        rd_kafka_AlterConfigs(producer, &resource, 1, NULL, queue);
        answer_event(queue);
        rd_kafka_ConfigResource_destroy(resource);
    } else if (strcmp(word[0], "delete-records") == 0 && n == 4) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, word[1], atoi(word[2]))->offset = strtoll(word[3], NULL, 10);
        rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
        rd_kafka_DeleteRecords(producer, &records, 1, NULL, queue);
        answer_event(queue);
        rd_kafka_DeleteRecords_destroy(records);
        rd_kafka_topic_partition_list_destroy(list);
    } else {
        printf("error USAGE\n");
    }
    rd_kafka_queue_destroy(queue);
}

/* -- records -------------------------------------------------------------------- */

static rd_kafka_resp_err_t send_one(const char *topic, int partition, const char *key, const char *value, size_t len,
                                    int64_t timestamp, rd_kafka_headers_t *headers)
{
    size_t key_len = key != NULL ? strlen(key) : 0;

    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key, key_len),
            RD_KAFKA_V_VALUE((void *)(intptr_t)value, len), RD_KAFKA_V_TIMESTAMP(timestamp),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR && headers != NULL)
                rd_kafka_headers_destroy(headers);
            return code;
        }
        rd_kafka_poll(producer, 10);
    }
}

static void send_command(char **word, size_t n)
{
    rd_kafka_headers_t *headers = n > 6 ? rd_kafka_headers_new(n) : NULL;
    const char *value = null_or(word[4]);

    for (size_t i = 6; i < n; i++) {
        char *text = strchr(word[i], '=');
        if (text == NULL)
            die("HEADER=VALUE");
        *text = '\0';
        rd_kafka_header_add(headers, word[i], -1, text + 1, -1);
    }
    answer(send_one(word[1], atoi(word[2]), null_or(word[3]), value, value != NULL ? strlen(value) : 0,
                    n > 5 ? strtoll(word[5], NULL, 10) : 0, headers));
    rd_kafka_poll(producer, 0);
}

static void load_command(const char *topic, int partition, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (file == NULL)
        die(strerror(errno));
    while (code == RD_KAFKA_RESP_ERR_NO_ERROR && (len = getline(&line, &size, file)) > 0) {
        code = send_one(topic, partition, NULL, line, (size_t)len - (line[len - 1] == '\n'), 0, NULL);
        rd_kafka_poll(producer, 0);
    }
    free(line);
    (void)fclose(file);
    answer(code);
}

static void flush_command(void)
{
    rd_kafka_resp_err_t code = rd_kafka_flush(producer, LIMIT_MS);

    answer(code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : failed > 0 ? failure : RD_KAFKA_RESP_ERR_NO_ERROR);
    failed = 0;
}

static void ends_command(const char *topic, int partition)
{
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(producer, topic, partition, &low, &high, LIMIT_MS);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        answer(code);
    else
        printf("ok %lld %lld\n", (long long)low, (long long)high);
}

static void group_command(const char *group, const char *topic, int partition)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", group);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (consumer == NULL)
        die(text);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer, list, LIMIT_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        answer(code);
    else
        printf("ok %lld\n", (long long)list->elems[0].offset);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(consumer);
}

static void change_id(const char *id, const char *timeout)
{
    rd_kafka_destroy(producer);
    producer = make_producer(id, timeout);
    answer_error(rd_kafka_init_transactions(producer, LIMIT_MS));
}

static void command(char **word, size_t n)
{
    const char *name = word[0];

    if (strcmp(name, "send") == 0 && n >= 5)
        send_command(word, n);
    else if (strcmp(name, "load") == 0 && n == 4)
        load_command(word[1], atoi(word[2]), word[3]);
    else if (strcmp(name, "flush") == 0)
        flush_command();
    else if (strcmp(name, "ends") == 0 && n == 3)
        ends_command(word[1], atoi(word[2]));
    else if (strcmp(name, "group") == 0 && n == 4)
        group_command(word[1], word[2], atoi(word[3]));
    else if (strcmp(name, "id") == 0 && n >= 2)
        change_id(word[1], n > 2 ? word[2] : NULL);
    else if (strcmp(name, "begin") == 0)
        answer_error(rd_kafka_begin_transaction(producer));
    else if (strcmp(name, "commit") == 0)
        answer_error(rd_kafka_commit_transaction(producer, LIMIT_MS));
    else if (strcmp(name, "abort") == 0)
        answer_error(rd_kafka_abort_transaction(producer, LIMIT_MS));
    else if (strcmp(name, "cluster") == 0) {
        char *id = rd_kafka_clusterid(producer, LIMIT_MS);
        printf("ok %s\n", id != NULL ? id : "");
        free(id);
    } else
        topic_command(word, n);
}

/* -- the mock cluster ----------------------------------------------------------- */

static void mock_command(rd_kafka_mock_cluster_t *mock, char **word, size_t n)
{
    const char *name = word[0];
    rd_kafka_resp_err_t codes[WORDS];
    int number = n > 2 ? atoi(word[2]) : 0, broker = n > 1 ? atoi(word[1]) : 0;

    if (strcmp(name, "topic") == 0 && n == 3)
        answer(rd_kafka_mock_topic_create(mock, word[1], number, 1));
    else if (strcmp(name, "topic-error") == 0 && n == 3) {
        rd_kafka_mock_topic_set_error(mock, word[1], (rd_kafka_resp_err_t)number);
        answer(RD_KAFKA_RESP_ERR_NO_ERROR);
    } else if (strcmp(name, "errors") == 0 && n >= 3) {
        for (size_t i = 2; i < n; i++)
            codes[i - 2] = (rd_kafka_resp_err_t)atoi(word[i]);
        rd_kafka_mock_push_request_errors_array(mock, (int16_t)atoi(word[1]), n - 2, codes);
        answer(RD_KAFKA_RESP_ERR_NO_ERROR);
    } else if (strcmp(name, "down") == 0 && n == 2)
        answer(rd_kafka_mock_broker_set_down(mock, broker));
    else if (strcmp(name, "up") == 0 && n == 2)
        answer(rd_kafka_mock_broker_set_up(mock, broker));
    else if (strcmp(name, "rtt") == 0 && n == 3)
        answer(rd_kafka_mock_broker_set_rtt(mock, broker, number));
    else if (strcmp(name, "leader") == 0 && n == 4)
        answer(rd_kafka_mock_partition_set_leader(mock, word[1], number, atoi(word[3])));
    else if (strcmp(name, "marks") == 0 && n == 5)
        answer(rd_kafka_mock_partition_set_follower_wmarks(mock, word[1], number, atoi(word[3]), atoi(word[4])));
    else if (strcmp(name, "api") == 0 && n == 4)
        answer(rd_kafka_mock_set_apiversion(mock, (int16_t)atoi(word[1]), (int16_t)number, (int16_t)atoi(word[3])));
    else
        printf("error USAGE\n");
}

/* -- lines ---------------------------------------------------------------------- */

static size_t split(char *line, char **word)
{
    size_t n = 0;

    line[strcspn(line, "\n")] = '\0';
    for (char *rest = line; rest != NULL && n < WORDS; n++)
        word[n] = strsep(&rest, "\t");
    return n;
}

int main(int argc, char **argv)
{
    rd_kafka_mock_cluster_t *mock = NULL;
    char *line = NULL, *word[WORDS];
    size_t size = 0;

    if (argc < 2)
        die("usage: kafka-client BOOTSTRAP [PROPERTY=VALUE]... | --mock BROKERS");
    bool is_mock = strcmp(argv[1], "--mock") == 0 && argc == 3;
    static const char *const none[] = {NULL};
    bootstrap = is_mock ? "127.0.0.1:1" : argv[1];
    properties = is_mock ? none : (const char *const *)argv + 2;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    producer = make_producer(NULL, NULL);
    if (is_mock) {
        mock = rd_kafka_mock_cluster_new(producer, atoi(argv[2]));
        printf("%s\n", rd_kafka_mock_cluster_bootstraps(mock));
    }
    while (getline(&line, &size, stdin) > 0) {
        size_t n = split(line, word);
        if (mock != NULL)
            mock_command(mock, word, n);
        else
            command(word, n);
    }
    if (mock == NULL && rd_kafka_flush(producer, LIMIT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        failed++;
    free(line);
    if (mock != NULL)
        rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(producer);
    return failed > 0 ? 1 : 0;
}
