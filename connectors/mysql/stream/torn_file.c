/* SPDX-License-Identifier: MIT */
/* What a crash of MariaDB leaves in its log. The file that was written ends inside a transaction, maybe inside an event:
 * nothing of it was committed, and the log goes on in the next file; the server ends a dump there with an error. And the next
 * file's list of GTIDs may be one of long before: then the server looks for ours in the wrong file, and misses it. */
#include "connectors/mysql/stream/internal.h"

#include <stdio.h>
#include <string.h>

bool my_torn_file_is(const struct cdc_error *error)
{
    return error->status == CDC_EXIT_LOST && strstr(error->text, "truncated in the middle of event") != NULL;
}

static bool is_missing(const struct cdc_error *error)
{
    return error->status == CDC_EXIT_LOST && strstr(error->text, "is missing the GTID") != NULL;
}

int my_torn_file_next(struct my_stream *stream, const char *file, struct my_coord *next, struct cdc_error *error)
{
    struct my_coord here = {"", 4};
    memset(next, 0, sizeof *next);
    snprintf(here.file, sizeof here.file, "%s", file);
    if (!stream->sql && my_stream_ensure_sql(stream, error) < 0)
        return -1;
    MYSQL_RES *result = my_session_query(stream->sql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; !next->file[0] && (row = mysql_fetch_row(result)) != NULL;) {
        struct my_coord other = {"", 4};
        snprintf(other.file, sizeof other.file, "%s", row[0] ? row[0] : "");
        if (my_coord_compare(&other, &here) > 0)
            *next = other;
    }
    mysql_free_result(result);
    return 0;
}

/* C of the last transaction that is complete. */
static uint64_t complete_number(const struct my_stream *stream)
{
    uint64_t number;
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);
    return boundary && my_pos_number(boundary->pos, &number) ? number : stream->start.number;
}

int my_torn_file_avoid(struct my_stream *stream, struct cdc_error *error)
{
    struct my_coord to = {"", 4};
    struct cdc_error other = {0};
    uint64_t number = complete_number(stream);
    if (stream->server.flavor != MY_FLAVOR_MARIADB)
        return -1;
    if (my_torn_file_is(error) &&
        (my_stream_ensure_sql(stream, &other) < 0 ||
         my_torn_file_next(stream, my_decoder_coord(stream->decoder)->file, &to, &other) < 0)) {
        *error = other;
        return -1;
    }
    if (is_missing(error) && number == stream->start.number)
        to = stream->start.coord; /* its GTIDs were compared with ours */
    bool in_vain = stream->taken_number == number && my_coord_compare(&to, &stream->taken) <= 0;
    if (!to.file[0] || to.position > UINT32_MAX || in_vain)
        return -1;
    stream->detour = to;
    stream->detour_number = number;
    error->status = CDC_EXIT_UNAVAILABLE;
    error->hint[0] = '\0';
    return -1;
}

/* What was complete then, not less: what follows gets the next number. */
const struct my_coord *my_torn_file_take(struct my_stream *stream)
{
    bool fits = stream->detour.file[0] && stream->detour_number == stream->start.number;
    stream->taken = fits ? stream->detour : (struct my_coord){.file = ""};
    stream->taken_number = stream->detour_number;
    stream->detour.file[0] = '\0';
    return fits ? &stream->taken : NULL;
}
