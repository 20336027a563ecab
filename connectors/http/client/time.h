/* SPDX-License-Identifier: MIT */
/* Times as receivers read them. */
#ifndef HTTP_TIME_H
#define HTTP_TIME_H

#include <cdc/buf.h>

/* Appends 2026-02-01T10:00:00.123Z (RFC 3339), of milliseconds since 1970. false, and nothing, where the year has not four digits. */
bool http_time_append(struct cdc_buf *out, int64_t ts_ms);

#endif
