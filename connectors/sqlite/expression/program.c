/* SPDX-License-Identifier: MIT */
/* A prepared statement, its parameters bound from the text of a line. SQLite reads these bytes where they are: nothing is copied
 * that has no escape in it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/sqlite/expression/engine.h"
#include "connectors/sqlite/expression/program.h"
#include "connectors/sqlite/session/value.h"

#define KEPT ((size_t)1 << 20)

/* -- lifetime ------------------------------------------------------------------------------ */

/* Constants that cannot be computed, such as 1/0 or the time of now, are found before there is a row. */
static int try_constants(struct lite_program *program, struct cdc_error *error)
{
    struct cdc_error why = {0};
    const struct lite_input nothing = {NULL, NULL, NULL};

    if (lite_program_run(program, &nothing, &why) == 0)
        return 0;
    cdc_error_set(error, why.status == CDC_EXIT_DATA ? CDC_EXIT_CONFIG : why.status, "%s", why.text);
    return why.hint[0] != '\0' ? cdc_error_hint(error, "%s", why.hint) : -1;
}

static int prepare(struct lite_program *program, struct cdc_error *error)
{
    bool is_new;

    program->shared = engine_statement(program->engine, program->compiled.sql.data, &is_new, error);
    if (program->shared == NULL)
        return -1;
    program->statement = program->shared->handle;
    cdc_buf_free(&program->compiled.sql);
    return is_new ? try_constants(program, error) : 0;
}

struct lite_program *lite_program_new(struct lite_engine *engine, const struct tree *tree, const char *text,
                                      const struct scope *scope, enum compile_as as, enum lite_type into,
                                      struct cdc_error *error)
{
    struct lite_program *program = calloc(1, sizeof *program);

    if (program == NULL) {
        cdc_error_memory(error);
        return NULL;
    }
    program->engine = engine;
    program->text = text;
    if (compile(&program->compiled, tree, scope, as, into, error) == 0 && prepare(program, error) == 0)
        return program;
    lite_program_free(program);
    return NULL;
}

void lite_program_free(struct lite_program *program)
{
    if (program == NULL)
        return;
    engine_release(program->engine, program->shared);
    compiled_free(&program->compiled);
    free(program);
}

const struct parameter *lite_program_parameters(const struct lite_program *program, size_t *n)
{
    *n = program->compiled.n;
    return program->compiled.parameters;
}

enum lite_type lite_program_type(const struct lite_program *program)
{
    return program->compiled.type;
}

/* -- binding -------------------------------------------------------------------------------- */

