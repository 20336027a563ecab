/* SPDX-License-Identifier: MIT */
/* Where a reader begins: after what it has read before, as long as the log there is the same; where a sink has less than that, at the
 * place that this one needs; else where it is told to. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connectors/log/read/internal.h"
#include <cdc/json.h>
#include <cdc/options.h>
#include <cdc/retry.h>

#define SINKS_MS 5000
#define LOOK_MS 20

bool read_is_time(const char *text, int64_t *ms)
{
    return cdc_time_parse(text, ms);
}

static bool parse_byte(const char *text, uint64_t *byte)
{
    char *end;

    *byte = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

int log_read_check(const struct log_read_settings *settings, struct cdc_error *error)
{
    const char *from = settings->from, *until = settings->until;
    uint64_t byte;

    if ((from != NULL && from[0] == '\0') || (until != NULL && until[0] == '\0'))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--from and --until need a place");
    if (from != NULL && from[0] == '@' && !parse_byte(from + 1, &byte))
        return cdc_error_set(error, CDC_EXIT_USAGE, "--from=@BYTE needs a number, not \"%.80s\"", from);
    if (settings->follow && until != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--follow and --until exclude each other");
    return 0;
}

uint64_t read_log_end(const struct log_read *read)
{
    uint64_t end = log_folder_end(&read->folder);
    return end < read->limit ? end : read->limit;
}

/* -- what sinks have ----------------------------------------------------------------- */

struct sinks {
    struct log_read *read;
    uint64_t begin; /* the place that all of them need */
};

static int lost_to_sink(const struct log_read *read, const char *name, const char *before, const char *pos,
                        struct cdc_error *error)
{
    cdc_error_set(
        error, CDC_EXIT_LOST,
        "a sink has %s%s%s of source \"%s\", and retention removed the lines up to \"%s\" from the log \"%s\"",
        pos[0] != '\0' ? "only what is up to \"" : "nothing", pos, pos[0] != '\0' ? "\"" : "", name, before,
        read->folder.path);
    return cdc_error_hint(error, "rebuild the destination with --from=base and without the offset file");
}

/* Are lines of the source after pos ("": none is stored) from before the first segment, where nothing is any more? */
static int check_removed(const struct log_read *read, const char *name, const char *pos, struct cdc_error *error)
{
    uint64_t begin = log_folder_begin(&read->folder);
    struct cdc_offset before = {.pos = NULL};
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    int found = begin > 0 ? log_find_positions(&read->folder, begin, &text, &at, error) : 0;

    if (found == 1)
        found = log_at_get(at, name, &before, error);
    if (found == 1 && strcmp(before.pos, pos) > 0)
        found = lost_to_sink(read, name, before.pos, pos, error);
    cdc_offset_free(&before);
    cdc_buf_free(&text);
    return found < 0 ? -1 : 0;
}

/* A sink that has less of a source than was read needs the log from there. */
static int ask_sinks(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct sinks *sinks = context;
    const struct log_read_settings *settings = sinks->read->settings;
    int passed = cdc_relay_has(sinks->read->relay, name, offset->pos, error);

    if (passed != 0)
        return passed < 0 ? -1 : 0;
    struct cdc_acks *acks = cdc_acks_new(name, settings->ack_files, settings->n_ack_files, settings->state_dir, error);
    const struct cdc_offset *acked = NULL;
    uint64_t begin = 0;
    int found = acks == NULL ? -1 : cdc_acks_read(acks, &acked, error) == 0 ? 1 : -1;
    const char *pos = acked != NULL ? acked->pos : "";
    if (found == 1)
        found = check_removed(sinks->read, name, pos, error) == 0 ? 1 : -1;
    if (found == 1)
        found = log_find_pos(&sinks->read->folder, name, pos, &begin, error);
    if (found == 1 && begin < sinks->begin)
        sinks->begin = begin;
    cdc_acks_free(acks);
    return found < 0 ? -1 : 0;
}

