/* SPDX-License-Identifier: MIT */
/* What a server sends after a dump was asked for. */
#ifndef MY_WIRE_H
#define MY_WIRE_H

#include "connectors/mysql/session/dump.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <mysql.h>

/* An event, or a part of one: a TRANSACTION_PAYLOAD that is large comes in parts, so that nobody holds it whole. */
struct my_wire_part {
    const uint8_t *data;
    size_t n;
    bool first; /* an event begins here */
};

struct my_wire;
/* The connection is BORROWED, and read by nobody else from now on. RETURNS NEW */
struct my_wire *my_wire_new(MYSQL *mysql, struct cdc_error *error);
void my_wire_free(struct my_wire *wire);
/* 1: a part, BORROWED until the next call; 2: the server said that this is the end; -1: error. Blocks. */
int my_wire_read(struct my_wire *wire, struct my_wire_part *part, struct cdc_error *error);
/* After an error: what it says of the log. */
enum my_dump_fault my_wire_fault(const struct my_wire *wire);

#endif
