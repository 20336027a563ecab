/* SPDX-License-Identifier: MIT */
/* Reads a piece of a table, and where in the log that is: live.h says why in this order. */
#include "connectors/mysql/scan/scan.h"
#include "connectors/mysql/session/commits.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE_MS 20 /* of its rows, and */
#define PIECE_BYTES ((size_t)4 << 20)
enum { ROWS_MAX = 10000, ROWS_LOCKED = 64, TRIES = 10 };

static const char what[] = "cannot read a table again";

void my_piece_clear(struct my_piece *piece)
{
    my_gtid_set_free(piece->seen);
    free(piece->ends);
    cdc_buf_free(&piece->lines);
    cdc_buf_free(&piece->keys);
    cdc_buf_free(&piece->values);
    *piece = (struct my_piece){.seen = NULL};
}

/* -- where in the log -- */

static int bad_place(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server does not say where its log is", what);
}

static int keep_coord(struct my_coord *coord, const char *file, const char *position, struct cdc_error *error)
{
    if (!file || !position || !file[0] || strlen(file) >= sizeof coord->file)
        return bad_place(error);
    strcpy(coord->file, file);
    coord->position = strtoull(position, NULL, 10);
    return coord->position >= 4 ? 0 : bad_place(error);
}

/* MariaDB: of the session's transaction. */
static int read_snapshot_coord(MYSQL *sql, struct my_coord *coord, struct cdc_error *error)
{
    char file[512] = "", position[24] = "";
    MYSQL_RES *result = my_session_query(sql, "SHOW SESSION STATUS LIKE 'binlog\\_snapshot\\_%'", what, error);
    if (!result)
        return error->status ? -1 : bad_place(error);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;) {
        if (row[0] && row[1] && strcasecmp(row[0], "binlog_snapshot_file") == 0 && strlen(row[1]) < sizeof file)
            strcpy(file, row[1]);
        else if (row[0] && row[1] && strcasecmp(row[0], "binlog_snapshot_position") == 0 &&
                 strlen(row[1]) < sizeof position)
            strcpy(position, row[1]);
    }
    mysql_free_result(result);
    return keep_coord(coord, file, position, error);
}

