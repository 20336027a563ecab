/* SPDX-License-Identifier: MIT */
/* Position records: where the sink is, in the transaction of the rows. */
#include <stdlib.h>

#include "connectors/kafka/record/record.h"

#define FORMAT 1
#define TOOL "cdc-sink-kafka"

/* -- places ------------------------------------------------------------------------ */

static void free_place(struct kafka_place *place)
{
    free(place->name);
    free(place->pos);
    free(place->described);
    free(place->begins);
    free(place->cuts);
    cdc_offset_free(&place->offset);
}

void kafka_places_free(struct kafka_places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free_place(&places->items[i]);
    for (size_t i = 0; i < places->n_parts; i++) {
        free(places->parts[i].key);
        free(places->parts[i].members);
    }
    free(places->items);
    free(places->parts);
    free(places->id);
    *places = (struct kafka_places)KAFKA_PLACES_INIT;
}

struct kafka_place *kafka_places_find(const struct kafka_places *places, const char *name)
{
    for (size_t i = 0; i < places->n; i++)
        if (strcmp(places->items[i].name, name) == 0)
            return &places->items[i];
    return NULL;
}

struct kafka_place *kafka_places_add(struct kafka_places *places, const char *name, struct cdc_error *error)
{
    struct kafka_place *items = realloc(places->items, (places->n + 1) * sizeof *items);

    if (items != NULL)
        places->items = items;
    struct kafka_place place = {.name = strdup(name), .pos = strdup("")};
    place.offset.pos = strdup("");
    if (items == NULL || place.name == NULL || place.pos == NULL || place.offset.pos == NULL) {
        free_place(&place);
        cdc_error_memory(error);
        return NULL;
    }
    items[places->n] = place;
    return &items[places->n++];
}

void kafka_places_remove(struct kafka_places *places, const char *name)
{
    struct kafka_place *place = kafka_places_find(places, name);

    if (place == NULL)
        return;
    free_place(place);
    *place = places->items[--places->n];
}

int kafka_place_move(struct kafka_place *place, struct cdc_span pos, int64_t seq, struct cdc_error *error)
{
    char *copy = cdc_span_copy(pos);

    if (copy == NULL)
        return cdc_error_memory(error);
    free(place->pos);
    place->pos = copy;
    place->seq = seq;
    return 0;
}

/* -- as text ----------------------------------------------------------------------------- */

static void append_text(struct cdc_buf *out, const char *text)
{
    cdc_json_append_string(out, text, strlen(text));
}

static void append_head(struct cdc_buf *out, const char *id)
{
    cdc_buf_printf(out, "{\"format\":%d,\"tool\":\"" TOOL "\",\"id\":", FORMAT);
    append_text(out, id);
}

/* pos is what stands between the quotes of a line, as it does in offset files. */
static void append_pos(struct cdc_buf *out, const char *pos, int64_t seq)
{
    cdc_buf_lit(out, "{\"pos\":");
    append_text(out, pos);
    cdc_buf_lit(out, ",\"seq\":");
    cdc_buf_i64(out, seq);
}

static void append_place(struct cdc_buf *out, const struct kafka_place *place)
{
    append_text(out, place->name);
    cdc_buf_byte(out, ':');
    append_pos(out, place->pos, place->seq);
    cdc_buf_lit(out, ",\"offset\":");
    append_pos(out, place->offset.pos, place->offset.seq);
    cdc_buf_lit(out, ",\"lines\":");
    cdc_buf_u64(out, place->offset.lines);
    if (place->offset.source != NULL) {
        cdc_buf_lit(out, ",\"source\":");
        cdc_buf_text(out, place->offset.source);
    }
    cdc_buf_byte(out, '}');
    if (place->described != NULL) {
        cdc_buf_lit(out, ",\"described\":[");
        cdc_buf_text(out, place->described);
        cdc_buf_byte(out, ']');
    }
    if (place->n_cuts > 0) {
        cdc_buf_lit(out, ",\"parts\":{\"begins\":");
        append_text(out, place->begins);
        cdc_buf_lit(out, ",\"n\":");
        cdc_buf_u64(out, place->n_cuts);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_byte(out, '}');
}

void kafka_position_append(struct cdc_buf *out, const struct kafka_places *places, const char *id, long only)
{
    bool first = true;

    append_head(out, id);
    cdc_buf_lit(out, ",\"places\":{");
    for (size_t i = 0; i < places->n; i++) {
        if (only >= 0 && (size_t)only != i)
            continue;
        if (!first)
            cdc_buf_byte(out, ',');
        first = false;
        append_place(out, &places->items[i]);
    }
    cdc_buf_lit(out, "}}");
}

/* -- and back ------------------------------------------------------------------------------ */

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a position record in Kafka is damaged");
}

