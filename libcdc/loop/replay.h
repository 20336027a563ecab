/* SPDX-License-Identifier: MIT */
/* --replay: lines of a file of dead letters go to the destination, those alone of which no newer line of the same row was taken in. */
#ifndef LOOP_REPLAY_H
#define LOOP_REPLAY_H

#include "libcdc/loop/internal.h"
#include "libcdc/loop/refused.h"

#include <cdc/sink.h>

struct replay {
    const struct cdc_sink_ops *ops;
    void *sink;
    const struct cdc_sink_settings *settings;
    const struct cdc_offset_file *offsets;
    struct refused *refused;
    const struct cdc_control *control;
    const struct cdc_log *log;
    struct cdc_metrics *metrics;
    struct loop_report *report;
    uint64_t *number; /* of the line in hand: of the loop */
    /* replay.c's own */
    struct {
        uint64_t number;
        size_t entry;
        bool refused;
    } * taken; /* since the last delivery */
    size_t n_taken;
    struct cdc_buf line, tables; /* of tables: the schema lines that the destination has, each with a NUL */
    uint64_t counts[REFUSED_STATES];
    uint64_t again, early, no_line;
};

/* 0 when each line was replayed, or need not be; DATA when one is refused again, or cannot be. */
int replay_run(struct replay *replay, struct cdc_error *error);
/* The destination has refused a line that it took in: for cdc_sink_reject_line. */
void replay_refuse(struct replay *replay, uint64_t number, const char *reason);

#endif
