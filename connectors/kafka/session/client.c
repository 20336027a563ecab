/* SPDX-License-Identifier: MIT */
/* One client: opened, asked, and closed. librdkafka has no call that a signal ends, so those that may take for ever run in a
 * thread of their own, while the one of the program looks after signals, statistics, and whether a broker answers at all. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/session/session.h"

#define LOOK_MS 100    /* between two looks at the signals */
#define ANSWER_MS 5000 /* within which a broker answers when it is asked who is there */
#define PROBE_MS 3000  /* a call takes so long: is there a broker at all? */
#define PROBE_WAIT_MS 1000
#define GREETINGS 3       /* after so many in a row that failed, and none that did not, it is looked at why */
#define LAST_CALL_MS 5000 /* after a signal, what is under way may end within */

/* -- what the client tells ------------------------------------------------------- */

static bool is_of_login(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR__SSL ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED || code == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM;
}

/* A broker hung up: as those do whose port speaks another protocol, and those that are about to stop. */
static bool is_hang_up(rd_kafka_resp_err_t code, const char *reason)
{
    static const char *const ends[] = {"unexpected eof", "Disconnected", "reset by peer", "syscall"};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if ((code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__SSL) &&
            strcasestr(reason, ends[i]) != NULL)
            return true;
    return false;
}

/* What it sends is not Kafka's, as of a server of HTTP. */
static bool is_stranger(const char *reason)
{
    return strstr(reason, "Invalid response size") != NULL;
}

static void on_error(rd_kafka_t *handle, int number, const char *reason, void *opaque)
{
    struct kafka_client *client = opaque;
    rd_kafka_resp_err_t code = (rd_kafka_resp_err_t)number;

    pthread_mutex_lock(&client->lock);
    if (code == RD_KAFKA_RESP_ERR__FATAL && client->fatal == RD_KAFKA_RESP_ERR_NO_ERROR)
        client->fatal = rd_kafka_fatal_error(handle, client->fatal_text, sizeof client->fatal_text);
    bool stranger = is_stranger(reason), hung_up = is_hang_up(code, reason) && !stranger;
    if (hung_up || stranger)
        client->stranger = stranger;
    if (hung_up || stranger)
        snprintf(client->greeting_text, sizeof client->greeting_text, "%s", reason);
    if (!hung_up && is_of_login(code) && client->refused == RD_KAFKA_RESP_ERR_NO_ERROR) {
        client->refused = code;
        snprintf(client->refused_text, sizeof client->refused_text, "%s", reason);
    }
    client->disconnects += code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
    pthread_mutex_unlock(&client->lock);
    cdc_log_write(client->settings->log, CDC_LOG_DEBUG, "librdkafka: %s (%s)", reason, rd_kafka_err2name(code));
    if (client->on_error != NULL)
        client->on_error(client->context, code, reason);
}

/* Lines of that level are shown to who has asked for them. */
static bool wants_debug(const struct kafka_client_settings *settings)
{
    for (size_t i = 0; i < settings->properties.count; i++)
        if (strncmp(settings->properties.items[i], "debug", 5) == 0)
            return true;
    return false;
}

/* How the connections are doing is told by whoever waits for them, once; here it would be said with each attempt. */
static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    struct kafka_client *client = rd_kafka_opaque(handle);
    bool of_connections = strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0 ||
                          strcmp(facility, "TXNERR") == 0 || strcmp(facility, "CONFWARN") == 0 ||
                          strcmp(facility, "GETPID") == 0;

    if (level < 7 || wants_debug(client->settings))
        cdc_log_write(client->settings->log, level <= 4 && !of_connections ? CDC_LOG_WARNING : CDC_LOG_DEBUG,
                      "librdkafka: %s: %s", facility, text);
    if (client->on_log != NULL)
        client->on_log(client->context, facility, text);
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_client *client = opaque;

    (void)handle;
    client->on_delivery(client->context, message);
}

rd_kafka_resp_err_t kafka_client_fatal(struct kafka_client *client, const char **text)
{
    char now[sizeof client->fatal_text];

    pthread_mutex_lock(&client->lock);
    if (client->fatal == RD_KAFKA_RESP_ERR_NO_ERROR && client->handle != NULL &&
        (client->fatal = rd_kafka_fatal_error(client->handle, now, sizeof now)) != RD_KAFKA_RESP_ERR_NO_ERROR)
        memcpy(client->fatal_text, now, sizeof now);
    rd_kafka_resp_err_t code = client->fatal;
    pthread_mutex_unlock(&client->lock);
    if (text != NULL)
        *text = client->fatal_text;
    return code;
}

