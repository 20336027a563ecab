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
