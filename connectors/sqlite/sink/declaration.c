/* SPDX-License-Identifier: MIT */
/* A column's declaration in the text of a CREATE TABLE, as somebody has written it. No PRAGMA tells all that it may say:
 * of
 *
 *   CREATE TABLE "t" ("id" INTEGER, total INT AS (a * b), "x" TEXT DEFAULT ',' COLLATE NOCASE, PRIMARY KEY ("id"))
 *
 * that of x is all from its name to the comma. SQLite keeps the text as it was given, and has found it to be right. */
#include "connectors/sqlite/sink/internal.h"

static const char *after_quoted(const char *p, char end)
{
    for (p++; *p != '\0'; p++) {
        if (*p != end)
            continue;
        if (end == ']' || p[1] != end)
            return p + 1;
        p++;
    }
    return p;
}

/* After the text, name, comment or single byte at p. */
static const char *after_token(const char *p)
{
    const char *end;

    switch (*p) {
    case '\'':
    case '"':
    case '`': return after_quoted(p, *p);
    case '[': return after_quoted(p, ']');
    case '-': return p[1] == '-' ? p + strcspn(p, "\n") : p + 1;
    case '/':
        if (p[1] != '*')
            return p + 1;
        end = strstr(p + 2, "*/");
        return end != NULL ? end + 2 : p + strlen(p);
    default: return p + 1;
    }
}

static bool is_comment(const char *p)
{
    return (p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*');
}

static const char *skip_space(const char *p)
{
    while (*p != '\0' && (strchr(" \t\n\r\f", *p) != NULL || is_comment(p)))
        p = after_token(p);
    return p;
}

/* To the comma or bracket that ends the declaration at p. */
static const char *end_of_item(const char *p)
{
    unsigned depth = 0;

    for (; *p != '\0'; p = after_token(p)) {
        if (depth == 0 && (*p == ',' || *p == ')'))
            break;
        depth += *p == '(';
        depth -= *p == ')';
    }
    return p;
}

/* Is it called so? In quotes or not, case does not matter. */
static bool has_name(const char *item, const char *name)
{
    bool quoted = strchr("\"`['", *item) != NULL;
    const char *end = quoted ? after_token(item) - 1 : item + strcspn(item, " \t\n\r\f(),/-");
    size_t n = 0;

    for (const char *p = item + quoted; p < end; p++, n++) {
        if (sqlite3_strnicmp(p, name + n, 1) != 0)
            return false;
        p += quoted && *item != '[' && *p == *item; /* a doubled quote is one */
    }
    return name[n] == '\0';
}

struct cdc_span lite_declaration_of(const char *sql, const char *column)
{
    const char *p = sql;

    while (*p != '\0' && *p != '(')
        p = after_token(p);
    while (*p == '(' || *p == ',') {
        const char *item = skip_space(p + 1), *end = end_of_item(item);
        if (*item != '\0' && has_name(item, column))
            return cdc_span(item, (size_t)(end - item));
        p = end;
    }
    return cdc_span(NULL, 0);
}
