/* SPDX-License-Identifier: MIT */
/* A word in a text of somebody else, who may spell its characters in another way: as JSON, a URL or a page escapes them. */
#ifndef HTTP_SPELLING_H
#define HTTP_SPELLING_H

#include <stddef.h>

/* How many bytes from p on are the word, however they are spelled; 0: they are not. */
size_t http_spelling_match(const char *p, const char *end, const char *word, size_t length);

#endif
