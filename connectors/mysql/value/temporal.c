/* SPDX-License-Identifier: MIT */
/* Dates and times. The log has three generations of them:
 * - TIMESTAMP2, DATETIME2, TIME2 of MySQL 5.6 and later, and of MariaDB by default, big-endian, with a fraction of
 *   (decimals + 1) / 2 bytes (sql-common/my_time.cc, my_*_from_binary). 2024-01-02 03:04:05.678901 is, as
 *       TIMESTAMP(6)  65 93 7d 25 | 0a 5b f5       seconds since 1970 in UTC; microseconds
 *       DATETIME(6)   99 b2 44 31 05 | 0a 5b f5    below, from_packed; the highest bit is set from the year 0 on
 *       TIME(6)       80 31 05 | 0a 5b f5          ten bits of hours, six, six; zero is 80 00 00
 * - DATE, and the forms of before 5.6, little-endian: 2024-01-02 is the 24-bit number 2024 << 9 | 1 << 5 | 2, TIME the
 *   decimal number hhmmss, DATETIME the decimal number yyyymmddhhmmss, TIMESTAMP seconds.
 * - MariaDB's of before 10.1, mysql56_temporal_format=OFF, which have fractions under the type codes of those just
 *   named (sql/field.cc, Field_*_hires): only information_schema knows of how many digits. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>

static const uint32_t powers[7] = {1, 10, 100, 1000, 10000, 100000, 1000000};

/* -- text: each put_ function returns the end of what it wrote ------------------------------- */

static inline char *put_two_digits(char *p, uint32_t value)
{
    p[0] = (char)('0' + value / 10);
    p[1] = (char)('0' + value % 10);
    return p + 2;
}

static inline char *put_fraction(char *p, uint32_t microsecond, int decimals)
{
    if (decimals <= 0)
        return p;
    uint32_t value = microsecond / powers[6 - decimals];
    *p++ = '.';
    for (int i = decimals; i-- > 0; value /= 10)
        p[i] = (char)('0' + value % 10);
    return p + decimals;
}

static inline char *put_date(char *p, const struct my_time *time)
{
    p = put_two_digits(p, time->year / 100 % 100);
    p = put_two_digits(p, time->year % 100);
    *p++ = '-';
    p = put_two_digits(p, time->month % 100);
    *p++ = '-';
    return put_two_digits(p, time->day % 100);
}

static inline char *put_clock(char *p, const struct my_time *time)
{
    p = put_two_digits(p, time->hour % 100);
    *p++ = ':';
    p = put_two_digits(p, time->minute % 100);
    *p++ = ':';
    return put_two_digits(p, time->second % 100);
}

/* A day of the calendar? Zero and partial dates are none, nor is what ALLOW_INVALID_DATES lets in. */
static bool is_day(const struct my_time *time)
{
    static const uint8_t days[13] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (time->month == 0 || time->month > 12 || time->day == 0)
        return false;
    if (time->day <= 28)
        return true;
    bool leap = time->year % 4 == 0 && (time->year % 100 != 0 || time->year % 400 == 0);
    return time->day <= days[time->month] && (time->month != 2 || time->day == 28 || leap);
}

/* The text without quotes; p has room for 40 bytes. What is no day of the calendar cannot be ISO 8601, and is
 * written as the server does: "2024-02-31 10:00:00", "0000-00-00 00:00:00". */
static char *put_time(char *p, enum my_kind kind, const struct my_time *time, int decimals)
{
    if (kind == MY_KIND_DATE)
        return put_date(p, time);
    if (kind == MY_KIND_TIME) {
        if (time->negative)
            *p++ = '-';
        if (time->hour > 99)
            *p++ = (char)('0' + time->hour / 100 % 10);
        return put_fraction(put_clock(p, time), time->microsecond, decimals);
    }
    bool iso = is_day(time);
    p = put_date(p, time);
    *p++ = iso ? 'T' : ' ';
    p = put_fraction(put_clock(p, time), time->microsecond, decimals);
    if (iso && kind == MY_KIND_TIMESTAMP)
        *p++ = 'Z';
    return p;
}

