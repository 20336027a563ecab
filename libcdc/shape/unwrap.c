/* SPDX-License-Identifier: MIT */
/* Only the rows (--unwrap). Of
 *
 *   {"op":"u",...,"key":{"id":1},"before":null,"after":{"id":1,"name":"tea"}}
 *
 * comes {"id":1,"name":"tea"}, and with tombstones {"key":{"id":1},"value":{"id":1,"name":"tea"}}. A row whose key has changed is one
 * that is deleted and one that is there. What a row cannot say is counted. */
#include <stdlib.h>

#include "libcdc/shape/internal.h"

enum { LOST_TRUNCATE, LOST_MESSAGE, LOST_UNCHANGED, LOST_DDL, LOST_UNKNOWN, LOST_DELETE, LOSSES };
static const char *const texts[LOSSES] = {
    "truncates, or beginnings of reads, were no lines", "logical messages were no lines",
    "values that the log did not carry were left out",  "DDL statements were no lines",
    "lines of kinds that are not known were dropped",   "deletes were no lines",
};
#define MARK "__deleted"

struct cdc_unwrap {
    enum cdc_unwrap_deletes deletes;
    bool tombstones;
    uint64_t lost[LOSSES];
};

struct cdc_unwrap *cdc_unwrap_new(enum cdc_unwrap_deletes deletes, bool tombstones, struct cdc_error *error)
{
    struct cdc_unwrap *unwrap = calloc(1, sizeof *unwrap);

    if (unwrap == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    unwrap->deletes = deletes;
    unwrap->tombstones = tombstones;
    return unwrap;
}

void cdc_unwrap_free(struct cdc_unwrap *unwrap)
{
    free(unwrap);
}

uint64_t cdc_unwrap_losses(const struct cdc_unwrap *unwrap, struct cdc_buf *out)
{
    uint64_t all = 0;

    for (int i = 0; i < LOSSES; i++)
        if (unwrap->lost[i] > 0) {
            cdc_buf_printf(out, "%s%llu %s", all > 0 ? "; " : "", (unsigned long long)unwrap->lost[i], texts[i]);
            all += unwrap->lost[i];
        }
    return all;
}

/* -- lines ---------------------------------------------------------------------------------------- */

static struct cdc_span old_value(const struct cdc_event *event, struct cdc_span name, struct cdc_span value)
{
    struct cdc_span old = cdc_json_is_null(event->before) ? cdc_span(NULL, 0) : shape_member(event->before, name);
    return old.p != NULL ? old : value;
}

static void append_key(struct cdc_buf *out, const struct cdc_event *event, bool old)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    const char *comma = "";

    if (!old || cdc_json_type(event->key) != CDC_JSON_OBJECT) {
        cdc_buf_span(out, event->key.p != NULL ? event->key : cdc_span("null", 4));
        return;
    }
    cdc_buf_byte(out, '{');
    for (cdc_json_iter_begin(&iter, event->key); cdc_json_next_member(&iter, &name, &value); comma = ",") {
        cdc_buf_text(out, comma);
        cdc_buf_append(out, name.p - 1, name.n + 2);
        cdc_buf_byte(out, ':');
        cdc_buf_span(out, old_value(event, name, value));
    }
    cdc_buf_byte(out, '}');
}

static void append_row(struct cdc_buf *out, struct cdc_span row, bool marked, bool deleted)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (!marked) {
        cdc_buf_span(out, row);
        return;
    }
    cdc_json_iter_begin(&iter, row);
    bool some = cdc_json_next_member(&iter, &name, &value);
    cdc_buf_append(out, row.p, row.n - 1);
    cdc_buf_text(out, some ? ",\"" MARK "\":" : "\"" MARK "\":");
    cdc_buf_text(out, deleted ? "true}" : "false}");
}

static int write_row(const struct cdc_unwrap *unwrap, const struct cdc_event *event, struct cdc_span row, bool deleted,
                     struct cdc_buf *out)
{
    if (unwrap->tombstones) {
        cdc_buf_lit(out, "{\"key\":");
        append_key(out, event, deleted);
        cdc_buf_lit(out, ",\"value\":");
    }
    append_row(out, row, unwrap->deletes == CDC_UNWRAP_MARK, deleted);
    cdc_buf_text(out, unwrap->tombstones ? "}\n" : "\n");
    return 1;
}

