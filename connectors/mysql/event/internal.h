/* SPDX-License-Identifier: MIT */
/* What the files that read events share; nobody else includes this. */
#ifndef MY_EVENT_INTERNAL_H
#define MY_EVENT_INTERNAL_H

#include "connectors/mysql/event/event.h"

/* -- event.c */
/* Sets the error of an event whose bytes make no sense; what: its name, "GTID". Always -1. */
int my_event_damaged(struct cdc_error *error, const char *what);
/* All fields were read, none was missing, and nothing is left? 0 or -1. */
int my_event_finished(const struct cdc_bytes *cursor, const char *what, struct cdc_error *error);
/* Reads n bytes and returns them, BORROWED; an empty span (and cursor->bad) when there are fewer. */
struct cdc_span my_event_span(struct cdc_bytes *cursor, size_t n);
/* The number of a table's columns: a packed integer, not more than a table can have (else bad is set, and it is 0). */
size_t my_event_column_count(struct cdc_bytes *cursor);
/* Bytes of a bitmap with a bit for each column. */
size_t my_event_bitmap_size(size_t n_columns);
/* Appends the bytes as lower-case hexadecimal digits. */
void my_event_append_hex(struct cdc_buf *out, const uint8_t *p, size_t n);

/* -- gtid.c */
void my_gtid_append_uuid(struct cdc_buf *out, const uint8_t uuid[16]);

#endif
