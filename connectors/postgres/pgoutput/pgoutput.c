/* SPDX-License-Identifier: MIT */
/* pgoutput, protocol version 1: messages in, lines out. Pure: no connection,
 * no clock but for lines that no transaction dates. */
#include "connectors/postgres/postgres.h"

#include <cdc/retry.h>
#include <stdlib.h>

#define MAX_COLUMNS 1664               /* of a row, for the server */
#define EPOCH_MS INT64_C(946684800000) /* 2000-01-01 in ms since 1970 */

/* What a Type message said of an oid that is not built in. */
struct named_type {
    uint32_t oid;
    struct pg_type type;
};

struct transaction {
    bool open;
    bool seen; /* by the snapshot: its row changes are left out */
    uint64_t final_lsn, ordinal, events;
    int64_t ts_ms;
    uint32_t xid;
    /* parts that all its lines share */
    char pos_head[17];          /* "FFFFFFFFFFFFFFFF." */
    struct cdc_buf numbers;     /* `","seq":N,"ts_ms":N,"source":`, behind pos */
    struct cdc_buf source_tail; /* `,"ts_ms":N,"txId":N,"lsn":N,"snapshot":"false"}` */
};

struct pgoutput {
    struct pgoutput_settings settings;
    struct cdc_buf source_head; /* of lines without a table */
    struct pg_table **tables;   /* open addressing by oid; the size is a power of two */
    size_t n_slots, n_tables;
    struct pg_table *last; /* the table of the last change */
    struct named_type *types;
    size_t n_types, types_cap;
    struct transaction tx;
    struct pg_visible visible;
    struct pg_cell *cells[2]; /* new row, old row */
    struct pgoutput_counts counts;
    bool has_boundary;
    struct cdc_offset boundary; /* its texts are in the two buffers */
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
};

/* -- reading --------------------------------------------------------------- */

/* The rest of a message. A read beyond its end yields 0 and sets bad: checked once, before anything is used. */
struct reader {
    const unsigned char *p, *end;
    bool bad;
};

static inline bool has(struct reader *reader, size_t n)
{
    if ((size_t)(reader->end - reader->p) >= n)
        return true;
    reader->bad = true;
    return false;
}

static inline uint8_t get8(struct reader *reader)
{
    return has(reader, 1) ? *reader->p++ : 0;
}

static inline uint16_t get16(struct reader *reader)
{
    if (!has(reader, 2))
        return 0;
    uint16_t value = (uint16_t)(reader->p[0] << 8 | reader->p[1]);
    reader->p += 2;
    return value;
}

static inline uint32_t get32(struct reader *reader)
{
    if (!has(reader, 4))
        return 0;
    uint32_t value;
    memcpy(&value, reader->p, 4);
    reader->p += 4;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline uint64_t get64(struct reader *reader)
{
    uint64_t high = get32(reader);
    return high << 32 | get32(reader);
}

/* A NUL-terminated string inside the message; "" when it does not end. */
static const char *get_string(struct reader *reader)
{
    const unsigned char *start = reader->p;
    const unsigned char *nul = memchr(start, 0, (size_t)(reader->end - start));
    if (!nul) {
        reader->bad = true;
        return "";
    }
    reader->p = nul + 1;
    return (const char *)start;
}

static int malformed(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a %s message that is damaged", what);
}

/* All fields read, none missing, nothing left? */
static int finished(const struct reader *reader, const char *what, struct cdc_error *error)
{
    return reader->bad || reader->p != reader->end ? malformed(error, what) : 0;
}

/* -- tables ---------------------------------------------------------------- */

static size_t slot_of(const struct pgoutput *decoder, uint32_t oid)
{
    size_t slot = (oid * UINT32_C(2654435769)) & (decoder->n_slots - 1);
    while (decoder->tables[slot] && decoder->tables[slot]->oid != oid)
        slot = (slot + 1) & (decoder->n_slots - 1);
    return slot;
}

static int grow_tables(struct pgoutput *decoder, struct cdc_error *error)
{
    struct pg_table **old = decoder->tables;
    size_t n_old = decoder->n_slots, n_new = n_old ? n_old * 2 : 64;
    struct pg_table **tables = calloc(n_new, sizeof(*tables));
    if (!tables)
        return cdc_error_memory(error);
    decoder->tables = tables;
    decoder->n_slots = n_new;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            tables[slot_of(decoder, old[i]->oid)] = old[i];
    free(old);
    return 0;
}

static struct pg_table *find_table(struct pgoutput *decoder, uint32_t oid, struct cdc_error *error)
{
    if (decoder->last && decoder->last->oid == oid)
        return decoder->last;
    struct pg_table *table = decoder->n_slots ? decoder->tables[slot_of(decoder, oid)] : NULL;
    if (!table)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a change of a table (oid %u) that it did not describe",
                      oid);
    decoder->last = table;
    return table;
}

