/* SPDX-License-Identifier: MIT */
/* Dates and times, made texts whose order is theirs: as the lines have them, "10:00:00Z" would come after "10:00:00.5Z". */
#ifndef SYNTAX_MOMENT_H
#define SYNTAX_MOMENT_H

#include <cdc/buf.h>

#define MOMENT_MAX 64 /* more than any of them has bytes */

/* A date, or a date and a time with T or a blank between them, in UTC where it has a zone (Z, +00): its key into out, with a
 * NUL. Text of PostgreSQL for what ISO 8601 cannot say (infinity, BC) too. false: it is no such text. */
bool moment_key(char out[MOMENT_MAX], struct cdc_span text);

#endif
