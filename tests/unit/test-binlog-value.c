/* SPDX-License-Identifier: MIT */
/* Values of MySQL's and MariaDB's binary log as JSON. */
#include "binlog-values.h"

#include <math.h>
#include <time.h>

static void test_integers(void)
{
    integer(MY_TYPE_TINY, false, &plain, "80", "-128");
    integer(MY_TYPE_TINY, true, &plain, "ff", "255");
    integer(MY_TYPE_SHORT, false, &plain, "0080", "-32768");
    integer(MY_TYPE_SHORT, true, &plain, "ffff", "65535");
    integer(MY_TYPE_INT24, false, &plain, "000080", "-8388608");
    integer(MY_TYPE_INT24, true, &plain, "ffffff", "16777215");
    integer(MY_TYPE_LONG, false, &plain, "00000080", "-2147483648");
    integer(MY_TYPE_LONG, true, &plain, "00286bee", "4000000000");
    integer(MY_TYPE_LONGLONG, false, &plain, "0000000000000080", "-9223372036854775808");
    integer(MY_TYPE_LONGLONG, false, &plain, "ffffffffffffff7f", "9223372036854775807");
    integer(MY_TYPE_LONGLONG, true, &plain, "ffffffffffffffff", "18446744073709551615");
    integer(MY_TYPE_LONGLONG, false, &plain, "0000000000000000", "0");
    integer(MY_TYPE_LONGLONG, false, &other, "0000000000002000", "9007199254740992");
    integer(MY_TYPE_LONGLONG, false, &other, "0100000000002000", "\"9007199254740993\"");
    integer(MY_TYPE_LONGLONG, false, &other, "ffffffffffffdfff", "\"-9007199254740993\"");
    integer(MY_TYPE_LONGLONG, true, &other, "ffffffffffffffff", "\"18446744073709551615\"");
    mysql(MY_TYPE_YEAR, 0, "7c", "2024");
    mysql(MY_TYPE_YEAR, 0, "ff", "2155");
    mysql(MY_TYPE_YEAR, 0, "00", "0");
    mysql(MY_TYPE_BIT, 1, "01", "true");
    mysql(MY_TYPE_BIT, 1, "00", "false");
    mysql(MY_TYPE_BIT, 3, "05", "\"101\"");
    mysql(MY_TYPE_BIT, 0x0102, "0180", "\"0110000000\"");
    mysql(MY_TYPE_BIT, 0x0800, "8000000000000001",
          "\"1000000000000000000000000000000000000000000000000000000000000001\"");
}

static void number(double number, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    my_value_append_double(&out, number);
    cdc_buf_byte(&out, '\0');
    check(strcmp(out.data, want) == 0, "a double", out.data, want);
    cdc_buf_free(&out);
}

static void single(float number, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    my_value_append_float(&out, number);
    cdc_buf_byte(&out, '\0');
    check(strcmp(out.data, want) == 0, "a float", out.data, want);
    cdc_buf_free(&out);
}

/* Whatever the number, its text reads back the same. */
static void test_round_trips(void)
{
    uint64_t state = 1;
    int wrong = 0;
    for (int i = 0; i < 200000; i++) {
        struct cdc_buf out = CDC_BUF_INIT;
        double value;
        float half;
        uint32_t low;
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = state ^ state >> 29;
        low = (uint32_t)(bits >> 16);
        memcpy(&value, &bits, sizeof value);
        memcpy(&half, &low, sizeof half);
        if (i % 2 == 0) { /* few digits */
            value = (double)(bits % 1000000) / 1000;
            half = (float)value;
        }
        if (!isfinite(value) || !isfinite(half))
            continue;
        my_value_append_double(&out, value);
        cdc_buf_byte(&out, '\0');
        wrong += strtod(out.data, NULL) != value;
        out.len = 0;
        my_value_append_float(&out, half);
        cdc_buf_byte(&out, '\0');
        wrong += strtof(out.data, NULL) != half;
        cdc_buf_free(&out);
    }
    check(wrong == 0, "numbers read back the same", "", "");
}