static bool sinks_are_there(struct log_read *read)
{
    const struct log_read_settings *settings = read->settings;
    struct cdc_acks *acks = cdc_acks_new("", settings->ack_files, settings->n_ack_files, settings->state_dir, NULL);
    const struct cdc_offset *ignored;
    bool there = acks != NULL && cdc_acks_read(acks, &ignored, NULL) == 0 && cdc_acks_count(acks) > 0 &&
                 cdc_acks_count(acks) >= settings->n_ack_files;

    cdc_acks_free(acks);
    return there;
}

/* They start at this moment, in the same line. */
static void wait_for_sinks(struct log_read *read)
{
    int64_t end = cdc_clock_ms() + SINKS_MS;

    while (!sinks_are_there(read) && cdc_clock_ms() < end)
        if (cdc_retry_wait(LOOK_MS, read->settings->control, "a sink's position"))
            return;
}

static int go_back_for_sinks(struct log_read *read, uint64_t *byte, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    struct sinks sinks = {read, *byte};

    if (read->relay == NULL)
        return 0;
    wait_for_sinks(read);
    int result = log_find_positions(&read->folder, *byte, &text, &at, error);
    if (result > 0)
        result = log_at_each(at, ask_sinks, &sinks, error);
    cdc_buf_free(&text);
    if (result < 0)
        return -1;
    if (sinks.begin < *byte)
        cdc_log_write(read->settings->log, CDC_LOG_INFO,
                      "a sink has not stored all that was read before: the log is read again from byte %" PRIu64,
                      sinks.begin);
    *byte = sinks.begin;
    return 0;
}

/* -- the start ------------------------------------------------------------------------ */

static int resume(struct log_read *read, const struct cdc_offset *from, uint64_t *byte, struct cdc_error *error)
{
    if (!log_pos_parse(from->pos, byte))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the offset file has a position that is none of a log: \"%.80s\"",
                             from->pos);
    if (*byte < log_folder_begin(&read->folder)) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "byte %" PRIu64 " of the log \"%s\" was removed by retention: it begins at %" PRIu64, *byte,
                      read->folder.path, log_folder_begin(&read->folder));
        return cdc_error_hint(error,
                              "rebuild the destination with --from=base and without the offset file; a registered "
                              "reader (--reader) is waited for");
    }
    if (log_state_check(&read->folder, *byte, from->state, error) != 0)
        return -1;
    return go_back_for_sinks(read, byte, error);
}

/* A position of whichever source has it. */
struct search {
    struct log_read *read;
    const char *pos;
    uint64_t begin;
    bool found;
};

static int search_in(void *context, const char *name, const struct cdc_offset *offset, struct cdc_error *error)
{
    struct search *search = context;
    uint64_t begin;

    (void)offset;
    int found = log_find_pos(&search->read->folder, name, search->pos, &begin, error);
    if (found == 1 && (!search->found || begin < search->begin)) {
        search->begin = begin;
        search->found = true;
    }
    return found < 0 ? -1 : 0;
}

static int find_pos(struct log_read *read, const char *pos, uint64_t *byte, struct cdc_error *error)
{
    struct search search = {.read = read, .pos = pos};
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    int result = log_find_positions(&read->folder, read_log_end(read), &text, &at, error);

    if (result > 0)
        result = log_at_each(at, search_in, &search, error);
    cdc_buf_free(&text);
    *byte = search.found ? search.begin : read_log_end(read);
    return result < 0 ? -1 : 0;
}

/* Lines that are meant as well were removed, or may have been: what is left would pass for all of them. */
static int lacks_lines(const struct log_read *read, const char *from, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST,
                  "lines from \"%s\" on were removed by retention: the log \"%s\" begins at byte %" PRIu64, from,
                  read->folder.path, log_folder_begin(&read->folder));
    return cdc_error_hint(error, "--from=base has the newest line of each row; --from=earliest takes what is left");
}

