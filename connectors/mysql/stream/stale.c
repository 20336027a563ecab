/* SPDX-License-Identifier: MIT */
/* Tables whose rows in the copy are no longer the server's (cdc/stale.h), and that the stream cannot read itself (reading.c). An example,
 * of transactions by their numbers:
 *
 *     41 rows of t, u   42 alter table t add c int not null default 7   43 rows of t, u   44 rows of t, u
 *
 * The run ends after 41 with the mark t at 41. cdc-snapshot reads t, and sees 42 and 43 in it. The next run reads from 42 on, tells
 * nothing of t up to 43, and all of u. If a sink has not stored 41 (it was killed), the run after the mark sends it again, without t,
 * and ends there once more. */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/session/log_read.h"
#include "connectors/mysql/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool my_stale_is_kept(const struct my_stream *stream)
{
    return stream->settings.start->heals && stream->settings.marks;
}

/* -- the mark ------------------------------------------------------------------------------------ */

/* The number up to which the sink that is furthest has all; 0 without any. *pos: its position, BORROWED. */
static uint64_t furthest(struct cdc_acks *acks, const char **pos)
{
    uint64_t number, most = 0;
    *pos = NULL;
    for (size_t i = 0; acks && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *sink = cdc_acks_offset(acks, i);
        if (!sink || !my_pos_number(sink->pos, &number) || (*pos && strcmp(sink->pos, *pos) <= 0))
            continue;
        *pos = sink->pos;
        most = number;
    }
    return most;
}

static int set_at(struct cdc_stale *mark, const char *pos, struct cdc_error *error)
{
    char *copy = strdup(pos);
    if (!copy)
        return cdc_error_memory(error);
    free(mark->at);
    mark->at = copy;
    return 0;
}

/* Lines of a round come after all that any sink has, or that sink would not take them, and yet miss what the log then has no
 * more of. One may be ahead: another one was restored from a backup, and the log is read again for it. */
static int pass_sinks(const struct my_stream *stream, struct cdc_stale *mark, struct cdc_error *error)
{
    const struct cdc_offset *smallest;
    const char *pos;
    uint64_t number = 0;
    if (stream->settings.acks && cdc_acks_read(stream->settings.acks, &smallest, error) < 0)
        return -1;
    uint64_t most = furthest(stream->settings.acks, &pos);
    return pos && my_pos_number(mark->at, &number) && most > number ? set_at(mark, pos, error) : 0;
}

/* What the offset file had of the schema stays where nothing newer is known. */
static void append_schema(struct cdc_buf *out, const struct my_stream *stream, const char *schema)
{
    struct cdc_span known = cdc_span_text(schema ? schema : stream->settings.start->own.state);
    struct cdc_span token = known.p ? cdc_json_member(known, "schema") : known;
    cdc_buf_lit(out, "{\"schema\":");
    cdc_buf_span(out, token.p ? token : cdc_span_text("null"));
}

/* -- columns that the copy may have, and the tables have not any more -------------------------------------
 *
 *     alter table t drop c      the copy may keep its values
 *     alter table t add c int   NULL at the server: only reading t again puts that right
 *
 * A column stays in the list until the table is read again or has no row left. A state without a list is of a version that kept none:
 * any column may be one of them (dropped_before), but for those of tables that were read again since, or emptied, which have an entry
 * without a column. */

enum { DROPPED_MAX = 1 << 16 }; /* bytes; above that any column counts as one of them */

/* The next of the list; false at its end. */
static bool next_dropped(const struct cdc_buf *list, const char **at, const char *names[3])
{
    const char *p = *at ? *at : list->data;
    if (list->len == 0 || p == list->data + list->len)
        return false;
    for (int i = 0; i < 3; i++, p += strlen(p) + 1)
        names[i] = p;
    *at = p;
    return true;
}

