/* SPDX-License-Identifier: MIT */
/* Points in time as users write them, for example after --until. strptime and timegm are not used: the first depends
 * on the locale and knows no fractions, the second is no standard function. */
#include <cdc/options.h>

static int digits(const char **p, int n, int *value)
{
    *value = 0;
    for (; n > 0; n--, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        *value = *value * 10 + (**p - '0');
    }
    return 0;
}

static int expect(const char **p, char c)
{
    return *(*p)++ == c ? 0 : -1;
}

/* Years are counted from March, so that the leap day is the last day of its year and moves no other one. An era is
 * 400 years, after which the Gregorian calendar repeats: 146097 days. (153 * m + 2) / 5 is the number of days before
 * month m, March being 0: 0, 31, 61, 92, ... 719468 is 1970-01-01 in days since 0000-03-01. */
static int64_t days_since_1970(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static int parse(const char *p, int64_t *ms)
{
    int year, month, day, hour, minute, second, zone_hour = 0, zone_minute = 0, sign = 1;
    int64_t fraction = 0;
    if (digits(&p, 4, &year) || expect(&p, '-') || digits(&p, 2, &month) || expect(&p, '-') || digits(&p, 2, &day) ||
        (*p != 'T' && *p != 't' && *p != ' '))
        return -1;
    p++;
    if (digits(&p, 2, &hour) || expect(&p, ':') || digits(&p, 2, &minute) || expect(&p, ':') || digits(&p, 2, &second))
        return -1;
    if (*p == '.') {
        /* The first digit is tenths of a second, so 100 ms; digits after the third count nothing. */
        int64_t unit = 100;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            fraction += (*p - '0') * unit;
    }
    if (*p == '+' || *p == '-') {
        sign = *p++ == '-' ? -1 : 1;
        if (digits(&p, 2, &zone_hour) || expect(&p, ':') || digits(&p, 2, &zone_minute))
            return -1;
    } else if (*p == 'Z' || *p == 'z') {
        p++;
    } else {
        return -1;
    }
    if (*p || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 ||
        second > 60 || zone_hour > 23 || zone_minute > 59)
        return -1;
    /* A zone of +01:00 is ahead of UTC: 09:28+01:00 is 08:28Z, so the zone is subtracted. second = 60, a leap second,
     * becomes the first second of the next minute. */
    *ms = ((days_since_1970(year, month, day) * 24 + hour - sign * zone_hour) * 60 + minute - sign * zone_minute) *
              60000 +
          second * 1000 + fraction;
    return 0;
}

bool cdc_time_parse(const char *text, int64_t *ms)
{
    return parse(text, ms) == 0;
}
