/* SPDX-License-Identifier: MIT */
/* What the user may do, by SHOW GRANTS, which has what comes by the roles that are active, too. */
#ifndef MY_GRANTS_H
#define MY_GRANTS_H

#include <cdc/error.h>
#include <mysql.h>

struct my_grants {
    char **lines; /* "GRANT SELECT, REPLICATION SLAVE ON *.* TO `cdc`@`%`" */
    size_t n;
};
/* To be freed in any case. */
int my_grants_read(MYSQL *mysql, struct my_grants *grants, struct cdc_error *error);
void my_grants_free(struct my_grants *grants);
/* Is that very privilege ("REPLICATION SLAVE", not "... SLAVE ADMIN") granted on *.*? */
bool my_grants_have(const struct my_grants *grants, const char *privilege);
/* The same on anything, be it one column. */
bool my_grants_have_somewhere(const struct my_grants *grants, const char *privilege);

#endif
