/* SPDX-License-Identifier: MIT */
/* What is done with each line: the entries come by key, and of each key one line is left, or what says that its row is gone. Where
 * that line lacks columns, it is noted which older lines have them.
 *
 *   u 1 without photo           needs    r 1
 *   u 1 to 2 without photo      takes over what 1 had then, and that is known where the lines of 1 are looked at */
#include <stdlib.h>

#include "connectors/log/compact/internal.h"

/* Lines that omit columns, of rows that have left their keys. */
struct moves {
    struct log_fold_state *fold;
    struct log_sorter *given; /* first: the line of a row that left; data: struct log_link, what it is made of */
    struct log_sorter *taken; /* first: the same; second: the line that it completes */
};

static int add_pair(struct log_sorter *sorter, uint64_t first, uint64_t second, struct cdc_error *error)
{
    struct log_record record = {first, second, {NULL, 0}, {NULL, 0}};

    return log_sorter_add(sorter, &record, error);
}

static int give(void *context, uint64_t number, const struct log_chain_of_row *row, struct cdc_error *error)
{
    struct moves *moves = context;

    for (size_t i = 0; i < row->n; i++) {
        struct log_record record = {number, i, {NULL, 0}, cdc_span((const char *)&row->links[i], sizeof *row->links)};
        if (log_sorter_add(moves->given, &record, error) != 0)
            return -1;
    }
    return 0;
}

/* -- one key ------------------------------------------------------------------------------ */

static int need(struct moves *moves, const struct log_link *link, uint64_t target, struct cdc_error *error)
{
    return add_pair(link->taken_over ? moves->taken : moves->fold->needs, link->number, target, error);
}

static int choose_row(struct moves *moves, const struct log_chain_of_row *row, struct cdc_error *error)
{
    struct log_fold_state *fold = moves->fold;
    const struct log_link *last = &row->links[row->n - 1];

    fold->counts->rows++;
    for (size_t i = 0; i + 1 < row->n; i++)
        if (need(moves, &row->links[i], last->number, error) != 0)
            return -1;
    return log_plan_set(fold->plan, last->number,
                        row->n > 1    ? LOG_ACTION_FILLED
                        : last->plain ? LOG_ACTION_KEEP
                                      : LOG_ACTION_ROW,
                        error);
}

static int choose_for(struct moves *moves, const struct log_group_key *group, struct log_history *history,
                      struct cdc_error *error)
{
    struct log_fold_state *fold = moves->fold;
    const struct log_table *table = fold->tables.items[group->table];
    const struct log_chain_of_row *row = log_history_row(history);

    if (row != NULL)
        return choose_row(moves, row, error);
    if (!history->removed || history->remover <= fold->tables.sources[table->source]->gone)
        return 0;
    fold->counts->marks++;
    return log_plan_set(fold->plan, history->remover,
                        history->remover_flags & LOG_CHANGE_MOVED ? LOG_ACTION_LEFT : LOG_ACTION_KEEP, error);
}

static bool lives(const struct log_fold_state *fold, const struct log_group_key *group)
{
    return group->table == LOG_NO_TABLE ||
           log_table_lives(fold->tables.items[group->table], group->generation & ~LOG_STAYS);
}

static struct log_group_key group_of(struct cdc_span key)
{
    struct log_group_key group;

    memcpy(&group, key.p, sizeof group);
    return group;
}

/* A transaction in hand when memory is full goes on in the next run. */
static void note_cuts(struct log_fold_state *fold)
{
    uint64_t spills = log_sorter_spills(fold->entries);

    for (size_t i = 0; spills != fold->spills && i < fold->tables.n_sources; i++) {
        struct log_source *source = fold->tables.sources[i];
        source->cut[1] = source->cut[0];
        source->cut[0] = source->first;
    }
    fold->spills = spills;
}

void log_fold_thin(void *context, struct log_group *group)
{
    struct log_fold_state *fold = context;
    struct log_group_key key = group_of(log_group_at(group, 0).key);

    note_cuts(fold);
    if (lives(fold, &key)) {
        if (!(key.generation & LOG_STAYS))
            log_history_thin(group, fold->tables.sources[fold->tables.items[key.table]->source]->cut);
        return;
    }
    for (size_t i = 0; i < log_group_size(group); i++)
        log_group_drop(group, i);
}