static void test_floats(void)
{
    number(0, "0");
    number(-0.0, "-0");
    number(1, "1");
    number(-1.5, "-1.5");
    number(0.1, "0.1");
    number(0.1 + 0.2, "0.30000000000000004");
    number(1e14, "100000000000000");
    number(1e15, "1e15");
    number(1e22, "1e22");
    number(1e23, "1e23");
    number(123456789012345.5, "123456789012345.5");
    number(9007199254740993.0, "9.007199254740992e15");
    number(1e-15, "0.000000000000001");
    number(1e-16, "1e-16");
    number(5e-324, "5e-324");
    number(2.2250738585072014e-308, "2.2250738585072014e-308");
    number(1.7976931348623157e308, "1.7976931348623157e308");
    number(5.684341886080802e-14, "0.00000000000005684341886080802"); /* a power of two */
    number(9007199254740992.0 * 1024, "9.223372036854776e18");
    number(9007199254740.5, "9007199254740.5");
    number((double)NAN, "\"NaN\"");
    number(-(double)INFINITY, "\"-Infinity\"");
    single(0.1f, "0.1");
    single(16777216, "16777216");
    single(123456792, "123456790");
    single(3.4028235e38f, "3.4028235e38");
    single(1e-45f, "1e-45");
    single(1.17549435e-38f, "1.1754944e-38");
    single(1.0f / 3, "0.33333334");
    single(-2.5f, "-2.5");
    mysql(MY_TYPE_FLOAT, 4, "0000c03f", "1.5");
    mysql(MY_TYPE_DOUBLE, 8, "000000000000f0bf", "-1");
    mysql(MY_TYPE_DOUBLE, 8, "000000000000f87f", "\"NaN\"");
    test_round_trips();
}

static void test_decimals(void)
{
    struct cdc_buf out = CDC_BUF_INIT;
    mysql(MY_TYPE_DECIMAL, 14 | 4 << 8, "7ef204c72dfb2d", "\"-1234567890.1234\"");
    mysql(MY_TYPE_DECIMAL, 5 | 2 << 8, "800000", "\"0.00\"");
    mysql(MY_TYPE_DECIMAL, 5 | 2 << 8, "7fffcd", "\"-0.50\"");
    mysql(MY_TYPE_DECIMAL, 3 | 3 << 8, "81f4", "\"0.500\"");
    mysql(MY_TYPE_DECIMAL, 10, "8000000007", "\"7\"");
    mysql(MY_TYPE_DECIMAL, 1, "89", "\"9\"");
    mysql(MY_TYPE_DECIMAL, 18 | 9 << 8, "8000000000000001", "\"0.000000001\"");
    mysql(MY_TYPE_DECIMAL, 20, "8b3ade68b13ade68b1", "\"11987654321987654321\"");
    mysql(MY_TYPE_DECIMAL, 65, "e33b9ac9ff3b9ac9ff3b9ac9ff3b9ac9ff3b9ac9ff3b9ac9ff3b9ac9ff",
          "\"99999999999999999999999999999999999999999999999999999999999999999\"");
    mysql(MY_TYPE_DECIMAL, 2, "ff", NULL); /* 127 in two digits */
    /* A group of nine digits, nine and two after the point: each at its last value, and one more. */
    mysql(MY_TYPE_DECIMAL, 20 | 11 << 8, "bb9ac9ff3b9ac9ff63", "\"999999999.99999999999\"");
    mysql(MY_TYPE_DECIMAL, 20 | 11 << 8, "bb9aca003b9ac9ff63", NULL);
    mysql(MY_TYPE_DECIMAL, 20 | 11 << 8, "bb9ac9ff3b9aca0063", NULL);
    mysql(MY_TYPE_DECIMAL, 20 | 11 << 8, "bb9ac9ff3b9ac9ff64", NULL);
    mysql(MY_TYPE_DECIMAL, 27 | 18 << 8, "bb9ac9ffffffffff3b9ac9ff", NULL);
    struct my_column column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_DECIMAL, 14 | 4 << 8, NULL, NULL);
    value_with(&column, &other, "7ef204c72dfb2d", "-1234567890.1234");
    my_column_free(&column);
    static const char *const texts[][2] = {
        {"0012.50", "12.50"}, {"-000.5", "-0.5"}, {"000", "0"}, {"7", "7"}, {"0.0", "0.0"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        out.len = 0;
        my_value_append_decimal(&out, cdc_span_text(texts[i][0]), &other);
        cdc_buf_byte(&out, '\0');
        check(strcmp(out.data, texts[i][1]) == 0, texts[i][0], out.data, texts[i][1]);
    }
    cdc_buf_free(&out);
}

