/* SPDX-License-Identifier: MIT */
/* The server's answers, read by name. */
#include "connectors/postgres/session/answer.h"

#include "connectors/postgres/pgoutput/position.h"

#include <errno.h>
#include <stdlib.h>

const char *pg_answer_text_or_null(struct pg_answer *answer, const char *name)
{
    int column = answer->row < PQntuples(answer->result) ? PQfnumber(answer->result, name) : -1;
    if (column < 0) {
        answer->bad = true;
        return NULL;
    }
    return PQgetisnull(answer->result, answer->row, column) ? NULL : PQgetvalue(answer->result, answer->row, column);
}

const char *pg_answer_text(struct pg_answer *answer, const char *name)
{
    const char *text = pg_answer_text_or_null(answer, name);
    answer->bad = answer->bad || !text;
    return text ? text : "";
}

bool pg_answer_true(struct pg_answer *answer, const char *name)
{
    return pg_answer_text(answer, name)[0] == 't';
}

char pg_answer_char(struct pg_answer *answer, const char *name)
{
    return pg_answer_text(answer, name)[0];
}

int64_t pg_answer_int(struct pg_answer *answer, const char *name)
{
    const char *text = pg_answer_text(answer, name);
    char *end;
    /* strtoll reports an overflow by errno alone. */
    errno = 0;
    int64_t value = strtoll(text, &end, 10);
    answer->bad = answer->bad || end == text || *end || errno;
    return value;
}

uint64_t pg_answer_lsn(struct pg_answer *answer, const char *name)
{
    uint64_t lsn = 0;
    answer->bad = !pg_lsn_parse(pg_answer_text(answer, name), &lsn) || answer->bad;
    return lsn;
}

int pg_answer_good(const struct pg_answer *answer, const char *what, struct cdc_error *error)
{
    return answer->bad
               ? cdc_error_set(error, CDC_EXIT_PROTOCOL, "%s: the server's answer lacks what it was asked for", what)
               : 0;
}
