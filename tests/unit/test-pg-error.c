/* SPDX-License-Identifier: MIT */
/* What an error of the server is taken for, and how it is told. */
#include "connectors/postgres/session/query.h"

#include <cdc/exit.h>
#include <stdio.h>
#include <string.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- libpq -- */

static struct {
    const char *state, *text, *detail, *hint, *own, *place;
} told;

char *PQresultErrorField(const PGresult *result, int field)
{
    (void)result;
    return (char *)(field == PG_DIAG_SQLSTATE          ? told.state
                    : field == PG_DIAG_MESSAGE_PRIMARY ? told.text
                    : field == PG_DIAG_MESSAGE_DETAIL  ? told.detail
                    : field == PG_DIAG_MESSAGE_HINT    ? told.hint
                    : field == PG_DIAG_SOURCE_FILE     ? told.place
                                                       : NULL);
}
char *PQerrorMessage(const PGconn *connection)
{
    (void)connection;
    return (char *)told.own;
}

/* -- states -- */

/* 08P01 of PostgreSQL, and of a pooler, which has no source of PostgreSQL to be in. */
static void test_poolers(void)
{
    static const struct {
        const char *state, *place, *text;
        int status;
    } cases[] = {
        {"08P01", "postgres.c", "invalid frontend message type 70", CDC_EXIT_PROTOCOL},
        {"08P01", NULL, "server conn crashed?", CDC_EXIT_UNAVAILABLE},
        {"08P01", NULL, "query_wait_timeout", CDC_EXIT_UNAVAILABLE},
        {"08P01", NULL, "no more connections allowed (max_client_conn)", CDC_EXIT_UNAVAILABLE},
        {"08P01", NULL, "unsupported startup parameter: replication", CDC_EXIT_PROTOCOL},
        {"08P01", NULL, "no such database: shop", CDC_EXIT_PROTOCOL},
        {"08P01", NULL, NULL, CDC_EXIT_PROTOCOL},
        {"28P01", NULL, "password authentication failed", CDC_EXIT_PERMISSION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(pg_query_status_of(cases[i].state, cases[i].place, cases[i].text) == cases[i].status,
              cases[i].text ? cases[i].text : "without a text");
}

static void test_states(void)
{
    static const struct {
        const char *states;
        int status;
    } map[] = {
        {"28000 28P01 42501", CDC_EXIT_PERMISSION},
        {"08P01", CDC_EXIT_PROTOCOL},
        {"57014 42P01 42703 42809 3F000", CDC_EXIT_TEMPORARY},
        {"0A000 22000 22P05 2B000 2F005 3D000 42000 42601 42P02 42704 53400 54000 54001 55000 55P02", CDC_EXIT_CONFIG},
        {"00000 01000 08000 08006 0B000 21000 23505 25006 26000 34000 3B001 3F001 40001 40P01 53000 53100 53300 53500 "
         "55006 55P03 55P01 57P01 57P03 58030 XX000 72000",
         CDC_EXIT_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        for (const char *p = map[i].states; *p; p += strcspn(p, " "), p += *p == ' ') {
            char state[6];
            snprintf(state, sizeof state, "%.5s", p);
            check(pg_query_status(state) == map[i].status, state);
        }
}

static const struct error {
    const char *state, *text, *detail, *hint, *own;
    int status;
    const char *said, *advised;
} errors[] = {
    {"42501", "denied", NULL, NULL, "", CDC_EXIT_PERMISSION, "cannot: denied (SQLSTATE 42501)", ""},
    {"42501", "denied", "by a rule", "ask", "", CDC_EXIT_PERMISSION, "cannot: denied: by a rule (SQLSTATE 42501)",
     "ask"},
    {"53200", "short", NULL, "try again", "", CDC_EXIT_UNAVAILABLE, "cannot: short (SQLSTATE 53200)", "try again"},
    {"53200", "short", NULL, "You may need to increase max_locks_per_transaction.", "", CDC_EXIT_CONFIG,
     "cannot: short (SQLSTATE 53200)", "You may need to increase max_locks_per_transaction."},
    {"54000", "long", NULL, NULL, "", CDC_EXIT_CONFIG, "cannot: long (SQLSTATE 54000)",
     "is a row longer than 1 GB as text? Shorten it, or exclude its table from the publication"},
    {"54000", "long", NULL, "shorten", "", CDC_EXIT_CONFIG, "cannot: long (SQLSTATE 54000)", "shorten"},
    {"55000", "state", NULL, NULL, "", CDC_EXIT_CONFIG, "cannot: state (SQLSTATE 55000)", ""},
    {NULL, NULL, NULL, NULL, "broken\n", CDC_EXIT_UNAVAILABLE, "cannot: broken", ""},
    {NULL, "text", NULL, NULL, "broken\n", CDC_EXIT_UNAVAILABLE, "cannot: text", ""},
    {"42501", NULL, NULL, NULL, "own", CDC_EXIT_PERMISSION, "cannot: own (SQLSTATE 42501)", ""},
};

static void test_errors(void)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const struct error *one = &errors[i];
        struct cdc_error error = {0};
        told.state = one->state;
        told.text = one->text;
        told.detail = one->detail;
        told.hint = one->hint;
        told.own = one->own;
        PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
        bool good = pg_query_fail(NULL, result, "cannot", &error) == -1 && error.status == one->status &&
                    strcmp(error.text, one->said) == 0 && strcmp(error.hint, one->advised) == 0;
        check(good, one->said);
        if (!good)
            printf("# %d %s (%s)\n", error.status, error.text, error.hint);
        PQclear(result);
    }
    struct cdc_error error = {0};
    told.own = "gone";
    told.hint = "not of this one";
    check(pg_query_fail(NULL, NULL, "cannot", &error) == -1 && error.status == CDC_EXIT_UNAVAILABLE &&
              strcmp(error.text, "cannot: gone") == 0 && !error.hint[0],
          "no result at all");
}

/* -- one line -- */

static void test_lines(void)
{
    static const char *const lines[][2] = {{"", ""},
                                           {"a", "a"},
                                           {"a\n", "a"},
                                           {" a \t\r\n\n", " a"},
                                           {"a\nb", "a b"},
                                           {"a\n\tb", "a b"},
                                           {"a\t\n\nb\tc", "a b c"},
                                           {"\n\na", "a"},
                                           {"\na", "a"},
                                           {"a  b", "a  b"},
                                           {"a\nLOCATION:  f, x.c:1\nb", "a"},
                                           {"a LOCATION: b", "a LOCATION: b"},
                                           {"LOCATION: b", "LOCATION: b"}};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cdc_buf out = CDC_BUF_INIT;
        pg_query_clean(&out, lines[i][0], strlen(lines[i][0]));
        bool good = out.len == strlen(lines[i][1]) && memcmp(out.data ? out.data : "", lines[i][1], out.len) == 0;
        check(good, lines[i][1]);
        if (!good)
            printf("# '%.*s'\n", (int)out.len, out.data);
        cdc_buf_free(&out);
    }
}

/* -- what an answer was to be -- */

static void test_kinds(void)
{
    struct cdc_error error = {0};
    told.state = "42501";
    told.text = "denied";
    told.hint = told.detail = NULL;
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    check(pg_query_expect(NULL, rows, PGRES_TUPLES_OK, "cannot", &error) == rows && error.status == 0, "as expected");
    check(!pg_query_expect(NULL, rows, PGRES_COMMAND_OK, "cannot", &error) && error.status == CDC_EXIT_PROTOCOL &&
              strcmp(error.text, "cannot: the server gave an answer of another kind (PGRES_TUPLES_OK)") == 0,
          "of another kind");
    static const ExecStatusType failed[] = {PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE};
    for (size_t i = 0; i < 2; i++) {
        error = (struct cdc_error){0};
        check(!pg_query_expect(NULL, PQmakeEmptyPGresult(NULL, failed[i]), PGRES_TUPLES_OK, "cannot", &error) &&
                  error.status == CDC_EXIT_PERMISSION,
              "an error");
    }
    error = (struct cdc_error){0};
    check(!pg_query_expect(NULL, NULL, PGRES_TUPLES_OK, "cannot", &error) && error.status == CDC_EXIT_UNAVAILABLE,
          "none");
}

static void test_quotes(void)
{
    struct cdc_buf out = CDC_BUF_INIT;
    pg_query_table(&out, "a\"b\"", "c.d");
    check(out.len == 14 && memcmp(out.data, "\"a\"\"b\"\"\".\"c.d\"", 14) == 0, "quotes in a name");
    cdc_buf_free(&out);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_quotes();
    test_states();
    test_poolers();
    test_errors();
    test_lines();
    test_kinds();
    return failures ? 1 : 0;
}