void my_value_append_time(struct cdc_buf *out, enum my_kind kind, const struct my_time *time, int decimals)
{
    if (!cdc_buf_room(out, 48))
        return;
    char *p = out->data + out->len;
    *p++ = '"';
    p = put_time(p, kind, time, decimals > 6 ? 6 : decimals);
    *p++ = '"';
    out->len = (size_t)(p - out->data);
}

/* -- bytes to struct my_time ---------------------------------------------------------------------- */

/* Seconds since 1970 (at most 32 bits) as a date of the Gregorian calendar, the year begun in March (H. Hinnant,
 * "chrono-compatible low-level date algorithms", civil_from_days). 0 without a fraction is the zero date; MariaDB stores
 * the rest of the first second, too. */
static void from_seconds(struct my_time *time, uint32_t seconds, uint32_t microsecond)
{
    time->microsecond = microsecond;
    if (seconds == 0 && microsecond == 0)
        return;
    uint32_t days = seconds / 86400 + 719468, clock = seconds % 86400;
    uint32_t era = days / 146097, day = days % 146097;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint32_t day_of_year = day - (365 * year + year / 4 - year / 100), month = (5 * day_of_year + 2) / 153;
    time->day = day_of_year - (153 * month + 2) / 5 + 1;
    time->month = month < 10 ? month + 3 : month - 9;
    time->year = year + era * 400 + (time->month <= 2);
    time->hour = clock / 3600;
    time->minute = clock / 60 % 60;
    time->second = clock % 60;
}

/* A fraction in (decimals + 1) / 2 bytes, of 2, 4 or 6 digits: one of an odd number of digits has a 0 at its end.
 * TIME(3) .123 is 04 ce, 1230. */
static uint32_t fraction_of(const uint8_t *p, int decimals)
{
    static const uint32_t unit[4] = {0, 10000, 100, 1};
    int bytes = (decimals + 1) / 2;
    return (uint32_t)cdc_big_endian(p, (size_t)bytes) * unit[bytes];
}

/* A date and time in 40 bits: 17 of 13 * year + month, 5 of the day, 5 of the hour, 6, 6. */
static void from_packed(struct my_time *time, uint64_t whole)
{
    time->second = whole & 63;
    time->minute = whole >> 6 & 63;
    time->hour = whole >> 12 & 31;
    time->day = whole >> 17 & 31;
    whole >>= 22;
    time->month = (uint32_t)(whole % 13);
    time->year = whole < 10000 * 13 ? (uint32_t)whole / 13 : 10000; /* out of range */
}

static void from_packed_clock(struct my_time *time, uint64_t whole)
{
    time->second = whole & 63;
    time->minute = whole >> 6 & 63;
    time->hour = (uint32_t)(whole >> 12);
}

static void from_datetime2(struct my_time *time, const uint8_t *p, int decimals)
{
    from_packed(time, cdc_big_endian(p, 5) - (UINT64_C(1) << 39));
    time->microsecond = fraction_of(p + 5, decimals);
}

/* Sign, ten bits of hours, six and six, and the fraction are one number, which is negated as a whole: -00:00:00.5 as
 * TIME(1) is 7f ff ff ce, that is 80 00 00 00 less 50 hundredths. */
static void from_time2(struct my_time *time, const uint8_t *p, int decimals)
{
    static const uint32_t unit[4] = {0, 10000, 100, 1};
    size_t fraction_bytes = (size_t)(decimals + 1) / 2, shift = 8 * fraction_bytes;
    int64_t value = (int64_t)cdc_big_endian(p, 3 + fraction_bytes) - (INT64_C(0x800000) << shift);
    time->negative = value < 0;
    uint64_t all = value < 0 ? (uint64_t)-value : (uint64_t)value;
    from_packed_clock(time, all >> shift);
    time->microsecond = (uint32_t)(all & ((UINT64_C(1) << shift) - 1)) * unit[fraction_bytes];
}

