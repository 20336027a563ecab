/* SPDX-License-Identifier: MIT */
/* Marks of stale tables, and the rounds that answer them: stale.h has the whole of it. What the next start finds after a kill
 *
 *   before the mark is saved          nothing: the source finds the same change again
 *   after it                          the mark: the stream ends at the first boundary from W on, cdc-snapshot reads once all sinks are there
 *   while a round is written          its attempt without "written": another attempt
 *   written, and not all sinks have it  the same: the lines of another attempt sort after those of this one
 *   all sinks have it                 the mark is answered, whether or not anybody noted that */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <cdc/json.h>
#include <cdc/pos.h>
#include <cdc/stale.h>

/* -- marks -- */

static void table_free(struct cdc_stale_table *table)
{
    free(table->db);
    free(table->schema);
    free(table->table);
    free(table->why);
}

void cdc_stale_clear(struct cdc_stale *stale)
{
    for (size_t i = 0; i < stale->n; i++)
        table_free(&stale->tables[i]);
    free(stale->tables);
    free(stale->at);
    *stale = (struct cdc_stale){.at = NULL};
}

static int compare(const struct cdc_stale_table *a, const struct cdc_stale_table *b)
{
    int order = strcmp(a->table, b->table);

    order = order != 0 ? order : strcmp(a->schema, b->schema);
    return order != 0 ? order : strcmp(a->db, b->db);
}

/* They are sorted: a publication that is altered may mark thousands. *there: is it among them? Its place, or where it would be. */
static size_t place_of(const struct cdc_stale *stale, const struct cdc_stale_table *table, bool *there)
{
    size_t low = 0, high = stale->n;

    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&stale->tables[middle], table);
        *there |= order == 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Only read. */
static struct cdc_stale_table named(const char *db, const char *schema, const char *table)
{
    return (struct cdc_stale_table){(char *)(uintptr_t)db, (char *)(uintptr_t)schema, (char *)(uintptr_t)table, NULL};
}

const struct cdc_stale_table *cdc_stale_find(const struct cdc_stale *stale, const char *db, const char *schema,
                                             const char *table)
{
    const struct cdc_stale_table wanted = named(db, schema, table);
    bool there;
    size_t place = place_of(stale, &wanted, &there);

    return there ? &stale->tables[place] : NULL;
}

bool cdc_stale_has(const struct cdc_stale *stale, const char *db, const char *schema, const char *table)
{
    return cdc_stale_find(stale, db, schema, table) != NULL;
}

/* TAKES the texts of `table`, also on errors. */
static int take(struct cdc_stale *stale, struct cdc_stale_table table, struct cdc_error *error)
{
    bool whole = table.db != NULL && table.schema != NULL && table.table != NULL && table.why != NULL, there = false;
    size_t place = whole ? place_of(stale, &table, &there) : 0;

    if (there) {
        table_free(&table);
        return 0;
    }
    if (whole && stale->n == stale->capacity) {
        size_t capacity = stale->capacity > 0 ? stale->capacity * 2 : 4;
        struct cdc_stale_table *tables = realloc(stale->tables, capacity * sizeof *tables);
        whole = tables != NULL;
        if (tables != NULL) {
            stale->tables = tables;
            stale->capacity = capacity;
        }
    }
    if (!whole) {
        table_free(&table);
        return cdc_error_memory(error);
    }
    memmove(&stale->tables[place + 1], &stale->tables[place], (stale->n++ - place) * sizeof table);
    stale->tables[place] = table;
    return 0;
}

int cdc_stale_add(struct cdc_stale *stale, const char *db, const char *schema, const char *table, const char *why,
                  struct cdc_error *error)
{
    return take(stale, (struct cdc_stale_table){strdup(db), strdup(schema), strdup(table), strdup(why)}, error);
}

static int add_all(struct cdc_stale *stale, const struct cdc_stale *from, struct cdc_error *error)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct cdc_stale_table *table = &from->tables[i];
        if (cdc_stale_add(stale, table->db, table->schema, table->table, table->why, error) != 0)
            return -1;
    }
    return 0;
}

/* -- as JSON -- */

static int damaged(const char *what, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" of the pipeline's state is damaged", what);
}

/* "" where the member is absent; NULL when it is no text, or without memory (*no_memory). */
static char *text_of(struct cdc_span object, const char *name, bool *no_memory)
{
    struct cdc_span value = cdc_json_member(object, name);
    char *text = value.p == NULL ? strdup("") : cdc_json_text(cdc_json_string_raw(value), NULL);

    if (value.p != NULL && cdc_json_type(value) != CDC_JSON_STRING) {
        free(text);
        return NULL;
    }
    *no_memory |= text == NULL;
    return text;
}

