/* SPDX-License-Identifier: MIT */
/* A connection: where reading begins and ends, the decoder for what comes, and the dump. */
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/schema/cascades.h"
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/schema/logged.h"
#include "connectors/mysql/schema/unmatched.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/session/wait.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>
#include <string.h>

/* -- what the decoder asks for -------------------------------------------------------------------- */

/* A copy that is kept can have it read again: its columns are known after that. 0: nothing of it comes until then; -1. */
static int unprovable(struct my_stream *stream, const struct my_table *table, struct cdc_error *error)
{
    const struct cdc_error why = *error;
    if (!my_stale_is_kept(stream) || why.status != CDC_EXIT_CONFIG || !my_schema_is_curable(stream->schema))
        return -1;
    cdc_error_clear(error);
    int withheld = my_reading_withhold(stream, table->db, table->name, why.text, error);
    if (withheld != 0)
        return withheld < 0 ? -1 : 0;
    if (my_stale_take(stream, table->db, table->name, why.text, error) < 0)
        return -1;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s", why.text);
}

static int is_no_table(void *context, const char *db, const char *table, struct cdc_error *error)
{
    struct my_stream *stream = context;
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_catalog_is_no_table(sql, db, table, error) : -1;
}

/* The log has the rows of all tables, a snapshot those of the tables that its user may read: under a pattern nobody has asked for this one
 * by name, and a copy has of it what changes. One that is younger than the snapshot lacks nothing, but cannot be told from that. */
static int tell_refused(struct my_stream *stream, MYSQL *sql, const struct my_table *table, struct cdc_error *error)
{
    struct cdc_buf *told = &stream->refused_tables;
    const char *at = told->data;
    while (told->len > 0 && at < told->data + told->len) {
        const char *name = at + strlen(at) + 1;
        if (strcmp(at, table->db) == 0 && strcmp(name, table->name) == 0)
            return 0;
        at = name + strlen(name) + 1;
    }
    int refused = my_catalog_is_refused(sql, table->db, table->name, error);
    if (refused <= 0)
        return refused;
    cdc_buf_append(told, table->db, strlen(table->db) + 1);
    cdc_buf_append(told, table->name, strlen(table->name) + 1);
    cdc_log_write(
        stream->log, CDC_LOG_WARNING,
        "table %s.%s is selected, and the user may not SELECT from it: rows that it had when the snapshot was "
        "taken are in no copy (hint: GRANT SELECT, then cdc-snapshot --again -t %s.%s; or leave it out with -T)",
        table->db, table->name, table->db, table->name);
    return told->failed ? cdc_error_memory(error) : 0;
}

static int describe(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error)
{
    struct my_stream *stream = context;
    enum my_flavor flavor = stream->session.server.flavor;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || my_catalog_tell_sequence(sql, flavor, table, error) < 0)
        return -1;
    if (table->sequence)
        return 0;
    if (my_stale_is_kept(stream) && tell_refused(stream, sql, table, error) < 0)
        return -1;
    const struct my_point point = my_decoder_point(stream->decoder);
    int result = table->has_names ? my_schema_describe(stream->schema, table, coord, point, error)
                                  : my_schema_at(stream->schema, table, coord, point, error);
    return result < 0 ? unprovable(stream, table, error) : 0;
}

static void altered(void *context, struct cdc_span sql, struct cdc_span db)
{
    struct my_stream *stream = context;
    my_schema_altered(stream->schema, sql, db, my_decoder_point(stream->decoder));
}

/* From there to the end of its file. The bytes are not told right here: the server omits what was not asked for. */
static int look_ahead(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                      struct cdc_error *error)
{
    (void)bytes;
    const struct my_event_header rotate = {.type = MY_EVENT_ROTATE};
    struct my_stream *stream = context;
    struct my_coord to = *from, end = *from;
    to.position = UINT64_MAX;
    if (stream->stale.looking_on || from->position > UINT32_MAX) /* the protocol has no more */
        return 0;
    if (my_log_read(&stream->session, from, &to, visit, visitor, &end, error) < 0)
        return -1;
    bool rotated = strcmp(end.file, from->file) != 0;
    return rotated && visit(visitor, &rotate, (struct cdc_bytes){0}, &end, error) < 0 ? -1 : 0;
}