static bool is_dropped(const struct my_stale *stale, const char *db, const char *table, const char *column)
{
    const char *at = NULL, *names[3];
    while (next_dropped(&stale->dropped, &at, names))
        if (strcmp(names[2], column) == 0 && strcmp(names[1], table) == 0 && strcmp(names[0], db) == 0)
            return true;
    return false;
}

static bool was_dropped(void *source, const char *db, const char *table, const char *column)
{
    const struct my_stream *stream = source;
    const struct my_stale *stale = &stream->stale;
    return stale->dropped.len >= DROPPED_MAX || is_dropped(stale, db, table, column) ||
           (stale->dropped_before && !is_dropped(stale, db, table, ""));
}

static int add_dropped(struct my_stale *stale, const char *db, const char *table, const char *column,
                       struct cdc_error *error)
{
    cdc_buf_append(&stale->dropped, db, strlen(db) + 1);
    cdc_buf_append(&stale->dropped, table, strlen(table) + 1);
    cdc_buf_append(&stale->dropped, column, strlen(column) + 1);
    stale->changed = true;
    return stale->dropped.failed ? cdc_error_memory(error) : 0;
}

static int drop_column(void *source, const char *db, const char *table, const char *column, struct cdc_error *error)
{
    struct my_stream *stream = source;
    return was_dropped(source, db, table, column) ? 0 : add_dropped(&stream->stale, db, table, column, error);
}

/* The copy has none of its old columns any more. */
static int forget_dropped(struct my_stale *stale, const char *db, const char *table, struct cdc_error *error)
{
    struct cdc_buf kept = CDC_BUF_INIT;
    const char *at = NULL, *names[3];
    size_t had = stale->dropped.len;
    while (next_dropped(&stale->dropped, &at, names))
        if (strcmp(names[1], table) != 0 || strcmp(names[0], db) != 0)
            cdc_buf_append(&kept, names[0], (size_t)(at - names[0]));
    if (kept.failed) {
        cdc_buf_free(&kept);
        return cdc_error_memory(error);
    }
    cdc_buf_free(&stale->dropped);
    stale->dropped = kept;
    stale->changed |= kept.len != had;
    return stale->dropped_before ? add_dropped(stale, db, table, "", error) : 0;
}

int my_stale_was_read(struct my_stream *stream, const char *db, const char *table, struct cdc_error *error)
{
    return forget_dropped(&stream->stale, db, table, error);
}

static int empty(void *source, const char *db, const char *table, struct cdc_error *error)
{
    struct my_stream *stream = source;
    return forget_dropped(&stream->stale, db, table, error);
}

/* ,"dropped":[["d","t","c"],...],"dropped_before":true */
static void append_dropped(struct cdc_buf *out, const struct my_stale *stale)
{
    const char *at = NULL, *names[3], *separator = "[";
    cdc_buf_lit(out, ",\"dropped\":[");
    for (; next_dropped(&stale->dropped, &at, names); separator = ",[")
        for (int i = 0; i < 3; i++) {
            cdc_buf_text(out, i == 0 ? separator : ",");
            cdc_json_append_text(out, names[i], strlen(names[i]));
            cdc_buf_text(out, i == 2 ? "]" : "");
        }
    cdc_buf_text(out, stale->dropped_before ? "],\"dropped_before\":true" : "]");
}

static int read_dropped(struct my_stale *stale, struct cdc_span state, struct cdc_error *error)
{
    struct cdc_span list = state.p ? cdc_json_member(state, "dropped") : state, item, name;
    struct cdc_json_iter items, names;
    cdc_json_iter_begin(&items, list.p ? list : cdc_span_text("[]"));
    while (cdc_json_next_element(&items, &item)) {
        int n = 0;
        cdc_json_iter_begin(&names, item);
        for (; cdc_json_next_element(&names, &name) && cdc_json_string_raw(name).p; n++) {
            cdc_json_unescape(&stale->dropped, cdc_json_string_raw(name));
            cdc_buf_byte(&stale->dropped, '\0');
        }
        if (n != 3)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "\"dropped\" of the pipeline's state is damaged");
    }
    return stale->dropped.failed ? cdc_error_memory(error) : 0;
}

