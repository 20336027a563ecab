/* SPDX-License-Identifier: MIT */
/* The file is only ever appended to, a line an index and one for the cluster; of two lines for one the later counts:
 *
 *   {"cluster":"kq1Hd0dhQ7q3u0rjG5fYvQ"}
 *
 *   {"index":"shop-orders","uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A","source":{"name":"shop","db":"shop","schema":"public","table":"orders"}}
 *
 *   {"index":"shop-orders","uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A","identity":{"key":["id"],"columns":["id","note"]}}
 *
 *   {"index":"shop-orders","read":{"uuid":"dJ3vXo1vQ1e2Zp0xNq8k9A","pos":"0000000016B374D8.0000000000.r0002","seq":381908184,...}}
 *
 *   {"index":"shop-orders","reading":true}
 *
 *   {"index":"shop-orders-2","alias":"shop-orders"}
 *
 *   {"index":"shop-history","stream":{"generation":3,"last":"pQm2xq0hTNyJ8dD0q3c8Zw"}}
 *
 * Killed before the sync, the offset has not moved: the documents come again, and the line with them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/http/elasticsearch/index_ids.h"
#include <cdc/file.h>
#include <cdc/hash.h>
#include <cdc/json.h>
#include <cdc/line.h>

#define LONGEST_LINE                                                                                                   \
    ((size_t)16 << 20) /* of an identity, the names of all columns; a source's name may have any length */

struct entry {
    char *key, *value;
};

struct map {
    struct entry *slots; /* open addressing, n_slots a power of two, at most half full */
    size_t n, n_slots;
};

struct es_index_ids {
    int fd; /* -1: no file */
    char *path;
    uint64_t size;
    struct cdc_buf pending; /* after size, not written yet */
    char *cluster;          /* NULL: not known */
    struct map ids;         /* by index */
    struct map homes;       /* the index, by source table */
    struct map identities;  /* by index; "null": none */
    struct map reads;       /* by index */
    struct map readings;    /* as reads: "true" while they go on */
    struct map aliases;     /* by index */
    struct map streams;     /* by data stream */
};

static int failure(const struct es_index_ids *ids, const char *what, struct cdc_error *error)
{
    cdc_error_set(error, cdc_file_exit(errno), "%s: cannot %s: %s", ids->path, what, strerror(errno));
    return cdc_error_hint(error, "make room, or check the disk, and start again");
}

/* -- a map ----------------------------------------------------------------------------- */

static struct entry *slot_of(const struct map *map, const char *key)
{
    size_t i = cdc_hash_fold(cdc_hash_text(CDC_HASH_INIT, key));

    while (map->slots[i & (map->n_slots - 1)].key != NULL && strcmp(map->slots[i & (map->n_slots - 1)].key, key) != 0)
        i++;
    return &map->slots[i & (map->n_slots - 1)];
}

static int grow(struct map *map, struct cdc_error *error)
{
    struct entry *old = map->slots;
    size_t n = map->n_slots, wanted = n == 0 ? 64 : 2 * n;

    if (2 * map->n < n)
        return 0;
    if ((map->slots = calloc(wanted, sizeof *old)) == NULL) {
        map->slots = old;
        return cdc_error_memory(error);
    }
    map->n_slots = wanted;
    for (size_t i = 0; i < n; i++)
        if (old[i].key != NULL)
            *slot_of(map, old[i].key) = old[i];
    free(old);
    return 0;
}

/* TAKES both texts, which may be NULL: no memory. */
static int put(struct map *map, char *key, char *value, struct cdc_error *error)
{
    if (key == NULL || value == NULL || grow(map, error) != 0) {
        free(key);
        free(value);
        return cdc_error_memory(error);
    }
    struct entry *entry = slot_of(map, key);
    map->n += entry->key == NULL;
    free(entry->key);
    free(entry->value);
    *entry = (struct entry){key, value};
    return 0;
}

static const char *get(const struct map *map, const char *key)
{
    return map->n > 0 ? slot_of(map, key)->value : NULL;
}

