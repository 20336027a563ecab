/* SPDX-License-Identifier: MIT */
/* Formats of other tools without memory at any place: what was written until then is right, and nothing is lost in silence. And what the
 * names of types say, and single lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cdc/format.h>

#include "libcdc/format/internal.h"
#include "tests/unit/no-memory.h"

#define SOURCE(table)                                                                                                  \
    "\"source\":{\"connector\":\"mysql\",\"name\":\"n\",\"db\":\"d\",\"table\":\"" table "\",\"ts_ms\":7,\"gtid\":"    \
    "\"0-1-5\",\"server_id\":1,\"file\":\"b.000002\",\"pos\":40,\"row\":0,\"snapshot\":\"false\"},"
#define HEAD(op, pos) "{\"op\":\"" op "\",\"pos\":\"" pos "\",\"seq\":5,\"ts_ms\":8," SOURCE("t")

static const char *const events[] = {
    HEAD("schema",
         "1") "\"columns\":[{\"name\":\"id\",\"type\":\"bigint\"},{\"name\":\"e\",\"type\":\"enum('a','b')\"},"
              "{\"name\":\"s\",\"type\":\"set('x','y')\"},{\"name\":\"j\",\"type\":\"json\"},"
              "{\"name\":\"b\",\"type\":\"blob\"},{\"name\":\"g\",\"type\":\"bit(9)\"},"
              "{\"name\":\"d\",\"type\":\"date\"},{\"name\":\"at\",\"type\":\"datetime(6)\"},"
              "{\"name\":\"n\",\"type\":\"decimal(9,2)\"},{\"name\":\"l\",\"type\":\"text[]\"}],"
              "\"key_columns\":[\"id\"]}",
    HEAD("c", "2") "\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"e\":\"b\",\"s\":\"x,y\",\"j\":{\"k\":[1]},"
                   "\"b\":\"AP8=\",\"g\":\"000000011\",\"d\":\"2020-01-02\",\"at\":\"2020-01-02T03:04:05.600000\","
                   "\"n\":\"1.50\",\"l\":[\"a b\",null]}}",
    HEAD("u", "3") "\"key\":{\"id\":2},\"before\":{\"id\":1,\"e\":\"b\"},\"after\":{\"id\":2,\"e\":\"a\",\"j\":null},"
                   "\"unchanged\":[\"b\"],\"json_null\":[\"j\"]}",
    HEAD("d", "4") "\"key\":{\"id\":2},\"before\":{\"id\":2},\"after\":null}",
    HEAD("t", "5") "\"x\":1}",
    HEAD("ddl", "6") "\"ddl\":\"alter table t\",\"db\":\"d\"}",
    "{\"op\":\"m\",\"pos\":\"7\",\"seq\":5,\"ts_ms\":8,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":"
    "\"d\"},"
    "\"message\":{\"prefix\":\"p\",\"content\":\"c\",\"transactional\":true}}",
    ("{\"op\":\"commit\",\"pos\":\"8\",\"seq\":5,\"ts_ms\":8,\"source\":{\"connector\":\"mysql\",\"name\":\"n\"},"
     "\"events\":6}")};

static const char *spec; /* of the scenario */

static int write_all(struct cdc_format_writer *writer, struct cdc_buf *lines, struct cdc_error *error)
{
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct cdc_event event;
        if (cdc_event_parse(&event, events[i], strlen(events[i]), error) != 0)
            return -1;
        size_t before = lines->len;
        memory_begin();
        int result = cdc_format_write(writer, &event, lines, error);
        memory_end();
        if (result < 0) {
            lines->len = before;
            return -1;
        }
    }
    return 0;
}

static int read_all(struct cdc_format_reader *reader, const struct cdc_buf *lines, struct cdc_buf *out,
                    struct cdc_error *error)
{
    for (const char *p = lines->data, *end = p + lines->len, *lf; p <= end; p = lf + 1) {
        lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : end;
        size_t before = out->len;
        memory_begin();
        int result = cdc_format_read(reader, p < end ? cdc_span(p, (size_t)(lf - p)) : cdc_span(NULL, 0), out, error);
        memory_end();
        if (result < 0) {
            out->len = before;
            return -1;
        }
    }
    return 0;
}