/* -- the state ----------------------------------------------------------------------------------------- */

static const char *compose(struct my_stream *stream, const char *schema, const struct cdc_stale *mark)
{
    struct cdc_buf *state = &stream->stale.state;
    state->len = 0;
    append_schema(state, stream, schema);
    cdc_buf_lit(state, ",\"selection\":");
    my_selection_append(state, &stream->settings.selection);
    append_dropped(state, &stream->stale);
    cdc_stale_append(state, mark);
    cdc_rounds_append(state, &stream->reading.rounds);
    cdc_buf_append(state, "}", 2);
    return state->failed ? NULL : state->data;
}

const char *my_stale_state(struct my_stream *stream, const char *schema)
{
    if (!my_stale_is_kept(stream))
        return schema;
    return compose(stream, schema, &stream->stale.open);
}

/* The position stays as it is: it is the sinks' to move. */
static int save(struct my_stream *stream, const struct cdc_stale *mark, struct cdc_error *error)
{
    struct cdc_offset_file *offsets = stream->settings.offsets;
    const struct cdc_offset *entry = cdc_offset_file_get(offsets, stream->settings.name);
    struct cdc_offset kept = {.pos = NULL};
    const char *state = compose(stream, my_schema_state(stream->schema), mark);
    int result = state ? 0 : cdc_error_memory(error);
    if (result == 0 && entry)
        result = cdc_offset_copy(&kept, entry, error);
    if (result == 0 && !kept.pos && !(kept.pos = strdup("")))
        result = cdc_error_memory(error);
    free(kept.state);
    kept.state = result == 0 ? strdup(state) : NULL;
    if (result == 0 && !kept.state)
        result = cdc_error_memory(error);
    if (result == 0)
        result = cdc_offset_file_set(offsets, stream->settings.name, &kept, error);
    cdc_offset_free(&kept);
    return result == 0 ? cdc_offset_file_save(offsets, error) : -1;
}

int my_stale_save(struct my_stream *stream, struct cdc_error *error)
{
    if (!stream->stale.changed)
        return 0;
    stream->stale.changed = false;
    return save(stream, &stream->stale.open, error);
}

static int copy_mark(struct cdc_stale *mark, const struct cdc_stale *from, struct cdc_error *error)
{
    for (size_t i = 0; i < from->n; i++)
        if (cdc_stale_add(mark, from->tables[i].db, from->tables[i].schema, from->tables[i].table, from->tables[i].why,
                          error) < 0)
            return -1;
    return 0;
}

/* Do all sinks have what comes before the round? */
static int are_sinks_there(const struct my_stream *stream, struct cdc_error *error)
{
    const struct cdc_start *start = stream->settings.start;
    if (!stream->settings.acks)
        return start->from.pos && strcmp(start->from.pos, stream->stale.open.at) >= 0;
    return cdc_acks_passed(stream->settings.acks, stream->stale.open.at, error);
}

int my_stale_open(struct my_stream *stream, struct cdc_error *error)
{
    struct cdc_stale *open = &stream->stale.open;
    const struct cdc_stale *found = &stream->settings.start->stale;
    if (!my_stale_is_kept(stream))
        return 0;
    const struct cdc_offset *entry = cdc_offset_file_get(stream->settings.offsets, stream->settings.name);
    struct cdc_span state = cdc_span_text(entry ? entry->state : NULL);
    stream->stale.dropped_before =
        entry && *entry->pos &&
        (!state.p || !cdc_json_member(state, "dropped").p || cdc_json_member(state, "dropped_before").p);
    if (read_dropped(&stream->stale, state, error) < 0)
        return -1;
    if (found->n == 0)
        return 0;
    if (copy_mark(open, found, error) < 0 || set_at(open, found->at, error) < 0 ||
        pass_sinks(stream, open, error) < 0 || save(stream, open, error) < 0)
        return -1;
    stream->stale.saved = true;
    int there = are_sinks_there(stream, error);
    return there < 0 ? -1 : there > 0 ? cdc_stale_stop(open, error) : 0;
}

