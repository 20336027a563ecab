/* SPDX-License-Identifier: MIT */
/* What a crash of MariaDB leaves in its log. The file that was written ends inside a transaction, maybe inside an event:
 * nothing of it was committed, and the log goes on in the next file; the server ends a dump there with an error. And the next
 * file's list of GTIDs may be one of long before: then the server looks for ours in the wrong file, and misses it. */
#include "connectors/mysql/stream/internal.h"

#include <stdio.h>
#include <string.h>

bool binlog_is_cut_off(const struct cdc_error *error)
{
    return error->status == CDC_EXIT_LOST && strstr(error->text, "truncated in the middle of event") != NULL;
}

static bool is_missing(const struct cdc_error *error)
{
    return error->status == CDC_EXIT_LOST && strstr(error->text, "is missing the GTID") != NULL;
}

int binlog_next_file(struct binlog_stream *stream, const char *file, struct binlog_place *next, struct cdc_error *error)
{
    struct binlog_place here = {"", 4};
    memset(next, 0, sizeof *next);
    snprintf(here.file, sizeof here.file, "%s", file);
    if (!stream->sql && binlog_stream_ensure_sql(stream, error) < 0)
        return -1;
    MYSQL_RES *result = binlog_query(stream->sql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; !next->file[0] && (row = mysql_fetch_row(result)) != NULL;) {
        struct binlog_place other = {"", 4};
        snprintf(other.file, sizeof other.file, "%s", row[0] ? row[0] : "");
        if (binlog_place_compare(&other, &here) > 0)
            *next = other;
    }
    mysql_free_result(result);
    return 0;
}

/* C of the last transaction that is complete. */
static uint64_t complete_number(const struct binlog_stream *stream)
{
    uint64_t number;
    const struct cdc_offset *boundary = binlog_boundary(stream->decoder);
    return boundary && binlog_pos_number(boundary->pos, &number) ? number : stream->start.number;
}

int binlog_stream_detour(struct binlog_stream *stream, struct cdc_error *error)
{
    struct binlog_place to = {"", 4};
    struct cdc_error other = {0};
    uint64_t number = complete_number(stream);
    if (stream->server.flavor != BINLOG_MARIADB)
        return -1;
    if (binlog_is_cut_off(error) && (binlog_stream_ensure_sql(stream, &other) < 0 ||
                                     binlog_next_file(stream, binlog_place(stream->decoder)->file, &to, &other) < 0)) {
        *error = other;
        return -1;
    }
    if (is_missing(error) && number == stream->start.number)
        to = stream->start.place; /* its GTIDs were compared with ours */
    bool in_vain = stream->taken_number == number && binlog_place_compare(&to, &stream->taken) <= 0;
    if (!to.file[0] || to.position > UINT32_MAX || in_vain)
        return -1;
    stream->detour = to;
    stream->detour_number = number;
    error->status = CDC_EXIT_UNAVAILABLE;
    error->hint[0] = '\0';
    return -1;
}

/* What was complete then, not less: what follows gets the next number. */
const struct binlog_place *binlog_stream_take_detour(struct binlog_stream *stream)
{
    bool fits = stream->detour.file[0] && stream->detour_number == stream->start.number;
    stream->taken = fits ? stream->detour : (struct binlog_place){.file = ""};
    stream->taken_number = stream->detour_number;
    stream->detour.file[0] = '\0';
    return fits ? &stream->taken : NULL;
}