static void test_texts(void)
{
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf8mb4", NULL, "00", "\"\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf8mb4", NULL, "05c3bc2261ff", "{\"base64\":\"w7wiYf8=\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf8mb4", NULL, "04c3bc2261", "\"\xc3\xbc\\\"a\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 400, "utf8mb4", NULL, "0300610a62", "\"a\\nb\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, NULL, NULL, "02c3bc", "\"\xc3\xbc\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "latin1", NULL, "03fc8081", "\"\xc3\xbc\xe2\x82\xac\xc2\x81\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "ascii", NULL, "01e9", "{\"base64\":\"6Q==\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf16", NULL, "060061d83dde00", "\"a\xf0\x9f\x98\x80\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf16le", NULL, "0661003dd800de", "\"a\xf0\x9f\x98\x80\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf16", NULL, "02d83d", "{\"base64\":\"2D0=\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "ucs2", NULL, "0220ac", "\"\xe2\x82\xac\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "ucs2", NULL, "0320ac00", "{\"base64\":\"IKwA\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf32", NULL, "040001f600", "\"\xf0\x9f\x98\x80\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "utf32", NULL, "0400110000", "{\"base64\":\"ABEAAA==\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "sjis", NULL, "0782a05cb1815f7e",
          "\"\xe3\x81\x82\\\\\xef\xbd\xb1\\\\~\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "cp932", NULL, "02815f", "\"\xef\xbc\xbc\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "ujis", NULL, "05a4a28fa2b7", "\"\xe3\x81\x82~\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "gb18030", NULL, "0881308130c4e36161",
          "\"\xc2\x80\xe4\xbd\xa0"
          "aa\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "gbk", NULL, "02c4e3", "\"\xe4\xbd\xa0\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "gbk", NULL, "01c4", "{\"base64\":\"xA==\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "big5", NULL, "04a741c6a5", "\"\xe4\xbd\xa0\xe3\x81\x81\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "euckr", NULL, "04b0a18141", "\"\xea\xb0\x80\xea\xb0\x82\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "swe7", NULL, "025b61",
          "\"\xc3\x84"
          "a\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "koi8r", NULL, "01c1", "\"\xd0\xb0\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 40, "hebrew", NULL, "01a1", "{\"base64\":\"oQ==\"}");
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 280, "utf8mb4", NULL,
          "0100"
          "61",
          "\"a\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_BLOB, 2, "utf8mb4", NULL,
          "0200"
          "6162",
          "\"ab\"");
    for (size_t n = 1; n < 40; n++) { /* something special at every place */
        char text[48], want[64];
        struct cdc_buf out = CDC_BUF_INIT;
        uint64_t unconvertible = 0;
        memset(text, 'x', n);
        text[n - 1] = '\\';
        snprintf(want, sizeof want, "\"%.*s\\\\\"", (int)n - 1, text);
        uint8_t *copy = exact_copy((uint8_t *)text, n);
        my_charset_append(&out, my_charset_of(255), copy, n, &unconvertible);
        cdc_buf_byte(&out, '\0');
        check(strcmp(out.data, want) == 0, "a backslash in a text", out.data, want);
        cdc_buf_free(&out);
        free(copy);
    }
}

static void test_binary(void)
{
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 4, "binary", NULL, "0161", "\"YQAAAA==\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 1, "binary", NULL, "00", "\"AA==\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 3, "binary", NULL, "03616263", "\"YWJj\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 8, "binary", NULL, "0461626364", "\"YWJjZAAAAAA=\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 9, "binary", NULL, "03616263", "\"YWJjAAAAAAAA\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_VARCHAR, 4, "binary", NULL, "0161", "\"YQ==\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_BLOB, 1, "binary", NULL, "0200ff", "\"AP8=\"");
    value(MY_FLAVOR_MYSQL, MY_TYPE_BLOB, 4, NULL, "longblob", "020000006162", "\"YWI=\"");
    mysql(MY_TYPE_GEOMETRY, 4,
          "19000000e6100000010100000000000000000000"
          "40000000000000f03f",
          "{\"srid\":4326,\"wkb\":\"AQEAAAAAAAAAAAAAQAAAAAAAAPA/\"}");
    mysql(MY_TYPE_GEOMETRY, 4, "00000000", "null");
    mysql(MY_TYPE_GEOMETRY, 4, "03000000010203", NULL);
    mysql(MY_TYPE_VECTOR, 4, "080000000000803f00000040", "[1,2]");
    mysql(MY_TYPE_VECTOR, 4, "00000000", "[]");
    mysql(MY_TYPE_VECTOR, 4, "050000000000803f00", NULL);
}

static void test_lists(void)
{
    static const char *const labels[] = {"a", "b\"", "\xc3\xbc"};
    struct my_column column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_ENUM, 1, "latin1", NULL);
    set_labels(&column, 3, labels);
    value_with(&column, &plain, "01", "\"a\"");
    value_with(&column, &plain, "02", "\"b\\\"\"");
    value_with(&column, &plain, "00", "\"\"");
    value_with(&column, &plain, "04", NULL);
    my_column_free(&column);
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_SET, 1, "latin1", NULL);
    set_labels(&column, 3, labels);
    value_with(&column, &plain, "00", "\"\"");
    value_with(&column, &plain, "07", "\"a,b\\\",\xc3\xbc\"");
    value_with(&column, &plain, "04", "\"\xc3\xbc\"");
    value_with(&column, &plain, "08", NULL);
    my_column_free(&column);
    static const char *const with_none[] = {"", "b", "c"}; /* as the servers print them */
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_SET, 1, "latin1", NULL);
    set_labels(&column, 3, with_none);
    value_with(&column, &plain, "01", "\"\"");
    value_with(&column, &plain, "03", "\"b\"");
    value_with(&column, &plain, "07", "\"b,c\"");
    my_column_free(&column);
    /* Of a table that was in utf16, and converted. */
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_SET, 1, "utf8mb4", NULL);
    set_labels(&column, 3, labels);
    memcpy((char *)(uintptr_t)column.labels[1].p, "\0b", 2);
    value_with(&column, &plain, "02", "\"\\u0000b\"");
    value_with(&column, &plain, "07", "\"a,\\u0000b,\xc3\xbc\"");
    my_column_free(&column);
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_ENUM, 1, "utf8mb4", NULL);
    set_labels(&column, 3, labels);
    memcpy((char *)(uintptr_t)column.labels[1].p, "\0b", 2);
    value_with(&column, &plain, "02", "\"\\u0000b\"");
    my_column_free(&column);
    static const char *const bytes[] = {"\xfe", "q"};
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_SET, 1, "binary", NULL);
    set_labels(&column, 2, bytes);
    value_with(&column, &plain, "03", "{\"base64\":\"/ixx\"}");
    value_with(&column, &plain, "02", "\"q\"");
    my_column_free(&column);
    column = column_of(MY_FLAVOR_MYSQL, MY_TYPE_SET, 8, "latin1", NULL);
    static const char *many[64];
    for (size_t i = 0; i < 64; i++)
        many[i] = i == 63 ? "last" : "x";
    set_labels(&column, 64, many);
    value_with(&column, &plain, "0100000000000080", "\"x,last\"");
    my_column_free(&column);
}

