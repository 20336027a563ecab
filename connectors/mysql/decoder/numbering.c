/* SPDX-License-Identifier: MIT */
/* Numbers of transactions over a move to another server. */
#include "connectors/mysql/decoder/numbering.h"

#include <cdc/json.h>
#include <string.h>

uint64_t binlog_number_after(const struct binlog_numbering *numbering, uint64_t number)
{
    for (size_t i = 0; i < numbering->n; i++)
        if (numbering->steps[i].after == number)
            return numbering->steps[i].from;
    return number + 1;
}

bool binlog_number_is_counted(const struct binlog_numbering *numbering, uint64_t number)
{
    for (size_t i = 0; i < numbering->n; i++)
        if (numbering->steps[i].after < number && number < numbering->steps[i].from)
            return false;
    return true;
}

int binlog_numbering_add(struct binlog_numbering *numbering, struct binlog_step step, struct cdc_error *error)
{
    while (numbering->n > 0 && numbering->steps[numbering->n - 1].after >= step.after)
        numbering->n--;
    if (numbering->n == BINLOG_STEPS_MAX) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the log has moved to another server %d times since the sinks' positions",
                      BINLOG_STEPS_MAX);
        return cdc_error_hint(error, "let the sink that is behind catch up before the next one");
    }
    numbering->steps[numbering->n++] = step;
    return 0;
}

int binlog_numbering_merge(struct binlog_numbering *numbering, const struct binlog_numbering *other,
                           struct cdc_error *error)
{
    const struct binlog_numbering ours = *numbering;
    size_t i = 0, k = 0;
    numbering->n = 0;
    while (i < ours.n || k < other->n) { /* in the order of time, which is that of `from` */
        bool mine = k == other->n || (i < ours.n && ours.steps[i].from <= other->steps[k].from);
        if (binlog_numbering_add(numbering, mine ? ours.steps[i++] : other->steps[k++], error) < 0)
            return -1;
    }
    return 0;
}

uint64_t binlog_numbering_newest(const struct binlog_numbering *numbering)
{
    return numbering->n ? numbering->steps[numbering->n - 1].from : 0;
}

void binlog_numbering_confirm(struct binlog_numbering *numbering, uint64_t number)
{
    size_t passed = 0;
    while (passed < numbering->n && numbering->steps[passed].after < number)
        passed++;
    numbering->n -= passed;
    memmove(numbering->steps, numbering->steps + passed, numbering->n * sizeof *numbering->steps);
}

void binlog_numbering_append(struct cdc_buf *out, const struct binlog_numbering *numbering)
{
    if (numbering->n == 0)
        return;
    cdc_buf_lit(out, ",\"renumbered\":[");
    for (size_t i = 0; i < numbering->n; i++) {
        cdc_buf_text(out, i == 0 ? "[" : ",[");
        cdc_buf_u64(out, numbering->steps[i].after);
        cdc_buf_byte(out, ',');
        cdc_buf_u64(out, numbering->steps[i].from);
        cdc_buf_byte(out, ']');
    }
    cdc_buf_byte(out, ']');
}

static bool read_number(struct cdc_json_iter *iter, uint64_t *number)
{
    struct cdc_span value;
    int64_t integer;
    if (!cdc_json_next_element(iter, &value) || !cdc_json_int64(value, &integer) || integer < 0)
        return false;
    *number = (uint64_t)integer;
    return true;
}

static bool read_step(struct cdc_span value, const struct binlog_numbering *numbering, struct binlog_step *step)
{
    struct cdc_json_iter iter;
    struct cdc_span more;
    if (cdc_json_type(value) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter(&iter, value);
    return read_number(&iter, &step->after) && read_number(&iter, &step->from) &&
           !cdc_json_next_element(&iter, &more) && step->from > step->after &&
           (numbering->n == 0 || step->after >= numbering->steps[numbering->n - 1].from - 1);
}

bool binlog_numbering_read(struct cdc_span source, struct binlog_numbering *numbering)
{
    struct cdc_span list = cdc_json_member(source, "renumbered"), value;
    struct cdc_json_iter iter;
    numbering->n = 0;
    if (cdc_json_is_null(list))
        return true;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter(&iter, list);
    while (cdc_json_next_element(&iter, &value)) {
        struct binlog_step step;
        if (numbering->n == BINLOG_STEPS_MAX || !read_step(value, numbering, &step))
            return false;
        numbering->steps[numbering->n++] = step;
    }
    return true;
}
