/* SPDX-License-Identifier: MIT */
/* COPY: the statement, and its rows taken apart. */
#include "connectors/postgres/scan/scan.h"

#include "connectors/postgres/session/query.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* -- the statement -- */

/* Each in parentheses: `a OR b` of a filter must not swallow the AND of the range. */
static void append_conditions(struct cdc_buf *out, const struct pg_scan_source *source, const char *range)
{
    const char *const conditions[] = {source->filter, source->where, range};
    const char *before = " WHERE (";
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        if (!conditions[i])
            continue;
        cdc_buf_text(out, before);
        cdc_buf_text(out, conditions[i]);
        cdc_buf_byte(out, ')');
        before = " AND (";
    }
}

/* COPY t (a,b) TO STDOUT reads the table as it lies there, without a plan: the faster form. COPY (SELECT a,b FROM
 * ONLY t WHERE ...) is for what it does not take: filters, ranges, partitioned tables, generated columns, and a list
 * without a column. Columns are named in both, so that an ALTER TABLE in between is an error and no shifted row. */
void pg_scan_statement(struct cdc_buf *out, const struct pg_scan_source *source, const char *range)
{
    const struct pg_table *table = source->table;
    bool simple = !source->partitioned && !source->filter && !source->where && !range && !source->generated &&
                  table->n_columns != 0;
    cdc_buf_lit(out, "COPY ");
    if (simple)
        pg_query_table(out, table->schema, table->name);
    cdc_buf_text(out, simple ? " (" : "(SELECT ");
    for (size_t i = 0; i < table->n_columns; i++) {
        cdc_buf_text(out, i ? "," : "");
        pg_query_identifier(out, table->columns[i].name);
    }
    if (!simple) {
        cdc_buf_text(out, source->partitioned ? " FROM " : " FROM ONLY ");
        pg_query_table(out, table->schema, table->name);
    }
    append_conditions(out, source, range);
    cdc_buf_lit(out, ") TO STDOUT");
    if (source->encoding) /* the bytes as they are stored */
        cdc_buf_lit(out, " (ENCODING 'SQL_ASCII')");
    cdc_buf_byte(out, '\0');
}

/* -- rows -- */

static int octal(const char *p, const char *end, char *c)
{
    int n = 0, value = 0;
    for (; n < 3 && p + n < end && p[n] >= '0' && p[n] <= '7'; n++)
        value = value * 8 + p[n] - '0';
    *c = (char)value;
    return n;
}

/* COPY's escapes, in place: \t \n \\ and the like, octal \101 (servers write none, but the format has it). What
 * comes out is never longer than what goes in. Returns its length. */
static size_t unescape(char *field, size_t n)
{
    static const char letters[] = "bfnrtv", meanings[] = "\b\f\n\r\t\v";
    char *to = field;
    const char *p = field, *end = field + n;
    while (p < end) {
        if (*p != '\\' || p + 1 >= end) {
            *to++ = *p++;
            continue;
        }
        p++;
        const char *letter = memchr(letters, *p, sizeof letters - 1);
        if (letter) {
            *to++ = meanings[letter - letters];
            p++;
        } else if (*p >= '0' && *p <= '7') {
            p += octal(p, end, to);
            to++;
        } else {
            *to++ = *p++;
        }
    }
    return (size_t)(to - field);
}

/* Which of the n bytes at p, 8 at most, are a tab, or none that JSON has as it is in ASCII: the top bit of their byte, the first
 * byte the lowest; some others as well, right after one of them. before: that many bytes may be read before p. */
static inline uint64_t find_special(const char *p, size_t n, size_t before)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    uint64_t word = 0;
    if (n >= 8)
        memcpy(&word, p, 8);
    else if (before >= 8 - n)
        memcpy(&word, p + n - 8, 8);
    else
        memcpy(&word, p, n);
    word = le64toh(word);
    if (n < 8 && before >= 8 - n)
        word >>= 8 * (8 - n);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t hits = ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs;
    return n >= 8 ? hits : hits & ((UINT64_C(1) << 8 * n) - 1);
}

