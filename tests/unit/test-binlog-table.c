/* SPDX-License-Identifier: MIT */
/* What a TABLE_MAP tells beyond the types of columns, each part of it damaged; and what of a table of MariaDB is not in lines. */
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/no-memory.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* -- the optional part -- */

/* t(n INT, e ENUM, s SET, v VARCHAR, d DECIMAL, b BLOB), with the fields before, and n bytes of that one. */
static struct cdc_bytes map_with(const char *before, const char *field, size_t n)
{
    start();
    put_hex("120000000000010001640001740006"
            "03fefe0ff6fc"
            "09f701f8013c000a0202"
            "3f");
    put_hex(before);
    put((uint64_t)(digit(field[0]) << 4 | digit(field[1])), 1);
    put(n, 1);
    for (size_t i = 0; i < n; i++)
        put((uint64_t)(digit(field[2 + 2 * i]) << 4 | digit(field[3 + 2 * i])), 1);
    return whole();
}

/* RETURNS NEW */
static struct my_table *table_with(const char *before, const char *field, size_t n, struct cdc_error *error)
{
    return my_table_new(map_with(before, field, n), MY_FLAVOR_MYSQL, error);
}

/* field: its type, and its value without the length before it; good: the lengths at which it may end besides the whole one, a
 * digit each. */
static void check_field(const char *what, const char *before, const char *field, const char *good)
{
    size_t size = strlen(field) / 2 - 1;
    struct my_table *table = table_with(before, field, size, NULL);
    bool as_it_should = table != NULL;
    my_table_free(table);
    for (size_t n = 0; n < size; n++) {
        struct cdc_error error = {0};
        bool may = strchr(good, '0' + (int)n) != NULL;
        table = table_with(before, field, n, &error);
        if ((table != NULL) != may || (table == NULL && error.status != CDC_EXIT_PROTOCOL)) {
            as_it_should = false;
            printf("# %zu of %zu bytes: %s\n", n, size, table ? "taken" : error.text);
        }
        my_table_free(table);
    }
    check(as_it_should, what);
}

static void test_damaged_fields(void)
{
    check_field("which numbers are unsigned, truncated", "", "0180", "");
    check_field("one charset and exceptions, truncated", "", "0208012d", "1");
    check_field("charsets, truncated", "", "03082d", "");
    check_field("names, truncated", "", "04016e01650173017601640162", "");
    check_field("labels of a SET, truncated", "0b022d2d", "05020161026263", "");
    check_field("labels of an ENUM, truncated", "0b022d2d", "06020161026263", "");
    check_field("labels without a charset, truncated", "", "06020161026263", "");
    check_field("columns of the key, truncated", "", "08fc0000fc0300", "03");
    check_field("and prefixes, truncated", "", "0900000305", "02");
    check_field("one charset of labels and exceptions, truncated", "", "0a08012d", "1");
    check_field("charsets of labels, truncated", "", "0b082d", "");
    check_field("which columns are visible, truncated", "", "0cfc", "");
}