static void free_map(struct map *map)
{
    for (size_t i = 0; i < map->n_slots; i++) {
        free(map->slots[i].key);
        free(map->slots[i].value);
    }
    free(map->slots);
}

/* -- what is asked --------------------------------------------------------------------- */

const char *es_index_ids_get(const struct es_index_ids *ids, const char *index)
{
    return get(&ids->ids, index);
}

const char *es_index_ids_home(const struct es_index_ids *ids, const char *source)
{
    return get(&ids->homes, source);
}

int es_index_ids_each_home(const struct es_index_ids *ids, es_index_ids_visit *visit, void *context,
                           struct cdc_error *error)
{
    struct cdc_buf all = CDC_BUF_INIT;
    int result = 0;

    for (size_t i = 0; i < ids->homes.n_slots; i++)
        if (ids->homes.slots[i].key != NULL)
            cdc_buf_append(&all, ids->homes.slots[i].key, strlen(ids->homes.slots[i].key) + 1);
    if (all.failed)
        result = cdc_error_memory(error);
    for (const char *p = all.data; result == 0 && p != NULL && p < all.data + all.len; p += strlen(p) + 1)
        result = visit(context, p, error);
    cdc_buf_free(&all);
    return result;
}

static void append_text(struct cdc_buf *out, const char *name, const char *text)
{
    cdc_buf_text(out, name);
    cdc_json_append_text(out, text, strlen(text));
}

const char *es_index_ids_cluster(const struct es_index_ids *ids)
{
    return ids->cluster;
}

static int keep_cluster(struct es_index_ids *ids, char *uuid, struct cdc_error *error)
{
    if (uuid == NULL)
        return cdc_error_memory(error);
    free(ids->cluster);
    ids->cluster = uuid;
    return 0;
}

int es_index_ids_note_cluster(struct es_index_ids *ids, const char *uuid, struct cdc_error *error)
{
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"cluster\":", uuid);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return keep_cluster(ids, strdup(uuid), error);
}

int es_index_ids_note(struct es_index_ids *ids, const char *index, struct cdc_span id, const char *source,
                      struct cdc_error *error)
{
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"index\":", index);
        cdc_buf_lit(&ids->pending, ",\"uuid\":");
        cdc_json_append_text(&ids->pending, id.p, id.n);
        cdc_buf_lit(&ids->pending, ",\"source\":");
        cdc_buf_text(&ids->pending, source);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->ids, strdup(index), cdc_span_copy(id), error) == 0
               ? put(&ids->homes, strdup(source), strdup(index), error)
               : -1;
}

const char *es_index_ids_identity(const struct es_index_ids *ids, const char *index)
{
    const char *identity = get(&ids->identities, index);
    return identity != NULL && *identity == '{' ? identity : NULL;
}

int es_index_ids_note_identity(struct es_index_ids *ids, const char *index, const char *identity,
                               struct cdc_error *error)
{
    const char *id = es_index_ids_get(ids, index), *text = identity != NULL ? identity : "null";

    if (ids->fd >= 0 && id != NULL) {
        append_text(&ids->pending, "{\"index\":", index);
        append_text(&ids->pending, ",\"uuid\":", id);
        cdc_buf_lit(&ids->pending, ",\"identity\":");
        cdc_buf_text(&ids->pending, text);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->identities, strdup(index), strdup(text), error);
}

const char *es_index_ids_read(const struct es_index_ids *ids, const char *index)
{
    return get(&ids->reads, index);
}

int es_index_ids_note_read(struct es_index_ids *ids, const char *index, const char *read, struct cdc_error *error)
{
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"index\":", index);
        cdc_buf_lit(&ids->pending, ",\"read\":");
        cdc_buf_text(&ids->pending, read);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->reads, strdup(index), strdup(read), error);
}

const char *es_index_ids_alias(const struct es_index_ids *ids, const char *index)
{
    return get(&ids->aliases, index);
}

