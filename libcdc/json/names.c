/* SPDX-License-Identifier: MIT */
/* Open addressing, at most half full. Names are hashed as they are, without escapes, and then compared. */
#include <stdlib.h>

#include <cdc/hash.h>
#include <cdc/names.h>

static uint64_t hash_of(struct cdc_span plain)
{
    return cdc_hash_span(CDC_HASH_INIT, plain);
}

/* Where that hash is looked for first, and the place after one. */
static size_t first_place(const struct cdc_names *names, uint64_t hash)
{
    return cdc_hash_fold(hash) & (names->size - 1);
}

static size_t next_place(const struct cdc_names *names, size_t at)
{
    return (at + 1) & (names->size - 1);
}

static int grow(struct cdc_names *names)
{
    struct cdc_names larger = {.n = names->n, .size = names->size == 0 ? 16 : names->size * 2};

    larger.places = calloc(larger.size, sizeof *larger.places);
    if (larger.places == NULL)
        return -1;
    for (size_t i = 0; i < names->size; i++) {
        if (names->places[i].name.p == NULL)
            continue;
        size_t at = first_place(&larger, names->places[i].hash);
        while (larger.places[at].name.p != NULL)
            at = next_place(&larger, at);
        larger.places[at] = names->places[i];
    }
    free(names->places);
    *names = larger;
    return 0;
}

static int add(struct cdc_names *names, struct cdc_name name, bool is_raw)
{
    if (names->n * 2 >= names->size && grow(names) != 0)
        return -1;
    size_t at = first_place(names, name.hash);
    for (; names->places[at].name.p != NULL; at = next_place(names, at)) {
        struct cdc_span other = names->places[at].name;
        if (names->places[at].hash == name.hash &&
            (is_raw ? cdc_json_raw_equal(other, name.name) : cdc_span_equal(other, name.name)))
            return 0;
    }
    names->places[at] = name;
    names->n++;
    return 0;
}

int cdc_names_add(struct cdc_names *names, struct cdc_span plain, size_t number)
{
    return add(names, (struct cdc_name){hash_of(plain), plain, number}, false);
}

int cdc_names_add_raw(struct cdc_names *names, struct cdc_span raw, size_t number)
{
    return add(names, (struct cdc_name){cdc_json_hash(CDC_HASH_INIT, raw), raw, number}, true);
}

/* is_same(what, name): is the name of a place the one that is looked for? */
static size_t find(const struct cdc_names *names, uint64_t hash, struct cdc_span what,
                   bool (*is_same)(struct cdc_span what, struct cdc_span name))
{
    for (size_t at = names->n > 0 ? first_place(names, hash) : 0; names->n > 0; at = next_place(names, at)) {
        const struct cdc_name *place = &names->places[at];
        if (place->name.p == NULL)
            break;
        if (place->hash == hash && is_same(what, place->name))
            return place->number;
    }
    return SIZE_MAX;
}

size_t cdc_names_find(const struct cdc_names *plain_names, struct cdc_span raw)
{
    return plain_names->n == 0 ? SIZE_MAX : find(plain_names, cdc_json_hash(CDC_HASH_INIT, raw), raw, cdc_json_raw_is);
}

size_t cdc_names_find_plain(const struct cdc_names *plain_names, struct cdc_span plain)
{
    return find(plain_names, hash_of(plain), plain, cdc_span_equal);
}

static bool is_plain_of(struct cdc_span plain, struct cdc_span raw)
{
    return cdc_json_raw_is(raw, plain);
}

size_t cdc_names_find_in_raw(const struct cdc_names *raw_names, struct cdc_span plain)
{
    return find(raw_names, hash_of(plain), plain, is_plain_of);
}

size_t cdc_names_find_raw(const struct cdc_names *raw_names, struct cdc_span raw)
{
    return find(raw_names, cdc_json_hash(CDC_HASH_INIT, raw), raw, cdc_json_raw_equal);
}

void cdc_names_free(struct cdc_names *names)
{
    free(names->places);
    *names = (struct cdc_names){0};
}
