/* SPDX-License-Identifier: MIT */
/* Places of a relay, and what the sinks have of them. */
#include <stdlib.h>

#include <cdc/relay.h>

#define PLACES_MAX 1024

/* What all sinks have of one source. */
struct relay_name {
    char *name;
    struct cdc_acks *acks;
    char *newest; /* of the boundary last written, since the last place; NULL: none since */
};
/* Of one source, by its number among the names. */
struct relay_mark {
    size_t name;
    char *pos;
};
struct relay_place {
    struct cdc_offset offset;
    struct relay_mark *marks; /* of those that wrote since the place before */
    size_t n_marks;
};
struct cdc_relay {
    char **files;
    size_t n_files;
    char *state_dir;
    struct relay_name *names;
    size_t n_names;
    struct relay_place *places; /* not stored yet, oldest first */
    size_t n_places;
    struct cdc_offset stored; /* the newest that is; pos NULL: none */
};

static void free_place(struct relay_place *place)
{
    for (size_t i = 0; i < place->n_marks; i++)
        free(place->marks[i].pos);
    free(place->marks);
    cdc_offset_free(&place->offset);
}

void cdc_relay_free(struct cdc_relay *relay)
{
    if (relay == NULL)
        return;
    for (size_t i = 0; i < relay->n_files && relay->files != NULL; i++)
        free(relay->files[i]);
    for (size_t i = 0; i < relay->n_names; i++) {
        cdc_acks_free(relay->names[i].acks);
        free(relay->names[i].name);
        free(relay->names[i].newest);
    }
    for (size_t i = 0; i < relay->n_places; i++)
        free_place(&relay->places[i]);
    cdc_offset_free(&relay->stored);
    free(relay->files);
    free(relay->state_dir);
    free(relay->names);
    free(relay->places);
    free(relay);
}

struct cdc_relay *cdc_relay_new(const char *const *files, size_t n, const char *state_dir, struct cdc_error *error)
{
    struct cdc_relay *relay = calloc(1, sizeof *relay);
    bool ok = relay != NULL && (relay->files = calloc(n + 1, sizeof *relay->files)) != NULL &&
              (relay->places = calloc(PLACES_MAX, sizeof *relay->places)) != NULL &&
              (state_dir == NULL || (relay->state_dir = strdup(state_dir)) != NULL);

    for (; ok && relay->n_files < n; relay->n_files += ok)
        ok = (relay->files[relay->n_files] = strdup(files[relay->n_files])) != NULL;
    if (ok)
        return relay;
    cdc_relay_free(relay);
    cdc_error_memory(error);
    return NULL;
}

/* Nearly always there is one, so a list is searched. */
static struct relay_name *find_name(struct cdc_relay *relay, const char *name, struct cdc_error *error)
{
    for (size_t i = 0; i < relay->n_names; i++)
        if (strcmp(relay->names[i].name, name) == 0)
            return &relay->names[i];
    struct relay_name *grown = realloc(relay->names, (relay->n_names + 1) * sizeof *grown);
    if (grown == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    relay->names = grown;
    struct relay_name *added = &grown[relay->n_names];
    *added = (struct relay_name){.name = strdup(name)};
    if (added->name != NULL)
        added->acks = cdc_acks_new(name, (const char *const *)relay->files, relay->n_files, relay->state_dir, error);
    if (added->acks == NULL) {
        free(added->name);
        cdc_error_memory(error);
        return NULL;
    }
    relay->n_names++;
    return added;
}

static int replace(char **text, const char *with, struct cdc_error *error)
{
    char *copy = strdup(with);

    if (copy == NULL)
        return cdc_error_memory(error);
    free(*text);
    *text = copy;
    return 0;
}

int cdc_relay_passed(struct cdc_relay *relay, const char *name, const char *pos, struct cdc_error *error)
{
    struct relay_name *found = find_name(relay, name, error);
    return found != NULL ? replace(&found->newest, pos, error) : -1;
}

/* What the older place asks of a name, the newer one asks as well, unless it asks for more. TAKES the marks of older. */
static int merge(struct relay_place *older, struct relay_place *newer, struct cdc_error *error)
{
    struct relay_mark *grown = realloc(newer->marks, (newer->n_marks + older->n_marks + 1) * sizeof *grown);
    size_t own = newer->n_marks;

    if (grown == NULL)
        return cdc_error_memory(error);
    newer->marks = grown;
    for (size_t i = 0; i < older->n_marks; i++) {
        bool is_there = false;
        for (size_t k = 0; k < own && !is_there; k++)
            is_there = newer->marks[k].name == older->marks[i].name;
        if (is_there)
            free(older->marks[i].pos);
        else
            newer->marks[newer->n_marks++] = older->marks[i];
    }
    older->n_marks = 0;
    return 0;
}

/* Every second place goes; the last one, which is the newest, stays. */
static int thin_out(struct cdc_relay *relay, struct cdc_error *error)
{
    size_t kept = 0;

    for (size_t i = 0; i + 1 < relay->n_places; i += 2)
        if (merge(&relay->places[i], &relay->places[i + 1], error) != 0)
            return -1;
    for (size_t i = 0; i < relay->n_places; i++) {
        if (i % 2 == 0 && i + 1 < relay->n_places)
            free_place(&relay->places[i]);
        else
            relay->places[kept++] = relay->places[i];
    }
    relay->n_places = kept;
    return 0;
}

int cdc_relay_place(struct cdc_relay *relay, const struct cdc_offset *place, struct cdc_error *error)
{
    struct relay_place added = {.marks = calloc(relay->n_names + 1, sizeof *added.marks)};

    if (added.marks == NULL)
        return cdc_error_memory(error);
    if (cdc_offset_copy(&added.offset, place, error) != 0 ||
        (relay->n_places == PLACES_MAX && thin_out(relay, error) != 0)) {
        free_place(&added);
        return -1;
    }
    for (size_t i = 0; i < relay->n_names; i++) {
        if (relay->names[i].newest == NULL)
            continue;
        added.marks[added.n_marks++] = (struct relay_mark){i, relay->names[i].newest};
        relay->names[i].newest = NULL;
    }
    relay->places[relay->n_places++] = added;
    return 0;
}

/* 1: each of its names is stored up to there; 0; -1. What an earlier place asks was looked at before. */
static int is_stored(struct cdc_relay *relay, const struct relay_place *place, struct cdc_error *error)
{
    for (size_t i = 0; i < place->n_marks; i++) {
        int passed = cdc_acks_passed(relay->names[place->marks[i].name].acks, place->marks[i].pos, error);
        if (passed <= 0)
            return passed;
    }
    return 1;
}

int cdc_relay_stored(struct cdc_relay *relay, const struct cdc_offset **place, struct cdc_error *error)
{
    size_t passed = 0;
    int stored = 1;

    *place = NULL;
    while (passed < relay->n_places && (stored = is_stored(relay, &relay->places[passed], error)) == 1)
        passed++;
    if (stored < 0)
        return -1;
    if (passed == 0)
        return 0;
    if (cdc_offset_copy(&relay->stored, &relay->places[passed - 1].offset, error) != 0)
        return -1;
    for (size_t i = 0; i < passed; i++)
        free_place(&relay->places[i]);
    relay->n_places -= passed;
    memmove(relay->places, relay->places + passed, relay->n_places * sizeof *relay->places);
    *place = &relay->stored;
    return 0;
}

int cdc_relay_has(struct cdc_relay *relay, const char *name, const char *pos, struct cdc_error *error)
{
    struct relay_name *found = find_name(relay, name, error);
    return found != NULL ? cdc_acks_passed(found->acks, pos, error) : -1;
}
