/* SPDX-License-Identifier: MIT */
/* Index names, ids, and documents put together. */
#include "connectors/http/internal.h"

/* -- index names ------------------------------------------------------------- */

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

int es_index_pattern_check(const char *pattern, struct cdc_error *error)
{
    struct cdc_span raw;

    for (const char *p = pattern; *p != '\0';) {
        size_t n = cdc_event_placeholder(p, NULL, &raw);
        if (n == 0 && !is_plain(*p))
            return cdc_error_set(error, CDC_EXIT_USAGE,
                                 "--index=%s: only a-z 0-9 - _ . and {db} {schema} {table} {name} can be in it",
                                 pattern);
        p += n != 0 ? n : 1;
    }
    if (*pattern == '\0' || *pattern == '-' || *pattern == '_' || *pattern == '.')
        return cdc_error_set(error, CDC_EXIT_USAGE, "--index=%s: a name of an index cannot begin like this", pattern);
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

int es_index_name(const char *pattern, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
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
        return cdc_error_hint(error, "choose another pattern with --index, for example cdc-{table}");
    }
    return 0;
}

/* -- ids ------------------------------------------------------------------------ */

static bool append_value(struct cdc_buf *out, struct cdc_span value)
{
    if (cdc_json_is_null(value))
        return false;
    if (cdc_json_type(value) == CDC_JSON_STRING)
        cdc_json_unescape(out, cdc_json_string_raw(value));
    else
        cdc_buf_span(out, value);
    return true;
}

/* One of several values: '%' and ',' are escaped, so that no two keys join to one text. */
static bool append_part(struct cdc_buf *out, struct cdc_span value, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!append_value(scratch, value))
        return false;
    for (size_t i = 0; i < scratch->len; i++) {
        char c = scratch->data[i];
        if (c == '%' || c == ',')
            cdc_buf_text(out, c == '%' ? "%25" : "%2C");
        else
            cdc_buf_byte(out, c);
    }
    return !scratch->failed;
}

static bool append_parts(const struct es_table *table, struct cdc_span key, struct cdc_buf *out)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool good = true;
    size_t n = 0;

    if (table->n_keys > 0) { /* the schema line's order: a stage before us may have sorted the members */
        for (size_t i = 0; good && i < table->n_keys; i++) {
            if (n++ > 0)
                cdc_buf_byte(out, ',');
            good = append_part(out, cdc_json_member(key, table->keys[i]), &scratch);
        }
    } else {
        for (cdc_json_iter(&iter, key); good && cdc_json_next_member(&iter, &name, &value);) {
            if (n++ > 0)
                cdc_buf_byte(out, ',');
            good = append_part(out, value, &scratch);
        }
    }
    cdc_buf_free(&scratch);
    return good && n > 0;
}

static bool single_member(const struct es_table *table, struct cdc_span key, struct cdc_span *value)
{
    struct cdc_json_iter iter;
    struct cdc_span name, more;

    if (table->n_keys > 1)
        return false;
    if (table->n_keys == 1) {
        *value = cdc_json_member(key, table->keys[0]);
        return true;
    }
    cdc_json_iter(&iter, key);
    return cdc_json_next_member(&iter, &name, value) && !cdc_json_next_member(&iter, &name, &more);
}

/* An index takes no empty id. "%" stands before a value that could be taken for something else. */
static void guard(struct cdc_buf *out, size_t start)
{
    size_t n = out->len - start;
    bool doubtful = n == 0 || out->data[start] == '%' || (n >= 7 && memcmp(out->data + start, "sha256:", 7) == 0);

    if (doubtful && cdc_buf_room(out, 1)) {
        memmove(out->data + start + 1, out->data + start, n);
        out->data[start] = '%';
        out->len++;
    }
}

bool es_id(const struct es_table *table, struct cdc_span key, struct cdc_buf *out)
{
    struct cdc_span value = {NULL, 0};
    size_t start = out->len;
    char digest[65];

    if (cdc_json_is_null(key) || cdc_json_type(key) != CDC_JSON_OBJECT)
        return false;
    if (single_member(table, key, &value)) {
        if (!append_value(out, value))
            return false;
        guard(out, start);
    } else if (!append_parts(table, key, out)) {
        return false;
    }
    if (out->len - start > HTTP_ID_MAX) {
        sha256_hex(out->data + start, out->len - start, digest);
        out->len = start;
        cdc_buf_lit(out, "sha256:");
        cdc_buf_text(out, digest);
    }
    return true;
}

/* -- documents --------------------------------------------------------------------- */

struct cdc_span es_member(struct cdc_span object, struct cdc_span raw)
{
    struct cdc_span found = {NULL, 0}, name, value;
    struct cdc_json_iter iter;
    struct cdc_buf text = CDC_BUF_INIT;

    if (cdc_json_is_null(object) || cdc_json_type(object) != CDC_JSON_OBJECT)
        return found;
    bool escaped = memchr(raw.p, '\\', raw.n) != NULL;
    if (escaped)
        cdc_json_unescape(&text, raw);
    for (cdc_json_iter(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_span_equal(name, raw) || cdc_json_raw_is(name, escaped ? cdc_span(text.data, text.len) : raw))
            found = value;
    cdc_buf_free(&text);
    return found;
}

bool es_has_all(struct cdc_span unchanged, struct cdc_span object)
{
    struct cdc_json_iter iter;
    struct cdc_span element;

    for (cdc_json_iter(&iter, unchanged); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element);
        if (raw.p == NULL || es_member(object, raw).p == NULL)
            return false;
    }
    return true;
}

void es_rest(struct cdc_buf *out, struct cdc_span unchanged, struct cdc_span first, struct cdc_span second,
             size_t *missing)
{
    struct cdc_json_iter iter;
    struct cdc_span element;
    bool any = false;

    cdc_buf_byte(out, '{');
    for (cdc_json_iter(&iter, unchanged); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element), value = {NULL, 0};
        if (raw.p != NULL && (value = es_member(first, raw)).p == NULL)
            value = es_member(second, raw);
        if (value.p == NULL) {
            (*missing)++;
            continue;
        }
        if (any)
            cdc_buf_byte(out, ',');
        any = true;
        cdc_buf_span(out, element);
        cdc_buf_byte(out, ':');
        /* The index gives a document back as it was sent, and lines hold no line break; a foreign document may. */
        cdc_json_append_compact(out, value);
    }
    cdc_buf_byte(out, '}');
}

static struct cdc_span inside(struct cdc_span object)
{
    const char *p = object.p + 1, *end = object.p + object.n - 1;

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return cdc_span(p, (size_t)(end - p));
}

void es_join(struct cdc_buf *out, struct cdc_span after, struct cdc_span rest)
{
    struct cdc_span a = inside(after), b = inside(rest);

    cdc_buf_byte(out, '{');
    cdc_buf_span(out, a);
    if (a.n > 0 && b.n > 0)
        cdc_buf_byte(out, ',');
    cdc_buf_span(out, b);
    cdc_buf_byte(out, '}');
}
