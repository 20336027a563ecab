/* SPDX-License-Identifier: MIT */
/* paced-mysql SOCKET DATABASE RATE SECONDS: what pgbench -R does, for the table paced (at bigint, b text): so many commits a second,
 * of a row each with its time, microseconds since 1970. One that comes late is followed by the next one at once. */
#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t micros(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sleep_until(int64_t at)
{
    struct timespec t = {at / 1000000, at % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

int main(int argc, char **argv)
{
    MYSQL *mysql = mysql_init(NULL);
    if (argc != 5 || !mysql || !mysql_real_connect(mysql, NULL, "root", NULL, argv[2], 0, argv[1], 0)) {
        fprintf(stderr, "paced-mysql: %s\n", mysql ? mysql_error(mysql) : "no memory");
        return 1;
    }
    int64_t begin = micros(CLOCK_MONOTONIC), rate = atoll(argv[3]), rows = rate * atoll(argv[4]);
    for (int64_t i = 0; i < rows; i++) {
        char text[128];
        sleep_until(begin + i * 1000000 / rate);
        snprintf(text, sizeof text, "insert into paced (at, b) values (%lld, 'some text')",
                 (long long)micros(CLOCK_REALTIME));
        if (mysql_query(mysql, text)) {
            fprintf(stderr, "paced-mysql: %s\n", mysql_error(mysql));
            return 1;
        }
    }
    mysql_close(mysql);
    return 0;
}
