/* SPDX-License-Identifier: MIT */
/* The client's configuration: what this program needs, what the user says, and what the user may not say. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/session/session.h"

/* -- kafka://host:9092,host2/rest ----------------------------------------------- */

static int append_broker(struct cdc_buf *out, struct cdc_span broker, struct cdc_error *error)
{
    const char *bracket = broker.n > 0 && broker.p[0] == '[' ? memchr(broker.p, ']', broker.n) : NULL;
    const char *from = bracket != NULL ? bracket : broker.p;
    const char *colon = broker.n > 0 ? memchr(from, ':', broker.n - (size_t)(from - broker.p)) : NULL;

    if (broker.n == 0 || colon == broker.p)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL lacks a host: kafka://host:9092[,host2:9092]");
    if (out->len > 0)
        cdc_buf_byte(out, ',');
    cdc_buf_span(out, broker);
    if (colon == NULL)
        cdc_buf_lit(out, ":9092");
    return 0;
}

int kafka_url_read(const char *url, char **brokers, const char **rest, struct cdc_error *error)
{
    static const char scheme[] = "kafka://";
    struct cdc_buf out = CDC_BUF_INIT;

    *brokers = NULL;
    *rest = NULL;
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL begins with kafka://");
    const char *p = url + sizeof scheme - 1, *slash = strchr(p, '/'), *end = slash != NULL ? slash : p + strlen(p);
    if (memchr(p, '@', (size_t)(end - p)) != NULL) {
        cdc_error_set(error, CDC_EXIT_USAGE, "the URL has no place for a user");
        return cdc_error_hint(error, "put sasl.username and sasl.password into a file, and give it with --config");
    }
    while (p <= end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma != NULL ? comma : end;
        if (append_broker(&out, cdc_span(p, (size_t)(stop - p)), error) != 0) {
            cdc_buf_free(&out);
            return -1;
        }
        p = stop + 1;
    }
    cdc_buf_byte(&out, '\0');
    if (out.failed) {
        cdc_buf_free(&out);
        return cdc_error_memory(error);
    }
    *brokers = out.data;
    *rest = slash != NULL ? slash + 1 : NULL;
    return 0;
}

/* -- properties --------------------------------------------------------------------- */

/* What the promises of the tools rest on. */
static const struct kafka_property refused[] = {
    {"acks", "rows that one broker alone has may be lost"},
    {"request.required.acks", "rows that one broker alone has may be lost"},
    {"allow.auto.create.topics", "a topic that is missing or was deleted would not be missed"},
    {"auto.commit.enable", "positions are kept in the offset file"},
    {"auto.offset.reset", "rows that have gone would be passed over in silence"},
    {"bootstrap.servers", "the brokers are named in the URL"},
    {"check.crcs", "damaged rows would be taken"},
    {"delivery.report.only.error", "each row's delivery is looked at"},
    {"delivery.timeout.ms", "a row that is given up leaves a gap"},
    {"enable.auto.commit", "positions are kept in the offset file"},
    {"enable.auto.offset.store", "positions are kept in the offset file"},
    {"enable.gapless.guarantee", "it is a part of --delivery"},
    {"enable.idempotence", "rows would come twice or out of order; see --delivery"},
    {"enable.partition.eof", "the end of a topic must be seen"},
    {"isolation.level", "rows of transactions that were given up would be taken"},
    {"log.queue", "messages of the library are shown by this tool"},
    {"max.in.flight", "rows may come out of order"},
    {"max.in.flight.requests.per.connection", "rows may come out of order"},
    {"message.send.max.retries", "a row that is given up leaves a gap"},
    {"message.timeout.ms", "a row that is given up leaves a gap"},
    {"metadata.broker.list", "the brokers are named in the URL"},
    {"partitioner", "other readers and writers of a key look for it in another partition"},
    {"queuing.strategy", "rows may come out of order"},
    {"retries", "a row that is given up leaves a gap"},
    {"transaction.timeout.ms", "see --txn-timeout"},
    {"transactional.id", "see --transactional-id"},
};

static int check_refused(const char *name, struct cdc_error *error)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(refused[i].name, name) == 0)
            return cdc_error_set(error, CDC_EXIT_USAGE, "property %s cannot be set: %s", name, refused[i].value);
    return 0;
}

/* Others on the machine see what is in arguments, from the moment that a program starts. */
static const char *const secrets[] = {
    "sasl.password", "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config", "ssl.key.password",
    "ssl.key.pem",   "ssl.keystore.password"};

static int check_argument(struct cdc_span pair, struct cdc_error *error)
{
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        size_t n = strlen(secrets[i]);
        if (pair.n <= n || memcmp(pair.p, secrets[i], n) != 0 || strchr("= \t", pair.p[n]) == NULL)
            continue;
        cdc_error_set(error, CDC_EXIT_USAGE, "-X: %s is a secret, and arguments are seen by others", secrets[i]);
        return cdc_error_hint(error, "put it into a file, and give that with --config");
    }
    return 0;
}

