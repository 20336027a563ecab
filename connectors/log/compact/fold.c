/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "connectors/log/compact/internal.h"

int log_fold(const struct log_fold_settings *settings, const struct log_fold_input *input,
             int (*out)(void *context, struct cdc_span line, struct cdc_error *error), void *context,
             struct log_fold_counts *counts, struct cdc_error *error)
{
    struct log_fold_state fold = {.settings = settings, .input = input, .counts = counts, .key = LOG_KEY_INIT};
    struct cdc_error own = {0};
    int result = -1;

    error = error != NULL ? error : &own;
    *counts = (struct log_fold_counts){0};
    fold.entries = log_sorter_new(settings->folder, LOG_SORT_SHARE(settings->memory), log_fold_thin, &fold, error);
    fold.parser = cdc_event_parser_new(error);
    if (fold.entries != NULL && fold.parser != NULL &&
        log_sorter_replace(fold.entries, log_fold_newer, &fold, error) == 0 && log_fold_take(&fold, error) == 0 &&
        log_fold_choose(&fold, error) == 0)
        result = log_fold_write(&fold, out, context, error);
    cdc_event_parser_free(fold.parser);
    log_sorter_free(fold.entries);
    log_sorter_free(fold.needs);
    log_sorter_free(fold.older);
    log_plan_free(fold.plan);
    log_tables_free(&fold.tables);
    free(fold.dropped);
    cdc_buf_free(&fold.key.bytes);
    cdc_buf_free(&fold.old.bytes);
    cdc_buf_free(&fold.bytes);
    return result;
}
