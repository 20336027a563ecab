/* SPDX-License-Identifier: MIT */
/* Dates and times as numbers. Years before 1 are "0044-03-15 BC" in PostgreSQL's text: the year -43. */
#include "libcdc/format/internal.h"

#define DAY INT64_C(86400000000)

/* As in libcdc/base/time.c, for years before 1 as well: years begin in March, an era is 400 years. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5) + 1;
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = years + era * 400 + (*month <= 2);
}

/* Takes digits off the front: at least `least` and at most `most`. */
static bool take_digits(struct cdc_span *text, size_t least, size_t most, int64_t *value)
{
    size_t n = 0;

    for (*value = 0; n < text->n && n < most && text->p[n] >= '0' && text->p[n] <= '9'; n++)
        *value = *value * 10 + (text->p[n] - '0');
    text->p += n;
    text->n -= n;
    return n >= least;
}

static bool take_byte(struct cdc_span *text, char c)
{
    if (text->n == 0 || *text->p != c)
        return false;
    text->p++;
    text->n--;
    return true;
}

static bool take_bc(struct cdc_span *text)
{
    if (text->n < 3 || memcmp(text->p + text->n - 3, " BC", 3) != 0)
        return false;
    text->n -= 3;
    return true;
}

static bool take_date(struct cdc_span *text, bool bc, int64_t *days)
{
    int64_t year, month, day, back_year;
    int back_month, back_day;

    if (!take_digits(text, 4, 8, &year) || !take_byte(text, '-') || !take_digits(text, 2, 2, &month) ||
        !take_byte(text, '-') || !take_digits(text, 2, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    year = bc ? 1 - year : year;
    *days = days_of(year, (int)month, (int)day);
    /* MySQL can hold 2026-02-31. */
    date_of(*days, &back_year, &back_month, &back_day);
    return back_year == year && back_month == month && back_day == day;
}

static bool take_time(struct cdc_span *text, int64_t *micros)
{
    int64_t hours, minutes, seconds = 0, fraction = 0;

    if (!take_digits(text, 2, 3, &hours) || !take_byte(text, ':') || !take_digits(text, 2, 2, &minutes) ||
        !take_byte(text, ':') || !take_digits(text, 2, 2, &seconds) || minutes > 59 || seconds > 60)
        return false;
    if (take_byte(text, '.')) {
        size_t before = text->n;
        if (!take_digits(text, 1, 6, &fraction))
            return false;
        for (size_t n = before - text->n; n < 6; n++)
            fraction *= 10;
    }
    *micros = ((hours * 60 + minutes) * 60 + seconds) * 1000000 + fraction;
    return true;
}

bool temporal_days(struct cdc_span text, int64_t *days)
{
    bool bc = take_bc(&text);
    return take_date(&text, bc, days) && text.n == 0;
}

bool temporal_time(struct cdc_span text, int64_t *micros)
{
    bool negative = take_byte(&text, '-');

    if (!take_time(&text, micros) || text.n > 0)
        return false;
    *micros = negative ? -*micros : *micros;
    return true;
}

bool temporal_timestamp(struct cdc_span text, int64_t *micros)
{
    int64_t days, time;
    bool bc = take_bc(&text);

    if (!take_date(&text, bc, &days) || (!take_byte(&text, 'T') && !take_byte(&text, ' ')) ||
        !take_time(&text, &time) || text.n > 0)
        return false;
    return !__builtin_mul_overflow(days, DAY, micros) && !__builtin_add_overflow(*micros, time, micros);
}

/* *iso: the year has four digits, as ISO 8601 has it; after another one a blank stands before the time. */
static void append_day(struct cdc_buf *out, int64_t days, bool *bc, bool *iso)
{
    int64_t year;
    int month, day;

    date_of(days, &year, &month, &day);
    *bc = year <= 0;
    *iso = year > 0 && year <= 9999;
    cdc_buf_printf(out, "%04lld-%02d-%02d", (long long)(*bc ? 1 - year : year), month, day);
}

void temporal_append_date(struct cdc_buf *out, int64_t days)
{
    bool bc, iso;
    append_day(out, days, &bc, &iso);
    if (bc)
        cdc_buf_lit(out, " BC");
}

void temporal_append_time(struct cdc_buf *out, int64_t micros, int digits, bool pad)
{
    int64_t seconds;
    char fraction[8];

    if (micros < 0)
        cdc_buf_byte(out, '-');
    micros = micros < 0 ? -micros : micros;
    seconds = micros / 1000000;
    cdc_buf_printf(out, "%02lld:%02d:%02d", (long long)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
    for (int64_t i = 5, rest = micros % 1000000; i >= 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    size_t n = 6;
    while (n > 0 && (pad ? n > (size_t)digits : fraction[n - 1] == '0') && fraction[n - 1] == '0')
        n--;
    if (n > 0) {
        cdc_buf_byte(out, '.');
        cdc_buf_append(out, fraction, n);
    }
}

void temporal_append_timestamp(struct cdc_buf *out, int64_t micros, int digits, bool pad, char separator)
{
    int64_t days = micros / DAY, time = micros % DAY;
    bool bc, iso;

    if (time < 0) {
        time += DAY;
        days--;
    }
    append_day(out, days, &bc, &iso);
    cdc_buf_byte(out, iso ? separator : ' ');
    temporal_append_time(out, time, digits, pad);
    if (bc)
        cdc_buf_lit(out, " BC");
}
