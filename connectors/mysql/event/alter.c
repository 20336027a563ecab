/* SPDX-License-Identifier: MIT */
/* What ALTER TABLE does to columns, and to the values in rows that are there:
 *     ADD c INT                           NULL in all of them, which is what a copy has
 *     ADD c INT DEFAULT 7, ADD c INT NOT NULL, ADD c TIMESTAMP ...     a value
 *     ADD c INT, ALTER c SET DEFAULT 7                                 the same
 *     MODIFY c BIGINT                     maybe others: retype.h tells where the type of before is known
 *     CHANGE c d INT, RENAME COLUMN       under another name, if it is only C: a copy may tell the two apart
 * An example of what no line tells, though each part alone is harmless: DROP c, and later ADD c INT. Whoever keeps the copy keeps
 * the names of columns that were dropped. */
#include "connectors/mysql/event/effect_internal.h"

/* A column's definition, as far as it matters for rows that are there. */
struct definition {
    struct cdc_span text; /* all of it */
    bool not_null, null, value, generated, key, unique, timestamp;
};

/* 1; 0: no name follows; -1: out of memory. */
static int take_name(struct my_effect_reader *reader, struct cdc_buf *name, struct cdc_error *error)
{
    if (my_lexer_take_name(&reader->lexer, name))
        return 1;
    return name->failed ? cdc_error_memory(error) : 0;
}

/* -- a definition ------------------------------------------------------------------------------------ */

static void read_word(struct definition *definition, const struct my_token *before, const struct my_token *token,
                      const struct my_token *next)
{
    if (my_token_is(token, "null")) {
        definition->not_null |= my_token_is(before, "not");
        definition->null |= !my_token_is(before, "not") && !my_token_is(before, "default");
    }
    definition->value |= (my_token_is(token, "default") && !my_token_is(next, "null")) ||
                         my_token_is(token, "auto_increment") || my_token_is(token, "serial");
    definition->generated |= my_token_is(token, "as");
    definition->timestamp |= my_token_is(token, "timestamp") && before->kind == MY_TOKEN_END;
    definition->unique |= my_token_is(token, "unique");
    definition->key |= my_token_is(token, "primary") ||
                       (my_token_is(token, "key") && !my_token_is(before, "unique") && !my_token_is(before, "primary"));
}

/* Up to the comma, the bracket or the end that closes it, which stays. */
static struct definition read_definition(struct my_effect_reader *reader)
{
    struct definition definition = {.text = {my_lexer_peek(&reader->lexer).start, 0}};
    struct my_token before = {.kind = MY_TOKEN_END};
    int depth = 0;
    for (;;) {
        struct my_token token = my_lexer_peek(&reader->lexer);
        bool closes = my_token_is_symbol(&token, ')');
        if (token.kind == MY_TOKEN_END || (depth == 0 && (closes || my_token_is_symbol(&token, ','))))
            break;
        my_lexer_next(&reader->lexer);
        depth += my_token_is_symbol(&token, '(') - closes;
        struct my_token next = my_lexer_peek(&reader->lexer);
        if (depth == 0 && token.kind == MY_TOKEN_WORD)
            read_word(&definition, &before, &token, &next);
        before = token;
    }
    definition.text.n = (size_t)(my_lexer_peek(&reader->lexer).start - definition.text.p);
    return definition;
}

/* -- ADD --------------------------------------------------------------------------------------------- */

static const char key_changed[] = "ALTER TABLE may have changed the key of";
static const char json_changed[] = "ALTER TABLE made JSON of texts, or texts of JSON, in";

/* What is added is no column: 1 a primary key, 2 another index, 3 something else; 0: it is one. The words are reserved, but for the last
 * ones. */
static int adds_other(struct my_effect_reader *reader)
{
    static const char *const others[] = {"index", "key",       "fulltext", "spatial", "foreign",
                                         "check", "partition", "period",   "system"};
    struct my_lexer start = reader->lexer;
    if (my_effect_take(reader, "constraint")) {
        struct my_token name = my_lexer_peek(&reader->lexer);
        if (!my_token_is(&name, "primary") && !my_token_is(&name, "unique") && !my_token_is(&name, "foreign") &&
            !my_token_is(&name, "check"))
            my_lexer_next(&reader->lexer);
    }
    int other = my_effect_take(reader, "primary") ? 1 : my_effect_take(reader, "unique") ? 2 : 0;
    for (size_t i = 0; other == 0 && i < sizeof others / sizeof *others; i++)
        other = my_effect_take(reader, others[i]) ? 3 : 0;
    reader->lexer = start;
    return other;
}

static int tell_other(struct my_effect_reader *reader, int other, struct cdc_error *error)
{
    if (other == 3)
        return 0;
    return my_effect_tell(reader, other == 1 ? MY_EFFECT_VALUES : MY_EFFECT_KEYS, key_changed, error);
}

/* TIMESTAMP is NOT NULL by itself where explicit_defaults_for_timestamp is OFF. */
static int add_column(struct my_effect_reader *reader, struct cdc_error *error)
{
    int named = take_name(reader, &reader->column, error);
    if (named <= 0)
        return named;
    const struct definition definition = read_definition(reader);
    reader->adds_column = true;
    bool value =
        definition.value || definition.not_null || definition.generated || (definition.timestamp && !definition.null);
    if (definition.key)
        return my_effect_tell(reader, MY_EFFECT_VALUES, key_changed, error);
    if (value)
        return my_effect_tell(reader, MY_EFFECT_VALUES, "ALTER TABLE ... ADD COLUMN gave values to rows of", error);
    return my_effect_tell_column(reader, MY_EFFECT_COLUMN_ADDED, "ALTER TABLE ... ADD COLUMN brought back a column of",
                                 cdc_span(NULL, 0), error);
}

