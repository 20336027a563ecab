/* SPDX-License-Identifier: MIT */
/* How far a snapshot is: a message now and then, a line of a terminal that is written over, and the metrics file. */
#include "libcdc/loop/internal.h"
#include <cdc/snapshot.h>

#include <cdc/retry.h>
#include <stdio.h>
#include <string.h>

#define SAMPLE_MS 1000
#define SMOOTH_S 20.0 /* what lay longer ago counts less in the rates */
#define SAVE_MS 5000
#define NAME_COLUMNS 12 /* the table's name keeps at least so many */

/* -- counting --------------------------------------------------------------------------------------------- */

/* What has left since the last call is of the part at hand. */
static void count(struct cdc_snapshot_progress *progress)
{
    double rows = (double)(progress->rows - progress->counted);

    progress->counted = progress->rows;
    if (progress->at != NULL)
        progress->at->passed += rows;
    progress->passed += rows;
}

void cdc_snapshot_progress_begin(struct cdc_snapshot_progress *progress, const struct cdc_writer *writer)
{
    int64_t now = cdc_clock_ms(), every = progress->show != NULL ? progress->show->every_ms : 0;

    progress->writer = writer;
    progress->began = progress->sampled = now;
    progress->next = now + every;
    progress->next_save = now;
    progress->sampled_bytes = cdc_writer_written(writer);
    progress->sampled_passed = progress->passed;
}

void cdc_snapshot_progress_at(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part)
{
    count(progress);
    progress->at = part;
}

void cdc_snapshot_progress_pass(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part, double rows)
{
    part->passed += rows;
    progress->passed += rows;
}

/* From now on it counts with the rows that it had. */
void cdc_snapshot_progress_done(struct cdc_snapshot_progress *progress, struct cdc_snapshot_part *part)
{
    count(progress);
    progress->estimate += part->passed - part->estimate;
    part->estimate = part->passed;
    part->done = true;
    progress->done++;
}

/* -- figures ------------------------------------------------------------------------------------------------ */

/* An average in which what lies longer ago counts less; at first of all that there is. */
static double smooth(double average, double now, double seconds, double age)
{
    double memory = age < SMOOTH_S ? age : SMOOTH_S;
    return average + (now - average) * (seconds / (memory > seconds ? memory : seconds));
}

static void sample(struct cdc_snapshot_progress *progress, int64_t now)
{
    double seconds = (double)(now - progress->sampled) / 1000.0, age = (double)(now - progress->began) / 1000.0;
    uint64_t bytes = cdc_writer_written(progress->writer);

    if (now - progress->sampled < SAMPLE_MS)
        return;
    progress->rate = smooth(progress->rate, (progress->passed - progress->sampled_passed) / seconds, seconds, age);
    progress->byte_rate =
        smooth(progress->byte_rate, (double)(bytes - progress->sampled_bytes) / seconds, seconds, age);
    progress->sampled = now;
    progress->sampled_passed = progress->passed;
    progress->sampled_bytes = bytes;
}

/* Not in the first second. */
static bool has_rates(const struct cdc_snapshot_progress *progress)
{
    return progress->sampled > progress->began;
}

/* Of a table, or of all. */
struct figures {
    double passed, total; /* rows; total 0: not known, or there are more than that */
    int percent;          /* -1: not known */
    double left;          /* seconds; -1: not known */
};

static struct figures figures_of(double passed, double total, double rate, bool done)
{
    struct figures f = {.passed = passed, .total = total, .percent = -1, .left = -1};

    if (total <= 0 || passed > total)
        f.total = 0;
    if (f.total > 0)
        f.percent = (int)(100.0 * passed / total);
    /* All that the estimate says, and still more to come. */
    if (f.percent > 99 && !done)
        f.percent = 99;
    if (f.total > 0 && rate > 0)
        f.left = (total - passed) / rate;
    return f;
}

static struct figures figures_of_part(const struct cdc_snapshot_progress *progress)
{
    const struct cdc_snapshot_part *part = progress->at;
    return figures_of(part->passed, part->estimate, progress->rate, part->done);
}

/* What the part at hand has beyond its estimate, all have beyond theirs. */
static struct figures figures_of_all(const struct cdc_snapshot_progress *progress)
{
    const struct cdc_snapshot_part *part = progress->at;
    bool done = progress->done >= progress->tables;
    double more = part != NULL && part->passed > part->estimate ? part->passed - part->estimate : 0;

    if (progress->estimate <= 0)
        return figures_of(progress->passed, 0, 0, done);
    double total = progress->estimate + more;
    if (done || progress->passed > total)
        total = progress->passed;
    return figures_of(progress->passed, total, progress->rate, done);
}

