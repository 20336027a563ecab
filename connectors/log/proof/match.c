/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "connectors/log/proof/match.h"
#include <cdc/event.h>
#include <cdc/pattern.h>

static int bad_key(const char *text, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_USAGE, "--key=%s: an object of columns and their values is expected", text);
    return cdc_error_hint(error, "as --key='{\"id\":42}'");
}

int log_match_check(const struct log_match *match, struct cdc_error *error)
{
    for (size_t i = 0; i < match->keys->count; i++) {
        const char *text = match->keys->items[i];
        struct cdc_span name, value, key = cdc_span_text(text);
        struct cdc_json_iter iter;
        size_t n = 0;
        if (cdc_json_validate(key.p, key.n, NULL) != 0 || cdc_json_type(key) != CDC_JSON_OBJECT)
            return bad_key(text, error);
        for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value); n++) {
            enum cdc_json_type type = cdc_json_type(value);
            if (type != CDC_JSON_STRING && type != CDC_JSON_NUMBER && type != CDC_JSON_BOOL)
                return bad_key(text, error);
        }
        if (n == 0)
            return bad_key(text, error);
    }
    return 0;
}

/* Numbers beyond 2^53 and decimals may stand as text, by options of a source. */
static bool same_value(struct cdc_span a, struct cdc_span b)
{
    struct cdc_span text = cdc_json_string_raw(a), other = cdc_json_string_raw(b);

    return cdc_json_raw_equal(text.p != NULL ? text : a, other.p != NULL ? other : b);
}

/* A name that comes twice has two values, and each counts. */
static bool has_column(struct cdc_span row, struct cdc_span column, struct cdc_span wanted)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_raw_equal(name, column) && same_value(value, wanted))
            return true;
    return false;
}

static bool has_columns(struct cdc_span row, struct cdc_span key)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, key); cdc_json_next_member(&iter, &name, &value);)
        if (!has_column(row, name, value))
            return false;
    return true;
}

static bool has_key(const struct log_match *match, struct cdc_span row)
{
    for (size_t i = 0; i < match->keys->count; i++)
        if (has_columns(row, cdc_span_text(match->keys->items[i])))
            return true;
    return false;
}

/* 1, 0, -1 */
static int is_of_table(const struct log_match *match, const struct cdc_event *event, struct cdc_error *error)
{
    size_t n_schema = 0, n_table = 0;

    if (event->table.p == NULL || (match->name != NULL && !cdc_json_raw_is(event->name, cdc_span_text(match->name))))
        return 0;
    char *schema = cdc_json_text(event->schema.p != NULL ? event->schema : event->db, &n_schema);
    char *table = cdc_json_text(event->table, &n_table);
    int result = schema == NULL || table == NULL ? cdc_error_memory(error)
                                                 : cdc_pattern_matches_table(match->table, cdc_span(schema, n_schema),
                                                                             cdc_span(table, n_table), false);
    free(schema);
    free(table);
    return result;
}

int log_match_line(const struct log_match *match, struct cdc_span line, struct cdc_error *error)
{
    struct cdc_event event;
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0)
        return -1;
    int ours = is_of_table(match, &event, error);
    if (ours <= 0)
        return ours;
    for (cdc_json_iter_begin(&iter, line); cdc_json_next_member(&iter, &name, &value);)
        if (cdc_json_type(value) == CDC_JSON_OBJECT && !cdc_json_raw_is(name, cdc_span_text("source")) &&
            has_key(match, value))
            return 1;
    return 0;
}
