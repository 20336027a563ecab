/* SPDX-License-Identifier: MIT */
/* A server that goes on without its log (my_server_log_is_off). MariaDB's dumps of it go on, too: with heartbeats, as at a server where
 * nothing happens. Once it is started again it writes a new file, and nothing in the log tells of what is missing:
 *
 *     binlog.000007   a b                     c, d: written while the log was off        binlog.000008   e
 *
 * So it is asked now and then while nothing comes, and a copy that is kept has all its tables read again. */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/retry.h>

static const char why_stale[] = "the server had turned its binary log off";

/* All tables that are selected are stale: the next start begins where sinks are. */
static int mark_all(struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    struct cdc_stale *open = &stream->stale.open;
    struct cdc_selection selection = stream->settings.selection;
    selection.any_case = stream->session.server.lower_case_names;
    MYSQL *sql = my_session_sql(&stream->session, error);
    MYSQL_RES *tables = sql ? my_catalog_list_names(sql, error) : NULL;
    int result = tables ? 0 : -1;
    for (MYSQL_ROW row; result == 0 && (row = mysql_fetch_row(tables)) != NULL;)
        if (row[0] && row[1] && cdc_selection_has_table(&selection, row[0], row[1]))
            result = cdc_stale_add(open, row[0], "", row[1], why_stale, error);
    mysql_free_result(tables);
    if (result == 0 && open->n > 0)
        result = cdc_rounds_mark(&start->rounds, open, start->from.pos, stream->settings.acks, error);
    stream->stale.changed = true;
    return result < 0 ? -1 : my_stale_save(stream, error);
}

int my_log_off_connect(struct my_stream *stream, struct cdc_error *error)
{
    bool first = stream->settings.start->kind == CDC_START_FIRST && !stream->has_start;
    struct cdc_error ignored = {0};
    MYSQL *sql = error->status == CDC_EXIT_CONFIG ? my_session_sql(&stream->session, &ignored) : NULL;
    if (!sql || !my_server_log_is_off(sql, &stream->session.server))
        return -1;
    cdc_error_clear(error);
    if (first || !my_stale_is_kept(stream))
        return my_session_log_off_error(error, first ? CDC_EXIT_CONFIG : CDC_EXIT_LOST);
    return mark_all(stream, error) < 0 ? -1 : my_session_log_off_error(error, CDC_EXIT_CONFIG);
}

static bool is_due(struct my_stream *stream)
{
    int64_t now = cdc_clock_ms();
    if (now < stream->log_due || stream->ended || stream->stale.found.n > 0 || stream->more ||
        my_decoder_in_transaction(stream->decoder))
        return false;
    stream->log_due = now + MY_LOG_OFF_MS;
    return true;
}

int my_log_off_look(struct my_stream *stream, struct cdc_error *error)
{
    struct cdc_error ignored = {0};
    MYSQL *sql = is_due(stream) ? my_session_sql(&stream->session, &ignored) : NULL;
    if (!sql || !my_server_log_is_off(sql, &stream->session.server))
        return 0;
    if (!my_stale_is_kept(stream))
        return my_session_log_off_error(error, CDC_EXIT_LOST);
    if (my_stale_take_all(stream, why_stale, error) < 0 && error->status != CDC_EXIT_TEMPORARY)
        return -1;
    cdc_error_clear(error);
    return stream->stale.found.n > 0;
}