static void from_date(struct my_time *time, const uint8_t *p)
{
    uint32_t value = (uint32_t)cdc_little_endian(p, 3);
    time->day = value & 31;
    time->month = value >> 5 & 15;
    time->year = value >> 9;
}

/* hhmmss as a signed number of 24 bits: 12:34:56 is 123456, 40 e2 01. */
static void from_old_time(struct my_time *time, const uint8_t *p)
{
    uint32_t value = (uint32_t)cdc_little_endian(p, 3);
    time->negative = value >> 23;
    if (time->negative)
        value = 0x1000000 - value;
    time->second = value % 100;
    time->minute = value / 100 % 100;
    time->hour = value / 10000;
}

/* yyyymmddhhmmss as a number of 64 bits. */
static void from_old_datetime(struct my_time *time, const uint8_t *p)
{
    uint64_t value = cdc_little_endian(p, 8), date = value / 1000000;
    uint32_t clock = (uint32_t)(value % 1000000);
    time->second = clock % 100;
    time->minute = clock / 100 % 100;
    time->hour = clock / 10000;
    time->day = (uint32_t)(date % 100);
    time->month = (uint32_t)(date / 100 % 100);
    time->year = date / 10000 > 10000 ? 10000 : (uint32_t)(date / 10000); /* out of range either way */
}

/* MariaDB: ((((year * 13 + month) * 32 + day) * 24 + hour) * 60 + minute) * 60 + second and the fraction, as one number
 * in units of the last digit. */
static void from_mixed(struct my_time *time, uint64_t value, int decimals)
{
    time->microsecond = (uint32_t)(value % powers[decimals]) * powers[6 - decimals];
    value /= powers[decimals];
    time->second = (uint32_t)(value % 60);
    time->minute = (uint32_t)(value / 60 % 60);
    time->hour = (uint32_t)(value / 3600 % 24);
    value /= UINT64_C(3600) * 24;
    time->day = (uint32_t)(value % 32);
    time->month = (uint32_t)(value / 32 % 13);
    value /= 32 * 13;
    time->year = value > 10000 ? 10000 : (uint32_t)value;
}

/* The same for TIME: hours up to 838, and zero in the middle of the range. */
static void from_mixed_clock(struct my_time *time, const uint8_t *p, size_t n, int decimals)
{
    int64_t zero = INT64_C(3020400) * powers[decimals];
    int64_t value = (int64_t)cdc_big_endian(p, n) - zero;
    time->negative = value < 0;
    uint64_t all = value < 0 ? (uint64_t)-value : (uint64_t)value;
    time->microsecond = (uint32_t)(all % powers[decimals]) * powers[6 - decimals];
    all /= powers[decimals];
    time->second = (uint32_t)(all % 60);
    time->minute = (uint32_t)(all / 60 % 60);
    time->hour = (uint32_t)(all / 3600);
}

/* -- a column's value ------------------------------------------------------------------ */

static const uint8_t mixed_time_sizes[7] = {3, 4, 4, 5, 5, 5, 6}, mixed_datetime_sizes[7] = {8, 6, 6, 7, 7, 7, 8};

size_t my_temporal_size(const struct my_column *column)
{
    if (column->decimals < 0 || column->decimals > 6)
        return 0;
    size_t fraction = (size_t)(column->decimals + 1) / 2;
    bool old = column->kind == MY_KIND_OLD_TEMPORAL;
    switch (column->type) {
    case MY_TYPE_DATE: return 3;
    case MY_TYPE_TIME2: return 3 + fraction;
    case MY_TYPE_DATETIME2: return 5 + fraction;
    case MY_TYPE_TIMESTAMP2: return 4 + fraction;
    case MY_TYPE_TIME: return old ? mixed_time_sizes[column->decimals] : 3;
    case MY_TYPE_DATETIME: return old ? mixed_datetime_sizes[column->decimals] : 8;
    case MY_TYPE_TIMESTAMP: return old ? 4 + fraction : 4;
    default: return 0;
    }
}