static struct pg_type type_of(const struct pgoutput *decoder, uint32_t oid)
{
    for (size_t i = 0; i < decoder->n_types; i++)
        if (decoder->types[i].oid == oid)
            return decoder->types[i].type;
    return pg_type_of(oid);
}

/* For a domain, name is that of the type which it is made of: its values are written like that one's. */
static int decode_type(struct pgoutput *decoder, struct reader *reader, struct cdc_error *error)
{
    uint32_t oid = get32(reader);
    const char *namespace = get_string(reader), *name = get_string(reader);
    if (finished(reader, "Type", error) < 0)
        return -1;
    size_t i = 0;
    while (i < decoder->n_types && decoder->types[i].oid != oid)
        i++;
    if (i == decoder->types_cap) {
        size_t cap = decoder->types_cap ? decoder->types_cap * 2 : 16;
        struct named_type *types = realloc(decoder->types, cap * sizeof *types);
        if (!types)
            return cdc_error_memory(error);
        decoder->types = types;
        decoder->types_cap = cap;
    }
    decoder->n_types += i == decoder->n_types;
    decoder->types[i].oid = oid;
    decoder->types[i].type = *namespace ? pg_type_of(0) : pg_type_named(name);
    return 0;
}

static int read_column(const struct pgoutput *decoder, struct reader *reader, struct pg_column *column,
                       struct cdc_error *error)
{
    char oid_text[16];
    uint8_t flags = get8(reader);
    const char *name = get_string(reader);
    column->identity = flags & 1;
    column->type_oid = get32(reader);
    column->typmod = (int32_t)get32(reader);
    column->type = type_of(decoder, column->type_oid);
    column->nullable = true;
    if (reader->bad)
        return malformed(error, "Relation");
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_u64(&text, column->type_oid);
    if (!text.failed && text.len < sizeof oid_text) {
        memcpy(oid_text, text.data, text.len);
        oid_text[text.len] = '\0';
        column->type_name = strdup(oid_text);
    }
    cdc_buf_free(&text);
    column->name = strdup(name);
    return column->name && column->type_name ? 0 : cdc_error_memory(error);
}

static int read_relation(const struct pgoutput *decoder, struct reader *reader, struct pg_table *table,
                         struct cdc_error *error)
{
    table->oid = get32(reader);
    const char *schema = get_string(reader), *name = get_string(reader);
    table->replica_identity = (char)get8(reader);
    size_t n = get16(reader);
    if (reader->bad || n > MAX_COLUMNS || table->replica_identity == '\0' || !strchr("dnfi", table->replica_identity))
        return malformed(error, "Relation");
    table->schema = strdup(*schema ? schema : "pg_catalog");
    table->name = strdup(name);
    table->columns = calloc(n ? n : 1, sizeof *table->columns);
    if (!table->schema || !table->name || !table->columns)
        return cdc_error_memory(error);
    for (; table->n_columns < n; table->n_columns++) {
        if (read_column(decoder, reader, &table->columns[table->n_columns], error) < 0) {
            table->n_columns++; /* so that what it holds is freed */
            return -1;
        }
    }
    return finished(reader, "Relation", error);
}