static void set_metrics(struct cdc_snapshot_progress *progress)
{
    struct cdc_metrics *metrics = progress->metrics;
    struct figures all = figures_of_all(progress);

    metrics->bytes_out = cdc_writer_written(progress->writer);
    metrics->snapshot_tables = (int64_t)progress->tables;
    metrics->snapshot_tables_done = (int64_t)progress->done;
    metrics->snapshot_rows = (int64_t)progress->rows;
    metrics->snapshot_rows_expected = (int64_t)all.total;
    metrics->snapshot_bytes = (int64_t)metrics->bytes_out;
    metrics->snapshot_seconds_left = (int64_t)all.left;
}

/* -- words ------------------------------------------------------------------------------------------------ */

/* 7 s, 6 min 10 s, 3 h 5 min, 2 d 3 h */
static void append_time(struct cdc_buf *out, double seconds)
{
    static const struct {
        unsigned long of, to; /* seconds of the larger unit, and of the smaller one */
        const char *large, *small;
    } units[] = {{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}};
    unsigned long s = seconds < 1e9 ? (unsigned long)seconds : 1000000000ul;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (s >= units[i].of) {
            cdc_buf_printf(out, "%lu %s %lu %s", s / units[i].of, units[i].large, s % units[i].of / units[i].to,
                           units[i].small);
            return;
        }
    cdc_buf_printf(out, "%lu s", s);
}

/* 12345, 1.2M, 25M; of bytes 12.3 kB, 1.2 MB */
static void append_short(struct cdc_buf *out, double value, const char *unit)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    size_t i = 0;

    for (double limit = *unit != '\0' ? 1000 : 100000; value >= limit && i + 1 < sizeof prefixes / sizeof *prefixes;
         limit = 1000, i++)
        value /= 1000;
    cdc_buf_printf(out, i > 0 && value < 10 ? "%.1f" : "%.0f", value);
    cdc_buf_printf(out, "%s%s%s", *unit != '\0' ? " " : "", prefixes[i], unit);
}

static void append_rows(struct cdc_buf *out, const struct figures *f)
{
    if (f->total > 0)
        cdc_buf_printf(out, "%.0f of about %.0f rows, %d %%", f->passed, f->total, f->percent);
    else
        cdc_buf_printf(out, "%.0f rows", f->passed);
}

static void append_left(struct cdc_buf *out, const char *before, const struct figures *f)
{
    if (f->left < 0)
        return;
    cdc_buf_text(out, before);
    append_time(out, f->left);
    cdc_buf_text(out, " left");
}

/* "shop.a: 30 of about 120 rows, 25 %, 9 s left; in all 2 of 7 tables, 3000 of about 9000 rows, 33 %, 1.5 MB, 10 rows/s,
 * 5.0 kB/s, 10 min 0 s left" */
static void append_message(struct cdc_buf *out, const struct cdc_snapshot_progress *progress)
{
    struct figures all = figures_of_all(progress);

    if (progress->at != NULL)
        cdc_buf_printf(out, "%s.%s: ", progress->at->schema, progress->at->table);
    if (progress->at != NULL && progress->tables > 1) {
        struct figures part = figures_of_part(progress);
        append_rows(out, &part);
        append_left(out, ", ", &part);
        cdc_buf_lit(out, "; ");
    }
    if (progress->tables > 1)
        cdc_buf_printf(out, "in all %zu of %zu tables, ", progress->done, progress->tables);
    append_rows(out, &all);
    cdc_buf_lit(out, ", ");
    append_short(out, (double)cdc_writer_written(progress->writer), "B");
    if (has_rates(progress)) {
        cdc_buf_printf(out, ", %.0f rows/s, ", progress->rate);
        append_short(out, progress->byte_rate, "B/s");
    }
    append_left(out, ", ", &all);
}

static void say(const struct cdc_snapshot_progress *progress)
{
    struct cdc_buf text = CDC_BUF_INIT;

    append_message(&text, progress);
    if (!text.failed)
        cdc_log_write(progress->log, CDC_LOG_INFO, "%.*s", (int)text.len, text.data);
    cdc_buf_free(&text);
}

/* -- a line that is written over ------------------------------------------------------------------------- */

/* The line in pieces. Where it is too long for the terminal, that of the highest rank goes first; rank 0 stays. */
struct piece {
    size_t end; /* in the text */
    unsigned rank;
    bool out;
};
enum { PIECES = 12 };
struct pieces {
    struct cdc_buf text; /* all but the name */
    struct piece items[PIECES];
    size_t n;
};