struct removal {
    const char *pos;
    char *lost; /* a source whose lines from pos on are not all there */
    bool kept;  /* those of some source are */
};

static int look_at_source(void *context, const char *name, const struct cdc_offset *before, struct cdc_error *error)
{
    struct removal *removal = context;

    if (strcmp(before->pos, removal->pos) <= 0)
        removal->kept = true;
    else if (removal->lost == NULL && (removal->lost = strdup(name)) == NULL)
        return cdc_error_memory(error);
    return 0;
}

/* Are lines after the position from before the first segment? Where not of all sources, one of the others may be the one that is meant. */
static int check_pos(struct log_read *read, const char *pos, struct cdc_error *error)
{
    uint64_t begin = log_folder_begin(&read->folder);
    struct removal removal = {.pos = pos};
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    int result = begin > 0 ? log_find_positions(&read->folder, begin, &text, &at, error) : 0;

    if (result > 0)
        result = log_at_each(at, look_at_source, &removal, error);
    if (result >= 0 && removal.lost != NULL && removal.kept)
        cdc_log_write(read->settings->log, CDC_LOG_WARNING,
                      "lines of source \"%s\" from \"%s\" on were removed by retention", removal.lost, pos);
    else if (result >= 0 && removal.lost != NULL)
        result = lacks_lines(read, pos, error);
    free(removal.lost);
    cdc_buf_free(&text);
    return result < 0 ? -1 : 0;
}

/* @BYTE may be anywhere: the next line is meant. */
static int find_line(struct log_read *read, uint64_t wanted, uint64_t *byte, struct cdc_error *error)
{
    struct log_cursor cursor;
    struct cdc_span line;
    uint64_t begin = 0, at = 0;
    const struct log_segment *segment = log_folder_find(&read->folder, wanted);

    *byte = wanted;
    if (segment == NULL)
        return cdc_error_set(error, CDC_EXIT_LOST,
                             "byte %" PRIu64 " is not in the log \"%s\", which is from %" PRIu64 " to %" PRIu64, wanted,
                             read->folder.path, log_folder_begin(&read->folder), log_folder_end(&read->folder));
    if (log_find_batch(&read->folder, wanted, &begin, error) < 0)
        return -1;
    int found = log_cursor_open(&cursor, &read->folder, begin, error) == 0 ? 1 : -1;
    while (found == 1 && begin < wanted && (found = log_cursor_line(&cursor, &line, &at, error)) == 1)
        begin = at + line.n + 1;
    log_cursor_close(&cursor);
    *byte = begin;
    return found < 0 ? -1 : 0;
}

static int find_given(struct log_read *read, const char *from, uint64_t *byte, bool *base, struct cdc_error *error)
{
    struct log_folder *folder = &read->folder;
    int64_t ms;
    uint64_t wanted;

    *byte = log_folder_begin(folder);
    if (from == NULL || strcmp(from, "earliest") == 0)
        return 0;
    if (strcmp(from, "latest") == 0) {
        *byte = read_log_end(read);
        return 0;
    }
    if (strcmp(from, "base") == 0) {
        *base = folder->n_bases > 0;
        *byte = *base ? folder->bases[folder->n_bases - 1] : *byte;
        if (*base || *byte == 0)
            return 0;
        return cdc_error_set(error, CDC_EXIT_LOST, "the log \"%s\" has no base, and begins at byte %" PRIu64,
                             folder->path, *byte);
    }
    if (from[0] == '@')
        return parse_byte(from + 1, &wanted) ? find_line(read, wanted, byte, error) : -1;
    if (!read_is_time(from, &ms))
        return check_pos(read, from, error) == 0 ? find_pos(read, from, byte, error) : -1;
    int found = log_find_time(folder, ms, byte, error);
    if (found == 0)
        *byte = read_log_end(read);
    /* Nobody knows when what was before the first line that is left was appended, but that it was before now. */
    if (found >= 0 && *byte > 0 && *byte == log_folder_begin(folder) && ms <= (int64_t)time(NULL) * 1000)
        return lacks_lines(read, from, error);
    return found < 0 ? -1 : 0;
}