void my_stale_close(struct my_stream *stream)
{
    struct my_stale *stale = &stream->stale;
    cdc_stale_clear(&stale->open);
    cdc_stale_clear(&stale->found);
    cdc_stale_clear(&stale->asked);
    while (stale->n_rounds > 0)
        my_read_at_free(&stale->rounds[--stale->n_rounds].at);
    free(stale->rounds);
    stale->rounds = NULL;
    cdc_offset_free(&stale->end);
    cdc_buf_free(&stale->dropped);
    cdc_buf_free(&stale->state);
}

/* -- what is to be told ------------------------------------------------------------------------------ */

static bool is_omitted(void *source, const char *db, const char *table)
{
    const struct my_stream *stream = source;
    const struct my_stale *stale = &stream->stale;
    if (cdc_stale_has(&stale->open, db, "", table) || my_reading_omits(stream, db, table) ||
        (stale->looking_on && cdc_stale_has(&stale->found, db, "", table)))
        return true;
    for (size_t i = 0; i < stale->n_rounds; i++)
        if (stale->rounds[i].is_seen && cdc_stale_has(&stale->rounds[i].at.tables, db, "", table))
            return true;
    return false;
}

static void append_names(struct cdc_buf *out, size_t start, const struct cdc_stale *tables, const char *db)
{
    for (size_t i = 0; i < tables->n; i++) {
        if (strcmp(tables->tables[i].db, db) != 0)
            continue;
        cdc_buf_text(out, out->len > start ? "," : "");
        cdc_json_append_text(out, tables->tables[i].table, strlen(tables->tables[i].table));
    }
}

/* A name may come twice. */
static void omitted_of(void *source, const char *db, struct cdc_buf *out)
{
    const struct my_stream *stream = source;
    const struct my_stale *stale = &stream->stale;
    const size_t start = out->len;
    append_names(out, start, &stale->open, db);
    append_names(out, start, &stream->reading.open, db);
    if (stream->reading.live.hidden && stream->reading.db && strcmp(stream->reading.db, db) == 0) {
        cdc_buf_text(out, out->len > start ? "," : "");
        cdc_json_append_text(out, stream->reading.name, strlen(stream->reading.name));
    }
    if (stale->looking_on)
        append_names(out, start, &stale->found, db);
    for (size_t i = 0; i < stale->n_rounds; i++)
        if (stale->rounds[i].is_seen)
            append_names(out, start, &stale->rounds[i].at.tables, db);
}

int my_stale_take(void *source, const char *db, const char *table, const char *why, struct cdc_error *error)
{
    struct my_stream *stream = source;
    return cdc_stale_add(&stream->stale.found, db, "", table, why, error);
}

/* A session that logs statements while the server logs rows is an exception, and all tables are read again. Where the server itself
 * does so, or the form of a table makes it do so, the next change would come in the same way. 1, 0, -1. */
static int logs_rows(MYSQL *sql, const struct my_server *server, struct cdc_error *error)
{
    char *format = my_server_variable(sql, "binlog_format", error);
    int rows = !format ? -1 : strcasecmp(format, "ROW") == 0;
    free(format);
    if (rows <= 0 || server->flavor != MY_FLAVOR_MARIADB)
        return rows;
    char *versioned = my_session_value(sql,
                                       "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE GENERATION_EXPRESSION = "
                                       "'ROW START' AND DATA_TYPE = 'bigint'",
                                       "cannot ask for tables with versions by transaction", error);
    rows = !versioned ? -1 : strcmp(versioned, "0") == 0;
    free(versioned);
    return rows;
}

