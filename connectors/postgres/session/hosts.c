/* SPDX-License-Identifier: MIT */
/* Where a connection is tried. */
#include "connectors/postgres/session/hosts.h"

#include "connectors/postgres/session/lookup.h"

#include <stdlib.h>
#include <string.h>

void pg_hosts_free(struct pg_hosts *hosts)
{
    for (size_t i = 0; i < PG_HOST_LISTS; i++)
        cdc_buf_free(&hosts->list[i]);
    hosts->known = hosts->primary = false;
}

/* -- lists with commas, as libpq has them -- */

static size_t n_items(const char *list)
{
    size_t n = list && *list;
    for (; list && *list; list++)
        n += *list == ',';
    return n;
}

static struct cdc_span item(const char *list, size_t i)
{
    for (; list && i > 0; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return list ? cdc_span(list, strcspn(list, ",")) : cdc_span("", 0);
}

/* One port may stand for all. */
static struct cdc_span item_or_only(const char *list, size_t i)
{
    return item(list, n_items(list) == 1 ? 0 : i);
}

static void read_lists(const PQconninfoOption *options, const char *lists[PG_HOST_LISTS])
{
    static const char *const names[PG_HOST_LISTS] = {"host", "hostaddr", "port"};
    for (; options && options->keyword; options++)
        for (size_t i = 0; i < PG_HOST_LISTS; i++)
            if (strcmp(options->keyword, names[i]) == 0)
                lists[i] = options->val;
}

static size_t n_hosts(const char *const lists[PG_HOST_LISTS])
{
    size_t names = n_items(lists[PG_HOST]), addresses = n_items(lists[PG_ADDRESS]);
    return names > addresses ? names : addresses;
}

/* -- the addresses -- */

static void add(struct pg_hosts *hosts, size_t *n, struct cdc_span host, struct cdc_span address, struct cdc_span port)
{
    const struct cdc_span parts[PG_HOST_LISTS] = {host, address, port};
    for (size_t i = 0; i < PG_HOST_LISTS; i++) {
        cdc_buf_text(&hosts->list[i], *n > 0 ? "," : "");
        cdc_buf_span(&hosts->list[i], parts[i]);
    }
    ++*n;
}

static bool is_socket(struct cdc_span host)
{
    return host.n == 0 || host.p[0] == '/' || host.p[0] == '@';
}

/* Adds the addresses of a name. */
static int add_name(struct pg_hosts *hosts, size_t *n, struct cdc_span host, struct cdc_span port,
                    const struct cdc_control *control, struct cdc_error *error)
{
    struct cdc_buf addresses = CDC_BUF_INIT;
    char *name = cdc_span_copy(host);
    int status = name ? pg_lookup(name, control, &addresses, error) : cdc_error_memory(error);
    cdc_buf_byte(&addresses, '\0');
    if (status == 0 && addresses.failed)
        status = cdc_error_memory(error);
    for (size_t i = 0; status == 0 && i < n_items(addresses.data); i++)
        add(hosts, n, host, item(addresses.data, i), port);
    free(name);
    cdc_buf_free(&addresses);
    return status;
}

/* What does not fit together (two names, three addresses) libpq refuses by itself. */
static bool fits(const char *const lists[PG_HOST_LISTS])
{
    size_t n = n_hosts(lists), names = n_items(lists[PG_HOST]), addresses = n_items(lists[PG_ADDRESS]),
           ports = n_items(lists[PG_PORT]);
    return n > 0 && (names == 0 || names == n) && (addresses == 0 || addresses == n) && (ports <= 1 || ports == n);
}

int pg_hosts_find(struct pg_hosts *hosts, const PQconninfoOption *options, const struct cdc_control *control,
                  struct cdc_error *error)
{
    const char *lists[PG_HOST_LISTS] = {NULL};
    struct cdc_error unknown = {0};
    size_t n = 0;
    pg_hosts_free(hosts);
    read_lists(options, lists);
    for (size_t i = 0; fits(lists) && i < n_hosts(lists) && !(control && control->stop); i++) {
        struct cdc_span host = item(lists[PG_HOST], i), address = item(lists[PG_ADDRESS], i),
                        port = item_or_only(lists[PG_PORT], i);
        if (address.n > 0 || is_socket(host))
            add(hosts, &n, host, address, port);
        else
            (void)add_name(hosts, &n, host, port, control, &unknown); /* the first error stays */
    }
    for (size_t i = 0; i < PG_HOST_LISTS; i++)
        cdc_buf_byte(&hosts->list[i], '\0');
    if (n == 0 && unknown.status == 0)
        return 0; /* the default: a socket */
    if (n > 0 && !(control && control->stop)) {
        hosts->known = true;
        for (size_t i = 0; i < PG_HOST_LISTS; i++)
            if (hosts->list[i].failed)
                return cdc_error_memory(error);
        return 0;
    }
    if (unknown.status == 0)
        return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while connecting");
    if (error && error->status == 0)
        *error = unknown;
    return -1;
}

int pg_hosts_at(struct pg_hosts *hosts, const PGconn *connection, struct cdc_error *error)
{
    const char *const parts[PG_HOST_LISTS] = {PQhost(connection), PQhostaddr(connection), PQport(connection)};
    pg_hosts_free(hosts);
    for (size_t i = 0; i < PG_HOST_LISTS; i++) {
        cdc_buf_text(&hosts->list[i], parts[i] ? parts[i] : "");
        cdc_buf_byte(&hosts->list[i], '\0');
        if (hosts->list[i].failed)
            return cdc_error_memory(error);
    }
    hosts->known = true;
    return 0;
}

int pg_hosts_copy(struct pg_hosts *copy, const struct pg_hosts *hosts, struct cdc_error *error)
{
    pg_hosts_free(copy);
    for (size_t i = 0; i < PG_HOST_LISTS; i++) {
        cdc_buf_append_buf(&copy->list[i], &hosts->list[i]);
        if (copy->list[i].failed)
            return cdc_error_memory(error);
    }
    copy->known = hosts->known;
    copy->primary = hosts->primary;
    return 0;
}

/* -- the next one -- */

static bool is_at(const char *list, size_t i, const char *text)
{
    struct cdc_span found = item_or_only(list, i);
    return found.n == 0 || cdc_span_is(found, text); /* what is not said is the default */
}

/* The lists without those of the places that are given up. */
static void keep(struct pg_hosts *hosts, const char *const lists[PG_HOST_LISTS], const bool *given_up, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < PG_HOST_LISTS; i++)
        hosts->list[i].len = 0;
    for (size_t i = 0; i < n; i++)
        if (!given_up[i])
            add(hosts, &kept, item(lists[PG_HOST], i), item(lists[PG_ADDRESS], i), item_or_only(lists[PG_PORT], i));
    for (size_t i = 0; i < PG_HOST_LISTS; i++)
        cdc_buf_byte(&hosts->list[i], '\0');
}

