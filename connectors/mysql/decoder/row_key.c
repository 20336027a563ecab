/* SPDX-License-Identifier: MIT */
/* What identifies a row. */
#include "connectors/mysql/decoder/row_key.h"
#include "connectors/mysql/decoder/table.h"

#include <string.h>

bool my_row_key_has(const struct my_row_key_facts *facts)
{
    return (facts->told ? facts->logged : facts->listed) && !facts->row_end;
}

struct my_row_key_facts my_row_key_listed(const char *column_key, const char *generation_expression)
{
    return (struct my_row_key_facts){.listed = column_key && strcmp(column_key, "PRI") == 0,
                                     .row_end = generation_expression && strcmp(generation_expression, "ROW END") == 0};
}

/* The labels are written as SQL has them: 'it''s', 'a\\b'. */
bool my_row_key_is_ambiguous(const char *column_type)
{
    const char *p = column_type;
    if (strncmp(p, "enum(", 5) != 0 && strncmp(p, "set(", 4) != 0)
        return false;
    p = strchr(p, '(') + 1;
    while (*p == '\'') {
        const char *label = ++p;
        while (*p && (*p != '\'' || p[1] == '\''))
            p += (*p == '\'' || *p == '\\') && p[1] ? 2 : 1;
        if (*p == '\'' && p == label)
            return true;
        p += *p == '\'';
        p += *p == ',';
    }
    return false;
}

void my_row_key_settle(struct my_table *table)
{
    table->has_key = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct my_column *column = &table->columns[i];
        const struct my_row_key_facts facts = {.told = table->has_key_told,
                                               .logged = column->logged_key,
                                               .listed = column->listed_key,
                                               .row_end = column == table->row_end};
        column->key = my_row_key_has(&facts);
        table->has_key |= column->key;
    }
}
