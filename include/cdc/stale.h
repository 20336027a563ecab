/* SPDX-License-Identifier: MIT */
/* Tables whose rows in a copy are no longer the source's, though no line said so: a column was added with a default, a table was
 * made anew under its name. The source that sees one marks it, writes all up to a boundary W, and ends (TEMPORARY). The same
 * command line started again reads the marked tables anew in cdc-snapshot: a round. Then the log goes on after W, without what the
 * round has seen of these tables.
 *
 *   pg-cdc         boundary W, its state: "stale":{"at":"W","tables":[{"db":"shop","schema":"public","table":"t","why":"..."}]}
 *   cdc-snapshot   all sinks are at W: its state: "again":[{"at":"W","attempt":1,"tables":[...]}], the rows, "written":"..."
 *   pg-cdc         all sinks have the round: the mark is answered
 *
 * So the sinks are all before a round or all after it. A mark needs no exact place in the log: what lies before W is replaced as a
 * whole. A sink that was restored from a backup of before a round has lost it, and its tables are stale again. */
#ifndef CDC_STALE_H
#define CDC_STALE_H

#include <cdc/attempt.h>

struct cdc_stale_table {
    char *db, *schema, *table; /* as in `source` of their lines; schema is "" where there are none */
    char *why;                 /* for people; "" in a round */
};
struct cdc_stale {
    char *at;                       /* pos of W; NULL as long as it is not reached */
    struct cdc_stale_table *tables; /* sorted by table, schema, db */
    size_t n, capacity;
};

void cdc_stale_clear(struct cdc_stale *stale);
/* Adds the table unless it is there; copies. */
int cdc_stale_add(struct cdc_stale *stale, const char *db, const char *schema, const char *table, const char *why,
                  struct cdc_error *error);
bool cdc_stale_has(const struct cdc_stale *stale, const char *db, const char *schema, const char *table);
/* The same; BORROWED until the next change of it, NULL: it is not there. */
const struct cdc_stale_table *cdc_stale_find(const struct cdc_stale *stale, const char *db, const char *schema,
                                             const char *table);
/* Nothing happens where it is not there. */
void cdc_stale_remove(struct cdc_stale *stale, const char *db, const char *schema, const char *table);
/* Replaces *stale by the "stale" of a source's state; there may be none, or no state. CONFIG when it is damaged. */
int cdc_stale_read(struct cdc_stale *stale, struct cdc_span state, struct cdc_error *error);
/* The mark that the stream `tool` of the pipeline has left in the state folder; there may be none. 0 or -1. */
int cdc_stale_load(struct cdc_stale *stale, const char *state_dir, const char *tool, const char *name,
                   struct cdc_error *error);
/* Appends ,"stale":{...}; nothing where there is no table. */
void cdc_stale_append(struct cdc_buf *out, const struct cdc_stale *stale);
/* TEMPORARY: names the tables. Always -1. */
int cdc_stale_stop(const struct cdc_stale *stale, struct cdc_error *error);

/* Requests of people (request.h) become marks, too; but for tables, asked for or stale, that a stream can read itself while its log goes
 * on (live.h of both connectors). Such a read is a round in the stream's own state, saved before its first line without
 * "written", and with it after its last one. A start at which not all sinks have passed that, wherever they are in it, begins it
 * anew, after the foremost one, and withholds the table's changes until then. */

/* -- rounds ----------------------------------------------------------------------------- */
struct cdc_round {
    struct cdc_stale of;        /* the mark that it answers */
    struct cdc_attempt attempt; /* at its rows; written: all are out */
    char *read_at;              /* what it has seen of the log: JSON of the connector's own, or NULL */
};
struct cdc_rounds {
    struct cdc_round *items; /* the newest is the last; each table is in one of them, the newest that has read it */
    size_t n;
};

void cdc_rounds_clear(struct cdc_rounds *rounds);
/* The newest one that has read the table, or is to; BORROWED until the next change of the rounds, NULL: there is none. */
struct cdc_round *cdc_rounds_find(const struct cdc_rounds *rounds, const char *db, const char *schema,
                                  const char *table);
/* Drops those that have no table any more. */
void cdc_rounds_prune(struct cdc_rounds *rounds);
/* These tables are to be read anew: what was written of them counts no more, however far sinks come meanwhile. To be saved before the
 * first line. */
void cdc_rounds_take_back(struct cdc_rounds *rounds, const struct cdc_stale *tables);
/* Replaces *rounds by the "again" of a snapshot's state; there may be none. CONFIG when it is damaged. */
int cdc_rounds_read(struct cdc_rounds *rounds, struct cdc_span state, struct cdc_error *error);
/* Appends ,"again":[...]; nothing where there is no round. */
void cdc_rounds_append(struct cdc_buf *out, const struct cdc_rounds *rounds);
enum cdc_round_due {
    CDC_ROUND_NONE,  /* no mark, or one whose round is stored */
    CDC_ROUND_EARLY, /* some sink is before W, or after it: the stream goes first */
    CDC_ROUND_DUE
};
/* What is there to do about the mark? -1 on errors. acks: NULL where what is written counts as stored. */
int cdc_rounds_due(const struct cdc_rounds *rounds, const struct cdc_stale *mark, struct cdc_acks *acks,
                   struct cdc_error *error);
/* A (further) attempt of the round that answers the mark, which is the last one then: BORROWED, to be saved before its first
 * line. Its attempts have other numbers than those of all rounds with that origin. NULL on errors. name, hint: as cdc_attempt_begin takes them. */
struct cdc_round *cdc_rounds_begin(struct cdc_rounds *rounds, const struct cdc_stale *mark, uint64_t origin,
                                   const char *name, const char *hint, struct cdc_error *error);
/* The mark as a start of the stream finds it (start.h does it): what its own state says, unless that is answered, and the tables of
 * each round that some sink has not stored and no newer round has read. The stream ends at the first boundary at or after mark->at, which
 * is no sink's position in the log before that: a sink that is ahead would drop the round, and miss what the log then omits.
 * Whoever starts must save it before the first line: with lines that come later, such a sink passes the round without its rows.
 * acks as above. */
int cdc_rounds_reopen(const struct cdc_rounds *rounds, struct cdc_stale *mark, struct cdc_acks *acks,
                      struct cdc_error *error);
/* A start has put further tables into the mark, which none of the rounds answers: mark->at becomes no less than pos (where the start
 * begins; may be NULL), the foremost sink as last read, and all rounds. */
int cdc_rounds_mark(const struct cdc_rounds *rounds, struct cdc_stale *mark, const char *pos, struct cdc_acks *acks,
                    struct cdc_error *error);

#endif
