/* SPDX-License-Identifier: MIT */
/* Values as wal2json has them, which its writer and its reader share: PostgreSQL's text, but for numbers and booleans. */
#ifndef FORMAT_WAL2JSON_H
#define FORMAT_WAL2JSON_H

#include "libcdc/format/internal.h"

void wal2json_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                           struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch);
/* *json_null: the value is JSON's null. */
void wal2json_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                         bool *json_null, struct losses *losses, struct cdc_buf *scratch);
/* An array as JSON has it becomes "{1,NULL,\"a b\"}", without the quotes around it and not escaped, and back from that. False:
 * it is none that has such a form. */
bool wal2json_append_array(struct cdc_buf *out, const struct value_type *type, struct cdc_span array);
/* dimensions: at most so many. */
bool wal2json_read_array(struct cdc_buf *out, const struct value_type *type, int dimensions, struct cdc_span text);

#endif
