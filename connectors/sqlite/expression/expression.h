/* SPDX-License-Identifier: MIT */
/* SQL expressions over the row of an event, run by SQLite: parsed once, compiled for each table, run for each row. No value is
 * rounded: integers have 64 bits, decimals all their digits. An expression sees one row and nothing else: no table, no file, no
 * clock, no chance. */
#ifndef LITE_EXPRESSION_H
#define LITE_EXPRESSION_H

#include "connectors/sqlite/expression/compile.h"

struct lite_engine;
/* RETURNS NEW; NULL with error. */
struct lite_engine *lite_engine_new(struct cdc_error *error);
void lite_engine_free(struct lite_engine *engine);

/* An expression compiled for the columns of one table. */
struct lite_program;
/* tree and columns are needed during the call only. into: of a value, the type that it becomes; ANY: its own. text: the
 * expression as it was given, for messages; BORROWED. CONFIG where it does not fit the table. RETURNS NEW. */
struct lite_program *lite_program_new(struct lite_engine *engine, const struct tree *tree, const char *text,
                                      const struct scope *scope, enum compile_as as, enum lite_type into,
                                      struct cdc_error *error);
void lite_program_free(struct lite_program *program);

/* What it names, BORROWED. */
const struct parameter *lite_program_parameters(const struct lite_program *program, size_t *n);
enum lite_type lite_program_type(const struct lite_program *program);

/* The values that a row has, by the index of the column; p NULL: not carried, which is NULL here. JSON's null is
 * lite_json_null (session/value.h). */
struct lite_input {
    const struct cdc_span *row, *old;
    const struct cdc_event *event;
};
/* Runs it. DATA: it fails for this row. The result is there until the next run, and refers to the input. */
int lite_program_run(struct lite_program *program, const struct lite_input *input, struct cdc_error *error);
/* Is the result true? NULL is not. */
bool lite_program_is_true(const struct lite_program *program);

/* How a value is written into a line. */
struct lite_output {
    struct lite_column_type type; /* of the column */
    bool decimals_are_numbers, integers_are_texts, mysql;
};
/* Appends the result as the column's value. *json_null: it is JSON's null. DATA where it does not fit the column. */
int lite_program_append(const struct lite_program *program, const struct lite_output *output, struct cdc_buf *out,
                        bool *json_null, struct cdc_error *error);

#endif
