/* SPDX-License-Identifier: MIT */
/* Files that hold state: written whole, or not at all, whenever the power goes. */
#ifndef CDC_FILE_H
#define CDC_FILE_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stddef.h>
#include <sys/types.h>

/* The exit status for an errno of opening, making or renaming a file: PERMISSION, also for a file system that is mounted for
 * reading alone; CONFIG where the path cannot be right (its folder is not there, say), so that trying again is of no use; else
 * IO, such as a full disk. */
int cdc_file_exit(int number);
/* Replaces path by the n bytes: writes PATH.tmp beside it with that mode (0600), and renames it, so that a reader sees
 * the old file or the new one, never half of it. durable: with fsync of file and folder, so that it holds after a power
 * cut too. 0, or -1 (cdc_file_exit); the old file is there still. */
int cdc_file_replace(const char *path, const void *data, size_t n, unsigned mode, bool durable,
                     struct cdc_error *error);
/* Writes all n bytes to a descriptor that blocks. 0, or -1 with errno. */
int cdc_file_write(int fd, const void *data, size_t n);
/* Opens a file of ours: a regular one and no link, since in a folder that others may write to a link would have us write
 * where it leads, and a FIFO would block for ever. flags: as of open(2). what: "lock file", for the message. The descriptor,
 * or -1 with CONFIG (a link, a FIFO) or as cdc_file_exit has it, and errno (ENOENT: there is none). */
int cdc_file_open(const char *path, int flags, unsigned mode, const char *what, struct cdc_error *error);
/* Reads a file of secrets whole: a regular one and no link, that nobody but its owner may read or change (PERMISSION where others
 * may), of `most` bytes at most (CONFIG). The caller frees *text with cdc_file_free_secret, in any case. 0 or -1. */
int cdc_file_read_secret(const char *path, size_t most, const char *what, struct cdc_buf *text,
                         struct cdc_error *error);
void cdc_file_free_secret(struct cdc_buf *text); /* wiped before */
/* Has the file that fd is open on a name still? What is written to one that was removed is gone with the process. 0, or -1
 * with IO. path, what: for the message. */
int cdc_file_check_there(int fd, const char *path, const char *what, struct cdc_error *error);
/* Makes a file anew for writing, in place of whatever has that name. The descriptor, or -1 with errno. */
int cdc_file_create(const char *path, unsigned mode);
/* A name, of a file that is new or was renamed, is durable only once the folder that holds it is. 0, or -1 with errno. */
int cdc_file_sync_folder(const char *path);
/* The same of that folder's own name, which is new where the folder is. A folder that may not be read is whoever's has made
 * it, and of a file system that has nothing to sync (a read-only image) all is there. 0, or -1 with errno. */
int cdc_file_sync_parent(const char *path);
/* Writes the bytes from `from` to `to` again, as they are. After a sync that has failed, the kernel takes for written what it
 * was not able to write, and no later sync tells: so what a start finds, and nobody has seen synced, is synced only after
 * this. 0, or -1 with errno. */
int cdc_file_write_again(int fd, off_t from, off_t to);
/* The offset after the last LF of the n bytes of a file, 0 if there is none; -1 on errors. */
off_t cdc_file_last_line_end(int fd, off_t n);

#endif