/* The forms of before 5.6; those with a fraction are MariaDB's. Returns what the value is. */
static enum my_kind from_old(struct my_time *time, uint8_t type, const uint8_t *p, size_t n, int decimals)
{
    if (type == MY_TYPE_TIME) {
        if (decimals == 0)
            from_old_time(time, p);
        else
            from_mixed_clock(time, p, n, decimals);
        return MY_KIND_TIME;
    }
    if (type == MY_TYPE_DATETIME) {
        if (decimals == 0)
            from_old_datetime(time, p);
        else
            from_mixed(time, cdc_big_endian(p, n), decimals);
        return MY_KIND_DATETIME;
    }
    if (decimals == 0) {
        from_seconds(time, (uint32_t)cdc_little_endian(p, 4), 0);
    } else { /* the fraction counts units of its last digit here */
        uint64_t fraction = cdc_big_endian(p + 4, n - 4);
        from_seconds(time, (uint32_t)cdc_big_endian(p, 4), /* powers[6]: out of range, refused below */
                     fraction < powers[decimals] ? (uint32_t)fraction * powers[6 - decimals] : powers[6]);
    }
    return MY_KIND_TIMESTAMP;
}

static bool in_range(enum my_kind kind, const struct my_time *time)
{
    uint32_t hours = kind == MY_KIND_TIME ? 838 : 23;
    return time->year <= 9999 && time->month <= 12 && time->day <= 31 && time->hour <= hours && time->minute < 60 &&
           time->second < 60 && time->microsecond < powers[6];
}

int my_temporal_append(struct cdc_buf *out, const struct my_column *column, const uint8_t *p, size_t n,
                       struct cdc_error *error)
{
    struct my_time time = {0};
    enum my_kind kind = column->kind;
    int decimals = column->decimals;
    switch (column->type) {
    case MY_TYPE_DATE: from_date(&time, p); break;
    case MY_TYPE_TIME2: from_time2(&time, p, decimals); break;
    case MY_TYPE_DATETIME2: from_datetime2(&time, p, decimals); break;
    case MY_TYPE_TIMESTAMP2: from_seconds(&time, (uint32_t)cdc_big_endian(p, 4), fraction_of(p + 4, decimals)); break;
    default: kind = from_old(&time, column->type, p, n, decimals);
    }
    if (!in_range(kind, &time))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "column %s: no date or time in the bytes of the log",
                             column->name == NULL ? "?" : column->name);
    my_value_append_time(out, kind, &time, decimals);
    return 0;
}

bool my_temporal_append_packed(struct cdc_buf *out, enum my_kind kind, int64_t packed)
{
    struct my_time time = {0};
    time.negative = packed < 0;
    uint64_t all = packed < 0 ? -(uint64_t)packed : (uint64_t)packed;
    time.microsecond = (uint32_t)(all & 0xffffff);
    if (kind == MY_KIND_TIME)
        from_packed_clock(&time, all >> 24);
    else
        from_packed(&time, all >> 24);
    if (!in_range(kind, &time) || !cdc_buf_room(out, 48))
        return false;
    char *p = out->data + out->len;
    if (kind != MY_KIND_TIME) {
        p = put_date(p, &time);
        if (kind != MY_KIND_DATE)
            *p++ = ' ';
    }
    if (kind == MY_KIND_TIME)
        p = put_time(p, kind, &time, 6);
    else if (kind != MY_KIND_DATE)
        p = put_fraction(put_clock(p, &time), time.microsecond, 6);
    out->len = (size_t)(p - out->data);
    return true;
}