static int read_pos(struct cdc_span object, char **pos, int64_t *seq, struct cdc_error *error)
{
    *pos = cdc_json_member_text(object, "pos");
    if (*pos == NULL || !cdc_json_int64(cdc_json_member(object, "seq"), seq) || *seq < 0)
        return damaged(error);
    return 0;
}

static int read_offset(struct cdc_offset *offset, struct cdc_span object, struct cdc_error *error)
{
    int64_t lines = 0;
    struct cdc_span source = cdc_json_member(object, "source");

    if (read_pos(object, &offset->pos, &offset->seq, error) != 0)
        return -1;
    if (cdc_json_int64(cdc_json_member(object, "lines"), &lines) && lines > 0)
        offset->lines = (uint64_t)lines;
    if (cdc_json_type(source) == CDC_JSON_OBJECT && (offset->source = cdc_span_copy(source)) == NULL)
        return cdc_error_memory(error);
    return 0;
}

/* What is between the brackets. */
static int read_described(char **described, struct cdc_span list, struct cdc_error *error)
{
    if (cdc_json_type(list) != CDC_JSON_ARRAY || list.n <= 2)
        return 0;
    *described = cdc_span_copy(cdc_span(list.p + 1, list.n - 2));
    return *described != NULL ? 0 : cdc_error_memory(error);
}

static int read_parts(struct kafka_place *place, struct cdc_span parts, struct cdc_error *error)
{
    int64_t n = 0;

    if (parts.p == NULL)
        return 0;
    place->begins = cdc_json_member_text(parts, "begins");
    if (place->begins == NULL || !cdc_json_int64(cdc_json_member(parts, "n"), &n) || n < 1 || n > INT32_MAX)
        return damaged(error);
    place->n_cuts = (size_t)n;
    return 0;
}

static int read_place(struct kafka_places *places, struct cdc_span raw_name, struct cdc_span value,
                      struct cdc_error *error)
{
    struct kafka_place read = {.name = NULL};
    char *name = cdc_json_text(raw_name, NULL);
    struct kafka_place *place = name != NULL ? kafka_places_find(places, name) : NULL;
    int result = name != NULL ? 0 : cdc_error_memory(error);

    if (result == 0 && (read_pos(value, &read.pos, &read.seq, error) != 0 ||
                        read_offset(&read.offset, cdc_json_member(value, "offset"), error) != 0 ||
                        read_described(&read.described, cdc_json_member(value, "described"), error) != 0 ||
                        read_parts(&read, cdc_json_member(value, "parts"), error) != 0))
        result = -1;
    if (result == 0 && place == NULL && (place = kafka_places_add(places, name, error)) == NULL)
        result = -1;
    if (result == 0) {
        read.name = place->name;
        place->name = NULL;
        struct kafka_place old = *place;
        *place = read;
        read = old;
    }
    free_place(&read);
    free(name);
    return result;
}

static int check_format(struct cdc_span text, struct cdc_error *error)
{
    int64_t format;
    struct cdc_error why = {0};

    if (cdc_json_validate(text.p, text.n, &why) != 0 || !cdc_json_member_is(text, "tool", TOOL) ||
        !cdc_json_int64(cdc_json_member(text, "format"), &format))
        return damaged(error);
    if (format != FORMAT)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "a position record in Kafka is of a newer program");
    return 0;
}

