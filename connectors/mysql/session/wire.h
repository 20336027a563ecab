/* SPDX-License-Identifier: MIT */
/* What a server sends after a dump was asked for. */
#ifndef BINLOG_WIRE_H
#define BINLOG_WIRE_H

#include "connectors/mysql/source.h"

/* An event, or a part of one: a TRANSACTION_PAYLOAD that is large comes in parts, so that nobody holds it whole. */
struct binlog_part {
    const uint8_t *data;
    size_t n;
    bool first; /* an event begins here */
};

struct binlog_wire;
/* The connection is BORROWED, and read by nobody else from now on. RETURNS NEW */
struct binlog_wire *binlog_wire_new(MYSQL *mysql, struct cdc_error *error);
void binlog_wire_free(struct binlog_wire *wire);
/* 1: a part, BORROWED until the next call; 2: the server said that this is the end; -1: error. Blocks. */
int binlog_wire_read(struct binlog_wire *wire, struct binlog_part *part, struct cdc_error *error);

#endif
