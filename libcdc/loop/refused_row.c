/* SPDX-License-Identifier: MIT */
/* What a line is about, by hashes: its table, its row, and which columns it does not have. */
#include "libcdc/loop/refused_internal.h"

#include <cdc/hash.h>

uint64_t refused_hash_raw(struct refused *refused, uint64_t hash, struct cdc_span raw)
{
    if (raw.p != NULL && memchr(raw.p, '\\', raw.n) != NULL) {
        refused->scratch.len = 0;
        cdc_json_unescape(&refused->scratch, raw);
        raw = cdc_span(refused->scratch.data, refused->scratch.len);
    }
    return cdc_hash_byte(cdc_hash_span(hash, raw), 0xff);
}

struct refused_names refused_names_of(struct refused *refused, const struct cdc_event *event)
{
    struct refused_names names;

    names.db = refused_hash_raw(refused, refused_hash_raw(refused, CDC_HASH_INIT, event->name), event->db);
    names.table = refused_hash_raw(refused, refused_hash_raw(refused, names.db, event->schema), event->table);
    return names;
}

/* Ids that follow each other differ in the last byte: that reaches all bits (the finalizer of MurmurHash3). */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
    hash = (hash ^ hash >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
    return hash ^ hash >> 33;
}

/* Members in any order, strings however they are escaped. */
static uint64_t hash_member(struct refused *refused, uint64_t table, struct cdc_span name, struct cdc_span value)
{
    uint64_t hash = refused_hash_raw(refused, table, name);
    struct cdc_span raw = cdc_json_string_raw(value);

    return mix(raw.p != NULL ? refused_hash_raw(refused, cdc_hash_byte(hash, 's'), raw) : cdc_hash_span(hash, value));
}

bool refused_hash_keys(struct refused *refused, uint64_t table, const struct cdc_event *event, uint64_t keys[2])
{
    struct cdc_json_iter iter, row;
    struct cdc_span name, value, other, old;
    bool moved = event->op == CDC_OP_UPDATE && cdc_json_type(event->before) == CDC_JSON_OBJECT;
    size_t n = 0, found = 0;

    keys[0] = keys[1] = 0;
    if (cdc_json_type(event->key) != CDC_JSON_OBJECT)
        return false;
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value); n++) {
        keys[0] += hash_member(refused, table, name, value);
        if (!moved)
            continue;
        for (cdc_json_iter_begin(&row, event->before); cdc_json_next_member(&row, &other, &old);)
            if (cdc_json_raw_equal(other, name)) {
                keys[1] += hash_member(refused, table, name, old);
                found++;
                break;
            }
    }
    if (found < n || !moved)
        keys[1] = keys[0];
    return n > 0;
}

static struct cdc_span member_of(struct cdc_span object, struct cdc_span raw)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (cdc_json_type(object) != CDC_JSON_OBJECT)
        return cdc_span(NULL, 0);
    for (cdc_json_iter_begin(&iter, object); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, raw))
            return value;
    return cdc_span(NULL, 0);
}

struct cdc_span refused_lacks_of(struct refused *refused, const struct cdc_event *event)
{
    struct cdc_json_iter iter;
    struct cdc_span item, none = {NULL, 0};
    struct cdc_buf *out = &refused->lacks;

    out->len = 0;
    if (event->op != CDC_OP_UPDATE || event->unchanged.p == NULL || cdc_json_type(event->unchanged) != CDC_JSON_ARRAY)
        return none;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);) {
        if (event->before.p != NULL && member_of(event->before, cdc_json_string_raw(item)).p != NULL)
            continue;
        cdc_buf_byte(out, out->len == 0 ? '[' : ',');
        cdc_buf_span(out, item);
    }
    if (out->len == 0)
        return none;
    cdc_buf_byte(out, ']');
    return cdc_span(out->data, out->len);
}

uint64_t refused_hash_columns(const struct cdc_event *event)
{
    return cdc_hash_span(cdc_hash_byte(cdc_hash_span(CDC_HASH_INIT, event->columns), 0xff), event->key_columns);
}
