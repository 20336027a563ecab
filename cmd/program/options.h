/* SPDX-License-Identifier: MIT */
/* Rows of option tables that several programs have: the same name, form and help everywhere. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <cdc/options.h>
#include <stddef.h>

#define OPTION_HEADING(text)                                                                                           \
    {                                                                                                                  \
        0, text, CDC_OPTION_HEADING, 0, NULL, NULL, 0, 0, NULL                                                         \
    }
#define OPTION_END                                                                                                     \
    {                                                                                                                  \
        0, NULL, CDC_OPTION_FLAG, 0, NULL, NULL, 0, 0, NULL                                                            \
    }
/* at: offset of the value in the program's struct. */
#define OPTION_FLAG(letter, name, at, help)                                                                            \
    {                                                                                                                  \
        letter, name, CDC_OPTION_FLAG, at, NULL, help, 0, 0, NULL                                                      \
    }
#define OPTION_TEXT(name, at, argument, help)                                                                          \
    {                                                                                                                  \
        0, name, CDC_OPTION_TEXT, at, argument, help, 0, 0, NULL                                                       \
    }
#define OPTION_LIST(letter, name, at, argument, help)                                                                  \
    {                                                                                                                  \
        letter, name, CDC_OPTION_LIST, at, argument, help, 0, 0, NULL                                                  \
    }
#define OPTION_INTEGER(letter, name, at, argument, help, minimum, maximum)                                             \
    {                                                                                                                  \
        letter, name, CDC_OPTION_INTEGER, at, argument, help, minimum, maximum, NULL                                   \
    }
#define OPTION_SECONDS(name, at, help)                                                                                 \
    {                                                                                                                  \
        0, name, CDC_OPTION_SECONDS, at, "SEC", help, 0, 0, NULL                                                       \
    }
#define OPTION_SIZE(name, at, help, maximum)                                                                           \
    {                                                                                                                  \
        0, name, CDC_OPTION_SIZE, at, "SIZE", help, 1, maximum, NULL                                                   \
    }
#define OPTION_CHOICE(name, at, argument, help, choices)                                                               \
    {                                                                                                                  \
        0, name, CDC_OPTION_CHOICE, at, argument, help, 0, 0, choices                                                  \
    }

#define OPTION_STATE_DIR(at) OPTION_TEXT("state-dir", at, "DIR", "a pipeline's offset files (CDC_STATE_DIR)")
#define OPTION_MAX_LINE(at) OPTION_SIZE("max-line", at, "longest line that is accepted (default 256M)", 0)
#define OPTION_RETRY_MAX(at)                                                                                           \
    OPTION_INTEGER(0, "retry-max", at, "N", "attempts after an error (default: for ever)", 0, INT64_MAX)
#define OPTION_LOGIN_PATH(at) OPTION_TEXT("login-path", at, "NAME", "refused: says what to do instead")

/* -t, -T and --name of sources; form: of a pattern. */
#define OPTIONS_TABLES(at_include, at_exclude, at_name, form)                                                          \
    OPTION_LIST('t', "table", at_include, "PATTERN", "only tables that match (" form ", * and ?)"),                    \
        OPTION_LIST('T', "exclude-table", at_exclude, "PATTERN", "but not those"),                                     \
        OPTION_TEXT("name", at_name, "NAME", "name of the pipeline (default: the database's)")
#define OPTION_COLUMNS(at) OPTION_LIST(0, "columns", at, "TABLE:A,B", "of these tables only these columns")
/* Of PostgreSQL. */
#define OPTION_COMPOSITE(at, which)                                                                                    \
    OPTION_CHOICE("composite", at, "FORM", which "composites, hstore as object (default), or text", "object|text")
/* How values look. */
#define OPTIONS_VALUES(at_int64, at_decimal)                                                                           \
    OPTION_HEADING("Values"),                                                                                          \
        OPTION_CHOICE("int64", at_int64, "FORM", "number, or string beyond 2^53 (default number)", "number|string"),   \
        OPTION_CHOICE("decimal", at_decimal, "FORM", "string (default) or number", "string|number")

#endif