static bool same_column(const struct pg_column *a, const struct pg_column *b)
{
    return strcmp(a->name, b->name) == 0 && a->type_oid == b->type_oid && a->typmod == b->typmod && a->key == b->key &&
           a->nullable == b->nullable && a->generated == b->generated && strcmp(a->type_name, b->type_name) == 0;
}

/* Would the schema line read the same? */
static bool same_schema(const struct pg_table *a, const struct pg_table *b)
{
    if (a->n_columns != b->n_columns || strcmp(a->schema, b->schema) != 0 || strcmp(a->name, b->name) != 0)
        return false;
    for (size_t i = 0; i < a->n_columns; i++)
        if (!same_column(&a->columns[i], &b->columns[i]))
            return false;
    return true;
}

static int complete_relation(const struct pgoutput *decoder, struct pg_table *table, struct cdc_error *error)
{
    const struct pgoutput_settings *settings = &decoder->settings;
    table->selected = cdc_selection_has_table(&settings->selection, table->schema, table->name);
    if (!table->selected)
        return 0;
    if (settings->describe && settings->describe(settings->describe_context, table, error) < 0)
        return -1;
    return pg_table_prepare(table, settings->pipeline, settings->database, error);
}

/* Replaces what was known of the table wholesale. */
static int keep_relation(struct pgoutput *decoder, struct pg_table *table, struct cdc_error *error)
{
    if (decoder->n_tables * 2 >= decoder->n_slots && grow_tables(decoder, error) < 0)
        return -1;
    struct pg_table **slot = &decoder->tables[slot_of(decoder, table->oid)];
    if (*slot)
        table->schema_written = (*slot)->schema_written && same_schema(*slot, table);
    else
        decoder->n_tables++;
    pg_table_free(*slot);
    *slot = table;
    decoder->last = NULL;
    return 0;
}

static int decode_relation(struct pgoutput *decoder, struct reader *reader, struct cdc_error *error)
{
    struct pg_table *table = calloc(1, sizeof *table);
    if (!table)
        return cdc_error_memory(error);
    if (read_relation(decoder, reader, table, error) == 0 && complete_relation(decoder, table, error) == 0 &&
        keep_relation(decoder, table, error) == 0)
        return 0;
    pg_table_free(table);
    return -1;
}

/* -- transactions ---------------------------------------------------------- */

static void begin(struct pgoutput *decoder, uint64_t final_lsn, int64_t ts_ms, uint32_t xid)
{
    struct transaction *tx = &decoder->tx;
    char head[17 + 64];
    struct cdc_buf pos = {head, 0, sizeof head, false};
    tx->open = true;
    tx->seen = pg_visible_has(&decoder->visible, final_lsn, xid);
    tx->final_lsn = final_lsn;
    tx->ts_ms = ts_ms;
    tx->xid = xid;
    tx->ordinal = tx->events = 0;
    cdc_buf_hex(&pos, final_lsn, 16);
    cdc_buf_byte(&pos, '.');
    memcpy(tx->pos_head, head, sizeof tx->pos_head);
    tx->numbers.len = tx->source_tail.len = 0;
    cdc_buf_lit(&tx->numbers, "\",\"seq\":");
    cdc_buf_u64(&tx->numbers, final_lsn);
    cdc_buf_lit(&tx->numbers, ",\"ts_ms\":");
    cdc_buf_i64(&tx->numbers, ts_ms);
    cdc_buf_lit(&tx->numbers, ",\"source\":");
    pg_source_tail(&tx->source_tail, ts_ms, xid, final_lsn, "false");
}

