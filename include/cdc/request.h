/* SPDX-License-Identifier: MIT */
/* Tables that somebody asks to be read again (cdc-snapshot --again), while the pipeline runs or not: a file of its own in the state
 * folder, DIR/cdc-snapshot-NAME.again, one line of JSON, mode 0600, replaced atomically:
 *      {"format":1,"name":"shop","stale":{"at":"-","tables":[{"db":"shop","schema":"public","table":"t","why":"asked for at ..."}]}}
 * The stream looks for it about once a second, and at its start. What it finds becomes its mark, as of any stale table (stale.h), and
 * is taken out of the file once the mark is durable. `why` tells one request from the next for the same table: one that the mark
 * has already, when the process was killed before it took it out, is not marked again, and one that came since is. */
#ifndef CDC_REQUEST_H
#define CDC_REQUEST_H

#include <cdc/stale.h>

/* Adds the tables (their `why` is set here) to what is asked for already. Waits a few seconds for whoever changes the file at this
 * moment, then TEMPORARY. Durable when it returns. 0 or -1 */
int cdc_request_add(const char *state_dir, const char *name, const struct cdc_stale *tables, struct cdc_error *error);
/* Replaces *asked by what is asked for, which may be nothing; cheap then. CONFIG when the file is damaged. 0 or -1 */
int cdc_request_read(struct cdc_stale *asked, const char *state_dir, const char *name, struct cdc_error *error);
/* Takes these requests out of the file, but none that came since for the same table. While somebody else changes the file nothing
 * is done, which does no harm: the next start, or look, comes to it. 0 or -1 */
int cdc_request_settle(const struct cdc_stale *asked, const char *state_dir, const char *name, struct cdc_error *error);
/* The file. RETURNS NEW (free); NULL without memory. */
char *cdc_request_path(const char *state_dir, const char *name);

#endif
