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

void lite_rowid_note_hidden(sqlite3_stmt *info, bool hidden[LITE_ROWID_NAMES])
{
    const char *name = (const char *)sqlite3_column_text(info, 1);

    for (size_t i = 0; name != NULL && i < LITE_ROWID_NAMES; i++)
        hidden[i] |= sqlite3_stricmp(name, lite_rowid_names[i]) == 0;
}

int lite_rowid_find_hidden(struct lite_sink *sink, const char *table, bool hidden[LITE_ROWID_NAMES],
                           struct cdc_error *error)
{
    int code = SQLITE_ERROR;

    sqlite3_stmt *info = lite_sql_table_xinfo(sink, table, error);
    if (info == NULL)
        return -1;
    while ((code = sqlite3_step(info)) == SQLITE_ROW)
        lite_rowid_note_hidden(info, hidden);
    sqlite3_finalize(info);
    return code == SQLITE_DONE ? 0 : lite_database_error(&sink->db, code, "cannot read the columns", error);
}

/* A table that somebody has made WITHOUT ROWID has none by any name. */
static bool has_rowid(const struct lite_sink *sink, const struct lite_table *table, const char *name)
{
    return sqlite3_table_column_metadata(sink->db.handle, "main", table->source.target, name, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

int lite_rowid_choose(struct lite_sink *sink, struct lite_table *table, const bool *known, struct cdc_error *error)
{
    bool found[LITE_ROWID_NAMES] = {false, false, false};
    const bool *hidden = known != NULL ? known : found;

    if (known == NULL && lite_rowid_find_hidden(sink, table->source.target, found, error) != 0)
        return -1;
    table->rowid = NULL;
    for (size_t i = 0; table->rowid == NULL && i < LITE_ROWID_NAMES; i++)
        if (!hidden[i] && has_rowid(sink, table, lite_rowid_names[i]))
            table->rowid = lite_rowid_names[i];
    if (table->rowid != NULL || table->source.n_key > 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_CONFIG, "table \"%s\" has no key, and its columns in %s hide SQLite's rowid",
                         table->source.target, sink->db.path);
}