/* With more than there can be. */
static void test_hostile_fields(void)
{
    static const struct {
        const char *field, *what;
    } cases[] = {
        {"0806", "a key of a column that there is not"},
        {"090600", "and with a prefix"},
        {"06fbfb", "a number of labels that is none"},
        {"06fd00000161", "65536 labels"},
        {"060261", "more labels than bytes"},
        {"060102", "a label that is longer than its field"},
        {"0401ff016501730176016401ff", "a name that is no UTF-8"},
        {"040100016501730176016401ff", "a name that has a NUL"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cdc_error error = {0};
        struct my_table *table = table_with("0b022d2d", cases[i].field, strlen(cases[i].field) / 2 - 1, &error);
        check(!table && error.status == CDC_EXIT_PROTOCOL, cases[i].what);
        my_table_free(table);
    }
}

/* Each of no bytes. */
static bool takes_labels(unsigned n)
{
    struct cdc_error error = {0};
    struct cdc_buf fields = CDC_BUF_INIT;
    cdc_buf_printf(&fields, "0b022d2d06fd%02x%02x%02xfd%02x%02x%02x", (n + 4) & 0xff, (n + 4) >> 8 & 0xff,
                   (n + 4) >> 16, n & 0xff, n >> 8 & 0xff, n >> 16);
    for (unsigned i = 0; i < n; i++)
        cdc_buf_lit(&fields, "00");
    cdc_buf_byte(&fields, '\0');
    struct my_table *table = table_with(fields.data, "0800", 1, &error);
    bool taken = table != NULL;
    check(taken || error.status == CDC_EXIT_PROTOCOL, "labels");
    my_table_free(table);
    cdc_buf_free(&fields);
    return taken;
}

static int make_table(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_bytes map =
        map_with("0b022d2d05050201610162060502016301640801000c01e0", "04016e01650173017601640162", 12);
    memory_begin();
    struct my_table *table = my_table_new(map, MY_FLAVOR_MYSQL, error);
    int result =
        table ? my_table_prepare(table, MY_FLAVOR_MYSQL, "p", &(struct cdc_selection){.any_case = false}, error) : -1;
    if (result == 0)
        my_table_schema_line(out, table, cdc_span_text("1"), 2, 3, cdc_span_text("}"));
    my_table_free(table);
    memory_end();
    return out->failed ? cdc_error_memory(error) : result;
}

/* -- MariaDB's own columns -- */

enum { BINARY = 63, UTF8 = 45, UNKNOWN = 0 };

#define TIME_6(...)                                                                                                    \
    {                                                                                                                  \
        .type = MY_TYPE_TIMESTAMP2, .metadata = 6, __VA_ARGS__                                                         \
    }
#define HASH(...)                                                                                                      \
    {                                                                                                                  \
        .type = MY_TYPE_LONGLONG, .is_unsigned = true, __VA_ARGS__                                                     \
    }
#define INT(...)                                                                                                       \
    {                                                                                                                  \
        .type = MY_TYPE_LONG, __VA_ARGS__                                                                              \
    }

/* A column that the log describes the same as one of another type is not read without the server's word. */
static void test_ambiguous_types(void)
{
    static const struct {
        uint8_t type;
        uint16_t metadata;
        unsigned charset;
        bool ambiguous;
        const char *what;
    } cases[] = {
        {MY_TYPE_STRING, 16, BINARY, true, "BINARY(16), or a UUID, an INET6"},
        {MY_TYPE_STRING, 16, UNKNOWN, true, "the same, of no known charset"},
        {MY_TYPE_STRING, 4, BINARY, true, "BINARY(4), or an INET4"},
        {MY_TYPE_STRING, 4, UTF8, false, "CHAR(1)"},
        {MY_TYPE_STRING, 15, BINARY, false, "BINARY(15)"},
        {MY_TYPE_STRING, 5, BINARY, false, "BINARY(5)"},
        {MY_TYPE_VARCHAR, 8, BINARY, true, "VARBINARY(8), or a VECTOR"},
        {MY_TYPE_VARCHAR, 8, UNKNOWN, true, "the same, of no known charset"},
        {MY_TYPE_VARCHAR, 8, UTF8, false, "VARCHAR(2)"},
        {MY_TYPE_VARCHAR, 6, BINARY, false, "VARBINARY(6)"},
        {MY_TYPE_VARCHAR, 0, BINARY, false, "VARBINARY(0)"},
        {MY_TYPE_BLOB, 4, UTF8, true, "LONGTEXT, or JSON"},
        {MY_TYPE_BLOB, 4, BINARY, false, "LONGBLOB"},
        {MY_TYPE_BLOB, 3, UTF8, false, "MEDIUMTEXT"},
        {MY_TYPE_ENUM, 4, UTF8, false, "an ENUM"},
        {MY_TYPE_LONG, 0, UNKNOWN, false, "INT"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct my_column columns[2] = {INT(.name = "id"),
                                       {.name = "x",
                                        .type = cases[i].type,
                                        .metadata = cases[i].metadata,
                                        .charset = cases[i].charset ? my_charset_of(cases[i].charset) : NULL}};
        struct my_table table = {.columns = columns, .n_columns = 2};
        check(my_table_is_ambiguous(&table, MY_FLAVOR_MARIADB) == cases[i].ambiguous, cases[i].what);
        check(!my_table_is_ambiguous(&table, MY_FLAVOR_MYSQL), "MySQL's log says which");
    }
}

struct hiding {
    const char *what;
    struct my_column columns[6];
    bool described;
    bool ambiguous;
    const char *hidden;  /* a letter for each column: h, or - */
    const char *row_end; /* its name; NULL: none; "!": refused */
};

/* row_end and a hash are found by what they look like, from the end of the table. */
static const struct hiding hidings[] = {
    {"a row's end that may be one", {INT(.name = "a"), TIME_6(.name = "b")}, true, true, "--", NULL},
    {"one that may be NULL", {INT(.name = "a"), TIME_6(.name = "b", .nullable = true)}, true, false, "--", NULL},
    {"one of milliseconds",
     {INT(.name = "a"), {.name = "b", .type = MY_TYPE_TIMESTAMP2, .metadata = 3}},
     true,
     false,
     "--",
     NULL},
    {"one that is not of the key",
     {INT(.name = "a", .logged_key = true), TIME_6(.name = "b")},
     true,
     false,
     "--",
     NULL},
    {"one that is",
     {INT(.name = "a", .logged_key = true), TIME_6(.name = "b", .logged_key = true)},
     true,
     true,
     "--",
     NULL},
    {"hidden times",
     {INT(.name = "a"), TIME_6(.name = "row_start"), TIME_6(.name = "row_end")},
     true,
     true,
     "-hh",
     "row_end"},
    {"of a table that nobody has described",
     {INT(.name = "a"), TIME_6(.name = "row_start"), TIME_6(.name = "row_end")},
     false,
     true,
     "---",
     NULL},
    {"columns of the user's of these names",
     {INT(.name = "a"), TIME_6(.name = "row_start", .listed = true), TIME_6(.name = "row_end", .listed = true)},
     true,
     true,
     "---",
     NULL},
    {"the second one of the user's",
     {INT(.name = "a"), TIME_6(.name = "row_start"), TIME_6(.name = "row_end", .listed = true)},
     true,
     true,
     "---",
     NULL},
    {"and nothing before them", {TIME_6(.name = "row_start"), TIME_6(.name = "row_end")}, true, true, "--", NULL},
    {"the other way round",
     {INT(.name = "a"), TIME_6(.name = "row_end"), TIME_6(.name = "row_start")},
     true,
     true,
     "---",
     NULL},
    {"that are not of the key",
     {INT(.name = "a", .logged_key = true), TIME_6(.name = "row_start"), TIME_6(.name = "row_end")},
     true,
     false,
     "---",
     NULL},
    {"hidden times before hashes",
     {INT(.name = "a"), TIME_6(.name = "row_start"), TIME_6(.name = "row_end"), HASH(.name = "DB_ROW_HASH_1"),
      HASH(.name = "DB_ROW_HASH_2")},
     true,
     true,
     "-hhhh",
     "row_end"},
    {"hashes", {INT(.name = "a"), HASH(.name = "DB_ROW_HASH_1")}, false, true, "-h", NULL},
    {"the second one alone is the user's", {INT(.name = "a"), HASH(.name = "DB_ROW_HASH_2")}, false, false, "--", NULL},
    {"but not after a first one of the user's",
     {INT(.name = "DB_ROW_HASH_1"), HASH(.name = "DB_ROW_HASH_2"), HASH(.name = "DB_ROW_HASH_3")},
     false,
     true,
     "-hh",
     NULL},
    {"nothing but a hash", {HASH(.name = "DB_ROW_HASH_1")}, false, false, "-", NULL},
    {"one that is signed",
     {INT(.name = "a"), {.name = "DB_ROW_HASH_1", .type = MY_TYPE_LONGLONG}},
     false,
     false,
     "--",
     NULL},
    {"one that the server lists",
     {INT(.name = "a"), HASH(.name = "DB_ROW_HASH_1", .listed = true)},
     false,
     false,
     "--",
     NULL},
    {"one without a name", {INT(.name = "a"), HASH(.name = NULL)}, false, false, "--", NULL},
    {"a generated column", {INT(.name = "a"), INT(.name = "g", .generated = true)}, false, false, "-h", NULL},
    {"but of a row's time",
     {INT(.name = "a"), TIME_6(.name = "s", .generated = true, .period = true)},
     false,
     true,
     "--",
     NULL},
};

static void check_hiding(const struct hiding *one)
{
    struct cdc_error error = {0};
    struct my_column columns[6];
    char hidden[7] = "";
    struct my_table table = {.columns = columns, .n_columns = strlen(one->hidden), .described = one->described};
    memcpy(columns, one->columns, sizeof columns);
    bool omits = false;
    check(my_table_is_ambiguous(&table, MY_FLAVOR_MARIADB) == one->ambiguous, one->what);
    bool done = my_table_hide(&table, MY_FLAVOR_MARIADB, &error) == 0;
    for (size_t i = 0; i < table.n_columns; i++) {
        hidden[i] = columns[i].hidden ? 'h' : '-';
        omits |= columns[i].generated && !columns[i].period;
    }
    check(done && strcmp(hidden, one->hidden) == 0 && table.omits == omits, "what lines do not have");
    check(one->row_end ? table.row_end && strcmp(table.row_end->name, one->row_end) == 0 : !table.row_end,
          "where a row's time ends");
    memcpy(columns, one->columns, sizeof columns);
    table.omits = false;
    table.row_end = NULL;
    done = my_table_hide(&table, MY_FLAVOR_MYSQL, &error) == 0;
    for (size_t i = 0; i < table.n_columns; i++)
        done = done && !columns[i].hidden;
    check(done && !table.omits && !table.row_end, "MySQL has none of these");
}

static void test_hiding(void)
{
    for (size_t i = 0; i < COUNT(hidings); i++)
        check_hiding(&hidings[i]);
    struct cdc_error error = {0};
    struct my_column columns[3] = {INT(.name = "a"), HASH(.name = "s", .period = true),
                                   HASH(.name = "e", .period = true)};
    struct my_table table = {.db = "d", .name = "t", .columns = columns, .n_columns = 3, .row_end = &columns[2]};
    check(my_table_hide(&table, MY_FLAVOR_MARIADB, &error) < 0 && error.status == CDC_EXIT_CONFIG &&
              strstr(error.text, "told apart by transactions"),
          "a row's time in numbers of transactions");
}

#define SEQUENCE                                                                                                       \
    HASH(.name = "next_not_cached_value"), HASH(.name = "minimum_value"), HASH(.name = "maximum_value"),               \
        HASH(.name = "start_value"), HASH(.name = "increment"), HASH(.name = "cache_size"),                            \
        {.name = "cycle_option", .type = MY_TYPE_TINY}, HASH(.name = "cycle_count")

static void test_sequences(void)
{
    static const struct my_column sequence[] = {SEQUENCE};
    struct my_column columns[9] = {SEQUENCE, INT(.name = "more")};
    struct my_table table = {.columns = columns, .n_columns = 8};
    check(my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "a sequence");
    check(!my_table_may_be_sequence(&table, MY_FLAVOR_MYSQL), "MySQL has none");
    table.n_columns = 9;
    check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "a table with one column more");
    table.n_columns = 7;
    check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "or less");
    table.n_columns = 8;
    for (size_t i = 0; i < 8; i++) {
        columns[i].name = NULL;
        check(my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "without a name it may be one");
        columns[i].name = "other";
        check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "with another name it is none");
        columns[i] = sequence[i];
        columns[i].nullable = true;
        check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "nor where one may be NULL");
        columns[i] = sequence[i];
    }
    columns[6].type = MY_TYPE_LONG;
    check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "nor of another type");
    columns[6].type = MY_TYPE_TINY;
    columns[7].type = MY_TYPE_LONG;
    check(!my_table_may_be_sequence(&table, MY_FLAVOR_MARIADB), "at the end as well");
}

