/* SPDX-License-Identifier: MIT */
/* A thread that reads a dump, and hands it over in blocks. */
#ifndef MY_PACKETS_H
#define MY_PACKETS_H

#include "connectors/mysql/session/wire.h"

#include <cdc/error.h>

/* -- packets (packets.c) -----------------------------------------------------------------
 * The client library reads blocking; a thread of its own does, and hands the events over in blocks. Not more than a block
 * and an event wait on either side. */
struct my_packets;
/* The connection has been sent its dump command; it is TAKEN (closed by free). RETURNS NEW */
struct my_packets *my_packets_new(MYSQL *mysql, struct cdc_error *error);
void my_packets_free(struct my_packets *packets);
int my_packets_descriptor(const struct my_packets *packets);
/* 1: a part, BORROWED until the next call; 0: none now; 2: the server said that this is the end; -1: error. */
int my_packets_next(struct my_packets *packets, struct my_wire_part *part, struct cdc_error *error);
/* After an error of my_packets_next: what it says of the log. */
enum my_dump_fault my_packets_fault(struct my_packets *packets);

#endif
