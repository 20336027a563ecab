/* SPDX-License-Identifier: MIT */
/* Answers of a server that are not what was asked for: read without a crash, and refused. */
#include "connectors/postgres/session/answer.h"
#include "connectors/postgres/session/query.h"

#include <cdc/exit.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

static PGresult *answer_of(int n, const char *const *names, const char *const *values)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[4] = {{0}};
    char texts[4][16];
    for (int i = 0; i < n; i++) {
        snprintf(texts[i], sizeof texts[i], "%s", names[i]);
        columns[i].name = texts[i];
    }
    PQsetResultAttrs(result, n, columns);
    for (int i = 0; values && i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", values[i] ? values[i] : "");
        PQsetvalue(result, 0, i, values[i] ? text : NULL, values[i] ? (int)strlen(text) : -1);
    }
    return result;
}

/* Reads a whole row of four; is it refused, and as what it is? */
static bool refused(PGresult *result)
{
    struct pg_answer row = {.result = result};
    struct cdc_error error = {0};
    const char *text = pg_answer_text(&row, "name");
    bool harmless = text != NULL && pg_answer_char(&row, "name") == text[0];
    (void)pg_answer_int(&row, "n");
    (void)pg_answer_lsn(&row, "lsn");
    (void)pg_answer_true(&row, "flag");
    int good = pg_answer_good(&row, "cannot look", &error);
    PQclear(result);
    return harmless && good < 0 && error.status == CDC_EXIT_PROTOCOL;
}

/* What passes by itself, and what nobody has thought of, is tried again; the rest is not. */
static void check_statuses(void)
{
    static const struct {
        const char *state;
        int status;
    } states[] = {
        {"53300", CDC_EXIT_UNAVAILABLE}, {"57P03", CDC_EXIT_UNAVAILABLE}, {"57P01", CDC_EXIT_UNAVAILABLE},
        {"55P03", CDC_EXIT_UNAVAILABLE}, {"55006", CDC_EXIT_UNAVAILABLE}, {"25006", CDC_EXIT_UNAVAILABLE},
        {"XX000", CDC_EXIT_UNAVAILABLE}, {"ZZ999", CDC_EXIT_UNAVAILABLE}, {"42P01", CDC_EXIT_TEMPORARY},
        {"28P01", CDC_EXIT_PERMISSION},  {"42501", CDC_EXIT_PERMISSION},  {"3D000", CDC_EXIT_CONFIG},
        {"55000", CDC_EXIT_CONFIG},      {"54000", CDC_EXIT_CONFIG},      {"53400", CDC_EXIT_CONFIG},
        {"42704", CDC_EXIT_CONFIG},      {"XX001", CDC_EXIT_CONFIG},      {"XX002", CDC_EXIT_CONFIG},
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        check(pg_query_status(states[i].state) == states[i].status, states[i].state);
}

int main(void)
{
    check_statuses();
    static const char *const names[] = {"name", "n", "lsn", "flag"};
    static const char *const whole[] = {"x", "-12", "1/A", "t"};
    struct cdc_error error = {0};
    PGresult *result = answer_of(4, names, whole);
    struct pg_answer row = {.result = result};
    check(strcmp(pg_answer_text(&row, "name"), "x") == 0 && pg_answer_int(&row, "n") == -12 &&
              pg_answer_lsn(&row, "lsn") == (UINT64_C(1) << 32 | 10) && pg_answer_true(&row, "flag") &&
              pg_answer_good(&row, "cannot look", &error) == 0,
          "a whole row");
    row.row = 1;
    check(pg_answer_text_or_null(&row, "name") == NULL && row.bad, "a row that is not there");
    PQclear(result);
    for (int missing = 0; missing < 4; missing++) {
        const char *values[4], *others[4];
        for (int i = 0; i < 4; i++) {
            values[i] = i == missing ? NULL : whole[i];
            others[i] = i == missing ? "other" : names[i];
        }
        check(refused(answer_of(4, names, values)), "NULL");
        check(refused(answer_of(4, others, whole)), "another column");
    }
    check(refused(answer_of(2, names, whole)), "fewer columns");
    check(refused(answer_of(0, names, NULL)), "no columns");
    check(refused(answer_of(4, names, NULL)), "no rows");
    check(refused(answer_of(4, names, (const char *const[]){"x", "12a", "1/A", "t"})), "no number");
    check(refused(answer_of(4, names, (const char *const[]){"x", "99999999999999999999", "1/A", "t"})),
          "too large a number");
    check(refused(answer_of(4, names, (const char *const[]){"x", "1", "A", "t"})), "no LSN");
    return failures != 0;
}