int my_stale_take_all(void *source, const char *why, struct cdc_error *error)
{
    struct my_stream *stream = source;
    MYSQL *sql = my_session_sql(&stream->session, error);
    int rows = sql ? logs_rows(sql, &stream->session.server, error) : -1;
    MYSQL_RES *tables = rows > 0 ? my_catalog_list_names(sql, error) : NULL;
    int result = rows == 0 ? 0 : tables ? 1 : -1;
    size_t had = stream->stale.found.n;
    for (MYSQL_ROW row; result >= 0 && tables && (row = mysql_fetch_row(tables)) != NULL;) {
        if (!row[0] || !row[1] || !cdc_selection_has_table(&stream->settings.selection, row[0], row[1]) ||
            is_omitted(stream, row[0], row[1]))
            continue;
        result = my_stale_take(stream, row[0], row[1], why, error) < 0 ? -1 : result;
    }
    mysql_free_result(tables);
    if (result <= 0 || stream->stale.found.n == had)
        return result;
    return cdc_error_set(error, CDC_EXIT_TEMPORARY, "%s", why);
}

/* -- what rounds have seen ----------------------------------------------------------------------------- */

/* Where the name is another one, the log that was found to be ours tells: MariaDB's changes with host and port. */
static bool is_here(const struct my_stream *stream, const struct my_read_at *at)
{
    const struct my_server *server = &stream->session.server;
    if (strcmp(at->server_uuid, server->uuid) == 0 || strcmp(at->server_uuid, server->own_name) == 0)
        return true;
    return server->flavor == MY_FLAVOR_MARIADB && stream->start.coord_stands &&
           strncmp(at->server_uuid, server->own_name, strcspn(server->own_name, "/") + 1) == 0;
}

/* Does reading begin after all that it has seen? Not right there: then its columns hold from the start on. */
static int is_passed(const struct my_stream *stream, const struct my_round *round, struct cdc_error *error)
{
    const struct my_start *start = &stream->start;
    enum my_flavor flavor = stream->session.server.flavor;
    enum my_gtid_kind kind = flavor == MY_FLAVOR_MYSQL ? MY_GTID_OF_MYSQL : MY_GTID_OF_MARIADB;
    if (my_read_at_by_coord(&round->at, kind, round->here))
        return start->coord.file[0] && my_coord_compare(&round->at.coord, &start->coord) < 0;
    struct my_gtid_set *set = my_gtid_set_new(flavor, error);
    int result = set ? my_gtid_set_parse(set, cdc_span_text(start->gtids), error) : -1;
    if (result == 0)
        result = my_gtid_set_includes(set, round->at.set) && !my_gtid_set_equal(set, round->at.set);
    my_gtid_set_free(set);
    return result;
}

static int lost(struct cdc_error *error)
{
    return my_start_lost(error, "tables were read again at a server that had transactions which this one has not");
}

/* Another MariaDB counts on in the same domain, where it took over without the last transactions: 0-1-8 may be 0-2-8 there. */
static int check_found(struct my_stream *stream, const struct my_round *round, struct cdc_error *error)
{
    int has = my_failover_has(stream, round->at.set, error);
    return has < 0 ? -1 : has > 0 ? 0 : lost(error);
}

static int check_end(struct my_stream *stream, MYSQL *sql, const struct my_round *round, struct cdc_error *error)
{
    struct my_coord end;
    char *gtids = NULL;
    if (my_server_end(sql, &stream->session.server, &end, &gtids, error) < 0)
        return -1;
    bool by_coord = my_read_at_by_coord(&round->at, MY_GTID_OF_MARIADB, round->here);
    struct my_gtid_set *set = by_coord ? NULL : my_gtid_set_new(stream->session.server.flavor, error);
    int result = by_coord || (set && my_gtid_set_parse(set, cdc_span_text(gtids), error) == 0) ? 0 : -1;
    free(gtids);
    if (result == 0 &&
        (by_coord ? my_coord_compare(&end, &round->at.coord) < 0 : !my_gtid_set_includes(set, round->at.set)))
        result = lost(error);
    my_gtid_set_free(set);
    return result < 0 || by_coord || stream->session.server.flavor != MY_FLAVOR_MARIADB
               ? result
               : check_found(stream, round, error);
}