uint64_t kafka_client_disconnects(struct kafka_client *client)
{
    pthread_mutex_lock(&client->lock);
    uint64_t n = client->disconnects;
    pthread_mutex_unlock(&client->lock);
    return n;
}

/* -- its life ------------------------------------------------------------------------ */

int kafka_client_open(struct kafka_client *client, const struct kafka_client_settings *settings, rd_kafka_type_t type,
                      const struct kafka_property *own, struct cdc_error *error)
{
    char why[512];
    rd_kafka_conf_t *conf = kafka_conf_new(settings, own, error);

    if (conf == NULL)
        return -1;
    client->settings = settings;
    client->busy = false;
    client->refused = client->fatal = RD_KAFKA_RESP_ERR_NO_ERROR;
    client->disconnects = 0;
    client->greeting_text[0] = '\0';
    client->greetings_failed = 0;
    size_t room = sizeof client->protocol;
    if (rd_kafka_conf_get(conf, "security.protocol", client->protocol, &room) != RD_KAFKA_CONF_OK)
        client->protocol[0] = '\0';
    cdc_retry_init(&client->retry, settings->retry_max);
    if (!client->has_lock)
        pthread_mutex_init(&client->lock, NULL);
    client->has_lock = true;
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (client->on_delivery != NULL && type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    client->handle = rd_kafka_new(type, conf, why, sizeof why);
    if (client->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "cannot make a client: %s", why);
    }
    rd_kafka_set_log_queue(client->handle, NULL);
    if (type == RD_KAFKA_CONSUMER)
        rd_kafka_poll_set_consumer(client->handle);
    return 0;
}

void kafka_client_close(struct kafka_client *client)
{
    /* A call that was left still uses it: the process is about to end. */
    if (client->handle != NULL && !client->busy) {
        rd_kafka_destroy_flags(client->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        if (client->has_lock)
            pthread_mutex_destroy(&client->lock);
        client->has_lock = false;
    }
    client->handle = NULL;
}

/* -- calls in a thread of their own ---------------------------------------------------- */

struct task {
    void (*call)(void *context);
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done, left;
};

static void task_free(struct task *task)
{
    pthread_cond_destroy(&task->ended);
    pthread_mutex_destroy(&task->lock);
    free(task);
}

static void *run_task(void *argument)
{
    struct task *task = argument;

    task->call(task->context);
    pthread_mutex_lock(&task->lock);
    task->done = true;
    bool left = task->left;
    pthread_cond_signal(&task->ended);
    pthread_mutex_unlock(&task->lock);
    if (left)
        task_free(task);
    return NULL;
}

static int start_thread(struct task *task)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;

    /* Signals are for the thread that looks after them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int code = pthread_create(&thread, &attributes, run_task, task);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static struct task *task_start(void (*call)(void *context), void *context, struct cdc_error *error)
{
    struct task *task = calloc(1, sizeof *task);
    pthread_condattr_t attributes;

    if (task == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    task->call = call;
    task->context = context;
    pthread_mutex_init(&task->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&task->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    int code = start_thread(task);
    if (code == 0)
        return task;
    task_free(task);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "cannot start a thread: %s", strerror(code));
    return NULL;
}

/* true: it is done, and freed. */
static bool task_wait(struct task *task, int64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&task->lock);
    while (!task->done && pthread_cond_timedwait(&task->ended, &task->lock, &until) == 0) {
    }
    bool done = task->done;
    pthread_mutex_unlock(&task->lock);
    if (done)
        task_free(task);
    return done;
}

static void task_leave(struct task *task)
{
    pthread_mutex_lock(&task->lock);
    task->left = true;
    bool done = task->done;
    pthread_mutex_unlock(&task->lock);
    if (done)
        task_free(task);
}

struct asking {
    rd_kafka_t *handle;
    int timeout_ms;
    rd_kafka_resp_err_t code;
};