/* There, without memory at some place. */
static int writes(struct cdc_buf *out, struct cdc_error *error)
{
    memory_begin();
    struct cdc_format_writer *writer = cdc_format_writer_new(spec, error);
    memory_end();
    int result = writer != NULL ? write_all(writer, out, error) : -1;
    cdc_format_writer_free(writer);
    return result;
}

/* And back. */
static int reads(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_format_reader_settings settings = {.spec = spec, .position = CDC_FORMAT_POSITION_LINE};
    struct cdc_buf lines = CDC_BUF_INIT;
    struct cdc_format_writer *writer = cdc_format_writer_new(spec, error);
    long fails_at = memory_fails_at, calls = memory_calls;
    char name[16];

    memory_fails_at = 0;
    int result = writer != NULL ? write_all(writer, &lines, error) : -1;
    cdc_format_writer_free(writer);
    memory_fails_at = fails_at;
    memory_calls = calls;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(spec, ","), spec);
    settings.spec = name;
    memory_begin();
    struct cdc_format_reader *reader = cdc_format_reader_new(&settings, error);
    memory_end();
    if (result == 0)
        result = reader != NULL ? read_all(reader, &lines, out, error) : -1;
    cdc_format_reader_free(reader);
    cdc_buf_free(&lines);
    return result;
}

/* What stands behind the parentheses counts: an array of numbers with digits is an array. */
static int check_types(void)
{
    static const struct {
        const char *name;
        bool postgres;
        enum value_class value, element;
        int length;
        bool is_unsigned;
    } types[] = {
        {"numeric(10,2)", true, VALUE_DECIMAL, 0, 10, false},
        {"numeric(10,2)[]", true, VALUE_ARRAY, VALUE_DECIMAL, 10, false},
        {"numeric(10, 2)[][]", true, VALUE_ARRAY, VALUE_DECIMAL, 10, false},
        {"DECIMAL(10,2) UNSIGNED", false, VALUE_DECIMAL, 0, 10, true},
        {"decimal(10,2) unsigned zerofill", false, VALUE_DECIMAL, 0, 10, true},
        {"timestamp(3) with time zone", true, VALUE_TIMESTAMPTZ, 0, 3, false},
        {"timestamp(3) without time zone[]", true, VALUE_ARRAY, VALUE_TIMESTAMP, 3, false},
        {"int(11) /* mariadb-5.3 */", false, VALUE_INT, 0, 11, false},
    };
    int wrong = 0;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct value_type found = value_type_of(cdc_span_text(types[i].name), types[i].postgres);
        if (found.value == types[i].value && (found.value != VALUE_ARRAY || found.element == types[i].element) &&
            found.length == types[i].length && found.is_unsigned == types[i].is_unsigned)
            continue;
        wrong++;
        printf("not ok - the type %s: %d of %d, %d\n", types[i].name, (int)found.value, (int)found.element,
               found.length);
    }
    return wrong;
}

/* -- single lines ---------------------------------------------------------------- */

/* What comes of lines and the end of the input; "" where they are refused. */
static const char *read_text(const char *name, const char *text)
{
    static char found[4096];
    const struct cdc_format_reader_settings settings = {.spec = name, .position = CDC_FORMAT_POSITION_LINE};
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    struct cdc_format_reader *reader = cdc_format_reader_new(&settings, &error);
    int result = reader != NULL ? 0 : -1;

    for (const char *p = text, *lf; result >= 0 && (lf = strchr(p, '\n')) != NULL; p = lf + 1)
        result = cdc_format_read(reader, cdc_span(p, (size_t)(lf - p)), &out, &error);
    if (result >= 0)
        result = cdc_format_read(reader, cdc_span(NULL, 0), &out, &error);
    if (result < 0)
        printf("# %s\n", error.text);
    snprintf(found, sizeof found, "%.*s", result < 0 ? 0 : (int)out.len, out.len > 0 ? out.data : "");
    cdc_buf_free(&out);
    cdc_format_reader_free(reader);
    return found;
}

