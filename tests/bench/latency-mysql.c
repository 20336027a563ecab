/* SPDX-License-Identifier: MIT */
/* latency-mysql SOCKET DATABASE TABLE N COMMAND...: see latency.h; MySQL and MariaDB, as root without a password. */
#include "tests/bench/latency.h"

#include <mysql.h>

struct target {
    MYSQL *mysql;
    const char *table;
};

static int insert(void *context, const char *mark)
{
    const struct target *target = context;
    char text[256];
    snprintf(text, sizeof text, "insert into %s (b) values ('%s')", target->table, mark);
    if (mysql_query(target->mysql, text) == 0)
        return 1;
    fprintf(stderr, "latency: %s\n", mysql_error(target->mysql));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 64;
    struct target target = {mysql_init(NULL), argv[3]};
    int status = 69;
    if (mysql_real_connect(target.mysql, NULL, "root", NULL, argv[2], 0, argv[1], 0))
        status = measure_latency(atoi(argv[4]), argv + 5, insert, &target);
    else
        fprintf(stderr, "latency: %s\n", mysql_error(target.mysql));
    mysql_close(target.mysql);
    return status;
}
