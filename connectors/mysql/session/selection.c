/* SPDX-License-Identifier: MIT */
/* Which tables are read, as snapshot and log share it: -t and -T, else the URL's database, else all but the servers' own. */
#include "connectors/mysql/session/session.h"

#include <cdc/json.h>
#include <cdc/pattern.h>
#include <string.h>

static const char *const system_tables[] = {"mysql.*", "sys.*", "performance_schema.*", "information_schema.*"};

int my_selection_complete(struct cdc_selection *selection, const char *db, char **pattern, struct cdc_error *error)
{
    *pattern = NULL;
    if (selection->include.count > 0)
        return 0;
    if (db) {
        struct cdc_buf quoted = CDC_BUF_INIT; /* the very name, whatever is in it */
        cdc_pattern_append_quoted(&quoted, db);
        cdc_buf_append(&quoted, ".*", sizeof ".*");
        *pattern = quoted.data;
        return quoted.failed ? cdc_error_memory(error) : cdc_option_list_add(&selection->include, *pattern, error);
    }
    for (size_t i = 0; i < sizeof system_tables / sizeof *system_tables; i++)
        if (cdc_option_list_add(&selection->exclude, system_tables[i], error) < 0)
            return -1;
    return 0;
}

bool my_selection_is_own(const char *pattern)
{
    for (size_t i = 0; i < sizeof system_tables / sizeof *system_tables; i++)
        if (pattern == system_tables[i])
            return true;
    return false;
}

/* -- as it is kept -- */

static void append_list(struct cdc_buf *out, const struct cdc_option_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        cdc_buf_text(out, i > 0 ? "," : "");
        cdc_json_append_text(out, list->items[i], strlen(list->items[i]));
    }
}

void my_selection_append(struct cdc_buf *out, const struct cdc_selection *selection)
{
    cdc_buf_lit(out, "{\"include\":[");
    append_list(out, &selection->include);
    cdc_buf_lit(out, "],\"exclude\":[");
    append_list(out, &selection->exclude);
    cdc_buf_byte(out, ']');
    my_selection_append_columns(out, selection);
    cdc_buf_byte(out, '}');
}

void my_selection_append_columns(struct cdc_buf *out, const struct cdc_selection *selection)
{
    if (selection->columns.count == 0)
        return;
    cdc_buf_lit(out, ",\"columns\":[");
    append_list(out, &selection->columns);
    cdc_buf_byte(out, ']');
}

bool my_selection_has_columns(struct cdc_span object, const struct cdc_selection *selection)
{
    struct cdc_buf own = CDC_BUF_INIT;
    struct cdc_span kept = cdc_json_member(object, "columns");
    my_selection_append_columns(&own, selection);
    size_t name = own.len ? strlen(",\"columns\":") : 0;
    bool same = !own.failed && (kept.p ? cdc_span_equal(kept, cdc_span(own.data ? own.data + name : "", own.len - name))
                                       : own.len == 0);
    cdc_buf_free(&own);
    return same;
}

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"selection\" of the pipeline's state is damaged");
}

/* The texts, one after the other, each with its NUL; *n becomes their number. A pattern that is no UTF-8 was no string, and matched
 * no table's name. */
static int unescape_list(struct cdc_buf *text, struct cdc_span list, size_t *n, struct cdc_error *error)
{
    struct cdc_json_iter items;
    struct cdc_span item;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return damaged(error);
    cdc_json_iter_begin(&items, list);
    for (*n = 0; cdc_json_next_element(&items, &item); ++*n) {
        cdc_json_unescape(text, cdc_json_string_raw(item));
        cdc_buf_byte(text, '\0');
    }
    return text->failed ? cdc_error_memory(error) : 0;
}

static int add_texts(struct cdc_option_list *list, const char **at, size_t n, struct cdc_error *error)
{
    for (; n > 0; n--, *at += strlen(*at) + 1)
        if (cdc_option_list_add(list, *at, error) < 0)
            return -1;
    return 0;
}

int my_selection_read(struct my_kept_selection *kept, struct cdc_span object, struct cdc_error *error)
{
    size_t include, exclude, columns = 0;
    struct cdc_span named = cdc_json_member(object, "columns"); /* where there are any */
    struct cdc_error of_option = {0};                           /* nobody has typed them */
    *kept = (struct my_kept_selection){.text = CDC_BUF_INIT};
    if (unescape_list(&kept->text, cdc_json_member(object, "include"), &include, error) < 0 ||
        unescape_list(&kept->text, cdc_json_member(object, "exclude"), &exclude, error) < 0 ||
        (named.p && unescape_list(&kept->text, named, &columns, error) < 0))
        return -1;
    const char *at = kept->text.data;
    if (add_texts(&kept->selection.include, &at, include, error) < 0 ||
        add_texts(&kept->selection.exclude, &at, exclude, error) < 0 ||
        add_texts(&kept->selection.columns, &at, columns, error) < 0)
        return -1;
    return cdc_selection_check_columns(&kept->selection.columns, &of_option) < 0 ? damaged(error) : 0;
}

void my_selection_free_kept(struct my_kept_selection *kept)
{
    cdc_selection_free(&kept->selection);
    cdc_buf_free(&kept->text);
}
