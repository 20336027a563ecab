/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "connectors/log/file/batches.h"
#include "connectors/log/proof/bases.h"
#include "connectors/log/proof/proof.h"
#include "connectors/log/proof/rewrite.h"
#include <cdc/file.h>
#include <cdc/json.h>

#define RECORD "purges.ndjson"
#define ROUNDS 1000 /* as many segments may be sealed meanwhile */

struct purge {
    const struct log_purge_settings *settings;
    struct log_match match;
    struct log_folder folder;
    int maintain, append; /* locks; append -1: somebody appends */
    uint64_t done;        /* segments that begin before it were purged */
    uint64_t end;         /* of the segment that is written to: what is behind that is torn, and goes */
    uint64_t lines, active, of_bases;
};

/* -- before ------------------------------------------------------------------------------- */

static int check_salts(const struct purge *purge, struct cdc_error *error)
{
    if (purge->folder.redactable || purge->settings->force_unsalted)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "the log \"%s\" has no salts: the hash that stays of a line would tell whoever guesses the row that "
                  "it was there",
                  purge->folder.path);
    return cdc_error_hint(
        error, "logs are begun with \"append --redactable\" to be purged; --force-unsalted leaves such hashes");
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_there(const struct purge *purge, enum log_kind kind, uint64_t byte)
{
    char name[LOG_NAME_SIZE];

    return faccessat(purge->folder.fd, log_name_make(name, kind, byte), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* With the lock of maintenance nobody else has such a file in hand but a writer, and his end otherwise: one that is being made, a segment
 * that was trimmed, a base that has not got its line. */
static bool is_rest(const struct purge *purge, const char *name, uint64_t begin)
{
    uint64_t byte = 0;

    switch (log_name_parse(name, &byte)) {
    case LOG_PLAIN:
    case LOG_PACKED:
    case LOG_SALTS: return byte < begin;
    case LOG_BASE: return !is_there(purge, LOG_BASE_INDEX, byte);
    case LOG_OTHER: break;
    default: return false;
    }
    return ends_with(name, ".ndjson.tmp") || ends_with(name, ".zst.tmp") || ends_with(name, ".salt.tmp") ||
           (purge->append >= 0 && ends_with(name, ".idx.tmp"));
}

/* What something that was killed has left behind may have the rows as well. */
static int remove_rests(const struct purge *purge, struct cdc_error *error)
{
    uint64_t begin = 0;
    DIR *dir = opendir(purge->folder.path);
    const char *name;
    int more, result = dir != NULL ? log_begin_read(&purge->folder, &begin, error)
                                   : log_file_error(&purge->folder, "read", ".", error);

    while (result == 0 && (more = log_folder_next(&purge->folder, dir, &name, error)) != 0)
        if (more < 0)
            result = -1;
        else if (is_rest(purge, name, begin) && unlinkat(purge->folder.fd, name, 0) != 0 && errno != ENOENT)
            result = log_file_error(&purge->folder, "remove", name, error);
    if (dir != NULL)
        closedir(dir);
    return result;
}

static int take_locks(struct purge *purge, struct cdc_error *error)
{
    struct cdc_error why = {0};

    purge->maintain = log_lock(&purge->folder, LOG_LOCK_MAINTAIN, error);
    if (purge->maintain < 0)
        return -1;
    purge->append = log_lock(&purge->folder, LOG_LOCK_APPEND, &why);
    if (purge->append >= 0 || why.status == CDC_EXIT_TEMPORARY)
        return 0;
    return cdc_error_set(error, why.status, "%s", why.text);
}

/* -- the record ----------------------------------------------------------------------------- */

/* A full disk, or a kill, may have left a part of a record: it is none, and the next one must not be on its line. */
static int cut_torn(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END), end = size < 0 ? -1 : cdc_file_last_line_end(fd, size);

    return end < 0 || (end != size && ftruncate(fd, end) != 0) ? -1 : 0;
}

/* Says that it was, and never of whom. Before the first change, and after the last one. */
static int record(const struct purge *purge, const char *what, uint64_t lines, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    char now[32];
    time_t seconds = time(NULL);
    struct tm utc;
    int fd = log_file_open(&purge->folder, RECORD, O_RDWR | O_CREAT | O_APPEND, error);

    if (fd < 0)
        return -1;
    gmtime_r(&seconds, &utc);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cdc_buf_printf(&text, "{\"time\":\"%s\",\"uid\":%ld,\"purge\":\"%s\",\"table\":", now, (long)getuid(), what);
    cdc_json_append_message(&text, purge->match.table);
    cdc_buf_printf(&text, ",\"lines\":%" PRIu64 "}\n", lines);
    int result = text.failed ? cdc_error_memory(error)
                 : cut_torn(fd) == 0 && cdc_file_write(fd, text.data, text.len) == 0 && fsync(fd) == 0
                     ? log_folder_sync(&purge->folder, error)
                     : log_file_error(&purge->folder, "write", RECORD, error);
    if (result != 0)
        (void)cut_torn(fd);
    close(fd);
    cdc_buf_free(&text);
    return result;
}

/* -- segments -------------------------------------------------------------------------------- */

static bool is_in_hand(const struct purge *purge, const struct log_segment *segment)
{
    return segment->sealed || purge->append >= 0;
}

static int too_short(const struct purge *purge, const struct log_found *found, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "a line from byte %" PRIu64 " on is shorter than the hash that would stay of it: nothing was purged",
                  found->too_short - 1);
    return cdc_error_hint(error, "\"cdc-log read %s --from @%" PRIu64 "\" shows it", purge->folder.path,
                          found->too_short - 1);
}

