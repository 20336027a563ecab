/* SPDX-License-Identifier: MIT */
/* A broker that hangs up at once may be one whose port speaks another protocol, which somebody must mend, or a proxy whose broker is
 * still starting, which passes by itself. Both look the same to who knows one protocol; so the others are tried. */
#include <string.h>

#include "connectors/kafka/session/session.h"

#define TRY_MS 2000
#define LOOK_MS 500

/* In this order: a listener of one of them never answers in one of the others. */
static const char *const protocols[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};

/* Of a login that nobody has: a broker that refuses it has understood it. Without SASL it says that there is no place for one. */
static bool is_understood(rd_kafka_resp_err_t code, const char *reason)
{
    bool login = code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
                 code == RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM;

    return (login && strcasestr(reason, "SASL state") == NULL && strcasestr(reason, "disconnected") == NULL) ||
           (code == RD_KAFKA_RESP_ERR__SSL && strcasestr(reason, "alert") != NULL);
}

static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    bool *understood = opaque;

    (void)handle;
    *understood |= is_understood((rd_kafka_resp_err_t)code, reason);
}

/* Nothing of the user's settings but the address goes there: no name, no secret. */
static rd_kafka_t *open_stranger(const char *brokers, const char *protocol, bool *understood)
{
    const struct kafka_property own[] = {{"bootstrap.servers", brokers},
                                         {"security.protocol", protocol},
                                         {"enable.ssl.certificate.verification", "false"},
                                         {"sasl.mechanism", "PLAIN"},
                                         {"sasl.username", "cdc-tools"},
                                         {"sasl.password", "-"},
                                         {NULL, NULL}};
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    for (size_t i = 0; own[i].name != NULL; i++) /* one that a build lacks is one that it cannot speak, either */
        (void)rd_kafka_conf_set(conf, own[i].name, own[i].value, why, sizeof why);
    rd_kafka_conf_set_opaque(conf, understood);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, NULL);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (handle == NULL)
        rd_kafka_conf_destroy(conf);
    return handle;
}

static bool speaks(const struct kafka_client_settings *settings, const char *protocol)
{
    bool understood = false;
    rd_kafka_t *handle = open_stranger(settings->brokers, protocol, &understood);
    int64_t until = cdc_clock_ms() + TRY_MS;

    while (handle != NULL && !understood && cdc_clock_ms() < until && !settings->control->stop) {
        const struct rd_kafka_metadata *metadata;
        if (rd_kafka_metadata(handle, 0, NULL, &metadata, LOOK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
            understood = true;
        }
        rd_kafka_poll(handle, 0);
    }
    if (handle != NULL)
        rd_kafka_destroy(handle);
    return understood;
}

const char *kafka_protocol_of(const struct kafka_client_settings *settings, const char *ours)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
        if (strcasecmp(protocols[i], ours) != 0 && speaks(settings, protocols[i]))
            return protocols[i];
    return NULL;
}
