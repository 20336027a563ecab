/* SPDX-License-Identifier: MIT */
/* Which server wrote the lines of a name. A sink drops what it has, by position; positions of another server mean nothing to
 * it, and its rows would be dropped in silence. What boundary lines say of their server (cdc-event(5)):
 *
 *   {"connector":"postgresql",...,"system_id":"7561..."}
 *   {"connector":"mysql",...,"gtids":"fb7d...:1-20","server_uuid":"fb7d..."}
 *   {"connector":"mariadb",...,"file":"binlog.000007",...,"gtids":"0-1-55","server_uuid":"1/db-a:3306","file_created":17...} */
#include <stdio.h>
#include <string.h>

#include <cdc/json.h>
#include <cdc/offset.h>

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

/* The member that tells them apart, or NULL. The second is the later one, but `again`. */
static const char *told_apart_by(struct cdc_span known, struct cdc_span source, bool again)
{
    return differs(known, source, "connector")           ? "connector"
           : differs(known, source, "system_id")         ? "system_id"
           : is_another_mysql(known, source)             ? "server_uuid"
           : !again && is_another_mariadb(known, source) ? "server_uuid"
                                                         : NULL;
}

int cdc_origin_check(const char *name, struct cdc_span known, struct cdc_span source, bool again,
                     struct cdc_error *error)
{
    const char *by = told_apart_by(known, source, again);

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

/* A copy that was filled from another server has that one's positions, which say nothing of our log: by them no sink has
 * stored anything of ours. */
static int check_ack(const struct cdc_offset *theirs, const char *path, const char *name, const struct cdc_offset *ours,
                     struct cdc_error *error)
{
    struct cdc_span their_source = cdc_span_text(theirs->source), our_source = cdc_span_text(ours->source);
    const char *by = strcmp(theirs->pos, ours->pos) > 0 ? told_apart_by(our_source, their_source, false)
                                                        : told_apart_by(their_source, our_source, false);

    if (by == NULL)
        return 0;
    struct cdc_span one = cdc_json_member_raw(their_source, by), other = cdc_json_member_raw(our_source, by);
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "the sink of \"%s\" has the lines of another server under the name \"%s\" (%s %.*s, not %.*s)", path,
                  name, by, (int)one.n, one.p, (int)other.n, other.p);
    return cdc_error_hint(error,
                          "give each source a --name of its own, or remove that copy and its offset file; if this "
                          "server has taken the other's place, take a new snapshot then");
}

int cdc_acks_check_origin(const struct cdc_acks *acks, const char *name, const struct cdc_offset *ours,
                          struct cdc_error *error)
{
    for (size_t i = 0; acks != NULL && ours->source != NULL && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *theirs = cdc_acks_offset(acks, i);
        if (theirs != NULL && theirs->source != NULL &&
            check_ack(theirs, cdc_acks_path(acks, i), name, ours, error) != 0)
            return -1;
    }
    return 0;
}
