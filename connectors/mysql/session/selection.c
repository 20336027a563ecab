/* SPDX-License-Identifier: MIT */
/* Which tables are read, as snapshot and log share it: -t and -T, else the URL's database, else all but the servers' own. */
#include "connectors/mysql/session/session.h"

#include <cdc/pattern.h>

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
