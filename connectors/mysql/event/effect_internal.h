/* SPDX-License-Identifier: MIT */
/* A statement whose effects are told: what effect.c and alter.c share. Nobody outside this room includes this. */
#ifndef MY_EFFECT_INTERNAL_H
#define MY_EFFECT_INTERNAL_H

#include "connectors/mysql/event/effect.h"
#include "connectors/mysql/event/lexer_internal.h"

struct my_effect_reader {
    struct my_lexer lexer;
    const struct my_event_query *query;
    my_effect_visit *visit;
    void *context;
    enum my_effect_statement by;
    bool adds_column, sets_default;       /* ALTER TABLE so far */
    bool changes_checks;                  /* the same */
    struct cdc_buf db, table;             /* that the statement is about */
    struct cdc_buf other_db, other_table; /* that it names besides */
    struct cdc_buf column, other_column;
};

/* -- words -- */

static inline bool my_effect_take(struct my_effect_reader *reader, const char *word)
{
    return my_lexer_take(&reader->lexer, word);
}

static inline bool my_effect_take_symbol(struct my_effect_reader *reader, char c)
{
    return my_lexer_take_symbol(&reader->lexer, c);
}

static inline void my_effect_skip_if_exists(struct my_effect_reader *reader)
{
    (void)my_lexer_take_if_exists(&reader->lexer);
}

/* -- effect_tell.c -- */
int my_effect_hand_over(struct my_effect_reader *reader, struct my_effect *effect, struct cdc_error *error);
/* Of the table that the statement is about. */
int my_effect_tell(struct my_effect_reader *reader, enum my_effect_kind kind, const char *what,
                   struct cdc_error *error);
/* Of reader->column; definition: see struct my_effect. */
int my_effect_tell_column(struct my_effect_reader *reader, enum my_effect_kind kind, const char *what,
                          struct cdc_span definition, struct cdc_error *error);

/* -- alter.c -- */
/* Tells what the part of an ALTER TABLE that comes next does to columns and keys. The lexer stays where it is. */
int my_effect_of_columns(struct my_effect_reader *reader, struct cdc_error *error);
/* What its parts do to them together, once all were read. */
int my_effect_of_parts(struct my_effect_reader *reader, struct cdc_error *error);

#endif