/* A table of id and of what it has after it: T a time of 6 digits, L a BIGINT, U one unsigned, I an INT. RETURNS NEW */
static struct my_table *named_table(const char *rest, const char *const *names, bool signs)
{
    struct my_table *table = calloc(1, sizeof *table);
    table->n_columns = 1 + strlen(rest);
    table->columns = calloc(table->n_columns, sizeof *table->columns);
    table->columns[0] = (struct my_column)INT(.name = strdup("id"));
    for (size_t i = 1; i < table->n_columns; i++) {
        char is = rest[i - 1];
        table->columns[i] = is == 'T' ? (struct my_column)TIME_6(.name = NULL)
                                      : (struct my_column){.type = is == 'I' ? MY_TYPE_LONG : MY_TYPE_LONGLONG,
                                                           .is_unsigned = is == 'U'};
        if (names)
            table->columns[i].name = strdup(names[i - 1]);
    }
    table->has_names = names != NULL;
    table->has_signs = signs;
    return table;
}

static void check_named(const char *what, const char *rest, const char *const *names, bool signs, const char *want)
{
    struct cdc_error error = {0};
    struct my_table *table = named_table(rest, names, signs);
    bool named = my_table_name_hidden(table, 1, &error);
    scratch.len = 0;
    for (size_t i = 1; named && i < table->n_columns; i++)
        cdc_buf_printf(&scratch, "%s%s ", table->columns[i].name, table->columns[i].is_unsigned ? "*" : "");
    check(named == (want != NULL) && error.status == 0, what);
    if (named && want)
        check_text("their names", text_of(&scratch), want);
    my_table_free(table);
}

