/* SPDX-License-Identifier: MIT */
/* An old row of PostgreSQL in Debezium's lines has all columns, also where the log had the key alone: the others are null, or 0 or an
 * empty text where the column is NOT NULL. Who takes these for the old values judges rows by what they never were:
 *
 *   "before":{"id":1,"region":null,"n":0}   of a row whose region was EU
 *
 * Of such a line the key is left. A table whose old rows are whole shows it by an update, since one that leaves the key as it is has no
 * old row where only the key is logged. */
#include "libcdc/format/debezium_read.h"

/* What stands for a value that is not there. A default of the column would, too, and cannot be told. */
static bool may_stand_for_none(struct cdc_span value)
{
    static const char *const texts[] = {"null",   "false",
                                        "\"\"",   "{}",
                                        "[]",     "\"AA==\"",
                                        "\"0\"",  "\"1970-01-01T00:00:00Z\"",
                                        "\"{}\"", "\"" DEBEZIUM_UNAVAILABLE "\""};
    bool zero = value.n > 0 && format_is_number(value);

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (cdc_span_is(value, texts[i]))
            return true;
    for (size_t i = 0; zero && i < value.n; i++)
        zero = strchr("-0.eE", value.p[i]) != NULL;
    return zero;
}

static bool is_key(const struct format_table *table, size_t *next, struct cdc_span name)
{
    const struct format_column *column = format_column_of(table, next, name);

    return column != NULL && column->key;
}

static bool shows_old_values(const struct format_table *table, struct cdc_span before)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    size_t next = 0;

    for (cdc_json_iter_begin(&iter, before); cdc_json_next_member(&iter, &name, &value);)
        if (!is_key(table, &next, name) && !may_stand_for_none(value))
            return true;
    return false;
}

int debezium_judge_old_row(struct cdc_format_reader *reader, struct format_table *table, struct reader_change *change,
                           struct cdc_span before, struct cdc_error *error)
{
    bool is_update = *change->op == 'u', has_row = cdc_json_type(before) == CDC_JSON_OBJECT;

    if (table->n_key == 0 || (!is_update && *change->op != 'd'))
        return 0;
    bool shown = has_row && shows_old_values(table, before);
    if (is_update && (shown || !has_row))
        table->old_rows = shown ? FORMAT_OLD_WHOLE : FORMAT_OLD_KEY;
    if (!has_row || table->old_rows == FORMAT_OLD_WHOLE || (shown && table->old_rows == FORMAT_OLD_UNKNOWN))
        return 0;
    if (reader_keep_old(reader, table, cdc_span(NULL, 0), error) != 0)
        return -1;
    change->before = cdc_span(reader->before.data, reader->before.len);
    *(is_update ? &change->json_null_old : &change->json_null) = cdc_span(NULL, 0);
    return 0;
}
