/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "connectors/log/compact/key.h"

struct member {
    struct cdc_span name, value;
    size_t at; /* among its object's */
};

/* -- hashing: records with one hash are compared byte by byte, so that it need only be fast -- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t log_hash_bytes(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t word;

    hash ^= mix(n ^ UINT64_C(0xA0761D6478BD642F), UINT64_C(0xE7037ED1A0B428DB));
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        hash = mix(hash ^ word, UINT64_C(0x8EBC6AF09C88C6E3));
    }
    word = 0;
    if (n > 0)
        memcpy(&word, p, n);
    return mix(hash ^ word ^ UINT64_C(0x589965CC75374CC3), UINT64_C(0x1D8E4E27C47D124F));
}

/* -- values ------------------------------------------------------------------------------- */

/* A value inside another: white space and escapes as if we had written it, members in the order of their names. */
static void append_nested(struct cdc_buf *out, struct cdc_span value);

static int compare_names(struct cdc_span a, struct cdc_span b)
{
    struct cdc_buf one = CDC_BUF_INIT, other = CDC_BUF_INIT;

    if (memchr(a.p, '\\', a.n) == NULL && memchr(b.p, '\\', b.n) == NULL)
        return cdc_span_compare(a, b);
    cdc_json_unescape(&one, a);
    cdc_json_unescape(&other, b);
    int order = cdc_span_compare(cdc_span(one.data, one.len), cdc_span(other.data, other.len));
    cdc_buf_free(&one);
    cdc_buf_free(&other);
    return order;
}

static int by_name(const void *a, const void *b)
{
    const struct member *one = a, *other = b;
    int order = compare_names(one->name, other->name);

    return order != 0 ? order : one->value.p < other->value.p ? -1 : 1;
}

static void append_text(struct cdc_buf *out, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_json_unescape(&text, raw);
    cdc_json_append_string(out, text.data, text.len);
    out->failed |= text.failed;
    cdc_buf_free(&text);
}

static void append_object(struct cdc_buf *out, struct cdc_span object)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t n = 0, i = 0;

    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        n++;
    struct member *members = malloc((n + 1) * sizeof *members);
    out->failed |= members == NULL;
    if (members == NULL)
        return;
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        members[i++] = (struct member){name, value, 0};
    qsort(members, n, sizeof *members, by_name);
    for (i = 0; i < n; i++) {
        cdc_buf_byte(out, i == 0 ? '{' : ',');
        append_text(out, members[i].name);
        cdc_buf_byte(out, ':');
        append_nested(out, members[i].value);
    }
    cdc_buf_text(out, n == 0 ? "{}" : "}");
    free(members);
}

static void append_array(struct cdc_buf *out, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span element;
    char before = '[';

    for (cdc_json_iter_begin(&iter, array); cdc_json_next_element(&iter, &element); before = ',') {
        cdc_buf_byte(out, before);
        append_nested(out, element);
    }
    cdc_buf_text(out, before == '[' ? "[]" : "]");
}

static void append_nested(struct cdc_buf *out, struct cdc_span value)
{
    switch (cdc_json_type(value)) {
    case CDC_JSON_STRING: append_text(out, cdc_json_string_raw(value)); break;
    case CDC_JSON_OBJECT: append_object(out, value); break;
    case CDC_JSON_ARRAY: append_array(out, value); break;
    default: cdc_buf_span(out, value);
    }
}

#define NESTED '\1' /* before a value that is none of text */
#define NOTHING '\2'

static void append_value(struct cdc_buf *out, struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    if (raw.p != NULL && memchr(raw.p, '\\', raw.n) == NULL) {
        cdc_buf_span(out, raw);
    } else if (raw.p != NULL) {
        cdc_json_unescape(out, raw);
    } else if (cdc_json_type(value) == CDC_JSON_NULL) {
        cdc_buf_byte(out, NOTHING);
    } else if (cdc_json_type(value) == CDC_JSON_OBJECT || cdc_json_type(value) == CDC_JSON_ARRAY) {
        cdc_buf_byte(out, NESTED);
        append_nested(out, value);
    } else {
        cdc_buf_span(out, value);
    }
}

/* -- keys --------------------------------------------------------------------------------- */

static uint64_t hash_name(uint64_t hash, struct cdc_span raw)
{
    struct cdc_buf text = CDC_BUF_INIT;

    if (memchr(raw.p, '\\', raw.n) == NULL)
        return log_hash_bytes(hash, raw.p, raw.n);
    cdc_json_unescape(&text, raw);
    hash = log_hash_bytes(hash, text.data, text.len);
    cdc_buf_free(&text);
    return hash;
}