/* {"at":"...","tables":[...]}, of a mark or a round. */
static int read_mark(struct cdc_stale *stale, struct cdc_span object, const char *what, struct cdc_error *error)
{
    struct cdc_json_iter tables;
    struct cdc_span item, at = cdc_json_member_raw(object, "at");
    bool no_memory = false;

    if (at.n == 0 || cdc_json_type(cdc_json_member(object, "tables")) != CDC_JSON_ARRAY)
        return damaged(what, error);
    stale->at = cdc_json_text(at, NULL);
    if (stale->at == NULL)
        return cdc_error_memory(error);
    cdc_json_iter_begin(&tables, cdc_json_member(object, "tables"));
    while (cdc_json_next_element(&tables, &item)) {
        struct cdc_stale_table table = {.db = text_of(item, "db", &no_memory),
                                        .schema = text_of(item, "schema", &no_memory),
                                        .table = text_of(item, "table", &no_memory),
                                        .why = text_of(item, "why", &no_memory)};
        if (!no_memory && (!table.db || !table.schema || !table.why || !table.table || !table.table[0])) {
            table_free(&table);
            return damaged(what, error);
        }
        if (take(stale, table, error) != 0)
            return -1;
    }
    return stale->n > 0 ? 0 : damaged(what, error);
}

int cdc_stale_read(struct cdc_stale *stale, struct cdc_span state, struct cdc_error *error)
{
    struct cdc_span object = state.p != NULL ? cdc_json_member(state, "stale") : state;

    cdc_stale_clear(stale);
    if (cdc_json_is_null(object) || read_mark(stale, object, "stale", error) == 0)
        return 0;
    cdc_stale_clear(stale);
    return -1;
}

static void append_member(struct cdc_buf *out, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    cdc_buf_printf(out, ",\"%s\":", name);
    cdc_json_append_text(out, text, strlen(text));
}

static void append_mark(struct cdc_buf *out, const struct cdc_stale *stale)
{
    cdc_buf_lit(out, "{\"at\":");
    cdc_json_append_text(out, stale->at != NULL ? stale->at : "", stale->at != NULL ? strlen(stale->at) : 0);
    cdc_buf_lit(out, ",\"tables\":[");
    for (size_t i = 0; i < stale->n; i++) {
        const struct cdc_stale_table *table = &stale->tables[i];
        cdc_buf_text(out, i > 0 ? ",{\"db\":" : "{\"db\":");
        cdc_json_append_text(out, table->db, strlen(table->db));
        append_member(out, "schema", table->schema);
        append_member(out, "table", table->table);
        append_member(out, "why", table->why);
        cdc_buf_byte(out, '}');
    }
    cdc_buf_byte(out, ']'); /* the closing brace is the caller's */
}

void cdc_stale_append(struct cdc_buf *out, const struct cdc_stale *stale)
{
    if (stale->n == 0)
        return;
    cdc_buf_lit(out, ",\"stale\":");
    append_mark(out, stale);
    cdc_buf_byte(out, '}');
}

static void append_name(struct cdc_buf *out, const struct cdc_stale_table *table)
{
    const char *outer = table->schema[0] != '\0' ? table->schema : table->db;

    cdc_buf_printf(out, "%s.%s", outer, table->table);
    if (table->why[0] != '\0')
        cdc_buf_printf(out, " (%s)", table->why);
}

int cdc_stale_stop(const struct cdc_stale *stale, struct cdc_error *error)
{
    enum { SHOWN = 3 };
    struct cdc_buf names = CDC_BUF_INIT;

    for (size_t i = 0; i < stale->n && i < SHOWN; i++) {
        cdc_buf_text(&names, i > 0 ? ", " : "");
        append_name(&names, &stale->tables[i]);
    }
    if (stale->n > SHOWN)
        cdc_buf_printf(&names, " and %zu more", stale->n - SHOWN);
    cdc_buf_byte(&names, '\0');
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "to be read again: table%s %s", stale->n == 1 ? "" : "s",
                  names.failed ? "" : names.data);
    cdc_buf_free(&names);
    return cdc_error_hint(
        error, "start the same command line again: cdc-snapshot reads the rows, and the log goes on after them");
}

/* -- rounds -- */

static void round_clear(struct cdc_round *round)
{
    cdc_stale_clear(&round->of);
    cdc_attempt_clear(&round->attempt);
    free(round->read_at);
    *round = (struct cdc_round){.read_at = NULL};
}

