/* SPDX-License-Identifier: MIT */
/* Tables that are to be read again because somebody asks for it (cdc/request.h), or because -t and -T take them in that they left out
 * in the last run: what changed meanwhile is in no line, and the rows of before are in no copy.
 *
 *      mysql-binlog -t shop.a              its state: "selection":{"include":["shop.a"],"exclude":[]}
 *      mysql-binlog -t shop.a -t shop.b    shop.b is there, and was not selected: it is stale */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/request.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 1000

/* -- requests ---------------------------------------------------------------------------------------- */

/* A request is worth no end of the stream: what cannot be read or changed is said once, and looked at again. */
static void report(struct my_stream *stream, const struct cdc_error *failed)
{
    if (!stream->stale.asking_failed)
        cdc_log_write(stream->log, CDC_LOG_WARNING, "%s%s%s (said once)", failed->text, failed->hint[0] ? "; " : "",
                      failed->hint);
    stream->stale.asking_failed = true;
}

static void settle(struct my_stream *stream, const struct cdc_stale *asked)
{
    struct cdc_error failed = {0};
    if (stream->settings.state_dir &&
        cdc_request_settle(asked, stream->settings.state_dir, stream->settings.name, &failed) < 0)
        report(stream, &failed);
}

void my_asked_begin(struct my_stream *stream)
{
    if (!my_stale_is_kept(stream))
        return;
    settle(stream, &stream->settings.start->marked);
    if (stream->stale.saved)
        settle(stream, &stream->settings.start->asked);
}

int my_asked_end(void *source, struct cdc_error *error)
{
    struct my_stream *stream = source;
    stream->stale.saved = false;
    int result = my_stale_end(stream, error);
    if (stream->stale.saved)
        settle(stream, &stream->stale.asked);
    return result;
}

static bool is_due(struct my_stream *stream)
{
    int64_t now = cdc_clock_ms();
    if (!my_stale_is_kept(stream) || !stream->settings.state_dir || stream->stale.found.n > 0 || stream->ended ||
        now < stream->stale.ask_due)
        return false;
    stream->stale.ask_due = now + ASK_MS;
    return true;
}

/* 1: the stream must end for one of them; 0; -1. Those that it reads itself stay in the file until they are begun. */
static int take(struct my_stream *stream, const struct cdc_stale *asked, struct cdc_error *error)
{
    int result = 0;
    for (size_t i = 0; i < asked->n; i++) {
        const struct cdc_stale_table *table = &asked->tables[i];
        int reads = my_reading_ask(stream, table, error);
        if (reads < 0 ||
            (reads == 0 && (my_stale_take(stream, table->db, table->table, table->why, error) < 0 ||
                            cdc_stale_add(&stream->stale.asked, table->db, "", table->table, table->why, error) < 0)))
            return -1;
        result |= reads == 0;
    }
    return result;
}

int my_asked_look(struct my_stream *stream, struct cdc_error *error)
{
    struct cdc_stale asked = {.at = NULL};
    struct cdc_error failed = {0};
    if (!is_due(stream))
        return 0;
    if (cdc_request_read(&asked, stream->settings.state_dir, stream->settings.name, &failed) < 0)
        report(stream, &failed);
    int result = take(stream, &asked, error);
    cdc_stale_clear(&asked);
    return result;
}

/* -- what is selected ---------------------------------------------------------------------------------- */

/* What the last run went by: our own state says it, or before that the snapshot's. {NULL, 0}: an older version's does not. */
static struct cdc_span last_selection(const struct my_stream *stream)
{
    const struct cdc_start *start = stream->settings.start;
    const struct cdc_offset *entry = cdc_offset_file_get(stream->settings.offsets, stream->settings.name);
    struct cdc_span own = cdc_span_text(entry ? entry->state : NULL);
    struct cdc_span kept = own.p ? cdc_json_member(own, "selection") : own;
    return kept.p ? kept : cdc_json_member(cdc_span_text(start->snapshot), "selection");
}

/* Nothing of it comes until it was read while the stream goes on, or, where it cannot be, the stream ends for it. */
static int add_table(struct my_stream *stream, const char *db, const char *table, const char *why,
                     struct cdc_error *error)
{
    int withheld = my_reading_withhold(stream, db, table, why, error);
    if (withheld != 0)
        return withheld < 0 ? -1 : 0;
    cdc_log_write(stream->log, CDC_LOG_INFO, "table %s.%s is to be read again: %s", db, table, why);
    return cdc_stale_add(&stream->stale.open, db, "", table, why, error);
}