static int decode_begin(struct pgoutput *decoder, struct reader *reader, struct cdc_error *error)
{
    uint64_t final_lsn = get64(reader);
    int64_t ts = (int64_t)get64(reader);
    uint32_t xid = get32(reader);
    if (finished(reader, "Begin", error) < 0)
        return -1;
    if (final_lsn > INT64_MAX) /* seq would not fit */
        return malformed(error, "Begin");
    if (decoder->tx.open)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server began a transaction inside another one");
    begin(decoder, final_lsn, ts / 1000 + EPOCH_MS, xid);
    return 0;
}

/* Keeps pos and source of the boundary line just appended. */
static void set_boundary(struct pgoutput *decoder, const char *pos, size_t pos_n, const char *source, size_t source_n,
                         uint64_t seq)
{
    decoder->boundary_pos.len = decoder->boundary_source.len = 0;
    cdc_buf_append(&decoder->boundary_pos, pos, pos_n);
    cdc_buf_byte(&decoder->boundary_pos, '\0');
    cdc_buf_append(&decoder->boundary_source, source, source_n);
    cdc_buf_byte(&decoder->boundary_source, '\0');
    decoder->boundary.pos = decoder->boundary_pos.data;
    decoder->boundary.source = decoder->boundary_source.data;
    decoder->boundary.seq = (int64_t)seq;
    decoder->boundary.lines = decoder->counts.changes;
    decoder->has_boundary = true;
}

/* Whoever starts again from this position must know it, too. */
static void append_visible(const struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out)
{
    if (!decoder->visible.json || lsn >= decoder->visible.lsn || out->failed)
        return;
    out->len--; /* the closing brace */
    cdc_buf_lit(out, ",\"read_at\":");
    cdc_buf_text(out, decoder->visible.json);
    cdc_buf_byte(out, '}');
}

/* The common part of commit and heartbeat lines: up to and with source. pos is appended already, from pos_at on. */
static void boundary_line(struct pgoutput *decoder, struct cdc_buf *out, size_t pos_at, uint64_t seq, int64_t ts_ms,
                          uint32_t xid, uint64_t lsn)
{
    size_t pos_n = out->len - pos_at;
    cdc_buf_lit(out, "\",\"seq\":");
    cdc_buf_u64(out, seq);
    cdc_buf_lit(out, ",\"ts_ms\":");
    cdc_buf_i64(out, ts_ms);
    cdc_buf_lit(out, ",\"source\":");
    size_t source_at = out->len;
    cdc_buf_append(out, decoder->source_head.data, decoder->source_head.len);
    pg_source_tail(out, ts_ms, xid, lsn, "false");
    append_visible(decoder, seq, out);
    decoder->counts.lines++;
    if (!out->failed)
        set_boundary(decoder, out->data + pos_at, pos_n, out->data + source_at, out->len - source_at, seq);
}

static void end_transaction(struct pgoutput *decoder, uint64_t end_lsn, struct cdc_buf *out)
{
    struct transaction *tx = &decoder->tx;
    decoder->counts.commits++;
    cdc_buf_lit(out, "{\"op\":\"commit\",\"pos\":\"");
    size_t pos_at = out->len;
    pg_pos_commit(out, tx->final_lsn, end_lsn);
    boundary_line(decoder, out, pos_at, tx->final_lsn, tx->ts_ms, tx->xid, end_lsn);
    cdc_buf_lit(out, ",\"events\":");
    cdc_buf_u64(out, tx->events);
    cdc_buf_lit(out, "}\n");
    tx->open = false;
}

static int decode_commit(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    uint8_t flags = get8(reader);
    uint64_t commit_lsn = get64(reader), end_lsn = get64(reader);
    get64(reader); /* the time, told by Begin already */
    if (finished(reader, "Commit", error) < 0)
        return -1;
    if (!decoder->tx.open || flags != 0 || commit_lsn != decoder->tx.final_lsn || end_lsn <= commit_lsn)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the server sent a Commit that does not belong to the open transaction");
    end_transaction(decoder, end_lsn, out);
    return 0;
}

