/* SPDX-License-Identifier: MIT */
/* Names of hosts, for libpq: its own look-up of a name cannot be ended. */
#include "connectors/postgres/session/lookup.h"

#include <cdc/lookup.h>

#include <netdb.h>
#include <poll.h>

static int wait_for(const struct cdc_lookup *lookup, const char *host, const struct cdc_control *control,
                    struct cdc_error *error)
{
    struct pollfd fds[3] = {{cdc_lookup_fd(lookup), POLLIN, 0},
                            {control ? control->wake_fd : -1, POLLIN, 0},
                            {control && control->waiting ? control->notice_fd : -1, POLLIN, 0}};
    for (;;) {
        int n = poll(fds, 3, 1000);
        if (n > 0 && fds[0].revents && cdc_lookup_done(lookup))
            return 0;
        if (control)
            cdc_control_waiting(control, "the name server");
        if (control && control->stop)
            return cdc_error_set(error, CDC_EXIT_TEMPORARY, "stopped while the name \"%.120s\" was looked up", host);
    }
}

static int read_answer(const struct cdc_lookup *lookup, const char *host, struct cdc_buf *out, struct cdc_error *error)
{
    char text[NI_MAXHOST];
    const struct addrinfo *found;
    int status = cdc_lookup_answer(lookup, &found), n = 0;
    for (; status == 0 && found; found = found->ai_next) {
        status = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST);
        if (status == 0)
            cdc_buf_text(out, n++ > 0 ? "," : "");
        if (status == 0)
            cdc_buf_text(out, text);
    }
    if (status == 0)
        return out->failed ? cdc_error_memory(error) : 0;
    return cdc_error_set(error, CDC_EXIT_UNAVAILABLE,
                         "cannot connect: could not translate host name \"%.120s\" to address: %s", host,
                         gai_strerror(status));
}

int pg_lookup(const char *host, const struct cdc_control *control, struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_lookup *lookup = cdc_lookup_ask(host);
    if (!lookup)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "cannot connect: no thread to look up the name \"%.120s\"",
                             host);
    int status = wait_for(lookup, host, control, error);
    if (status == 0)
        status = read_answer(lookup, host, out, error);
    cdc_lookup_leave(lookup);
    return status;
}
