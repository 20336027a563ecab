/* SPDX-License-Identifier: MIT */
/* One block of memory holds, from its front, records as they come, and once it is full an index over them twice: radix sort moves
 * the index from one half to the other. A run in a file is the records alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cdc/file.h>

#include "connectors/log/compact/latest.h"
#include "connectors/log/compact/record.h"

#define FAN_IN 48                      /* runs that are merged at one time */
#define LEAST_MEMORY ((size_t)1 << 12) /* of a sorter: so little for the sake of tests */
#define LEAST_BUFFER ((size_t)1 << 15) /* of a run */
#define MOST_BUFFER ((size_t)1 << 22)
#define RADIX_BITS 11
#define RADIX_PASSES 4 /* so many bits of a hash tell nearly all apart */
#define SHORT_GROUP 16
#define LATEST_SHARE 8 /* of the memory, for what is known of records there */
#define AHEAD 12

struct entry {
    uint64_t first;
    size_t at; /* of the header in the block */
};

struct run {
    off_t at, end; /* in the file: what is not in the buffer yet */
    char *buffer;
    size_t capacity, start, filled;
};

struct log_sorter {
    const char *folder;
    void (*thin)(void *context, struct log_group *group);
    void *context;
    char *block;
    size_t memory, used, n;
    uint64_t added, spills;
    struct log_latest *latest; /* NULL: all records stay */
    struct entry *index;       /* of the block, once it is sorted */
    size_t next;               /* in index, where nothing is in runs */
    int fd;                    /* of the runs, one after the other; -1: there are none */
    off_t file_end;
    struct run runs[FAN_IN];
    size_t n_runs;
    bool ended, merging;
    size_t heap[FAN_IN], heap_n; /* runs, the one with the least record first */
    bool taken;                  /* the record of heap[0] was handed out */
};

struct log_group {
    struct log_sorter *sorter;
    struct entry *entries;
    size_t n;
};

int log_scratch_open(const char *folder, struct cdc_error *error)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char path[4096];

    if (fd >= 0)
        return fd;
    if ((size_t)snprintf(path, sizeof path, "%s/compact.XXXXXX", folder) >= sizeof path)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the path of %s is too long", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return cdc_error_set(error, cdc_file_exit(errno), "cannot make a file in %s: %s", folder, strerror(errno));
    unlink(path);
    return fd;
}

struct log_sorter *log_sorter_new(const char *folder, size_t memory,
                                  void (*thin)(void *context, struct log_group *group), void *context,
                                  struct cdc_error *error)
{
    struct log_sorter *sorter = calloc(1, sizeof *sorter);

    if (sorter != NULL) {
        sorter->folder = folder;
        sorter->thin = thin;
        sorter->context = context;
        sorter->memory = memory > LEAST_MEMORY ? memory : LEAST_MEMORY;
        sorter->fd = -1;
        sorter->block = log_large_new(sorter->memory);
    }
    if (sorter == NULL || sorter->block == NULL) {
        free(sorter);
        cdc_error_memory(error);
        return NULL;
    }
    return sorter;
}

void log_sorter_free(struct log_sorter *sorter)
{
    if (sorter == NULL)
        return;
    for (size_t i = 0; i < sorter->n_runs; i++)
        free(sorter->runs[i].buffer);
    if (sorter->fd >= 0)
        close(sorter->fd);
    log_latest_free(sorter->latest);
    free(sorter->block);
    free(sorter);
}

int log_sorter_replace(struct log_sorter *sorter, log_sorter_newer *newer, void *context, struct cdc_error *error)
{
    size_t share = sorter->memory / LATEST_SHARE;

    sorter->latest = log_latest_new(share, newer, context);
    if (sorter->latest == NULL)
        return cdc_error_memory(error);
    sorter->memory -= share;
    return 0;
}

uint64_t log_sorter_spills(const struct log_sorter *sorter)
{
    return sorter->spills;
}

uint64_t log_sorter_added(const struct log_sorter *sorter)
{
    return sorter->added;
}

static const struct log_header *header_at(const struct log_sorter *sorter, size_t at)
{
    return log_header_at(sorter->block, at);
}

/* -- the order ------------------------------------------------------------------------- */

static int compare_keys(const struct log_header *a, const struct log_header *b)
{
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return cdc_span_compare(cdc_span((const char *)(a + 1), a->key_n), cdc_span((const char *)(b + 1), b->key_n));
}

