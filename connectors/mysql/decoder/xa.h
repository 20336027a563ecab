/* SPDX-License-Identifier: MIT */
/* Prepared XA transactions, kept in files until their outcome is in the log (prepared.c has an example). One is
 * written, and one read, at a time. All functions return -1 with an error of IO, MEMORY, or CONFIG for a damaged
 * file. */
#ifndef MY_XA_H
#define MY_XA_H

#include "connectors/mysql/event/event.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

struct my_xa;
struct my_xa *my_xa_new(const char *folder, struct cdc_error *error); /* RETURNS NEW; made when it is needed */
void my_xa_free(struct my_xa *xa);
/* Forgets what is being written or read. */
void my_xa_abandon(struct my_xa *xa);
/* Reading begins after that transaction: what later ones prepared, and how they ended others, will be read again, maybe
 * under other numbers, and is forgotten. */
int my_xa_start(struct my_xa *xa, uint64_t number, struct cdc_error *error);

/* Its rows begin. */
int my_xa_begin(struct my_xa *xa, struct cdc_error *error);
bool my_xa_is_open(const struct my_xa *xa);
int my_xa_add(struct my_xa *xa, const struct my_event_header *header, struct cdc_bytes body, struct cdc_error *error);
/* It is prepared under that id (as my_event_xa_prepare_parse writes it) by the transaction of that number: durable
 * when this returns. */
int my_xa_prepare(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);

/* It is committed by the transaction of that number: its events may be read. 1; 0: none of that id was prepared before;
 * -1. */
int my_xa_open(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);
/* 1: an event (header and body, no checksum); 0: the last record, which is the id; -1. BORROWED until the next call. */
int my_xa_next(struct my_xa *xa, const uint8_t **data, size_t *n, struct cdc_error *error);

/* Committed or rolled back by the transaction of that number: what was prepared before under that id goes when that is
 * confirmed. */
int my_xa_finish(struct my_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);
void my_xa_confirm(struct my_xa *xa, uint64_t number);

#endif
