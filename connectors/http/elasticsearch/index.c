/* SPDX-License-Identifier: MIT */
/* Names of indexes: lower case, no more than 255 bytes, and not many signs. With {schema}-{table}:
 *
 *   public.items        public-items
 *   public.OrderItems   public-_4frder_49tems */
#include "connectors/http/elasticsearch/internal.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

int es_index_check_pattern(const char *option, const char *pattern, struct cdc_error *error)
{
    struct cdc_span raw;

    for (const char *p = pattern; *p != '\0';) {
        size_t n = cdc_event_placeholder(p, NULL, &raw);
        if (n == 0 && !is_plain(*p))
            return cdc_error_set(error, CDC_EXIT_USAGE,
                                 "%s=%s: only a-z 0-9 - _ . and {db} {schema} {table} {name} can be in it", option,
                                 pattern);
        p += n != 0 ? n : 1;
    }
    /* A pattern that begins with {table} is fine: what comes of it is looked at below. */
    if (*pattern == '\0' || *pattern == '-' || *pattern == '_' || *pattern == '.')
        return cdc_error_set(error, CDC_EXIT_USAGE, "%s=%s: a name of an index cannot begin like this", option,
                             pattern);
    return 0;
}

/* Upper case and what an index name cannot hold becomes _xx: table names are not folded silently. Should two tables
 * still come to one name, the caller notices. */
static void append_escaped(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch)
{
    scratch->len = 0;
    cdc_json_unescape(scratch, raw);
    for (size_t i = 0; i < scratch->len; i++) {
        unsigned char c = (unsigned char)scratch->data[i];
        if (is_plain((char)c))
            cdc_buf_byte(out, (char)c);
        else
            cdc_buf_printf(out, "_%02x", c);
    }
}

int es_index_fill(const char *pattern, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    size_t start = out->len;

    for (const char *p = pattern; *p != '\0';) {
        struct cdc_span raw;
        size_t n = cdc_event_placeholder(p, event, &raw);
        if (n == 0) {
            cdc_buf_byte(out, *p++);
            continue;
        }
        append_escaped(out, raw, &scratch);
        p += n;
    }
    bool failed = out->failed || scratch.failed;
    cdc_buf_free(&scratch);
    if (failed)
        return cdc_error_memory(error);
    size_t n = out->len - start;
    /* No index may begin like this (a table that begins with a capital does, once escaped). */
    if (n > 0 && strchr("-_.", out->data[start]) != NULL && cdc_buf_room(out, 1)) {
        memmove(out->data + start + 1, out->data + start, n++);
        out->data[start] = 'x';
        out->len++;
    }
    const char *name = n > 0 ? out->data + start : "";
    if (n == 0 || n > 255) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "\"%.*s\" cannot be the name of an index", (int)(n < 300 ? n : 300),
                      name);
        return cdc_error_hint(error, "choose another pattern (--index, --data-stream), for example cdc-{table}");
    }
    return 0;
}

int es_index_name(void *context, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    const struct es_sink *sink = context;

    return es_index_fill(sink->index, event, out, error);
}
