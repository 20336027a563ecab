/* SPDX-License-Identifier: MIT */
/* Coordinates, as MySQL calls them: a file of one server's log and an offset in it. They mean nothing at another
 * server, and the file's name may come again after RESET. */
#ifndef MY_COORD_H
#define MY_COORD_H

#include <stdbool.h>
#include <stdint.h>

struct my_coord {
    char file[512];    /* "binlog.000042"; "" where nothing is known yet */
    uint64_t position; /* where the next event begins; headers have only its lower 32 bits */
};
/* Earlier, the same, or later in one server's log: <0, 0, >0. */
int my_coord_compare(const struct my_coord *a, const struct my_coord *b);
/* "FILE:POSITION", as in "binlog.000007:1234"; false when it is not. */
bool my_coord_parse(const char *text, struct my_coord *coord);

#endif
