/* SPDX-License-Identifier: MIT */
/* --until and --start: places and times. */
#include "connectors/mysql/stream/internal.h"

#include <string.h>

bool my_coord_parse(const char *text, struct my_coord *coord)
{
    const char *colon = strrchr(text, ':');
    memset(coord, 0, sizeof *coord);
    if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof coord->file ||
        strchr(text, ',') != NULL)
        return false;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9' || coord->position > UINT64_MAX / 10 - 1)
            return false;
        coord->position = coord->position * 10 + (uint64_t)(*p - '0');
    }
    memcpy(coord->file, text, (size_t)(colon - text));
    /* A UUID stands before the colon of a GTID, a file has its number behind a dot. */
    return strchr(coord->file, '.') != NULL;
}

int my_stream_until_parse(struct my_stream *stream, const char *until, struct cdc_error *error)
{
    if (!until)
        return 0;
    stream->until_now = strcmp(until, "now") == 0;
    if (stream->until_now || cdc_time_parse(until, &stream->until_ms))
        return 0;
    stream->has_until_coord = my_coord_parse(until, &stream->until_coord);
    if (stream->has_until_coord)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--until '%.64s' is neither now, nor FILE:POSITION, nor a time", until);
    return cdc_error_hint(error, "for instance binlog.000007:1234 or 2026-11-21T09:28:42Z");
}

/* Names of one server's log files sort by length and text: their numbers have leading zeros until they are full. */
int my_coord_compare(const struct my_coord *a, const struct my_coord *b)
{
    size_t n = strlen(a->file), m = strlen(b->file);
    if (n != m)
        return n < m ? -1 : 1;
    int order = strcmp(a->file, b->file);
    if (order != 0)
        return order;
    return a->position < b->position ? -1 : a->position > b->position;
}

static bool is_gtid_set(enum my_flavor flavor, const char *text)
{
    struct cdc_error ignored = {0};
    struct my_gtid_set *set = my_gtid_set_new(flavor, &ignored);
    bool good = set && my_gtid_set_parse(set, cdc_span_text(text), &ignored) == 0 && !my_gtid_set_is_empty(set);
    my_gtid_set_free(set);
    return good;
}

int my_start_check(const char *text, struct cdc_error *error)
{
    struct my_coord coord;
    if (strcmp(text, "now") == 0 || strcmp(text, "oldest") == 0 || my_coord_parse(text, &coord) ||
        is_gtid_set(MY_FLAVOR_MYSQL, text) || is_gtid_set(MY_FLAVOR_MARIADB, text))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--start '%.64s' is neither now, oldest, FILE:POSITION nor GTIDs", text);
    return cdc_error_hint(error, "for instance binlog.000007:1234, 0-1-5, or 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
}