static void test_named(void)
{
    check_named("times and hashes", "TTLL", NULL, false, "row_start row_end DB_ROW_HASH_1* DB_ROW_HASH_2* ");
    check_named("times", "TT", NULL, true, "row_start row_end ");
    check_named("hashes", "UU", NULL, true, "DB_ROW_HASH_1* DB_ROW_HASH_2* ");
    check_named("a BIGINT with a sign", "UL", NULL, true, NULL);
    check_named("one time", "T", NULL, false, NULL);
    check_named("three", "TTT", NULL, false, NULL);
    check_named("a time after hashes", "UTT", NULL, false, NULL);
    check_named("an INT", "I", NULL, false, NULL);
    check_named("an INT after a hash", "UI", NULL, false, NULL);
    check_named("names", "TTU", (const char *const[]){"row_start", "row_end", "DB_ROW_HASH_1"}, true,
                "row_start row_end DB_ROW_HASH_1* ");
    check_named("another name first", "TTU", (const char *const[]){"s", "row_end", "DB_ROW_HASH_1"}, true, NULL);
    check_named("or second", "TTU", (const char *const[]){"row_start", "e", "DB_ROW_HASH_1"}, true, NULL);
    check_named("or last", "TTU", (const char *const[]){"row_start", "row_end", "DB_ROW_HASH_2"}, true, NULL);
}

