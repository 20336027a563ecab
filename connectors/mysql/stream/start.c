/* SPDX-License-Identifier: MIT */
/* Where reading begins, and whether the server still has it. */
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_BACK (UINT64_C(128) << 20) /* bytes of a file that are read again at a start */

/* -- where to begin -------------------------------------------------------------------------- */

static int copy_member(struct cdc_span source, const char *name, char *to, size_t size)
{
    struct cdc_span raw = cdc_json_string_raw(cdc_json_member(source, name));
    struct cdc_buf text = CDC_BUF_INIT;
    to[0] = '\0';
    if (!raw.p)
        return 0;
    cdc_json_unescape(&text, raw);
    bool fits = !text.failed && text.len < size;
    if (fits && text.len > 0)
        memcpy(to, text.data, text.len);
    to[fits ? text.len : 0] = '\0';
    cdc_buf_free(&text);
    return fits ? 0 : -1;
}

/* From a commit's pos and source object, as the sinks' offset files have them. */
static int start_from(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct cdc_span source = cdc_span_text(from->source ? from->source : "{}");
    struct cdc_span gtids = cdc_json_string_raw(cdc_json_member(source, "gtids"));
    int64_t position = 0;
    free(start->gtids);
    start->gtids = cdc_span_copy(gtids.p ? gtids : cdc_span("", 0)); /* nothing in it is ever escaped */
    if (!start->gtids)
        return cdc_error_memory(error);
    if (!my_pos_number(from->pos, &start->number) || !from->source)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a MySQL or MariaDB source", from->pos);
    start->confirmed = start->number;
    start->heartbeats = my_pos_counter(from->pos);
    if (!my_numbering_read(source, &start->numbering))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of position '%.80s' is damaged", from->pos);
    cdc_json_int64(cdc_json_member(source, "pos"), &position);
    start->file_created = 0;
    cdc_json_int64(cdc_json_member(source, "file_created"), &start->file_created);
    start->coord.position = position > 0 ? (uint64_t)position : 4;
    if (copy_member(source, "file", start->coord.file, sizeof start->coord.file) < 0 ||
        copy_member(source, "server_uuid", start->server_uuid, sizeof start->server_uuid) < 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the source of position '%.80s' is damaged", from->pos);
    return 0;
}

static int take_gtids(struct my_stream *stream, const char *text, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(stream->server.flavor, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(text), error) : -1;
    my_gtid_set_free(set);
    stream->start.gtids = result == 0 ? strdup(text) : NULL;
    if (result == 0 && !stream->start.gtids)
        return cdc_error_memory(error);
    return result;
}

/* What is committed between two questions must not lie before the place and behind the GTIDs: a start from there would
 * find other transactions in its place. MariaDB tells the GTIDs of a place; on MySQL they are asked for last. */
static int start_at_end(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct my_coord later;
    if (my_server_end(stream->sql, &stream->server, &start->coord, &start->gtids, error) < 0)
        return -1;
    free(start->gtids);
    start->gtids = NULL;
    return stream->server.flavor == MY_FLAVOR_MARIADB
               ? my_log_gtids_at(stream, &start->coord, &start->gtids, error)
               : my_server_end(stream->sql, &stream->server, &later, &start->gtids, error);
}

/* The very first start: C begins at the wall clock, see decoder.h. */
static int start_fresh(struct my_stream *stream, struct cdc_error *error)
{
    const char *text = stream->settings.start ? stream->settings.start : "now";
    struct my_start *start = &stream->start;
    stream->announce = true;
    free(start->gtids);
    start->gtids = NULL;
    start->number = (uint64_t)cdc_clock_wall_ms() * 1000;
    start->numbering.n = 0;
    snprintf(start->server_uuid, sizeof start->server_uuid, "%s", stream->server.uuid);
    if (strcmp(text, "now") == 0)
        return start_at_end(stream, error);
    if (strcmp(text, "oldest") == 0) {
        if (my_server_oldest(stream->sql, &stream->server, &start->coord, &start->gtids, error) < 0)
            return -1;
        if (stream->server.flavor == MY_FLAVOR_MYSQL)
            return 0;
        free(start->gtids);
        return my_log_gtids_at(stream, &start->coord, &start->gtids, error);
    }
    if (my_coord_parse(text, &start->coord))
        return my_log_gtids_at(stream, &start->coord, &start->gtids, error);
    memset(&start->coord, 0, sizeof start->coord);
    return take_gtids(stream, text, error);
}

static int settle(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    if (from && from->pos && *from->pos)
        return start_from(stream, from, error);
    if (stream->has_start)
        return 0;
    if (stream->settings.snapshot)
        return start_from(stream, stream->settings.snapshot, error);
    if (stream->settings.resume_only)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the pipeline has a position, but it cannot be read");
    return start_fresh(stream, error);
}

/* -- does the server still have it? --------------------------------------------------------------- */

int my_start_lost(struct cdc_error *error, const char *why)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the position is not in the server's log: %s", why);
    return cdc_error_hint(error, "changes may be missing: take a new snapshot (remove the pipeline's offset files, and "
                                 "begin with cdc-snapshot)");
}

