/* SPDX-License-Identifier: MIT */
/* The file beside the offset file. One JSON object a line:
 *
 *   {"schema":"9F02...","line":"{\"op\":\"schema\",..."}         of a table, by its hash
 *   {"letter":"0000A1","name":"shop","seq":7,"db":"..","table":"9F02...","keys":["01AB...","01AB..."],"columns":"77...","lacks":["note"]}
 *   {"letter":"0000A1","name":"shop","state":2}
 *
 * With "part":"shop1.orders" where the table was put together from several (cdc/part.h): which one the row is of.
 *
 * Whoever reads it takes the newest state of each letter. It is appended to, and written anew at each start and now and then. */
#include "libcdc/loop/refused_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/file.h>

#define LINES_MAX 50000u /* that are appended before the file is written anew */

static int io_error(const struct refused *refused, struct cdc_error *error)
{
    return cdc_error_set(error, cdc_file_exit(errno), "unable to write \"%s\": %s", refused->path, strerror(errno));
}

static int open_file(struct refused *refused, struct cdc_error *error)
{
    refused->fd = cdc_file_open(refused->path, O_RDWR | O_CREAT | O_APPEND, 0600, "file of refused lines", error);
    if (refused->fd < 0)
        return -1;
    return cdc_file_sync_folder(refused->path) == 0 ? 0 : io_error(refused, error);
}

int refused_write_text(struct refused *refused, struct cdc_error *error)
{
    if (refused->text.failed)
        return cdc_error_memory(error);
    if (refused->fd < 0 && open_file(refused, error) != 0)
        return -1;
    refused->dirty = true;
    refused->n_lines++;
    int result = cdc_file_write(refused->fd, refused->text.data, refused->text.len);
    refused->text.len = 0;
    return result == 0 ? 0 : io_error(refused, error);
}

void refused_append_schema(struct cdc_buf *out, const struct refused_table *table)
{
    cdc_buf_lit(out, "{\"schema\":\"");
    cdc_buf_hex(out, table->table, 16);
    cdc_buf_lit(out, "\",\"line\":");
    cdc_json_append_string(out, table->line.data, table->line.len);
    cdc_buf_lit(out, "}\n");
}

static void append_head(struct cdc_buf *out, const struct refused_entry *entry)
{
    cdc_buf_printf(out, "{\"letter\":\"%s\",\"name\":\"%s\"", entry->pos, entry->name);
}

void refused_append_entry(struct cdc_buf *out, const struct refused_entry *entry)
{
    append_head(out, entry);
    cdc_buf_lit(out, ",\"db\":\"");
    cdc_buf_hex(out, entry->db, 16);
    cdc_buf_lit(out, "\",\"table\":\"");
    cdc_buf_hex(out, entry->table, 16);
    cdc_buf_lit(out, "\",\"keys\":[\"");
    cdc_buf_hex(out, entry->keys[0], 16);
    cdc_buf_lit(out, "\",\"");
    cdc_buf_hex(out, entry->keys[1], 16);
    cdc_buf_lit(out, "\"],\"columns\":\"");
    cdc_buf_hex(out, entry->columns, 16);
    cdc_buf_byte(out, '"');
    if (entry->lacks != NULL) {
        cdc_buf_lit(out, ",\"lacks\":");
        cdc_buf_text(out, entry->lacks);
    }
    if (entry->part != NULL) {
        cdc_buf_lit(out, ",\"part\":");
        cdc_buf_text(out, entry->part);
    }
    cdc_buf_lit(out, ",\"seq\":");
    cdc_buf_i64(out, entry->seq);
    cdc_buf_printf(out, ",\"state\":%d}\n", (int)entry->state);
}

/* Without what is not known any more, and without the tail of a line that a kill has torn. */
static int rewrite(struct refused *refused, struct cdc_error *error)
{
    refused->text.len = 0;
    for (size_t i = 0; i < refused->n_tables; i++)
        if (refused->tables[i].written)
            refused_append_schema(&refused->text, &refused->tables[i]);
    for (size_t i = 0; i < refused->n; i++)
        if (refused->entries[i].state != REFUSED_UNKNOWN)
            refused_append_entry(&refused->text, &refused->entries[i]);
    if (refused->text.failed)
        return cdc_error_memory(error);
    int result = cdc_file_replace(refused->path, refused->text.data, refused->text.len, 0600, true, error);
    refused->text.len = 0;
    if (result != 0)
        return -1;
    if (refused->fd >= 0)
        close(refused->fd);
    refused->dirty = false;
    refused->n_lines = 0;
    return open_file(refused, error);
}

/* A run may have any number of refused lines, and the next one reads the file. */
int refused_sync(struct refused *refused, struct cdc_error *error)
{
    if (refused == NULL || !refused->dirty)
        return 0;
    if (refused->n_lines > LINES_MAX)
        return rewrite(refused, error);
    if (fsync(refused->fd) != 0)
        return io_error(refused, error);
    refused->dirty = false;
    return 0;
}

int refused_set_state(struct refused *refused, struct refused_entry *entry, enum refused_state state,
                      struct cdc_error *error)
{
    if (entry->state == state)
        return 0;
    refused->n_open += (size_t)refused_is_open(state) - (size_t)refused_is_open(entry->state);
    entry->state = state;
    append_head(&refused->text, entry);
    cdc_buf_printf(&refused->text, ",\"state\":%d}\n", (int)state);
    return refused_write_text(refused, error);
}

