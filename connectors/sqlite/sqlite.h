/* SPDX-License-Identifier: MIT */
/* SQLite, as the programs see it. */
#ifndef SQLITE_CONNECTOR_H
#define SQLITE_CONNECTOR_H

#include "connectors/sqlite/filter/filter.h"
#include "connectors/sqlite/sink/sink.h"

#endif
