/* SPDX-License-Identifier: MIT */
/* Which server wrote the lines of a name. A sink drops what it has, by position; positions of another server mean nothing to
 * it, and its rows would be dropped in silence. What boundary lines say of their server (cdc-event(5)):
 *
 *   {"connector":"postgresql",...,"system_id":"7561..."}
 *   {"connector":"mysql",...,"gtids":"fb7d...:1-20","server_uuid":"fb7d..."} */
#include "libcdc/loop/internal.h"

static bool differs(struct cdc_span a, struct cdc_span b, const char *name)
{
    struct cdc_span one = cdc_json_member_raw(a, name), other = cdc_json_member_raw(b, name);

    /* Older lines do not say it, nor do those that a stage has made smaller. */
    return one.n > 0 && other.n > 0 && !cdc_span_equal(one, other);
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

/* A MySQL server may take another's place (failover), and has its transactions then. MariaDB's lines name a server by its
 * address, which may change. */
static bool is_another_mysql(struct cdc_span a, struct cdc_span b)
{
    return cdc_span_is(cdc_json_member_raw(b, "connector"), "mysql") && differs(a, b, "server_uuid") &&
           !share_transactions(cdc_json_member_raw(a, "gtids"), cdc_json_member_raw(b, "gtids"));
}

int origin_check(const char *name, struct cdc_span known, struct cdc_span source, struct cdc_error *error)
{
    const char *by = differs(known, source, "connector")   ? "connector"
                     : differs(known, source, "system_id") ? "system_id"
                     : is_another_mysql(known, source)     ? "server_uuid"
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