/* MariaDB: are the same transactions before that place of the log? A server that was set back to a copy of itself goes on with others
 * in the same file. */
static int check_place(struct my_stream *stream, const struct my_round *round, struct cdc_error *error)
{
    char *gtids = NULL;
    if (stream->session.server.flavor != MY_FLAVOR_MARIADB ||
        !my_read_at_by_coord(&round->at, MY_GTID_OF_MARIADB, round->here))
        return 0;
    int found = my_log_gtids_at(&stream->session, &round->at.coord, &gtids, error) == 0 ? 1 : -1;
    if (found < 0 && error->status == CDC_EXIT_LOST) {
        cdc_error_clear(error);
        found = 0;
    }
    struct my_gtid_set *set = found > 0 ? my_gtid_set_new(MY_FLAVOR_MARIADB, error) : NULL;
    int result = found == 0 ? lost(error) : set ? my_gtid_set_parse(set, cdc_span_text(gtids), error) : -1;
    if (result == 0 && !my_gtid_set_equal(set, round->at.set) && !my_gtid_set_is_rest(round->at.set, set))
        result = lost(error);
    my_gtid_set_free(set);
    free(gtids);
    return result;
}

/* The copy has what the round has seen, and the log must go on after it. */
static int check_server(struct my_stream *stream, const struct my_round *round, struct cdc_error *error)
{
    MYSQL *sql = my_session_sql(&stream->session, error);
    if (!sql || (!round->here && my_behind_check(stream, round->at.server_uuid, round->at.gtids, error) < 0))
        return -1;
    if (stream->session.server.flavor == MY_FLAVOR_MARIADB || my_gtid_set_is_empty(round->at.set))
        return check_end(stream, sql, round, error) < 0 ? -1 : check_place(stream, round, error);
    int known = my_server_is_subset(sql, round->at.gtids, "@@GLOBAL.gtid_executed", error);
    return known < 0 ? -1 : known > 0 ? 0 : lost(error);
}

/* One that is not whole, or whose sinks have it not, is in the mark. */
static int add_round(struct my_stream *stream, const struct cdc_round *from, struct cdc_error *error)
{
    struct my_stale *stale = &stream->stale;
    struct my_round *round = &stale->rounds[stale->n_rounds];
    *round = (struct my_round){.is_seen = true};
    if (!from->read_at || !from->attempt.written)
        return 0;
    stale->n_rounds++;
    if (my_read_at_parse(&round->at, cdc_span_text(from->read_at), stream->session.server.flavor, error) < 0)
        return -1;
    round->here = is_here(stream, &round->at);
    int passed = is_passed(stream, round, error);
    if (passed > 0)
        my_read_at_free(&stale->rounds[--stale->n_rounds].at);
    return passed < 0 ? -1 : passed > 0 ? 0 : check_server(stream, round, error);
}

int my_stale_connect(struct my_stream *stream, struct cdc_error *error)
{
    struct my_stale *stale = &stream->stale;
    const struct cdc_rounds *all = &stream->settings.start->rounds;
    while (stale->n_rounds > 0)
        my_read_at_free(&stale->rounds[--stale->n_rounds].at);
    free(stale->rounds);
    stale->rounds = calloc(all->n + 1, sizeof *stale->rounds);
    if (!stale->rounds)
        return cdc_error_memory(error);
    for (size_t i = 0; i < all->n; i++)
        if (add_round(stream, &all->items[i], error) < 0)
            return -1;
    return 0;
}