static int write_tombstone(const struct cdc_event *event, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"key\":");
    append_key(out, event, true);
    cdc_buf_lit(out, ",\"value\":null}\n");
    return 1;
}

/* The old row, or what is known of it. */
static int write_delete(struct cdc_unwrap *unwrap, const struct cdc_event *event, struct cdc_buf *out,
                        struct cdc_error *error)
{
    struct cdc_buf key = CDC_BUF_INIT;
    int n = 0;

    if (unwrap->deletes == CDC_UNWRAP_REFUSE) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "--unwrap=refuse: a row of table \"%.*s\" was deleted, and a row cannot say so",
                      (int)event->table.n, event->table.p);
        return cdc_error_hint(error,
                              "use --unwrap mark, or --unwrap drop with --tombstones, or leave deletes out with --op");
    }
    if (unwrap->tombstones && cdc_json_type(event->key) != CDC_JSON_OBJECT) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "--tombstones: table \"%.*s\" has no key, and a row of it was deleted",
                      (int)event->table.n, event->table.p);
        return cdc_error_hint(error, "give the table a primary key, or leave it out with -T");
    }
    if (unwrap->deletes == CDC_UNWRAP_MARK) {
        append_key(&key, event, true);
        struct cdc_span row =
            cdc_json_type(event->before) == CDC_JSON_OBJECT ? event->before : cdc_span(key.data, key.len);
        if (cdc_json_type(row) == CDC_JSON_OBJECT)
            n += write_row(unwrap, event, row, true, out);
        else
            unwrap->lost[LOST_DELETE]++; /* nothing says which row it was */
        out->failed |= key.failed;
        cdc_buf_free(&key);
    } else if (!unwrap->tombstones)
        unwrap->lost[LOST_DELETE]++;
    return unwrap->tombstones ? n + write_tombstone(event, out) : n;
}

static bool has_mark(struct cdc_span row)
{
    return cdc_json_member(row, MARK).p != NULL;
}

static int write_change(struct cdc_unwrap *unwrap, const struct cdc_event *event, struct cdc_buf *out,
                        struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span item;
    int n = 0;

    if (unwrap->deletes == CDC_UNWRAP_MARK && (has_mark(event->before) || has_mark(event->after)))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "--unwrap=mark: table \"%.*s\" has a column \"" MARK "\" already",
                             (int)event->table.n, event->table.p);
    if (event->op == CDC_OP_DELETE)
        return write_delete(unwrap, event, out, error);
    if (cdc_json_type(event->after) != CDC_JSON_OBJECT)
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has no row in \"after\"");
    if (shape_key_changed(event) && (n = write_delete(unwrap, event, out, error)) < 0)
        return -1;
    for (cdc_json_iter_begin(&iter, event->unchanged); cdc_json_next_element(&iter, &item);)
        unwrap->lost[LOST_UNCHANGED]++;
    return n + write_row(unwrap, event, event->after, false, out);
}

static int write_event(void *state, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_unwrap *unwrap = state;

    if (cdc_event_has_row(event))
        return write_change(unwrap, event, out, error);
    unwrap->lost[LOST_TRUNCATE] += event->op == CDC_OP_TRUNCATE;
    unwrap->lost[LOST_MESSAGE] += event->op == CDC_OP_MESSAGE;
    unwrap->lost[LOST_DDL] += event->op == CDC_OP_DDL;
    unwrap->lost[LOST_UNKNOWN] += event->op == CDC_OP_UNKNOWN;
    return 0;
}

struct cdc_filter_format cdc_unwrap_format(struct cdc_unwrap *unwrap)
{
    static const char *const words[][2] = {
        [CDC_UNWRAP_DROP] = {"only the row, and no line for a delete", "key and row, and a tombstone for a delete"},
        [CDC_UNWRAP_MARK] = {"only the row, with \"" MARK "\"",
                             "key and row, with \"" MARK "\", and a tombstone for a delete"},
        [CDC_UNWRAP_REFUSE] = {"only the row", "key and row"},
    };
    return (struct cdc_filter_format){write_event, unwrap, words[unwrap->deletes][unwrap->tombstones], true};
}
