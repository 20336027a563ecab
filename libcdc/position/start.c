/* SPDX-License-Identifier: MIT */
/* Where a source begins. What counts, in this order:
 *
 *   the sinks' smallest position    they need what comes after it, wherever our own file is
 *   our own file                    where nobody acknowledges
 *   the snapshot's position         only while there is neither: with rows but no stream yet
 *   nothing                         the very first start */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/attempt.h>
#include <cdc/json.h>
#include <cdc/request.h>
#include <cdc/start.h>

/* Complete is one whose rows are all written: the sinks' positions show whether they are stored. */
static int check_complete(const struct cdc_offset *snapshot, const char *name, struct cdc_error *error)
{
    struct cdc_span state = cdc_span_text(snapshot->state);

    /* "written" without "finished" is enough: the stream may begin while the sinks still take in the last rows, where
     * its lines come after them in the same pipe (check_pipe). */
    if (cdc_span_is(cdc_json_member(state, "finished"), "true") || cdc_json_member(state, "written").p != NULL)
        return 0;
    cdc_error_set(error, CDC_EXIT_CONFIG, "the snapshot of \"%s\" was begun and is not complete", name);
    return cdc_error_hint(error, "run cdc-snapshot with the same arguments to its end first");
}

/* What the snapshot keeps of its attempt; to be cleared in any case. */
static int read_attempt(struct cdc_attempt *attempt, const struct cdc_offset *snapshot, const char *name,
                        struct cdc_error *error)
{
    *attempt = (struct cdc_attempt){.written = NULL};
    errno = 0;
    if (cdc_attempt_read(attempt, cdc_span_text(snapshot->state)))
        return 0;
    return errno == ENOMEM
               ? cdc_error_memory(error)
               : cdc_error_set(error, CDC_EXIT_CONFIG, "the state that cdc-snapshot keeps of \"%s\" is damaged", name);
}

/* Did the rows go into another pipe than the one that we shall write into? What went into a file is there still, and whoever
 * took it (--ack=stdout) gives it to the sinks himself. */
static bool went_elsewhere(const struct cdc_attempt *attempt, int output_fd)
{
    return output_fd >= 0 && attempt->output[0] != '\0' && !cdc_attempt_is_output(attempt->output, output_fd);
}

static int not_stored(bool over, const char *name, struct cdc_error *error)
{
    if (over) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "the snapshot of \"%s\" is over, and a sink has not stored its rows: they would be missing there",
                      name);
        return cdc_error_hint(error, "restore that sink's destination and offset file, or take the sink out of the "
                                     "line; else take a new snapshot");
    }
    cdc_error_set(error, CDC_EXIT_TEMPORARY,
                  "the rows of the snapshot of \"%s\" went into another pipe, and not all sinks have stored them",
                  name);
    return cdc_error_hint(error, "run cdc-snapshot before it with the same arguments, into the same pipe: it reads "
                                 "them again where they are not stored");
}

/* Two examples of what must not be. A line is killed while its sink still has the last rows of the snapshot before it, and the
 * source alone is started again: what it writes would move the sink's position past rows that it never had. And a snapshot is
 * finished, since its one sink has stored it, and the stream begins with a second sink beside that one, or with another in its
 * place: none of the rows comes to that. */
static int check_pipe(struct cdc_start *start, const struct cdc_offset *snapshot, struct cdc_acks *acks,
                      const char *name, int output_fd, struct cdc_error *error)
{
    struct cdc_attempt attempt;
    int result = read_attempt(&attempt, snapshot, name, error);

    if (result == 0 && acks != NULL && went_elsewhere(&attempt, output_fd)) {
        const char *own = start->own.pos;
        bool over =
            attempt.finished || (own != NULL && strcmp(own, attempt.written) >= 0); /* cdc-snapshot reads no more */
        int stored = cdc_acks_passed(acks, attempt.written, error);
        result = stored < 0 ? -1 : stored ? 0 : not_stored(over, name, error);
        start->sinks = cdc_acks_count(acks);
    }
    cdc_attempt_clear(&attempt);
    return result;
}

/* 1 when there is one, and *snapshot is to be freed; 0; -1. */
static int read_snapshot(struct cdc_offset *snapshot, const char *state_dir, const char *name, struct cdc_error *error)
{
    char *path = cdc_state_path(state_dir, "cdc-snapshot", name);

    if (path == NULL)
        return cdc_error_memory(error);
    int found = cdc_offset_read(path, name, snapshot, error);
    free(path);
    if (found > 0 && check_complete(snapshot, name, error) != 0) {
        cdc_offset_free(snapshot);
        return -1;
    }
    return found;
}

