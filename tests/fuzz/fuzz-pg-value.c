/* SPDX-License-Identifier: MIT */
/* Any bytes as the text of any type, composites within arrays within composites included: valid JSON, and of a text that is not of the
 * type's form a string. */
#include "connectors/postgres/pgoutput/types.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 7 };

static void name(struct pg_field *field, const char *name)
{
    cdc_json_append_string(&field->name_json, name, strlen(name));
    cdc_buf_byte(&field->name_json, ':');
}

/* Of values of all kinds, and of itself, which the server would not take: so it nests as deep as a text can. */
static void make_composite(struct pg_composite *composite, struct pg_field *fields)
{
    static const char *const names[FIELDS] = {"a", "b \"c", "d", "e", "base64", "f", "g"};
    const struct pg_type types[FIELDS] = {
        pg_type_of(23),
        pg_type_of(25),
        {.kind = PG_COMPOSITE, .composite = composite},
        {.kind = PG_ARRAY, .element = PG_COMPOSITE, .delimiter = ',', .composite = composite},
        pg_type_of(3802),
        {.kind = PG_HSTORE},
        {.kind = PG_GEOMETRY},
    };
    *composite = (struct pg_composite){.n = FIELDS, .fields = fields};
    for (size_t i = 0; i < FIELDS; i++) {
        name(&fields[i], names[i]);
        fields[i].type = types[i];
    }
}

static struct pg_type choose(const struct pg_composite *composite, uint8_t kind, uint8_t more)
{
    static const uint32_t builtins[] = {16,   17,   20,   23,  114,  701,  1700, 1114,
                                        1184, 1186, 1007, 199, 1020, 1009, 1001, 25};
    struct pg_type type = {.kind = PG_ARRAY, .delimiter = more & 1 ? ';' : ',', .composite = composite};
    switch (kind % 6) {
    case 0: return pg_type_of(builtins[more % (sizeof builtins / sizeof builtins[0])]);
    case 1: return (struct pg_type){.kind = PG_COMPOSITE, .composite = more & 1 ? composite : NULL};
    case 2: return (struct pg_type){.kind = PG_HSTORE};
    case 3: return (struct pg_type){.kind = more & 1 ? PG_VECTOR : PG_GEOMETRY};
    case 4: type.element = (enum pg_kind)(PG_TEXT + more % (PG_GEOMETRY + 1)); break;
    default: type.element = PG_INTEGER; break;
    }
    if (type.element == PG_ARRAY)
        type.element = PG_TEXT;
    type.nested = (uint8_t)(more >> 6);
    memcpy(type.nested_delimiters, ",;,", sizeof type.nested_delimiters);
    return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_field fields[FIELDS] = {{.typmod = -1}};
    struct pg_composite composite;
    struct pg_value_counts counts = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    if (size < 3)
        return 0;
    make_composite(&composite, fields);
    const struct cdc_value_format format = {.int64_as_string = data[2] & 1,
                                            .decimal_as_number = data[2] & 2,
                                            .objects_as_text = data[2] & 4,
                                            .composites_as_text = data[2] & 8};
    uint8_t *text = exact_copy(data + 3, size - 3);
    pg_value_append(&out, choose(&composite, data[0], data[1]), &format, (const char *)text, size - 3, &counts);
    if (!out.failed && cdc_json_validate(out.data, out.len, NULL) < 0)
        abort();
    free(text);
    cdc_buf_free(&out);
    for (size_t i = 0; i < FIELDS; i++)
        cdc_buf_free(&fields[i].name_json);
    return 0;
}
