/* SPDX-License-Identifier: MIT */
/* Foreign keys whose cascades the server does not log. */
#ifndef MY_CASCADES_H
#define MY_CASCADES_H

#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>

/* Does the server log the rows that foreign keys change? */
bool my_cascades_are_logged(MYSQL *mysql, const struct my_server *server);
/* Logs a line for each of the tables that has one, the first 50 of them. Their number, or -1. */
int my_cascades_list(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                     const struct cdc_log *log, enum cdc_log_level level, struct cdc_error *error);

#endif