static int bind_text(sqlite3_stmt *statement, int index, struct cdc_span text)
{
    return sqlite3_bind_text64(statement, index, text.n != 0 ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

/* A string's text, unescaped into scratch where that is needed; of any other value its own. */
static struct cdc_span text_of(struct cdc_buf *scratch, struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    size_t start = scratch->len;

    if (raw.p == NULL)
        return value;
    if (raw.n == 0 || memchr(raw.p, '\\', raw.n) == NULL)
        return raw;
    cdc_json_unescape(scratch, raw);
    return cdc_span(scratch->data + start, scratch->len - start);
}

static int bind_integer(sqlite3_stmt *statement, int index, struct cdc_span value, struct cdc_buf *scratch,
                        const char **reason)
{
    int64_t number;

    if (cdc_json_type(value) == CDC_JSON_BOOL)
        return sqlite3_bind_int(statement, index, value.p[0] == 't');
    if (cdc_json_int64(text_of(scratch, value), &number))
        return sqlite3_bind_int64(statement, index, number);
    *reason = "is no integer of 64 bits";
    return -1;
}

static int bind_real(sqlite3_stmt *statement, int index, struct cdc_span value, struct cdc_buf *scratch)
{
    struct cdc_span text = text_of(scratch, value);
    char digits[400];

    if (cdc_span_is(text, "Infinity") || cdc_span_is(text, "-Infinity"))
        return sqlite3_bind_double(statement, index, text.p[0] == '-' ? -INFINITY : INFINITY);
    if (cdc_json_type(value) != CDC_JSON_NUMBER || value.n >= sizeof digits) /* NaN, which SQLite would take for NULL */
        return bind_text(statement, index, text);
    memcpy(digits, value.p, value.n);
    digits[value.n] = '\0';
    return sqlite3_bind_double(statement, index, strtod(digits, NULL));
}

static struct cdc_span without_padding(struct cdc_span text)
{
    while (text.n > 0 && text.p[text.n - 1] == ' ')
        text.n--;
    return text;
}

static int bind_value(struct lite_program *program, int index, struct lite_column_type type, struct cdc_span value,
                      const char **reason)
{
    sqlite3_stmt *statement = program->statement;
    struct cdc_buf *scratch = &program->engine->scratch;

    if (value.p == NULL || (cdc_json_type(value) == CDC_JSON_NULL && value.p != lite_json_null.p))
        return sqlite3_bind_null(statement, index);
    switch (type.type) {
    case LITE_TYPE_BOOL:
    case LITE_TYPE_INTEGER: return bind_integer(statement, index, value, scratch, reason);
    case LITE_TYPE_DECIMAL:
        if (cdc_json_type(value) == CDC_JSON_NUMBER || cdc_json_type(value) == CDC_JSON_STRING)
            return bind_text(statement, index, text_of(scratch, value));
        return *reason = "is no number", -1;
    case LITE_TYPE_REAL: return bind_real(statement, index, value, scratch);
    case LITE_TYPE_JSON: return lite_value_bind(scratch, statement, index, LITE_KIND_JSON, value, reason);
    case LITE_TYPE_BYTES: return lite_value_bind(scratch, statement, index, LITE_KIND_BYTES, value, reason);
    default:
        if (type.padded && cdc_json_type(value) == CDC_JSON_STRING)
            return bind_text(statement, index, without_padding(text_of(scratch, value)));
        return lite_value_bind(scratch, statement, index, LITE_KIND_TEXT, value, reason);
    }
}

static struct cdc_span ts_of(const struct cdc_event *event)
{
    return cdc_json_member(event->source, "ts_ms");
}

static int bind_ts(struct lite_program *program, int index, const struct cdc_event *event)
{
    struct cdc_buf *scratch = &program->engine->scratch;
    size_t start = scratch->len;
    int64_t ms;
    struct tm tm;
    char text[40];

    if (!cdc_json_int64(ts_of(event), &ms))
        return sqlite3_bind_null(program->statement, index);
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((ms - rest) / 1000);
    if (gmtime_r(&seconds, &tm) == NULL)
        return sqlite3_bind_null(program->statement, index);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    cdc_buf_text(scratch, text);
    cdc_buf_printf(scratch, ".%03dZ", (int)rest);
    return scratch->failed
               ? SQLITE_NOMEM
               : bind_text(program->statement, index, cdc_span(scratch->data + start, scratch->len - start));
}

static int bind_name(struct lite_program *program, int index, struct cdc_span raw)
{
    struct cdc_buf *scratch = &program->engine->scratch;
    size_t start = scratch->len;

    if (raw.p == NULL)
        return sqlite3_bind_null(program->statement, index);
    cdc_json_unescape(scratch, raw);
    return scratch->failed
               ? SQLITE_NOMEM
               : bind_text(program->statement, index, cdc_span(scratch->data + start, scratch->len - start));
}

static int bind_field(struct lite_program *program, int index, enum parameter_kind kind, const struct cdc_event *event)
{
    int64_t ms;

    if (event == NULL)
        return sqlite3_bind_null(program->statement, index);
    switch (kind) {
    case PARAMETER_OP: return bind_name(program, index, event->op_text);
    case PARAMETER_SCHEMA: return bind_name(program, index, event->schema.p != NULL ? event->schema : event->db);
    case PARAMETER_TABLE: return bind_name(program, index, event->table);
    case PARAMETER_DB: return bind_name(program, index, event->db);
    case PARAMETER_TS: return bind_ts(program, index, event);
    default:
        return cdc_json_int64(ts_of(event), &ms) ? sqlite3_bind_int64(program->statement, index, ms)
                                                 : sqlite3_bind_null(program->statement, index);
    }
}

static int bind_all(struct lite_program *program, const struct lite_input *input, struct cdc_error *error)
{
    for (size_t i = 0; i < program->compiled.n; i++) {
        const struct parameter *parameter = &program->compiled.parameters[i];
        const struct cdc_span *values = parameter->kind == PARAMETER_ROW ? input->row : input->old;
        const char *reason = NULL;
        int code;
        if (parameter->kind > PARAMETER_OLD)
            code = bind_field(program, (int)i + 1, parameter->kind, input->event);
        else
            code = bind_value(program, (int)i + 1, parameter->type,
                              values != NULL ? values[parameter->column] : cdc_span(NULL, 0), &reason);
        if (reason != NULL)
            return cdc_error_set(error, CDC_EXIT_DATA, "\"%.100s\": a value %s", program->text, reason);
        if (code != SQLITE_OK)
            return code == SQLITE_NOMEM
                       ? cdc_error_memory(error)
                       : cdc_error_set(error, CDC_EXIT_DATA, "\"%.100s\": %s", program->text, sqlite3_errstr(code));
    }
    return 0;
}

/* -- running ---------------------------------------------------------------------------------- */

static int fail(struct lite_program *program, int code, struct cdc_error *error)
{
    if (program->engine->clock_was_read) {
        program->engine->clock_was_read = false;
        cdc_error_set(error, CDC_EXIT_CONFIG, "\"%.100s\": the time of now is not in scope", program->text);
        return cdc_error_hint(error, "ts is when the transaction committed: date(ts, '-7 days')");
    }
    if (code == SQLITE_NOMEM)
        return cdc_error_memory(error);
    return cdc_error_set(error, CDC_EXIT_DATA, "\"%.100s\": %s", program->text,
                         code == SQLITE_INTERRUPT ? "it takes too long" : sqlite3_errmsg(program->engine->database));
}

/* Room for all that will be unescaped, so that what is bound does not move. */
static int make_room(struct lite_engine *engine, const struct cdc_event *event, struct cdc_error *error)
{
    size_t n = event != NULL ? event->line.n : 0;

    engine->scratch.len = 0;
    if (engine->scratch.cap > KEPT)
        cdc_buf_shrink(&engine->scratch, KEPT);
    engine_limit(engine, n);
    engine->calls = 0;
    return cdc_buf_room(&engine->scratch, n + 256) ? 0 : cdc_error_memory(error);
}

int lite_program_run(struct lite_program *program, const struct lite_input *input, struct cdc_error *error)
{
    sqlite3_reset(program->statement);
    if (make_room(program->engine, input->event, error) != 0 || bind_all(program, input, error) != 0)
        return -1;
    int code = sqlite3_step(program->statement);
    if (code == SQLITE_ROW && !program->engine->clock_was_read)
        return 0;
    return fail(program, code, error);
}

bool lite_program_is_true(const struct lite_program *program)
{
    return sqlite3_column_double(program->statement, 0) != 0;
}