static void test_mariadb_types(void)
{
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "latin1", "json", "070000005b22e9222c315d", "[\"\xc3\xa9\",1]");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf16", "json", "06000000005b0031005d", "[1]");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf16", "json", "03000000005b00", "{\"base64\":\"AFsA\"}");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf16", "json", "00000000", "\"\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "uuid", "0e550e8400e29b41d4a71644665544",
          "\"550e8400-e29b-41d4-a716-446655440000\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "uuid", "00", "\"00000000-0000-0000-0000-000000000000\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6", "1020010db8000000000000000000000001",
          "\"2001:db8::1\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6", "00", "\"::\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6",
          "0220"
          "01",
          "\"2001::\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6", "1000000000000000000000ffff01020304",
          "\"::ffff:1.2.3.4\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6", "1000010000000300000005000600070008",
          "\"1::3:0:5:6:7:8\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6", "10fe80000000000000ffffffffffffffff",
          "\"fe80::ffff:ffff:ffff:ffff\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 4, "binary", "inet4", "017f", "\"127.0.0.0\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "uuid", "1100112233445566778899aabbccddeeff00", NULL);
    value(MY_FLAVOR_MARIADB, MY_TYPE_VARCHAR, 8, "binary", "vector(2)", "080000803f00000040", "[1,2]");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf8mb4", "json", "0a0000007b2261223a205b315d7d", "{\"a\":[1]}");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf8mb4", "json", "020000007b22", "\"{\\\"\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_BLOB, 4, "utf8mb4", "longtext", "020000007b7d", "\"{}\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_VARCHAR_COMPRESSED, 21, "latin1", "varchar(20)", "0400616263", "\"abc\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_VARCHAR_COMPRESSED, 21, "latin1", "varchar(20)", "00", "\"\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_VARCHAR_COMPRESSED, 201, "latin1", "varchar(200)",
          "0e8164789c4b4ca43d00007a4725e5",
          "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_VARCHAR_COMPRESSED, 201, "latin1", "varchar(200)",
          "0e8163789c4b4ca43d00007a4725e5", NULL);
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_BLOB_COMPRESSED, 2, "binary", "blob", "0a008a012c4b4a1a05c40200",
          "\"YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYm"
          "JiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYm"
          "JiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYm"
          "JiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJi\"");
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_BLOB_COMPRESSED, 2, "latin1", "blob",
          "0500"
          "84ffffffff",
          NULL);
    value(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_BLOB_COMPRESSED, 2, "latin1", "blob",
          "0200"
          "7001",
          NULL);
}

