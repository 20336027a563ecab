/* SPDX-License-Identifier: MIT */
/* latency CONNINFO TABLE N COMMAND...: see latency.h; PostgreSQL. */
#include "tests/bench/latency.h"

#include <libpq-fe.h>

struct target {
    PGconn *connection;
    const char *table;
};

static int insert(void *context, const char *mark)
{
    const struct target *target = context;
    char text[256];
    snprintf(text, sizeof text, "insert into %s (b) values ('%s')", target->table, mark);
    PGresult *result = PQexec(target->connection, text);
    int good = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!good)
        fprintf(stderr, "latency: %s", PQerrorMessage(target->connection));
    PQclear(result);
    return good;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 64;
    struct target target = {PQconnectdb(argv[1]), argv[2]};
    int status = 69;
    if (PQstatus(target.connection) == CONNECTION_OK)
        status = measure_latency(atoi(argv[3]), argv + 4, insert, &target);
    else
        fprintf(stderr, "latency: %s", PQerrorMessage(target.connection));
    PQfinish(target.connection);
    return status;
}
