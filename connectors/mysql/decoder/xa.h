/* SPDX-License-Identifier: MIT */
/* Prepared XA transactions, kept until their outcome is in the log. */
#ifndef BINLOG_XA_H
#define BINLOG_XA_H

#include "connectors/mysql/binlog.h"

struct binlog_xa;
struct binlog_xa *binlog_xa_new(const char *folder, struct cdc_error *error); /* RETURNS NEW; made when it is needed */
void binlog_xa_free(struct binlog_xa *xa);
/* Forgets what is being written or read. */
void binlog_xa_abandon(struct binlog_xa *xa);
/* Reading begins behind that transaction: what later ones prepared, and how they ended others, will be read again, maybe
 * under other numbers, and is forgotten. */
int binlog_xa_start(struct binlog_xa *xa, uint64_t number, struct cdc_error *error);

/* Its rows begin. */
int binlog_xa_begin(struct binlog_xa *xa, struct cdc_error *error);
bool binlog_xa_is_open(const struct binlog_xa *xa);
int binlog_xa_add(struct binlog_xa *xa, const struct binlog_header *header, struct binlog_reader body,
                  struct cdc_error *error);
/* It is prepared under that id (as binlog_xa_prepare_parse writes it) by the transaction of that number: durable when this
 * returns. */
int binlog_xa_prepare(struct binlog_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);

/* It is committed by the transaction of that number: its events may be read. 1; 0: none of that id was prepared before;
 * -1. */
int binlog_xa_open(struct binlog_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);
/* 1: an event (header and body, no checksum); 0: the last record, which is the id; -1. BORROWED until the next call. */
int binlog_xa_next(struct binlog_xa *xa, const uint8_t **data, size_t *n, struct cdc_error *error);

/* Committed or rolled back by the transaction of that number: what was prepared before under that id goes when that is
 * confirmed. */
int binlog_xa_finish(struct binlog_xa *xa, struct cdc_span xid, uint64_t number, struct cdc_error *error);
void binlog_xa_confirm(struct binlog_xa *xa, uint64_t number);

#endif