void cdc_rounds_clear(struct cdc_rounds *rounds)
{
    for (size_t i = 0; i < rounds->n; i++)
        round_clear(&rounds->items[i]);
    free(rounds->items);
    *rounds = (struct cdc_rounds){.items = NULL};
}

/* An empty one at the end; NULL without memory. */
static struct cdc_round *add_round(struct cdc_rounds *rounds, struct cdc_error *error)
{
    struct cdc_round *items = realloc(rounds->items, (rounds->n + 1) * sizeof *items);

    if (items == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    rounds->items = items;
    items[rounds->n] = (struct cdc_round){.read_at = NULL};
    return &items[rounds->n++];
}

static int read_round(struct cdc_round *round, struct cdc_span object, struct cdc_error *error)
{
    struct cdc_span read_at = cdc_json_member(object, "read_at"), origin = cdc_json_member(object, "origin");
    int64_t number = 0;

    if (read_mark(&round->of, object, "again", error) != 0)
        return -1;
    errno = 0;
    if (!cdc_attempt_read(&round->attempt, object))
        return errno == ENOMEM ? cdc_error_memory(error) : damaged("again", error);
    if (!cdc_json_int64(origin, &number) || number < 0)
        return damaged("again", error);
    round->attempt.origin = (uint64_t)number;
    if (cdc_json_is_null(read_at))
        return 0;
    round->read_at = cdc_span_copy(read_at);
    return round->read_at != NULL ? 0 : cdc_error_memory(error);
}

int cdc_rounds_read(struct cdc_rounds *rounds, struct cdc_span state, struct cdc_error *error)
{
    struct cdc_span list = state.p != NULL ? cdc_json_member(state, "again") : state, item;
    struct cdc_json_iter items;
    int result = 0;

    cdc_rounds_clear(rounds);
    if (cdc_json_is_null(list))
        return 0;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return damaged("again", error);
    cdc_json_iter_begin(&items, list);
    while (result == 0 && cdc_json_next_element(&items, &item)) {
        struct cdc_round *round = add_round(rounds, error);
        result = round != NULL ? read_round(round, item, error) : -1;
    }
    if (result != 0)
        cdc_rounds_clear(rounds);
    return result;
}

void cdc_rounds_append(struct cdc_buf *out, const struct cdc_rounds *rounds)
{
    for (size_t i = 0; i < rounds->n; i++) {
        const struct cdc_round *round = &rounds->items[i];
        cdc_buf_text(out, i > 0 ? "," : ",\"again\":[");
        append_mark(out, &round->of);
        cdc_buf_printf(out, ",\"origin\":%" PRIu64 ",\"attempt\":%u", round->attempt.origin, round->attempt.number);
        if (round->read_at != NULL) {
            cdc_buf_lit(out, ",\"read_at\":");
            cdc_buf_text(out, round->read_at);
        }
        cdc_attempt_append(out, &round->attempt); /* with the closing brace */
    }
    cdc_buf_text(out, rounds->n > 0 ? "]" : "");
}

static struct cdc_round *find(const struct cdc_rounds *rounds, const char *at)
{
    for (size_t i = 0; at != NULL && i < rounds->n; i++)
        if (strcmp(rounds->items[i].of.at, at) == 0)
            return &rounds->items[i];
    return NULL;
}

/* The round that has read all tables of the mark; NULL: there is none, or one of them was added since. */
static struct cdc_round *find_answer(const struct cdc_rounds *rounds, const struct cdc_stale *mark)
{
    struct cdc_round *round = find(rounds, mark->at);

    for (size_t i = 0; round != NULL && i < mark->n; i++)
        if (!cdc_stale_has(&round->of, mark->tables[i].db, mark->tables[i].schema, mark->tables[i].table))
            return NULL;
    return round;
}

/* By position, whatever "finished" says: a sink may have been set back since. 1, 0 or -1 */
static int is_stored(const struct cdc_round *round, struct cdc_acks *acks, struct cdc_error *error)
{
    return cdc_acks_passed(acks, round->attempt.written, error);
}

/* Is it the position of a round's line? Those begin with r after the head, in all connectors. */
static bool is_of_round(const char *pos)
{
    uint64_t number, ordinal;
    const char *tail = cdc_pos_parse(pos, &number, &ordinal);

    return tail != NULL && ordinal == 0 && tail[0] == 'r';
}

/* The largest position of the sinks that is in the log, as last read; NULL: there is none. */
static const char *foremost(const struct cdc_acks *acks)
{
    const char *largest = NULL;

    for (size_t i = 0; acks != NULL && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        if (offset != NULL && !is_of_round(offset->pos) && (largest == NULL || strcmp(offset->pos, largest) > 0))
            largest = offset->pos;
    }
    return largest;
}

/* Example: one of two sinks was restored from a backup, and the other is far ahead. A round before where that one is would be
 * dropped by it, and so would be what the log then omits. So the round is read where the foremost sink is, or later. */
static bool is_passed(const struct cdc_acks *acks, const char *at)
{
    const char *largest = foremost(acks);

    return largest != NULL && strcmp(largest, at) > 0;
}

int cdc_rounds_due(const struct cdc_rounds *rounds, const struct cdc_stale *mark, struct cdc_acks *acks,
                   struct cdc_error *error)
{
    const struct cdc_round *round = find_answer(rounds, mark);
    int stored = round != NULL ? is_stored(round, acks, error) : 0;

