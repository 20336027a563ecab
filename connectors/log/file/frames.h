/* SPDX-License-Identifier: MIT */
/* Lines as zstd frames of at most 1 MiB each, cut at line ends (a longer line has a frame of its own), with the table of the seekable
 * format (zstd's contrib/seekable_format) behind them as a skippable frame: zstdcat reads the file. */
#ifndef LOG_FRAMES_H
#define LOG_FRAMES_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LOG_FRAME ((size_t)1 << 20)

/* -- writing -- */
struct log_packer;
/* BORROWS fd, an empty file. RETURNS NEW */
struct log_packer *log_packer_new(int fd, int level, struct cdc_error *error);
void log_packer_free(struct log_packer *packer); /* NULL: nothing happens */
/* More plain bytes. 0, or -1 (IO with errno of a write). */
int log_packer_write(struct log_packer *packer, const void *data, size_t n, struct cdc_error *error);
/* The last frame, and the table. Nothing is synced. 0 or -1. */
int log_packer_finish(struct log_packer *packer, struct cdc_error *error);

/* -- reading -- */
struct log_unpacker;
/* TAKES fd, also on errors. RETURNS NEW; CONFIG when the table is damaged. */
struct log_unpacker *log_unpacker_new(int fd, struct cdc_error *error);
/* The same by the frames alone, as far as these are good: the table may be damaged. */
struct log_unpacker *log_unpacker_new_without_table(int fd, struct cdc_error *error);
void log_unpacker_free(struct log_unpacker *unpacker);
/* Bytes that are packed in it. */
uint64_t log_unpacker_size(const struct log_unpacker *unpacker);
/* The next read begins at that plain byte. 0 or -1. */
int log_unpacker_seek(struct log_unpacker *unpacker, uint64_t at, struct cdc_error *error);
/* Up to n plain bytes, fewer only at the end. Their number, or -1: CONFIG when the file is damaged. */
ssize_t log_unpacker_read(struct log_unpacker *unpacker, void *data, size_t n, struct cdc_error *error);

#endif
