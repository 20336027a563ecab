/* SPDX-License-Identifier: MIT */
/* Which server wrote the lines of a name. A sink drops what it has, by position; positions of another server mean nothing to
 * it, and its rows would be dropped in silence. What boundary lines say of their server (cdc-event(5)):
 *
 *   {"connector":"postgresql",...,"system_id":"7561..."}
 *   {"connector":"mysql",...,"gtids":"fb7d...:1-20","server_uuid":"fb7d..."}
 *   {"connector":"mariadb",...,"file":"binlog.000007",...,"gtids":"0-1-55","server_uuid":"1/db-a:3306","file_created":17...} */
#include "libcdc/loop/internal.h"

#include <stdio.h>
#include <string.h>

static bool differs(struct cdc_span a, struct cdc_span b, const char *name)
{
    struct cdc_span one = cdc_json_member_raw(a, name), other = cdc_json_member_raw(b, name);

    /* Older lines do not say it, nor do those that a stage has made smaller. */
    return one.n > 0 && other.n > 0 && !cdc_json_raw_equal(one, other);
}

/* Does b name a server whose transactions a has? Then it has replaced that one: "fb7d...:1-20,07a1...:1-3". */
static bool share_transactions(struct cdc_span a, struct cdc_span b)
{
    while (a.n > 0) {
        const char *comma = memchr(a.p, ',', a.n);
        size_t n = comma != NULL ? (size_t)(comma - a.p) : a.n, id = 0;
        while (id < n && a.p[id] != ':')
            id++;
        if (id > 0 && memmem(b.p, b.n, a.p, id) != NULL)
            return true;
        n += comma != NULL;
        a = cdc_span(a.p + n, a.n - n);
    }
    return false;
}

/* A MySQL server may take another's place (failover), and has its transactions then. */
static bool is_another_mysql(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_is(cdc_json_member_raw(b, "connector"), "mysql") && differs(a, b, "server_uuid") &&
           !share_transactions(cdc_json_member_raw(a, "gtids"), cdc_json_member_raw(b, "gtids"));
}

/* -- MariaDB -------------------------------------------------------------------------------------- */

/* Takes the first entry off a set, "0-1-55,7-2-3": its domain (0) and its number there (55). */
static bool take_gtid(struct cdc_span *set, unsigned long long *domain, unsigned long long *number)
{
    char text[80];
    const char *comma = memchr(set->p, ',', set->n);
    size_t n = comma != NULL ? (size_t)(comma - set->p) : set->n;

    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, set->p, n);
    text[n] = '\0';
    n += comma != NULL;
    *set = cdc_span(set->p + n, set->n - n);
    return sscanf(text, "%llu-%*u-%llu", domain, number) == 2;
}

static bool reaches(struct cdc_span set, unsigned long long domain, unsigned long long number)
{
    unsigned long long d, n;

    while (take_gtid(&set, &d, &n))
        if (d == domain)
            return n >= number;
    return false;
}

/* Transactions of a domain are numbered upwards, on whichever server. In one domain is enough, since a replica may have written
 * the domains' transactions in another order. */
static bool goes_on(struct cdc_span before, struct cdc_span after)
{
    unsigned long long domain, number;
    bool any = false;

    while (take_gtid(&before, &domain, &number)) {
        any = true;
        if (reaches(after, domain, number))
            return true;
    }
    return !any;
}

static bool same_server_id(struct cdc_span a, struct cdc_span b)
{
    const char *slash = memchr(a.p, '/', a.n);
    size_t n = slash != NULL ? (size_t)(slash - a.p) + 1 : a.n;

    return n <= b.n && memcmp(a.p, b.p, n) == 0;
}

/* b comes after a. A MariaDB is named by its server_id and the address that it had when its log was first read: "1/db-a:3306".
 * A replica that took its place has another server_id and goes on with its transactions. Under another address a source that
 * goes on from its position looks into the log, and keeps the name where that is the same: another name under one server_id
 * is another server, or nobody has looked. */
static bool is_another_mariadb(struct cdc_span a, struct cdc_span b)
{
    if (!cdc_span_is(cdc_json_member_raw(b, "connector"), "mariadb") || !differs(a, b, "server_uuid"))
        return false;
    return same_server_id(cdc_json_member_raw(a, "server_uuid"), cdc_json_member_raw(b, "server_uuid")) ||
           !goes_on(cdc_json_member_raw(a, "gtids"), cdc_json_member_raw(b, "gtids"));
}

/* -- all ------------------------------------------------------------------------------------------ */

int origin_check(const char *name, struct cdc_span known, struct cdc_span source, bool again, struct cdc_error *error)
{
    const char *by = differs(known, source, "connector")           ? "connector"
                     : differs(known, source, "system_id")         ? "system_id"
                     : is_another_mysql(known, source)             ? "server_uuid"
                     : !again && is_another_mariadb(known, source) ? "server_uuid"
                                                                   : NULL;

    if (by == NULL)
        return 0;
    struct cdc_span one = cdc_json_member_raw(known, by), other = cdc_json_member_raw(source, by);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "lines of source \"%s\" come from another server than those that are stored here (%s %.*s, not %.*s)",
                  name, by, (int)other.n, other.p, (int)one.n, one.p);
    return cdc_error_hint(error,
                          "give each source a --name of its own; if this server has taken the other's place, remove "
                          "the copy and its offset file, and take a new snapshot");
}