int my_start_is_subset(struct my_stream *stream, const char *a, const char *b, struct cdc_error *error)
{
    struct cdc_buf sql = CDC_BUF_INIT;
    cdc_buf_printf(&sql, "SELECT GTID_SUBSET(%s, %s)", a, b);
    cdc_buf_byte(&sql, '\0');
    char *value = sql.failed ? NULL : my_session_value(stream->sql, sql.data, "cannot compare GTID sets", error);
    cdc_buf_free(&sql);
    if (!value)
        return error->status ? -1 : cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server does not compare GTID sets");
    int result = strcmp(value, "1") == 0;
    free(value);
    return result;
}

/* -- places and files -- */

/* How a place stands to the files that the server has. */
enum standing { STANDS_IN_FILE, STANDS_BEFORE, STANDS_NOWHERE };

static int find_file(struct my_stream *stream, enum standing *standing, struct cdc_error *error)
{
    const struct my_coord *coord = &stream->start.coord;
    struct my_coord file = {"", 0};
    bool first = true;
    MYSQL_RES *result = my_session_query(stream->sql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    *standing = STANDS_NOWHERE;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; first = false) {
        snprintf(file.file, sizeof file.file, "%s", row[0]);
        file.position = strtoull(row[1], NULL, 10);
        bool same = strcmp(row[0], coord->file) == 0;
        if (same && file.position >= coord->position)
            *standing = STANDS_IN_FILE;
        else if (!same && first && my_coord_compare(coord, &file) < 0)
            *standing = STANDS_BEFORE;
    }
    mysql_free_result(result);
    return 0;
}

/* Is the file at our place the one that was read then? A RESET begins one of the same name. 1, 0 or -1; not known is yes. */
static int same_file(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    uint32_t created = 0;
    if (start->file_created == 0)
        return 1;
    MYSQL *dump = my_session_connect(&stream->settings.connection, error);
    int result = dump ? my_dump_file_created(dump, &stream->server, my_stream_other_id(stream), start->coord.file,
                                             &created, error)
                      : -1;
    if (dump)
        mysql_close(dump);
    if (result < 0)
        return -1;
    return created == 0 || created == start->file_created;
}

/* Names of log files come again after a RESET. */
static int check_file(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    enum standing standing;
    if (stream->server.flavor == MY_FLAVOR_MYSQL && start->server_uuid[0] &&
        strcmp(start->server_uuid, stream->server.uuid) != 0)
        return my_start_lost(error, "it is a file and an offset of another server");
    if (find_file(stream, &standing, error) < 0)
        return -1;
    if (standing != STANDS_IN_FILE)
        return my_start_lost(error, "its file was purged, or is shorter now");
    int same = same_file(stream, error);
    return same < 0 ? -1 : same ? 0 : my_start_lost(error, "its file was begun anew: the log was reset");
}

/* Are they the GTIDs of the start? */
static int same_gtids(struct my_stream *stream, const char *text, struct cdc_error *error)
{
    struct my_gtid_set *ours = my_gtid_set_new(stream->server.flavor, error);
    struct my_gtid_set *theirs = ours ? my_gtid_set_new(stream->server.flavor, error) : NULL;
    int result = -1;
    if (theirs && my_gtid_set_parse(ours, cdc_span_text(stream->start.gtids), error) == 0 &&
        my_gtid_set_parse(theirs, cdc_span_text(text), error) == 0)
        result = my_gtid_set_equal(ours, theirs);
    my_gtid_set_free(ours);
    my_gtid_set_free(theirs);
    return result;
}

/* MariaDB numbers its transactions from 1 again after a RESET, and knows a GTID that came again from the first one no
 * more than we do. On the same server the place of the position tells. */
static int check_mariadb_coord(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    enum standing standing;
    char *gtids = NULL;
    if (!start->coord.file[0] || strcmp(start->server_uuid, stream->server.uuid) != 0)
        return 0; /* another server: it looks for the GTID itself */
    if (find_file(stream, &standing, error) < 0)
        return -1;
    if (standing == STANDS_BEFORE)
        return 0; /* purged: the server says whether anything is missing */
    if (standing == STANDS_NOWHERE)
        return my_start_lost(error, "the server's log ends before it: it was reset");
    if (my_log_gtids_at(stream, &start->coord, &gtids, error) < 0)
        return -1;
    int same = same_gtids(stream, gtids, error);
    free(gtids);
    return same < 0 ? -1 : same ? 0 : my_start_lost(error, "other transactions are in its place: the log was reset");
}