/* -- whole rows that servers wrote ----------------------------------------------------------- */

/* A row without NULLs: every value, one a line. */
static void row(struct my_column *columns, size_t n, const char *hex, const char *want)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    uint64_t unconvertible = 0;
    size_t size;
    uint8_t *bytes = bytes_of(hex, &size);
    for (size_t length = 0; length <= size; length++) {
        uint8_t *copy = exact_copy(bytes, length);
        struct cdc_bytes cursor = {copy, copy + length, false};
        int result = 0;
        out.len = 0;
        error = (struct cdc_error){0};
        for (size_t i = 0; i < n && result == 0; i++) {
            result = my_value_append(&out, &columns[i], &cursor, &plain, &unconvertible, &error);
            cdc_buf_byte(&out, '\n');
        }
        if (length < size && (result == 0 || error.status != CDC_EXIT_PROTOCOL))
            check(false, "a row that is truncated is an error", "", "");
        if (length == size)
            check(result == 0 && cursor.p == cursor.end, "a whole row", error.text, "");
        free(copy);
    }
    cdc_buf_byte(&out, '\0');
    check(strcmp(out.data, want) == 0, "its values", out.data, want);
    for (size_t i = 0; i < n; i++)
        my_column_free(&columns[i]);
    free(bytes);
    cdc_buf_free(&out);
}

