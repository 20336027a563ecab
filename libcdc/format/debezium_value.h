/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_DEBEZIUM_VALUE_H
#define FORMAT_DEBEZIUM_VALUE_H

#include "libcdc/format/debezium.h"

/* Appends a value of cdc-event(5) as Debezium has it, and back. scratch is used. */
void debezium_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                           struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch);
void debezium_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                         struct losses *losses, struct cdc_buf *scratch);
/* What stands in the place of a value that the log did not carry. */
void debezium_append_unavailable(struct cdc_buf *out, const struct format_column *column);
bool debezium_is_unavailable(const struct format_column *column, struct cdc_span value);

#endif
