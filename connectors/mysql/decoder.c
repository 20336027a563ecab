/* SPDX-License-Identifier: MIT */
/* Events in, lines out. A group (GTID ... XID or COMMIT, or a single statement) is a transaction; the log has only what was
 * committed, so its lines go out as they come. */
#include "connectors/mysql/decoder.h"
#include "connectors/mysql/xa.h"

#include <cdc/json.h>
#include <cdc/pattern.h>
#include <stdlib.h>
#include <string.h>

#define NO_TABLE UINT64_C(0xFFFFFF) /* a rows event that only ends a statement */

/* The open group. */
struct group {
    bool open, begun; /* begun: BEGIN was read */
    uint64_t ordinal, events;
    int64_t ts_ms;
    struct binlog_gtid gtid;
    uint32_t server_id;
    char pos_head[17];      /* "CCCCCCCCCCCCCCCC." */
    struct cdc_buf numbers; /* `","seq":N,"ts_ms":N,"source":`, behind pos */
    struct cdc_buf tail;    /* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
};

struct binlog_decoder {
    struct binlog_decoder_settings settings;
    enum binlog_flavor flavor;
    struct binlog_format format;
    struct binlog_place place;
    uint64_t event_position; /* where the event at hand begins */
    struct binlog_gtid_set *gtids;
    uint64_t number; /* C of the open group, or of the last one */
    struct group group;
    struct binlog_table **tables; /* open addressing by id; the size is a power of two */
    size_t n_slots, n_tables;
    struct binlog_table *last;
    struct binlog_cell *before, *after;
    size_t n_cells;
    struct binlog_payload *payload;
    bool in_payload;
    struct binlog_xa *xa; /* NULL: nowhere to keep prepared transactions */
    bool in_xa;           /* a committed one is read */
    struct cdc_buf xid;
    struct cdc_buf query_scratch, rows_scratch, event_tail;
    struct binlog_counts counts;
    bool has_boundary;
    struct cdc_offset boundary;
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
    char server_uuid[40];
};

/* -- tables ---------------------------------------------------------------------- */

static size_t slot_of(const struct binlog_decoder *decoder, uint64_t id)
{
    size_t slot = (size_t)(id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (decoder->n_slots - 1);
    while (decoder->tables[slot] && decoder->tables[slot]->id != id)
        slot = (slot + 1) & (decoder->n_slots - 1);
    return slot;
}

static int rehash(struct binlog_decoder *decoder, size_t n_new, struct cdc_error *error)
{
    struct binlog_table **old = decoder->tables;
    size_t n_old = decoder->n_slots;
    struct binlog_table **tables = calloc(n_new, sizeof *tables);
    if (!tables)
        return cdc_error_memory(error);
    decoder->tables = tables;
    decoder->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            tables[slot_of(decoder, old[i]->id)] = old[i];
    free(old);
    return 0;
}

static void forget_tables(struct binlog_decoder *decoder)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        binlog_table_free(decoder->tables[i]);
        decoder->tables[i] = NULL;
    }
    decoder->n_tables = 0;
    decoder->last = NULL;
}

/* The entry of that name, under whatever id; NULL. */
static struct binlog_table **named(struct binlog_decoder *decoder, const struct binlog_table *table)
{
    for (size_t i = 0; i < decoder->n_slots; i++)
        if (decoder->tables[i] && strcmp(decoder->tables[i]->name, table->name) == 0 &&
            strcmp(decoder->tables[i]->db, table->db) == 0)
            return &decoder->tables[i];
    return NULL;
}

/* A new id for a name (every DDL gives one) replaces the old entry: there are as many entries as tables. */
static int keep_table(struct binlog_decoder *decoder, struct binlog_table *table, struct cdc_error *error)
{
    struct binlog_table **old = named(decoder, table);
    decoder->last = NULL;
    if (old) {
        table->schema_written = (*old)->schema_written && table->selected && binlog_table_same_schema(*old, table);
        binlog_table_free(*old);
        *old = NULL;
        decoder->n_tables--;
        if (rehash(decoder, decoder->n_slots, error) < 0) /* no holes in the chains */
            return -1;
    }
    if (decoder->n_tables * 2 >= decoder->n_slots && rehash(decoder, decoder->n_slots * 2, error) < 0)
        return -1;
    struct binlog_table **slot = &decoder->tables[slot_of(decoder, table->id)];
    if (*slot) { /* the id was another table's: the server was started again */
        binlog_table_free(*slot);
        decoder->n_tables--;
    }
    *slot = table;
    decoder->n_tables++;
    return 0;
}

static int complete_table(struct binlog_decoder *decoder, struct binlog_table *table, struct cdc_error *error)
{
    const struct binlog_decoder_settings *settings = &decoder->settings;
    table->selected = cdc_table_selected(settings->include, settings->n_include, settings->exclude, settings->n_exclude,
                                         cdc_span_text(table->db), cdc_span_text(table->name));
    if (!table->selected)
        return 0;
    if (settings->describe && settings->describe(settings->context, table, &decoder->place, error) < 0)
        return -1;
    return binlog_table_prepare(table, decoder->flavor, settings->pipeline, error);
}

