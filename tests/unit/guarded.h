/* SPDX-License-Identifier: MIT */
/* Texts beside memory that nobody may touch: a read beyond one ends the test, without a sanitizer. Included by one file of a
 * program. */
#ifndef GUARDED_H
#define GUARDED_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_MAX 65536

/* A copy of the text, of at most GUARDED_MAX bytes, that ends where readable memory ends; the next call overwrites it. */
static inline char *guarded_end(const char *text, size_t n)
{
    static char *end;
    if (end == NULL) {
        char *made = mmap(NULL, 2 * GUARDED_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        end = made + GUARDED_MAX;
        if (made == MAP_FAILED || mprotect(end, GUARDED_MAX, PROT_NONE) != 0)
            _exit(1);
    }
    return n > 0 ? memcpy(end - n, text, n) : end;
}

/* One that begins where readable memory begins; NUL-terminated. */
static inline char *guarded_begin(const char *text)
{
    static char *begin;
    if (begin == NULL) {
        char *made = mmap(NULL, 2 * GUARDED_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        begin = made + GUARDED_MAX;
        if (made == MAP_FAILED || mprotect(made, GUARDED_MAX, PROT_NONE) != 0)
            _exit(1);
    }
    return strcpy(begin, text);
}

#endif
