/* SPDX-License-Identifier: MIT */
/* Coordinates in one server's log: a file's name, and an offset in it. */
#ifndef MY_COORD_H
#define MY_COORD_H

#include <stdbool.h>
#include <stdint.h>

struct my_coord {
    char file[512]; /* "": not known */
    uint64_t position;
};
/* Earlier, the same, or later in one server's log: <0, 0, >0. */
int my_coord_compare(const struct my_coord *a, const struct my_coord *b);
/* "FILE:POSITION", as in "binlog.000007:1234"; false when it is not. */
bool my_coord_parse(const char *text, struct my_coord *coord);

#endif