static int table_map(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    if (binlog_left(&body) < 6)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a TABLE_MAP event is too short");
    struct binlog_reader reader = body;
    struct binlog_table *known = decoder->tables[slot_of(decoder, binlog_uint(&reader, 6))];
    if (known && known->body.len == binlog_left(&body) && memcmp(known->body.data, body.p, known->body.len) == 0)
        return 0;
    struct binlog_table *table = binlog_table_new(body, decoder->flavor, error);
    if (table && complete_table(decoder, table, error) == 0 && keep_table(decoder, table, error) == 0)
        return 0;
    binlog_table_free(table);
    return -1;
}

static int room_for_cells(struct binlog_decoder *decoder, size_t n, struct cdc_error *error)
{
    if (n <= decoder->n_cells)
        return 0;
    struct binlog_cell *before = calloc(n, sizeof *before), *after = calloc(n, sizeof *after);
    if (!before || !after) {
        free(before);
        free(after);
        return cdc_error_memory(error);
    }
    free(decoder->before);
    free(decoder->after);
    decoder->before = before;
    decoder->after = after;
    decoder->n_cells = n;
    return 0;
}

/* -- groups ------------------------------------------------------------------------ */

static void begin_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                        const struct binlog_gtid *gtid)
{
    struct group *group = &decoder->group;
    char head[17 + 16];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    struct cdc_buf numbers = group->numbers, tail = group->tail;
    *group = (struct group){.open = true, .server_id = header->server_id, .numbers = numbers, .tail = tail};
    if (gtid)
        group->gtid = *gtid;
    group->ts_ms =
        gtid && gtid->commit_us ? (int64_t)(gtid->commit_us / 1000) : (int64_t)header->timestamp * INT64_C(1000);
    decoder->counts.commit_ms = group->ts_ms;
    decoder->number++;
    cdc_buf_hex(&pos, decoder->number, 16);
    cdc_buf_byte(&pos, '.');
    memcpy(group->pos_head, head, sizeof group->pos_head);
    group->numbers.len = 0;
    cdc_buf_lit(&group->numbers, "\",\"seq\":");
    cdc_buf_u64(&group->numbers, decoder->number);
    cdc_buf_lit(&group->numbers, ",\"ts_ms\":");
    cdc_buf_i64(&group->numbers, group->ts_ms);
    cdc_buf_lit(&group->numbers, ",\"source\":");
}

/* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
static void append_origin(const struct binlog_decoder *decoder, struct cdc_buf *out, int64_t ts_ms)
{
    const struct group *group = &decoder->group;
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    if (group->gtid.kind != BINLOG_GTID_NONE) {
        cdc_buf_lit(out, ",\"gtid\":\"");
        binlog_gtid_append(out, &group->gtid);
        cdc_buf_byte(out, '"');
    }
    cdc_buf_lit(out, ",\"server_id\":");
    cdc_buf_u64(out, group->server_id);
    cdc_buf_lit(out, ",\"file\":");
    cdc_json_append_text(out, decoder->place.file, strlen(decoder->place.file));
    cdc_buf_lit(out, ",\"pos\":");
}

/* Settles what the lines of one event share. */
static void begin_event(struct binlog_decoder *decoder)
{
    decoder->event_tail.len = 0;
    append_origin(decoder, &decoder->event_tail, decoder->group.ts_ms);
    cdc_buf_u64(&decoder->event_tail, decoder->event_position);
    cdc_buf_lit(&decoder->event_tail, ",\"row\":");
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on. */
static void boundary_line(struct binlog_decoder *decoder, struct cdc_buf *out, size_t pos_at, int64_t ts_ms)
{
    size_t pos_n = out->len - pos_at;
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, decoder->number);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    size_t source_at = out->len;
    binlog_source_head(out, decoder->flavor, decoder->settings.pipeline, NULL, NULL);
    append_origin(decoder, out, ts_ms);
    cdc_buf_u64(out, decoder->place.position);
    cdc_buf_lit(out, ",\"row\":0,\"snapshot\":\"false\",\"gtids\":\"");
    binlog_gtid_set_append(out, decoder->gtids);
    if (decoder->server_uuid[0]) {
        cdc_buf_lit(out, "\",\"server_uuid\":\"");
        cdc_buf_text(out, decoder->server_uuid);
    }
    cdc_buf_lit(out, "\"}");
    decoder->counts.lines++;
    if (out->failed)
        return;
    decoder->boundary_pos.len = decoder->boundary_source.len = 0;
    cdc_buf_append(&decoder->boundary_pos, out->data + pos_at, pos_n);
    cdc_buf_byte(&decoder->boundary_pos, '\0');
    cdc_buf_append(&decoder->boundary_source, out->data + source_at, out->len - source_at);
    cdc_buf_byte(&decoder->boundary_source, '\0');
    decoder->boundary = (struct cdc_offset){.pos = decoder->boundary_pos.data,
                                            .source = decoder->boundary_source.data,
                                            .seq = (int64_t)decoder->number,
                                            .lines = decoder->counts.changes};
    decoder->has_boundary = !decoder->boundary_pos.failed && !decoder->boundary_source.failed;
}

