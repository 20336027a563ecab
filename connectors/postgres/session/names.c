/* SPDX-License-Identifier: MIT */
/* The names of the pipeline, its slot and its publication. */
#include "connectors/postgres/session/names.h"

#include "connectors/postgres/session/database_name.h"
#include "connectors/postgres/session/query.h"

#include <cdc/retry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int copy(char **to, const char *from, struct cdc_error *error)
{
    if (!from || *to)
        return 0;
    *to = strdup(from);
    return *to ? 0 : cdc_error_memory(error);
}

int pg_names_set(struct pg_settings *settings, const char *name, const char *slot, const char *publication,
                 struct cdc_error *error)
{
    if (copy(&settings->name, name, error) < 0 || copy(&settings->slot, slot, error) < 0)
        return -1;
    return copy(&settings->publication, publication, error);
}

void pg_names_free(struct pg_settings *settings)
{
    free(settings->name);
    free(settings->slot);
    free(settings->publication);
    settings->name = settings->slot = settings->publication = NULL;
}

/* Slot names hold lower-case letters, digits and _ only: "Shop-1" becomes cdc_shop_1. own: nobody else's at this
 * time, by the pid at its end; the name is shortened before it, or a long one would push it out of the 63 bytes. */
static void default_slot(char text[64], const char *name, bool own)
{
    int n = own ? snprintf(text, 64, "cdc_%.40s_%ld", name, (long)getpid()) : snprintf(text, 64, "cdc_%s", name);
    for (int i = 0; i < n && i < 63; i++) {
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
        else if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9')))
            text[i] = '_';
    }
}

static int check_slot_name(const char *slot, struct cdc_error *error)
{
    size_t n = strlen(slot);
    if (n > 0 && n < 64 && strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") == n)
        return 0;
    cdc_error_set(error, CDC_EXIT_USAGE, "'%.64s' is no name for a slot", slot);
    return cdc_error_hint(error, "up to 63 lower-case letters, digits and underscores");
}

bool pg_names_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text & 0x80)
            return false;
    return true;
}

int pg_names_publication_exists(PGconn *sql, const char *name, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(sql, "SELECT 1 FROM pg_publication WHERE pubname = $1", 1, &name,
                                     "cannot look for the publication", error);
    int exists = result ? PQntuples(result) > 0 : -1;
    PQclear(result);
    return exists;
}

char *pg_names_acting_role(PGconn *sql, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(sql, "SELECT current_user", 0, NULL, "cannot ask for the role", error);
    char *role = result && PQntuples(result) == 1 && PQnfields(result) == 1 ? strdup(PQgetvalue(result, 0, 0)) : NULL;
    PQclear(result);
    if (!role)
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "cannot ask for the role: the server gave no answer to it");
    return role;
}

int pg_names_fill(struct pg_settings *settings, PGconn *sql, struct cdc_error *error)
{
    char slot[64], own[64];
    if (!settings->name && copy(&settings->name, pg_database_name(sql), error) < 0)
        return -1;
    default_slot(slot, settings->name, false);
    default_slot(own, settings->name, true);
    /* A look (--temporary) leaves nothing behind: it uses the pipeline's publication where there is one, else makes
     * its own, which is dropped at the end. The slot is its own in any case: a slot has one reader. */
    if (!settings->publication) /* else it was given, or is here from the last time */
        settings->publication_by_name = !settings->temporary;
    if (!settings->slot)
        settings->slot_by_name = !settings->temporary;
    int shared = settings->temporary && !settings->publication ? pg_names_publication_exists(sql, slot, error) : 1;
    if (shared < 0 || copy(&settings->publication, shared ? slot : own, error) < 0 ||
        copy(&settings->slot, settings->temporary ? own : slot, error) < 0)
        return -1;
    if (strlen(settings->publication) > 63)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the name of the publication is longer than 63 bytes");
    return check_slot_name(settings->slot, error);
}

int pg_names_resolve(struct pg_settings *settings, int64_t retry_max, struct cdc_error *error)
{
    struct cdc_retry retry;
    cdc_retry_init(&retry, retry_max);
    for (;;) {
        PGconn *sql = pg_connect(settings, false, error);
        int result = sql ? pg_names_fill(settings, sql, error)
                         : cdc_retry_sleep(&retry, settings->control, -1, settings->log, error);
        PQfinish(sql);
        if (sql || result != 0)
            return result;
    }
}
