/* SPDX-License-Identifier: MIT */
#include "connectors/sqlite/sink/internal.h"

const char *const lite_rowid_names[LITE_ROWID_NAMES] = {"rowid", "_rowid_", "oid"};

/* A column of the source may be called rowid, and then means that column. SQLite has three names for it; all three
 * taken, the rowid cannot be reached. */
const char *lite_rowid_visible(const struct cdc_table *definition)
{
    for (size_t i = 0; i < LITE_ROWID_NAMES; i++) {
        bool hidden = false;
        for (size_t j = 0; j < definition->n_columns; j++)
            hidden |= sqlite3_stricmp(definition->columns[j].name, lite_rowid_names[i]) == 0;
        if (!hidden)
            return lite_rowid_names[i];
    }
    return NULL;
}