    if (mark->n == 0 || mark->at == NULL || stored > 0)
        return CDC_ROUND_NONE;
    int passed = stored < 0 ? -1 : cdc_acks_passed(acks, mark->at, error);
    return passed < 0 ? -1 : passed > 0 && !is_passed(acks, mark->at) ? CDC_ROUND_DUE : CDC_ROUND_EARLY;
}

static void remove_table(struct cdc_stale *stale, const struct cdc_stale_table *table)
{
    bool there;
    size_t place = place_of(stale, table, &there);

    if (!there)
        return;
    table_free(&stale->tables[place]);
    memmove(&stale->tables[place], &stale->tables[place + 1], (--stale->n - place) * sizeof *table);
}

void cdc_stale_remove(struct cdc_stale *stale, const char *db, const char *schema, const char *table)
{
    const struct cdc_stale_table wanted = named(db, schema, table);

    remove_table(stale, &wanted);
}

struct cdc_round *cdc_rounds_find(const struct cdc_rounds *rounds, const char *db, const char *schema,
                                  const char *table)
{
    for (size_t i = rounds->n; i-- > 0;)
        if (cdc_stale_has(&rounds->items[i].of, db, schema, table))
            return &rounds->items[i];
    return NULL;
}

void cdc_rounds_prune(struct cdc_rounds *rounds)
{
    size_t kept = 0;

    for (size_t i = 0; i < rounds->n; i++) {
        if (rounds->items[i].of.n > 0)
            rounds->items[kept++] = rounds->items[i];
        else
            round_clear(&rounds->items[i]);
    }
    rounds->n = kept;
}

void cdc_rounds_take_back(struct cdc_rounds *rounds, const struct cdc_stale *tables)
{
    for (size_t i = 0; i < tables->n; i++) {
        const struct cdc_stale_table *table = &tables->tables[i];
        struct cdc_round *round = cdc_rounds_find(rounds, table->db, table->schema, table->table);
        if (round != NULL) {
            free(round->attempt.written);
            round->attempt.written = NULL;
        }
    }
}

/* A table belongs to the newest round that has it: a sink that lacks an older one lacks that, too, and of the log the newer one has
 * seen all that the older one had. So the list has no more rounds than there are tables. The newest is the last. */
static void forget_older(struct cdc_rounds *rounds)
{
    const struct cdc_round newest = rounds->items[rounds->n - 1];
    size_t kept = 0;

    for (size_t i = 0; i + 1 < rounds->n; i++) {
        struct cdc_round *round = &rounds->items[i];
        for (size_t j = 0; j < newest.of.n; j++)
            remove_table(&round->of, &newest.of.tables[j]);
        if (round->of.n > 0)
            rounds->items[kept++] = *round;
        else
            round_clear(round);
    }
    rounds->items[kept++] = newest;
    rounds->n = kept;
}

/* The round that answers the mark, at the end of the list. */
static struct cdc_round *last_round(struct cdc_rounds *rounds, const struct cdc_stale *mark, uint64_t origin,
                                    struct cdc_error *error)
{
    struct cdc_round *round = find(rounds, mark->at);