/* From this transaction on its tables are what it has read, or, at a server that has them in another order, not yet again. There, a
 * column may have been dropped after the read in what came before. */
static int turn(struct my_stream *stream, struct my_round *round, struct cdc_error *error)
{
    const struct cdc_stale *tables = &round->at.tables;
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        struct cdc_span columns = my_read_at_columns(&round->at, table->db, table->table);
        my_decoder_forget_table(stream->decoder, table->db, table->table);
        if (!round->is_seen && columns.p &&
            my_schema_know(stream->schema, table->db, table->table, my_decoder_point(stream->decoder), columns, error) <
                0)
            return -1;
        if (!round->is_seen && round->here && forget_dropped(&stream->stale, table->db, table->table, error) < 0)
            return -1;
    }
    return 0;
}

static int begins(void *source, const struct my_gtid *gtid, const struct my_coord *coord, struct cdc_error *error)
{
    struct my_stream *stream = source;
    my_reading_begins(stream, gtid, coord);
    for (size_t i = 0; i < stream->stale.n_rounds; i++) {
        struct my_round *round = &stream->stale.rounds[i];
        bool seen = !round->passed && my_read_at_has(&round->at, gtid, coord, round->here);
        if (round->is_seen == seen)
            continue;
        round->is_seen = seen;
        if (turn(stream, round, error) < 0)
            return -1;
        round->passed = !seen && (my_read_at_by_coord(&round->at, gtid->kind, round->here) ||
                                  my_gtid_set_includes(my_decoder_gtids(stream->decoder), round->at.set));
    }
    return 0;
}

/* -- keys and types -------------------------------------------------------------------------------------- */

/* Whatever came between: one that lost its primary key since has a statement of its own for that. */
static int keeps_key(void *source, const char *db, const char *table, struct cdc_error *error)
{
    struct my_stream *stream = source;
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_catalog_keeps_key(sql, db, table, error) : -1;
}

static int keeps_json(void *source, const char *db, const char *table, bool where_unknown, struct cdc_error *error)
{
    struct my_stream *stream = source;
    return my_schema_keeps_json(stream->schema, db, table, my_decoder_point(stream->decoder), where_unknown, error);
}

static int computes(void *source, const char *db, const char *table, struct cdc_error *error)
{
    struct my_stream *stream = source;
    MYSQL *sql = my_session_sql(&stream->session, error);
    return sql ? my_catalog_computes(sql, db, table, error) : -1;
}

static int may_be_bytes(void *source, const char *db, const char *table, const char *column, struct cdc_error *error)
{
    struct my_stream *stream = source;
    MYSQL *sql = my_session_sql(&stream->session, error);
    int may_be = sql ? my_catalog_may_be_bytes(sql, db, table, column, error) : -1;
    if (may_be != 0)
        return may_be;
    return my_schema_charset_changes(stream->schema, table, my_decoder_coord(stream->decoder), error);
}

static char *type_of(void *source, const char *db, const char *table, const char *column, bool *nullable)
{
    struct my_stream *stream = source;
    return my_schema_type_of(stream->schema, db, table, column, my_decoder_point(stream->decoder), nullable);
}

static int withhold(void *source, const char *db, const char *table, const char *why, struct cdc_error *error)
{
    return my_reading_withhold(source, db, table, why, error);
}

const struct my_copy_ops my_stale_copy = {.begins = begins,
                                          .is_omitted = is_omitted,
                                          .omitted_of = omitted_of,
                                          .withhold = withhold,
                                          .stale = my_stale_take,
                                          .stale_all = my_stale_take_all,
                                          .drop_column = drop_column,
                                          .was_dropped = was_dropped,
                                          .empty = empty,
                                          .keeps_key = keeps_key,
                                          .keeps_json = keeps_json,
                                          .computes = computes,
                                          .may_be_bytes = may_be_bytes,
                                          .type_of = type_of};

/* -- the end of the run ---------------------------------------------------------------------------------- */

