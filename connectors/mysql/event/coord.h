/* SPDX-License-Identifier: MIT */
/* Coordinates: a place of one server's log. */
#ifndef MY_COORD_H
#define MY_COORD_H

#include <stdint.h>

/* Where the log was read up to. */
struct my_coord {
    char file[512];
    uint64_t position;
};

#endif
