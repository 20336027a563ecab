/* SPDX-License-Identifier: MIT */
/* The list of checkpoints. */
#include "connectors/mysql/snapshot/checkpoint.h"

struct my_checkpoint *my_checkpoints_add(struct my_checkpoints *checkpoints)
{
    /* Sinks lag behind, and nobody knows how far: of too many every second one goes, so that old and new ones stay.
     * Then a further attempt reads a little more again, and no more than that. */
    if (checkpoints->n == MY_CHECKPOINTS) {
        checkpoints->n = 0;
        for (size_t i = 0; i < MY_CHECKPOINTS; i++)
            if (i % 2 == 0)
                cdc_buf_free(&checkpoints->items[i].json);
            else
                checkpoints->items[checkpoints->n++] = checkpoints->items[i];
    }
    struct my_checkpoint *checkpoint = &checkpoints->items[checkpoints->n++];
    *checkpoint = (struct my_checkpoint){.json = CDC_BUF_INIT};
    return checkpoint;
}

void my_checkpoints_drop_first(struct my_checkpoints *checkpoints)
{
    cdc_buf_free(&checkpoints->items[0].json);
    memmove(checkpoints->items, checkpoints->items + 1, --checkpoints->n * sizeof *checkpoints->items);
}

void my_checkpoints_drop_but(struct my_checkpoints *checkpoints, const struct my_checkpoint *kept)
{
    struct my_checkpoint rest = {.pos = ""};
    for (size_t i = 0; i < checkpoints->n; i++)
        if (&checkpoints->items[i] == kept)
            rest = *kept;
        else
            cdc_buf_free(&checkpoints->items[i].json);
    checkpoints->items[0] = rest;
    checkpoints->n = kept ? 1 : 0;
}

bool my_checkpoints_read(struct my_checkpoints *checkpoints, struct cdc_span array)
{
    struct cdc_json_iter iter;
    struct cdc_span object;
    cdc_json_iter_begin(&iter, array);
    while (array.p && cdc_json_next_element(&iter, &object)) {
        struct cdc_span pos = cdc_json_member_raw(object, "pos"); /* hexadecimal: without escapes */
        if (checkpoints->n == MY_CHECKPOINTS || !pos.p || pos.n >= sizeof checkpoints->items->pos)
            return false;
        struct my_checkpoint *checkpoint = my_checkpoints_add(checkpoints);
        memcpy(checkpoint->pos, pos.p, pos.n);
        cdc_buf_append(&checkpoint->json, object.p, object.n);
        if (checkpoint->json.failed) /* errno says why */
            return false;
    }
    return true;
}

void my_checkpoints_append(struct cdc_buf *out, const struct my_checkpoints *checkpoints)
{
    for (size_t i = 0; i < checkpoints->n; i++) {
        cdc_buf_byte(out, i ? ',' : '[');
        cdc_buf_append_buf(out, &checkpoints->items[i].json);
    }
    cdc_buf_byte(out, ']');
}