int es_index_ids_note_reading(struct es_index_ids *ids, const char *name, bool reading, struct cdc_error *error)
{
    const char *known = get(&ids->readings, name), *now = reading ? "true" : "false";

    if (strcmp(known != NULL ? known : "false", now) == 0)
        return 0;
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"index\":", name);
        cdc_buf_printf(&ids->pending, ",\"reading\":%s}\n", now);
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->readings, strdup(name), strdup(now), error);
}

/* name: of an index, or of a part of one. */
static bool is_led(const struct es_index_ids *ids, const char *name)
{
    char index[256]; /* a name of an index has at most 255 bytes (index.c) */

    snprintf(index, sizeof index, "%.*s", (int)strcspn(name, "/"), name);
    return es_index_ids_alias(ids, index) != NULL;
}

const char *es_index_ids_reading(const struct es_index_ids *ids)
{
    for (size_t i = 0; i < ids->readings.n_slots; i++) {
        const struct entry *entry = &ids->readings.slots[i];
        if (entry->key != NULL && strcmp(entry->value, "true") == 0 && !is_led(ids, entry->key))
            return entry->key;
    }
    return NULL;
}

int es_index_ids_note_alias(struct es_index_ids *ids, const char *index, const char *alias, struct cdc_error *error)
{
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"index\":", index);
        append_text(&ids->pending, ",\"alias\":", alias);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->aliases, strdup(index), strdup(alias), error);
}

const char *es_index_ids_stream(const struct es_index_ids *ids, const char *name)
{
    return get(&ids->streams, name);
}

int es_index_ids_note_stream(struct es_index_ids *ids, const char *name, const char *stream, struct cdc_error *error)
{
    if (ids->fd >= 0) {
        append_text(&ids->pending, "{\"index\":", name);
        cdc_buf_lit(&ids->pending, ",\"stream\":");
        cdc_buf_text(&ids->pending, stream);
        cdc_buf_lit(&ids->pending, "}\n");
        if (ids->pending.failed)
            return cdc_error_memory(error);
    }
    return put(&ids->streams, strdup(name), strdup(stream), error);
}

bool es_index_ids_has_indexes(const struct es_index_ids *ids)
{
    return ids->ids.n > 0;
}

bool es_index_ids_has_streams(const struct es_index_ids *ids)
{
    return ids->streams.n > 0;
}

