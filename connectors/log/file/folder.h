/* SPDX-License-Identifier: MIT */
/* A log's folder: what log it is, who writes, which files are there. */
#ifndef LOG_FOLDER_H
#define LOG_FOLDER_H

#include "connectors/log/file/chain.h"
#include "connectors/log/file/names.h"

#include <cdc/buf.h>
#include <cdc/error.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_ID 32

struct log_segment {
    uint64_t start, end; /* end: of its seal, else of its last valid commit */
    uint64_t n;          /* lines; of one that is not sealed: not counted, 0 */
    int64_t ts;          /* when its last batch was appended, ms since 1970; 0: it has none */
    bool sealed, plain, packed;
    bool indexed; /* its commit journal is there */
};

struct log_folder {
    char *path;
    int fd;
    char id[LOG_ID + 1];
    bool redactable;
    struct log_segment *segments; /* by start, without a gap, once listed */
    size_t n;
    uint64_t *bases; /* where they end, ascending: complete ones alone */
    size_t n_bases;
    uint64_t synced; /* beyond head, by log_folder_limit */
    bool written;    /* a writer lives, as that has seen it */
};

/* Opens the folder of a log that is there; its files are not looked at yet (log_folder_list). To be closed in any case.
 * CONFIG: it is none, damaged, or of a newer format. */
int log_folder_open(struct log_folder *folder, const char *path, struct cdc_error *error);
/* The same for who appends: makes folder and meta.json where there is none, and takes its lock (*lock: a descriptor, -1 on errors). A
 * folder with other things in it is CONFIG, another writer is TEMPORARY. */
int log_folder_make(struct log_folder *folder, const char *path, bool redactable, int *lock, struct cdc_error *error);
/* The same for a folder that is to become a copy: it is empty, and has no meta.json yet. */
int log_folder_begin_copy(struct log_folder *folder, const char *path, int *lock, struct cdc_error *error);
void log_folder_close(struct log_folder *folder);
/* Is the folder that is open still the one of that path? Files are opened in it, and others would go on with that one. 0, or -1 with IO. */
int log_folder_check_there(const struct log_folder *folder, struct cdc_error *error);
/* Reads what is there, and checks it: CONFIG where a segment or a journal is missing, or two overlap. Where a rebuild can mend it
 * (the journal of the last segment is missing), the segment is there with `indexed` false. */
int log_folder_list(struct log_folder *folder, struct cdc_error *error);
/* Reads what is there, and checks nothing: of segments only start and forms are known. */
int log_folder_names(struct log_folder *folder, struct cdc_error *error);
/* What is left of segments that were removed, all those before that byte, is none of the log. CONFIG: none begins there. */
int log_folder_set_begin(struct log_folder *folder, uint64_t begin, struct cdc_error *error);
/* Does its journal begin as one of this segment, of this log, and with that value of the chain (NULL: any)? CONFIG where not. */
int log_folder_check_first(const struct log_folder *folder, const struct log_segment *segment,
                           const unsigned char before[LOG_HASH], struct cdc_error *error);
/* The segment that the byte is in, or that begins there; NULL: there is none. The end of the last one is in that one. */
const struct log_segment *log_folder_find(const struct log_folder *folder, uint64_t byte);
/* Where the log begins and ends, as listed. */
uint64_t log_folder_begin(const struct log_folder *folder);
uint64_t log_folder_end(const struct log_folder *folder);

/* -- its files: all are regular, and no links -- */
/* flags: as of open(2). The descriptor, or -1 with errno and an error (cdc_file_open). */
int log_file_open(const struct log_folder *folder, const char *name, int flags, struct cdc_error *error);
/* Of a segment, or a base. LOST: of a segment that was trimmed. */
int log_part_open(const struct log_folder *folder, enum log_kind kind, uint64_t byte, int flags,
                  struct cdc_error *error);
/* An error of a call on a file of the folder, with errno. Always -1. */
int log_file_error(const struct log_folder *folder, const char *what, const char *name, struct cdc_error *error);
/* fsync of the folder: new names, and names that are gone, are durable. 0 or -1. */
int log_folder_sync(const struct log_folder *folder, struct cdc_error *error);
/* The next name in a folder that `dir` reads. 1; 0: there are no more; -1: there may be. */
int log_folder_next(const struct log_folder *folder, DIR *dir, const char **name, struct cdc_error *error);
/* Makes NAME what NAME.tmp is, durably: fsync of it was done. 0 or -1. */
int log_file_rename(const struct log_folder *folder, const char *temporary, const char *name, struct cdc_error *error);

/* -- locks: the files "lock" (append), "lock.maint" (whatever touches sealed segments) and "lock.begin" (log_moment_begin) -- */
#define LOG_LOCK_APPEND "lock"
#define LOG_LOCK_MAINTAIN "lock.maint"
#define LOG_LOCK_BEGIN "lock.begin"
/* Holds it until the descriptor is closed, or the process has gone. The descriptor, or -1: TEMPORARY when another has it. */
int log_lock(const struct log_folder *folder, const char *name, struct cdc_error *error);
/* Nobody takes it meanwhile, and who only reads may have it so, any number at a time. *lock -1: there is no such file, and none can be
 * made. 0, or -1: TEMPORARY when another has it for himself. */
int log_lock_share(const struct log_folder *folder, const char *name, int *lock, struct cdc_error *error);
/* Is a writer alive? It is only asked, and takes no lock, not even for a moment. 1, 0 or -1. */
int log_lock_is_held(const struct log_folder *folder, const char *name, struct cdc_error *error);
/* Retention looks which readers there are, and says where the log begins: both in one moment, alone, until the descriptor is closed. -1:
 * TEMPORARY after five seconds. A reader that registers passes that moment by once its own file is there: what it finds of the log then,
 * retention keeps for it. */
int log_moment_begin(const struct log_folder *folder, struct cdc_error *error);
void log_moment_pass(const struct log_folder *folder);

/* -- head: the durable end, 8 bytes little-endian and their CRC-32C -- */
/* 1: *byte; 0: there is none, or it is damaged. -1 */
int log_head_read(const struct log_folder *folder, uint64_t *byte, struct cdc_error *error);
/* fd: of the file "head". 0 or -1 with errno. */
int log_head_write(int fd, uint64_t byte);
/* A sync has failed: what is in the active segment may be in the cache of the kernel alone, also before head. It is kept in head until
 * log_head_trust, and a power cut that takes it takes the cache as well. */
void log_head_doubt(int fd);
bool log_head_is_doubted(const struct log_folder *folder);
int log_head_trust(int fd); /* 0, or -1 with errno */
/* -- begin: where the log begins once old segments were removed (20 digits); what is left of these counts no more -- */
/* 0 where there is no such file. CONFIG when it is damaged. */
int log_begin_read(const struct log_folder *folder, uint64_t *byte, struct cdc_error *error);
/* Durably. Whoever maintains the log calls it, and removes the files afterwards. 0 or -1. */
int log_begin_write(const struct log_folder *folder, uint64_t byte, struct cdc_error *error);

/* How far may be read, for log_cursor_limit: up to head while a writer lives. Without one, up to the end of what is whole: the last
 * batches may be torn, as the next writer will find, and what is beyond head is synced before that, or a power cut could take back what
 * somebody acts upon. Lists the folder again where segments have come. *head: what is to be there at least, 0 where nothing says it.
 * 0 or -1. */
int log_folder_limit(struct log_folder *folder, uint64_t *limit, uint64_t *head, struct cdc_error *error);

#endif
