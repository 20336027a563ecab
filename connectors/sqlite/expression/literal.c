/* SPDX-License-Identifier: MIT */
/* Texts beside columns whose values have one form in lines, and several in SQL: 'A0EEBC99-...' is a uuid to PostgreSQL and would
 * be equal to no value here, and a condition that is never true loses rows without a word. What is not in the lines' form is
 * refused. */
#include <strings.h>

#include "connectors/sqlite/expression/compiler.h"

static bool is_type(const char *type, const char *name)
{
    size_t n = strlen(name);

    return strncasecmp(type, name, n) == 0 && (type[n] == '\0' || type[n] == ' ' || type[n] == '(');
}

static bool is_one_of(const char *type, const char *const *names)
{
    while (*names != NULL && !is_type(type, *names))
        names++;
    return *names != NULL;
}

static bool consists_of(struct cdc_span text, const char *characters)
{
    size_t n = 0;

    while (n < text.n && strchr(characters, text.p[n]) != NULL)
        n++;
    return n > 0 && n == text.n;
}

/* form: 0 a digit, x a digit or a to f, all else itself. How much of the text has that form; 0: not all of the form is there. */
static size_t match(struct cdc_span text, const char *form)
{
    size_t i = 0;

    for (; form[i] != '\0'; i++) {
        if (i == text.n)
            return 0;
        char c = text.p[i];
        bool digit = c >= '0' && c <= '9';
        if (form[i] == '0' ? !digit : form[i] == 'x' ? !digit && !(c >= 'a' && c <= 'f') : c != form[i])
            return 0;
    }
    return i;
}

static bool is_uuid(struct cdc_span text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    return text.n == sizeof form - 1 && match(text, form) == text.n;
}

/* How many digits of a second a column of MySQL's shows. */
static size_t digits_of(const char *type)
{
    const char *bracket = strchr(type, '(');

    return bracket != NULL && bracket[1] >= '0' && bracket[1] <= '6' ? (size_t)(bracket[1] - '0') : 0;
}

/* PostgreSQL shows no zeros at the end of a second, MySQL as many digits as the column has. */
static bool is_clock(struct cdc_span text, const char *type, bool mysql)
{
    size_t n, digits = 0;

    if (mysql && text.n > 0 && *text.p == '-')
        text = cdc_span(text.p + 1, text.n - 1);
    if ((n = match(text, "00:00:00")) == 0 && (!mysql || (n = match(text, "000:00:00")) == 0))
        return false;
    if (n < text.n && text.p[n] == '.') {
        for (n++; n < text.n && text.p[n] >= '0' && text.p[n] <= '9'; n++)
            digits++;
        if (digits == 0 || (!mysql && text.p[n - 1] == '0'))
            return false;
    }
    if (mysql)
        return n == text.n && digits == digits_of(type);
    return n == text.n || text.p[n] == '+' || text.p[n] == '-';
}

static bool is_compact_json(struct cdc_span text)
{
    struct cdc_buf compact = CDC_BUF_INIT;

    if (text.n == 0 || cdc_json_validate(text.p, text.n, NULL) != 0)
        return false;
    cdc_json_append_compact(&compact, text);
    bool same = compact.failed || cdc_span_equal(cdc_span(compact.data, compact.len), text);
    cdc_buf_free(&compact);
    return same;
}

static bool is_address(struct cdc_span text)
{
    bool one_host = text.n > 3 && (memcmp(text.p + text.n - 3, "/32", 3) == 0) && memchr(text.p, ':', text.n) == NULL;

    return consists_of(text, "0123456789abcdef.:/") && !one_host;
}

/* 'label' in enum('label','other'), at or behind *at. */
static bool find_label(const char **at, struct cdc_span label)
{
    for (const char *p = *at; (p = strchr(p, '\'')) != NULL;) {
        size_t i = 0;
        for (p++; *p != '\0' && !(*p == '\'' && p[1] != '\''); p++, i++) {
            p += *p == '\'';
            if (i < label.n && *p != label.p[i])
                i = label.n + 1;
        }
        if (*p == '\0')
            return false;
        p++;
        if (i == label.n)
            return *at = p, true;
    }
    return false;
}