bool log_fold_newer(void *context, uint64_t number, const void *older, void *newer)
{
    struct log_fold_state *fold = context;
    struct log_entry one, other;
    uint64_t spills = log_sorter_spills(fold->entries);

    if (fold->runs != spills)
        fold->run_from = number;
    fold->runs = spills;
    memcpy(&other, newer, sizeof other);
    if (older != NULL)
        memcpy(&one, older, sizeof one);
    bool replaces = log_history_replaces(older != NULL ? &one : NULL, &other, fold->run_from);
    memcpy(newer, &other, sizeof other);
    return replaces;
}

static int take_record(struct moves *moves, struct log_history *history, const struct log_record *record,
                       struct cdc_error *error)
{
    struct log_entry entry;

    memcpy(&entry, record->data.p, sizeof entry);
    if (entry.change == LOG_CHANGE_STAYS)
        return log_plan_set(moves->fold->plan, record->second, LOG_ACTION_KEEP, error);
    return log_history_add(history, record->second, &entry, give, moves, error);
}

static int choose_rows(struct moves *moves, struct cdc_error *error)
{
    struct log_fold_state *fold = moves->fold;
    struct log_history history = {0};
    struct log_group_key group = {LOG_NO_TABLE, LOG_STAYS};
    struct log_record record;
    struct cdc_buf *key = &fold->bytes;
    bool live = false;
    int result = log_sorter_end(fold->entries, error);

    key->len = 0;
    while (result == 0 && (result = log_sorter_next(fold->entries, &record, error)) > 0) {
        result = 0;
        if (!cdc_span_equal(record.key, cdc_span(key->data, key->len))) {
            if (live && !(group.generation & LOG_STAYS))
                result = choose_for(moves, &group, &history, error);
            log_history_clear(&history);
            key->len = 0;
            cdc_buf_span(key, record.key);
            group = group_of(record.key);
            live = lives(fold, &group);
        }
        if (result == 0 && live)
            result = key->failed ? cdc_error_memory(error) : take_record(moves, &history, &record, error);
    }
    if (result == 0 && live && !(group.generation & LOG_STAYS))
        result = choose_for(moves, &group, &history, error);
    log_history_free(&history);
    log_sorter_free(fold->entries);
    fold->entries = NULL;
    return result;
}

/* -- what rows took along -------------------------------------------------------------------- */

static int new_sorters(struct moves *moves, struct cdc_error *error)
{
    const struct log_fold_settings *settings = moves->fold->settings;

    moves->given = log_sorter_new(settings->folder, LOG_SMALL_SHARE(settings->memory) / 2, NULL, NULL, error);
    moves->taken = log_sorter_new(settings->folder, LOG_SMALL_SHARE(settings->memory) / 2, NULL, NULL, error);
    return moves->given != NULL && moves->taken != NULL ? 0 : -1;
}

static void free_sorters(struct moves *moves)
{
    log_sorter_free(moves->given);
    log_sorter_free(moves->taken);
    moves->given = moves->taken = NULL;
}

static int copy_record(struct log_sorter *to, const struct log_record *record, struct cdc_error *error)
{
    return log_sorter_add(to, record, error);
}

/* What was given with the line that is taken now. */
static int take_given(struct moves *moves, struct moves *later, uint64_t number, uint64_t target,
                      struct log_record *given, int *more, struct cdc_error *error)
{
    struct log_link link;

    for (; *more > 0 && given->first <= number; *more = log_sorter_next(moves->given, given, error)) {
        if (copy_record(later->given, given, error) != 0)
            return -1;
        memcpy(&link, given->data.p, sizeof link);
        if (given->first == number && need(later, &link, target, error) != 0)
            return -1;
    }
    return *more < 0 ? -1 : 0;
}

/* Each line that is needed of an old key; where the row came there from another key, what it took along from that is for the next
 * round. Lines are ever older, so the rounds end. A line is taken by one row alone. */
