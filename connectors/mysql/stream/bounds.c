/* SPDX-License-Identifier: MIT */
/* --until and --start: places and times. */
#include "connectors/mysql/stream/internal.h"

#include <string.h>

bool binlog_stream_place_parse(const char *text, struct binlog_place *place)
{
    const char *colon = strrchr(text, ':');
    memset(place, 0, sizeof *place);
    if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof place->file ||
        strchr(text, ',') != NULL)
        return false;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9' || place->position > UINT64_MAX / 10 - 1)
            return false;
        place->position = place->position * 10 + (uint64_t)(*p - '0');
    }
    memcpy(place->file, text, (size_t)(colon - text));
    /* A UUID stands before the colon of a GTID, a file has its number behind a dot. */
    return strchr(place->file, '.') != NULL;
}

int binlog_stream_until_parse(struct binlog_stream *stream, const char *until, struct cdc_error *error)
{
    if (!until)
        return 0;
    stream->until_now = strcmp(until, "now") == 0;
    if (stream->until_now || cdc_time_parse(until, &stream->until_ms))
        return 0;
    stream->has_until_place = binlog_stream_place_parse(until, &stream->until_place);
    if (stream->has_until_place)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--until '%.64s' is neither now, nor FILE:POSITION, nor a time", until);
    return cdc_error_hint(error, "for instance binlog.000007:1234 or 2026-11-21T09:28:42Z");
}

/* Names of one server's log files sort by length and text: their numbers have leading zeros until they are full. */
int binlog_place_compare(const struct binlog_place *a, const struct binlog_place *b)
{
    size_t n = strlen(a->file), m = strlen(b->file);
    if (n != m)
        return n < m ? -1 : 1;
    int order = strcmp(a->file, b->file);
    if (order != 0)
        return order;
    return a->position < b->position ? -1 : a->position > b->position;
}

static bool is_gtid_set(enum binlog_flavor flavor, const char *text)
{
    struct cdc_error ignored = {0};
    struct binlog_gtid_set *set = binlog_gtid_set_new(flavor, &ignored);
    bool good = set && binlog_gtid_set_parse(set, cdc_span_text(text), &ignored) == 0 && !binlog_gtid_set_is_empty(set);
    binlog_gtid_set_free(set);
    return good;
}

int binlog_start_check(const char *text, struct cdc_error *error)
{
    struct binlog_place place;
    if (strcmp(text, "now") == 0 || strcmp(text, "oldest") == 0 || binlog_stream_place_parse(text, &place) ||
        is_gtid_set(BINLOG_MYSQL, text) || is_gtid_set(BINLOG_MARIADB, text))
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "--start '%.64s' is neither now, oldest, FILE:POSITION nor GTIDs", text);
    return cdc_error_hint(error, "for instance binlog.000007:1234, 0-1-5, or 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5");
}
