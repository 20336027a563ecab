/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs: finding and adding. A transaction is looked up or added for each one that is read, so both are fast
 * where it follows the one before: `last` remembers where that was, and the last interval of a source is tried
 * first.
 *
 * MySQL ("MySQL Reference Manual: GTID Format and Storage"): a server gives its transactions rising numbers under
 * its uuid (and, from 8.3 on, a tag), but on a replica with several appliers they may be logged in another order, so
 * that there are gaps: uuid:1-5:7. MariaDB (Knowledge Base, "Global Transaction ID") orders the transactions of a
 * domain, so that the newest one of each tells all. */
#include "connectors/mysql/event/gtid_set_internal.h"

#include <stdlib.h>
#include <string.h>

struct my_gtid_set *my_gtid_set_new(enum my_flavor flavor, struct cdc_error *error)
{
    struct my_gtid_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        cdc_error_memory(error);
    else
        set->flavor = flavor;
    return set;
}

void my_gtid_set_clear(struct my_gtid_set *set)
{
    for (size_t i = 0; i < set->n && set->sources; i++)
        free(set->sources[i].intervals);
    free(set->sources);
    free(set->domains);
    *set = (struct my_gtid_set){.flavor = set->flavor};
}

void my_gtid_set_free(struct my_gtid_set *set)
{
    if (set == NULL)
        return;
    my_gtid_set_clear(set);
    free(set);
}

bool my_gtid_set_is_empty(const struct my_gtid_set *set)
{
    return set->n == 0;
}

/* Room for one more item. */
static bool make_room(void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 4;
    void *grown = more <= SIZE_MAX / 2 / size ? realloc(*items, more * size) : NULL;
    if (grown == NULL)
        return false;
    *items = grown;
    *cap = more;
    return true;
}

/* -- MySQL: finding ------------------------------------------------------------- */

static int compare(const struct my_gtid_source *source, const uint8_t uuid[16], const char *tag)
{
    int order = memcmp(source->uuid, uuid, 16);
    return order != 0 ? order : strcmp(source->tag, tag);
}

/* Where it is, or would be. */
static size_t source_at(const struct my_gtid_set *set, const uint8_t uuid[16], const char *tag)
{
    size_t low = 0, high = set->n;
    if (set->last < set->n && compare(&set->sources[set->last], uuid, tag) == 0)
        return set->last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&set->sources[middle], uuid, tag) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct my_gtid_source *my_gtid_set_find_or_add(struct my_gtid_set *set, const uint8_t uuid[16], const char *tag)
{
    size_t at = source_at(set, uuid, tag);
    if (at == set->n || compare(&set->sources[at], uuid, tag) != 0) {
        void *items = set->sources;
        bool room = make_room(&items, set->n, &set->cap, sizeof *set->sources);
        set->sources = items;
        if (!room)
            return NULL;
        memmove(set->sources + at + 1, set->sources + at, (set->n - at) * sizeof *set->sources);
        set->n++;
        set->sources[at] = (struct my_gtid_source){0};
        memcpy(set->sources[at].uuid, uuid, 16);
        memcpy(set->sources[at].tag, tag, strlen(tag) + 1);
    }
    set->last = at;
    return &set->sources[at];
}