int cdc_start_needs_sinks(const struct cdc_offset_file *own, const char *state_dir, const char *name, int output_fd,
                          struct cdc_error *error)
{
    const struct cdc_offset *entry = cdc_offset_file_get(own, name);
    struct cdc_offset snapshot = {.pos = NULL};
    struct cdc_attempt attempt = {.written = NULL};

    if (entry != NULL && entry->pos[0] != '\0')
        return 1;
    int result = state_dir != NULL ? read_snapshot(&snapshot, state_dir, name, error) : 0;
    if (result > 0)
        result = read_attempt(&attempt, &snapshot, name, error) != 0 ? -1 : went_elsewhere(&attempt, output_fd);
    cdc_attempt_clear(&attempt);
    cdc_offset_free(&snapshot);
    return result;
}

int cdc_start_lost_sink(const char *name, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST,
                  "a sink of \"%s\" has no position, but rows or changes were confirmed before: it would miss them",
                  name);
    return cdc_error_hint(error,
                          "start the sink, if its destination keeps the position (cdc-sink-sqlite), or restore its "
                          "offset file; else take a new snapshot");
}

/* The sink has a part of the rows, and the rest is in the pipe: of an older attempt maybe, which began at another place. */
static bool is_within(const struct cdc_offset *acked, const struct cdc_offset *snapshot)
{
    return snapshot->pos != NULL && snapshot->source != NULL && strcmp(acked->pos, snapshot->pos) < 0;
}

/* Where the log goes on after the rows, the snapshot's own file says; the position stays the sink's. */
static int take_source(struct cdc_offset *from, const struct cdc_offset *snapshot, struct cdc_error *error)
{
    char *source = strdup(snapshot->source);

    if (source == NULL)
        return cdc_error_memory(error);
    free(from->source);
    from->source = source;
    return 0;
}

/* The sinks' smallest position, else our own. It may be behind our own: a sink that was restored from a backup needs
 * lines again that were confirmed to the database long ago. Only the database knows whether it still has them; if
 * not, the connector says so (LOST). An example of what must not be taken for a first start: two sinks, one offset
 * file was removed. That sink has no position, so there is no smallest one; but our own file shows that changes were
 * confirmed, which that sink will never see. */
static int decide_stored(struct cdc_start *start, struct cdc_acks *acks, const struct cdc_offset *snapshot,
                         const char *name, struct cdc_error *error)
{
    const struct cdc_offset *acked = NULL;
    bool has_own = start->own.pos != NULL;

    if (acks != NULL && cdc_acks_read(acks, &acked, error) != 0)
        return -1;
    if (acks != NULL && has_own && acked == NULL)
        return cdc_start_lost_sink(name, error);
    if (acks != NULL && has_own)
        start->sinks = cdc_acks_count(acks);
    if (acked == NULL && !has_own)
        return 0;
    start->kind = CDC_START_RESUME;
    /* First all of our own, then the sinks' over it: the state is ours, and a sink's file has none. */
    if (has_own && cdc_offset_copy(&start->from, &start->own, error) != 0)
        return -1;
    if (acked == NULL)
        return 0;
    if (cdc_offset_copy(&start->from, acked, error) != 0) /* our own state stays in it */
        return -1;
    return is_within(acked, snapshot) ? take_source(&start->from, snapshot, error) : 0;
}

/* A request that the mark of the last run has, with its very time, was taken then: the process was killed before it was settled, or
 * the mark was saved at its end. */
static int split_asked(struct cdc_start *start, const struct cdc_stale *asked, struct cdc_error *error)
{
    for (size_t i = 0; i < asked->n; i++) {
        const struct cdc_stale_table *table = &asked->tables[i];
        const struct cdc_stale_table *had = cdc_stale_find(&start->stale, table->db, table->schema, table->table);
        struct cdc_stale *list = had != NULL && strcmp(had->why, table->why) == 0 ? &start->marked : &start->asked;
        if (cdc_stale_add(list, table->db, table->schema, table->table, table->why, error) != 0)
            return -1;
    }
    return 0;
}

static int add_asked(struct cdc_start *start, struct cdc_acks *acks, const struct cdc_offset *snapshot,
                     struct cdc_error *error)
{
    for (size_t i = 0; i < start->asked.n; i++) {
        const struct cdc_stale_table *table = &start->asked.tables[i];
        if (cdc_stale_add(&start->stale, table->db, table->schema, table->table, table->why, error) != 0)
            return -1;
    }
    const char *pos = start->from.pos != NULL ? start->from.pos : snapshot->pos;
    return cdc_rounds_mark(&start->rounds, &start->stale, pos, acks, error);
}

