/* SPDX-License-Identifier: MIT */
/* Dates, times and fractions of seconds in MySQL's and MariaDB's binary log, as text. */
#include "binlog-values.h"

#include "connectors/mysql/value/internal.h"

#include <time.h>

/* Of a JSON document: what its eight bytes are. */
static void test_packed(void)
{
    static const enum my_kind kinds[] = {MY_KIND_TIME, MY_KIND_DATE, MY_KIND_DATETIME};
    static const int64_t none[] = {INT64_MIN, INT64_MIN + 1, INT64_MAX};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++) {
            struct cdc_buf out = CDC_BUF_INIT;
            check(!my_temporal_append_packed(&out, kinds[i], none[j]) && out.len == 0, "bytes that are no time", "",
                  "");
            cdc_buf_free(&out);
        }
    struct cdc_buf out = CDC_BUF_INIT;
    check(my_temporal_append_packed(&out, MY_KIND_TIME, -(((int64_t)1 << 12 | 2 << 6 | 3) << 24 | 4)) &&
              out.len == 16 && memcmp(out.data, "-01:02:03.000004", 16) == 0,
          "a negative time", "", "");
    cdc_buf_free(&out);
}

static void test_times(void)
{
    mysql(MY_TYPE_DATE, 0, "22d00f", "\"2024-01-02\"");
    mysql(MY_TYPE_DATE, 0, "000000", "\"0000-00-00\"");
    mysql(MY_TYPE_DATE, 0, "00d00f", "\"2024-00-00\"");
    mysql(MY_TYPE_DATE, 0, "ffffff", NULL);
    mysql(MY_TYPE_TIME2, 3, "7ffffeec78", "\"-00:00:01.500\"");
    mysql(MY_TYPE_TIME2, 6, "4b9105ffffff", "\"-838:59:58.000001\"");
    mysql(MY_TYPE_TIME2, 0, "800000", "\"00:00:00\"");
    mysql(MY_TYPE_TIME2, 0, "b46efb", "\"838:59:59\"");
    mysql(MY_TYPE_TIME2, 1, "8010430a", "\"01:01:03.1\"");
    mysql(MY_TYPE_TIME2, 0, "ffffff", NULL);
    mysql(MY_TYPE_TIME2, 6, "800000ffffff", NULL);
    mysql(MY_TYPE_DATETIME2, 0, "99b2443105", "\"2024-01-02T03:04:05\"");
    mysql(MY_TYPE_DATETIME2, 6, "99b2443105000001", "\"2024-01-02T03:04:05.000001\"");
    mysql(MY_TYPE_DATETIME2, 1, "99b24431051e", "\"2024-01-02T03:04:05.3\"");
    mysql(MY_TYPE_DATETIME2, 0, "8000000000", "\"0000-00-00 00:00:00\"");
    mysql(MY_TYPE_DATETIME2, 3, "80000000000000", "\"0000-00-00 00:00:00.000\"");
    mysql(MY_TYPE_DATETIME2, 0, "99b2403105", "\"2024-01-00 03:04:05\"");
    mysql(MY_TYPE_DATETIME2, 0, "99b2bc0000", "\"2024-02-30 00:00:00\"");
    mysql(MY_TYPE_DATETIME2, 0, "99b2ba0000", "\"2024-02-29T00:00:00\"");
    mysql(MY_TYPE_DATETIME2, 0, "0000000000", NULL);
    mysql(MY_TYPE_DATETIME2, 0, "ffffffffff", NULL);
    mysql(MY_TYPE_TIMESTAMP2, 0, "65937d25", "\"2024-01-02T03:04:05Z\"");
    mysql(MY_TYPE_TIMESTAMP2, 6, "6938c57c0cbb38", "\"2025-12-10T00:57:32.834360Z\"");
    mysql(MY_TYPE_TIMESTAMP2, 2, "0000000100", "\"1970-01-01T00:00:01.00Z\"");
    mysql(MY_TYPE_TIMESTAMP2, 0, "7fffffff", "\"2038-01-19T03:14:07Z\"");
    mysql(MY_TYPE_TIMESTAMP2, 0, "ffffffff", "\"2106-02-07T06:28:15Z\"");
    mysql(MY_TYPE_TIMESTAMP2, 0, "00000000", "\"0000-00-00 00:00:00\"");
    mysql(MY_TYPE_TIMESTAMP2, 4, "000000000000", "\"0000-00-00 00:00:00.0000\"");
    mysql(MY_TYPE_TIMESTAMP2, 4, "00000001ffff", NULL);
    value(MY_FLAVOR_MARIADB, MY_TYPE_TIMESTAMP2, 2, NULL, "timestamp(2)", "0000000032", "\"1970-01-01T00:00:00.50Z\"");
    mysql(MY_TYPE_TIME, 0, "25d8ff", "\"-01:02:03\"");
    mysql(MY_TYPE_DATETIME, 0, "457c178468120000", "\"2024-01-02T03:04:05\"");
    mysql(MY_TYPE_TIMESTAMP, 0, "257d9365", "\"2024-01-02T03:04:05Z\"");
    mysql(MY_TYPE_DATETIME, 0, "ffffffffffffffff", NULL);
}

