/* SPDX-License-Identifier: MIT */
#include <time.h>

#include "connectors/http/client/time.h"

bool http_time_append(struct cdc_buf *out, int64_t ts_ms)
{
    int64_t seconds = ts_ms / 1000 - (ts_ms % 1000 < 0);
    time_t at = (time_t)seconds;
    struct tm tm;
    char text[40];

    if (gmtime_r(&at, &tm) == NULL || tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
        return false;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    cdc_buf_printf(out, "%s.%03dZ", text + (text[0] == '+'), (int)(ts_ms - seconds * 1000));
    return true;
}
