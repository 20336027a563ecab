/* SPDX-License-Identifier: MIT */
/* Secrets in arguments: out of the process list at once, and out of every message. */
#ifndef CMD_SECRETS_H
#define CMD_SECRETS_H

#include <cdc/buf.h>

/* Called first of all. BORROWED: a copy of argv to work with, which lives as long as the process; in argv itself, which ps shows,
 * what may be secret is overwritten: passwords in URLs, also in misspelled ones, and in key=value text, paths and queries
 * of http URLs, and the values of headers. The length stays visible. NULL: out of memory. */
char **secrets_hide(int argc, char **argv);
/* Appends a message, with *** in place of the secrets of those arguments, also where it ends inside one. */
void secrets_redact(struct cdc_buf *out, const char *message);

#endif