    if (round != NULL) {
        const struct cdc_round found = *round;
        size_t after = (size_t)(&rounds->items[rounds->n - 1] - round);
        memmove(round, round + 1, after * sizeof *round);
        rounds->items[rounds->n - 1] = found;
        return &rounds->items[rounds->n - 1];
    }
    round = add_round(rounds, error);
    if (round == NULL)
        return NULL;
    round->of.at = strdup(mark->at);
    if (round->of.at == NULL) {
        rounds->n--;
        cdc_error_memory(error);
        return NULL;
    }
    /* Rounds at one place share the numbers of their attempts, which are in pos: also with those that a stream has read itself, and
     * that keeps their numbers, of which the mark's position is one. */
    uint64_t place, ordinal, number;
    const char *tail = cdc_pos_parse(mark->at, &place, &ordinal);
    if (tail != NULL && is_of_round(mark->at) && place == origin && cdc_pos_hex(tail + 1, 4, &number) &&
        number < CDC_ATTEMPT_MAX)
        round->attempt.number = (unsigned)number;
    for (size_t i = 0; i + 1 < rounds->n; i++) {
        const struct cdc_attempt *other = &rounds->items[i].attempt;
        if (other->origin == origin && other->number > round->attempt.number)
            round->attempt.number = other->number;
    }
    return round;
}

struct cdc_round *cdc_rounds_begin(struct cdc_rounds *rounds, const struct cdc_stale *mark, uint64_t origin,
                                   const char *name, const char *hint, struct cdc_error *error)
{
    struct cdc_round *round = last_round(rounds, mark, origin, error);

    if (round == NULL)
        return NULL;
    round->attempt.origin = origin;
    free(round->read_at);
    round->read_at = NULL;
    for (size_t i = 0; i < mark->n; i++)
        if (cdc_stale_add(&round->of, mark->tables[i].db, mark->tables[i].schema, mark->tables[i].table, "", error) !=
            0)
            return NULL;
    if (cdc_attempt_begin(&round->attempt, name, hint, error) != 0)
        return NULL;
    forget_older(rounds);
    return &rounds->items[rounds->n - 1];
}

static int later_of(struct cdc_stale *mark, const char *at, struct cdc_error *error)
{
    if (mark->at != NULL && strcmp(mark->at, at) >= 0)
        return 0;
    free(mark->at);
    mark->at = strdup(at);
    return mark->at != NULL ? 0 : cdc_error_memory(error);
}

/* Of a round that is not stored, the tables that no newer round has read. */
static int reopen(struct cdc_stale *mark, const struct cdc_round *round, const struct cdc_stale *settled,
                  struct cdc_error *error)
{
    for (size_t i = 0; i < round->of.n; i++) {
        const struct cdc_stale_table *table = &round->of.tables[i];
        if (cdc_stale_has(settled, table->db, table->schema, table->table))
            continue;
        if (cdc_stale_add(mark, table->db, table->schema, table->table, "not all sinks have what was read", error) !=
                0 ||
            later_of(mark, round->of.at, error) != 0)
            return -1;
    }
    return 0;
}

int cdc_rounds_reopen(const struct cdc_rounds *rounds, struct cdc_stale *mark, struct cdc_acks *acks,
                      struct cdc_error *error)
{
    const struct cdc_round *answer = find_answer(rounds, mark);
    struct cdc_stale settled = {.at = NULL};
    int stored = answer != NULL ? is_stored(answer, acks, error) : 0, result = stored < 0 ? -1 : 0;

    if (stored > 0)
        cdc_stale_clear(mark);
    for (size_t i = rounds->n; result == 0 && i-- > 0;) {
        const struct cdc_round *round = &rounds->items[i];
        stored = is_stored(round, acks, error);
        result = stored < 0    ? -1
                 : stored == 0 ? reopen(mark, round, &settled, error)
                               : add_all(&settled, &round->of, error);
    }
    cdc_stale_clear(&settled);
    if (result == 0 && mark->n > 0 && foremost(acks) != NULL)
        result = later_of(mark, foremost(acks), error);
    return result;
}

int cdc_rounds_mark(const struct cdc_rounds *rounds, struct cdc_stale *mark, const char *pos, struct cdc_acks *acks,
                    struct cdc_error *error)
{
    if (later_of(mark, pos != NULL ? pos : "", error) != 0)
        return -1;
    if (foremost(acks) != NULL && later_of(mark, foremost(acks), error) != 0)
        return -1;
    for (size_t i = 0; i < rounds->n; i++) {
        const char *written = rounds->items[i].attempt.written;
        if (written != NULL && later_of(mark, written, error) != 0)
            return -1;
    }
    return 0;
}

/* -- where the mark is -- */

int cdc_stale_load(struct cdc_stale *stale, const char *state_dir, const char *tool, const char *name,
                   struct cdc_error *error)
{
    struct cdc_offset offset = {.pos = NULL};
    char *path = cdc_state_path(state_dir, tool, name);
    int found = path != NULL ? cdc_offset_read_entry(path, name, &offset, error) : cdc_error_memory(error);

    cdc_stale_clear(stale);
    if (found > 0)
        found = cdc_stale_read(stale, cdc_span_text(offset.state), error);
    cdc_offset_free(&offset);
    free(path);
    return found < 0 ? -1 : 0;
}
