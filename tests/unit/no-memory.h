/* SPDX-License-Identifier: MIT */
/* What becomes of a program's work when there is no memory at one place, for each place in turn. Included by one file of a
 * program, whose calls of the C library it takes; those of libraries are theirs to test. */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdatomic.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long memory_calls, memory_fails_at; /* 0: never */
/* Only between memory_begin() and memory_end(), and in that thread. Volatile: a compiler knows that calloc looks at no variable
 * of ours. */
static _Thread_local volatile bool memory_counts;

/* Around the calls that are tested; what a test itself takes always succeeds. */
static inline void memory_begin(void)
{
    memory_counts = true;
}

static inline void memory_end(void)
{
    memory_counts = false;
}

/* Sanitizers have a malloc of their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MEMORY_CAN_FAIL true

extern char __executable_start, etext;

static bool memory_fails(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if (!memory_counts || at < (uintptr_t)&__executable_start || at >= (uintptr_t)&etext ||
        ++memory_calls != memory_fails_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t n);
void __libc_free(void *old);

/* What the tested calls have taken and nobody has given back, whoever that is. */
#define MEMORY_KEPT 65536
static void *memory_kept[MEMORY_KEPT];
static size_t memory_n_kept;
static atomic_flag memory_lock = ATOMIC_FLAG_INIT;

static void *memory_note(void *taken)
{
    if (!memory_counts || taken == NULL)
        return taken;
    while (atomic_flag_test_and_set(&memory_lock))
        continue;
    size_t i = (uintptr_t)taken / 16 % MEMORY_KEPT;
    for (size_t n = 0; n < MEMORY_KEPT && memory_kept[i] != NULL; n++)
        i = (i + 1) % MEMORY_KEPT;
    if (memory_kept[i] == NULL) {
        memory_kept[i] = taken;
        memory_n_kept++;
    }
    atomic_flag_clear(&memory_lock);
    return taken;
}

static void memory_forget(void *given)
{
    if (given == NULL || memory_n_kept == 0)
        return;
    while (atomic_flag_test_and_set(&memory_lock))
        continue;
    size_t i = (uintptr_t)given / 16 % MEMORY_KEPT;
    while (memory_kept[i] != NULL && memory_kept[i] != given)
        i = (i + 1) % MEMORY_KEPT;
    if (memory_kept[i] != NULL) {
        memory_kept[i] = NULL;
        memory_n_kept--;
        /* Those after it may have been put there for want of its place. */
        for (size_t k = (i + 1) % MEMORY_KEPT; memory_kept[k] != NULL; k = (k + 1) % MEMORY_KEPT) {
            void *moved = memory_kept[k];
            memory_kept[k] = NULL;
            size_t to = (uintptr_t)moved / 16 % MEMORY_KEPT;
            while (memory_kept[to] != NULL)
                to = (to + 1) % MEMORY_KEPT;
            memory_kept[to] = moved;
        }
    }
    atomic_flag_clear(&memory_lock);
}

static bool memory_is_ours(const void *caller)
{
    return (uintptr_t)caller >= (uintptr_t)&__executable_start && (uintptr_t)caller < (uintptr_t)&etext;
}

/* How much of it there is; from now on it is forgotten. */
static inline size_t memory_leaked(void)
{
    size_t n = memory_n_kept;
    memset(memory_kept, 0, sizeof memory_kept);
    memory_n_kept = 0;
    return n;
}

void *malloc(size_t n)
{
    const void *caller = __builtin_return_address(0);
    void *taken = memory_fails(caller) ? NULL : __libc_malloc(n);
    return memory_is_ours(caller) ? memory_note(taken) : taken;
}

void *calloc(size_t n, size_t size)
{
    const void *caller = __builtin_return_address(0);
    void *taken = memory_fails(caller) ? NULL : __libc_calloc(n, size);
    return memory_is_ours(caller) ? memory_note(taken) : taken;
}

void *realloc(void *old, size_t n)
{
    const void *caller = __builtin_return_address(0);
    if (memory_fails(caller))
        return NULL;
    memory_forget(old);
    void *taken = __libc_realloc(old, n);
    return memory_is_ours(caller) ? memory_note(taken) : taken;
}

void free(void *old)
{
    memory_forget(old);
    __libc_free(old);
}

/* These take memory inside the C library. */
char *strndup(const char *from, size_t n)
{
    if (memory_fails(__builtin_return_address(0)))
        return NULL;
    n = strnlen(from, n);
    char *made = __libc_malloc(n + 1);
    if (made == NULL)
        abort();
    memcpy(made, from, n);
    made[n] = '\0';
    return memory_note(made);
}

char *strdup(const char *from)
{
    if (memory_fails(__builtin_return_address(0)))
        return NULL;
    size_t n = strlen(from) + 1;
    char *made = __libc_malloc(n);
    if (made == NULL)
        abort();
    return memory_note(memcpy(made, from, n));
}
#else
#define MEMORY_CAN_FAIL false
static inline size_t memory_leaked(void)
{
    return 0;
}
#endif

/* Does some work from its beginning, and appends to out what came of it. 0 or -1 with an error, as the functions that it tests. */
typedef int memory_scenario(struct cdc_buf *out, struct cdc_error *error);

/* Without memory at a place, the work is done all the same and no error is set, or it is an error of its own status and what was
 * written until then is the beginning of what would have been. Returns how many places were wrong; prints each. */
static inline size_t memory_sweep(const char *what, memory_scenario *scenario)
{
    struct cdc_buf whole = CDC_BUF_INIT;
    struct cdc_error error = {0};
    size_t wrong = 0;
    long places;

    memory_calls = memory_fails_at = 0;
    if (scenario(&whole, &error) != 0 || whole.len == 0) {
        printf("not ok - %s: %s\n", what, error.text);
        cdc_buf_free(&whole);
        return 1;
    }
    places = memory_calls;
    (void)memory_leaked(); /* what whole has */
    for (long place = 1; place <= places; place++) {
        struct cdc_buf out = CDC_BUF_INIT;
        memset(&error, 0, sizeof error);
        memory_calls = 0;
        memory_fails_at = place;
        int result = scenario(&out, &error);
        memory_fails_at = 0;
        memory_end();
        bool begins = out.len <= whole.len && (out.len == 0 || memcmp(out.data, whole.data, out.len) == 0);
        bool no_memory = error.status == CDC_EXIT_INTERNAL ||
                         (error.status == CDC_EXIT_IO && strstr(error.text, strerror(ENOMEM)) != NULL);
        bool good = result == 0 && !out.failed ? out.len == whole.len && begins && error.status == 0
                                               : (out.failed || (no_memory && begins));
        if (!good) {
            wrong++;
            printf("not ok - %s: no memory at place %ld of %ld: result %d, status %d %s, %zu of %zu bytes%s\n", what,
                   place, places, result, error.status, error.text, out.len, whole.len, begins ? "" : ", and others");
        }
        cdc_buf_free(&out);
        size_t leaked = memory_leaked();
        if (leaked > 0) {
            wrong++;
            printf("not ok - %s: no memory at place %ld of %ld: %zu leaks\n", what, place, places, leaked);
        }
    }
    if (wrong == 0 && places > 0)
        printf("ok - %s: no memory at any of %ld places\n", what, places);
    if (places == 0 && MEMORY_CAN_FAIL) {
        printf("not ok - %s: takes no memory\n", what);
        wrong++;
    }
    cdc_buf_free(&whole);
    return wrong;
}

#endif