void pgoutput_heartbeat(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out)
{
    cdc_buf_lit(out, "{\"op\":\"heartbeat\",\"pos\":\"");
    size_t pos_at = out->len;
    pg_pos_heartbeat(out, lsn, ++decoder->heartbeats);
    boundary_line(decoder, out, pos_at, lsn, cdc_clock_wall_ms(), 0, lsn);
    cdc_buf_lit(out, "}\n");
}

/* -- changes --------------------------------------------------------------- */

/* One tuple into cells; kinds other than text, NULL and unchanged are errors. */
static int read_tuple(struct reader *reader, const struct pg_table *table, struct pg_cell *cells,
                      struct cdc_error *error)
{
    if (get16(reader) != table->n_columns || reader->bad)
        return malformed(error, "row");
    for (size_t i = 0; i < table->n_columns; i++) {
        struct pg_cell *cell = &cells[i];
        cell->kind = (char)get8(reader);
        cell->p = NULL;
        cell->n = 0;
        if (cell->kind == 't') {
            cell->n = get32(reader);
            if (!has(reader, cell->n))
                return malformed(error, "row");
            cell->p = (const char *)reader->p;
            reader->p += cell->n;
        } else if (cell->kind != 'n' && cell->kind != 'u') {
            return malformed(error, "row");
        }
    }
    return 0;
}

