/* SPDX-License-Identifier: MIT */
#ifndef LOG_READ_INTERNAL_H
#define LOG_READ_INTERNAL_H

#include "connectors/log/file/base.h"
#include "connectors/log/file/place.h"
#include "connectors/log/file/schemas.h"
#include "connectors/log/read/read.h"

#include <cdc/relay.h>

struct log_read {
    const struct log_read_settings *settings;
    struct log_folder folder;
    struct log_cursor cursor;
    bool open;                    /* cursor is */
    struct log_base_reader *base; /* comes first; NULL: none, or it was given */
    uint64_t base_at;             /* where the lines after it begin */
    uint64_t limit, end;          /* how far may be read now; where it ends, UINT64_MAX: never */
    uint64_t head;                /* what was durable once */
    struct cdc_buf schemas;       /* lines that come first */
    bool caught_up;
    bool asked; /* for the limit, since something was given last */
    bool exact; /* lines are looked at, as it ends within a batch */
    bool ended, inside;
    int64_t until_ms;      /* a time; 0: none */
    const char *until_pos; /* a position; NULL: none */
    uint64_t events;
    int watch;                  /* inotify; -1: none */
    struct cdc_offset boundary; /* of the batch that was given last; pos NULL: none */
    struct cdc_buf state, at;   /* at: positions that were told */
    struct cdc_offset_file *known;
    struct cdc_relay *relay; /* NULL: no acks */
};

/* start.c: where the log ends that may be read now. */
uint64_t read_log_end(const struct log_read *read);
/* Where it begins. *byte; *base: a base comes before it, that ends there. 0 or -1. */
int read_find_start(struct log_read *read, const struct cdc_offset *from, uint64_t *byte, bool *base,
                    struct cdc_error *error);
/* May the sinks go on with the base that was opened? 0, or -1 with LOST. */
int read_check_base(struct log_read *read, struct cdc_error *error);
/* Time or position; false: it is none. */
bool read_is_time(const char *text, int64_t *ms);
/* places.c: a batch, or a base, was given up to that byte. */
int read_note_place(struct log_read *read, uint64_t byte, struct cdc_span at, const unsigned char chain[LOG_HASH],
                    bool first, struct cdc_error *error);

#endif