static int resolve_round(struct moves *moves, struct moves *later, struct cdc_error *error)
{
    struct log_record taken, given;
    int result = log_sorter_end(moves->given, error) != 0 || log_sorter_end(moves->taken, error) != 0 ? -1 : 0;
    int more = result == 0 ? log_sorter_next(moves->given, &given, error) : -1;

    while (more >= 0 && (result = log_sorter_next(moves->taken, &taken, error)) > 0)
        if (take_given(moves, later, taken.first, taken.second, &given, &more, error) != 0)
            return -1;
    return more < 0 ? -1 : result;
}

static int resolve(struct moves *moves, struct cdc_error *error)
{
    int result = 0;

    while (result == 0 && log_sorter_added(moves->taken) > 0) {
        struct moves later = {.fold = moves->fold};
        result = new_sorters(&later, error) == 0 ? resolve_round(moves, &later, error) : -1;
        free_sorters(moves);
        *moves = later;
    }
    return result;
}

/* -- lines about tables ------------------------------------------------------------------------ */

static size_t end_of_read(const struct log_table *table, size_t begin)
{
    size_t i = begin + 1;

    while (i < table->n_marks && table->marks[i].kind != LOG_MARK_END && table->marks[i].kind != LOG_MARK_BEGIN)
        i++;
    return i;
}

/* Does a mark still count? Of a read both lines do, or none. */
static bool still_counts(const struct log_table *table, size_t i, uint64_t gone)
{
    const struct log_mark *mark = &table->marks[i];

    if (mark->kind == LOG_MARK_BEGIN) {
        size_t end = end_of_read(table, i);
        if (end == table->n_marks)
            return true;
        mark = &table->marks[end];
    }
    return mark->number > gone || (mark->kind == LOG_MARK_END && table->end_differs);
}

static int choose_for_table(struct log_fold_state *fold, const struct log_table *table, struct cdc_error *error)
{
    uint64_t gone = fold->tables.sources[table->source]->gone;
    int result = 0;

    for (size_t i = 0; result == 0 && i < table->n_schemas; i++)
        result = log_plan_set(fold->plan, table->schemas[i], LOG_ACTION_KEEP, error);
    for (size_t i = 0; result == 0 && i < table->n_marks; i++)
        if (still_counts(table, i, gone)) {
            fold->counts->marks++;
            result = log_plan_set(fold->plan, table->marks[i].number, LOG_ACTION_KEEP, error);
        }
    return result;
}

static int choose_for_source(struct log_fold_state *fold, const struct log_source *source, struct cdc_error *error)
{
    if (source->commit > 0 && log_plan_set(fold->plan, source->commit, LOG_ACTION_COMMIT, error) != 0)
        return -1;
    return source->beat > source->commit ? log_plan_set(fold->plan, source->beat, LOG_ACTION_KEEP, error) : 0;
}

static int choose_others(struct log_fold_state *fold, struct cdc_error *error)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < fold->tables.n; i++)
        result = choose_for_table(fold, fold->tables.items[i], error);
    for (size_t i = 0; result == 0 && i < fold->n_dropped; i += 2)
        if (fold->dropped[i] > fold->tables.sources[fold->dropped[i + 1]]->gone)
            result = log_plan_set(fold->plan, fold->dropped[i], LOG_ACTION_KEEP, error);
    for (size_t i = 0; result == 0 && i < fold->tables.n_sources; i++)
        result = choose_for_source(fold, fold->tables.sources[i], error);
    return result;
}

int log_fold_choose(struct log_fold_state *fold, struct cdc_error *error)
{
    const struct log_fold_settings *settings = fold->settings;
    struct moves moves = {.fold = fold};
    int result = -1;

    fold->counts->tables = fold->tables.n;
    fold->plan = log_plan_new(settings->folder, LOG_SMALL_SHARE(settings->memory), fold->counts->lines, error);
    fold->needs = log_sorter_new(settings->folder, LOG_SMALL_SHARE(settings->memory), NULL, NULL, error);
    if (fold->plan != NULL && fold->needs != NULL && new_sorters(&moves, error) == 0 &&
        choose_rows(&moves, error) == 0 && resolve(&moves, error) == 0)
        result = choose_others(fold, error);
    free_sorters(&moves);
    return result;
}