/* Only where there is a snapshot has anybody rows that may be stale, and only where something is confirmed does it ever show that
 * they were read again: without a sink's file the run would end at the same mark for ever. */
static int find_stale(struct cdc_start *start, const struct cdc_offset *entry, struct cdc_acks *acks,
                      const struct cdc_offset *snapshot, const char *state_dir, const char *name,
                      struct cdc_error *error)
{
    struct cdc_stale asked = {.at = NULL};

    if (start->snapshot == NULL)
        return 0;
    start->heals = acks == NULL || cdc_acks_count(acks) > 0;
    if (cdc_rounds_read(&start->rounds, cdc_span_text(start->snapshot), error) != 0)
        return -1;
    if (!start->heals)
        return 0;
    /* Of an entry without a position, too: a stream that has confirmed nothing yet may have left its mark. */
    if (cdc_stale_read(&start->stale, cdc_span_text(entry != NULL ? entry->state : NULL), error) != 0)
        return -1;
    int result = cdc_request_read(&asked, state_dir, name, error);
    if (result == 0)
        result = split_asked(start, &asked, error);
    cdc_stale_clear(&asked);
    if (result != 0 || cdc_rounds_reopen(&start->rounds, &start->stale, acks, error) != 0)
        return -1;
    return start->asked.n > 0 ? add_asked(start, acks, snapshot, error) : 0;
}

int cdc_start_decide(struct cdc_start *start, const struct cdc_offset_file *own, struct cdc_acks *acks,
                     const char *state_dir, const char *name, int output_fd, struct cdc_error *error)
{
    const struct cdc_offset *entry = cdc_offset_file_get(own, name);
    struct cdc_offset snapshot = {.pos = NULL};

    *start = (struct cdc_start){.kind = CDC_START_FIRST};
    int found = state_dir != NULL ? read_snapshot(&snapshot, state_dir, name, error) : 0;
    if (found < 0)
        return -1;
    struct cdc_span visible = cdc_json_member(cdc_span_text(snapshot.state), "read_at");
    if (visible.p != NULL)
        start->visible = cdc_span_copy(visible);
    if (snapshot.state != NULL)
        start->snapshot = strdup(snapshot.state);
    int result = (visible.p != NULL && start->visible == NULL) || (snapshot.state != NULL && start->snapshot == NULL)
                     ? cdc_error_memory(error)
                     : 0;
    /* A file that was created and never saved to has "pos":"", which is no position. */
    if (result == 0 && entry != NULL && entry->pos[0] != '\0')
        result = cdc_offset_copy(&start->own, entry, error);
    if (result == 0 && found > 0)
        result = check_pipe(start, &snapshot, acks, name, output_fd, error);
    if (result == 0)
        result = decide_stored(start, acks, &snapshot, name, error);
    if (result == 0)
        result = find_stale(start, entry, acks, &snapshot, state_dir, name, error);
    if (result == 0 && found > 0 && start->kind == CDC_START_FIRST) {
        start->kind = CDC_START_SNAPSHOT;
        start->from = snapshot;
    } else {
        cdc_offset_free(&snapshot);
    }
    return result;
}

static bool is_after(const char *pos, const char *other)
{
    return other == NULL || strcmp(pos, other) > 0;
}

static bool is_after_rounds(const char *pos, const struct cdc_rounds *rounds)
{
    for (size_t i = 0; i < rounds->n; i++)
        if (!is_after(pos, rounds->items[i].of.at) || !is_after(pos, rounds->items[i].attempt.written))
            return false;
    return true;
}

bool cdc_start_is_before(const struct cdc_start *start, const struct cdc_acks *acks, const struct cdc_rounds *rounds,
                         const struct cdc_offset *boundary, const char *pos)
{
    for (size_t i = 0; i < cdc_acks_count(acks); i++)
        if (cdc_acks_offset(acks, i) != NULL && !is_after(pos, cdc_acks_offset(acks, i)->pos))
            return false;
    return is_after(pos, start->own.pos) && is_after(pos, start->from.pos) &&
           is_after(pos, boundary != NULL ? boundary->pos : NULL) && is_after_rounds(pos, &start->rounds) &&
           is_after_rounds(pos, rounds);
}

void cdc_start_free(struct cdc_start *start)
{
    cdc_offset_free(&start->from);
    cdc_offset_free(&start->own);
    cdc_stale_clear(&start->stale);
    cdc_stale_clear(&start->asked);
    cdc_stale_clear(&start->marked);
    cdc_rounds_clear(&start->rounds);
    free(start->visible);
    free(start->snapshot);
    start->visible = start->snapshot = NULL;
}