/* A sink whose rows are older than deletes that the base has left out would keep what is gone. */
static int admit_sinks(struct log_read *read, const struct log_base *base, struct cdc_span raw_name,
                       struct cdc_error *error)
{
    const struct log_read_settings *settings = read->settings;
    const struct cdc_offset *ignored;
    char *name = cdc_json_text(raw_name, NULL);
    struct cdc_acks *acks =
        name != NULL ? cdc_acks_new(name, settings->ack_files, settings->n_ack_files, settings->state_dir, error)
                     : NULL;
    int result = acks != NULL ? cdc_acks_read(acks, &ignored, error) : cdc_error_memory(error);

    for (size_t i = 0; result == 0 && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        if (offset != NULL)
            result = log_base_admits(base, name, offset->pos, error);
    }
    cdc_acks_free(acks);
    free(name);
    return result;
}

int read_check_base(struct log_read *read, struct cdc_error *error)
{
    const struct log_base *base = log_base_of(read->base);
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    int result = 0;

    if (read->relay == NULL)
        return 0;
    wait_for_sinks(read);
    for (cdc_json_iter_begin(&iter, base->gone); result == 0 && cdc_json_next_member(&iter, &name, &value);)
        result = admit_sinks(read, base, name, error);
    return result;
}

struct admission {
    struct log_read *read;
    size_t sinks; /* that have something */
};

/* The positions that sinks have of one source; none of a sink that is new. */
static int admit_source(void *context, const char *name, const struct cdc_offset *ignored, struct cdc_error *error)
{
    struct admission *admission = context;
    const struct log_read *read = admission->read;
    const struct log_read_settings *settings = read->settings;
    struct cdc_acks *acks = cdc_acks_new(name, settings->ack_files, settings->n_ack_files, settings->state_dir, error);
    int result = acks != NULL ? cdc_acks_read(acks, &ignored, error) : -1;

    for (size_t i = 0; result == 0 && i < cdc_acks_count(acks); i++) {
        const struct cdc_offset *offset = cdc_acks_offset(acks, i);
        if (offset == NULL)
            continue;
        admission->sinks += offset->pos[0] != '\0';
        result = check_removed(read, name, offset->pos, error);
    }
    cdc_acks_free(acks);
    return result;
}

/* The first segment that is left: a copy that goes on here must have all before it, and one that begins here has none of it, which must
 * be asked for. */
static int check_earliest(struct log_read *read, struct cdc_error *error)
{
    uint64_t begin = log_folder_begin(&read->folder);
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span at;
    struct admission admission = {.read = read};
    int result = 0;

    if (begin == 0)
        return 0;
    if (read->relay != NULL) {
        wait_for_sinks(read);
        result = log_find_positions(&read->folder, read_log_end(read), &text, &at, error);
        if (result > 0)
            result = log_at_each(at, admit_source, &admission, error);
        cdc_buf_free(&text);
    }
    if (result < 0)
        return -1;
    if (read->settings->from != NULL || admission.sinks > 0)
        return 0;
    cdc_error_set(error, CDC_EXIT_LOST,
                  "the lines before byte %" PRIu64
                  " of the log \"%s\" were removed by retention: a copy of what is left lacks rows",
                  begin, read->folder.path);
    return cdc_error_hint(error, "--from=base has them; --from=earliest takes what is left");
}

int read_find_start(struct log_read *read, const struct cdc_offset *from, uint64_t *byte, bool *base,
                    struct cdc_error *error)
{
    const char *given = read->settings->from;

    *base = false;
    if (from != NULL && from->pos[0] != '\0')
        return resume(read, from, byte, error);
    if ((given == NULL || strcmp(given, "earliest") == 0) && check_earliest(read, error) != 0)
        return -1;
    return find_given(read, given, byte, base, error);
}