static int check_that(bool ok, const char *what)
{
    if (!ok)
        printf("not ok - %s\n", what);
    return !ok;
}

/* Half a transaction would be taken for a whole one. */
static int check_half_transactions(void)
{
#define WAL2JSON                                                                                                       \
    "{\"action\":\"B\",\"xid\":9,\"lsn\":\"0/5\"}\n{\"action\":\"I\",\"xid\":9,\"lsn\":\"0/"                           \
    "64\",\"schema\":\"public\",\"table\":\"t\","                                                                      \
    "\"columns\":[{\"name\":\"id\",\"type\":\"integer\",\"value\":1}],\"pk\":[{\"name\":\"id\",\"type\":\"integer\"}]" \
    "}\n"
#define DEBEZIUM                                                                                                       \
    "{\"status\":\"BEGIN\",\"id\":\"9:5\",\"ts_ms\":7,\"event_count\":null,\"data_collections\":null}\n"               \
    "{\"before\":null,\"after\":{\"id\":1},\"source\":{\"version\":\"1\",\"connector\":\"postgresql\",\"name\":\"n\"," \
    "\"db\":\"d\","                                                                                                    \
    "\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":7,\"txId\":9,\"lsn\":100},\"transaction\":{\"id\":\"9:5\","       \
    "\"total_order\":1,"                                                                                               \
    "\"data_collection_order\":1},\"op\":\"c\",\"ts_ms\":8}\n"
    int wrong = 0;
    const char *found = read_text("wal2json", WAL2JSON);
    wrong += check_that(strstr(found, "\"op\":\"c\"") != NULL && strstr(found, "\"op\":\"commit\"") == NULL,
                        "wal2json: the input ends within a transaction");
    found = read_text("wal2json", WAL2JSON "{\"action\":\"C\",\"xid\":9,\"lsn\":\"0/5\",\"nextlsn\":\"0/65\"}\n");
    wrong += check_that(strstr(found, "\"op\":\"commit\"") != NULL, "wal2json: a transaction");
    found = read_text("debezium", DEBEZIUM);
    wrong += check_that(strstr(found, "\"op\":\"c\"") != NULL && strstr(found, "\"op\":\"commit\"") == NULL,
                        "debezium: the input ends within a transaction");
    found = read_text("debezium",
                      DEBEZIUM "{\"status\":\"END\",\"id\":\"9:5\",\"ts_ms\":7,\"event_count\":1,\"data_collections\":"
                               "[{\"data_collection\":\"public.t\",\"event_count\":1}]}\n");
    wrong += check_that(strstr(found, "\"op\":\"commit\"") != NULL, "debezium: a transaction");
    return wrong;
}

/* Nobody knows what a row was of which a line does not say so. */
static int check_old_rows(void)
{
#define MAXWELL(more)                                                                                                  \
    "{\"database\":\"d\",\"table\":\"t\",\"type\":\"update\",\"ts\":7,\"xid\":5,\"commit\":true,\"primary_key_"        \
    "columns\":[\"id\"],"                                                                                              \
    "\"data\":{\"id\":1,\"v\":\"x\"}" more "}\n"
    int wrong =
        check_that(strstr(read_text("maxwell", MAXWELL("")), "\"before\":null") != NULL, "maxwell: without \"old\"");
    return wrong + check_that(strstr(read_text("maxwell", MAXWELL(",\"old\":{\"v\":\"y\"}")),
                                     "\"before\":{\"id\":1,\"v\":\"y\"}") != NULL,
                              "maxwell: with \"old\"");
}

int main(void)
{
    static const char *const specs[] = {"debezium", "debezium,schemas,key", "maxwell", "wal2json", "canal", "singer"};
    int failures = check_types() + check_half_transactions() + check_old_rows();

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        spec = specs[i];
        failures += memory_sweep(specs[i], writes) != 0;
        failures += memory_sweep(specs[i], reads) != 0;
    }
    if (failures == 0)
        printf("ok - format\n");
    return failures != 0;
}