static int end_group(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    struct group *group = &decoder->group;
    if (binlog_gtid_set_add(decoder->gtids, &group->gtid, error) < 0)
        return -1;
    group->open = false;
    decoder->counts.commits++;
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    size_t pos_at = out->len;
    binlog_pos_commit(out, decoder->number);
    boundary_line(decoder, out, pos_at, group->ts_ms);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, group->events);
    cdc_buf_lit(out, "}\n");
    return 0;
}

void binlog_heartbeat(struct binlog_decoder *decoder, int64_t now_ms, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    binlog_pos_heartbeat(out, decoder->number, ++decoder->heartbeats);
    boundary_line(decoder, out, pos_at, now_ms);
    cdc_buf_lit(out, "}\n");
}

static int start_of_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                          const struct binlog_gtid *gtid, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->group.open && decoder->group.events > 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a transaction in %s before %llu has no end",
                             decoder->place.file, (unsigned long long)decoder->event_position);
    if (decoder->group.open && end_group(decoder, out, error) < 0)
        return -1;
    begin_group(decoder, header, gtid);
    return 0;
}

/* -- rows ---------------------------------------------------------------------------- */

static void schema_line(struct binlog_decoder *decoder, struct binlog_table *table, uint64_t ordinal,
                        struct cdc_buf *out)
{
    char text[64];
    struct cdc_buf pos = {text, 0, sizeof text, false};
    size_t tail = decoder->event_tail.len;
    binlog_pos_schema(&pos, decoder->number, ordinal);
    cdc_buf_lit(&decoder->event_tail, "0,\"snapshot\":\"false\"}");
    binlog_table_schema_line(out, table, cdc_span(text, pos.len), decoder->number, decoder->group.ts_ms,
                             cdc_span(decoder->event_tail.data, decoder->event_tail.len));
    decoder->event_tail.len = tail;
    table->schema_written = true;
    decoder->counts.lines++;
}

