/* SPDX-License-Identifier: MIT */
/* The columns of a table as information_schema told them, kept as text, and compared with what the log tells of them. */
#include "connectors/mysql/schema/columns.h"

#include <cdc/json.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- keeping ------------------------------------------------------------------------------- */

void my_columns_add(struct cdc_buf *columns, const char *name, const char *type, const char *collation, unsigned flags)
{
    cdc_buf_text(columns, columns->len ? ",[" : "[[");
    cdc_json_append_text(columns, name, strlen(name));
    cdc_buf_byte(columns, ',');
    cdc_json_append_text(columns, type, strlen(type));
    cdc_buf_byte(columns, ',');
    if (collation)
        cdc_json_append_text(columns, collation, strlen(collation));
    else
        cdc_buf_lit(columns, "null");
    cdc_buf_printf(columns, ",%u]", flags);
}

void my_columns_end(struct cdc_buf *columns)
{
    cdc_buf_text(columns, columns->len ? "]" : "[]");
}

struct kept {
    char *name, *type, *collation;
    int64_t flags;
};

static void kept_free(struct kept *kept)
{
    free(kept->name);
    free(kept->type);
    free(kept->collation);
}

static char *text_of(struct cdc_span value)
{
    struct cdc_span raw = cdc_json_string_raw(value);
    return raw.p ? cdc_json_text(raw, NULL) : NULL;
}

/* To be freed in any case. False, with errno ENOMEM, without memory. */
static bool kept_parse(struct kept *kept, struct cdc_span column)
{
    struct cdc_json_iter iter;
    struct cdc_span parts[4];
    memset(kept, 0, sizeof *kept);
    errno = 0;
    if (cdc_json_type(column) != CDC_JSON_ARRAY)
        return false;
    cdc_json_iter_begin(&iter, column);
    for (int i = 0; i < 4; i++)
        if (!cdc_json_next_element(&iter, &parts[i]))
            return false;
    kept->name = text_of(parts[0]);
    kept->type = text_of(parts[1]);
    kept->collation = text_of(parts[2]);
    return kept->name && kept->type && (kept->collation || cdc_json_is_null(parts[2])) &&
           cdc_json_int64(parts[3], &kept->flags);
}

/* -- comparing ----------------------------------------------------------------------------- */

bool my_columns_type_fits(const struct my_column *column, const char *type)
{
    static const struct {
        const char *name;
        uint8_t types[4];
    } families[] = {
        {"tinyint", {MY_TYPE_TINY}},
        {"smallint", {MY_TYPE_SHORT}},
        {"mediumint", {MY_TYPE_INT24}},
        {"int", {MY_TYPE_LONG}},
        {"bigint", {MY_TYPE_LONGLONG}},
        {"decimal", {MY_TYPE_DECIMAL}},
        {"float", {MY_TYPE_FLOAT}},
        {"double", {MY_TYPE_DOUBLE}},
        {"bit", {MY_TYPE_BIT}},
        {"year", {MY_TYPE_YEAR}},
        {"date", {MY_TYPE_DATE}},
        {"time", {MY_TYPE_TIME, MY_TYPE_TIME2}},
        {"datetime", {MY_TYPE_DATETIME, MY_TYPE_DATETIME2}},
        {"timestamp", {MY_TYPE_TIMESTAMP, MY_TYPE_TIMESTAMP2}},
        {"char", {MY_TYPE_STRING}},
        {"binary", {MY_TYPE_STRING}},
        {"uuid", {MY_TYPE_STRING}},
        {"inet4", {MY_TYPE_STRING}},
        {"inet6", {MY_TYPE_STRING}},
        {"enum", {MY_TYPE_ENUM}},
        {"set", {MY_TYPE_SET}},
        {"varchar", {MY_TYPE_VARCHAR, MY_TYPE_MARIADB_VARCHAR_COMPRESSED}},
        {"varbinary", {MY_TYPE_VARCHAR, MY_TYPE_MARIADB_VARCHAR_COMPRESSED}},
        {"vector", {MY_TYPE_VECTOR, MY_TYPE_VARCHAR}},
        {"json", {MY_TYPE_JSON, MY_TYPE_BLOB}},
    };
    size_t n = strcspn(type, "( ");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strlen(families[i].name) == n && strncmp(families[i].name, type, n) == 0)
            return memchr(families[i].types, column->type, sizeof families[i].types) != NULL;
    if (column->type == MY_TYPE_GEOMETRY)
        return true;
    bool blob = column->type == MY_TYPE_BLOB || column->type == MY_TYPE_MARIADB_BLOB_COMPRESSED;
    return blob && (strstr(type, "text") || strstr(type, "blob"));
}