static void end_piece(struct pieces *pieces, unsigned rank)
{
    size_t start = pieces->n > 0 ? pieces->items[pieces->n - 1].end : 0;
    if (pieces->text.len > start)
        pieces->items[pieces->n++] = (struct piece){pieces->text.len, rank, false};
}

static void add_percent(struct pieces *pieces, const struct figures *f, unsigned rank)
{
    if (f->percent >= 0)
        cdc_buf_printf(&pieces->text, " %d %%", f->percent);
    end_piece(pieces, rank);
}

static void add_rows(struct pieces *pieces, const struct figures *f, unsigned rank, unsigned rank_of_total)
{
    cdc_buf_byte(&pieces->text, ' ');
    append_short(&pieces->text, f->passed, "");
    end_piece(pieces, rank);
    if (f->total > 0) {
        cdc_buf_lit(&pieces->text, " of ");
        append_short(&pieces->text, f->total, "");
    }
    end_piece(pieces, rank_of_total);
    cdc_buf_lit(&pieces->text, " rows");
    end_piece(pieces, rank);
}

static void make_pieces(struct pieces *pieces, const struct cdc_snapshot_progress *progress)
{
    struct figures all = figures_of_all(progress);

    if (progress->at != NULL && progress->tables > 1) {
        struct figures part = figures_of_part(progress);
        add_percent(pieces, &part, 4);
        add_rows(pieces, &part, 8, 9);
    }
    if (progress->tables > 1)
        cdc_buf_printf(&pieces->text, "; %zu of %zu tables", progress->done, progress->tables);
    end_piece(pieces, 3);
    add_percent(pieces, &all, 0);
    add_rows(pieces, &all, 2, 6);
    cdc_buf_byte(&pieces->text, ' ');
    append_short(&pieces->text, (double)cdc_writer_written(progress->writer), "B");
    end_piece(pieces, 5);
    if (has_rates(progress)) {
        cdc_buf_byte(&pieces->text, ' ');
        append_short(&pieces->text, progress->rate, "");
        cdc_buf_lit(&pieces->text, " rows/s");
    }
    end_piece(pieces, 7);
    append_left(&pieces->text, " ", &all);
    end_piece(pieces, 1);
}

/* The width of what stays. All of it is ASCII. */
static size_t width_of(const struct pieces *pieces)
{
    size_t width = 0, start = 0;
    for (size_t i = 0; i < pieces->n; start = pieces->items[i++].end)
        if (!pieces->items[i].out)
            width += pieces->items[i].end - start;
    return width;
}

/* true: one more is out. */
static bool drop_piece(struct pieces *pieces)
{
    struct piece *worst = NULL;
    for (size_t i = 0; i < pieces->n; i++)
        if (!pieces->items[i].out && pieces->items[i].rank > (worst != NULL ? worst->rank : 0))
            worst = &pieces->items[i];
    for (size_t i = 0; worst != NULL && i < pieces->n; i++)
        pieces->items[i].out |= pieces->items[i].rank == worst->rank;
    return worst != NULL;
}

/* As far as there is room, and then two dots. What is not ASCII may take two columns of a terminal; what steers one is a
 * question mark. */
static void append_name(struct cdc_buf *out, const char *schema, const char *table, size_t room)
{
    const char *parts[] = {schema, ".", table};
    size_t used = 0, fits = out->len, start = out->len;

    for (size_t i = 0; i < 3; i++)
        for (const char *p = parts[i]; *p != '\0';) {
            unsigned char first = (unsigned char)*p;
            size_t n = 1;
            while (first >= 0xc0 && ((unsigned char)p[n] & 0xc0) == 0x80)
                n++;
            bool plain = first >= 0x20 && first < 0x7f, wide = first >= 0xc3;
            used += wide ? 2 : 1;
            if (used + 2 <= room)
                fits = out->len + (plain || wide ? n : 1);
            if (plain || wide)
                cdc_buf_append(out, p, n);
            else
                cdc_buf_byte(out, '?');
            p += n;
        }
    if (used <= room || out->failed)
        return;
    out->len = fits > start ? fits : start;
    cdc_buf_lit(out, "..");
}