/* MariaDB with mysql56_temporal_format=OFF, a row of one table: the types and the bytes of its seven columns. */
static void test_old_times(void)
{
    value(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, "datetime", "457c178468120000", "\"2024-01-02T03:04:05\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_TIMESTAMP, 0, NULL, "timestamp", "257d9365", "\"2024-01-02T03:04:05Z\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_TIME, 0, NULL, "time", "25d8ff", "\"-01:02:03\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, "datetime(3)", "422a83bcc32e00", NULL);
    struct my_column column = column_of(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, NULL);
    struct cdc_bytes cursor = {(const uint8_t *)"12345678", (const uint8_t *)"12345678", false};
    struct cdc_error error = {0};
    check(column.decimals < 0 && my_value_skip(&column, &cursor, &error) < 0 && error.status == CDC_EXIT_CONFIG,
          "digits of a second that nobody told", error.text, "");
    my_column_free(&column);
}

/* The C library's calendar against ours: each day that there might be, of years with and without a leap day. */
static void test_calendar(void)
{
    static const int years[] = {1899, 1900, 1999, 2000, 2023, 2024, 2100, 2400};
    for (size_t i = 0; i < sizeof years / sizeof *years; i++) {
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= 31; day++) {
                struct tm tm = {.tm_year = years[i] - 1900, .tm_mon = month - 1, .tm_mday = day};
                uint64_t packed = ((uint64_t)(years[i] * 13 + month) << 5 | (uint64_t)day) << 17;
                char hex[16], want[40];
                bool exists = timegm(&tm) != -1 && tm.tm_mon == month - 1 && tm.tm_mday == day;
                snprintf(hex, sizeof hex, "%010llx", (unsigned long long)(packed + UINT64_C(0x8000000000)));
                snprintf(want, sizeof want, "\"%04d-%02d-%02d%c00:00:00\"", years[i], month, day, exists ? 'T' : ' ');
                if (day >= 28 || month == 2)
                    mysql(MY_TYPE_DATETIME2, 0, hex, want);
            }
    }
    /* Each of these is the first or last second of a month or so, over all 32 bits. */
    for (uint64_t seconds = 1; seconds < UINT64_C(1) << 32; seconds += 86400 * 28 - 1) {
        time_t when = (time_t)seconds;
        struct tm tm;
        char hex[16], want[40];
        gmtime_r(&when, &tm);
        snprintf(hex, sizeof hex, "%08llx", (unsigned long long)seconds);
        strftime(want, sizeof want, "\"%Y-%m-%dT%H:%M:%SZ\"", &tm);
        mysql(MY_TYPE_TIMESTAMP2, 0, hex, want);
    }
}

/* MariaDB's of before 10.1: one number in units of the last digit, as wide as it must be. */
static void test_old_fractions(void)
{
    static const int sizes[7] = {0, 6, 6, 7, 7, 7, 8}, time_sizes[7] = {0, 4, 4, 5, 5, 5, 6};
    uint64_t unit = 1;
    for (int digits = 1; digits <= 6; digits++) {
        char type[24], hex[24], want[48];
        uint64_t fraction = 123456;
        for (int i = digits; i < 6; i++)
            fraction /= 10;
        unit *= 10;
        /* 2000-02-29 23:59:58.123456 */
        uint64_t seconds = ((((UINT64_C(2000) * 13 + 2) * 32 + 29) * 24 + 23) * 60 + 59) * 60 + 58;
        snprintf(type, sizeof type, "datetime(%d)", digits);
        snprintf(hex, sizeof hex, "%0*llx", 2 * sizes[digits], (unsigned long long)(seconds * unit + fraction));
        snprintf(want, sizeof want, "\"2000-02-29T23:59:58.%0*llu\"", digits, (unsigned long long)fraction);
        value(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, type, hex, want);
        /* -838:59:58.123456 */
        snprintf(type, sizeof type, "time(%d)", digits);
        uint64_t clock = UINT64_C(838) * 3600 + 59 * 60 + 58;
        snprintf(hex, sizeof hex, "%0*llx", 2 * time_sizes[digits],
                 (unsigned long long)(UINT64_C(3020400) * unit - clock * unit - fraction));
        snprintf(want, sizeof want, "\"-838:59:58.%0*llu\"", digits, (unsigned long long)fraction);
        value(MY_FLAVOR_MARIADB, MY_TYPE_TIME, 0, NULL, type, hex, want);
        snprintf(hex, sizeof hex, "%0*llx", 2 * time_sizes[digits],
                 (unsigned long long)(UINT64_C(3020400) * unit + 3661 * unit + fraction));
        snprintf(want, sizeof want, "\"01:01:01.%0*llu\"", digits, (unsigned long long)fraction);
        value(MY_FLAVOR_MARIADB, MY_TYPE_TIME, 0, NULL, type, hex, want);
        /* The fraction apart, in as many bytes as MySQL's. */
        int bytes = (digits + 1) / 2;
        snprintf(type, sizeof type, "timestamp(%d)", digits);
        snprintf(hex, sizeof hex, "65937d25%0*llx", 2 * bytes, (unsigned long long)fraction);
        snprintf(want, sizeof want, "\"2024-01-02T03:04:05.%0*lluZ\"", digits, (unsigned long long)fraction);
        value(MY_FLAVOR_MARIADB, MY_TYPE_TIMESTAMP, 0, NULL, type, hex, want);
        snprintf(hex, sizeof hex, "65937d25%0*llx", 2 * bytes, (unsigned long long)unit);
        value(MY_FLAVOR_MARIADB, MY_TYPE_TIMESTAMP, 0, NULL, type, hex, NULL);
    }
}

int main(void)
{
    test_packed();
    test_times();
    test_old_times();
    test_calendar();
    test_old_fractions();
    return failures ? 1 : 0;
}
