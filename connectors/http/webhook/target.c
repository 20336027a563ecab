/* SPDX-License-Identifier: MIT */
/* The URL and the headers for the lines of a table: https://hooks.example.com/{db}/{table} and 'X-Table: {schema}.{table}'. */
#include <stdlib.h>

#include "connectors/http/webhook/internal.h"

static bool has_placeholder(const char *text)
{
    struct cdc_span raw;

    for (const char *p = strchr(text, '{'); p != NULL; p = strchr(p + 1, '{'))
        if (cdc_event_placeholder(p, NULL, &raw) > 0)
            return true;
    return false;
}

bool webhook_target_is_needed(const struct http_peer *peer)
{
    bool found = has_placeholder(peer->url);

    for (size_t i = 0; i < peer->headers.count; i++)
        found = found || has_placeholder(peer->headers.items[i]);
    return found;
}

/* Of a URL, all that could end a segment or a value is escaped; of a header, what it cannot hold. */
static void append_value(struct cdc_buf *out, struct cdc_span raw, bool url)
{
    struct cdc_buf plain = CDC_BUF_INIT;

    if (raw.p != NULL)
        cdc_json_unescape(&plain, raw);
    out->failed |= plain.failed;
    if (!url)
        webhook_append_escaped(out, cdc_span(plain.data, plain.len));
    for (size_t i = 0; url && i < plain.len; i++) {
        unsigned char c = (unsigned char)plain.data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
            c == '~' || (c == '.' && plain.len > 2)) /* no segment becomes . or .. */
            cdc_buf_byte(out, (char)c);
        else
            cdc_buf_printf(out, "%%%02X", c);
    }
    cdc_buf_free(&plain);
}

static void append_filled(struct cdc_buf *out, const char *text, const struct cdc_event *event, bool url)
{
    while (*text != '\0') {
        struct cdc_span raw;
        size_t n = cdc_event_placeholder(text, event, &raw);
        if (n > 0)
            append_value(out, raw, url);
        else
            cdc_buf_byte(out, *text);
        text += n > 0 ? n : 1;
    }
    cdc_buf_byte(out, '\0');
}

int webhook_target_fill(struct webhook_target *target, const struct http_peer *peer, const struct cdc_event *event,
                        struct cdc_error *error)
{
    const char *at;

    target->url.len = target->texts.len = 0;
    append_filled(&target->url, peer->url, event, true);
    for (size_t i = 0; i < peer->headers.count; i++)
        append_filled(&target->texts, peer->headers.items[i], event, false);
    if (target->headers.items == NULL && peer->headers.count > 0 &&
        (target->headers.items = calloc(peer->headers.count, sizeof *target->headers.items)) == NULL)
        return cdc_error_memory(error);
    if (target->url.failed || target->texts.failed)
        return cdc_error_memory(error);
    target->headers.count = peer->headers.count;
    at = target->texts.data;
    for (size_t i = 0; i < peer->headers.count; at += strlen(at) + 1)
        target->headers.items[i++] = at;
    return 0;
}

static bool buf_equal(const struct cdc_buf *a, const struct cdc_buf *b)
{
    return cdc_span_equal(cdc_span(a->data, a->len), cdc_span(b->data, b->len));
}

bool webhook_target_equal(const struct webhook_target *a, const struct webhook_target *b)
{
    return buf_equal(&a->url, &b->url) && buf_equal(&a->texts, &b->texts);
}

void webhook_target_free(struct webhook_target *target)
{
    cdc_buf_free(&target->url);
    cdc_buf_free(&target->texts);
    free(target->headers.items);
}
