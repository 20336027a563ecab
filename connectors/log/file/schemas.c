/* SPDX-License-Identifier: MIT */
/* The newest schema line of each table. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/file/crc32c.h"
#include "connectors/log/file/schemas.h"
#include <cdc/hash.h>

#define MARK "\"schema\""
#define CRC_MARK ",\"c\":\""
#define CRC_SIZE (sizeof CRC_MARK - 1 + 8 + 3) /* ,"c":"8 digits"} and LF */

void log_schemas_free(struct log_schemas *schemas)
{
    for (size_t i = 0; i < schemas->n; i++) {
        free(schemas->items[i].key);
        free(schemas->items[i].line);
    }
    free(schemas->items);
    free(schemas->slots);
    *schemas = (struct log_schemas){.items = NULL};
}

/* Twice as many slots as items, at least. */
static bool make_slots(struct log_schemas *schemas)
{
    size_t n = schemas->n_slots > 0 ? 2 * schemas->n_slots : 64;
    uint32_t *slots = calloc(n, sizeof *slots);

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < schemas->n; i++) {
        size_t at = schemas->items[i].hash & (n - 1);
        while (slots[at] != 0)
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(schemas->slots);
    schemas->slots = slots;
    schemas->n_slots = n;
    return true;
}

/* The slot of the key, free or not. */
static uint32_t *slot_of(struct log_schemas *schemas, struct cdc_span key, uint64_t hash)
{
    size_t at = hash & (schemas->n_slots - 1);

    for (; schemas->slots[at] != 0; at = (at + 1) & (schemas->n_slots - 1)) {
        const struct log_schema *item = &schemas->items[schemas->slots[at] - 1];
        if (item->hash == hash && cdc_span_equal(cdc_span(item->key, item->n_key), key))
            break;
    }
    return &schemas->slots[at];
}

static int add(struct log_schemas *schemas, uint32_t *slot, struct cdc_span key, uint64_t hash)
{
    struct log_schema *grown = realloc(schemas->items, (schemas->n + 1) * sizeof *grown);
    char *copy = grown != NULL ? cdc_span_copy(key) : NULL;

    if (grown != NULL)
        schemas->items = grown;
    if (copy == NULL)
        return -1;
    grown[schemas->n] = (struct log_schema){.hash = hash, .key = copy, .n_key = key.n};
    *slot = (uint32_t)++schemas->n;
    return 0;
}

static int set(struct log_schemas *schemas, struct cdc_span key, struct cdc_span line)
{
    uint64_t hash = cdc_hash_span(CDC_HASH_INIT, key);

    if (2 * (schemas->n + 1) > schemas->n_slots && !make_slots(schemas))
        return -1;
    uint32_t *slot = slot_of(schemas, key, hash);
    if (*slot == 0 && add(schemas, slot, key, hash) != 0)
        return -1;
    struct log_schema *item = &schemas->items[*slot - 1];
    char *copy = malloc(line.n + 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, line.p, line.n);
    copy[line.n] = '\n';
    free(item->line);
    item->line = copy;
    item->n_line = line.n + 1;
    return 0;
}

int log_schemas_note(struct log_schemas *schemas, const struct cdc_event *event, struct cdc_error *error)
{
    const struct cdc_span names[] = {event->name, event->db, event->schema, event->table, event->part};
    struct cdc_buf key = CDC_BUF_INIT;

    if (event->op != CDC_OP_SCHEMA)
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cdc_buf_printf(&key, "%zu ", names[i].n);
        cdc_buf_span(&key, names[i]);
    }
    int result =
        key.failed || set(schemas, cdc_span(key.data, key.len), event->line) != 0 ? cdc_error_memory(error) : 0;
    cdc_buf_free(&key);
    return result;
}

/* Few lines are of schemas, so the others are not parsed. */
int log_schemas_scan(struct log_schemas *schemas, struct cdc_span lines, struct cdc_error *error)
{
    const char *p = lines.p, *end = lines.p + lines.n, *found;

    while (p < end && (found = memmem(p, (size_t)(end - p), MARK, sizeof MARK - 1)) != NULL) {
        const char *before = memrchr(lines.p, '\n', (size_t)(found - lines.p));
        const char *begin = before != NULL ? before + 1 : lines.p, *lf = memchr(found, '\n', (size_t)(end - found));
        struct cdc_event event;
        if (lf == NULL)
            break;
        /* "schema" is a member of every line's source as well: an op has it as its value, near the begin. */
        if (found > begin && found[-1] != ',' && found[-1] != '{' &&
            cdc_event_parse(&event, begin, (size_t)(lf - begin), NULL) == 0 &&
            log_schemas_note(schemas, &event, error) != 0)
            return -1;
        p = found[-1] != ',' && found[-1] != '{' ? lf + 1 : found + sizeof MARK - 1;
    }
    return 0;
}

/* Is the last line of the file there, and right? */
static bool crc_is_right(const struct cdc_buf *text)
{
    char wanted[CRC_SIZE + 1];

    if (text->len == 0)
        return true;
    if (text->len < CRC_SIZE)
        return false;
    snprintf(wanted, sizeof wanted, CRC_MARK "%08" PRIx32 "\"}\n", log_crc32c(0, text->data, text->len - CRC_SIZE));
    return memcmp(text->data + text->len - CRC_SIZE, wanted, CRC_SIZE) == 0;
}

