/* SPDX-License-Identifier: MIT */
/* Ids, and documents put together. An _id must be the same whatever the line, the run and the stage before us, or an
 * update would make a second document:
 *
 *   {"id":42}              42
 *   {"a":"x,y","b":7}      x%2Cy,7
 *   {"id":""}              %                 (guard)
 *   more than 512 bytes    sha256:e3b0c4... */
#include <cdc/sha256.h>

#include "connectors/http/elasticsearch/internal.h"

#define ID_MAX 512 /* bytes: the longest _id that an index takes */

/* -- ids ------------------------------------------------------------------------ */

/* A column of JSON: its values are documents, of which null is one, and "1" another than 1. */
static bool is_json(const struct cdc_table *table, size_t column)
{
    const char *type = table->columns[column].type;
    return type && (strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0);
}

/* Numbers as they stand in the line, strings unescaped: "caf\u00e9" and "café" are one key. Documents as they are. */
static bool append_value(struct cdc_buf *out, struct cdc_span value, bool document)
{
    if (document && value.p) {
        cdc_buf_span(out, value);
        return true;
    }
    /* A key column is never null in a database; here it is, or is missing, when a stage before us took it away. */
    if (cdc_json_is_null(value))
        return false;
    if (cdc_json_type(value) == CDC_JSON_STRING)
        cdc_json_unescape(out, cdc_json_string_raw(value));
    else
        cdc_buf_span(out, value);
    return true;
}

/* One of several values: '%' and ',' are escaped, so that no two keys join to one text. */
static bool append_part(struct cdc_buf *out, struct cdc_span value, bool document, struct cdc_buf *scratch)
{
    scratch->len = 0;
    if (!append_value(scratch, value, document))
        return false;
    for (size_t i = 0; i < scratch->len; i++) {
        char c = scratch->data[i];
        if (c == '%' || c == ',')
            cdc_buf_text(out, c == '%' ? "%25" : "%2C");
        else
            cdc_buf_byte(out, c);
    }
    out->failed |= scratch->failed; /* no memory, and not a key that lacks something */
    return true;
}

static bool append_parts(const struct cdc_table *table, struct cdc_span key, struct cdc_buf *out)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    bool good = true;
    size_t n = 0;

    if (table->n_key > 0) { /* the schema line's order: a stage before us may have sorted the members */
        for (size_t i = 0; good && i < table->n_key; i++) {
            if (n++ > 0)
                cdc_buf_byte(out, ',');
            good = append_part(out, cdc_json_member(key, table->columns[table->key[i]].name),
                               is_json(table, table->key[i]), &scratch);
        }
    } else {
        for (cdc_json_iter_begin(&iter, key); good && cdc_json_next_member(&iter, &name, &value);) {
            if (n++ > 0)
                cdc_buf_byte(out, ',');
            good = append_part(out, value, false, &scratch);
        }
    }
    cdc_buf_free(&scratch);
    return good && n > 0;
}

static bool single_member(const struct cdc_table *table, struct cdc_span key, struct cdc_span *value)
{
    struct cdc_json_iter iter;
    struct cdc_span name, more;

    if (table->n_key > 1)
        return false;
    if (table->n_key == 1) {
        *value = cdc_json_member(key, table->columns[table->key[0]].name);
        return true;
    }
    cdc_json_iter_begin(&iter, key);
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

bool es_document_id(const struct cdc_table *table, struct cdc_span key, struct cdc_buf *out)
{
    struct cdc_span value = {NULL, 0};
    size_t start = out->len;
    char digest[65];

    if (cdc_json_is_null(key) || cdc_json_type(key) != CDC_JSON_OBJECT)
        return false;
    if (single_member(table, key, &value)) {
        if (!append_value(out, value, table->n_key == 1 && is_json(table, table->key[0])))
            return false;
        guard(out, start);
    } else if (!append_parts(table, key, out)) {
        return false;
    }
    if (out->len - start > ID_MAX) {
        cdc_sha256_hex(out->data + start, out->len - start, digest);
        out->len = start;
        cdc_buf_lit(out, "sha256:");
        cdc_buf_text(out, digest);
    }
    return true;
}

/* -- documents --------------------------------------------------------------------- */

struct cdc_span es_document_member(struct cdc_span object, struct cdc_span raw)
{
    struct cdc_span found = {NULL, 0}, name, value;
    struct cdc_json_iter iter;

    if (cdc_json_is_null(object) || cdc_json_type(object) != CDC_JSON_OBJECT)
        return found;
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, raw))
            found = value;
    return found;
}

bool es_document_has_all(struct cdc_span unchanged, struct cdc_span object)
{
    struct cdc_json_iter iter;
    struct cdc_span element;

    for (cdc_json_iter_begin(&iter, unchanged); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element);
        if (raw.p == NULL || es_document_member(object, raw).p == NULL)
            return false;
    }
    return true;
}

void es_document_rest(struct cdc_buf *out, struct cdc_span unchanged, struct cdc_span first, struct cdc_span second,
                      size_t *missing)
{
    struct cdc_json_iter iter;
    struct cdc_span element;
    bool any = false;

    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, unchanged); cdc_json_next_element(&iter, &element);) {
        struct cdc_span raw = cdc_json_string_raw(element), value = {NULL, 0};
        /* `before` first: it is of the line itself, the document in the index may be newer. */
        if (raw.p != NULL && (value = es_document_member(first, raw)).p == NULL)
            value = es_document_member(second, raw);
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

/* The members without the brackets, so that two objects become one by a comma. Two with the same name cannot come
 * together: what is in rest is missing in after. */
static struct cdc_span inside(struct cdc_span object)
{
    const char *p = object.p + 1, *end = object.p + object.n - 1;

    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return cdc_span(p, (size_t)(end - p));
}

void es_document_join(struct cdc_buf *out, struct cdc_span after, struct cdc_span rest)
{
    struct cdc_span a = inside(after), b = inside(rest);

    cdc_buf_byte(out, '{');
    cdc_buf_span(out, a);
    if (a.n > 0 && b.n > 0)
        cdc_buf_byte(out, ',');
    cdc_buf_span(out, b);
    cdc_buf_byte(out, '}');
}

void es_document_action(struct cdc_buf *body, const char *what, const char *index, struct cdc_span address,
                        int64_t version, const char *pipeline)
{
    cdc_buf_lit(body, "{\"");
    cdc_buf_text(body, what);
    cdc_buf_lit(body, "\":{\"_index\":\"");
    cdc_buf_text(body, index); /* only a-z 0-9 - _ . */
    cdc_buf_lit(body, "\",");
    es_routing_append_members(body, address);
    if (pipeline != NULL) {
        cdc_buf_lit(body, ",\"pipeline\":");
        cdc_json_append_text(body, pipeline, strlen(pipeline));
    }
    cdc_buf_lit(body, ",\"version\":");
    cdc_buf_i64(body, version);
    /* _gte: lines of one transaction have one seq, and the later one must win; with plain external the second would
     * be refused as a conflict. For the same reason a line that comes again is taken again, and changes nothing. */
    cdc_buf_lit(body, ",\"version_type\":\"external_gte\"}}\n");
}