/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}`, and the schema line before it where it is due. */
static void line_head(struct pgoutput *decoder, struct pg_table *table, char op, struct cdc_buf *out)
{
    struct transaction *tx = &decoder->tx;
    if (table && !table->schema_written) {
        char text[64];
        struct cdc_buf pos = {text, 0, sizeof text, false};
        pg_pos_schema(&pos, tx->final_lsn, tx->ordinal);
        pg_table_schema_line(out, table, cdc_span(text, pos.len), tx->final_lsn, tx->ts_ms);
        table->schema_written = true;
        decoder->counts.lines++;
    }
    const struct cdc_buf *head = table ? &table->source_head : &decoder->source_head;
    cdc_buf_lit(out, "{\"op\":\"");
    cdc_buf_byte(out, op);
    cdc_buf_lit(out, "\",\"pos\":\"");
    cdc_buf_append(out, tx->pos_head, sizeof tx->pos_head);
    cdc_buf_hex(out, tx->ordinal, 10);
    cdc_buf_lit(out, ".1");
    cdc_buf_append(out, tx->numbers.data, tx->numbers.len);
    cdc_buf_append(out, head->data, head->len);
    cdc_buf_append(out, tx->source_tail.data, tx->source_tail.len);
    tx->events++;
    decoder->counts.changes++;
    decoder->counts.lines++;
}

static inline void row(struct pgoutput *decoder, const struct pg_table *table, const struct pg_cell *cells,
                       enum pg_row_part part, struct cdc_buf *out)
{
    pg_row_append(out, table, cells, part, &decoder->settings.style, &decoder->counts.unconvertible);
}

/* The table of a change. Counts the change: excluded ones too, so that a pos does not depend on -t. */
static struct pg_table *change_table(struct pgoutput *decoder, uint32_t oid, struct cdc_error *error)
{
    if (!decoder->tx.open) {
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a change outside a transaction");
        return NULL;
    }
    decoder->tx.ordinal++;
    return find_table(decoder, oid, error);
}

static bool is_wanted(const struct pgoutput *decoder, const struct pg_table *table)
{
    return table->selected && !decoder->tx.seen;
}

static int decode_insert(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_table *table = change_table(decoder, get32(reader), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    struct pg_cell *cells = decoder->cells[0];
    if (get8(reader) != 'N')
        return malformed(error, "Insert");
    if (read_tuple(reader, table, cells, error) < 0 || finished(reader, "Insert", error) < 0)
        return -1;
    line_head(decoder, table, 'c', out);
    if (table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        row(decoder, table, cells, PG_ROW_KEY, out);
    }
    cdc_buf_lit(out, ",\"before\":null,\"after\":");
    row(decoder, table, cells, PG_ROW_ALL, out);
    cdc_buf_lit(out, "}\n");
    return 0;
}

/* What the new row leaves out and the old one tells. A 'K' row speaks of identity columns only: the others in it are
 * written as NULL and are not. */
static void fill_unchanged(const struct pg_table *table, struct pg_cell *new_row, const struct pg_cell *old_row,
                           char old_kind)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (new_row[i].kind == 'u' && (old_kind == 'O' || table->columns[i].identity))
            new_row[i] = old_row[i];
}

static bool same_identity(const struct pg_table *table, const struct pg_cell *a, const struct pg_cell *b)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].identity &&
            (a[i].kind != b[i].kind || a[i].n != b[i].n || (a[i].n != 0 && memcmp(a[i].p, b[i].p, a[i].n) != 0)))
            return false;
    return true;
}

static int check_key(const struct pg_table *table, const struct pg_cell *cells, struct cdc_error *error)
{
    for (size_t i = 0; table->has_key && i < table->n_columns; i++) {
        if (!table->columns[i].key || cells[i].kind != 'u')
            continue;
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: an update does not tell its key column \"%s\"",
                      table->schema, table->name, table->columns[i].name);
        return cdc_error_hint(error, "update the server to its newest minor release, or set REPLICA IDENTITY FULL");
    }
    return 0;
}

static void append_unchanged(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells)
{
    bool any = false;
    for (size_t i = 0; i < table->n_columns; i++) {
        if (cells[i].kind != 'u')
            continue;
        cdc_buf_text(out, any ? "," : ",\"unchanged\":[");
        cdc_buf_append(out, table->columns[i].name_json.data, table->columns[i].name_json.len - 1);
        any = true;
    }
    if (any)
        cdc_buf_byte(out, ']');
}

static void update_line(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out)
{
    const struct pg_cell *new_row = decoder->cells[0], *old_row = decoder->cells[1];
    line_head(decoder, table, 'u', out);
    if (table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        row(decoder, table, new_row, PG_ROW_KEY, out);
    }
    cdc_buf_lit(out, ",\"before\":");
    if (old_kind == 'O')
        row(decoder, table, old_row, PG_ROW_ALL, out);
    else if (old_kind == 'K' &&
             !same_identity(table, new_row, old_row)) /* a long key is sent even when it is the same */
        row(decoder, table, old_row, PG_ROW_IDENTITY, out);
    else
        cdc_buf_lit(out, "null");
    cdc_buf_lit(out, ",\"after\":");
    row(decoder, table, new_row, PG_ROW_ALL, out);
    append_unchanged(out, table, new_row);
    cdc_buf_lit(out, "}\n");
}

static int decode_update(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_table *table = change_table(decoder, get32(reader), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    char old_kind = '\0', kind = (char)get8(reader);
    if (kind == 'K' || kind == 'O') {
        old_kind = kind;
        if (read_tuple(reader, table, decoder->cells[1], error) < 0)
            return -1;
        kind = (char)get8(reader);
    }
    if (kind != 'N')
        return malformed(error, "Update");
    if (read_tuple(reader, table, decoder->cells[0], error) < 0 || finished(reader, "Update", error) < 0)
        return -1;
    if (old_kind)
        fill_unchanged(table, decoder->cells[0], decoder->cells[1], old_kind);
    if (check_key(table, decoder->cells[0], error) < 0)
        return -1;
    update_line(decoder, table, old_kind, out);
    return 0;
}

static bool has_identity(const struct pg_table *table)
{
    for (size_t i = 0; i < table->n_columns; i++)
        if (table->columns[i].identity)
            return true;
    return false;
}

static int decode_delete(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    struct pg_table *table = change_table(decoder, get32(reader), error);
    if (!table)
        return -1;
    if (!is_wanted(decoder, table))
        return 0;
    struct pg_cell *cells = decoder->cells[1];
    char kind = (char)get8(reader);
    if (kind != 'O' && !(kind == 'K' && has_identity(table)))
        return malformed(error, "Delete");
    if (read_tuple(reader, table, cells, error) < 0 || finished(reader, "Delete", error) < 0)
        return -1;
    if (kind == 'O' && check_key(table, cells, error) < 0)
        return -1;
    line_head(decoder, table, 'd', out);
    if (kind == 'K' || table->has_key) {
        cdc_buf_lit(out, ",\"key\":");
        row(decoder, table, cells, kind == 'K' ? PG_ROW_IDENTITY : PG_ROW_KEY, out);
    }
    cdc_buf_lit(out, ",\"before\":");
    row(decoder, table, cells, kind == 'K' ? PG_ROW_IDENTITY : PG_ROW_ALL, out);
    cdc_buf_lit(out, ",\"after\":null}\n");
    return 0;
}

static int decode_truncate(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out,
                           struct cdc_error *error)
{
    uint32_t n = get32(reader);
    get8(reader); /* CASCADE, RESTART IDENTITY: its tables are listed */
    if (reader->bad || (size_t)(reader->end - reader->p) != (size_t)n * 4)
        return malformed(error, "Truncate");
    for (uint32_t i = 0; i < n; i++) {
        struct pg_table *table = change_table(decoder, get32(reader), error);
        if (!table)
            return -1;
        if (!is_wanted(decoder, table))
            continue;
        line_head(decoder, table, 't', out);
        cdc_buf_lit(out, "}\n");
    }
    return 0;
}

static void message_line(struct pgoutput *decoder, const char *prefix, const char *content, size_t n,
                         bool transactional, struct cdc_buf *out)
{
    decoder->tx.ordinal++;
    line_head(decoder, NULL, 'm', out);
    cdc_buf_lit(out, ",\"message\":{\"prefix\":");
    if (!cdc_json_append_text(out, prefix, strlen(prefix)))
        decoder->counts.unconvertible++;
    cdc_buf_lit(out, ",\"content\":");
    cdc_json_append_text(out, content, n); /* bytes are no mistake here */
    cdc_buf_text(out, transactional ? ",\"transactional\":true}}\n" : ",\"transactional\":false}}\n");
}

/* A message that belongs to no transaction is one by itself. Its LSN is where its record ends, which may be where the
 * record of the next transaction's commit begins: its pos is the byte before, so that both differ, and its end that LSN
 * and no more, or that transaction would be passed over when replication starts again. */
static int decode_message(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    uint8_t flags = get8(reader);
    uint64_t lsn = get64(reader);
    const char *prefix = get_string(reader);
    uint32_t n = get32(reader);
    const char *content = (const char *)reader->p;
    if (!has(reader, n))
        return malformed(error, "logical");
    reader->p += n;
    if (finished(reader, "logical", error) < 0)
        return -1;
    if (flags > 1 || (flags == 1 && !decoder->tx.open) || lsn == 0 || lsn > INT64_MAX)
        return malformed(error, "logical");
    bool alone = flags == 0 && !decoder->tx.open;
    if (alone)
        begin(decoder, lsn - 1, cdc_clock_wall_ms(), 0);
    message_line(decoder, prefix, content, n, flags == 1, out);
    if (alone)
        end_transaction(decoder, lsn, out);
    return 0;
}

static int decode_origin(struct pgoutput *decoder, struct reader *reader, struct cdc_error *error)
{
    get64(reader);
    get_string(reader);
    if (finished(reader, "Origin", error) < 0)
        return -1;
    return decoder->tx.open ? 0 : malformed(error, "Origin");
}

/* -- interface ------------------------------------------------------------- */

static int decode(struct pgoutput *decoder, struct reader *reader, struct cdc_buf *out, struct cdc_error *error)
{
    uint8_t tag = get8(reader);
    if (reader->bad)
        return malformed(error, "replication");
    switch (tag) {
    case 'I': return decode_insert(decoder, reader, out, error);
    case 'U': return decode_update(decoder, reader, out, error);
    case 'D': return decode_delete(decoder, reader, out, error);
    case 'B': return decode_begin(decoder, reader, error);
    case 'C': return decode_commit(decoder, reader, out, error);
    case 'R': return decode_relation(decoder, reader, error);
    case 'Y': return decode_type(decoder, reader, error);
    case 'T': return decode_truncate(decoder, reader, out, error);
    case 'M': return decode_message(decoder, reader, out, error);
    case 'O': return decode_origin(decoder, reader, error);
    default:
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a message of the unknown type 0x%02x", tag);
    }
}

int pgoutput_decode(struct pgoutput *decoder, const char *data, size_t n, uint64_t start_lsn, struct cdc_buf *out,
                    struct cdc_error *error)
{
    (void)start_lsn; /* 0 or shared by several changes: no position (the commit's LSN is) */
    struct reader reader = {(const unsigned char *)data, (const unsigned char *)data + n, false};
    size_t start = out->len;
    if (decode(decoder, &reader, out, error) < 0) {
        out->len = start; /* whole lines or none */
        return -1;
    }
    if (out->failed || decoder->tx.numbers.failed || decoder->tx.source_tail.failed || decoder->boundary_pos.failed ||
        decoder->boundary_source.failed)
        return cdc_error_memory(error);
    return 0;
}

struct pgoutput *pgoutput_new(const struct pgoutput_settings *settings, struct cdc_error *error)
{
    struct pgoutput *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        cdc_error_memory(error);
        return NULL;
    }
    decoder->settings = *settings;
    pg_source_head(&decoder->source_head, settings->pipeline, settings->database);
    for (int i = 0; i < 2; i++)
        decoder->cells[i] = calloc(MAX_COLUMNS, sizeof *decoder->cells[i]);
    if (!decoder->cells[0] || !decoder->cells[1] || decoder->source_head.failed) {
        cdc_error_memory(error);
        pgoutput_free(decoder);
        return NULL;
    }
    return decoder;
}

void pgoutput_reset(struct pgoutput *decoder)
{
    for (size_t i = 0; i < decoder->n_slots; i++) {
        pg_table_free(decoder->tables[i]);
        decoder->tables[i] = NULL;
    }
    decoder->n_tables = decoder->n_types = 0;
    decoder->last = NULL;
    decoder->tx.open = false;
}

int pgoutput_set_visible(struct pgoutput *decoder, struct cdc_span read_at, struct cdc_error *error)
{
    return pg_visible_parse(&decoder->visible, read_at, error);
}

void pgoutput_free(struct pgoutput *decoder)
{
    if (!decoder)
        return;
    pgoutput_reset(decoder);
    pg_visible_clear(&decoder->visible);
    free(decoder->tables);
    free(decoder->types);
    free(decoder->cells[0]);
    free(decoder->cells[1]);
    cdc_buf_free(&decoder->source_head);
    cdc_buf_free(&decoder->tx.numbers);
    cdc_buf_free(&decoder->tx.source_tail);
    cdc_buf_free(&decoder->boundary_pos);
    cdc_buf_free(&decoder->boundary_source);
    free(decoder);
}

bool pgoutput_in_transaction(const struct pgoutput *decoder)
{
    return decoder->tx.open;
}

const struct cdc_offset *pgoutput_boundary(const struct pgoutput *decoder)
{
    return decoder->has_boundary ? &decoder->boundary : NULL;
}

const struct pgoutput_counts *pgoutput_counts(const struct pgoutput *decoder)
{
    return &decoder->counts;
}
