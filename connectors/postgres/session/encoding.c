/* SPDX-License-Identifier: MIT */
/* Who converts the texts of a database. */
#include "connectors/postgres/session/encoding.h"

#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char what[] = "cannot ask for the database's encoding";

static int is_single_byte(PGconn *sql, struct cdc_error *error)
{
    PGresult *result = pg_query_rows(sql,
                                     "SELECT pg_encoding_max_length(encoding) = 1 AND encoding <> 0 AS single FROM "
                                     "pg_database WHERE datname = current_database()",
                                     0, NULL, what, error);
    if (!result)
        return -1;
    struct pg_answer row = {.result = result};
    bool single = pg_answer_true(&row, "single");
    int status = pg_answer_good(&row, what, error);
    PQclear(result);
    return status < 0 ? -1 : single;
}

static int digit(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* "\xc3a9": the two bytes. */
static bool read_bytes(struct pg_encoding *encoding, int byte, const char *hex)
{
    size_t n = strlen(hex);
    if (n < 4 || n % 2 != 0 || n / 2 - 1 > sizeof encoding->high->utf8 || strspn(hex + 2, "0123456789abcdef") != n - 2)
        return false;
    for (size_t i = 2; i < n; i += 2)
        encoding->high[byte - 0x80].utf8[i / 2 - 1] = (char)(digit(hex[i]) << 4 | digit(hex[i + 1]));
    encoding->high[byte - 0x80].n = (uint8_t)(n / 2 - 1);
    return true;
}

/* The bytes from first on. One without a character is an error of the whole question (22P05, 22021): it is halved then,
 * until the byte is found. Most encodings have none, and cost one question. */
static int ask_range(PGconn *sql, struct pg_encoding *encoding, int first, int n, struct cdc_error *error)
{
    char from[16], to[16];
    const char *values[2] = {from, to};
    snprintf(from, sizeof from, "%d", first);
    snprintf(to, sizeof to, "%d", first + n - 1);
    PGresult *result =
        pg_query_result(sql,
                        "SELECT convert(set_byte('\\x00', 0, b), getdatabaseencoding(), 'UTF8') AS utf8 FROM "
                        "generate_series($1::int, $2::int) b ORDER BY b",
                        2, values, what, error);
    if (!result)
        return -1;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state && (strcmp(state, "22P05") == 0 || strcmp(state, "22021") == 0)) {
        PQclear(result);
        if (n == 1)
            return 0;
        return ask_range(sql, encoding, first, n / 2, error) < 0 ||
                       ask_range(sql, encoding, first + n / 2, n - n / 2, error) < 0
                   ? -1
                   : 0;
    }
    result = pg_query_expect(sql, result, PGRES_TUPLES_OK, what, error);
    struct pg_answer row = {.result = result};
    int status = result ? 0 : -1;
    for (; status == 0 && row.row < n; row.row++) {
        const char *hex = pg_answer_text(&row, "utf8");
        if (pg_answer_good(&row, what, error) < 0)
            status = -1;
        else if (!read_bytes(encoding, first + row.row, hex))
            status = cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the answer is damaged", what);
    }
    PQclear(result);
    return status;
}

/* -- several bytes a character -- */

struct asker {
    const struct pg_settings *settings;
    PGconn *sql; /* the other session may be in the middle of a COPY */
};

static int read_character(PGconn *sql, const PGresult *result, char utf8[8], size_t *n_utf8, struct cdc_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    *n_utf8 = 0;
    if (state && (strcmp(state, "22P05") == 0 || strcmp(state, "22021") == 0))
        return 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return pg_query_fail(sql, result, what, error);
    struct pg_answer row = {.result = result};
    const char *hex = pg_answer_text(&row, "utf8");
    size_t n = strlen(hex);
    if (pg_answer_good(&row, what, error) < 0)
        return -1;
    if (n < 4 || n > 2 + 2 * 8 || n % 2 != 0 || strspn(hex + 2, "0123456789abcdef") != n - 2)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the answer is damaged", what);
    for (size_t i = 2; i < n; i += 2)
        utf8[(*n_utf8)++] = (char)(digit(hex[i]) << 4 | digit(hex[i + 1]));
    return 0;
}

static int ask_character(void *context, const char *bytes, size_t n, char utf8[8], size_t *n_utf8,
                         struct cdc_error *error)
{
    struct asker *asker = context;
    char text[16] = "\\x";
    const char *values[1] = {text};
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
    if (asker->sql && PQstatus(asker->sql) != CONNECTION_OK) {
        PQfinish(asker->sql);
        asker->sql = NULL;
    }
    if (!asker->sql)
        asker->sql = pg_connect(asker->settings, false, error);
    PGresult *result =
        asker->sql ? pg_query_result(asker->sql, "SELECT convert($1::bytea, getdatabaseencoding(), 'UTF8') AS utf8", 1,
                                     values, what, error)
                   : NULL;
    int status = result ? read_character(asker->sql, result, utf8, n_utf8, error) : -1;
    PQclear(result);
    return status;
}

static int prepare_euc(const char *name, const struct pg_settings *settings, struct pg_encoding *encoding,
                       struct cdc_error *error)
{
    struct asker *asker = calloc(1, sizeof *asker);
    encoding->euc = calloc(1, sizeof *encoding->euc);
    if (!asker || !encoding->euc) {
        free(asker);
        return cdc_error_memory(error);
    }
    asker->settings = settings;
    bool taiwan = strcmp(name, "EUC_TW") == 0, japan = strncmp(name, "EUC_J", 5) == 0;
    *encoding->euc = (struct pg_euc){
        .after_8e = taiwan ? 4 : 2, .after_8f = taiwan || japan ? 3 : 2, .ask = ask_character, .context = asker};
    return 1;
}

void pg_encoding_free(struct pg_encoding *encoding)
{
    if (!encoding->euc)
        return;
    struct asker *asker = encoding->euc->context;
    if (asker)
        PQfinish(asker->sql);
    free(asker);
    free(encoding->euc->known);
    free(encoding->euc);
    encoding->euc = NULL;
}

int pg_encoding_ask(PGconn *sql, const struct pg_settings *settings, struct pg_encoding *encoding,
                    struct cdc_error *error)
{
    const char *name = PQparameterStatus(sql, "server_encoding");
    *encoding = (struct pg_encoding){0};
    if (name && strcmp(name, "UTF8") == 0)
        return 0;
    if (name && strncmp(name, "EUC_", 4) == 0)
        return prepare_euc(name, settings, encoding, error);
    int single = is_single_byte(sql, error);
    if (single <= 0)
        return single;
    return ask_range(sql, encoding, 0x80, 128, error) < 0 ? -1 : 1;
}