static void ask(void *context)
{
    struct asking *asking = context;
    const struct rd_kafka_metadata *metadata;

    asking->code = rd_kafka_metadata(asking->handle, 0, NULL, &metadata, asking->timeout_ms);
    if (asking->code == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

static int left_by_signal(const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while waiting for %s", what);
}

/* Is a broker there, while a call takes its time? Each time that none is counts as an attempt. */
static int probe(struct kafka_client *client, const char *what, int64_t *next, struct cdc_error *error)
{
    struct asking asking = {client->handle, PROBE_WAIT_MS, RD_KAFKA_RESP_ERR_NO_ERROR};

    ask(&asking);
    if (asking.code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        cdc_retry_success(&client->retry);
        *next = cdc_clock_ms() + PROBE_MS;
        return 0;
    }
    bool first = client->retry.attempts == 0;
    int64_t wait = cdc_retry_next(&client->retry);
    if (wait < 0)
        return kafka_error_set(error, asking.code, "no broker answers, waiting for %s", what);
    cdc_log_write(client->settings->log, first ? CDC_LOG_WARNING : CDC_LOG_INFO,
                  "no broker answers, waiting for %s: %s; trying again", what, rd_kafka_err2str(asking.code));
    *next = cdc_clock_ms() + wait;
    return 0;
}

int kafka_client_call(struct kafka_client *client, const char *what, void (*call)(void *context), void *context,
                      struct cdc_error *error)
{
    const struct cdc_control *control = client->settings->control;
    struct task *task = task_start(call, context, error);
    int64_t next = cdc_clock_ms() + PROBE_MS, stopped = 0;
    int result = 0;

    if (task == NULL)
        return -1;
    while (result == 0) {
        if (task_wait(task, LOOK_MS)) {
            cdc_retry_success(&client->retry);
            return 0;
        }
        cdc_control_waiting(control, what);
        int64_t now = cdc_clock_ms();
        if (control->stop && stopped == 0)
            stopped = now;
        if (control->stop >= 2 || (control->stop && (client->retry.attempts > 0 || now - stopped > LAST_CALL_MS)))
            result = left_by_signal(what, error);
        else if (now >= next)
            result = probe(client, what, &next, error);
    }
    client->busy = true;
    task_leave(task);
    return -1;
}

/* Where nothing has ever answered: 0: it may pass by itself; -1: somebody must mend it. */
static int name_port(const struct kafka_client *client, struct cdc_error *error)
{
    const char *brokers = client->settings->brokers;

    if (client->stranger) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "%s: what listens there is no broker of Kafka: %s", brokers,
                      client->greeting_text);
        return cdc_error_hint(error, "the URL names the host and the port of a broker");
    }
    const char *other = kafka_protocol_of(client->settings, client->protocol);
    if (other == NULL)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s: the port speaks %s, and security.protocol is %s", brokers, other,
                  client->protocol);
    return cdc_error_hint(error, "set security.protocol (-X or --config) to that of the port");
}

/* No broker answered: because the settings do not fit, which somebody must mend, or since none is there at the moment? */
static int no_answer(struct kafka_client *client, rd_kafka_resp_err_t code, struct cdc_error *error)
{
    const char *brokers = client->settings->brokers;

    if (client->refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        return cdc_error_set(error, kafka_error_status(client->refused), "%s: %s (%s)", brokers, client->refused_text,
                             rd_kafka_err2name(client->refused));
    if (client->greeting_text[0] == '\0')
        return kafka_error_set(error, code, "no broker of %s answers", brokers);
    if (++client->greetings_failed % GREETINGS == 0 && !client->answered && name_port(client, error) != 0)
        return -1;
    cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "%s: %s", brokers, client->greeting_text);
    return cdc_error_hint(
        error, "a broker that starts or stops hangs up, also behind a proxy; if it stays so, look at the port, and at "
               "security.protocol (-X or --config): plaintext, ssl, sasl_plaintext or sasl_ssl");
}

/* One attempt. The answer may take seconds, a signal does not: what asks is left then. */
static int ask_once(struct kafka_client *client, struct cdc_error *error)
{
    const struct cdc_control *control = client->settings->control;
    struct asking *asking = calloc(1, sizeof *asking);

    if (asking == NULL)
        return cdc_error_memory(error);
    *asking = (struct asking){client->handle, ANSWER_MS, RD_KAFKA_RESP_ERR_NO_ERROR};
    struct task *task = task_start(ask, asking, error);
    if (task == NULL) {
        free(asking);
        return -1;
    }
    while (!task_wait(task, LOOK_MS)) {
        cdc_control_waiting(control, "a broker's answer");
        if (control->stop) {
            client->busy = true; /* asking is the thread's, as long as the process lives */
            task_leave(task);
            return left_by_signal("a broker's answer", error);
        }
    }
    rd_kafka_resp_err_t code = asking->code;
    free(asking);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        client->greeting_text[0] = '\0';
        client->greetings_failed = 0;
        client->answered = true;
        return 0;
    }
    rd_kafka_poll(client->handle, 0);
    return no_answer(client, code, error);
}

int kafka_client_connect(struct kafka_client *client, struct cdc_error *error)
{
    struct cdc_retry retry;

    cdc_retry_init(&retry, client->settings->retry_max);
    for (;;) {
        if (ask_once(client, error) == 0)
            return 0;
        if (client->busy)
            return -1;
        int slept = cdc_retry_sleep(&retry, client->settings->control, -1, client->settings->log, error);
        if (slept != 0)
            return -1;
    }
}