/* The numbers in a type's brackets: decimal(10,2), varchar(20). */
static unsigned parameters(const char *type, unsigned numbers[2])
{
    const char *p = strchr(type, '(');
    unsigned n = 0;
    for (; p && n < 2 && (*p == '(' || *p == ',') && p[1] >= '0' && p[1] <= '9'; n++) {
        char *end;
        numbers[n] = (unsigned)strtoul(p + 1, &end, 10);
        p = end;
    }
    return n;
}

static bool begins(const char *type, const char *word)
{
    size_t n = strlen(word);
    return strncmp(type, word, n) == 0 && (type[n] == '\0' || type[n] == '(' || type[n] == ' ');
}

/* TABLE_MAP has the bytes of a blob's length: 1 tiny, 2 plain, 3 medium, 4 long. */
static unsigned blob_size(const char *type)
{
    return strncmp(type, "tiny", 4) == 0     ? 1
           : strncmp(type, "medium", 6) == 0 ? 3
           : strncmp(type, "long", 4) == 0   ? 4
           : begins(type, "json")            ? 4
                                             : 2;
}

/* Is the metadata of TABLE_MAP that of the type? Types whose metadata says no more than the type do, are passed. */
static bool metadata_fits(const struct my_column *column, const char *type, const struct my_charset *charset)
{
    unsigned numbers[2] = {0, 0}, n = parameters(type, numbers), metadata = column->metadata;
    switch (column->type) {
    case MY_TYPE_DECIMAL: return n == 0 || (metadata & 0xff) == numbers[0];
    case MY_TYPE_BIT: return n == 0 || (metadata >> 8) * 8 + (metadata & 0xff) == numbers[0];
    case MY_TYPE_TIME2:
    case MY_TYPE_DATETIME2:
    case MY_TYPE_TIMESTAMP2: return metadata == numbers[0];
    case MY_TYPE_BLOB: return metadata == blob_size(type);
    case MY_TYPE_VARCHAR:
    case MY_TYPE_STRING:
        if (n == 0 || !charset || begins(type, "vector"))
            return true;
        /* varchar(20) in utf8mb4 is 80 bytes long. */
        return metadata == numbers[0] * (my_charset_is_binary(charset) ? 1 : my_charset_longest(charset));
    default: return true;
    }
}

/* Types of MariaDB that the log has as binary(16) or binary(4). */
static bool address_fits(const struct my_column *column, const char *type)
{
    unsigned size = begins(type, "uuid") || begins(type, "inet6") ? 16 : begins(type, "inet4") ? 4 : 0;
    return size == 0 || (column->metadata == size && (!column->charset || my_charset_is_binary(column->charset)));
}

static bool decimals_fit(const struct my_column *column, const char *type)
{
    unsigned numbers[2] = {0, 0};
    return column->type != MY_TYPE_DECIMAL || parameters(type, numbers) == 0 ||
           (unsigned)(column->metadata >> 8) == numbers[1];
}

static bool is_number(const struct my_column *column)
{
    return column->type == MY_TYPE_TINY || column->type == MY_TYPE_SHORT || column->type == MY_TYPE_INT24 ||
           column->type == MY_TYPE_LONG || column->type == MY_TYPE_LONGLONG || column->type == MY_TYPE_DECIMAL ||
           column->type == MY_TYPE_FLOAT || column->type == MY_TYPE_DOUBLE;
}

/* information_schema is in utf8mb3: a question mark in a label may be one, or a character that this has not, or a byte of
 * a binary label that is no text. */
static bool may_hide(const char *type, const struct my_charset *charset)
{
    static const char *const wide[] = {"utf8mb4", "utf16", "utf16le", "utf32", "gb18030", "binary"};
    if (!strchr(type, '?'))
        return false;
    for (size_t i = 0; charset && i < sizeof wide / sizeof *wide; i++)
        if (strcmp(my_charset_name(charset), wide[i]) == 0)
            return true;
    return charset == NULL;
}