/* A RESET numbers transactions anew, too: what the same server has before our place must be known to us. Looked at where
 * that is not long; in any case the file must be the one that it was. */
static int check_mysql_coord(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    struct cdc_buf here = CDC_BUF_INIT, ours = CDC_BUF_INIT;
    enum standing standing;
    char *gtids = NULL;
    if (!start->coord.file[0])
        return 0;
    if (find_file(stream, &standing, error) < 0)
        return -1;
    if (standing == STANDS_NOWHERE)
        return my_start_lost(error, "the server's log ends before it: it was reset");
    if (standing == STANDS_BEFORE)
        return 0;
    int same = same_file(stream, error);
    if (same <= 0)
        return same < 0 ? -1 : my_start_lost(error, "its file was begun anew: the log was reset");
    if (start->coord.position > LOOK_BACK)
        return 0;
    if (my_log_gtids_at(stream, &start->coord, &gtids, error) < 0)
        return -1;
    cdc_buf_printf(&here, "'%s'", gtids);
    cdc_buf_byte(&here, '\0');
    cdc_buf_printf(&ours, "'%s'", start->gtids);
    cdc_buf_byte(&ours, '\0');
    free(gtids);
    int known =
        here.failed || ours.failed ? cdc_error_memory(error) : my_start_is_subset(stream, here.data, ours.data, error);
    cdc_buf_free(&here);
    cdc_buf_free(&ours);
    return known < 0 ? -1 : known ? 0 : my_start_lost(error, "other transactions are in its place: the log was reset");
}

static int check_mysql_gtids(struct my_stream *stream, struct cdc_error *error)
{
    struct cdc_buf quoted = CDC_BUF_INIT;
    cdc_buf_printf(&quoted, "'%s'", stream->start.gtids); /* hexadecimal digits, names of tags, ':', ',' and '-' */
    cdc_buf_byte(&quoted, '\0');
    if (quoted.failed)
        return cdc_error_memory(error);
    int kept = my_start_is_subset(stream, "@@GLOBAL.gtid_purged", quoted.data, error);
    int known = kept < 0 ? -1 : my_start_is_subset(stream, quoted.data, "@@GLOBAL.gtid_executed", error);
    cdc_buf_free(&quoted);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return my_start_lost(error, "transactions that were not read yet were purged");
    if (known && strcmp(stream->start.server_uuid, stream->server.uuid) == 0)
        return check_mysql_coord(stream, error);
    return known
               ? 0
               : my_start_lost(error,
                               "the server does not know all transactions that were read: it lost some, was reset, or "
                               "is another one");
}

bool my_start_by_gtid(const struct my_stream *stream)
{
    if (stream->server.flavor == MY_FLAVOR_MARIADB)
        return stream->start.gtids[0] != '\0' || !stream->start.coord.file[0];
    return stream->server.gtid && (stream->start.gtids[0] != '\0' || !stream->start.coord.file[0]);
}

static int check(struct my_stream *stream, struct cdc_error *error)
{
    if (!my_start_by_gtid(stream))
        return check_file(stream, error);
    return stream->server.flavor == MY_FLAVOR_MYSQL ? check_mysql_gtids(stream, error)
                                                    : check_mariadb_coord(stream, error);
}

/* File and offset of another server say nothing here. A snapshot of MariaDB does not tell whose they are: the GTIDs do. */
static int leave_old_coord(struct my_stream *stream, struct cdc_error *error)
{
    struct my_start *start = &stream->start;
    struct cdc_error gone = {0};
    char *gtids = NULL;
    bool known = start->server_uuid[0] || stream->server.flavor == MY_FLAVOR_MYSQL;
    if (!my_start_by_gtid(stream) || !start->coord.file[0] || strcmp(start->server_uuid, stream->server.uuid) == 0)
        return 0;
    int same =
        known || my_log_gtids_at(stream, &start->coord, &gtids, &gone) < 0 ? 0 : same_gtids(stream, gtids, error);
    free(gtids);
    if (cdc_error_is_transient(&gone))
        return cdc_error_set(error, gone.status, "%s", gone.text);
    if (same == 0)
        memset(&start->coord, 0, sizeof start->coord);
    return same < 0 ? -1 : 0;
}

int my_start_find(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    if (settle(stream, from, error) < 0 || check(stream, error) < 0)
        return -1;
    return my_failover_number(stream, error) < 0 ? -1 : leave_old_coord(stream, error);
}
