/* SPDX-License-Identifier: MIT */
/* What becomes of one key: its lines in their order, of which only what matters is known here, and which of them make the row that is
 * left. Under a key that is unique only at the end of a transaction two rows may be there for a while (UPDATE t SET id =
 * id + 1); which of them a line speaks of is told by its `before`, as cdc-sink-sqlite does it (waiting.c there). */
#ifndef LOG_HISTORY_H
#define LOG_HISTORY_H

#include "connectors/log/compact/sorter.h"

enum log_change {
    LOG_CHANGE_READ,   /* r: the row is this */
    LOG_CHANGE_ARRIVE, /* c, or u from another key: where a row is, it makes place */
    LOG_CHANGE_UPDATE, /* u in its place */
    LOG_CHANGE_REMOVE, /* d, or u to another key */
    LOG_CHANGE_STAYS   /* the line is kept as it is, whatever comes after it */
};
enum {
    LOG_CHANGE_PARTIAL = 1, /* columns are missing, which the row had before */
    LOG_CHANGE_MOVED = 2,   /* the row changes its key */
    LOG_CHANGE_GIVES = 4,   /* REMOVE, MOVED: the line at the other key lacks columns, which the row has here */
    LOG_CHANGE_TELLS = 8,   /* `old` is known: it tells rows of one key apart */
    LOG_CHANGE_PLAIN = 16,  /* the line is r already, without `before`, and whole */
    LOG_CHANGE_OPENS = 32   /* no line of the key is before it in its transaction, as far as that matters */
};

/* The line number, counted over all that is folded, is the record's `second`; this is its data. */
struct log_entry {
    uint64_t transaction; /* number of its first line */
    uint32_t omitted;     /* hash of the names of the columns that are missing */
    uint32_t row, old;    /* hash of the row after it; of the one before it */
    uint8_t change, flags;
    uint8_t unused[2];
};

/* A line that the row is made of. */
struct log_link {
    uint64_t number;
    uint32_t omitted;
    bool taken_over; /* not the line, but what the line numbered so took along from its old key */
    bool plain;
};
struct log_chain_of_row {
    struct log_link *links; /* in their order: the last one is the newest, all but the first may lack columns */
    size_t n, capacity;
    uint32_t row; /* hash, 0: unknown */
};
struct log_history {
    struct log_chain_of_row *rows; /* that have the key: the last one is there, the others wait */
    size_t n, capacity;
    uint64_t transaction;
    bool removed; /* the last row went with this line: */
    uint64_t remover;
    uint8_t remover_flags;
};

void log_history_free(struct log_history *history);
/* Another key. */
void log_history_clear(struct log_history *history);
/* One more line. gone, which may be NULL: is called where a row that GIVES leaves, with what it is made of. 0 or -1. */
int log_history_add(struct log_history *history, uint64_t number, const struct log_entry *entry,
                    int (*gives)(void *context, uint64_t number, const struct log_chain_of_row *row,
                                 struct cdc_error *error),
                    void *context, struct cdc_error *error);
/* The row that is left; NULL: none. */
const struct log_chain_of_row *log_history_row(struct log_history *history);
/* Of records of one key, of which older ones may be elsewhere: drops those that come to nothing, whatever these are. cut: two
 * transactions of which lines may be elsewhere, too. */
void log_history_thin(struct log_group *group, const uint64_t cut[2]);

/* A line of a key, and the one that came last before it; NULL: that is not known, but those that are not have numbers up to `known_from`.
 * true: it is as if there had not been the older one, whatever was before it and comes after this one. May set flags of *newer. */
bool log_history_replaces(const struct log_entry *older, struct log_entry *newer, uint64_t known_from);

#endif