/* Of the lines that are written, or were before the run: a heartbeat right after a round has a smaller position than that. */
static const char *boundary_of(const struct my_stream *stream)
{
    const struct cdc_offset *boundary = stream->decoder ? my_decoder_boundary(stream->decoder) : NULL;
    if (stream->stale.found.n > 0)
        boundary = stream->stale.end.pos ? &stream->stale.end : NULL;
    const char *start = stream->settings.start->from.pos ? stream->settings.start->from.pos : "";
    return boundary && strcmp(boundary->pos, start) > 0 ? boundary->pos : start;
}

/* A heartbeat is enough where no transaction is needed to get there. */
static bool is_near(const char *pos, const char *at)
{
    uint64_t number;
    char text[64];
    struct cdc_buf last = {text, 0, sizeof text, false};
    if (!my_pos_number(pos, &number))
        return false;
    my_pos_heartbeat(&last, number, UINT32_MAX);
    cdc_buf_byte(&last, '\0');
    return strcmp(text, at) >= 0;
}

void my_stale_look(struct my_stream *stream, struct cdc_buf *out)
{
    const struct cdc_stale *open = &stream->stale.open;
    if (open->n == 0 || stream->ended || stream->more || my_decoder_in_transaction(stream->decoder))
        return;
    const char *pos = boundary_of(stream);
    if (strcmp(pos, open->at) < 0 && is_near(pos, open->at) &&
        (my_decoder_coord(stream->decoder)->file[0] || !my_gtid_set_is_empty(my_decoder_gtids(stream->decoder)))) {
        uint32_t counter = my_pos_counter(open->at);
        my_decoder_set_heartbeats(stream->decoder, counter > 0 ? counter - 1 : 0);
        my_decoder_heartbeat(stream->decoder, cdc_clock_wall_ms(), out);
        pos = boundary_of(stream);
    }
    stream->stale.reached = strcmp(pos, open->at) >= 0;
    stream->ended |= stream->stale.reached;
}

/* A mark where a round was read already is another one, after it: else that would be its answer. Of the transaction after a round,
 * another table may be found stale, before any other boundary. */
static int pass_rounds(const struct my_stream *stream, struct cdc_stale *mark, struct cdc_error *error)
{
    const struct cdc_rounds *rounds = &stream->settings.start->rounds;
    for (size_t i = 0; i < rounds->n; i++) {
        const struct cdc_round *round = &rounds->items[i];
        if (round->attempt.written && strcmp(round->of.at, mark->at) == 0 &&
            strcmp(round->attempt.written, mark->at) > 0 && set_at(mark, round->attempt.written, error) < 0)
            return -1;
    }
    return 0;
}

int my_stale_end(void *source, struct cdc_error *error)
{
    struct my_stream *stream = source;
    struct my_stale *stale = &stream->stale;
    if (stale->found.n == 0 && stale->reached)
        return cdc_stale_stop(&stale->open, error);
    if (stale->found.n == 0) /* --idle-exit: what waits to be read withholds the lines of its table */
        return stream->reading.asked.n > 0 ? cdc_stale_stop(&stream->reading.asked, error) : 0;
    for (size_t i = 0; i < stale->found.n; i++)
        my_reading_leave(stream, stale->found.tables[i].db, stale->found.tables[i].table);
    const char *pos = boundary_of(stream);
    if ((!stale->open.at || strcmp(pos, stale->open.at) > 0) && set_at(&stale->open, pos, error) < 0)
        return -1;
    bool fresh = stale->open.n == 0;
    if (fresh && pass_rounds(stream, &stale->open, error) < 0)
        return -1;
    if (copy_mark(&stale->open, &stale->found, error) < 0 || pass_sinks(stream, &stale->open, error) < 0 ||
        save(stream, &stale->open, error) < 0)
        return -1;
    stale->saved = true;
    return cdc_stale_stop(&stale->open, error);
}