static uint64_t hex_of(struct cdc_span object, const char *name)
{
    char text[24];

    return cdc_json_member_copy(object, name, text, sizeof text) ? strtoull(text, NULL, 16) : 0;
}

static int damaged(const struct refused *refused, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" is damaged", refused->path);
    return cdc_error_hint(error, "remove it: dead letters from before cannot be replayed then");
}

static int load_schema(struct refused *refused, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    struct cdc_event event;
    int result;

    refused->text.len = 0;
    cdc_json_unescape(&refused->text, cdc_json_member_raw(object, "line"));
    if (refused->text.failed)
        return cdc_error_memory(error);
    if (refused->text.len == 0 || cdc_event_parse(&event, refused->text.data, refused->text.len, &ignored) != 0)
        result = damaged(refused, error);
    else
        result = refused_describe(refused, hex_of(object, "schema"), &event, true, error);
    refused->text.len = 0;
    return result;
}

static int load_letter(struct refused *refused, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_span pos = cdc_json_member_raw(object, "letter"), name = cdc_json_member_raw(object, "name"), value;
    struct cdc_json_iter iter;
    struct refused_entry *known = refused_find_entry(refused, name, pos);
    int64_t state = REFUSED_UNKNOWN;

    if (name.p == NULL || !cdc_json_int64(cdc_json_member(object, "state"), &state) || state < REFUSED_UNKNOWN ||
        state >= REFUSED_STATES)
        return damaged(refused, error);
    if (known != NULL) {
        refused->n_open += (size_t)refused_is_open((enum refused_state)state) - (size_t)refused_is_open(known->state);
        known->state = (enum refused_state)state;
        return 0;
    }
    struct refused_entry entry = {.seq = -1,
                                  .db = hex_of(object, "db"),
                                  .table = hex_of(object, "table"),
                                  .columns = hex_of(object, "columns"),
                                  .state = (enum refused_state)state};
    size_t n = 0;
    cdc_json_iter_begin(&iter, cdc_json_member(object, "keys"));
    while (n < 2 && cdc_json_next_element(&iter, &value)) {
        struct cdc_span raw = cdc_json_string_raw(value);
        char text[24] = "";
        memcpy(text, raw.p != NULL ? raw.p : "", raw.n < sizeof text ? raw.n : 0);
        entry.keys[n++] = strtoull(text, NULL, 16);
    }
    if (n < 2) /* a state alone: of one that was forgotten */
        return 0;
    value = cdc_json_member(object, "lacks");
    entry.lacks = value.p != NULL && cdc_json_type(value) == CDC_JSON_ARRAY ? cdc_span_copy(value) : NULL;
    value = cdc_json_member(object, "part");
    entry.part = value.p != NULL && cdc_json_type(value) == CDC_JSON_STRING ? cdc_span_copy(value) : NULL;
    (void)cdc_json_int64(cdc_json_member(object, "seq"), &entry.seq);
    entry.pos = cdc_span_copy(pos);
    entry.name = cdc_span_copy(name);
    if (refused_is_full(refused)) /* the run that wrote it had forgotten them by then */
        refused_drop_oldest(refused);
    return refused_add_entry(refused, entry, error) != NULL ? 0 : -1;
}

static int load_line(struct refused *refused, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_error ignored = {0};

    if (cdc_json_validate(line.p, line.n, &ignored) == 0) {
        if (cdc_json_member_raw(line, "schema").p != NULL)
            return load_schema(refused, line, error);
        if (cdc_json_member_raw(line, "letter").p != NULL)
            return load_letter(refused, line, error);
    }
    return damaged(refused, error);
}

static int read_whole(int fd, struct cdc_buf *text)
{
    enum { PIECE = 64 << 10 };
    ssize_t n;

    do {
        if (!cdc_buf_room(text, PIECE))
            return -1;
        n = read(fd, text->data + text->len, PIECE);
        text->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    return n < 0 ? -1 : 0;
}

/* A file system may make a file longer before the bytes are there: after a power cut they are NUL, which no line has, and from there on
 * nothing was durable. */
static bool is_unwritten(struct cdc_span line)
{
    return memchr(line.p, '\0', line.n) != NULL;
}

int refused_load(struct refused *refused, struct cdc_error *error)
{
    struct cdc_error why = {0};
    struct cdc_buf text = CDC_BUF_INIT;
    int fd = cdc_file_open(refused->path, O_RDONLY, 0, "file of refused lines", &why), result = 0;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return cdc_error_set(error, why.status, "%s", why.text);
    if (read_whole(fd, &text) != 0)
        result = cdc_error_set(error, CDC_EXIT_IO, "unable to read \"%s\": %s", refused->path, strerror(errno));
    close(fd);
    const char *end = text.data + text.len;
    for (const char *p = text.data, *lf; result == 0 && text.len > 0 && p < end; p = lf + 1) {
        if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL || is_unwritten(cdc_span(p, (size_t)(lf - p))))
            break;
        result = load_line(refused, cdc_span(p, (size_t)(lf - p)), error);
    }
    cdc_buf_free(&text);
    return result == 0 ? rewrite(refused, error) : -1;
}
