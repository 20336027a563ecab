/* SPDX-License-Identifier: MIT */
/* Reads a whole log and proves it against itself: every byte against the CRCs and the SHA-256 of the journals, every line against the
 * chain, the segments against each other, and all of it against a checkpoint that was kept elsewhere. */
#ifndef LOG_PROOF_AUDIT_H
#define LOG_PROOF_AUDIT_H

#include "connectors/log/file/folder.h"
#include "connectors/log/proof/checkpoint.h"
#include "connectors/log/proof/tree.h"

#include <cdc/control.h>
#include <cdc/log.h>

/* One line that was read. */
struct log_line {
    struct cdc_span text;      /* without its LF */
    uint64_t at, number;       /* its first byte; how many lines of this log are before it */
    const unsigned char *salt; /* LOG_SALT bytes, or NULL */
    const unsigned char *leaf;
    bool purged;
};

struct log_audit {
    struct log_folder *folder;
    const struct cdc_control *control; /* a stop ends it with TEMPORARY; may be NULL */
    const struct cdc_log *log;
    const struct log_checkpoint *kept; /* the log must go through it; NULL: none */
    bool with_tree;                    /* for a root: of a new checkpoint, or of `kept` */
    bool only_to_kept;                 /* lines after `kept` are of no interest */
    /* Called for each line, once the one before it has led to the chain's value; where a segment was replaced while it was read, once
     * more for each of its lines. 0 or -1. May be NULL. */
    int (*line)(void *context, struct log_audit *audit, const struct log_line *line, struct cdc_error *error);
    void *context;
    /* What came of it. */
    struct log_chain chain;
    struct log_audit_state {
        unsigned char value[LOG_HASH]; /* of the chain */
        uint64_t begin, at;            /* first byte, and byte after what was read */
        uint64_t lines, purged;
        uint64_t salted; /* purged lines that have their salt still: that purge did not end */
        bool met;        /* `kept` */
        struct log_tree tree;
    } state;
    size_t segments;
    uint64_t torn; /* bytes behind the last commit */
};

/* Before it, folder is listed, and what is above the line is set. CONFIG: the log is damaged, or is not the one of the checkpoint; LOST:
 * that one is of lines that were trimmed since; TEMPORARY: stopped, or a segment was removed meanwhile. */
int log_audit_run(struct log_audit *audit, struct cdc_error *error);
void log_audit_free(struct log_audit *audit);
/* What was read, as a checkpoint. */
int log_audit_checkpoint(struct log_audit *audit, struct log_checkpoint *checkpoint, struct cdc_error *error);

#endif