static int ensure_decoder(struct my_stream *stream, struct cdc_error *error)
{
    const struct my_stream_settings *s = &stream->settings;
    const struct my_decoder_settings settings = {.pipeline = s->name,
                                                 .flavor = stream->session.server.flavor,
                                                 .value_format = s->value_format,
                                                 .selection = s->selection,
                                                 .allow_unlogged = s->allow_unlogged,
                                                 .describe = describe,
                                                 .look_ahead = look_ahead,
                                                 .altered = altered,
                                                 .is_no_table = is_no_table,
                                                 .copy = my_stale_is_kept(stream) ? &my_stale_copy : NULL,
                                                 .context = stream,
                                                 .xa_folder = s->xa_folder,
                                                 .log = stream->log};
    stream->settings.selection.any_case = stream->session.server.lower_case_names;
    if (!stream->decoder) {
        stream->decoder = my_decoder_new(&settings, error);
        if (!stream->decoder)
            return -1;
        my_decoder_confirm(stream->decoder, stream->start.confirmed);
    }
    my_decoder_set_server(stream->decoder, stream->session.server.uuid);
    my_decoder_set_lower_case(stream->decoder, stream->session.server.lower_case_names);
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql)
        return -1;
    my_decoder_set_cascades(stream->decoder, my_cascades_are_logged(sql, &stream->session.server));
    if (my_decoder_start(stream->decoder, stream->start.number, stream->start.gtids, &stream->start.coord, error) < 0)
        return -1;
    if (my_decoder_set_temporaries(stream->decoder, &stream->start.temporaries, error) < 0 ||
        my_decoder_set_seen(stream->decoder, &stream->start.seen, error) < 0)
        return -1;
    my_decoder_set_numbering(stream->decoder, &stream->start.numbering);
    my_decoder_set_by_gtid(stream->decoder, my_start_by_gtid(stream));
    my_decoder_set_checksums(stream->decoder, stream->session.server.checksums);
    my_decoder_set_heartbeats(stream->decoder, stream->start.heartbeats);
    my_reading_attach(stream);
    return 0;
}

/* -- the dump ------------------------------------------------------------------------------------- */

/* Where the coordinates are known to be ours, MariaDB is not asked by GTIDs. It looks for the first transaction that has the
 * GTID, in the newest file whose list has none that is newer. A session may have set gtid_seq_no back, or what mysqlbinlog had
 * printed was written to the server again; and after a crash a list may be one of long before:
 *     0-1-3   0-1-4 | 0-1-5   0-1-3   (next file)   0-1-4   0-1-6        the position is after the first 0-1-4; a dump by GTIDs
 *                                                                       begins after the second one */
static bool begins_at_coord(const struct my_stream *stream)
{
    const struct my_start *start = &stream->start;
    return !my_start_by_gtid(stream) || (start->coord_stands && start->coord.position <= UINT32_MAX);
}

static int start_dump(struct my_stream *stream, struct cdc_error *error)
{
    struct my_session *session = &stream->session;
    const struct my_start *start = &stream->start;
    MYSQL *mysql = my_session_beside(session, error);
    if (!mysql)
        return -1;
    const struct my_coord *from = my_torn_file_take(stream);
    if (!from && begins_at_coord(stream))
        from = &start->coord;
    const struct my_dump_request request = {
        .from = from, .gtids = start->gtids, .as_replica = true, .to_end = stream->bounds.in_log};
    if (my_dump_begin(mysql, &session->server, session->replica_id, &request, error) < 0) {
        mysql_close(mysql);
        return -1;
    }
    stream->packets = my_packets_new(mysql, error);
    return stream->packets ? 0 : -1;
}

/* -- the connection --------------------------------------------------------------------------------- */

static int begin_schema(struct my_stream *stream, bool resumes, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    const struct my_schema_start schema_start = {
        .coord = &start->coord,
        .server_uuid = start->server_uuid,
        .number = start->number,
        .point = {my_numbering_after(&start->numbering, start->number), 0},
        .first = !stream->has_start,
        .resumes = resumes,
    };
    if (my_schema_begin(stream->schema, &schema_start, error) < 0)
        return -1;
    return my_schema_save(stream->schema, my_decoder_coord(stream->decoder), my_decoder_point(stream->decoder), error);
}