static void rewrite(struct cdc_snapshot_progress *progress)
{
    const struct cdc_snapshot_report *show = progress->show;
    const struct cdc_snapshot_part *part = progress->at;
    struct pieces pieces = {.text = CDC_BUF_INIT};
    struct cdc_buf line = CDC_BUF_INIT;
    size_t columns = show->columns(show->context), start = 0;
    size_t wanted = part != NULL ? strlen(part->schema) + 1 + strlen(part->table) : 0;

    make_pieces(&pieces, progress);
    /* A long name gives way, but not wholly. */
    size_t kept = wanted < NAME_COLUMNS ? wanted : NAME_COLUMNS;
    while (width_of(&pieces) + kept > columns && drop_piece(&pieces))
        continue;
    size_t width = width_of(&pieces);
    if (part != NULL && columns > width + 2)
        append_name(&line, part->schema, part->table, columns - width);
    for (size_t i = 0; i < pieces.n && width <= columns; start = pieces.items[i++].end)
        if (!pieces.items[i].out)
            cdc_buf_append(&line, pieces.text.data + start, pieces.items[i].end - start);
    cdc_buf_byte(&line, '\0');
    if (!line.failed && !pieces.text.failed)
        show->rewrite(show->context, line.data);
    progress->shown = true;
    cdc_buf_free(&line);
    cdc_buf_free(&pieces.text);
}

/* -- when --------------------------------------------------------------------------------------------- */

static void report_statistics(struct cdc_snapshot_progress *progress)
{
    const struct loop_report report = {
        .metrics = progress->metrics, .control = progress->control, .log = progress->log};
    if (!progress->control->statistics)
        return;
    loop_report_statistics(&report);
    say(progress);
}

static void save(struct cdc_snapshot_progress *progress, int64_t now)
{
    const struct cdc_snapshot_report *show = progress->show;
    struct cdc_error error = {0};

    if (show == NULL || show->metrics_file == NULL || now < progress->next_save)
        return;
    progress->next_save = now + SAVE_MS;
    if (cdc_metrics_save(show->metrics_file, progress->metrics, show->tool, show->name, &error) != 0)
        cdc_log_write(progress->log, CDC_LOG_WARNING, "%s", error.text);
}

void cdc_snapshot_look_around(struct cdc_snapshot_progress *progress)
{
    const struct cdc_snapshot_report *show = progress->show;
    int64_t now = cdc_clock_ms();

    if (progress->writer == NULL) { /* not begun */
        loop_report_statistics(&(const struct loop_report){
            .metrics = progress->metrics, .control = progress->control, .log = progress->log});
        return;
    }
    count(progress);
    sample(progress, now);
    set_metrics(progress);
    report_statistics(progress);
    save(progress, now);
    if (show == NULL || show->every_ms == 0 || now < progress->next)
        return;
    progress->next = now + show->every_ms;
    if (show->rewrite != NULL)
        rewrite(progress);
    else
        say(progress);
}

/* control->waiting */
static void waiting(void *context, const char *what)
{
    (void)what;
    cdc_snapshot_look_around(context);
}

/* control->watching, which other threads call as well */
static void watching(void *context, const char *what)
{
    struct cdc_snapshot_progress *progress = context;

    (void)what;
    if (!progress->crowded && pthread_equal(progress->watcher, pthread_self()))
        cdc_snapshot_look_around(progress);
}

void cdc_snapshot_watch(struct cdc_snapshot_progress *progress)
{
    struct cdc_control *control = progress->control;

    progress->before = control->watching == watching ? control->watcher : NULL;
    progress->watcher = pthread_self();
    control->watcher = progress;
    control->watching = watching;
}

void cdc_snapshot_unwatch(struct cdc_snapshot_progress *progress)
{
    progress->control->watcher = progress->before;
    progress->control->watching = progress->before != NULL ? watching : NULL;
}

int cdc_snapshot_write(struct cdc_snapshot_progress *progress, struct cdc_writer *writer, struct cdc_error *error)
{
    /* Of this wait alone: other threads wait for the server with the real one meanwhile. */
    const struct cdc_control watched = {.wake_fd = progress->control->wake_fd,
                                        .notice_fd = progress->control->notice_fd,
                                        .waiting = waiting,
                                        .context = progress};

    cdc_snapshot_look_around(progress);
    int result = cdc_writer_drain(writer, &watched, error);
    return result == 1 || (result == 0 && progress->control->stop) ? cdc_snapshot_stopped(error) : result;
}

int cdc_snapshot_await(struct cdc_snapshot_progress *progress, const struct cdc_writer *writer, struct cdc_acks *acks,
                       const char *pos, const struct cdc_snapshot_beat *beat, struct cdc_error *error)
{
    struct cdc_control *control = progress->control;

    cdc_snapshot_progress_end(progress);
    control->waiting = waiting;
    control->context = progress;
    int result = cdc_snapshot_wait_stored(writer, control, acks, pos, beat, progress->log, error);
    control->waiting = NULL;
    return result;
}

void cdc_snapshot_progress_end(struct cdc_snapshot_progress *progress)
{
    if (progress->writer == NULL)
        return;
    count(progress);
    set_metrics(progress);
    progress->next = INT64_MAX;
    if (progress->shown)
        progress->show->rewrite(progress->show->context, "");
    progress->shown = false;
}
