/* SPDX-License-Identifier: MIT */
/* Which lines must come one after the other: those of one row. A row that changes its key is of both keys. Where a line does not
 * say of which row it is (a truncate, a message, a table without a key, the end of a read), it comes alone. */
#include "connectors/http/webhook/internal.h"
#include <cdc/hash.h>

static uint64_t hash_table(const struct cdc_event *event)
{
    const struct cdc_span parts[] = {event->name, event->db, event->schema, event->table};
    uint64_t h = CDC_HASH_INIT;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].p != NULL)
            h = cdc_hash_span(h, parts[i]);
        h = cdc_hash_span(h, cdc_span("/", 1));
    }
    return h;
}

static struct cdc_span member_of(struct cdc_span object, struct cdc_span raw)
{
    struct cdc_json_iter members;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&members, object); cdc_json_next_member(&members, &name, &value);)
        if (cdc_json_raw_equal(name, raw))
            return value;
    return cdc_span(NULL, 0);
}

/* The two keys, by the members of the new one: the source prints a value of a column always the same way. false: the old row does not
 * have them all. */
static bool hash_keys(const struct cdc_event *event, struct webhook_order *order)
{
    uint64_t new = hash_table(event), old = new;
    struct cdc_json_iter members;
    struct cdc_span name, value;
    bool has_old = event->before.p != NULL && cdc_json_type(event->before) == CDC_JSON_OBJECT;

    for (cdc_json_iter_begin(&members, event->key); cdc_json_next_member(&members, &name, &value);) {
        struct cdc_span before = has_old ? member_of(event->before, name) : value;
        if (before.p == NULL)
            return false;
        new = cdc_hash_span(cdc_hash_span(new, name), value);
        old = cdc_hash_span(cdc_hash_span(old, name), before);
    }
    order->keys[0] = new;
    order->keys[1] = old;
    return true;
}

struct webhook_order webhook_order_of(const struct cdc_event *event)
{
    struct webhook_order order = {.alone = false};

    order.alone = !cdc_event_has_row(event) || event->key.p == NULL || cdc_json_type(event->key) != CDC_JSON_OBJECT ||
                  !hash_keys(event, &order);
    return order;
}

bool webhook_order_binds(const struct webhook_order *a, const struct webhook_order *b)
{
    return a->alone || b->alone || a->keys[0] == b->keys[0] || a->keys[0] == b->keys[1] || a->keys[1] == b->keys[0] ||
           a->keys[1] == b->keys[1];
}