const char my_columns_hidden_label[] = "information_schema shows each character beyond the basic plane of a label, and "
                                       "each byte of it that is no text, as '?'";

/* What is wrong; NULL when nothing is. */
static const char *difference(const struct my_table *table, const struct my_column *column, const struct kept *kept)
{
    bool label = column->type == MY_TYPE_ENUM || column->type == MY_TYPE_SET;
    const struct my_charset *charset = my_charset_named(kept->collation ? kept->collation : "binary");
    bool is_unsigned = strstr(kept->type, "unsigned") != NULL;
    if (!my_columns_type_fits(column, kept->type))
        return "they have other types there";
    if (table->has_names && strcmp(column->name, kept->name) != 0)
        return "they have other names there";
    if (!metadata_fits(column, kept->type, charset) || !decimals_fit(column, kept->type) ||
        !address_fits(column, kept->type))
        return "they have other lengths there";
    if (column->nullable != ((kept->flags & MY_COLUMNS_NULLABLE) != 0))
        return "others of them take NULL there";
    if (table->has_signs && is_number(column) && column->is_unsigned != is_unsigned)
        return "others of them are unsigned there";
    if (column->charset && charset && column->charset != charset)
        return "they have other charsets there";
    if (label && column->n_labels == 0 && may_hide(kept->type, charset))
        return my_columns_hidden_label;
    return NULL;
}

/* -- completing ------------------------------------------------------------------------------ */

/* As the server writes them in COLUMN_TYPE, whatever sql_mode says: '' \\ \n \r \0. enum('it''s') has the label
 * it's. */
static char label_byte(const char **p)
{
    if (**p == '\'')
        return *++*p;
    if (**p != '\\' || !(*p)[1])
        return **p;
    switch (*++*p) {
    case 'n': return '\n';
    case 'r': return '\r';
    case '0': return '\0';
    default: return **p;
    }
}

/* enum('a','b') */
static int take_labels(struct my_column *column, const char *type, struct cdc_error *error)
{
    const char *p = strchr(type, '(');
    while (p && (*p == '(' || *p == ',') && p[1] == '\'') {
        struct cdc_buf label = CDC_BUF_INIT;
        for (p += 2; *p && !(p[0] == '\'' && p[1] != '\''); p++) {
            cdc_buf_byte(&label, label_byte(&p));
        }
        struct cdc_span *labels = realloc(column->labels, (column->n_labels + 1) * sizeof *labels);
        if (!labels) {
            cdc_buf_free(&label);
            return cdc_error_memory(error);
        }
        column->labels = labels;
        if (my_column_add_label(column, &label, error) < 0)
            return -1;
        p += *p == '\'';
    }
    return 0;
}

/* Takes what kept owns. */
static int complete(struct my_table *table, struct my_column *column, struct kept *kept, struct cdc_error *error)
{
    bool label = column->type == MY_TYPE_ENUM || column->type == MY_TYPE_SET;
    column->listed = table->described = true;
    if (kept->flags & MY_COLUMNS_ROW_END)
        table->row_end = column;
    free(column->name);
    free(column->type_name);
    column->name = kept->name;
    column->type_name = kept->type;
    kept->name = kept->type = NULL;
    column->is_unsigned |= strstr(column->type_name, "unsigned") != NULL;
    column->listed_key = (kept->flags & MY_COLUMNS_KEY) != 0;
    column->generated = (kept->flags & MY_COLUMNS_GENERATED) != 0;
    column->period = (kept->flags & MY_COLUMNS_PERIOD) != 0;
    if (!column->charset)
        column->charset = my_charset_named(kept->collation ? kept->collation : "binary");
    return label && column->n_labels == 0 ? take_labels(column, column->type_name, error) : 0;
}

/* 1, and *n of them fit; 0: they do not, *why says in what; -1. */
static int compare_listed(struct cdc_span columns, const struct my_table *table, size_t *n, const char **why,
                          struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    *why = NULL;
    *n = 0;
    cdc_json_iter_begin(&iter, columns);
    for (; !*why && cdc_json_next_element(&iter, &value); ++*n) {
        struct kept kept;
        bool parsed = kept_parse(&kept, value), no_memory = !parsed && errno == ENOMEM;
        *why = *n >= table->n_columns ? "it has fewer of them there"
               : !parsed              ? "they cannot be kept as text"
                                      : difference(table, &table->columns[*n], &kept);
        kept_free(&kept);
        if (no_memory)
            return cdc_error_memory(error);
    }
    return *why == NULL;
}

