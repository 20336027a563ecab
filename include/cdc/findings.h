/* SPDX-License-Identifier: MIT */
/* What --check has found out: facts and findings, as one JSON object, and as a table for people.
 *
 *   {"tool":"pg-cdc","name":"shop","exit_status":78,"server":{"version":"15.4",...},"tables":[{...},...],
 *    "findings":[{"code":"wal_level","severity":"error","text":"wal_level is replica","cure":"ALTER SYSTEM ..."}]}
 *
 * Nothing is printed: the caller writes what it gets. All functions take NULL, and do nothing then; memory that is short shows at
 * the end. Begin with {0}. */
#ifndef CDC_FINDINGS_H
#define CDC_FINDINGS_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <cdc/log.h>

struct cdc_findings {
    struct cdc_buf facts;  /* members: "server":{...},"tables":[...] */
    struct cdc_buf list;   /* elements of "findings" */
    const char *rows;      /* the array that is open; NULL. BORROWED */
    bool in_object, empty; /* an object is open, without members so far */
};
void cdc_findings_free(struct cdc_findings *findings);

/* Begins an object; what is open is closed. names are short, lower case, and end in the unit: "lag_bytes". */
void cdc_findings_object(struct cdc_findings *findings, const char *name);
/* Begins an object of the array of that name, whose objects come one after the other. BORROWS name. */
void cdc_findings_row(struct cdc_findings *findings, const char *name);
/* Members of the open object. NULL is JSON's null, and "-" in the table: not known, or not there in this release. */
void cdc_findings_text(struct cdc_findings *findings, const char *name, const char *value);
void cdc_findings_number(struct cdc_findings *findings, const char *name, int64_t value);
void cdc_findings_flag(struct cdc_findings *findings, const char *name, bool value);
/* value is valid JSON on one line. */
void cdc_findings_json(struct cdc_findings *findings, const char *name, struct cdc_span value);

/* code stays the same from release to release; table and cure may be NULL. */
void cdc_findings_add(struct cdc_findings *findings, enum cdc_log_level level, const char *code, const char *table,
                      const char *text, const char *cure);
/* Is there one of the level ERROR? */
bool cdc_findings_have_error(const struct cdc_findings *findings);
/* The whole object, without a line break at its end. error: what the check ended with, which is a finding of its own where there
 * is no other error; its status is "exit_status". name may be NULL. 0 or -1 without memory. */
int cdc_findings_end(struct cdc_findings *findings, const char *tool, const char *name, const struct cdc_error *error,
                     struct cdc_buf *out);
/* The facts of such an object as aligned text. Bytes that are no printable text are escaped. */
void cdc_findings_table(struct cdc_buf *out, struct cdc_span object);

#endif