static int add(struct my_effect_reader *reader, struct cdc_error *error)
{
    int other = adds_other(reader), result = 0;
    if (other != 0)
        return tell_other(reader, other, error);
    my_effect_take(reader, "column");
    my_effect_skip_if_exists(reader);
    if (!my_effect_take_symbol(reader, '('))
        return add_column(reader, error);
    do {
        other = adds_other(reader);
        result = other ? tell_other(reader, other, error) : add_column(reader, error);
        if (other)
            (void)read_definition(reader);
    } while (result == 0 && my_effect_take_symbol(reader, ','));
    return result;
}

/* -- the others ---------------------------------------------------------------------------------------- */

static int drop(struct my_effect_reader *reader, struct cdc_error *error)
{
    static const char *const others[] = {"foreign", "check", "partition", "period", "system"};
    if (my_effect_take(reader, "primary"))
        return my_effect_tell(reader, MY_EFFECT_VALUES, key_changed, error);
    bool constraint = my_effect_take(reader, "constraint"); /* of whichever kind, a CHECK as well */
    reader->changes_checks |= constraint;
    if (constraint || my_effect_take(reader, "index") || my_effect_take(reader, "key"))
        return my_effect_tell(reader, MY_EFFECT_KEYS, key_changed, error);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (my_effect_take(reader, others[i]))
            return 0;
    my_effect_take(reader, "column");
    my_effect_skip_if_exists(reader);
    int named = take_name(reader, &reader->column, error);
    if (named <= 0)
        return named;
    return my_effect_tell_column(reader, MY_EFFECT_COLUMN_DROPPED, json_changed, cdc_span(NULL, 0), error);
}

/* Where it had the old name, there is none any more; a copy may keep that, as of one that was dropped. */
static int rename_column(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (my_effect_tell_column(reader, MY_EFFECT_COLUMN_DROPPED, json_changed, cdc_span(NULL, 0), error) < 0)
        return -1;
    return my_effect_tell(reader, MY_EFFECT_VALUES, "ALTER TABLE renamed a column of", error);
}

static int change(struct my_effect_reader *reader, bool names_twice, struct cdc_error *error)
{
    my_effect_take(reader, "column");
    my_effect_skip_if_exists(reader);
    int named = take_name(reader, &reader->column, error);
    if (named > 0 && names_twice)
        named = take_name(reader, &reader->other_column, error);
    if (named < 0)
        return -1;
    if (named == 0)
        return my_effect_tell(reader, MY_EFFECT_VALUES, "ALTER TABLE may have changed values in rows of", error);
    const struct definition definition = read_definition(reader);
    const struct cdc_span old = {reader->column.data, reader->column.len},
                          new = {reader->other_column.data, reader->other_column.len};
    if (names_twice && !cdc_span_equal(old, new) && rename_column(reader, error) < 0)
        return -1;
    if (definition.key)
        return my_effect_tell(reader, MY_EFFECT_VALUES, key_changed, error);
    if (definition.unique && my_effect_tell(reader, MY_EFFECT_KEYS, key_changed, error) < 0)
        return -1;
    return my_effect_tell_column(reader, MY_EFFECT_COLUMN_CHANGED, "ALTER TABLE may have changed values in rows of",
                                 definition.text, error);
}

/* ALTER [COLUMN] c SET DEFAULT 5 */
static int alter_default(struct my_effect_reader *reader, struct cdc_error *error)
{
    my_effect_take(reader, "column");
    my_effect_skip_if_exists(reader);
    int named = take_name(reader, &reader->column, error);
    reader->sets_default |= named > 0 && my_effect_take(reader, "set") && my_effect_take(reader, "default");
    return named < 0 ? -1 : 0;
}

static int look(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (my_effect_take(reader, "add"))
        return add(reader, error);
    if (my_effect_take(reader, "drop"))
        return drop(reader, error);
    if (my_effect_take(reader, "modify"))
        return change(reader, false, error);
    if (my_effect_take(reader, "change"))
        return change(reader, true, error);
    if (my_effect_take(reader, "alter"))
        return alter_default(reader, error);
    if (my_effect_take(reader, "rename") && my_effect_take(reader, "column")) {
        int named = take_name(reader, &reader->column, error);
        return named > 0 ? rename_column(reader, error) : named;
    }
    if (my_effect_take(reader, "convert") && my_effect_take(reader, "to"))
        return my_effect_tell(reader, MY_EFFECT_VALUES,
                              "ALTER TABLE ... CONVERT TO CHARACTER SET may have changed texts of", error);
    return 0;
}

/* MariaDB: ADD c INT, ALTER c SET DEFAULT 5, in whichever order. */
static int tell_default(struct my_effect_reader *reader, struct cdc_error *error)
{
    static const char what[] = "ALTER TABLE ... ADD COLUMN gave values to rows of";
    return reader->adds_column && reader->sets_default ? my_effect_tell(reader, MY_EFFECT_VALUES, what, error) : 0;
}

int my_effect_of_parts(struct my_effect_reader *reader, struct cdc_error *error)
{
    if (tell_default(reader, error) < 0)
        return -1;
    return reader->changes_checks ? my_effect_tell(reader, MY_EFFECT_CHECKS, json_changed, error) : 0;
}

int my_effect_of_columns(struct my_effect_reader *reader, struct cdc_error *error)
{
    const struct my_lexer start = reader->lexer;
    int result = look(reader, error);
    reader->lexer = start;
    return result;
}
