/* SPDX-License-Identifier: MIT */
/* What a webhook gets: the lines as they are, alone or together, or as CloudEvents 1.0 in structured mode (the JSON format of that
 * specification), with the line as data:
 *
 *   {"specversion":"1.0","id":"0000000016B374D8.0000000003.1","source":"/shop/app","type":"cdc.create","subject":"public.items",
 *    "time":"2026-02-01T10:00:00.123Z","datacontenttype":"application/json","data":{"op":"c",...}} */
#include <stdio.h>

#include "connectors/http/client/time.h"
#include "connectors/http/webhook/internal.h"

const char *webhook_content_type(enum http_webhook_format format)
{
    switch (format) {
    case HTTP_WEBHOOK_NDJSON: return "application/x-ndjson";
    case HTTP_WEBHOOK_CLOUDEVENTS: return "application/cloudevents+json; charset=utf-8";
    case HTTP_WEBHOOK_CLOUDEVENTS_BATCH: return "application/cloudevents-batch+json; charset=utf-8";
    default: return "application/json";
    }
}

bool webhook_is_single(enum http_webhook_format format)
{
    return format == HTTP_WEBHOOK_EVENT || format == HTTP_WEBHOOK_CLOUDEVENTS;
}

void webhook_append_escaped(struct cdc_buf *out, struct cdc_span text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c > 0x20 && c < 0x7f && c != '%' && c != '"' && c != '\\')
            cdc_buf_byte(out, (char)c);
        else
            cdc_buf_printf(out, "%%%02X", c);
    }
}

/* -- CloudEvents ------------------------------------------------------------------ */

static const char *type_of(const struct cdc_event *event)
{
    switch (event->op) {
    case CDC_OP_READ: return "cdc.read";
    case CDC_OP_CREATE: return "cdc.create";
    case CDC_OP_UPDATE: return "cdc.update";
    case CDC_OP_DELETE: return "cdc.delete";
    case CDC_OP_TRUNCATE: return "cdc.truncate";
    case CDC_OP_MESSAGE: return "cdc.message";
    case CDC_OP_SCHEMA: return "cdc.schema";
    default: return "cdc.other";
    }
}

/* A segment of the path of a URI reference: all but unreserved characters is escaped (RFC 3986). raw: as it stands in the line. */
static void append_segment(struct cdc_buf *out, struct cdc_buf *scratch, struct cdc_span raw)
{
    scratch->len = 0;
    if (raw.p != NULL)
        cdc_json_unescape(scratch, raw);
    out->failed |= scratch->failed;
    cdc_buf_byte(out, '/');
    for (size_t i = 0; i < scratch->len; i++) {
        unsigned char c = (unsigned char)scratch->data[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != 0 && strchr("-._~", c)))
            cdc_buf_byte(out, (char)c);
        else
            cdc_buf_printf(out, "%%%02X", c);
    }
}

static void append_time(struct cdc_buf *out, int64_t ts_ms)
{
    size_t before = out->len;

    cdc_buf_lit(out, ",\"time\":\"");
    if (http_time_append(out, ts_ms))
        cdc_buf_byte(out, '"');
    else
        out->len = before;
}

static int append_cloudevent(struct cdc_buf *out, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_event event;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    cdc_buf_lit(out, "{\"specversion\":\"1.0\",\"id\":\"");
    cdc_buf_span(out, event.pos); /* escapes as they stand: it is a JSON string here, too */
    cdc_buf_lit(out, "\",\"source\":\"");
    append_segment(out, &scratch, event.name);
    append_segment(out, &scratch, event.db);
    cdc_buf_printf(out, "\",\"type\":\"%s\"", type_of(&event));
    if (event.table.p != NULL) {
        struct cdc_span schema = event.schema.p != NULL ? event.schema : event.db;
        cdc_buf_lit(out, ",\"subject\":\"");
        cdc_buf_span(out, schema);
        cdc_buf_byte(out, '.');
        cdc_buf_span(out, event.table);
        cdc_buf_byte(out, '"');
    }
    if (event.ts_ms != 0)
        append_time(out, event.ts_ms);
    cdc_buf_lit(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    cdc_buf_span(out, line);
    cdc_buf_byte(out, '}');
    cdc_buf_free(&scratch);
    return 0;
}

/* -- bodies ------------------------------------------------------------------------ */

static int append_array(enum http_webhook_format format, const struct http_batch *batch, size_t from, size_t to,
                        struct cdc_buf *out, struct cdc_error *error)
{
    for (size_t i = from; i < to; i++) {
        struct cdc_span line = http_batch_line(batch, i);
        cdc_buf_byte(out, i == from ? '[' : ',');
        if (format == HTTP_WEBHOOK_ARRAY)
            cdc_buf_span(out, line);
        else if (append_cloudevent(out, line, error) != 0)
            return -1;
    }
    cdc_buf_byte(out, ']');
    return 0;
}

int webhook_body(enum http_webhook_format format, const struct http_batch *batch, size_t from, size_t to,
                 struct cdc_buf *scratch, struct cdc_span *body, struct cdc_error *error)
{
    struct cdc_span first = http_batch_line(batch, from), last = http_batch_line(batch, to - 1);

    /* Without its LF: the body is one JSON text. */
    *body = first;
    if (format == HTTP_WEBHOOK_EVENT)
        return 0;
    /* The lines lie one after the other in the batch, LF included, so the body is there already. */
    *body = cdc_span(first.p, (size_t)(last.p + last.n + 1 - first.p));
    if (format == HTTP_WEBHOOK_NDJSON)
        return 0;
    scratch->len = 0;
    if (format == HTTP_WEBHOOK_CLOUDEVENTS ? append_cloudevent(scratch, first, error) != 0
                                           : append_array(format, batch, from, to, scratch, error) != 0)
        return -1;
    *body = cdc_span(scratch->data, scratch->len);
    return scratch->failed ? cdc_error_memory(error) : 0;
}
