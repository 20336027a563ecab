/* SPDX-License-Identifier: MIT */
/* Coordinates: read from text, and compared. */
#include "connectors/mysql/event/coord.h"

#include <string.h>

/* Names of one server's log files sort by length and text: their numbers have leading zeros until they are full
 * (binlog.999999 comes before binlog.1000000). */
int my_coord_compare(const struct my_coord *a, const struct my_coord *b)
{
    size_t n = strlen(a->file), m = strlen(b->file);
    if (n != m)
        return n < m ? -1 : 1;
    int order = strcmp(a->file, b->file);
    if (order != 0)
        return order;
    return a->position < b->position ? -1 : a->position > b->position;
}

bool my_coord_parse(const char *text, struct my_coord *coord)
{
    const char *colon = strrchr(text, ':');
    memset(coord, 0, sizeof *coord);
    if (!colon || colon == text || !colon[1] || (size_t)(colon - text) >= sizeof coord->file ||
        strchr(text, ',') != NULL)
        return false;
    for (const char *p = colon + 1; *p; p++) {
        if (*p < '0' || *p > '9' || coord->position > UINT64_MAX / 10 - 1)
            return false;
        coord->position = coord->position * 10 + (uint64_t)(*p - '0');
    }
    memcpy(coord->file, text, (size_t)(colon - text));
    /* A UUID stands before the colon of a GTID; a file has its number after a dot. */
    return strchr(coord->file, '.') != NULL;
}
