/* SPDX-License-Identifier: MIT */
/* Names of databases and tables in lower case, as a server with lower_case_table_names=1 or 2 stores them. Its log has them so in the
 * description of rows, and as they were typed in statements: TRUNCATE TABLE `ÄRZTE` is about the rows of ärzte. */
#ifndef MY_NAME_CASE_H
#define MY_NAME_CASE_H

#include <cdc/buf.h>
#include <cdc/bytes.h>

/* Appends the name, which is valid UTF-8, in lower case. Its length in bytes may change. */
void my_name_append_lower(struct cdc_buf *out, struct cdc_span name);

#endif