static int compare(const struct log_header *a, const struct log_header *b)
{
    int order = compare_keys(a, b);

    if (order != 0 || a->second == b->second)
        return order;
    return a->second < b->second ? -1 : 1;
}

/* Records are all over the block: the one that comes soon is fetched meanwhile. */
static void fetch_ahead(const struct log_sorter *sorter, const struct entry *entries, size_t i, size_t n)
{
    if (i + AHEAD < n)
        __builtin_prefetch(sorter->block + entries[i + AHEAD].at);
}

static bool in_order(const struct log_sorter *sorter, const struct entry *a, const struct entry *b)
{
    return compare(header_at(sorter, a->at), header_at(sorter, b->at)) <= 0;
}

static void insertion_sort(const struct log_sorter *sorter, struct entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct entry one = entries[i];
        size_t k = i;
        for (; k > 0 && !in_order(sorter, &entries[k - 1], &one); k--)
            entries[k] = entries[k - 1];
        entries[k] = one;
    }
}

static void merge_halves(const struct log_sorter *sorter, struct entry *entries, size_t half, size_t n,
                         struct entry *spare)
{
    size_t a = 0, b = half, out = 0;

    if (in_order(sorter, &entries[half - 1], &entries[half]))
        return;
    memcpy(spare, entries, half * sizeof *entries);
    while (a < half && b < n)
        entries[out++] = in_order(sorter, &spare[a], &entries[b]) ? spare[a++] : entries[b++];
    memcpy(entries + out, spare + a, (half - a) * sizeof *entries);
}

static void merge_sort(const struct log_sorter *sorter, struct entry *entries, size_t n, struct entry *spare)
{
    for (size_t at = 0; at < n; at += SHORT_GROUP)
        insertion_sort(sorter, entries + at, n - at < SHORT_GROUP ? n - at : SHORT_GROUP);
    for (size_t width = SHORT_GROUP; width < n; width *= 2)
        for (size_t at = 0; at + width < n; at += 2 * width)
            merge_halves(sorter, entries + at, width, n - at < 2 * width ? n - at : 2 * width, spare);
}

/* From one half to the other by some bits of `first`; equal ones stay in their order. */
static void radix_pass(const struct entry *from, struct entry *to, size_t n, unsigned shift)
{
    size_t counts[(1 << RADIX_BITS) + 1] = {0};
    const unsigned mask = (1 << RADIX_BITS) - 1;

    for (size_t i = 0; i < n; i++)
        counts[(from[i].first >> shift & mask) + 1]++;
    for (size_t i = 1; i <= mask; i++)
        counts[i] += counts[i - 1];
    for (size_t i = 0; i < n; i++)
        to[counts[from[i].first >> shift & mask]++] = from[i];
}

/* Sorted but for those that the highest bits do not tell apart. *shift: below these bits. */
static struct entry *radix_sort(struct entry *entries, struct entry *spare, size_t n, unsigned *shift)
{
    uint64_t varying = 0;
    unsigned low = 0;

    for (size_t i = 1; i < n; i++)
        varying |= entries[i].first ^ entries[0].first;
    unsigned high = varying == 0 ? 0 : 64 - (unsigned)__builtin_clzll(varying);
    if (high > RADIX_BITS * RADIX_PASSES)
        low = high - RADIX_BITS * RADIX_PASSES;
    *shift = low;
    for (unsigned at = low; at < high; at += RADIX_BITS) {
        radix_pass(entries, spare, n, at);
        struct entry *swap = entries;
        entries = spare;
        spare = swap;
    }
    return entries;
}

static void sort_block(struct log_sorter *sorter)
{
    struct entry *entries = (struct entry *)(void *)(sorter->block + sorter->used), *spare = entries + sorter->n;
    size_t at = 0, n = sorter->n;
    unsigned shift;

    for (size_t i = 0; i < n; i++) {
        const struct log_header *header = header_at(sorter, at);
        entries[i] = (struct entry){header->first, at};
        at += log_header_size(header);
    }
    struct entry *sorted = radix_sort(entries, spare, n, &shift);
    spare = sorted == entries ? spare : entries;
    for (size_t from = 0, to; from < n; from = to) {
        bool ordered = true;
        for (to = from + 1; to < n && sorted[to].first >> shift == sorted[from].first >> shift; to++) {
            fetch_ahead(sorter, sorted, to, n);
            ordered = ordered && in_order(sorter, &sorted[to - 1], &sorted[to]);
        }
        if (!ordered)
            merge_sort(sorter, sorted + from, to - from, spare);
    }
    sorter->index = sorted;
}