int es_index_ids_sync(struct es_index_ids *ids, struct cdc_error *error)
{
    size_t done = 0;

    if (ids->pending.len == 0)
        return 0;
    if (cdc_file_check_there(ids->fd, ids->path, "file of index ids", error) != 0)
        return -1;
    while (done < ids->pending.len) {
        ssize_t n = pwrite(ids->fd, ids->pending.data + done, ids->pending.len - done, (off_t)(ids->size + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failure(ids, "write it", error);
        done += (size_t)n;
    }
    if (fdatasync(ids->fd) != 0)
        return failure(ids, "sync it", error);
    ids->size += done;
    ids->pending.len = 0;
    return 0;
}

/* -- reading ------------------------------------------------------------------------- */

/* 1: it is not one of ours. */
static int load_line(struct es_index_ids *ids, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_span index, id, source, identity, read, reading, alias, stream, cluster;

    if (cdc_json_validate(line.p, line.n, NULL) != 0)
        return 1;
    if ((cluster = cdc_json_member_raw(line, "cluster")).p != NULL)
        return keep_cluster(ids, cdc_json_text(cluster, NULL), error);
    if ((index = cdc_json_member_raw(line, "index")).p == NULL)
        return 1;
    read = cdc_json_member(line, "read");
    if (read.p != NULL && cdc_json_type(read) == CDC_JSON_OBJECT)
        return put(&ids->reads, cdc_json_text(index, NULL), cdc_span_copy(read), error);
    stream = cdc_json_member(line, "stream");
    if (stream.p != NULL && cdc_json_type(stream) == CDC_JSON_OBJECT)
        return put(&ids->streams, cdc_json_text(index, NULL), cdc_span_copy(stream), error);
    reading = cdc_json_member(line, "reading");
    if (reading.p != NULL)
        return put(&ids->readings, cdc_json_text(index, NULL), cdc_span_copy(reading), error);
    if ((alias = cdc_json_member_raw(line, "alias")).p != NULL)
        return put(&ids->aliases, cdc_json_text(index, NULL), cdc_json_text(alias, NULL), error);
    if ((id = cdc_json_member_raw(line, "uuid")).p == NULL)
        return 1;
    if (put(&ids->ids, cdc_json_text(index, NULL), cdc_json_text(id, NULL), error) != 0)
        return -1;
    identity = cdc_json_member(line, "identity");
    if (identity.p != NULL && put(&ids->identities, cdc_json_text(index, NULL), cdc_span_copy(identity), error) != 0)
        return -1;
    source = cdc_json_member(line, "source");
    return source.p == NULL ? 0 : put(&ids->homes, cdc_span_copy(source), cdc_json_text(index, NULL), error);
}

/* A tail that a power cut left was never relied on: it is NUL bytes, or has no end. */
static int load_lines(struct es_index_ids *ids, struct cdc_line_reader *reader, struct cdc_error *error)
{
    struct cdc_span line;
    enum cdc_line_result got;

    while ((got = cdc_line_reader_next(reader, &line, error)) == CDC_LINE_OK) {
        int result = load_line(ids, line, error);
        if (result < 0)
            return -1;
        if (result == 1 && memchr(line.p, '\0', line.n) != NULL)
            return 0;
        if (result == 1)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "%s is damaged at byte %llu", ids->path,
                                 (unsigned long long)cdc_line_reader_offset(reader));
        ids->size = cdc_line_reader_offset(reader) + line.n + 1;
    }
    return got == CDC_LINE_END ? 0 : cdc_error_set(error, CDC_EXIT_CONFIG, "%s cannot be read", ids->path);
}

static int load(struct es_index_ids *ids, struct cdc_error *error)
{
    struct cdc_line_reader *reader = cdc_line_reader_new(ids->fd, LONGEST_LINE, error);
    int result = reader != NULL ? load_lines(ids, reader, error) : -1;

    cdc_line_reader_free(reader);
    if (result == 0 && ftruncate(ids->fd, (off_t)ids->size) != 0)
        result = failure(ids, "shorten it", error);
    /* What was there to be read may not be on the disk: that run was killed, or ended, before its sync was done. */
    if (result == 0 && (cdc_file_write_again(ids->fd, 0, (off_t)ids->size) != 0 || fdatasync(ids->fd) != 0))
        result = failure(ids, "sync it", error);
    if (result == 0 && cdc_file_sync_folder(ids->path) != 0)
        result = failure(ids, "sync its folder", error);
    return result;
}

struct es_index_ids *es_index_ids_open(const char *path, struct cdc_error *error)
{
    struct es_index_ids *ids = calloc(1, sizeof *ids);

    if (ids != NULL)
        ids->fd = -1;
    if (ids == NULL || (path != NULL && (ids->path = strdup(path)) == NULL)) {
        es_index_ids_free(ids);
        cdc_error_memory(error);
        return NULL;
    }
    if (path == NULL)
        return ids;
    ids->fd = cdc_file_open(path, O_RDWR | O_CREAT, 0600, "file of index ids", error);
    if (ids->fd >= 0 && load(ids, error) == 0)
        return ids;
    es_index_ids_free(ids);
    return NULL;
}

void es_index_ids_free(struct es_index_ids *ids)
{
    if (ids == NULL)
        return;
    if (ids->fd >= 0)
        close(ids->fd);
    free(ids->cluster);
    free_map(&ids->ids);
    free_map(&ids->homes);
    free_map(&ids->identities);
    free_map(&ids->reads);
    free_map(&ids->readings);
    free_map(&ids->aliases);
    free_map(&ids->streams);
    cdc_buf_free(&ids->pending);
    free(ids->path);
    free(ids);
}
