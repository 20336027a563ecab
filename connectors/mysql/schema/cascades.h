/* SPDX-License-Identifier: MIT */
/* Foreign keys whose changes of rows are not in the log: before MySQL 9.6, and on MariaDB, the engine makes them alone. */
#ifndef MY_CASCADES_H
#define MY_CASCADES_H

#include "connectors/mysql/session/session.h"

#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/selection.h>

/* Reports each table that is selected and has one, at that level and with the cure. The number of tables, or -1. */
int my_cascades_report(MYSQL *mysql, const struct my_server *server, const struct cdc_selection *selection,
                       const struct cdc_log *log, enum cdc_log_level level, struct cdc_error *error);

#endif