/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}` */
static void line_head(struct binlog_decoder *decoder, const struct cdc_buf *source, const char *op, uint64_t ordinal,
                      uint64_t row, struct cdc_buf *out)
{
    struct group *group = &decoder->group;
    cdc_buf_lit(out, "{\"op\":\"");
    cdc_buf_text(out, op);
    cdc_buf_lit(out, "\",\"pos\":\"");
    cdc_buf_append(out, group->pos_head, sizeof group->pos_head);
    cdc_buf_hex(out, ordinal, 10);
    cdc_buf_lit(out, ".1");
    cdc_buf_append(out, group->numbers.data, group->numbers.len);
    cdc_buf_append(out, source->data, source->len);
    cdc_buf_append(out, decoder->event_tail.data, decoder->event_tail.len);
    cdc_buf_u64(out, row);
    cdc_buf_lit(out, ",\"snapshot\":\"false\"}");
    group->events++;
    decoder->counts.changes++;
    decoder->counts.lines++;
}

static int append_image(struct binlog_decoder *decoder, const struct binlog_table *table,
                        const struct binlog_cell *cells, bool key_only, struct cdc_buf *out, struct cdc_error *error)
{
    const struct binlog_cell *before = cells == decoder->after ? decoder->before : NULL;
    return binlog_row_append(out, table, cells, before, key_only, &decoder->settings.style,
                             &decoder->counts.unconvertible, error);
}

static int check_key(const struct binlog_table *table, const struct binlog_cell *cells, struct cdc_error *error)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].key && !cells[i].p)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s: a row in the log lacks its key column \"%s\"",
                                 table->db, table->name, table->columns[i].name);
    return 0;
}

static void append_unchanged(struct cdc_buf *out, const struct binlog_table *table, const struct binlog_cell *cells)
{
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        if (cells[i].p)
            continue;
        cdc_buf_text(out, any ? "," : ",\"unchanged\":[");
        cdc_buf_append(out, table->columns[i].name_json.data, table->columns[i].name_json.len - 1);
        any = true;
    }
    if (any)
        cdc_buf_byte(out, ']');
}

/* What an image leaves out and the one before has, did not change. */
static void fill_after(struct binlog_decoder *decoder, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!decoder->after[i].p)
            decoder->after[i] = decoder->before[i];
}

/* The line's members behind its head; cells are read. */
static int row_members(struct binlog_decoder *decoder, const struct binlog_table *table, enum binlog_rows_kind kind,
                       struct cdc_buf *out, struct cdc_error *error)
{
    const struct binlog_cell *row = kind == BINLOG_ROWS_DELETE ? decoder->before : decoder->after;
    if (table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        if (check_key(table, row, error) < 0 || append_image(decoder, table, row, true, out, error) < 0)
            return -1;
    }
    cdc_buf_lit(out, ",\"before\":");
    if (kind == BINLOG_ROWS_WRITE)
        cdc_buf_lit(out, "null");
    else if (append_image(decoder, table, decoder->before, false, out, error) < 0)
        return -1;
    cdc_buf_lit(out, ",\"after\":");
    if (kind == BINLOG_ROWS_DELETE) {
        cdc_buf_lit(out, "null");
    } else {
        if (append_image(decoder, table, decoder->after, false, out, error) < 0)
            return -1;
        append_unchanged(out, table, decoder->after);
    }
    cdc_buf_lit(out, "}\n");
    return 0;
}

/* The bitmap of a PARTIAL_UPDATE_ROWS after image: which JSON columns come as differences. */
static int read_partial_bits(const struct binlog_table *table, struct binlog_reader *reader, const uint8_t **bits,
                             struct cdc_error *error)
{
    uint64_t options = binlog_packed(reader);
    *bits = NULL;
    if (options & 1)
        *bits = binlog_bytes(reader, (table->n_json + 7) / 8);
    if (reader->bad || (options & ~UINT64_C(1)) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a partial update of table %s.%s is damaged", table->db,
                             table->name);
    return 0;
}

static int read_images(struct binlog_decoder *decoder, const struct binlog_table *table, struct binlog_rows *rows,
                       struct cdc_error *error)
{
    struct binlog_reader *reader = &rows->images;
    const uint8_t *partial = NULL;
    struct binlog_cell *first = rows->kind == BINLOG_ROWS_WRITE ? decoder->after : decoder->before;
    if (binlog_image_read(table, reader, rows->present, NULL, first, error) < 0)
        return -1;
    if (rows->kind != BINLOG_ROWS_UPDATE)
        return 0;
    if (rows->partial_json && read_partial_bits(table, reader, &partial, error) < 0)
        return -1;
    if (binlog_image_read(table, reader, rows->present_after, partial, decoder->after, error) < 0)
        return -1;
    fill_after(decoder, table->n_columns);
    return 0;
}

static int write_rows(struct binlog_decoder *decoder, struct binlog_table *table, struct binlog_rows *rows,
                      uint64_t ordinal, struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const ops[] = {"c", "u", "d"};
    begin_event(decoder);
    if (!table->schema_written)
        schema_line(decoder, table, ordinal + 1, out);
    for (uint64_t row = 0; binlog_left(&rows->images) > 0; row++) {
        const uint8_t *start = rows->images.p;
        size_t line = out->len;
        if (read_images(decoder, table, rows, error) < 0)
            return -1;
        if (rows->images.p == start)
            return cdc_error_set(error, CDC_EXIT_PROTOCOL, "a row of table %s.%s is empty", table->db, table->name);
        line_head(decoder, &table->source_head, ops[rows->kind], ++ordinal, row, out);
        if (row_members(decoder, table, rows->kind, out, error) < 0) {
            out->len = line; /* whole or not at all */
            return -1;
        }
    }
    return 0;
}

static int rows_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct binlog_rows rows;
    if (binlog_rows_parse(header, body, &decoder->rows_scratch, &rows, error) < 0)
        return -1;
    struct binlog_table *table = decoder->last && decoder->last->id == rows.table_id
                                     ? decoder->last
                                     : decoder->tables[slot_of(decoder, rows.table_id)];
    decoder->last = table;
    if (!table && rows.table_id == NO_TABLE && binlog_left(&rows.images) == 0)
        return 0;
    if (!table || !decoder->group.open)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "rows of a table that the log did not describe (%s at %llu)",
                             decoder->place.file, (unsigned long long)decoder->event_position);
    if (rows.n_columns != table->n_columns)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "rows of table %s.%s have %zu columns, the table has %zu",
                             table->db, table->name, rows.n_columns, table->n_columns);
    /* A row takes a byte at least: ordinals do not depend on what -t selects. */
    uint64_t ordinal = decoder->group.ordinal;
    decoder->group.ordinal += binlog_left(&rows.images) + 1;
    if (!table->selected)
        return 0;
    if (room_for_cells(decoder, table->n_columns, error) < 0)
        return -1;
    return write_rows(decoder, table, &rows, ordinal, out, error);
}

/* -- statements ------------------------------------------------------------------------ */

static int statement_text(struct binlog_decoder *decoder, const struct binlog_query *query, struct cdc_buf *out)
{
    const struct binlog_charset *charset = query->charset ? binlog_charset_of(query->charset) : NULL;
    binlog_text_append(out, charset, (const uint8_t *)query->sql.p, query->sql.n, &decoder->counts.unconvertible);
    return 0;
}

/* Statements on accounts carry secrets, and say nothing of any table. */
static bool is_of_accounts(struct cdc_span rest)
{
    static const char *const words[] = {
        "GRANT",       "REVOKE",    "SET PASSWORD", "CREATE USER", "ALTER USER",
        "CREATE ROLE", "DROP USER", "RENAME USER",  "SET DEFAULT", "CREATE OR REPLACE USER"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (rest.n >= n && strncasecmp(rest.p, words[i], n) == 0)
            return true;
    }
    return false;
}

static void ddl_line(struct binlog_decoder *decoder, const struct binlog_query *query, struct cdc_buf *out)
{
    struct cdc_buf head = CDC_BUF_INIT;
    char *db = cdc_span_copy(query->db);
    binlog_source_head(&head, decoder->flavor, decoder->settings.pipeline, db && *db ? db : NULL, NULL);
    free(db);
    line_head(decoder, &head, "ddl", ++decoder->group.ordinal, 0, out);
    cdc_buf_free(&head);
    cdc_buf_lit(out, ",\"ddl\":");
    statement_text(decoder, query, out);
    cdc_buf_lit(out, ",\"db\":");
    cdc_json_append_text(out, query->db.p, query->db.n);
    cdc_buf_lit(out, "}\n");
}

static void truncate_line(struct binlog_decoder *decoder, const struct binlog_query *query,
                          const struct binlog_statement *statement, struct cdc_buf *out)
{
    const struct binlog_decoder_settings *settings = &decoder->settings;
    struct cdc_buf head = CDC_BUF_INIT;
    struct cdc_span db_name = statement->db.len ? cdc_span(statement->db.data, statement->db.len) : query->db;
    char *db = cdc_span_copy(db_name);
    char *table = cdc_span_copy(cdc_span(statement->table.data, statement->table.len));
    if (db && table &&
        cdc_table_selected(settings->include, settings->n_include, settings->exclude, settings->n_exclude,
                           cdc_span_text(db), cdc_span_text(table))) {
        binlog_source_head(&head, decoder->flavor, settings->pipeline, db, table);
        line_head(decoder, &head, "t", ++decoder->group.ordinal, 0, out);
        cdc_buf_lit(out, "}\n");
    }
    cdc_buf_free(&head);
    free(db);
    free(table);
}

static int data_definition(struct binlog_decoder *decoder, const struct binlog_query *query,
                           const struct binlog_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    begin_event(decoder);
    if (!is_of_accounts(statement->rest))
        ddl_line(decoder, query, out);
    if (statement->kind == BINLOG_STATEMENT_TRUNCATE)
        truncate_line(decoder, query, statement, out);
    /* MariaDB flags a statement that is a group by itself; in MySQL there is no BEGIN before it. */
    bool alone = decoder->group.gtid.kind == BINLOG_GTID_OF_MARIADB
                     ? (decoder->group.gtid.flags & BINLOG_MARIADB_GTID_STANDALONE) != 0
                     : !decoder->group.begun;
    return alone ? end_group(decoder, out, error) : 0;
}

static int statement_format(const struct binlog_decoder *decoder, const struct binlog_query *query,
                            struct cdc_error *error)
{
    int n = (int)(query->sql.n < 60 ? query->sql.n : 60);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: a change was logged as a statement, not as rows: %.*s",
                  decoder->place.file, (unsigned long long)decoder->event_position, n, query->sql.p);
    return cdc_error_hint(error, "SET GLOBAL binlog_format = ROW; let sessions reconnect, and take a new snapshot");
}

static int rolled_back(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->group.events == 0)
        return end_group(decoder, out, error);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "%s at %llu: a transaction of tables with and without transactions was rolled back: what of it stays "
                  "is not in the log",
                  decoder->place.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(error, "take a new snapshot; use one storage engine in a transaction");
}

/* -- XA ------------------------------------------------------------------------------------ */

static int begin_xa(struct binlog_decoder *decoder, struct cdc_error *error)
{
    if (decoder->xa)
        return binlog_xa_begin(decoder->xa, error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: an XA transaction is prepared, and there is no place to keep it",
                  decoder->place.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(error, "give --offset-file or --state-dir: prepared transactions are kept beside it");
}

/* Without the spaces that a client may have put between its parts. */
static int take_xid(struct binlog_decoder *decoder, struct cdc_span text, struct cdc_error *error)
{
    decoder->xid.len = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ')
            cdc_buf_byte(&decoder->xid, text.p[i]);
    return decoder->xid.failed ? cdc_error_memory(error) : 0;
}

static struct cdc_span xid_of(const struct binlog_decoder *decoder)
{
    return cdc_span(decoder->xid.data, decoder->xid.len);
}

static int commit_xa(struct binlog_decoder *decoder, struct cdc_error *error)
{
    int found = decoder->xa ? binlog_xa_open(decoder->xa, xid_of(decoder), error) : 0;
    if (found < 0)
        return -1;
    if (found == 0) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "%s at %llu: XA transaction %.*s is committed, which was prepared before reading began",
                      decoder->place.file, (unsigned long long)decoder->event_position,
                      (int)(decoder->xid.len < 300 ? decoder->xid.len : 300), decoder->xid.data);
        return cdc_error_hint(error, "take a new snapshot while no XA transaction is prepared");
    }
    decoder->in_xa = true;
    return 1;
}

static int xa_prepared(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_buf *out,
                       struct cdc_error *error)
{
    bool one_phase;
    decoder->xid.len = 0;
    if (binlog_xa_prepare_parse(body, &one_phase, &decoder->xid, error) < 0)
        return -1;
    if (decoder->xa && !binlog_xa_is_open(decoder->xa) && begin_xa(decoder, error) < 0) /* one without rows */
        return -1;
    if (!decoder->xa)
        return begin_xa(decoder, error);
    if (binlog_xa_prepare(decoder->xa, xid_of(decoder), error) < 0)
        return -1;
    return one_phase ? commit_xa(decoder, error) : end_group(decoder, out, error);
}

static int xa_statement(struct binlog_decoder *decoder, const struct binlog_statement *statement, struct cdc_buf *out,
                        struct cdc_error *error)
{
    switch (statement->kind) {
    case BINLOG_STATEMENT_XA_START: return begin_xa(decoder, error);
    case BINLOG_STATEMENT_XA_COMMIT:
        return take_xid(decoder, statement->xid, error) < 0 ? -1 : commit_xa(decoder, error);
    case BINLOG_STATEMENT_XA_ROLLBACK:
        if (take_xid(decoder, statement->xid, error) < 0 ||
            (decoder->xa && binlog_xa_finish(decoder->xa, xid_of(decoder), decoder->number, error) < 0))
            return -1;
        return end_group(decoder, out, error);
    default: return 0; /* XA END; XA PREPARE has an event of its own */
    }
}

static int run_statement(struct binlog_decoder *decoder, const struct binlog_query *query,
                         const struct binlog_statement *statement, struct cdc_buf *out, struct cdc_error *error)
{
    switch (statement->kind) {
    case BINLOG_STATEMENT_BEGIN: decoder->group.begun = true; return 0;
    case BINLOG_STATEMENT_COMMIT: return end_group(decoder, out, error);
    case BINLOG_STATEMENT_ROLLBACK: return rolled_back(decoder, out, error);
    case BINLOG_STATEMENT_SAVEPOINT: return 0;
    case BINLOG_STATEMENT_TRUNCATE:
    case BINLOG_STATEMENT_DDL: return data_definition(decoder, query, statement, out, error);
    case BINLOG_STATEMENT_DML: return statement_format(decoder, query, error);
    default: return xa_statement(decoder, statement, out, error);
    }
}

static int query_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                       struct cdc_buf *out, struct cdc_error *error)
{
    struct binlog_query query;
    struct binlog_statement statement = {0};
    if (binlog_query_parse(header, body, &decoder->query_scratch, &query, error) < 0)
        return -1;
    binlog_statement_parse(&statement, query.sql);
    if (!decoder->group.open) /* servers without GTIDs */
        begin_group(decoder, header, NULL);
    int result = run_statement(decoder, &query, &statement, out, error);
    binlog_statement_free(&statement);
    return result;
}

/* -- events -------------------------------------------------------------------------- */

static int set_file(struct binlog_decoder *decoder, struct cdc_span file, uint64_t position, struct cdc_error *error)
{
    if (file.n == 0 || file.n >= sizeof decoder->place.file || memchr(file.p, 0, file.n))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server named a log file of %zu bytes", file.n);
    memcpy(decoder->place.file, file.p, file.n);
    decoder->place.file[file.n] = '\0';
    decoder->place.position = position;
    return 0;
}

static int rotate_event(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    struct binlog_rotate rotate;
    if (binlog_rotate_parse(body, &rotate, error) < 0)
        return -1;
    return set_file(decoder, rotate.file, rotate.position, error);
}

static int gtid_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                      struct cdc_buf *out, struct cdc_error *error)
{
    struct binlog_gtid gtid;
    if (binlog_gtid_parse(header, body, &gtid, error) < 0)
        return -1;
    if (start_of_group(decoder, header, &gtid, out, error) < 0)
        return -1;
    bool prepares = gtid.kind == BINLOG_GTID_OF_MARIADB && (gtid.flags & BINLOG_MARIADB_GTID_PREPARED_XA);
    return prepares ? begin_xa(decoder, error) : 0;
}

/* What is complete where a file begins: of use when reading begins there, and nothing else is known. */
static int gtid_list(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error)
{
    if (decoder->group.open || !binlog_gtid_set_is_empty(decoder->gtids))
        return 0;
    return binlog_gtid_set_decode(decoder->gtids, body, error);
}

static int unknown_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct cdc_error *error)
{
    if (header->flags & BINLOG_FLAG_IGNORABLE) {
        decoder->counts.ignored_events++;
        return 0;
    }
    cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s at %llu: event type %u is not known", decoder->place.file,
                  (unsigned long long)decoder->event_position, header->type);
    return cdc_error_hint(error, "the server is newer than this program");
}

static bool is_preparing(const struct binlog_decoder *decoder)
{
    return decoder->xa && !decoder->in_xa && binlog_xa_is_open(decoder->xa);
}

/* One event, of the log itself, out of a payload or of a prepared transaction: 0, 1 when a prepared transaction is to be
 * read now, -1. */
static int dispatch(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                    struct cdc_buf *out, struct cdc_error *error)
{
    switch (header->type) {
    case BINLOG_ROTATE: return rotate_event(decoder, body, error);
    case BINLOG_GTID:
    case BINLOG_ANONYMOUS_GTID:
    case BINLOG_GTID_TAGGED:
    case BINLOG_MARIADB_GTID: return gtid_event(decoder, header, body, out, error);
    case BINLOG_QUERY:
    case BINLOG_MARIADB_QUERY_COMPRESSED: return query_event(decoder, header, body, out, error);
    case BINLOG_TABLE_MAP:
        return is_preparing(decoder) ? binlog_xa_add(decoder->xa, header, body, error)
                                     : table_map(decoder, body, error);
    case BINLOG_WRITE_ROWS_V1:
    case BINLOG_UPDATE_ROWS_V1:
    case BINLOG_DELETE_ROWS_V1:
    case BINLOG_WRITE_ROWS:
    case BINLOG_UPDATE_ROWS:
    case BINLOG_DELETE_ROWS:
    case BINLOG_PARTIAL_UPDATE_ROWS:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED_V1:
    case BINLOG_MARIADB_WRITE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_UPDATE_ROWS_COMPRESSED:
    case BINLOG_MARIADB_DELETE_ROWS_COMPRESSED:
        return is_preparing(decoder) ? binlog_xa_add(decoder->xa, header, body, error)
                                     : rows_event(decoder, header, body, out, error);
    case BINLOG_XID: return decoder->group.open ? end_group(decoder, out, error) : 0;
    case BINLOG_XA_PREPARE: return xa_prepared(decoder, body, out, error);
    case BINLOG_INCIDENT:
        cdc_error_set(error, CDC_EXIT_LOST, "%s at %llu: the server tells of an incident: changes are not in its log",
                      decoder->place.file, (unsigned long long)decoder->event_position);
        return cdc_error_hint(error, "take a new snapshot");
    case BINLOG_PREVIOUS_GTIDS:
    case BINLOG_MARIADB_GTID_LIST: return gtid_list(decoder, body, error);
    case BINLOG_STOP:
    case BINLOG_INTVAR:
    case BINLOG_RAND:
    case BINLOG_USER_VAR: /* they belong to a statement, which is an error itself when it changes rows */
    case BINLOG_IGNORABLE:
    case BINLOG_ROWS_QUERY:
    case BINLOG_TRANSACTION_CONTEXT:
    case BINLOG_VIEW_CHANGE:
    case BINLOG_HEARTBEAT:
    case BINLOG_HEARTBEAT_V2:
    case BINLOG_MARIADB_ANNOTATE_ROWS:
    case BINLOG_MARIADB_CHECKPOINT:
    case BINLOG_MARIADB_START_ENCRYPTION: return 0;
    default: return unknown_event(decoder, header, error);
    }
}

/* next_position has 32 bits and is 0 in artificial events: the place is counted on. */
static void advance(struct binlog_decoder *decoder, const struct binlog_header *header)
{
    if ((header->flags & BINLOG_FLAG_ARTIFICIAL) || header->next_position == 0 || header->type == BINLOG_ROTATE ||
        header->type == BINLOG_HEARTBEAT || header->type == BINLOG_HEARTBEAT_V2)
        return;
    uint64_t next = (decoder->place.position & ~UINT64_C(0xFFFFFFFF)) | header->next_position;
    if (next < decoder->place.position)
        next += UINT64_C(1) << 32;
    decoder->place.position = next;
}

/* A file says whose it is. */
static int take_flavor(struct binlog_decoder *decoder, struct cdc_error *error)
{
    if (decoder->flavor == decoder->format.flavor)
        return 0;
    decoder->flavor = decoder->format.flavor;
    if (!binlog_gtid_set_is_empty(decoder->gtids))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the log goes on with files of another kind of server");
    binlog_gtid_set_free(decoder->gtids);
    decoder->gtids = binlog_gtid_set_new(decoder->flavor, error);
    return decoder->gtids ? 0 : -1;
}

int binlog_decode(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                  struct cdc_error *error)
{
    struct binlog_header header;
    struct binlog_reader body;
    if (binlog_header_parse(data, n, &header, error) < 0 ||
        binlog_body(&decoder->format, &header, data, n, &body, error) < 0)
        return -1;
    if (header.type == BINLOG_FORMAT) {
        if (binlog_format_parse(&header, body, &decoder->format, error) < 0)
            return -1;
        advance(decoder, &header);
        return take_flavor(decoder, error);
    }
    uint64_t before = decoder->place.position;
    advance(decoder, &header);
    /* The server may have passed over what comes before: the end tells the beginning. */
    decoder->event_position = decoder->place.position >= before + n ? decoder->place.position - n : before;
    if (header.type != BINLOG_TRANSACTION_PAYLOAD)
        return dispatch(decoder, &header, body, out, error);
    if (binlog_payload_open(decoder->payload, body, error) < 0)
        return -1;
    decoder->in_payload = true;
    return 1;
}

static int next_of_payload(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct binlog_header header;
    int got = binlog_payload_next(decoder->payload, &data, &n, error);
    if (got <= 0) {
        decoder->in_payload = false;
        return got;
    }
    if (binlog_header_parse(data, n, &header, error) < 0)
        return -1;
    struct binlog_reader body = {data + BINLOG_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

static int next_of_xa(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    struct binlog_header header;
    int got = binlog_xa_next(decoder->xa, &data, &n, error);
    if (got < 0)
        return -1;
    if (got == 0) {
        struct cdc_span xid = xid_of(decoder);
        decoder->in_xa = false;
        if (n != xid.n || memcmp(data, xid.p, n) != 0)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "the file of a prepared transaction belongs to another one");
        binlog_xa_abandon(decoder->xa);
        return binlog_xa_finish(decoder->xa, xid, decoder->number, error) < 0 || end_group(decoder, out, error) < 0 ? -1
                                                                                                                    : 1;
    }
    if (binlog_header_parse(data, n, &header, error) < 0)
        return -1;
    struct binlog_reader body = {data + BINLOG_HEADER_SIZE, data + n, false};
    return dispatch(decoder, &header, body, out, error) < 0 ? -1 : 1;
}

int binlog_decode_more(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error)
{
    if (decoder->in_xa)
        return next_of_xa(decoder, out, error);
    return decoder->in_payload ? next_of_payload(decoder, out, error) : 0;
}

void binlog_decoder_confirm(struct binlog_decoder *decoder, uint64_t number)
{
    if (decoder->xa)
        binlog_xa_confirm(decoder->xa, number);
}

/* -- life ------------------------------------------------------------------------------ */

struct binlog_decoder *binlog_decoder_new(const struct binlog_decoder_settings *settings, struct cdc_error *error)
{
    struct binlog_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    decoder->flavor = settings->flavor;
    decoder->payload = binlog_payload_new(error);
    decoder->gtids = binlog_gtid_set_new(settings->flavor, error);
    binlog_format_default(&decoder->format);
    if (settings->xa_folder && (decoder->xa = binlog_xa_new(settings->xa_folder, error)) == NULL) {
        binlog_decoder_free(decoder);
        return NULL;
    }
    if (decoder->payload && decoder->gtids && rehash(decoder, 64, error) == 0)
        return decoder;
    binlog_decoder_free(decoder);
    return NULL;
}

void binlog_decoder_free(struct binlog_decoder *decoder)
{
    if (!decoder)
        return;
    forget_tables(decoder);
    free(decoder->tables);
    free(decoder->before);
    free(decoder->after);
    binlog_payload_free(decoder->payload);
    binlog_xa_free(decoder->xa);
    cdc_buf_free(&decoder->xid);
    binlog_gtid_set_free(decoder->gtids);
    cdc_buf_free(&decoder->group.numbers);
    cdc_buf_free(&decoder->group.tail);
    cdc_buf_free(&decoder->query_scratch);
    cdc_buf_free(&decoder->rows_scratch);
    cdc_buf_free(&decoder->event_tail);
    cdc_buf_free(&decoder->boundary_pos);
    cdc_buf_free(&decoder->boundary_source);
    free(decoder);
}

int binlog_decoder_start(struct binlog_decoder *decoder, uint64_t number, const char *gtids,
                         const struct binlog_place *place, struct cdc_error *error)
{
    forget_tables(decoder);
    decoder->group.open = false;
    decoder->group.gtid.kind = BINLOG_GTID_NONE;
    decoder->in_payload = decoder->in_xa = false;
    if (decoder->xa)
        binlog_xa_abandon(decoder->xa);
    decoder->number = number;
    decoder->place = *place;
    binlog_format_default(&decoder->format);
    return binlog_gtid_set_parse(decoder->gtids, cdc_span_text(gtids ? gtids : ""), error);
}

void binlog_decoder_set_checksums(struct binlog_decoder *decoder, bool checksums)
{
    decoder->format.checksums = checksums;
}

bool binlog_in_transaction(const struct binlog_decoder *decoder)
{
    return decoder->group.open;
}

const struct cdc_offset *binlog_boundary(const struct binlog_decoder *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

const struct binlog_place *binlog_place(const struct binlog_decoder *decoder)
{
    return &decoder->place;
}

const struct binlog_gtid_set *binlog_gtids(const struct binlog_decoder *decoder)
{
    return decoder->gtids;
}

const struct binlog_counts *binlog_counts(const struct binlog_decoder *decoder)
{
    return &decoder->counts;
}

void binlog_decoder_set_server(struct binlog_decoder *decoder, const char *server_uuid)
{
    size_t n = strnlen(server_uuid, sizeof decoder->server_uuid - 1);
    memcpy(decoder->server_uuid, server_uuid, n);
    decoder->server_uuid[n] = '\0';
}
