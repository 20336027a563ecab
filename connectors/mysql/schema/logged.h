/* SPDX-License-Identifier: MIT */
/* Tables whose changes the server leaves out of its log. */
#ifndef MY_LOGGED_H
#define MY_LOGGED_H

#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <cdc/selection.h>

/* Is what is selected in the log? 0; CONFIG: a table is not, or all that a replica copies is not; or another error. Who may
 * not ask for one of them, and for the tables, gets no answer to that: 0. warning: its status is 0, or what is selected is logged, but
 * statements on it only by the database that the session is in. */
int my_logged_check(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                    struct cdc_error *warning, struct cdc_error *error);

#endif
