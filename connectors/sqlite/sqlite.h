/* SPDX-License-Identifier: MIT */
/* SQLite, as the programs see it. */
#ifndef SQLITE_CONNECTOR_H
#define SQLITE_CONNECTOR_H

#include "connectors/sqlite/sink/sink.h"

#endif
