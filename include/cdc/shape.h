/* SPDX-License-Identifier: MIT */
/* Other shapes of a stream: a part of the rows, nested values as columns, an outbox's rows as events, and plain rows. */
#ifndef CDC_SHAPE_H
#define CDC_SHAPE_H

#include <cdc/filter.h>
#include <cdc/log.h>

/* -- sample: some of the rows, each with all of its changes -- */

struct cdc_sample;
/* rates: "[TABLE:]RATE", where RATE is "5%" or "0.05"; of several that name a table the last one counts, and a table that none
 * names passes whole. Which rows are taken is decided by their keys and the seed alone: the same ones each time, on every machine,
 * and all of a smaller rate are in a larger one. BORROWS the texts. USAGE. RETURNS NEW. */
struct cdc_sample *cdc_sample_new(const struct cdc_option_list *rates, const char *seed, struct cdc_error *error);
void cdc_sample_free(struct cdc_sample *sample);
/* CONFIG where a row has no key, or is taken from now on (its key has changed) and the line has not all of it. */
struct cdc_filter_step cdc_sample_step(struct cdc_sample *sample);

/* -- flatten: {"doc":{"a":1,"b":[2]}} as "doc_a":1,"doc_b_0":2 -- */

struct cdc_flatten;
/* columns: "[TABLE:]a,b", where * is every column of a type that nests. in_private: errors have no name that was made, as there are
 * members of a value in it. BORROWS the texts. USAGE. RETURNS NEW. */
struct cdc_flatten *cdc_flatten_new(const struct cdc_option_list *columns, bool allow_unknown, bool in_private,
                                    struct cdc_error *error);
void cdc_flatten_free(struct cdc_flatten *flatten);
/* Lines of tables with such columns become a schema line, where there are new columns, and the row's. DATA where a name would be that of
 * another column, CONFIG where a line does not say what the row was before. */
struct cdc_filter_step cdc_flatten_step(struct cdc_flatten *flatten);

/* -- outbox: rows of a table as events under the names that they have in a column -- */

struct cdc_outbox_settings {
    struct cdc_option_list tables; /* patterns */
    struct cdc_option_list
        columns;               /* "aggregatetype=kind": other names of id, aggregatetype, aggregateid, type, payload */
    const char *prefix;        /* before the names; NULL: "outbox.event." */
    const char *key;           /* the column that is the events' key; NULL: the table's own */
    const struct cdc_log *log; /* told where events may be missing; NULL: nobody is */
};
struct cdc_outbox;
/* BORROWS the texts. USAGE. RETURNS NEW. */
struct cdc_outbox *cdc_outbox_new(const struct cdc_outbox_settings *settings, struct cdc_error *error);
void cdc_outbox_free(struct cdc_outbox *outbox);
/* Updates of rows that were passed over. */
uint64_t cdc_outbox_updates(const struct cdc_outbox *outbox);
struct cdc_filter_step cdc_outbox_step(struct cdc_outbox *outbox);

/* -- unwrap: only the rows -- */

enum cdc_unwrap_deletes {
    CDC_UNWRAP_DROP,  /* a delete is no line */
    CDC_UNWRAP_MARK,  /* every row has "__deleted", true for the old row of a delete */
    CDC_UNWRAP_REFUSE /* a delete is CONFIG */
};
struct cdc_unwrap;
/* tombstones: lines are {"key":...,"value":...}, and after a delete one with the value null. RETURNS NEW. */
struct cdc_unwrap *cdc_unwrap_new(enum cdc_unwrap_deletes deletes, bool tombstones, struct cdc_error *error);
void cdc_unwrap_free(struct cdc_unwrap *unwrap);
struct cdc_filter_format cdc_unwrap_format(struct cdc_unwrap *unwrap);
/* Appends what rows cannot say and was left out, "3 truncates; ...": how many in all. */
uint64_t cdc_unwrap_losses(const struct cdc_unwrap *unwrap, struct cdc_buf *out);

#endif
