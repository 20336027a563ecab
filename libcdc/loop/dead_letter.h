/* SPDX-License-Identifier: MIT */
#ifndef DEAD_LETTER_H
#define DEAD_LETTER_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* A file of refused lines, one JSON object each: {"reason":"...","line":"..."}. All functions take NULL (no such file).
 */
struct dead_letter;
/* path NULL: *result becomes NULL. Appends to a file that is there. */
int dead_letter_open(struct dead_letter **result, const char *path, struct cdc_error *error);
int dead_letter_write(struct dead_letter *file, struct cdc_span line, const char *reason, struct cdc_error *error);
int dead_letter_sync(struct dead_letter *file, struct cdc_error *error);
void dead_letter_close(struct dead_letter *file);

#endif
