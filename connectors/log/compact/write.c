/* SPDX-License-Identifier: MIT */
/* The lines once more, and those that are left go out. */
#include "connectors/log/compact/internal.h"
#include "connectors/log/compact/row.h"

#define SOURCE_SHIFT 48 /* above the number of a line */

struct writing {
    struct log_fold_state *fold;
    int (*out)(void *context, struct cdc_span line, struct cdc_error *error);
    void *context;
    struct log_source *source; /* in hand */
    size_t source_index;
    struct log_record older; /* the next one */
    int has_older;
    struct cdc_buf text, row, other;
};

/* -- lines that others need ------------------------------------------------------------------- */

static int add_older(struct log_fold_state *fold, uint64_t number, uint64_t target, struct cdc_span line,
                     struct cdc_error *error)
{
    struct cdc_event event;

    if (cdc_event_parse(&event, line.p, line.n, error) != 0 ||
        log_tables_source(&fold->tables, event.name, error) == NULL)
        return -1;
    struct log_record record = {(uint64_t)fold->tables.last_source << SOURCE_SHIFT | target, number, {NULL, 0}, line};
    return log_sorter_add(fold->older, &record, error);
}

static int scan_for_older(struct log_fold_state *fold, struct cdc_error *error)
{
    struct log_record wanted;
    struct cdc_span line;
    uint64_t number = 0;
    int result = 0, more = log_sorter_next(fold->needs, &wanted, error);

    while (more > 0 && (result = log_fold_line(fold, &line, error)) > 0)
        for (number++; more > 0 && wanted.first == number; more = log_sorter_next(fold->needs, &wanted, error))
            if (add_older(fold, number, wanted.second, line, error) != 0)
                return -1;
    return more < 0 || result < 0 ? -1 : 0;
}

static int gather_older(struct log_fold_state *fold, struct cdc_error *error)
{
    const struct log_fold_settings *settings = fold->settings;

    if (log_sorter_added(fold->needs) == 0)
        return 0;
    fold->older = log_sorter_new(settings->folder, LOG_SORT_SHARE(settings->memory), NULL, NULL, error);
    return fold->older != NULL && log_sorter_end(fold->needs, error) == 0 &&
                   fold->input->rewind(fold->input->context, error) == 0 && scan_for_older(fold, error) == 0
               ? log_sorter_end(fold->older, error)
               : -1;
}

/* -- lines that go out ---------------------------------------------------------------------------- */

static int emit(struct writing *writing, struct cdc_span line, struct cdc_error *error)
{
    writing->fold->counts->out++;
    return writing->out(writing->context, line, error);
}

static int emit_text(struct writing *writing, struct cdc_error *error)
{
    return writing->text.failed ? cdc_error_memory(error)
                                : emit(writing, cdc_span(writing->text.data, writing->text.len), error);
}

static int next_older(struct writing *writing, struct cdc_error *error)
{
    writing->has_older = log_sorter_next(writing->fold->older, &writing->older, error);
    return writing->has_older < 0 ? -1 : 0;
}

/* The older lines of a row become one, in their order. *row: that, of writing->row. 1, 0: there are none, -1. */
static int fold_older(struct writing *writing, uint64_t number, struct cdc_event *row, struct cdc_error *error)
{
    uint64_t wanted = (uint64_t)writing->source_index << SOURCE_SHIFT | number;
    struct cdc_event event;
    bool any = false;

    for (; writing->has_older > 0 && writing->older.first <= wanted;) {
        struct cdc_span line = writing->older.data;
        if (writing->older.first == wanted) {
            struct cdc_buf swap = writing->other;
            swap.len = 0;
            if (cdc_event_parse(&event, line.p, line.n, error) != 0 ||
                log_row_append(&swap, &event, any ? row : NULL, error) != 0)
                return -1;
            writing->other = writing->row;
            writing->row = swap;
            if (cdc_event_parse(row, writing->row.data, writing->row.len, error) != 0)
                return -1;
            any = true;
        }
        if (next_older(writing, error) != 0)
            return -1;
    }
    return any;
}

static int write_row(struct writing *writing, const struct cdc_event *event, uint64_t number, bool filled,
                     struct cdc_error *error)
{
    struct cdc_event row;
    int has_row = filled && writing->fold->older != NULL ? fold_older(writing, number, &row, error) : 0;

    writing->text.len = 0;
    if (has_row < 0 || log_row_append(&writing->text, event, has_row > 0 ? &row : NULL, error) != 0)
        return -1;
    return emit_text(writing, error);
}

static int write_action(struct writing *writing, const struct cdc_event *event, uint64_t number, unsigned action,
                        struct cdc_error *error)
{
    switch (action) {
    case LOG_ACTION_KEEP: return emit(writing, event->line, error);
    case LOG_ACTION_ROW: return write_row(writing, event, number, false, error);
    case LOG_ACTION_FILLED: return write_row(writing, event, number, true, error);
    case LOG_ACTION_COMMIT:
        writing->text.len = 0;
        log_row_append_commit(&writing->text, event, writing->source->events);
        return emit_text(writing, error);
    default: return 0;
    }
}

/* In `events` of the commit. */
static bool is_change(const struct cdc_event *event)
{
    return cdc_event_has_row(event) || event->op == CDC_OP_TRUNCATE || event->op == CDC_OP_MESSAGE ||
           event->op == CDC_OP_DDL;
}

static int write_line(struct writing *writing, struct cdc_span line, uint64_t number, unsigned actions,
                      struct cdc_error *error)
{
    struct log_fold_state *fold = writing->fold;
    struct cdc_event event;

    if (cdc_event_parser_next(fold->parser, &event, line.p, line.n, error) != 0)
        return -1;
    if (fold->tables.n_sources > 1 && log_tables_source(&fold->tables, event.name, error) != writing->source)
        return error->status != 0 ? -1 : 0;
    unsigned action = actions & (LOG_ACTION_LEFT - 1);
    if (action != LOG_ACTION_DROP && is_change(&event))
        writing->source->events++;
    if (write_action(writing, &event, number, action, error) != 0)
        return -1;
    if (!(actions & LOG_ACTION_LEFT))
        return 0;
    writing->source->events++;
    writing->text.len = 0;
    log_row_append_left(&writing->text, &event);
    return emit_text(writing, error);
}

static int write_source(struct writing *writing, struct cdc_error *error)
{
    struct cdc_span line;
    uint64_t number = 0;
    int result;

    if (writing->fold->input->rewind(writing->fold->input->context, error) != 0)
        return -1;
    while ((result = log_fold_line(writing->fold, &line, error)) > 0) {
        int actions = log_plan_get(writing->fold->plan, ++number, error);
        if (actions < 0 || (actions > 0 && write_line(writing, line, number, (unsigned)actions, error) != 0))
            return -1;
        if (number == writing->fold->counts->lines)
            return 0;
    }
    return result;
}

int log_fold_write(struct log_fold_state *fold,
                   int (*out)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
                   struct cdc_error *error)
{
    struct writing writing = {.fold = fold, .out = out, .context = context};
    int result = gather_older(fold, error);

    log_sorter_free(fold->needs);
    fold->needs = NULL;
    if (result == 0 && fold->older != NULL)
        result = next_older(&writing, error);
    for (size_t i = 0; result == 0 && i < fold->tables.n_sources; i++) {
        writing.source = fold->tables.sources[i];
        writing.source_index = i;
        result = write_source(&writing, error);
    }
    cdc_buf_free(&writing.text);
    cdc_buf_free(&writing.row);
    cdc_buf_free(&writing.other);
    return result;
}
