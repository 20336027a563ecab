/* SPDX-License-Identifier: MIT */
/* Keys of plain JSON records that are one value: which texts they are. */
#include <stdio.h>
#include <string.h>

#include "connectors/kafka/record/json.h"

static int failures;

static void check(bool ok, const char *what, const char *key)
{
    if (!ok) {
        printf("not ok - %s, key '%s'\n", what, key);
        failures++;
    }
}

/* Does the record with that key and no value give a line with this in it? */
static bool deletes(struct kafka_json_table *table, const char *key, const char *expected)
{
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    struct kafka_json_record record = {{key, strlen(key)}, {NULL, 0}, 7, 1};
    size_t told = SIZE_MAX;
    bool result = kafka_json_lines(table, &record, "n", &told, &out, &error) == 0 && out.len > 0 &&
                  memmem(out.data, out.len, expected, strlen(expected)) != NULL;

    cdc_buf_free(&out);
    cdc_error_clear(&error);
    return result;
}

int main(void)
{
    struct kafka_json_table table;
    struct cdc_error error = {0};
    const char *items[] = {"id"};
    const struct cdc_option_list keys = {.items = items, .count = 1};

    check(kafka_json_init(&table, "t") && kafka_json_set_key(&table, &keys, &error) == 0, "a table", "id");
    check(deletes(&table, "a", "\"key\":{\"id\":\"a\"}"), "a text", "a");
    check(deletes(&table, "null", "\"key\":{\"id\":\"null\"}"), "a text that looks like nothing", "null");
    check(deletes(&table, "", "\"key\":{\"id\":\"\"}"), "a text of no bytes", "");
    struct cdc_buf out = CDC_BUF_INIT;
    const struct kafka_json_record none = {{NULL, 0}, {NULL, 0}, 8, 1};
    size_t told = SIZE_MAX;
    check(kafka_json_lines(&table, &none, "n", &told, &out, &error) == 0 && out.len == 0, "no key says nothing", "");
    cdc_buf_free(&out);
    kafka_json_free(&table);
    if (failures == 0)
        printf("ok\n");
    return failures != 0;
}