int kafka_position_read(struct kafka_places *places, struct cdc_span text, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (check_format(text, error) != 0)
        return -1;
    char *id = cdc_json_member_text(text, "id");
    if (id == NULL)
        return damaged(error);
    free(places->id);
    places->id = id;
    for (cdc_json_iter_begin(&iter, cdc_json_member(text, "places")); cdc_json_next_member(&iter, &name, &value);)
        if (read_place(places, name, value, error) != 0)
            return -1;
    return 0;
}

/* -- keys and owners ------------------------------------------------------------------------ */

/* head: up to the name. */
static void append_key(struct cdc_buf *out, const char *head, const char *name, const char *id)
{
    cdc_buf_text(out, head);
    append_text(out, name);
    cdc_buf_lit(out, ",\"id\":");
    append_text(out, id);
    cdc_buf_lit(out, "}]");
}

void kafka_position_key(struct cdc_buf *out, const char *name, const char *id)
{
    append_key(out, "[\"" TOOL "\",{\"name\":", name, id);
}

void kafka_ends_key(struct cdc_buf *out, const char *topic, const char *id)
{
    append_key(out, "[\"" TOOL "\",{\"ends\":", topic, id);
}

void kafka_owner_key(struct cdc_buf *out, const char *topic)
{
    cdc_buf_lit(out, "[\"" TOOL "\",{\"topic\":");
    append_text(out, topic);
    cdc_buf_lit(out, "}]");
}

void kafka_described_value(struct cdc_buf *out, const char *id, struct cdc_span members)
{
    append_head(out, id);
    cdc_buf_lit(out, ",\"described\":[");
    cdc_buf_span(out, members);
    cdc_buf_lit(out, "]}");
}

int kafka_position_read_key(struct cdc_span key, char **name, char **id)
{
    struct cdc_json_iter iter;
    struct cdc_span tool, what;
    struct cdc_error why = {0};

    *name = *id = NULL;
    if (key.p == NULL || cdc_json_validate(key.p, key.n, &why) != 0)
        return 0;
    cdc_json_iter_begin(&iter, key);
    if (!cdc_json_next_element(&iter, &tool) || !cdc_json_raw_is(cdc_json_string_raw(tool), cdc_span_text(TOOL)) ||
        !cdc_json_next_element(&iter, &what))
        return 0;
    bool owner = cdc_json_member_raw(what, "topic").p != NULL, ends = cdc_json_member_raw(what, "ends").p != NULL;
    *name = cdc_json_member_text(what, owner ? "topic" : ends ? "ends" : "name");
    *id = owner ? NULL : cdc_json_member_text(what, "id");
    if (*name != NULL && (owner || *id != NULL))
        return owner ? 2 : ends ? 4 : cdc_json_member(what, "part").p != NULL ? 3 : 1;
    free(*name);
    free(*id);
    *name = *id = NULL;
    return 0;
}

static void append_named(struct cdc_buf *out, const char *name, const char *value)
{
    cdc_buf_printf(out, ",\"%s\":", name);
    append_text(out, value);
}

void kafka_owner_append(struct cdc_buf *out, const char *id, int32_t partitions, const struct cdc_table_id *owner)
{
    append_head(out, id);
    cdc_buf_printf(out, ",\"partitions\":%d", (int)partitions);
    append_named(out, "name", owner->name);
    append_named(out, "db", owner->db);
    append_named(out, "schema", owner->schema);
    append_named(out, "table", owner->table);
    cdc_buf_byte(out, '}');
}

int kafka_owner_read(struct cdc_span text, struct cdc_table_id *owner, int32_t *partitions, struct cdc_error *error)
{
    int64_t n;

    if (check_format(text, error) != 0)
        return -1;
    *owner = (struct cdc_table_id){cdc_json_member_text(text, "name"), cdc_json_member_text(text, "db"),
                                   cdc_json_member_text(text, "schema"), cdc_json_member_text(text, "table")};
    if (owner->name == NULL || owner->db == NULL || owner->schema == NULL || owner->table == NULL ||
        !cdc_json_int64(cdc_json_member(text, "partitions"), &n) || n < 1 || n > INT32_MAX) {
        cdc_table_id_free(owner);
        return damaged(error);
    }
    *partitions = (int32_t)n;
    return 0;
}