/* The first interval that ends at number or after it: number is in it, or it can be lengthened, or it comes later. */
static size_t interval_at(const struct my_gtid_source *source, uint64_t number)
{
    size_t low = 0, high = source->n;
    if (high > 0 && source->intervals[high - 1].start <= number) /* mostly the last one, or after it */
        return source->intervals[high - 1].end >= number ? high - 1 : high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->intervals[middle].end < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -- MySQL: adding -------------------------------------------------------------- */

static bool insert_interval(struct my_gtid_source *source, size_t at, struct my_gtid_interval interval)
{
    void *items = source->intervals;
    bool room = make_room(&items, source->n, &source->cap, sizeof interval);
    source->intervals = items;
    if (!room)
        return false;
    memmove(source->intervals + at + 1, source->intervals + at, (source->n - at) * sizeof interval);
    source->intervals[at] = interval;
    source->n++;
    return true;
}

static bool add_number(struct my_gtid_source *source, uint64_t number)
{
    size_t at = interval_at(source, number);
    if (at == source->n || number + 1 < source->intervals[at].start)
        return insert_interval(source, at, (struct my_gtid_interval){number, number + 1});
    struct my_gtid_interval *here = &source->intervals[at];
    if (number + 1 == here->start)
        here->start = number;
    else if (number == here->end)
        here->end++;
    if (at + 1 < source->n && here[1].start == here->end) { /* 1-3:5 and 4: the gap is closed, 1-5 */
        here->end = here[1].end;
        source->n--;
        memmove(here + 1, here + 2, (source->n - at - 1) * sizeof *here);
    }
    return true;
}

bool my_gtid_set_append_interval(struct my_gtid_source *source, struct my_gtid_interval interval)
{
    return insert_interval(source, source->n, interval);
}

static int by_start(const void *a, const void *b)
{
    const struct my_gtid_interval *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void tidy_source(struct my_gtid_source *source)
{
    struct my_gtid_interval *all = source->intervals;
    size_t kept = 0;
    qsort(all, source->n, sizeof *all, by_start);
    for (size_t i = 1; i < source->n; i++) {
        if (all[i].start > all[kept].end)
            all[++kept] = all[i];
        else if (all[i].end > all[kept].end)
            all[kept].end = all[i].end;
    }
    source->n = kept + 1;
}

void my_gtid_set_tidy(struct my_gtid_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        tidy_source(&set->sources[i]);
    set->last = set->n ? set->n - 1 : 0;
}

/* -- MariaDB ---------------------------------------------------------------------- */

static size_t domain_at(const struct my_gtid_set *set, uint32_t id)
{
    size_t low = 0, high = set->n;
    if (set->last < set->n && set->domains[set->last].id == id)
        return set->last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->domains[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool my_gtid_set_put_domain(struct my_gtid_set *set, struct my_gtid_domain domain)
{
    size_t at = domain_at(set, domain.id);
    if (at == set->n || set->domains[at].id != domain.id) {
        void *items = set->domains;
        bool room = make_room(&items, set->n, &set->cap, sizeof domain);
        set->domains = items;
        if (!room)
            return false;
        memmove(set->domains + at + 1, set->domains + at, (set->n - at) * sizeof domain);
        set->n++;
    }
    set->domains[at] = domain;
    set->last = at;
    return true;
}

/* -- both -------------------------------------------------------------------------- */

int my_gtid_set_add(struct my_gtid_set *set, const struct my_gtid *gtid, struct cdc_error *error)
{
    bool mysql = gtid->kind == MY_GTID_OF_MYSQL;
    if (gtid->kind == MY_GTID_NONE)
        return 0;
    if (mysql != (set->flavor == MY_FLAVOR_MYSQL) ||
        (mysql && (gtid->number == 0 || gtid->number >= MY_GTID_NUMBER_END)))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a GTID that does not fit to the others");
    bool added;
    if (mysql) {
        struct my_gtid_source *source = my_gtid_set_find_or_add(set, gtid->uuid, gtid->tag);
        added = source != NULL && add_number(source, gtid->number);
    } else {
        added = my_gtid_set_put_domain(set, (struct my_gtid_domain){gtid->domain, gtid->server_id, gtid->number});
    }
    return added ? 0 : cdc_error_memory(error);
}

bool my_gtid_set_contains(const struct my_gtid_set *set, const struct my_gtid *gtid)
{
    if (gtid->kind == MY_GTID_OF_MARIADB && set->flavor == MY_FLAVOR_MARIADB) {
        size_t at = domain_at(set, gtid->domain);
        return at < set->n && set->domains[at].id == gtid->domain && gtid->number <= set->domains[at].number;
    }
    if (gtid->kind != MY_GTID_OF_MYSQL || set->flavor != MY_FLAVOR_MYSQL)
        return false;
    size_t at = source_at(set, gtid->uuid, gtid->tag);
    if (at == set->n || compare(&set->sources[at], gtid->uuid, gtid->tag) != 0)
        return false;
    const struct my_gtid_source *source = &set->sources[at];
    size_t i = interval_at(source, gtid->number);
    if (i < source->n && source->intervals[i].end == gtid->number)
        i++; /* touched only */
    return i < source->n && source->intervals[i].start <= gtid->number;
}

static bool equal_sources(const struct my_gtid_source *a, const struct my_gtid_source *b)
{
    return compare(a, b->uuid, b->tag) == 0 && a->n == b->n &&
           memcmp(a->intervals, b->intervals, a->n * sizeof *a->intervals) == 0;
}

static bool equal_domains(const struct my_gtid_domain *a, const struct my_gtid_domain *b)
{
    return a->id == b->id && a->server_id == b->server_id && a->number == b->number;
}

bool my_gtid_set_is_rest(const struct my_gtid_set *all, const struct my_gtid_set *part)
{
    size_t at = 0;
    if (all->flavor != MY_FLAVOR_MARIADB || part->flavor != MY_FLAVOR_MARIADB || part->n == 0)
        return false;
    for (size_t i = 0; i < part->n; i++) {
        while (at < all->n && all->domains[at].id < part->domains[i].id)
            at++;
        if (at == all->n || !equal_domains(&all->domains[at], &part->domains[i]))
            return false;
    }
    return true;
}

bool my_gtid_set_equal(const struct my_gtid_set *a, const struct my_gtid_set *b)
{
    if (a->flavor != b->flavor || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (a->flavor == MY_FLAVOR_MYSQL ? !equal_sources(&a->sources[i], &b->sources[i])
                                         : !equal_domains(&a->domains[i], &b->domains[i]))
            return false;
    }
    return true;
}

static bool includes_source(const struct my_gtid_set *all, const struct my_gtid_source *part)
{
    size_t at = source_at(all, part->uuid, part->tag);
    if (at == all->n || compare(&all->sources[at], part->uuid, part->tag) != 0)
        return part->n == 0;
    const struct my_gtid_source *source = &all->sources[at];
    size_t here = 0;
    for (size_t i = 0; i < part->n; i++) {
        while (here < source->n && source->intervals[here].end < part->intervals[i].end)
            here++;
        if (here == source->n || source->intervals[here].start > part->intervals[i].start)
            return false;
    }
    return true;
}

static bool includes_domain(const struct my_gtid_set *all, const struct my_gtid_domain *part)
{
    size_t at = domain_at(all, part->id);
    return at < all->n && all->domains[at].id == part->id && part->number <= all->domains[at].number;
}

bool my_gtid_set_includes(const struct my_gtid_set *all, const struct my_gtid_set *part)
{
    if (all->flavor != part->flavor)
        return false;
    for (size_t i = 0; i < part->n; i++)
        if (all->flavor == MY_FLAVOR_MYSQL ? !includes_source(all, &part->sources[i])
                                           : !includes_domain(all, &part->domains[i]))
            return false;
    return true;
}

bool my_gtid_set_reaches(const struct my_gtid_set *all, const struct my_gtid_set *part)
{
    if (!my_gtid_set_includes(all, part) || all->flavor != MY_FLAVOR_MARIADB)
        return my_gtid_set_includes(all, part);
    for (size_t i = 0; i < part->n; i++) {
        const struct my_gtid_domain *wanted = &part->domains[i], *has = &all->domains[domain_at(all, wanted->id)];
        if (has->number == wanted->number && has->server_id != wanted->server_id)
            return false;
    }
    return true;
}