/* A warning that cannot be given is no reason to stop. */
static void warn(struct my_stream *stream)
{
    struct cdc_error ignored = {0};
    MYSQL *sql = my_session_sql(&stream->session, &ignored);
    if (sql)
        (void)my_unmatched_report(sql, &stream->settings.selection, stream->log, NULL, &ignored);
    if (sql)
        (void)my_cascades_list(sql, &stream->session.server, &stream->settings.selection, stream->log, CDC_LOG_WARNING,
                               &ignored);
}

/* Before the first line, and whenever the server may have been started with other settings. One who asks for all that there
 * is, gets all that is logged. */
static int check_logged(struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_selection *selection = &stream->settings.selection;
    struct cdc_error found = {0}, warning;
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql)
        return -1;
    if (my_logged_check(sql, &stream->session.server, selection, &warning, &found) == 0) {
        if (!stream->has_start && warning.status != 0)
            cdc_log_write(stream->log, CDC_LOG_WARNING, "%s (hint: %s)", warning.text, warning.hint);
        return 0;
    }
    if (found.status == CDC_EXIT_CONFIG && selection->include.count == 0) {
        cdc_log_write(stream->log, CDC_LOG_WARNING, "%s (hint: %s)", found.text, found.hint);
        return 0;
    }
    *error = found;
    return -1;
}

/* Later a table may have been dropped. */
static int check_named_columns(struct my_stream *stream, struct cdc_error *error)
{
    bool first = stream->settings.start->kind != CDC_START_RESUME;
    MYSQL *sql = stream->has_start ? NULL : my_session_sql(&stream->session, error);
    if (!sql)
        return stream->has_start ? 0 : -1;
    return my_unmatched_columns(sql, &stream->settings.selection, first, stream->log, error);
}

static int begin(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    if (my_start_find(stream, from, error) < 0 || my_reading_begin(stream, error) < 0 ||
        my_asked_compare_selection(stream, error) < 0 || my_stale_connect(stream, error) < 0 ||
        my_bounds_settle(&stream->bounds, &stream->session, error) < 0 || ensure_decoder(stream, error) < 0 ||
        check_logged(stream, error) < 0 || check_named_columns(stream, error) < 0 ||
        begin_schema(stream, from != NULL, error) < 0 || start_dump(stream, error) < 0)
        return my_log_off_connect(stream, error);
    return 0;
}

static int connect_and_begin(struct my_stream *stream, const struct cdc_offset *from, struct cdc_error *error)
{
    my_behind_begin_try(&stream->behind);
    bool begun = my_session_read_server(&stream->session, error) == 0 && begin(stream, from, error) == 0;
    my_behind_end_try(&stream->behind);
    if (!begun) {
        my_stream_disconnect(stream);
        return -1;
    }
    if (!stream->has_start)
        warn(stream);
    stream->has_start = true;
    stream->last_receive = stream->last_line = cdc_clock_ms();
    stream->log_due = stream->last_receive + MY_LOG_OFF_MS;
    return 0;
}

int my_stream_connect(void *source, const struct cdc_offset *from, struct cdc_error *error)
{
    struct my_stream *stream = source;
    my_stream_disconnect(stream);
    my_reading_disconnected(stream);
    stream->more = false;
    my_lag_connected(stream);
    my_wait_report(true);
    int result = connect_and_begin(stream, from, error);
    my_wait_report(false);
    return result;
}
void my_stream_disconnect(void *source)
{
    struct my_stream *stream = source;
    uint64_t truncated = stream->decoder ? my_decoder_truncated(stream->decoder) : 0;
    if (truncated != 0)
        stream->truncated = truncated;
    if (stream->packets != NULL)
        my_lag_unknown(stream);
    my_packets_free(stream->packets);
    stream->packets = NULL;
    cdc_error_clear(&stream->late);
    my_session_close(&stream->session);
}
