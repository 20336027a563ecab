/* SPDX-License-Identifier: MIT */
/* Which kind of database a URL means. */
#include <cdc/database.h>

static bool has_scheme(const char *const *schemes, const char *url)
{
    for (; *schemes != NULL; schemes++)
        if (strncmp(url, *schemes, strlen(*schemes)) == 0)
            return true;
    return false;
}

const struct cdc_database *cdc_database_find(const struct cdc_database *const *kinds, const char *const *others,
                                             const char *url)
{
    for (size_t i = 0; kinds[i] != NULL; i++)
        if (has_scheme(kinds[i]->schemes, url))
            return kinds[i];
    /* libpq takes "host=db dbname=shop" and even "" as a connection, so what has no known scheme goes to the first
     * kind. */
    return has_scheme(others, url) ? NULL : kinds[0];
}

int cdc_database_refuse(const struct cdc_database *kind, const char *option, bool given, struct cdc_error *error)
{
    return given ? cdc_error_set(error, CDC_EXIT_USAGE, "%s has no meaning for %s", option, kind->kind) : 0;
}