static int complete_listed(struct cdc_span columns, struct my_table *table, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    int result = 1;
    cdc_json_iter_begin(&iter, columns);
    for (size_t i = 0; result > 0 && cdc_json_next_element(&iter, &value); i++) {
        struct kept kept;
        if (!kept_parse(&kept, value))
            result = cdc_error_memory(error);
        else if (complete(table, &table->columns[i], &kept, error) < 0)
            result = -1;
        kept_free(&kept);
    }
    return result;
}

/* From that one on the table has only such as MariaDB hides. */
static int check_rest(struct my_table *table, size_t from, enum my_flavor flavor, const char **why,
                      struct cdc_error *error)
{
    if (from == table->n_columns ||
        (flavor == MY_FLAVOR_MARIADB && from > 0 && my_table_name_hidden(table, from, error)))
        return 1;
    *why = "it has more of them there";
    return error->status ? -1 : 0;
}

int my_columns_apply(struct cdc_span columns, struct my_table *table, enum my_flavor flavor, const char **why,
                     struct cdc_error *error)
{
    size_t n;
    int fits = compare_listed(columns, table, &n, why, error);
    if (fits <= 0)
        return fits;
    /* The names of those that are hidden depend on the others': where the log has neither, these come first. */
    fits = table->has_names ? check_rest(table, n, flavor, why, error) : 1;
    if (fits > 0)
        fits = complete_listed(columns, table, error);
    return fits > 0 && !table->has_names ? check_rest(table, n, flavor, why, error) : fits;
}

char *my_columns_type_of(struct cdc_span columns, const char *name, bool *nullable)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    char *type = NULL;
    cdc_json_iter_begin(&iter, columns);
    while (!type && cdc_json_next_element(&iter, &value)) {
        struct kept kept;
        if (kept_parse(&kept, value) && strcmp(kept.name, name) == 0 && !(kept.flags & MY_COLUMNS_GENERATED)) {
            type = kept.type;
            kept.type = NULL;
            *nullable = (kept.flags & MY_COLUMNS_NULLABLE) != 0;
        }
        kept_free(&kept);
    }
    return type;
}

/* -- MariaDB's JSON ---------------------------------------------------------------------------- */

static bool may_be_json(const char *type)
{
    return strcmp(type, "json") == 0 || strcmp(type, "longtext") == 0;
}

/* 1: it is JSON as before, or was none that could be; 0; -1. One that is not there has come since: no row had a value of it. */
static int keeps_json(struct cdc_span before, const struct kept *now, bool where_unknown, struct cdc_error *error)
{
    struct cdc_json_iter columns, parts;
    struct cdc_span column, name;
    int keeps = before.p ? 1 : where_unknown;
    cdc_json_iter_begin(&columns, before.p ? before : cdc_span_text("[]"));
    for (bool found = false; !found && cdc_json_next_element(&columns, &column);) {
        struct kept kept;
        cdc_json_iter_begin(&parts, column);
        char *had = cdc_json_next_element(&parts, &name) ? text_of(name) : NULL;
        found = had && strcasecmp(had, now->name) == 0;
        if (found && kept_parse(&kept, column))
            keeps = !may_be_json(kept.type) || strcmp(kept.type, now->type) == 0;
        else if (found)
            keeps = errno == ENOMEM ? -1 : where_unknown;
        if (found)
            kept_free(&kept);
        keeps = had ? keeps : -1;
        free(had);
        if (keeps < 0)
            return cdc_error_memory(error);
    }
    return keeps;
}

int my_columns_keep_json(struct cdc_span before, struct cdc_span now, bool where_unknown, struct cdc_error *error)
{
    struct cdc_json_iter columns;
    struct cdc_span column;
    int keeps = 1;
    cdc_json_iter_begin(&columns, now);
    while (keeps > 0 && cdc_json_next_element(&columns, &column)) {
        struct kept kept;
        bool parsed = kept_parse(&kept, column);
        if (parsed && may_be_json(kept.type))
            keeps = keeps_json(before, &kept, where_unknown, error);
        else if (!parsed)
            keeps = errno == ENOMEM ? cdc_error_memory(error) : where_unknown;
        kept_free(&kept);
    }
    return keeps;
}
