/* SPDX-License-Identifier: MIT */
/* Numbers of transactions over a failover: numbering.h has an example. */
#include "connectors/mysql/decoder/numbering.h"

#include <cdc/json.h>
#include <string.h>

uint64_t my_numbering_after(const struct my_numbering *numbering, uint64_t number)
{
    for (size_t i = 0; i < numbering->n; i++)
        if (numbering->renumberings[i].after == number)
            return numbering->renumberings[i].from;
    return number + 1;
}

bool my_numbering_is_counted(const struct my_numbering *numbering, uint64_t number)
{
    for (size_t i = 0; i < numbering->n; i++)
        if (numbering->renumberings[i].after < number && number < numbering->renumberings[i].from)
            return false;
    return true;
}

int my_numbering_add(struct my_numbering *numbering, struct my_renumbering renumbering, struct cdc_error *error)
{
    while (numbering->n > 0 && numbering->renumberings[numbering->n - 1].after >= renumbering.after)
        numbering->n--;
    if (numbering->n == MY_RENUMBERINGS_MAX) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "the log has moved to another server %d times since the sinks' positions",
                      MY_RENUMBERINGS_MAX);
        return cdc_error_hint(error, "let the sink that is behind catch up before the next one");
    }
    numbering->renumberings[numbering->n++] = renumbering;
    return 0;
}

int my_numbering_merge(struct my_numbering *numbering, const struct my_numbering *other, struct cdc_error *error)
{
    const struct my_numbering ours = *numbering;
    size_t i = 0, k = 0;
    numbering->n = 0;
    while (i < ours.n || k < other->n) { /* in the order in which they happened, which is that of `from` */
        bool mine = k == other->n || (i < ours.n && ours.renumberings[i].from <= other->renumberings[k].from);
        if (my_numbering_add(numbering, mine ? ours.renumberings[i++] : other->renumberings[k++], error) < 0)
            return -1;
    }
    return 0;
}

uint64_t my_numbering_newest(const struct my_numbering *numbering)
{
    return numbering->n ? numbering->renumberings[numbering->n - 1].from : 0;
}

void my_numbering_confirm(struct my_numbering *numbering, uint64_t number)
{
    size_t passed = 0;
    while (passed < numbering->n && numbering->renumberings[passed].after < number)
        passed++;
    numbering->n -= passed;
    memmove(numbering->renumberings, numbering->renumberings + passed, numbering->n * sizeof *numbering->renumberings);
}

void my_numbering_append(struct cdc_buf *out, const struct my_numbering *numbering)
{
    if (numbering->n == 0)
        return;
    cdc_buf_lit(out, ",\"renumbered\":[");
    for (size_t i = 0; i < numbering->n; i++) {
        cdc_buf_text(out, i == 0 ? "[" : ",[");
        cdc_buf_u64(out, numbering->renumberings[i].after);
        cdc_buf_byte(out, ',');
        cdc_buf_u64(out, numbering->renumberings[i].from);
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

static bool read_renumbering(struct cdc_span value, const struct my_numbering *numbering,
                             struct my_renumbering *renumbering)
{
    struct cdc_json_iter iter;
    struct cdc_span more;
    if (cdc_json_type(value) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter_begin(&iter, value);
    return read_number(&iter, &renumbering->after) && read_number(&iter, &renumbering->from) &&
           !cdc_json_next_element(&iter, &more) && renumbering->from > renumbering->after &&
           (numbering->n == 0 || renumbering->after >= numbering->renumberings[numbering->n - 1].from - 1);
}

bool my_numbering_read(struct cdc_span source, struct my_numbering *numbering)
{
    struct cdc_span list = cdc_json_member(source, "renumbered"), value;
    struct cdc_json_iter iter;
    numbering->n = 0;
    if (cdc_json_is_null(list))
        return true;
    if (cdc_json_type(list) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter_begin(&iter, list);
    while (cdc_json_next_element(&iter, &value)) {
        struct my_renumbering renumbering;
        if (numbering->n == MY_RENUMBERINGS_MAX || !read_renumbering(value, numbering, &renumbering))
            return false;
        numbering->renumberings[numbering->n++] = renumbering;
    }
    return true;
}
