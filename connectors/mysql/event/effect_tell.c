/* SPDX-License-Identifier: MIT */
/* An effect of a statement, as it is handed over. */
#include "connectors/mysql/event/effect_internal.h"

int my_effect_hand_over(struct my_effect_reader *reader, struct my_effect *effect, struct cdc_error *error)
{
    effect->by = reader->by;
    effect->subject_db = cdc_span(reader->db.data, reader->db.len);
    effect->subject = cdc_span(reader->table.data, reader->table.len);
    return reader->visit(reader->context, effect, error);
}

int my_effect_tell(struct my_effect_reader *reader, enum my_effect_kind kind, const char *what, struct cdc_error *error)
{
    struct my_effect effect = {.kind = kind,
                               .what = what,
                               .db = {reader->db.data, reader->db.len},
                               .table = {reader->table.data, reader->table.len}};
    return my_effect_hand_over(reader, &effect, error);
}

int my_effect_tell_column(struct my_effect_reader *reader, enum my_effect_kind kind, const char *what,
                          struct cdc_span definition, struct cdc_error *error)
{
    struct my_effect effect = {.kind = kind,
                               .what = what,
                               .db = {reader->db.data, reader->db.len},
                               .table = {reader->table.data, reader->table.len},
                               .column = {reader->column.data, reader->column.len},
                               .definition = definition};
    return my_effect_hand_over(reader, &effect, error);
}
