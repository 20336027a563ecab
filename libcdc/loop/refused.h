/* SPDX-License-Identifier: MIT */
/* Which rows have a line in the dead letters, and whether a newer line of the same row was taken in since: what --replay must know. It is
 * kept in a file beside the offset file, for every destination in the same way. NULL where a struct refused is expected: nothing is
 * kept, and nothing happens. */
#ifndef LOOP_REFUSED_H
#define LOOP_REFUSED_H

#include <cdc/event.h>

enum refused_state {
    REFUSED_UNKNOWN, /* no such line was refused here, or too long ago, or it is no row with a key (but in a history) */
    REFUSED_WAITING, /* no line of its row came after it */
    REFUSED_NEWER,   /* one did, or all rows of the table went, or came anew */
    REFUSED_CHANGED, /* the table has other columns since */
    REFUSED_REPLAYED,
    REFUSED_LACKING, /* a newer one came that does not have all that it has; or another row has the key that it left; or all rows of a
                       part of the table went, and nobody knows whether it was one of them */
    REFUSED_AWAY /* the same, and that one took the row to another key: no line under its own key is of it any more */
};
#define REFUSED_STATES (REFUSED_AWAY + 1)

struct refused;
struct refused_settings {
    bool anew;    /* what is there is of a copy that was given up */
    bool keeps;   /* lines may be refused in this run */
    bool history; /* the destination keeps each line beside the others: none ends the wait of another */
};
/* path: of the file; NULL: *result becomes NULL. *result RETURNS NEW. CONFIG where the file is damaged. */
int refused_open(struct refused **result, const char *path, const struct refused_settings *settings,
                 struct cdc_error *error);
void refused_free(struct refused *refused);
/* May the line end the wait of lines of other rows? Then what the destination refuses of those before it is to be known first. */
bool refused_ends_others(struct refused *refused, const struct cdc_event *event);
/* Before the line goes to the destination; number: of the line in the input. What is replaced by it is durable when this returns. */
int refused_touch(struct refused *refused, const struct cdc_event *event, uint64_t number, struct cdc_error *error);
/* That line was refused. */
int refused_note(struct refused *refused, struct cdc_span line, uint64_t number, struct cdc_error *error);
int refused_sync(struct refused *refused, struct cdc_error *error);

/* What the line is; of one that waits, *entry for refused_replayed and the newest schema line of its table (p NULL: there was none), BORROWED. */
enum refused_state refused_look(struct refused *refused, const struct cdc_event *event, size_t *entry,
                                struct cdc_span *schema);
/* It is stored: older lines of its row do not wait any more. */
int refused_replayed(struct refused *refused, size_t entry, struct cdc_error *error);
/* Are both of one row, and is the other one newer? */
bool refused_is_behind(const struct refused *refused, size_t entry, size_t other);

#endif