/* Has `of` each column of the table that `selection` names? */
static bool has_named(const struct cdc_selection *of, const struct cdc_selection *selection, const char *db,
                      const char *table)
{
    struct cdc_selection_walk walk = {0};
    struct cdc_span name;
    while (cdc_selection_next_column(selection, db, table, &walk, &name)) {
        struct cdc_selection_walk other = {0};
        struct cdc_span same = {NULL, 0};
        while (cdc_selection_next_column(of, db, table, &other, &same) && !cdc_span_equal(name, same))
            same = (struct cdc_span){NULL, 0};
        if (!same.p || !cdc_span_equal(name, same))
            return false;
    }
    return true;
}

/* NULL: a copy has it as it is selected now. */
static const char *why_again(const struct cdc_selection *before, const struct cdc_selection *now, const char *db,
                             const char *table)
{
    if (!cdc_selection_has_table(before, db, table))
        return "it was not selected before";
    return has_named(before, now, db, table) && has_named(now, before, db, table) ? NULL
                                                                                  : "other columns of it are selected";
}

/* Snapshot and stream that were given different tables look just so, and a copy stands still: it is said, once. */
static void tell_left(const struct my_stream *stream, const char *db, const char *table)
{
    cdc_log_write(
        stream->log, CDC_LOG_WARNING,
        "table %s.%s is not selected any more: its changes come no more, and copies keep its rows as they are "
        "(hint: cdc-snapshot and mysql-binlog are to be given the same -t and -T)",
        db, table);
}

/* Of the tables that are there, those that are selected now and were not, or otherwise. */
static int find_newly_selected(struct my_stream *stream, const struct cdc_selection *before, struct cdc_error *error)
{
    struct cdc_selection now = stream->settings.selection;
    now.any_case = stream->session.server.lower_case_names;
    MYSQL *sql = my_session_sql(&stream->session, error);
    MYSQL_RES *tables = sql ? my_catalog_list_names(sql, error) : NULL;
    int result = tables ? 0 : -1;
    for (MYSQL_ROW row; result == 0 && (row = mysql_fetch_row(tables)) != NULL;)
        if (row[0] && row[1] && cdc_selection_has_table(&now, row[0], row[1])) {
            const char *why = why_again(before, &now, row[0], row[1]);
            result = why ? add_table(stream, row[0], row[1], why, error) : 0;
        } else if (row[0] && row[1] && cdc_selection_has_table(before, row[0], row[1])) {
            tell_left(stream, row[0], row[1]);
        }
    mysql_free_result(tables);
    return result;
}

static int mark_newly_selected(struct my_stream *stream, struct cdc_span kept, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    struct cdc_stale *open = &stream->stale.open;
    struct my_kept_selection before;
    size_t n = open->n;
    int result = my_selection_read(&before, kept, error);
    before.selection.any_case = stream->session.server.lower_case_names;
    if (result == 0)
        result = find_newly_selected(stream, &before.selection, error);
    my_selection_free_kept(&before);
    if (result == 0 && open->n > n)
        result = cdc_rounds_mark(&start->rounds, open, start->from.pos, stream->settings.acks, error);
    return result;
}

/* Or old rows of a copy lack columns that new ones have. Where the snapshot's state is not beside ours, the end of its rows says it. */
static int check_columns(const struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    const char *kept = start->snapshot                     ? start->snapshot
                       : start->kind == CDC_START_SNAPSHOT ? start->from.source
                                                           : NULL;
    if (!kept || my_selection_has_columns(cdc_span_text(kept), &stream->settings.selection))
        return 0;
    struct cdc_span other = cdc_json_member(cdc_span_text(kept), "columns");
    cdc_error_set(error, CDC_EXIT_CONFIG, "--columns is not that of cdc-snapshot, which had %s%.*s",
                  other.p ? "" : "none", other.p ? (int)(other.n < 300 ? other.n : 300) : 0, other.p ? other.p : "");
    return cdc_error_hint(error, "give cdc-snapshot and mysql-binlog the same --columns, in the same order");
}

int my_asked_compare_selection(struct my_stream *stream, struct cdc_error *error)
{
    if (!stream->has_start && check_columns(stream, error) < 0)
        return -1;
    struct cdc_buf now = CDC_BUF_INIT;
    if (!my_stale_is_kept(stream) || stream->has_start)
        return 0;
    struct cdc_span kept = last_selection(stream);
    my_selection_append(&now, &stream->settings.selection);
    bool same = !now.failed && kept.p && cdc_span_equal(kept, (struct cdc_span){now.data, now.len});
    cdc_buf_free(&now);
    if (same)
        return 0;
    if (kept.p && mark_newly_selected(stream, kept, error) < 0)
        return -1;
    stream->stale.changed = true; /* saved before the first line */
    return 0;
}
