/* SPDX-License-Identifier: MIT */
/* Columns of tables in files of the log that do not name them, from a server.
 *
 * The server's information_schema speaks of now. That it holds for rows of the files is for the user to say, as far as
 * what came after them goes; within the files it is looked at: a DDL statement that names the table after a row means
 * that the row's columns are not known, and what the log does tell of them (count, types, lengths) must fit. */
#ifndef MY_FILES_H
#define MY_FILES_H

#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/error.h>

struct my_files_schema;
/* Connects, and reads the files once for their DDL statements. BORROWS files. RETURNS NEW */
struct my_files_schema *my_files_schema_new(const struct my_session_settings *connection, const char *const *files,
                                            size_t n_files, struct cdc_error *error);
void my_files_schema_free(struct my_files_schema *schema);
/* Completes a table whose TABLE_MAP ends at that offset of that file. CONFIG: its columns are not known. */
int my_files_schema_complete(struct my_files_schema *schema, enum my_flavor flavor, size_t file, uint64_t offset,
                             struct my_table *table, struct cdc_error *error);
/* For files that name them: what the server tells besides, as my_catalog_describe. Nothing where it is of the other kind. */
int my_files_schema_describe(struct my_files_schema *schema, enum my_flavor flavor, struct my_table *table,
                             struct cdc_error *error);

#endif
