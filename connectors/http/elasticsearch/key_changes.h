/* SPDX-License-Identifier: MIT */
/* What rows that changed their key took along: a journal beside the offset file. */
#ifndef ES_KEY_CHANGES_H
#define ES_KEY_CHANGES_H

#include <cdc/offset.h>

struct es_key_changes;

/* path NULL: kept for this run only. RETURNS NEW. */
struct es_key_changes *es_key_changes_open(const char *path, struct cdc_error *error);
void es_key_changes_free(struct es_key_changes *changes);
/* name and pos of a line, as they stand in it. Finds what a run before kept for it. 1: appended to out, 0: nothing, -1. */
int es_key_changes_find(struct es_key_changes *changes, struct cdc_span name, struct cdc_span pos, struct cdc_buf *out,
                        struct cdc_error *error);
/* Keeps rest (an object) for that line; durable after es_key_changes_sync. *place is for es_key_changes_read. */
int es_key_changes_add(struct es_key_changes *changes, struct cdc_span name, struct cdc_span pos, struct cdc_span rest,
                       uint64_t *place, struct cdc_error *error);
int es_key_changes_read(struct es_key_changes *changes, uint64_t place, struct cdc_buf *out, struct cdc_error *error);
int es_key_changes_sync(struct es_key_changes *changes, struct cdc_error *error);
/* These offsets are about to be saved. Once they are, es_key_changes_begin removes what is not needed any more: call it
 * before the next line. */
void es_key_changes_delivered(struct es_key_changes *changes, const struct cdc_offset_file *offsets);
int es_key_changes_begin(struct es_key_changes *changes, struct cdc_error *error);

#endif
