/* SPDX-License-Identifier: MIT */
/* Offset files: where a tool is, one line of JSON, replaced atomically and locked for the life of the process (cdc(7),
 * "Offset files"):
 *   {"format":1,"tool":"T","time":"...","offsets":{"NAME":{"pos":"...","seq":N,
 *    "lines":N,"source":{...},"state":{...}}}}
 * The same file of a sink is what a source reads as an acknowledgement. */
#ifndef CDC_OFFSET_H
#define CDC_OFFSET_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* -- one position, and files of them: libcdc/position/offset.c -- */
struct cdc_offset {
    char *pos; /* never NULL; "" confirms nothing yet */
    int64_t seq;
    uint64_t lines; /* change lines delivered so far */
    char *source;   /* the source object of the commit, JSON text, or NULL */
    char *state;    /* what the tool itself needs, a JSON object, or NULL */
};

void cdc_offset_free(struct cdc_offset *offset); /* frees the members, not the struct */
/* Makes *target, which is free or holds an older one, a copy of from; state stays the old one where from has none. 0,
 * or -1 without memory. */
int cdc_offset_copy(struct cdc_offset *target, const struct cdc_offset *from, struct cdc_error *error);

struct cdc_offset_file;

/* Opens, locks (PATH.lock) and reads PATH; a missing file is an empty one, and is made by the first save: a start that is
 * refused before that leaves nothing behind. Errors: TEMPORARY when another process holds it; CONFIG when damaged, of
 * another tool or a newer format; IO. RETURNS NEW. */
struct cdc_offset_file *cdc_offset_file_open(const char *path, const char *tool, struct cdc_error *error);
/* The same without a file: kept in memory only. RETURNS NEW. */
struct cdc_offset_file *cdc_offset_file_memory(const char *tool, struct cdc_error *error);
void cdc_offset_file_free(struct cdc_offset_file *file);
/* BORROWED entry of source `name` (valid until set), or NULL. */
const struct cdc_offset *cdc_offset_file_get(const struct cdc_offset_file *file, const char *name);
size_t cdc_offset_file_count(const struct cdc_offset_file *file);
const char *cdc_offset_file_name(const struct cdc_offset_file *file, size_t index);
/* Sets the entry in memory (copies). source and state may be NULL: then the old one stays. */
int cdc_offset_file_set(struct cdc_offset_file *file, const char *name, const struct cdc_offset *offset,
                        struct cdc_error *error);
/* The same for a position that the destination has and this file does not: it is known, but not written, since whoever
 * moved it has a file of its own. cdc_offset_file_set makes it one of ours. holder: that file, where it is another sink's for sure;
 * NULL: nobody knows. */
int cdc_offset_file_know(struct cdc_offset_file *file, const char *name, const struct cdc_offset *offset,
                         const char *holder, struct cdc_error *error);
/* What was given there for a position that is not ours, or NULL. BORROWED. */
const char *cdc_offset_file_holder(const struct cdc_offset_file *file, const char *name);
/* Is there an entry of that name that is written? */
bool cdc_offset_file_owns(const struct cdc_offset_file *file, const char *name);
/* Why a line cannot be kept as a position, though it is a good one: its source would make a file that cannot be read again, or
 * its name is none of a source. NULL: it can. */
const char *cdc_offset_why_not_kept(struct cdc_span source, struct cdc_span raw_name);
/* Writes the file durably: temporary file, fsync, rename, fsync of the folder. */
int cdc_offset_file_save(struct cdc_offset_file *file, struct cdc_error *error);
/* Was there no such file when it was opened? Then this is a first start, or what the file spoke of was given up: what lies
 * beside it is of another copy. */
bool cdc_offset_file_is_new(const struct cdc_offset_file *file);
/* Removes a file that was made since it was opened, for a start that was refused before anything was stored. */
void cdc_offset_file_withdraw(struct cdc_offset_file *file);
/* NULL for one in memory. */
const char *cdc_offset_file_path(const struct cdc_offset_file *file);

/* Reads somebody else's offset file without locking. Returns 1 and fills *offset (cdc_offset_free) when it has a
 * non-empty pos for name; 0 when the file or the entry does not exist; -1 when it is damaged. */
int cdc_offset_read(const char *path, const char *name, struct cdc_offset *offset, struct cdc_error *error);
/* The same with an entry whose pos is empty: a stream may have left a mark (stale.h) before it had a position. */
int cdc_offset_read_entry(const char *path, const char *name, struct cdc_offset *offset, struct cdc_error *error);
/* Whose offset file is it? 1: *tool (RETURNS NEW; free); 0: there is none; -1: it is damaged, or is no offset file. */
int cdc_offset_read_tool(const char *path, char **tool, struct cdc_error *error);

/* -- acknowledgements: libcdc/position/acks.c -- */
struct cdc_acks; /* what the sinks of one source have stored */
/* files: n paths; state_dir: also every offset file of a sink (*.offset, of a tool "cdc-sink-*" or "cdc-log-append") in it; may be NULL.
 * RETURNS NEW. */
struct cdc_acks *cdc_acks_new(const char *name, const char *const *files, size_t n, const char *state_dir,
                              struct cdc_error *error);
void cdc_acks_free(struct cdc_acks *acks);
/* Reads all again (cheap when no file changed). *offset is the smallest position (BORROWED until the next call), NULL
 * when a file of the list does not exist or has no position yet, or no sink is there. 0 or -1. */
int cdc_acks_read(struct cdc_acks *acks, const struct cdc_offset **offset, struct cdc_error *error);
/* Written is not stored: have all of them passed pos? Without acks (NULL) what is written counts as stored; nothing
 * (pos NULL) is not. Whose positions they are is not asked (cdc_acks_check_origin). Reads all again. 1, 0, or -1. */
int cdc_acks_passed(struct cdc_acks *acks, const char *pos, struct cdc_error *error);
/* Number of files seen at the last read. */
size_t cdc_acks_count(const struct cdc_acks *acks);
/* What one of them had then; NULL when nothing. BORROWED until the next read. */
const struct cdc_offset *cdc_acks_offset(const struct cdc_acks *acks, size_t index);
const char *cdc_acks_path(const struct cdc_acks *acks, size_t index); /* its file. BORROWED as well */
/* The files as a JSON array, to be kept. RETURNS NEW; NULL without memory */
char *cdc_acks_list(const struct cdc_acks *acks);
/* Is there one now that such a list has not? acks may be NULL: no. */
bool cdc_acks_have_other(const struct cdc_acks *acks, const char *list);

/* -- whose positions they are: libcdc/position/origin.c -- */
/* known, source: `source` objects of two lines of that name, those of boundaries say most; the second is the later one, but
 * `again`, when it was stored before. CONFIG when they are of two servers. */
int cdc_origin_check(const char *name, struct cdc_span known, struct cdc_span source, bool again,
                     struct cdc_error *error);
/* Are the sinks' positions, as last read, of the server of ours->source, at ours->pos? Where one of them does not say, it is.
 * acks, ours->source: may be NULL. CONFIG, naming the file, when it is another server's. */
int cdc_acks_check_origin(const struct cdc_acks *acks, const char *name, const struct cdc_offset *ours,
                          struct cdc_error *error);

/* -- a state folder: libcdc/position/offset.c -- */
/* DIR/TOOL[-NAME].offset: where --state-dir puts a file. name may be NULL. RETURNS NEW (free). */
char *cdc_state_path(const char *dir, const char *tool, const char *name);

#endif