/* A field that ends before `end`. */
static inline void take_field(struct pg_cell *cell, char *field, const char *end, bool plain, bool escaped)
{
    size_t n = (size_t)(end - field);
    cell->p = field;
    cell->raw = false;
    cell->plain = plain;
    cell->kind = escaped && n == 2 && field[0] == '\\' && field[1] == 'N' ? 'n' : 't';
    cell->n = (uint32_t)(escaped ? unescape(field, n) : n);
}

/* The text form: fields parted by tabs, escapes inside them, \N for NULL. Three fields, the second with a tab
 * inside:
 *      1<TAB>a\tb<TAB>\N<LF>
 * A tab or line feed of a value is always escaped, so each raw tab is a border. A value that reads \N is sent as
 * \\N: three bytes, and no NULL. Returns the number of fields; one more than there are columns where there are more. */
static size_t split(const struct pg_scan *scan, char *line, size_t n)
{
    size_t found = 0, n_columns = scan->table->n_columns;
    bool plain = true, escaped = false;
    char *field = line;
    for (size_t at = 0; at < n; at += 8) {
        for (uint64_t hits = find_special(line + at, n - at, at); hits != 0; hits &= hits - 1) {
            char *p = line + at + __builtin_ctzll(hits) / 8;
            if (*p != '\t') {
                plain = false;
                escaped |= *p == '\\';
                continue;
            }
            if (found >= n_columns)
                return n_columns + 1;
            take_field(&scan->cells[found++], field, p, plain, escaped);
            field = p + 1;
            plain = true;
            escaped = false;
        }
    }
    /* A table without columns has empty rows. */
    if (found >= n_columns)
        return n == 0 ? 0 : n_columns + 1;
    take_field(&scan->cells[found++], field, line + n, plain, escaped);
    return found;
}

int pg_scan_split(struct pg_scan *scan, char *line, size_t n, struct cdc_error *error)
{
    const struct pg_table *table = scan->table;
    if (split(scan, line, n) == table->n_columns)
        return pg_encoding_convert_row(scan->encoding, &scan->converted, scan->cells, table->n_columns, error);
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "table %s.%s: the server sent a row with another number of columns",
                         table->schema, table->name);
}

int pg_scan_begin(struct pg_scan *scan, PGconn *sql, const struct pg_scan_source *source, struct cdc_error *error)
{
    *scan = (struct pg_scan){.sql = sql,
                             .table = source->table,
                             .encoding = source->encoding,
                             .cells = calloc(source->table->n_columns + 1, sizeof *scan->cells)};
    return scan->cells ? 0 : cdc_error_memory(error);
}

enum pg_scan_result pg_scan_fetch(struct pg_scan *scan, struct cdc_error *error)
{
    PQfreemem(scan->line);
    scan->line = NULL;
    int n = PQgetCopyData(scan->sql, &scan->line, 1);
    /* PQgetCopyData: n bytes, 0 for not yet, -1 at the end (of the rows; the statement may have failed), -2 on an
     * error. */
    if (n == -1)
        return PG_SCAN_END;
    if (n < -1)
        return (enum pg_scan_result)pg_query_fail(scan->sql, NULL, "reading the rows of a table failed", error);
    if (n == 0)
        return PG_SCAN_WAIT;
    if (scan->line[n - 1] == '\n')
        n--;
    scan->length = (size_t)n;
    return PG_SCAN_ROW;
}

enum pg_scan_result pg_scan_next(struct pg_scan *scan, struct cdc_error *error)
{
    enum pg_scan_result result = pg_scan_fetch(scan, error);
    return result == PG_SCAN_ROW && pg_scan_split(scan, scan->line, scan->length, error) < 0 ? PG_SCAN_ERROR : result;
}

void pg_scan_end(struct pg_scan *scan)
{
    PQfreemem(scan->line);
    free(scan->cells);
    cdc_buf_free(&scan->converted);
    *scan = (struct pg_scan){0};
}
