/* SPDX-License-Identifier: MIT */
/* A kind of database as programs see it that take any: chosen by the scheme of the URL, then asked by operations. */
#ifndef CDC_DATABASE_H
#define CDC_DATABASE_H

#include <cdc/control.h>
#include <cdc/findings.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/selection.h>
#include <cdc/snapshot.h>
#include <cdc/value_format.h>

/* What the user gave. What a kind has no use for must not be given: open refuses it. */
struct cdc_database_settings {
    const char *url;  /* "": what the environment says */
    const char *name; /* of the pipeline; NULL: the database's own */
    struct cdc_selection selection;
    struct cdc_value_format format;
    struct cdc_option_list where;   /* TABLE:CONDITION (table_texts.h): the rows that a snapshot reads; checked */
    int64_t jobs;                   /* sessions that read at once; 1 or more */
    const char *slot, *publication; /* PostgreSQL; NULL: cdc_NAME */
    bool no_create;                 /* PostgreSQL: create neither of them */
    bool allow_refused;             /* PostgreSQL: publish tables whose UPDATE and DELETE the server then refuses */
    const char *defaults_file;      /* MySQL, MariaDB: option file; NULL */
    const char *password;           /* MySQL, MariaDB: where neither URL nor option file have one; NULL */
    const char *tool;
    const struct cdc_log *log;
    struct cdc_control *control;
};

/* A table that is there. */
struct cdc_database_table {
    const char *db, *schema, *table; /* as in `source` of their lines; schema is "" where there are none */
    bool any_case;                   /* as of struct cdc_selection */
    const char *why_not;             /* why the pipeline cannot read it again; NULL: it can */
};
typedef int cdc_database_visit(void *context, const struct cdc_database_table *table, struct cdc_error *error);

struct cdc_database {
    const char *kind;           /* in messages: "MySQL and MariaDB" */
    const char *stream;         /* the program that reads the log: "pg-cdc" */
    bool reads_on;              /* it may read tables again itself, and go on meanwhile */
    const char *const *schemes; /* "mysql:" ..., ends with NULL */
    /* Checks the settings without asking a server, and BORROWS them. RETURNS NEW (close); NULL with error. */
    void *(*open)(const struct cdc_database_settings *settings, struct cdc_error *error);
    void (*close)(void *database); /* NULL: nothing happens */
    /* The name of the pipeline, which decides its files; the server is asked where only it knows. BORROWED; NULL with
     * error, which may be transient. */
    const char *(*name)(void *database, struct cdc_error *error);
    /* What would stop the snapshot or lose rows, a finding a line. position: the pipeline's, which has begun; NULL:
     * nothing was read yet. report takes facts and findings. 0, or -1 with the status that a start would have. */
    int (*check)(void *database, const struct cdc_offset *position, struct cdc_findings *report,
                 struct cdc_error *error);
    /* All tables that the user may see, for cdc-snapshot --again; state_dir: the pipeline's. 0 or -1; visit's -1 ends it. */
    int (*tables)(void *database, const char *state_dir, cdc_database_visit *visit, void *context,
                  struct cdc_error *error);
    /* One attempt at the snapshot, unless it is finished. offsets: its own file; acks: NULL where what is written is
     * stored. 0, or -1: after a transient error it is worth another attempt. */
    int (*snapshot)(void *database, const struct cdc_snapshot_settings *settings, struct cdc_offset_file *offsets,
                    struct cdc_acks *acks, struct cdc_metrics *metrics, struct cdc_error *error);
};

/* Of the kinds (the list ends with NULL) the one whose scheme the URL has; the first one where it has none that anybody
 * knows, as libpq's key=value text. NULL when it is one of `others` (ends with NULL), which this program cannot. */
const struct cdc_database *cdc_database_find(const struct cdc_database *const *kinds, const char *const *others,
                                             const char *url);
/* USAGE when an option is given that databases of that kind have no use for. 0 or -1. */
int cdc_database_refuse(const struct cdc_database *kind, const char *option, bool given, struct cdc_error *error);

#endif