static int name_table(struct cdc_buf *out, struct cdc_error *error)
{
    struct my_table *table = named_table("TTLL", NULL, false);
    memory_begin();
    bool named = my_table_name_hidden(table, 1, error);
    memory_end();
    for (size_t i = 1; named && i < table->n_columns; i++)
        cdc_buf_printf(out, "%s ", table->columns[i].name);
    my_table_free(table);
    return named ? 0 : -1;
}

static void test_current(void)
{
    static const uint8_t last[7] = {0x7F, 0xFF, 0xFF, 0xFF, 0x0F, 0x42, 0x3F},
                         next[7] = {0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x42, 0x3F};
    struct my_cell cell = {.p = NULL, .n = 7};
    check(my_image_is_current(&cell), "a row's end that was not changed");
    cell.p = last;
    check(my_image_is_current(&cell), "the last time there is");
    cell.p = next;
    check(my_image_is_current(&cell), "and of later servers");
    cell.n = 4;
    check(!my_image_is_current(&cell), "no time of 6 digits");
    cell = (struct my_cell){.p = last, .n = 0, .null = true};
    check(my_image_is_current(&cell), "none");
    for (size_t i = 0; i < 7; i++) {
        uint8_t other[7];
        memcpy(other, last, sizeof other);
        other[i] ^= 1;
        cell = (struct my_cell){.p = other, .n = 7};
        check(!my_image_is_current(&cell), "another time: a row of the past");
    }
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_damaged_fields();
    test_hostile_fields();
    check(takes_labels(65535), "as many labels as there can be");
    check(!takes_labels(65536), "one more");
    failures += (int)memory_sweep("a table", make_table);
    test_ambiguous_types();
    test_hiding();
    test_sequences();
    test_named();
    failures += (int)memory_sweep("names of hidden columns", name_table);
    test_current();
    return finish();
}
