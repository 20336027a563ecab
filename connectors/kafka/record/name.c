/* SPDX-License-Identifier: MIT */
/* Names of topics. */
#include "connectors/kafka/record/record.h"

static bool is_legal(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool kafka_topic_is_valid(struct cdc_span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_legal(name.p[i]))
            return false;
    return name.n > 0 && name.n <= KAFKA_TOPIC_MAX && !cdc_span_is(name, ".") && !cdc_span_is(name, "..");
}

/* A character of several bytes becomes one "_", as for who works with characters. */
static void append_legal(struct cdc_buf *out, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_json_unescape(&text, raw);
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.data[i] & 0xc0) != 0x80)
            cdc_buf_byte(out, is_legal(text.data[i]) ? text.data[i] : '_');
    out->failed |= text.failed;
    cdc_buf_free(&text);
}

int kafka_topic_name(struct cdc_buf *out, const char *template, const struct cdc_event *event, struct cdc_error *error)
{
    size_t from = out->len;

    for (const char *p = template; *p != '\0';) {
        struct cdc_span raw;
        size_t n = cdc_event_placeholder(p, event, &raw);
        if (n > 0)
            append_legal(out, raw);
        else
            cdc_buf_byte(out, is_legal(*p) ? *p : '_');
        p += n > 0 ? n : 1;
    }
    if (out->failed)
        return cdc_error_memory(error);
    struct cdc_span name = cdc_span(out->data + from, out->len - from);
    if (kafka_topic_is_valid(name))
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "a table's topic cannot be named \"%.*s\"", (int)name.n, name.p);
    return cdc_error_hint(error, "a name has at most %d bytes; choose others with --topic-template", KAFKA_TOPIC_MAX);
}