static void test_mysql_row(void)
{
    static const char *const labels[] = {"a", "b"};
    struct my_column columns[] = {
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_LONG, 0, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_TIME2, 3, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_TIME2, 6, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_DECIMAL, 14 | 4 << 8, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_STRING, 3, "latin1", NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_ENUM, 1, "latin1", NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_GEOMETRY, 4, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_VECTOR, 4, "binary", NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_LONG, 0, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_JSON, 4, NULL, NULL),
        column_of(MY_FLAVOR_MYSQL, MY_TYPE_BIT, 3, NULL, NULL),
    };
    columns[0].is_unsigned = true;
    set_labels(&columns[5], 2, labels);
    row(columns, 11,
        "00286bee7ffffeec784b9105ffffff7ef204c72dfb2d036162630219000000e610000001010000000000000000000040000000000000f0"
        "3f080000000000803f0000004005000000a5000000" DOCUMENT "05",
        "4000000000\n\"-00:00:01.500\"\n\"-838:59:58.000001\"\n\"-1234567890.1234\"\n\"abc\"\n\"b\"\n"
        "{\"srid\":4326,\"wkb\":\"AQEAAAAAAAAAAAAAQAAAAAAAAPA/\"}\n[1,2]\n5\n" DOCUMENT_TEXT "\n\"101\"\n");
}

static void test_mariadb_row(void)
{
    static const char *const labels[] = {"a", "b"};
    struct my_column columns[] = {
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_LONG, 0, NULL, "int(10) unsigned"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "inet6"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 16, "binary", "uuid"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_TIME2, 3, NULL, "time(3)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_TIME2, 6, NULL, "time(6)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_DECIMAL, 14 | 4 << 8, NULL, "decimal(14,4)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_STRING, 3, "latin1", "char(3)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_ENUM, 1, "latin1", "enum('a','b')"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_GEOMETRY, 4, "binary", "geometry"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_MARIADB_VARCHAR_COMPRESSED, 21, "latin1", "varchar(20)"),
    };
    columns[0].is_unsigned = true;
    set_labels(&columns[7], 2, labels);
    row(columns, 10,
        "00286bee1020010db80000000000000000000000010e550e8400e29b41d4a716446655447ffffeec784b9104ffffff7ef204c72dfb2d03"
        "6162630219000000e61000000101000000000000000000f03f00000000000000401500616161616161616161616161616161616161616"
        "1",
        "4000000000\n\"2001:db8::1\"\n\"550e8400-e29b-41d4-a716-446655440000\"\n\"-00:00:01.500\"\n"
        "\"-838:59:59.000001\"\n\"-1234567890.1234\"\n\"abc\"\n\"b\"\n"
        "{\"srid\":4326,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\"}\n\"aaaaaaaaaaaaaaaaaaaa\"\n");
}

/* MariaDB with mysql56_temporal_format=OFF: all there is in both precisions. */
static void test_old_row(void)
{
    struct my_column columns[] = {
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_LONG, 0, NULL, "int(11)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, "datetime"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_TIMESTAMP, 0, NULL, "timestamp"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_TIME, 0, NULL, "time"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_DATETIME, 0, NULL, "datetime(3)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_TIME, 0, NULL, "time(3)"),
        column_of(MY_FLAVOR_MARIADB, MY_TYPE_DATE, 0, NULL, "date"),
    };
    struct my_column again[7];
    for (size_t i = 0; i < 7; i++) {
        again[i] = columns[i];
        again[i].type_name = cdc_span_copy(cdc_span_text(columns[i].type_name));
    }
    row(columns, 7, "01000000457c178468120000257d936525d8ff00422a83bcc32e00b3ced4c0000000",
        "1\n\"2024-01-02T03:04:05\"\n\"2024-01-02T03:04:05Z\"\n\"-01:02:03\"\n\"2024-01-02T03:04:05.678\"\n"
        "\"-01:02:03.456\"\n\"0000-00-00\"\n");
    row(again, 7, "02000000000000000000000000000000000000004229d3fc000000b407a58040d00f",
        "2\n\"0000-00-00 00:00:00\"\n\"0000-00-00 00:00:00\"\n\"00:00:00\"\n\"2024-00-00 00:00:00.000\"\n"
        "\"00:00:00.000\"\n\"2024-02-00\"\n");
}