/* -- groups --------------------------------------------------------------------------------- */

#define DROPPED SIZE_MAX

size_t log_group_size(const struct log_group *group)
{
    return group->n;
}

struct log_record log_group_at(const struct log_group *group, size_t i)
{
    return log_header_record(header_at(group->sorter, group->entries[i].at));
}

void log_group_drop(struct log_group *group, size_t i)
{
    group->entries[i].at = DROPPED;
}

static void thin_groups(struct log_sorter *sorter)
{
    struct entry *entries = sorter->index;
    size_t out = 0;

    for (size_t from = 0, to; from < sorter->n; from = to) {
        const struct log_header *header = header_at(sorter, entries[from].at);
        for (to = from + 1; to < sorter->n && entries[to].first == entries[from].first &&
                            compare_keys(header, header_at(sorter, entries[to].at)) == 0;
             to++)
            fetch_ahead(sorter, entries, to, sorter->n);
        struct log_group group = {sorter, entries + from, to - from};
        sorter->thin(sorter->context, &group);
        for (size_t i = from; i < to; i++)
            if (entries[i].at != DROPPED)
                entries[out++] = entries[i];
    }
    sorter->n = out;
}

/* -- runs in the file ------------------------------------------------------------------------- */

static int write_failed(const struct log_sorter *sorter, struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_IO, "cannot write a temporary file in %s: %s", sorter->folder,
                         strerror(errno));
}

static int append_to_run(struct log_sorter *sorter, struct cdc_buf *out, const struct log_header *header, bool flush,
                         struct cdc_error *error)
{
    if (header != NULL)
        cdc_buf_append(out, header, log_header_size(header));
    if (out->failed)
        return cdc_error_memory(error);
    if (out->len == 0 || (!flush && out->len < LEAST_BUFFER * 8))
        return 0;
    if (cdc_file_write(sorter->fd, out->data, out->len) != 0)
        return write_failed(sorter, error);
    sorter->file_end += (off_t)out->len;
    out->len = 0;
    return 0;
}

static int begin_run(struct log_sorter *sorter, struct cdc_error *error)
{
    if (sorter->fd < 0 && (sorter->fd = log_scratch_open(sorter->folder, error)) < 0)
        return -1;
    if (lseek(sorter->fd, sorter->file_end, SEEK_SET) < 0)
        return write_failed(sorter, error);
    return 0;
}

static int load_first(struct log_sorter *sorter, size_t memory, struct cdc_error *error);
static int merge_next(struct log_sorter *sorter, const struct log_header **header, struct cdc_error *error);
static void drop_runs(struct log_sorter *sorter);

/* All runs become one. Its bytes go behind theirs: room that they had is given back afterwards. */
static int merge_runs(struct log_sorter *sorter, struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;
    const struct log_header *header;
    int from = sorter->fd, result = load_first(sorter, 0 /* the block is full still */, error);

    if (result == 0 && (sorter->fd = log_scratch_open(sorter->folder, error)) < 0)
        result = -1;
    int to = sorter->fd;
    sorter->file_end = 0;
    while (result >= 0) {
        sorter->fd = from;
        if ((result = merge_next(sorter, &header, error)) <= 0)
            break;
        sorter->fd = to;
        result = append_to_run(sorter, &out, header, false, error);
    }
    sorter->fd = to;
    if (result == 0)
        result = append_to_run(sorter, &out, NULL, true, error);
    if (from != to)
        close(from);
    cdc_buf_free(&out);
    drop_runs(sorter);
    sorter->runs[0] = (struct run){.at = 0, .end = sorter->file_end};
    sorter->n_runs = 1;
    return result < 0 ? -1 : 0;
}

