/* SPDX-License-Identifier: MIT */
/* The names in a log's folder. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "connectors/log/file/names.h"

static const struct {
    enum log_kind kind;
    const char *before, *after;
} forms[] = {{LOG_PLAIN, "", ".ndjson"},       {LOG_PACKED, "", ".ndjson.zst"}, {LOG_INDEX, "", ".idx"},
             {LOG_SALTS, "", ".salt"},         {LOG_SCHEMAS, "", ".schemas"},   {LOG_BASE, "base-", ".ndjson.zst"},
             {LOG_BASE_INDEX, "base-", ".idx"}};

#define FORMS (sizeof forms / sizeof forms[0])

/* false: not 20 digits, or more than fits. */
static bool number(const char *p, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < LOG_DIGITS; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(p[i] - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

enum log_kind log_name_parse(const char *name, uint64_t *byte)
{
    for (size_t i = 0; i < FORMS; i++) {
        size_t n = strlen(forms[i].before);
        if (strncmp(name, forms[i].before, n) == 0 && number(name + n, byte) &&
            strcmp(name + n + LOG_DIGITS, forms[i].after) == 0)
            return forms[i].kind;
    }
    return LOG_OTHER;
}

const char *log_name_make(char name[LOG_NAME_SIZE], enum log_kind kind, uint64_t byte)
{
    for (size_t i = 0; i < FORMS; i++)
        if (forms[i].kind == kind)
            snprintf(name, LOG_NAME_SIZE, "%s%020" PRIu64 "%s", forms[i].before, byte, forms[i].after);
    return name;
}