/* An enum's label, or a set's in their order. An empty text is what the server stored as none of them. */
static bool has_labels(const char *type, struct cdc_span text, bool several)
{
    const char *at = type;

    while (text.n > 0) {
        const char *comma = several ? memchr(text.p, ',', text.n) : NULL;
        size_t n = comma != NULL ? (size_t)(comma - text.p) : text.n;
        if (!find_label(&at, cdc_span(text.p, n)))
            return false;
        n += comma != NULL;
        text = cdc_span(text.p + n, text.n - n);
    }
    return true;
}

/* NULL: it is as lines have it. */
static const char *refusal(const char *type, bool mysql, struct cdc_span text)
{
    static const char *const
        addresses[] = {"inet", "cidr", "macaddr", "macaddr8", "inet4", "inet6", NULL},
        *const clocks[] = {"time", "timetz", NULL}, *const documents[] = {"json", "jsonb", "vector", "halfvec", NULL},
        *const bits[] = {"bit", "varbit", NULL}, *const padded[] = {"character", "char", "bpchar", NULL};
    size_t n = strlen(type);

    if ((n > 2 && strcmp(type + n - 2, "[]") == 0) || is_one_of(type, documents))
        return is_compact_json(text) ? NULL : "JSON without blanks, its members in the order of the lines'";
    if (is_type(type, "uuid"))
        return is_uuid(text) ? NULL : "small letters and digits with four hyphens";
    if (is_one_of(type, clocks))
        return is_clock(text, type, mysql) ? NULL
                                           : (mysql ? "HH:MM:SS, and as many digits after it as the column has"
                                                    : "HH:MM:SS.5, without zeros at the end");
    if (is_type(type, "interval"))
        return text.n > 1 && *text.p == 'P' ? NULL : "P1DT2H (ISO 8601)";
    if (is_type(type, "money"))
        return match(text, "$") + match(text, "-$") > 0 ? NULL : "$1,000.00";
    if (is_one_of(type, bits))
        return consists_of(text, "01") ? NULL : "zeros and ones";
    if (is_one_of(type, addresses))
        return is_address(text) ? NULL : "small letters, without /32";
    if (mysql && (is_type(type, "enum") || is_type(type, "set")))
        return has_labels(type, text, is_type(type, "set")) ? NULL : "a label, or labels in their order";
    if (!mysql && is_one_of(type, padded) && !is_type(type, "character varying"))
        return text.n == 0 || text.p[text.n - 1] != ' ' ? NULL : "a text without blanks at its end";
    return NULL;
}

static int check(struct compiler *compiler, const struct node *name, const struct node *literal)
{
    int number = names_resolve(compiler, name);

    if (number < 0)
        return -1;
    const struct parameter *parameter = &compiler->out->parameters[number];
    if (parameter->kind == PARAMETER_OP && (literal->text.n != 1 || memchr("rcud", *literal->text.p, 4) == NULL))
        return compile_refuse(compiler, "op is r, c, u or d, and never '%.*s'", (int)literal->text.n, literal->text.p);
    if (parameter->kind > PARAMETER_OLD || !lite_type_is_text(parameter->type.type))
        return 0;
    const char *type = compiler->scope->columns[parameter->column].type,
               *why = refusal(type, compiler->scope->mysql, literal->text);
    if (why == NULL)
        return 0;
    compile_refuse(compiler, "'%.*s' is never the text of \"%.*s\": lines have a value of type %.40s as %s",
                   (int)literal->text.n, literal->text.p, (int)name->text.n, name->text.p, type, why);
    return cdc_error_hint(compiler->error, "write it so, or CAST(%.*s AS TEXT) where that is meant", (int)name->text.n,
                          name->text.p);
}

int literal_check(struct compiler *compiler, const struct node *left, const struct node *right)
{
    if (left->kind == NODE_NAME && right->kind == NODE_TEXT)
        return check(compiler, left, right);
    if (right->kind == NODE_NAME && left->kind == NODE_TEXT)
        return check(compiler, right, left);
    return 0;
}