/* Each value with its length before it where there are several, so that none runs into the next. */
static void append_values(struct log_key *key, const struct cdc_json_pair *members, size_t n)
{
    key->bytes.len = 0;
    key->n = n;
    for (size_t i = 0; i < n; i++) {
        size_t at = key->bytes.len;
        uint32_t length = 0;
        if (n > 1)
            cdc_buf_append(&key->bytes, &length, sizeof length);
        append_value(&key->bytes, members[n > 1 ? key->order[i] : 0].value);
        length = (uint32_t)(key->bytes.len - at);
        if (n > 1 && !key->bytes.failed)
            memcpy(key->bytes.data + at, &length, sizeof length);
    }
}

static void find_order(struct log_key *key, const struct cdc_json_pair *members, size_t n)
{
    struct member sorted[LOG_KEY_COLUMNS];

    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct member){members[i].name, members[i].value, i};
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, by_name);
    key->names = n;
    for (size_t i = 0; i < n; i++) {
        key->order[i] = (unsigned char)sorted[i].at;
        key->names = hash_name(key->names, sorted[i].name);
    }
}

/* shape: of the members' names; 0: unknown. */
static void make(struct log_key *key, const struct cdc_json_pair *members, size_t n, uint64_t shape)
{
    if (shape == 0 || shape != key->shape)
        find_order(key, members, n);
    key->shape = shape;
    append_values(key, members, n);
}

bool log_key_of(struct log_key *key, const struct cdc_event *event)
{
    const struct cdc_event_row *row = cdc_event_row_of(event, event->key);
    struct cdc_json_pair members[LOG_KEY_COLUMNS];
    struct cdc_json_iter iter;
    size_t n = 0;

    if (row != NULL && row->n > 0 && row->n < LOG_KEY_COLUMNS) {
        make(key, row->pairs, row->n, row->shape);
        return true;
    }
    cdc_json_iter_begin(&iter, event->key);
    while (n < LOG_KEY_COLUMNS && cdc_json_next_member(&iter, &members[n].name, &members[n].value))
        n++;
    if (n == 0 || n == LOG_KEY_COLUMNS)
        return false;
    make(key, members, n, 0);
    return true;
}

static size_t find(const struct cdc_json_pair *members, size_t n, struct cdc_span name)
{
    size_t i = 0;

    while (i < n && !cdc_json_raw_equal(members[i].name, name))
        i++;
    return i;
}

/* The members of key with the values that before has; how many of before there are, or 0 when one is missing. */
static size_t take_before(struct cdc_json_pair *members, size_t *n, struct cdc_span key, struct cdc_span before)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t found = 0, all = 0;

    *n = 0;
    cdc_json_iter_begin(&iter, key);
    while (*n < LOG_KEY_COLUMNS && cdc_json_next_member(&iter, &members[*n].name, &value))
        members[(*n)++].value = cdc_span(NULL, 0);
    cdc_json_iter_begin(&iter, before);
    for (; cdc_json_next_member(&iter, &name, &value); all++) {
        size_t i = found < *n ? find(members, *n, name) : *n;
        if (i < *n) {
            found += members[i].value.p == NULL;
            members[i].value = value;
        } else if (found == *n) {
            return all + 1;
        }
    }
    return found == *n ? all : 0;
}

bool log_key_of_before(struct log_key *old, struct cdc_span key, struct cdc_span before, bool *whole)
{
    struct cdc_json_pair members[LOG_KEY_COLUMNS];
    size_t n, all = take_before(members, &n, key, before);

    *whole = all > n;
    if (all == 0 || n == 0)
        return false;
    make(old, members, n, 0);
    return true;
}

void log_key_append_before(struct cdc_buf *out, struct cdc_span key, struct cdc_span before)
{
    struct cdc_json_pair members[LOG_KEY_COLUMNS];
    size_t n;

    if (take_before(members, &n, key, before) == 0)
        n = 0;
    for (size_t i = 0; i < n; i++) {
        cdc_buf_text(out, i == 0 ? "{\"" : ",\"");
        cdc_buf_span(out, members[i].name);
        cdc_buf_lit(out, "\":");
        cdc_json_append_compact(out, members[i].value);
    }
    cdc_buf_text(out, n == 0 ? "{}" : "}");
}