static int spill(struct log_sorter *sorter, struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;

    sorter->spills++;
    sort_block(sorter);
    if (sorter->thin != NULL)
        thin_groups(sorter);
    if ((sorter->n_runs == FAN_IN && merge_runs(sorter, error) != 0) || begin_run(sorter, error) != 0)
        return -1;
    off_t start = sorter->file_end;
    int result = 0;
    for (size_t i = 0; result == 0 && i < sorter->n; i++) {
        fetch_ahead(sorter, sorter->index, i, sorter->n);
        result = append_to_run(sorter, &out, header_at(sorter, sorter->index[i].at), false, error);
    }
    if (result == 0)
        result = append_to_run(sorter, &out, NULL, true, error);
    cdc_buf_free(&out);
    if (result != 0)
        return -1;
    sorter->runs[sorter->n_runs++] = (struct run){.at = start, .end = sorter->file_end};
    sorter->used = sorter->n = 0;
    if (sorter->latest != NULL)
        log_latest_forget(sorter->latest);
    return 0;
}

/* -- adding ---------------------------------------------------------------------------------- */

static int make_room(struct log_sorter *sorter, size_t size, struct cdc_error *error)
{
    size_t wanted = size + 2 * sizeof(struct entry);

    if (sorter->n > 0 && spill(sorter, error) != 0)
        return -1;
    if (wanted <= sorter->memory)
        return 0;
    char *block = realloc(sorter->block, wanted);
    if (block == NULL)
        return cdc_error_memory(error);
    sorter->block = block;
    sorter->memory = wanted;
    return 0;
}

static bool has_room(const struct log_sorter *sorter, size_t bytes, size_t records)
{
    return sorter->used + bytes + (sorter->n + records) * 2 * sizeof(struct entry) <= sorter->memory;
}

/* The first of the records that wait; there is room for it. */
static void settle(struct log_sorter *sorter)
{
    const struct log_header *header = log_latest_settle(sorter->latest, sorter->block, sorter->used);

    if (header == NULL)
        return;
    memcpy(sorter->block + sorter->used, header, log_header_size(header));
    sorter->used += log_header_size(header);
    sorter->n++;
}

static void settle_all(struct log_sorter *sorter)
{
    while (sorter->latest != NULL && log_latest_waiting(sorter->latest) > 0)
        settle(sorter);
}

/* For a record of that size, and for those that wait: none does when memory turns out to be full, so that all that were added before this
 * one are in one run. */
static int reserve(struct log_sorter *sorter, size_t size, struct cdc_error *error)
{
    if (sorter->latest != NULL &&
        has_room(sorter, size + log_latest_bytes(sorter->latest), log_latest_waiting(sorter->latest) + 1))
        return 0;
    settle_all(sorter);
    return has_room(sorter, size, 1) ? 0 : make_room(sorter, size, error);
}

int log_sorter_add(struct log_sorter *sorter, const struct log_record *record, struct cdc_error *error)
{
    struct log_header header = {record->first, record->second, (uint32_t)record->key.n, (uint32_t)record->data.n};
    size_t size = log_header_size(&header);

    if (reserve(sorter, size, error) != 0)
        return -1;
    sorter->added++;
    if (sorter->latest != NULL && size <= LOG_LATEST_RECORD) {
        if (log_latest_is_full(sorter->latest))
            settle(sorter);
        log_latest_wait(sorter->latest, record, sorter->block);
        return 0;
    }
    sorter->used += log_header_put(sorter->block + sorter->used, record);
    sorter->n++;
    return 0;
}

/* -- merging -------------------------------------------------------------------------------- */

static void drop_runs(struct log_sorter *sorter)
{
    for (size_t i = 0; i < sorter->n_runs; i++)
        free(sorter->runs[i].buffer);
    sorter->n_runs = sorter->heap_n = 0;
    sorter->taken = false;
}