/* How far the log may be looked at. Where nobody appends, purge holds that lock itself. */
static int find_end(struct purge *purge, struct cdc_error *error)
{
    uint64_t head = 0;
    bool torn;

    if (log_folder_limit(&purge->folder, &purge->end, &head, error) != 0 || log_folder_list(&purge->folder, error) != 0)
        return -1;
    const struct log_segment *last = purge->folder.n > 0 ? &purge->folder.segments[purge->folder.n - 1] : NULL;
    if (purge->append < 0 || last == NULL || last->sealed || !last->indexed || !last->plain)
        return 0;
    return log_batches_end(&purge->folder, last->start, head, &purge->end, &torn, error);
}

/* What somebody else appends to may be sealed at any moment, and have fewer batches then, of which the last one begins before the end. */
static uint64_t limit_of(const struct purge *purge, const struct log_segment *segment)
{
    return segment->sealed || purge->append < 0 ? UINT64_MAX : purge->end;
}

static int look(struct purge *purge, struct log_found *found, uint64_t *lines, struct cdc_error *error)
{
    if (find_end(purge, error) != 0)
        return -1;
    purge->active = 0;
    for (size_t i = 0; i < purge->folder.n; i++) {
        const struct log_segment *segment = &purge->folder.segments[i];
        bool in_hand = is_in_hand(purge, segment);
        found[i] = (struct log_found){.lines = 0};
        if (segment->start < purge->done || (!segment->plain && !segment->packed))
            continue;
        if (!segment->indexed)
            return cdc_error_set(error, CDC_EXIT_CONFIG, "segment %020" PRIu64 " has no commit journal",
                                 segment->start);
        if (log_rewrite_look(&purge->folder, segment, limit_of(purge, segment), &purge->match, purge->settings->control,
                             &found[i], error) != 0)
            return -1;
        if (found[i].too_short != 0)
            return too_short(purge, &found[i], error);
        *(in_hand ? lines : &purge->active) += found[i].lines;
    }
    return 0;
}