/* Where in the lists the connection is; the last place where none fits. */
static size_t find_place(const char *const lists[PG_HOST_LISTS], size_t n, const PGconn *connection)
{
    size_t i = 0;
    while (i + 1 < n &&
           !(is_at(lists[PG_HOST], i, PQhost(connection)) && is_at(lists[PG_ADDRESS], i, PQhostaddr(connection)) &&
             is_at(lists[PG_PORT], i, PQport(connection))))
        i++;
    return i;
}

/* Has place i the same host as place at: a name that both have, or one address? */
static bool is_same_host(const char *const lists[PG_HOST_LISTS], size_t i, size_t at)
{
    struct cdc_span name = item(lists[PG_HOST], at);
    return cdc_span_equal(item(lists[PG_HOST], i), name) &&
           (name.n > 0 || cdc_span_equal(item(lists[PG_ADDRESS], i), item(lists[PG_ADDRESS], at))) &&
           cdc_span_equal(item_or_only(lists[PG_PORT], i), item_or_only(lists[PG_PORT], at));
}

static bool asks_for_primary(const PQconninfoOption *options)
{
    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, "target_session_attrs") == 0)
            return options->val && (strcmp(options->val, "primary") == 0 || strcmp(options->val, "read-write") == 0);
    return false;
}

/* whole: with all addresses of its host. 1, 0: nothing is left; -1 */
static int give_up(struct pg_hosts *hosts, PGconn *connection, bool whole, struct cdc_error *error)
{
    PQconninfoOption *options = PQconninfo(connection);
    const char *lists[PG_HOST_LISTS] = {NULL};
    read_lists(options, lists);
    size_t n = n_hosts(lists), at = find_place(lists, n, connection), left = 0;
    bool *given_up = calloc(n + 1, sizeof *given_up);
    for (size_t i = 0; given_up && i < n; i++) {
        given_up[i] = i == at || (whole && is_same_host(lists, i, at));
        left += !given_up[i];
    }
    hosts->primary |= asks_for_primary(options);
    if (given_up)
        keep(hosts, lists, given_up, n);
    bool failed = !options || !given_up;
    for (size_t i = 0; i < PG_HOST_LISTS; i++)
        failed |= hosts->list[i].failed;
    free(given_up);
    PQconninfoFree(options);
    hosts->known = left > 0 && !failed;
    return failed ? cdc_error_memory(error) : left > 0;
}

/* libpq tries one host after the other where they refuse, but waits for one that is silent: in its own blocking calls for
 * connect_timeout, else for ever. So a host that was silent is taken from the list, and the others are tried. */
bool pg_hosts_next(struct pg_hosts *hosts, PGconn *connection)
{
    struct cdc_error ignored = {0};
    return give_up(hosts, connection, false, &ignored) > 0;
}

int pg_hosts_others(struct pg_hosts *hosts, PGconn *connection, struct cdc_error *error)
{
    return give_up(hosts, connection, true, error);
}
