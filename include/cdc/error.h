/* SPDX-License-Identifier: MIT */
/* Errors as values: the library never prints and never exits. Every function
 * that can fail takes a struct cdc_error as its last parameter, owned by the
 * caller, and returns -1 (or NULL). The first error wins. */
#ifndef CDC_ERROR_H
#define CDC_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <cdc/exit.h>

#if defined(__GNUC__)
#define CDC_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CDC_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CDC_PRINTF(f, a)
#define CDC_MUST_CHECK
#endif

struct cdc_error {
    int status;      /* enum cdc_exit; 0 means: no error yet */
    char text[1024]; /* what failed, on what, why */
    char hint[512];  /* what to do about it; may be empty */
    /* Where it is a text of the settings that is wrong: that very text, BORROWED, and the byte in it; else NULL. */
    const char *item;
    size_t at;
};

/* Records an error unless one is there already. error may be NULL. Always
 * returns -1, so that `return cdc_error_set(...)` reads well. */
int cdc_error_set(struct cdc_error *error, int status, const char *format, ...) CDC_PRINTF(3, 4);
/* Adds what the user can do. Keeps an earlier hint. Always returns -1. */
int cdc_error_hint(struct cdc_error *error, const char *format, ...) CDC_PRINTF(2, 3);
/* Puts context before the text: "context: text". Always returns -1. */
int cdc_error_prefix(struct cdc_error *error, const char *format, ...) CDC_PRINTF(2, 3);
/* Says which text of the settings is wrong, and where. Keeps what was said before. Always returns -1. */
int cdc_error_item(struct cdc_error *error, const char *item, size_t at);
/* Out of memory, as an error. Always returns -1. */
int cdc_error_memory(struct cdc_error *error);
void cdc_error_clear(struct cdc_error *error);
/* True where trying again by itself can help: UNAVAILABLE and TEMPORARY. */
bool cdc_error_is_transient(const struct cdc_error *error);

#endif
