/* SPDX-License-Identifier: MIT */
/* The validating scanner, shared by json.c and event.c. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include <cdc/json.h>

/* Each takes the first byte of the thing and the end of the text, and returns the byte after it, or NULL; then
 * *why says what is wrong and *where is the place. */
struct json_fault {
    const char *why, *where;
};
/* p: after the opening quote; returns after the closing one. */
const char *json_scan_string(const char *p, const char *end, struct json_fault *fault);
/* depth: containers that are open around the value. */
const char *json_scan_value(const char *p, const char *end, unsigned depth, struct json_fault *fault);
/* Steps over one value that was validated before. */
const char *json_skip_value(const char *p, const char *end);

static inline const char *json_skip_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

#endif