static int purge_segments(struct purge *purge, const struct log_found *found, struct cdc_error *error)
{
    for (size_t i = 0; i < purge->folder.n; i++) {
        const struct log_segment *segment = &purge->folder.segments[i];
        bool rest = !segment->sealed && found[i].leftover > 0;
        if (!is_in_hand(purge, segment))
            break;
        if (segment->start >= purge->done && (found[i].has_matter || rest)) {
            if (log_rewrite_purge(&purge->folder, segment, limit_of(purge, segment), &purge->match, &found[i], error) !=
                0)
                return -1;
            purge->lines += found[i].lines;
        }
        purge->done = segment->start + 1;
    }
    return 0;
}

/* Rows that compaction has kept. */
static int purge_bases(struct purge *purge, struct cdc_error *error)
{
    for (size_t i = 0; i < purge->folder.n_bases; i++) {
        uint64_t n = 0;
        if (log_base_purge(&purge->folder, purge->folder.bases[i], &purge->match, purge->settings->dry_run, &n,
                           error) != 0)
            return -1;
        purge->of_bases += n;
    }
    return 0;
}

/* All that is there. 1: and nothing came to it meanwhile; 0; -1. */
static int purge_round(struct purge *purge, struct cdc_error *error)
{
    uint64_t lines = 0, before = purge->done;

    if (log_folder_list(&purge->folder, error) != 0)
        return -1;
    /* Segments may be sealed until it is listed again, each with one that follows. */
    struct log_found *found = calloc(purge->folder.n + ROUNDS, sizeof *found);
    if (found == NULL)
        return cdc_error_memory(error);
    int result = look(purge, found, &lines, error);
    if (result == 0 && purge->settings->dry_run)
        purge->lines = lines;
    else if (result == 0 && (lines == 0 || record(purge, "begin", lines, error) == 0))
        result = purge_segments(purge, found, error);
    else
        result = -1;
    free(found);
    return result != 0 ? -1 : purge->settings->dry_run || purge->append >= 0 || purge->done == before;
}

static int run(struct purge *purge, struct cdc_error *error)
{
    int ended = 0;

    if (!purge->settings->dry_run && remove_rests(purge, error) != 0)
        return -1;
    for (int i = 0; i < ROUNDS && ended == 0; i++)
        ended = purge_round(purge, error);
    if (ended < 0 || purge_bases(purge, error) != 0)
        return -1;
    return purge->lines + purge->of_bases > 0 && !purge->settings->dry_run
               ? record(purge, "end", purge->lines + purge->of_bases, error)
               : 0;
}

static int tell(struct purge *purge, struct cdc_buf *report, struct cdc_error *error)
{
    bool dry = purge->settings->dry_run;

    cdc_buf_printf(report, "{\"%s\":%" PRIu64 ",\"of_bases\":%" PRIu64 ",\"left\":%" PRIu64 "}\n",
                   dry ? "found" : "purged", purge->lines, purge->of_bases, purge->active);
    cdc_log_write(purge->settings->log, CDC_LOG_INFO, "%" PRIu64 " lines%s, and %" PRIu64 " of bases", purge->lines,
                  dry ? " would be purged" : " were purged", purge->of_bases);
    if (report->failed)
        return cdc_error_memory(error);
    if (purge->active == 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "%" PRIu64 " lines more are in the segment that is being written to",
                  purge->active);
    return cdc_error_hint(error, "start it again once append has ended, or has begun the next segment");
}

int log_purge(const struct log_purge_settings *settings, struct cdc_buf *report, struct cdc_error *error)
{
    struct purge purge = {.settings = settings,
                          .match = {settings->table, settings->name, settings->keys},
                          .folder = {.fd = -1},
                          .maintain = -1,
                          .append = -1};
    int result = -1;

    if (log_match_check(&purge.match, error) == 0 && log_folder_open(&purge.folder, settings->path, error) == 0 &&
        check_salts(&purge, error) == 0 && take_locks(&purge, error) == 0 && run(&purge, error) == 0)
        result = tell(&purge, report, error);
    if (purge.append >= 0)
        close(purge.append);
    if (purge.maintain >= 0)
        close(purge.maintain);
    log_folder_close(&purge.folder);
    return result;
}