/* What librdkafka says about a value has the value in it, which may be a password. */
static int set_property(rd_kafka_conf_t *conf, const char *name, const char *value, struct cdc_error *error)
{
    char why[512];

    switch (rd_kafka_conf_set(conf, name, value, why, sizeof why)) {
    case RD_KAFKA_CONF_OK: return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        return cdc_error_set(error, CDC_EXIT_USAGE, "librdkafka %s has no property \"%s\"", rd_kafka_version_str(),
                             name);
    default:
        return cdc_error_set(error, CDC_EXIT_USAGE, "librdkafka %s does not take that value of property %s",
                             rd_kafka_version_str(), name);
    }
}

/* NAME=VALUE, whose text is not kept. what: for messages. */
static int set_pair(rd_kafka_conf_t *conf, struct cdc_span pair, const char *what, struct cdc_error *error)
{
    const char *equals = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL;
    int result = -1;

    if (equals == NULL || equals == pair.p)
        return cdc_error_set(error, CDC_EXIT_USAGE, "%s: it is no NAME=VALUE", what);
    size_t n = (size_t)(equals - pair.p);
    while (n > 0 && (pair.p[n - 1] == ' ' || pair.p[n - 1] == '\t'))
        n--;
    const char *from = equals + 1, *end = pair.p + pair.n;
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    char *name = cdc_span_copy(cdc_span(pair.p, n)), *value = cdc_span_copy(cdc_span(from, (size_t)(end - from)));
    if (name == NULL || value == NULL)
        cdc_error_memory(error);
    else if (check_refused(name, error) == 0)
        result = set_property(conf, name, value, error);
    free(name);
    if (value != NULL)
        explicit_bzero(value, strlen(value));
    free(value);
    return result != 0 ? cdc_error_prefix(error, "%s", what) : 0;
}

/* -- the file -------------------------------------------------------------------------- */

static int set_lines(rd_kafka_conf_t *conf, FILE *file, const char *path, struct cdc_error *error)
{
    char *line = NULL, what[300];
    size_t size = 0;
    ssize_t n;
    int result = 0;

    for (int number = 1; result == 0 && (n = getline(&line, &size, file)) >= 0; number++) {
        const char *p = line + strspn(line, " \t");
        while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
            line[--n] = '\0';
        if (*p == '\0' || *p == '#' || p >= line + n)
            continue;
        snprintf(what, sizeof what, "%s, line %d", path, number);
        result = set_pair(conf, cdc_span(p, (size_t)(line + n - p)), what, error);
    }
    if (result == 0 && ferror(file))
        result = cdc_error_set(error, CDC_EXIT_IO, "cannot read %s: %s", path, strerror(errno));
    if (line != NULL)
        explicit_bzero(line, size);
    free(line);
    return result;
}

static int set_file(rd_kafka_conf_t *conf, const char *path, struct cdc_error *error)
{
    FILE *file = fopen(path, "re");

    if (file == NULL)
        return cdc_error_set(error, errno == EACCES ? CDC_EXIT_PERMISSION : CDC_EXIT_CONFIG, "cannot open %s: %s", path,
                             strerror(errno));
    int result = set_lines(conf, file, path, error);
    fclose(file);
    return result;
}

/* -- all of it --------------------------------------------------------------------------- */

/* The client finds a broker that is back within a second or two; what it says about connections is shown with -v. Brokers make topics
 * that a producer only asks about, unless it says that they shall not: one that is missing or was deleted must stay so. */
static const struct kafka_property ours[] = {
    {"allow.auto.create.topics", "false"},
    {"client.id", "cdc-tools"},
    {"log.queue", "true"},
    {"log.connection.close", "true"}, /* what hangs up is to be known: see on_error */
    {"reconnect.backoff.max.ms", "2000"},
    {"socket.keepalive.enable", "true"},
    {"socket.nagle.disable", "true"},
    {NULL, NULL},
};

static int set_all(rd_kafka_conf_t *conf, const struct kafka_property *properties, struct cdc_error *error)
{
    for (; properties != NULL && properties->name != NULL; properties++)
        if (set_property(conf, properties->name, properties->value, error) != 0)
            return -1;
    return 0;
}

static int set_pairs(rd_kafka_conf_t *conf, const struct cdc_option_list *pairs, struct cdc_error *error)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (check_argument(cdc_span_text(pairs->items[i]), error) != 0 ||
            set_pair(conf, cdc_span_text(pairs->items[i]), "-X", error) != 0)
            return -1;
    return 0;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_client_settings *settings, const struct kafka_property *own,
                                struct cdc_error *error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    if (set_all(conf, ours, error) == 0 && set_all(conf, own, error) == 0 &&
        (settings->config_file == NULL || set_file(conf, settings->config_file, error) == 0) &&
        set_pairs(conf, &settings->properties, error) == 0 &&
        (settings->brokers == NULL || set_property(conf, "bootstrap.servers", settings->brokers, error) == 0))
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

int kafka_conf_check(const struct kafka_client_settings *settings, struct cdc_error *error)
{
    rd_kafka_conf_t *conf = kafka_conf_new(settings, NULL, error);

    if (conf == NULL)
        return -1;
    rd_kafka_conf_destroy(conf);
    return 0;
}