static int damaged(const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "the schema lines before segment %020" PRIu64 " of \"%s\" are damaged", start,
                  folder->path);
    return cdc_error_hint(error, "restore the file from a copy; \"cdc-log repair\" makes it again");
}

/* How many the journal says there are; 0 where it does not say it, or is not there. */
static int wanted_of(const struct log_folder *folder, uint64_t start, uint64_t *wanted, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct log_index index;
    struct log_commit first;

    *wanted = 0;
    if (log_index_open(&index, folder, LOG_INDEX, start, &why) != 0)
        return errno == ENOENT ? 0 : (*error = why, -1);
    int found = log_index_next(&index, &first, error);
    if (found == 1 && first.kind == LOG_SEGMENT_LINE)
        *wanted = first.schemas;
    log_index_close(&index);
    return found < 0 ? -1 : 0;
}

/* The file of another segment is whole as well. */
static int check_number(const struct log_schemas *schemas, const struct log_folder *folder, uint64_t start,
                        struct cdc_error *error)
{
    uint64_t wanted;

    if (wanted_of(folder, start, &wanted, error) != 0)
        return -1;
    return wanted == 0 || wanted == schemas->n ? 0 : damaged(folder, start, error);
}

static int missing(const struct log_folder *folder, uint64_t start, struct cdc_error *error)
{
    uint64_t wanted;

    if (wanted_of(folder, start, &wanted, error) != 0)
        return -1;
    if (wanted == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the schema lines before segment %020" PRIu64 " of \"%s\" are missing", start,
                  folder->path);
    return cdc_error_hint(error, "restore the file from a copy; \"cdc-log repair\" makes it again");
}

int log_schemas_load(struct log_schemas *schemas, const struct log_folder *folder, uint64_t start,
                     struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct cdc_buf text = CDC_BUF_INIT;
    int fd = log_part_open(folder, LOG_SCHEMAS, start, O_RDONLY, &why);
    ssize_t n = 1;

    if (fd < 0 && errno == ENOENT)
        return why.status == CDC_EXIT_LOST ? 0 : missing(folder, start, error);
    if (fd < 0) {
        *error = why;
        return -1;
    }
    while (n > 0 && cdc_buf_room(&text, (size_t)1 << 16) && (n = read(fd, text.data + text.len, (size_t)1 << 16)) > 0)
        text.len += (size_t)n;
    int result = n < 0 ? log_file_error(folder, "read", "schemas", error) : text.failed ? cdc_error_memory(error) : 0;
    close(fd);
    if (result == 0 && !crc_is_right(&text))
        result = damaged(folder, start, error);
    if (result == 0)
        result = log_schemas_scan(schemas, cdc_span(text.data, text.len), error);
    cdc_buf_free(&text);
    return result == 0 ? check_number(schemas, folder, start, error) : -1;
}

int log_schemas_before(struct log_schemas *schemas, struct log_folder *folder, uint64_t byte, struct cdc_error *error)
{
    const struct log_segment *segment = log_folder_find(folder, byte);

    if (segment == NULL)
        return 0;
    uint64_t start = segment->start;
    return log_schemas_load(schemas, folder, start, error) == 0 ? log_schemas_read(schemas, folder, start, byte, error)
                                                                : -1;
}

int log_schemas_read(struct log_schemas *schemas, struct log_folder *folder, uint64_t start, uint64_t byte,
                     struct cdc_error *error)
{
    struct cdc_buf lines = CDC_BUF_INIT;
    struct log_cursor cursor;
    int found = 1;

    log_cursor_open_segment(&cursor, folder, start);
    while (found == 1 && cursor.at < byte) {
        found = log_cursor_read(&cursor, &lines, error);
        if (found != 1)
            break;
        const char *lf = memrchr(lines.data, '\n', lines.len);
        size_t whole = lf != NULL ? (size_t)(lf + 1 - lines.data) : 0,
               more = cursor.at > byte ? (size_t)(cursor.at - byte) : 0;
        if (more > 0) /* byte is the start of a line */
            whole = lines.len > more ? lines.len - more : 0;
        if (log_schemas_scan(schemas, cdc_span(lines.data, whole), error) != 0)
            found = -1;
        lines.len -= whole;
        memmove(lines.data, lines.data + whole, lines.len);
    }
    log_cursor_close(&cursor);
    cdc_buf_free(&lines);
    return found < 0 ? -1 : 0;
}

void log_schemas_append(struct cdc_buf *out, const struct log_schemas *schemas)
{
    for (size_t i = 0; i < schemas->n; i++)
        cdc_buf_append(out, schemas->items[i].line, schemas->items[i].n_line);
}

void log_schemas_append_file(struct cdc_buf *out, const struct log_schemas *schemas)
{
    size_t begin = out->len;

    log_schemas_append(out, schemas);
    cdc_buf_printf(out, "{\"schemas\":%zu", schemas->n);
    uint32_t crc = out->failed ? 0 : log_crc32c(0, out->data + begin, out->len - begin);
    cdc_buf_printf(out, CRC_MARK "%08" PRIx32 "\"}\n", crc);
}