static int read_log_status(MYSQL *sql, struct my_coord *coord, struct cdc_error *error)
{
    static const char ask[] = "SELECT JSON_UNQUOTE(JSON_EXTRACT(LOCAL, '$.binary_log_file')), JSON_EXTRACT(LOCAL, "
                              "'$.binary_log_position') FROM performance_schema.log_status";
    MYSQL_RES *result = my_session_query(sql, ask, what, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    int status = row ? keep_coord(coord, row[0], row[1], error) : error->status ? -1 : bad_place(error);
    mysql_free_result(result);
    return status;
}

static int read_end(struct my_stream *stream, struct my_coord *coord, struct cdc_error *error)
{
    char *gtids = NULL;
    int status = my_server_end(stream->reading.sql, &stream->session.server, coord, &gtids, error);
    free(gtids);
    return status;
}

/* Has it come as far as all that was delivered? */
static bool is_after_delivered(const struct my_stream *stream, const struct my_coord *coord)
{
    const struct my_coord *delivered = my_decoder_coord(stream->decoder);
    return (!delivered->file[0] || my_coord_compare(coord, delivered) >= 0) &&
           my_coord_compare(coord, &stream->reading.least) >= 0;
}

/* MySQL: what the snapshot that is taken next shows for sure. 1; 0: not all that was delivered; -1. */
static int read_seen(struct my_stream *stream, struct my_piece *piece, struct cdc_error *error)
{
    MYSQL *sql = stream->reading.sql;
    if (!stream->session.server.gtid)
        return read_log_status(sql, &piece->before, error) < 0 ? -1 : is_after_delivered(stream, &piece->before);
    char *executed = my_session_value(sql, "SELECT @@GLOBAL.gtid_executed", what, error);
    piece->seen = executed ? my_gtid_set_new(MY_FLAVOR_MYSQL, error) : NULL;
    int status = piece->seen ? my_gtid_set_parse(piece->seen, cdc_span_text(executed), error) : -1;
    free(executed);
    if (status < 0)
        return error->status ? -1 : bad_place(error);
    return my_gtid_set_includes(piece->seen, my_decoder_gtids(stream->decoder));
}

bool my_piece_shows(const struct my_piece *piece, const struct my_gtid *gtid, const struct my_coord *begin)
{
    if (piece->exact)
        return my_coord_compare(begin, &piece->upto) < 0;
    return piece->seen ? gtid->kind != MY_GTID_NONE && my_gtid_set_contains(piece->seen, gtid)
                       : my_coord_compare(begin, &piece->before) < 0;
}

/* -- rows -- */

static int add_key(struct my_piece *piece, const struct my_scan *scan, struct cdc_error *error)
{
    static const struct cdc_value_format plain = {0};
    const struct my_key *key = scan->key;
    bool good = true;
    for (size_t i = 0; good && i < key->n; i++) {
        const struct my_column *column = my_key_column(key, i);
        const struct my_cell *cell = &scan->cells[key->columns[i]];
        char text[128];
        struct cdc_buf json = {text, 0, sizeof text, false};
        uint64_t ignored = 0;
        struct cdc_span value = {(const char *)cell->p, cell->n};
        if (column->kind != MY_KIND_BINARY && column->kind != MY_KIND_TEXT) {
            if (my_cell_append(&json, column, cell, &plain, &ignored, error) < 0)
                return -1;
            value = cdc_span(json.data, json.len);
        }
        good = !cell->null && !json.failed && my_live_key_add(&piece->keys, column, value);
    }
    struct my_key_value value = {CDC_BUF_INIT, 0};
    int status = my_scan_key(scan, &value, error);
    cdc_buf_append_buf(&piece->values, &value.parts);
    my_key_value_free(&value);
    return good || status < 0 ? status : cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: a row has no key", what);
}

/* `,"key":{...},"before":null,"after":{...}}` and a line break. */
static int add_line(struct my_stream *stream, struct my_piece *piece, const struct my_scan *scan,
                    struct cdc_error *error)
{
    const struct my_table *table = scan->key->table;
    const struct cdc_value_format *format = &stream->settings.value_format;
    struct cdc_buf *out = &piece->lines, json_null = CDC_BUF_INIT;
    cdc_buf_lit(out, ",\"key\":");
    int status =
        my_scan_append_row(out, table, scan->cells, true, format, &stream->metrics->unconvertible, &json_null, error);
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    if (status == 0)
        status = my_scan_append_row(out, table, scan->cells, false, format, &stream->metrics->unconvertible, &json_null,
                                    error);
    my_image_append_json_null(out, "json_null", &json_null);
    cdc_buf_lit(out, "}\n");
    out->failed |= json_null.failed;
    cdc_buf_free(&json_null);
    return status;
}

static int add_row(struct my_stream *stream, struct my_piece *piece, const struct my_scan *scan,
                   struct cdc_error *error)
{
    if (piece->n == piece->capacity) {
        size_t capacity = piece->capacity ? 2 * piece->capacity : 64;
        struct my_piece_texts *ends = realloc(piece->ends, capacity * sizeof *ends);
        if (!ends)
            return cdc_error_memory(error);
        piece->ends = ends;
        piece->capacity = capacity;
    }
    if (add_line(stream, piece, scan, error) < 0 || add_key(piece, scan, error) < 0)
        return -1;
    if (piece->lines.failed || piece->keys.failed || piece->values.failed)
        return cdc_error_memory(error);
    piece->ends[piece->n++] = (struct my_piece_texts){piece->lines.len, piece->keys.len, piece->values.len};
    return 0;
}

/* Rows above what may be kept are read over: the next piece has them, so that this one is not the last. */
static int read_rows(struct my_stream *stream, struct my_piece *piece, bool share, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    const char *lock = stream->session.server.flavor == MY_FLAVOR_MARIADB ? " LOCK IN SHARE MODE" : " FOR SHARE";
    struct my_range range = {.limit = share && reading->rows > ROWS_LOCKED ? ROWS_LOCKED : reading->rows,
                             .share = share ? lock : NULL};
    struct my_scan scan;
    size_t n = 0;
    int64_t first_at = 0;
    my_key_value_copy(&range.after, &reading->after);
    int status = range.after.parts.failed ? cdc_error_memory(error) : 0;
    if (status == 0) {
        status = my_scan_begin(&scan, reading->sql, &reading->key, &range, error);
        for (; status == 0 && (status = my_scan_next(&scan, error)) > 0; n++) {
            first_at = n == 0 ? cdc_clock_ms() : first_at;
            status = n == 0 || piece->lines.len < PIECE_BYTES ? add_row(stream, piece, &scan, error) : 0;
        }
        piece->rows_ms = n > 0 ? cdc_clock_ms() - first_at : 0;
        if (status < 0) { /* rows may wait unread */
            mysql_close(reading->sql);
            reading->sql = NULL;
        }
        my_scan_end(&scan);
    }
    piece->last = n < range.limit && piece->n == n;
    my_range_free(&range);
    return status;
}

/* The next one is as large as this one would have been in the time for one. The statements around the rows take as long for one row as
 * for many: from a distant or a busy server its rows may take as much again, or there would be a row a piece in the end. */
static void learn(struct my_reading *reading, int64_t took)
{
    const struct my_piece *piece = &reading->piece;
    int64_t around = took - piece->rows_ms, most_ms = around > PIECE_MS ? around : PIECE_MS;
    size_t most = ROWS_MAX, each = piece->n > 0 ? piece->lines.len / piece->n + 1 : 1;
    if (PIECE_BYTES / each < most)
        most = PIECE_BYTES / each;
    if (piece->rows_ms < most_ms / 2)
        reading->rows *= 2;
    else if (piece->rows_ms > most_ms)
        reading->rows /= 2;
    if (reading->rows > most)
        reading->rows = most;
    if (reading->rows < 1)
        reading->rows = 1;
}

/* -- the statements -- */

static int begin(struct my_stream *stream, const char *statement, struct cdc_error *error)
{
    return my_session_execute(stream->reading.sql, statement, what, error);
}

static const char snapshot_sql[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/* 1, 0 or -1, as all three. */
static int read_mariadb(struct my_stream *stream, struct my_piece *piece, struct cdc_error *error)
{
    piece->exact = true;
    if (begin(stream, snapshot_sql, error) < 0 || read_snapshot_coord(stream->reading.sql, &piece->upto, error) < 0)
        return -1;
    if (!is_after_delivered(stream, &piece->upto))
        return 0;
    return read_rows(stream, piece, false, error) < 0 ? -1 : 1;
}

static int read_mysql(struct my_stream *stream, struct my_piece *piece, struct cdc_error *error)
{
    int seen = read_seen(stream, piece, error);
    if (seen <= 0)
        return seen;
    if (begin(stream, snapshot_sql, error) < 0 || read_end(stream, &piece->upto, error) < 0)
        return -1;
    return read_rows(stream, piece, false, error) < 0 ? -1 : 1;
}

static int read_locked(struct my_stream *stream, struct my_piece *piece, struct cdc_error *error)
{
    piece->exact = true;
    if (begin(stream, "START TRANSACTION", error) < 0 || read_rows(stream, piece, true, error) < 0)
        return -1;
    return read_end(stream, &piece->upto, error) < 0 ? -1 : 1;
}

/* There is none at the end of the log: statements that come until then would have its name. */
static int read_gone(struct my_stream *stream, struct my_piece *piece, struct cdc_error *error)
{
    piece->exact = piece->last = true;
    return read_end(stream, &piece->upto, error) < 0 ? -1 : 1;
}

static int read_and_end(struct my_stream *stream, bool share, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    struct my_piece *piece = &reading->piece;
    struct cdc_error ignored = {0};
    my_piece_clear(piece);
    int got = reading->gone                                        ? read_gone(stream, piece, error)
              : share                                              ? read_locked(stream, piece, error)
              : stream->session.server.flavor == MY_FLAVOR_MARIADB ? read_mariadb(stream, piece, error)
                                                                   : read_mysql(stream, piece, error);
    if (reading->sql && my_session_execute(reading->sql, "ROLLBACK", what, got < 0 ? &ignored : error) < 0)
        got = -1;
    if (got <= 0)
        my_piece_clear(piece);
    return got;
}

/* Where the snapshot may lack commits that the log has, the rows are locked: whoever commits still holds them. */
static int read_once(struct my_stream *stream, bool share, struct cdc_error *error)
{
    struct my_reading *reading = &stream->reading;
    const struct my_server *server = &stream->session.server;
    uint64_t told = 0;
    if (stream->reading.gone)
        return read_and_end(stream, share, error);
    int shown = share ? 0 : my_commits_look(reading->sql, server, &told, error);
    int got = shown > 0 ? read_and_end(stream, false, error) : shown;
    if (got > 0)
        shown = my_commits_are_shown(reading->sql, server, told, error);
    if (got < 0 || shown < 0)
        return -1;
    return shown > 0 ? got : read_and_end(stream, true, error);
}

/* What was delivered last is committed in the engine a moment later. Whoever reads on in the log meanwhile finds the next one that is
 * not. */
int my_piece_read(struct my_stream *stream, bool share, struct cdc_error *error)
{
    int got = 0;
    for (int i = 0; got == 0 && i < TRIES; i++) {
        int64_t began = cdc_clock_ms();
        if (i > 0)
            (void)poll(NULL, 0, 1);
        got = read_once(stream, share, error);
        if (got > 0)
            learn(&stream->reading, cdc_clock_ms() - began);
    }
    return got;
}
