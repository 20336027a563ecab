/* SPDX-License-Identifier: MIT */
/* Schema lines that a position keeps. A position record has the newest ones; the older ones, as soon as there are enough of them, are
 * records of their own beside it, so that no number of tables makes one that brokers refuse:
 *
 *   ["cdc-sink-kafka",{"name":"shop","id":"cdc-shop","begins":"POS","part":0}]    {...,"described":[...]}
 *   ["cdc-sink-kafka",{"name":"shop","id":"cdc-shop"}]                            {... "described":[...],"parts":{"begins":"POS","n":1} */
#include <stdlib.h>

#include "connectors/kafka/record/record.h"

void kafka_described_append(struct cdc_buf *out, const struct cdc_event *schema, const char *topic, int32_t partitions)
{
    struct cdc_span room = schema->schema.p != NULL ? schema->schema : schema->db;

    cdc_buf_text(out, out->len > 0 ? ",{\"schema\":\"" : "{\"schema\":\"");
    cdc_buf_span(out, room);
    cdc_buf_lit(out, "\",\"table\":\"");
    cdc_buf_span(out, schema->table);
    cdc_buf_printf(out, "\",\"topic\":\"%s\",\"partitions\":%d}", topic, (int)partitions);
}

void kafka_described_key(struct cdc_buf *out, const char *name, const char *id, const char *begins, size_t part)
{
    kafka_position_key(out, name, id);
    if (out->failed)
        return;
    out->len -= 2; /* "}]" */
    cdc_buf_lit(out, ",\"begins\":");
    cdc_json_append_string(out, begins, strlen(begins));
    cdc_buf_lit(out, ",\"part\":");
    cdc_buf_u64(out, part);
    cdc_buf_lit(out, "}]");
}

int kafka_places_take_part(struct kafka_places *places, struct cdc_span key, struct cdc_span value,
                           struct cdc_error *error)
{
    struct kafka_described_part *part = NULL;
    struct cdc_span list = value.p != NULL ? cdc_json_member(value, "described") : value;

    for (size_t i = 0; i < places->n_parts && part == NULL; i++)
        if (cdc_span_is(key, places->parts[i].key))
            part = &places->parts[i];
    if (part == NULL) {
        struct kafka_described_part *parts = realloc(places->parts, (places->n_parts + 1) * sizeof *parts);
        if (parts != NULL)
            places->parts = parts;
        char *copy = cdc_span_copy(key);
        if (parts == NULL || copy == NULL) {
            free(copy);
            return cdc_error_memory(error);
        }
        part = &parts[places->n_parts++];
        *part = (struct kafka_described_part){.key = copy};
    }
    free(part->members);
    part->members = NULL;
    if (cdc_json_type(list) != CDC_JSON_ARRAY || list.n <= 2)
        return 0;
    part->members = cdc_span_copy(cdc_span(list.p + 1, list.n - 2));
    return part->members != NULL ? 0 : cdc_error_memory(error);
}

static struct kafka_described_part *find_part(const struct kafka_places *places, const struct cdc_buf *key)
{
    for (size_t i = 0; i < places->n_parts; i++)
        if (places->parts[i].members != NULL && cdc_span_is(cdc_span(key->data, key->len), places->parts[i].key))
            return &places->parts[i];
    return NULL;
}

static int join(struct kafka_places *places, struct kafka_place *place, const char *id, struct cdc_error *error)
{
    struct cdc_buf key = CDC_BUF_INIT, list = CDC_BUF_INIT;
    int result = 0;

    place->cuts = calloc(place->n_cuts, sizeof *place->cuts);
    if (place->cuts == NULL)
        return cdc_error_memory(error);
    for (size_t i = 0; result == 0 && i < place->n_cuts; i++) {
        key.len = 0;
        kafka_described_key(&key, place->name, id, place->begins, i);
        struct kafka_described_part *part = key.failed ? NULL : find_part(places, &key);
        if (part == NULL) {
            result =
                cdc_error_set(error, CDC_EXIT_CONFIG, "a position record in Kafka is damaged: a part of it is missing");
            break;
        }
        part->used = true;
        cdc_buf_text(&list, i > 0 ? "," : "");
        cdc_buf_text(&list, part->members);
        place->cuts[i] = list.len;
    }
    if (place->described != NULL) {
        cdc_buf_byte(&list, ',');
        cdc_buf_text(&list, place->described);
    }
    cdc_buf_byte(&list, '\0');
    if (result == 0 && (list.failed || key.failed))
        result = cdc_error_memory(error);
    cdc_buf_free(&key);
    if (result == 0) {
        free(place->described);
        place->described = list.data;
    } else {
        cdc_buf_free(&list);
    }
    return result;
}

int kafka_places_join(struct kafka_places *places, const char *id, struct cdc_error *error)
{
    for (size_t i = 0; i < places->n; i++)
        if (places->items[i].n_cuts > 0 && join(places, &places->items[i], id, error) != 0)
            return -1;
    return 0;
}
