/* SPDX-License-Identifier: MIT */
/* The commit lines that a further attempt can go on after, once they are known to be stored. */
#ifndef MY_CHECKPOINT_H
#define MY_CHECKPOINT_H

#include <cdc/buf.h>
#include <cdc/json.h>

/* The tables before this one are read, and this one up to a key (resume.c writes and reads which). */
struct my_checkpoint {
    char pos[64];        /* of the commit line */
    struct cdc_buf json; /* all of it, as the offset file keeps it: {"pos":...,"db":...}; owned */
};
enum { MY_CHECKPOINTS = 16 }; /* what sinks have stored lags behind what is written */
struct my_checkpoints {
    struct my_checkpoint items[MY_CHECKPOINTS]; /* in the order of their lines */
    size_t n;
};

/* Adds one that is empty. Where there is no room, every other one goes: those that stay still reach as far back. */
struct my_checkpoint *my_checkpoints_add(struct my_checkpoints *checkpoints);
void my_checkpoints_drop_first(struct my_checkpoints *checkpoints);
/* Drops all but that one of them (NULL: all). */
void my_checkpoints_drop_but(struct my_checkpoints *checkpoints, const struct my_checkpoint *kept);
/* Adds those of an array; false when it is damaged. */
bool my_checkpoints_read(struct my_checkpoints *checkpoints, struct cdc_span array);
/* Appends `[...]`. */
void my_checkpoints_append(struct cdc_buf *out, const struct my_checkpoints *checkpoints);

#endif
