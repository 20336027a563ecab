/* SPDX-License-Identifier: MIT */
/* What the user asked for, and connections by it. */
#ifndef PG_CONNECTION_H
#define PG_CONNECTION_H

#include <cdc/control.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>
#include <cdc/value_format.h>
#include <libpq-fe.h>

struct pg_settings {
    const char *url;                 /* libpq URI or key=value text; "" for the environment alone */
    char *name, *slot, *publication; /* OWNED: names.h sets, resolves and frees them */
    struct cdc_selection selection;
    bool publication_by_name, slot_by_name; /* derived from name, not given; slot_by_name: and no temporary one */
    bool no_create, temporary;
    bool allow_republished; /* go on with tables that were out of the publication for a while */
    bool allow_refused;     /* publish tables whose UPDATE and DELETE the server then refuses */
    const char *
        spool; /* a folder: transactions are taken while they are open, and kept there; NULL: not before their commit */
    struct cdc_value_format format;
    const char *tool;
    /* While a long wait lasts (a slot waits for running transactions): who hears of it, and what ends it. Both may be NULL. */
    const struct cdc_log *log;
    const struct cdc_control *control;
};

/* Connects with the session pinned; replication: a walsender connection to that database. Errors: PERMISSION for a
 * wrong password or a missing privilege, CONFIG for a database that does not exist, and for a server that allows no walsender
 * (max_wal_senders=0), UNAVAILABLE else. The password
 * appears in no error. RETURNS NEW (PQfinish). */
PGconn *pg_connect(const struct pg_settings *settings, bool replication, struct cdc_error *error);
/* The same at some hosts of the URL alone, where hosts->known. Whether one is a standby is not asked then, though the URL wants a
 * primary: the caller looks. RETURNS NEW. */
struct pg_hosts;
PGconn *pg_connect_among(const struct pg_settings *settings, bool replication, const struct pg_hosts *hosts,
                         struct cdc_error *error);
/* A plain one, at the host of several that another connection is at; beside may be NULL, and may be broken. *full: there is
 * none for us now (UNAVAILABLE), but the server is at work; may be NULL. RETURNS NEW */
PGconn *pg_connect_beside(const struct pg_settings *settings, const PGconn *beside, bool *full,
                          struct cdc_error *error);
/* A walsender at the host that sql is at. RETURNS NEW */
PGconn *pg_connect_walsender(const struct pg_settings *settings, const PGconn *sql, struct cdc_error *error);
/* A plain one, at the first of several hosts that suits (1; 0; -1 with error: it does not); where none does, the first that
 * answers. A single host is not asked. RETURNS NEW */
typedef int pg_suits(void *context, PGconn *sql, struct cdc_error *error);
PGconn *pg_connect_suited(const struct pg_settings *settings, pg_suits *suits, void *context, struct cdc_error *error);
/* Is the server a standby? As it said when it was connected, or since. */
bool pg_is_standby(const PGconn *connection);

#endif
