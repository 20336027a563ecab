/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs as they are in memory, for the files that work on them; nobody else includes this. */
#ifndef MY_GTID_SET_INTERNAL_H
#define MY_GTID_SET_INTERNAL_H

#include "connectors/mysql/event/gtid_set.h"

#define MY_GTID_NUMBER_END INT64_MAX /* MySQL's numbers are below */
#define MY_GTID_TAG_MAX 32

struct my_gtid_interval {
    uint64_t start, end; /* end is not in it */
};

/* The numbers of one uuid and tag: intervals sorted, with gaps between them. */
struct my_gtid_source {
    uint8_t uuid[16];
    char tag[MY_GTID_TAG_MAX + 1];
    struct my_gtid_interval *intervals;
    size_t n, cap;
};

struct my_gtid_domain {
    uint32_t id, server_id;
    uint64_t number;
};

struct my_gtid_set {
    enum my_flavor flavor;
    struct my_gtid_source *sources; /* MySQL: sorted by uuid, tag */
    struct my_gtid_domain *domains; /* MariaDB: sorted by id */
    size_t n, cap, last;            /* of the one or the other; last: where the last addition was */
};

/* -- gtid_set.c */
/* Makes the set empty. */
void my_gtid_set_clear(struct my_gtid_set *set);
/* MySQL: the numbers of that uuid and tag, an empty list if there were none; NULL: out of memory. BORROWED until the
 * next call. */
struct my_gtid_source *my_gtid_set_find_or_add(struct my_gtid_set *set, const uint8_t uuid[16], const char *tag);
/* Texts and events may have many intervals in any order: they are appended, and at the end my_gtid_set_tidy sorts
 * and joins them. Nothing else may be done to the set between both. False: out of memory. */
bool my_gtid_set_append_interval(struct my_gtid_source *source, struct my_gtid_interval interval);
void my_gtid_set_tidy(struct my_gtid_set *set);
/* MariaDB: the newest of a domain is the one that came last, as in the server's gtid_binlog_pos. False: out of
 * memory. */
bool my_gtid_set_put_domain(struct my_gtid_set *set, struct my_gtid_domain domain);

/* -- gtid_set_text.c */
struct my_gtid_text {
    const char *p, *end;
};
/* [a-z_][a-z0-9_]*, upper case taken too. False: there is none here, or it is too long. */
bool my_gtid_set_take_tag(struct my_gtid_text *text, char tag[MY_GTID_TAG_MAX + 1]);

#endif