/* At least n more bytes of the run are in its buffer. */
static int fill(struct log_sorter *sorter, struct run *run, size_t n, struct cdc_error *error)
{
    size_t left = run->filled - run->start;

    if (left >= n)
        return 0;
    memmove(run->buffer, run->buffer + run->start, left);
    run->start = 0;
    run->filled = left;
    if (n > run->capacity) {
        char *buffer = realloc(run->buffer, n);
        if (buffer == NULL)
            return cdc_error_memory(error);
        run->buffer = buffer;
        run->capacity = n;
    }
    while (run->filled < n) {
        size_t wanted = run->capacity - run->filled;
        if ((off_t)wanted > run->end - run->at)
            wanted = (size_t)(run->end - run->at);
        ssize_t got = wanted == 0 ? 0 : pread(sorter->fd, run->buffer + run->filled, wanted, run->at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return cdc_error_set(error, CDC_EXIT_IO, "cannot read a temporary file in %s: %s", sorter->folder,
                                 got < 0 ? strerror(errno) : "it is shorter than what was written");
        run->at += got;
        run->filled += (size_t)got;
    }
    return 0;
}

static const struct log_header *record_of(const struct run *run)
{
    return (const struct log_header *)(const void *)(run->buffer + run->start);
}

/* 1: the run has a record, whole in its buffer; 0: it is at its end; -1. */
static int load(struct log_sorter *sorter, struct run *run, struct cdc_error *error)
{
    if (run->start == run->filled && run->at == run->end)
        return 0;
    if (fill(sorter, run, sizeof(struct log_header), error) != 0)
        return -1;
    return fill(sorter, run, log_header_size(record_of(run)), error) != 0 ? -1 : 1;
}

/* Runs of before come first where records are equal. */
static bool goes_before(const struct log_sorter *sorter, size_t a, size_t b)
{
    int order = compare(record_of(&sorter->runs[a]), record_of(&sorter->runs[b]));

    return order != 0 ? order < 0 : a < b;
}

static void sift_down(struct log_sorter *sorter, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= sorter->heap_n)
            return;
        if (child + 1 < sorter->heap_n && goes_before(sorter, sorter->heap[child + 1], sorter->heap[child]))
            child++;
        if (!goes_before(sorter, sorter->heap[child], sorter->heap[i]))
            return;
        size_t swap = sorter->heap[i];
        sorter->heap[i] = sorter->heap[child];
        sorter->heap[child] = swap;
        i = child;
    }
}

static int load_first(struct log_sorter *sorter, size_t memory, struct cdc_error *error)
{
    size_t capacity = memory / (sorter->n_runs + 1);

    capacity = capacity > MOST_BUFFER ? MOST_BUFFER : capacity < LEAST_BUFFER ? LEAST_BUFFER : capacity;
    sorter->heap_n = 0;
    sorter->taken = false;
    for (size_t i = 0; i < sorter->n_runs; i++) {
        struct run *run = &sorter->runs[i];
        run->capacity = capacity;
        run->buffer = malloc(capacity);
        if (run->buffer == NULL)
            return cdc_error_memory(error);
        int result = load(sorter, run, error);
        if (result < 0)
            return -1;
        if (result > 0)
            sorter->heap[sorter->heap_n++] = i;
    }
    for (size_t i = sorter->heap_n; i-- > 0;)
        sift_down(sorter, i);
    return 0;
}

static int merge_next(struct log_sorter *sorter, const struct log_header **header, struct cdc_error *error)
{
    if (sorter->taken) {
        struct run *run = &sorter->runs[sorter->heap[0]];
        run->start += log_header_size(record_of(run));
        int result = load(sorter, run, error);
        if (result < 0)
            return -1;
        if (result == 0)
            sorter->heap[0] = sorter->heap[--sorter->heap_n];
        sift_down(sorter, 0);
        sorter->taken = false;
    }
    if (sorter->heap_n == 0)
        return 0;
    *header = record_of(&sorter->runs[sorter->heap[0]]);
    sorter->taken = true;
    return 1;
}

int log_sorter_end(struct log_sorter *sorter, struct cdc_error *error)
{
    settle_all(sorter);
    log_latest_free(sorter->latest);
    sorter->latest = NULL;
    sorter->ended = true;
    sorter->next = 0;
    if (sorter->n_runs == 0) {
        sort_block(sorter);
        return 0;
    }
    if (sorter->n > 0 && spill(sorter, error) != 0)
        return -1;
    free(sorter->block);
    sorter->block = NULL;
    sorter->merging = true;
    return load_first(sorter, sorter->memory, error);
}

int log_sorter_next(struct log_sorter *sorter, struct log_record *record, struct cdc_error *error)
{
    const struct log_header *header = NULL;

    if (!sorter->merging) {
        if (sorter->next == sorter->n)
            return 0;
        header = header_at(sorter, sorter->index[sorter->next++].at);
    } else {
        int result = merge_next(sorter, &header, error);
        if (result <= 0)
            return result;
    }
    *record = log_header_record(header);
    return 1;
}
