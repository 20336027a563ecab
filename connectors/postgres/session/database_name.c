/* SPDX-License-Identifier: MIT */
/* What the database is called. The catalog of databases is one for all of them, and its names are the bytes that the session had
 * which made them. Each database takes them for text in its own encoding:
 *
 *      made in a database of     bytes     read in UTF8    in LATIN1    in EUC_JP
 *      UTF8                      c3 a9     é               Ã©           an error
 *      LATIN1                    e9        an error        é            an error
 *
 * Who connects has to give these bytes. So where they are UTF-8 they are the name, whatever the server makes of them. */
#include "connectors/postgres/session/database_name.h"

#include "connectors/postgres/session/query.h"

#include <cdc/json.h>
#include <libpq-events.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 63 /* what is longer the server cuts */

static int on_event(PGEventId event, void *info, void *context)
{
    (void)context;
    if (event == PGEVT_CONNDESTROY)
        free(PQinstanceData(((PGEventConnDestroy *)info)->conn, on_event));
    return 1;
}

const char *pg_database_name(PGconn *connection)
{
    const char *learned = PQinstanceData(connection, on_event);
    return learned ? learned : PQdb(connection);
}

/* Each byte as the character of LATIN1: no name is without one. RETURNS NEW; NULL without memory */
static char *from_bytes(const char *bytes)
{
    char *text = malloc(2 * MOST_BYTES + 1), *end = text;
    for (size_t i = 0; text && *bytes && i < MOST_BYTES; bytes++, i++) {
        unsigned char byte = (unsigned char)*bytes;
        if (byte & 0x80)
            *end++ = (char)(0xc0 | byte >> 6);
        *end++ = (char)(byte & 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    if (text)
        *end = '\0';
    return text;
}

/* The server's reading, where it has one. RETURNS NEW */
static char *read_name(PGconn *connection, struct cdc_error *error)
{
    static const char what[] = "cannot ask for the database's name";
    PGresult *result = pg_query_result(connection, "SELECT current_database()", 0, NULL, what, error);
    if (!result)
        return NULL;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE), *name = NULL;
    bool unreadable = state && strncmp(state, "22", 2) == 0; /* as UTF-8 */
    if (!unreadable) {
        result = pg_query_expect(connection, result, PGRES_TUPLES_OK, what, error);
        if (!result)
            return NULL;
        name = PQntuples(result) == 1 && PQnfields(result) == 1 ? PQgetvalue(result, 0, 0) : NULL;
    }
    char *text = name && cdc_utf8_valid(name, strlen(name)) ? strdup(name) : from_bytes(PQdb(connection));
    if (!text)
        cdc_error_memory(error);
    PQclear(result);
    return text;
}

int pg_database_name_learn(PGconn *connection, struct cdc_error *error)
{
    size_t n = strlen(PQdb(connection));
    if (n <= MOST_BYTES && cdc_utf8_valid(PQdb(connection), n))
        return 0;
    char *name = read_name(connection, error);
    if (!name)
        return -1;
    if (PQregisterEventProc(connection, on_event, "database's name", NULL) &&
        PQsetInstanceData(connection, on_event, name))
        return 0;
    free(name);
    return cdc_error_memory(error);
}
