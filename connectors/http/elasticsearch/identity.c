/* SPDX-License-Identifier: MIT */
/* The columns of which ids are made. A table that gets another primary key says so in its next schema line, and no line says
 * anything of the rows that are there: their documents keep ids of the old key, where no later change or delete looks for
 * them. So what an index was filled by is kept beside its id (index_ids.h):
 *
 *   {"key":["id"],"columns":["id","code","note"]}
 *
 * With --routing the column is there too ("routing":"tenant"): documents under another routing would not be found either.
 *
 *   key code            another one: the index is to be filled anew
 *   key ident, no id    the column has another name, and the ids stay as they are
 *
 * An index that a TRUNCATE has emptied takes any key. That is kept with one delivery, and the new key with a later one: in
 * between, lines of the old key may come again. */
#include <stdlib.h>

#include "connectors/http/elasticsearch/internal.h"

static void append_name(struct cdc_buf *out, const char *mark, const struct cdc_column *column)
{
    cdc_buf_text(out, mark);
    cdc_json_append_text(out, column->name, column->name_n);
}

/* RETURNS NEW; NULL without memory. */
static char *describe(const struct cdc_table *table, const char *routing)
{
    struct cdc_buf out = CDC_BUF_INIT;

    cdc_buf_lit(&out, "{\"key\":[");
    for (size_t i = 0; i < table->n_key; i++)
        append_name(&out, i > 0 ? "," : "", &table->columns[table->key[i]]);
    cdc_buf_lit(&out, "],\"columns\":[");
    for (size_t i = 0; i < table->n_columns; i++)
        append_name(&out, i > 0 ? "," : "", &table->columns[i]);
    cdc_buf_byte(&out, ']');
    if (routing != NULL) {
        cdc_buf_lit(&out, ",\"routing\":");
        cdc_json_append_text(&out, routing, strlen(routing));
    }
    cdc_buf_byte(&out, '}');
    cdc_buf_byte(&out, '\0');
    if (!out.failed)
        return out.data;
    cdc_buf_free(&out);
    return NULL;
}

static bool has_name(struct cdc_span names, const char *name)
{
    struct cdc_json_iter iter;
    struct cdc_span item;

    for (cdc_json_iter_begin(&iter, names); cdc_json_next_element(&iter, &item);)
        if (cdc_json_raw_is(cdc_json_string_raw(item), cdc_span_text(name)))
            return true;
    return false;
}

static bool is_column(const struct cdc_table *table, struct cdc_span raw)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (cdc_json_raw_is(raw, cdc_span(table->columns[i].name, table->columns[i].name_n)))
            return true;
    return false;
}

/* Are the ids of before those that the table's key gives? */
static bool gives_same_ids(const char *before, const struct cdc_table *table)
{
    struct cdc_span all = cdc_span_text(before), columns = cdc_json_member(all, "columns"), item;
    struct cdc_json_iter iter;
    size_t i = 0;

    for (cdc_json_iter_begin(&iter, cdc_json_member(all, "key")); cdc_json_next_element(&iter, &item); i++) {
        struct cdc_span raw = cdc_json_string_raw(item);
        const char *now = i < table->n_key ? table->columns[table->key[i]].name : NULL;
        bool same = now != NULL && cdc_json_raw_is(raw, cdc_span_text(now));
        bool renamed = now != NULL && !is_column(table, raw) && !has_name(columns, now);
        if (!same && !renamed)
            return false;
    }
    return i == table->n_key;
}

static int is_another_key(const struct cdc_table *table, const char *before, struct cdc_error *error)
{
    struct cdc_span key = cdc_json_member(cdc_span_text(before), "key");

    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "table \"%s\" has a new key at the source, and the documents of index \"%s\" have ids of the one "
                  "before (%.*s): what changes would not find them",
                  table->id.table, table->target, (int)(key.n < 200 ? key.n : 200), key.p);
    return cdc_error_hint(error, "fill the index anew: delete it, remove this sink's offset file, and take a new "
                                 "snapshot");
}

/* Is the routing of before that of today? A column may have got another name. */
static bool has_same_routing(const char *before, const struct es_table *table)
{
    struct cdc_span all = cdc_span_text(before), raw = cdc_json_member_raw(all, "routing");

    if (raw.p == NULL || table->routing == NULL)
        return raw.p == NULL && table->routing == NULL;
    return cdc_json_raw_is(raw, cdc_span_text(table->routing)) ||
           (!is_column(&table->source, raw) && !has_name(cdc_json_member(all, "columns"), table->routing));
}

static int is_another_routing(const struct es_table *table, const char *before, struct cdc_error *error)
{
    struct cdc_span raw = cdc_json_member_raw(cdc_span_text(before), "routing");

    cdc_error_set(
        error, CDC_EXIT_CONFIG,
        "the documents of index \"%s\" are %s%.*s, and by --routing they are %s%s now: what changes would not "
        "find them",
        table->source.target, raw.p != NULL ? "routed by " : "not routed", (int)raw.n, raw.p != NULL ? raw.p : "",
        table->routing != NULL ? "routed by " : "not", table->routing != NULL ? table->routing : "");
    return cdc_error_hint(error, "use the --routing that it was filled with; or fill the index anew: delete it, remove "
                                 "this sink's offset file, and take a new snapshot");
}

int es_identity_check(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const struct cdc_table *source = &table->source;
    const char *before = table->identity;

    if (source->n_key == 0) /* no schema line has said it */
        return 0;
    if (before == NULL && !table->emptied)
        before = es_index_ids_identity(sink->index_ids, source->target);
    if (before != NULL && !gives_same_ids(before, source))
        return is_another_key(source, before, error);
    if (before != NULL && !has_same_routing(before, table))
        return is_another_routing(table, before, error);
    char *now = describe(source, table->routing);
    if (now == NULL)
        return cdc_error_memory(error);
    free(table->identity);
    table->identity = now;
    table->identified = true;
    return 0;
}

void es_identity_forget(struct es_table *table)
{
    free(table->identity);
    table->identity = NULL;
    table->identified = false;
    table->emptied = true;
}

int es_identity_note(struct es_sink *sink, struct es_table *table, struct cdc_error *error)
{
    const char *known = es_index_ids_identity(sink->index_ids, table->source.target);
    bool emptied = table->emptied;

    table->emptied = false;
    if (emptied)
        return known != NULL ? es_index_ids_note_identity(sink->index_ids, table->source.target, NULL, error) : 0;
    if (table->identity == NULL || (known != NULL && strcmp(known, table->identity) == 0))
        return 0;
    return es_index_ids_note_identity(sink->index_ids, table->source.target, table->identity, error);
}