/* -- charsets, columns ------------------------------------------------------------------------------ */

static void test_charsets(void)
{
    static const struct {
        unsigned collation;
        const char *name;
        unsigned longest;
    } known[] = {{8, "latin1", 1},    {33, "utf8mb3", 3},   {45, "utf8mb4", 4},   {63, "binary", 1},
                 {255, "utf8mb4", 4}, {309, "utf8mb4", 4},  {248, "gb18030", 4},  {54, "utf16", 4},
                 {1032, "latin1", 1}, {1069, "utf8mb4", 4}, {2048, "utf8mb3", 3}, {2304, "utf8mb4", 4},
                 {2560, "ucs2", 2},   {2816, "utf16", 4},   {3072, "utf32", 4},   {12, "ujis", 3},
                 {576, "utf8mb3", 3}, {47, "latin1", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct my_charset *charset = my_charset_of(known[i].collation);
        check(charset && strcmp(my_charset_name(charset), known[i].name) == 0 &&
                  my_charset_longest(charset) == known[i].longest &&
                  my_charset_is_binary(charset) == (known[i].collation == 63),
              "a collation", charset ? my_charset_name(charset) : "", known[i].name);
    }
    check(my_charset_of(0) == NULL && my_charset_of(500) == NULL && my_charset_of(65535) == NULL,
          "ids that no collation has", "", "");
    check(my_charset_named("utf8mb4_0900_ai_ci") == my_charset_of(255), "a collation's name", "", "");
    check(my_charset_named("utf8_general_ci") == my_charset_of(33), "utf8 is utf8mb3", "", "");
    check(my_charset_named("klingon") == NULL && my_charset_named("") == NULL, "no charset", "", "");
}

static void refused(unsigned type, unsigned metadata, int status)
{
    struct my_column column = {.type = (uint8_t)type, .metadata = (uint16_t)metadata};
    struct cdc_error error = {0};
    check(my_column_resolve(&column, MY_FLAVOR_MYSQL, &error) < 0 && error.status == status, "a column that is none",
          error.text, "");
}

static void test_columns(void)
{
    static const struct {
        unsigned type, most;
    } sized[] = {{MY_TYPE_BLOB, 4},  {MY_TYPE_MARIADB_BLOB_COMPRESSED, 4},
                 {MY_TYPE_ENUM, 2},  {MY_TYPE_SET, 8},
                 {MY_TYPE_JSON, 4},  {MY_TYPE_GEOMETRY, 4},
                 {MY_TYPE_VECTOR, 4}};
    for (size_t i = 0; i < sizeof sized / sizeof *sized; i++) {
        refused(sized[i].type, 0, CDC_EXIT_PROTOCOL);
        refused(sized[i].type, sized[i].most + 1, CDC_EXIT_PROTOCOL);
    }
    refused(MY_TYPE_DECIMAL_OLD, 0, CDC_EXIT_CONFIG);
    refused(200, 0, CDC_EXIT_CONFIG);
    refused(MY_TYPE_DECIMAL, 66, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_DECIMAL, 5 | 6 << 8, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_TIME2, 7, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_BLOB, 5, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_ENUM, 3, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_BIT, 0x0801, CDC_EXIT_PROTOCOL);
    refused(MY_TYPE_BIT, 0, CDC_EXIT_PROTOCOL);
}

int main(void)
{
    test_integers();
    test_floats();
    test_decimals();
    test_texts();
    test_binary();
    test_lists();
    test_mariadb_types();
    test_mysql_row();
    test_mariadb_row();
    test_old_row();
    test_charsets();
    test_columns();
    return failures ? 1 : 0;
}
