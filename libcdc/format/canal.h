/* SPDX-License-Identifier: MIT */
/* Values as canal has them, which its writer and its reader share. */
#ifndef FORMAT_CANAL_H
#define FORMAT_CANAL_H

#include "libcdc/format/internal.h"

void canal_append_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value,
                        struct cdc_span json_null, struct losses *losses, struct cdc_buf *scratch);
/* *json_null: the value is JSON's null. */
void canal_read_value(struct cdc_buf *out, const struct format_column *column, struct cdc_span value, bool *json_null,
                      struct losses *losses, struct cdc_buf *scratch);

#endif
