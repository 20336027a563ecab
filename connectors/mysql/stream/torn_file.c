/* SPDX-License-Identifier: MIT */
/* What a crash of MariaDB leaves in its log. The file that was written ends inside a transaction, maybe inside an event:
 * nothing of it was committed, and the log goes on in the next file; the server ends a dump there with an error.
 *
 * The same fault meets the second dumps that look something up; session/log_read.c passes it there. Which fault it is,
 * session/error.c reads out of the server's text. */
#include "connectors/mysql/stream/internal.h"

#include <string.h>

/* The last transaction that is complete. */
static uint64_t complete_number(const struct my_stream *stream)
{
    uint64_t number;
    const struct cdc_offset *boundary = my_decoder_boundary(stream->decoder);
    return boundary && my_pos_number(boundary->pos, &number) ? number : stream->start.number;
}

/* Where the log goes on after the fault of this dump; no file: it is none that can be passed. */
static int find_resume_coord(struct my_stream *stream, struct my_coord *to, struct cdc_error *error)
{
    memset(to, 0, sizeof *to);
    if (my_packets_fault(stream->packets) != MY_DUMP_TORN_FILE)
        return 0;
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_server_next_file(sql, my_decoder_coord(stream->decoder)->file, to, error) : -1;
}

int my_torn_file_avoid(struct my_stream *stream, struct cdc_error *error)
{
    struct my_torn_file *torn = &stream->torn;
    struct my_coord to;
    struct cdc_error other = {0};
    uint64_t number = complete_number(stream);
    if (stream->session.server.flavor != MY_FLAVOR_MARIADB)
        return -1;
    if (find_resume_coord(stream, &to, &other) < 0) {
        *error = other;
        return -1;
    }
    /* The dump that failed now had begun there, or further on, and brought nothing new: another one would not, either. */
    bool in_vain = torn->taken_number == number && my_coord_compare(&to, &torn->taken) <= 0;
    if (!to.file[0] || to.position > UINT32_MAX || in_vain)
        return -1;
    torn->next = to;
    torn->next_number = number;
    error->status = CDC_EXIT_UNAVAILABLE;
    error->hint[0] = '\0';
    return -1;
}

/* What was complete then, not less: what follows gets the next number. */
const struct my_coord *my_torn_file_take(struct my_stream *stream)
{
    struct my_torn_file *torn = &stream->torn;
    bool fits = torn->next.file[0] && torn->next_number == stream->start.number;
    torn->taken = fits ? torn->next : (struct my_coord){.file = ""};
    torn->taken_number = torn->next_number;
    torn->next.file[0] = '\0';
    return fits ? &torn->taken : NULL;
}
