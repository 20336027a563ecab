/* SPDX-License-Identifier: MIT */
/* Exit statuses of every program (sysexits, plus 79). They double as the class
 * of a struct cdc_error: the number alone says whether trying again can help. */
#ifndef CDC_EXIT_H
#define CDC_EXIT_H

enum cdc_exit {
    CDC_EXIT_OK = 0,           /* done, end reached, or stopped by a signal after a clean drain */
    CDC_EXIT_USAGE = 64,       /* bad options or operands */
    CDC_EXIT_DATA = 65,        /* bad data in the input */
    CDC_EXIT_UNAVAILABLE = 69, /* the peer is unavailable; try again */
    CDC_EXIT_INTERNAL = 70,    /* a bug, or out of memory */
    CDC_EXIT_IO = 74,          /* input or output error; try again */
    CDC_EXIT_TEMPORARY = 75,   /* locked by another copy, truncated input; try again */
    CDC_EXIT_PROTOCOL = 76,    /* the peer sent what this program does not know */
    CDC_EXIT_PERMISSION = 77,  /* not allowed, or wrong password */
    CDC_EXIT_CONFIG = 78,      /* configuration or state must be fixed first */
    CDC_EXIT_LOST = 79         /* the position is no longer in the source's log */
};

#endif
