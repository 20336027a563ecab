/* SPDX-License-Identifier: MIT */
/* verify, prove and purge, as the programs see them. */
#ifndef LOG_PROOF_PROOF_H
#define LOG_PROOF_PROOF_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/log.h>
#include <cdc/options.h>

struct log_verify_settings {
    const char *path;
    const char *checkpoint, *key;       /* files: a checkpoint that was kept, and whose key has signed it; or NULL */
    const char *checkpoint_to, *signer; /* files: a checkpoint to make, and the private key for it; or NULL */
    const struct cdc_log *log;
    const struct cdc_control *control;
};
/* Reads the whole log. 0: it is right, and *report has a line of JSON that says what there is; -1: CONFIG where it is damaged, was
 * rewritten, or cut back; LOST where it no longer has what the checkpoint is of; DATA where that is none. */
int log_verify(const struct log_verify_settings *settings, struct cdc_buf *report, struct cdc_error *error);

struct log_prove_settings {
    const char *path;
    const char *place;      /* a pos, or @BYTE where the line begins */
    const char *name;       /* of the source; NULL: any */
    const char *checkpoint; /* file */
    const char *key;        /* file: who must have signed it; or NULL */
    const struct cdc_log *log;
    const struct cdc_control *control;
};
/* Appends the proof that the line was in the log at the checkpoint (c2sp.org/tlog-proof). 0 or -1. */
int log_prove(const struct log_prove_settings *settings, struct cdc_buf *proof, struct cdc_error *error);

struct log_purge_settings {
    const char *path;
    const char *table, *name;           /* a pattern; a source, or NULL */
    const struct cdc_option_list *keys; /* JSON objects */
    bool force_unsalted, dry_run;
    const struct cdc_log *log;
    const struct cdc_control *control;
};
/* Replaces the lines of these rows. 0, and *report has a line of JSON; -1: CONFIG without salts, or where a line is too short;
 * TEMPORARY: some are in the segment that is written to, and are there still. */
int log_purge(const struct log_purge_settings *settings, struct cdc_buf *report, struct cdc_error *error);

#endif
