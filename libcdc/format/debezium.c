/* SPDX-License-Identifier: MIT */
/* Debezium's encodings: which one a column of some type has with time.precision.mode=adaptive (adaptive_time_microseconds of
 * MySQL), decimal.handling.mode=string, interval.handling.mode=string and hstore.handling.mode=json, and the schema that says so. */
#include "libcdc/format/debezium.h"

static int wire_of(const struct value_type *type, enum value_class value)
{
    switch (value) {
    case VALUE_INT: return DEBEZIUM_INT;
    case VALUE_DECIMAL: return DEBEZIUM_TEXT_NUMBER;
    case VALUE_BYTES: return DEBEZIUM_BYTES;
    /* Of those of no fixed length, the bytes would not say how many there are: they stay digits. */
    case VALUE_BITS:
        return type->length == 1                         ? DEBEZIUM_BIT
               : type->length > 1 && type->is_fixed_bits ? DEBEZIUM_BITS
                                                         : DEBEZIUM_PLAIN;
    case VALUE_DATE: return DEBEZIUM_DATE;
    case VALUE_TIME:
        return type->is_timetz                          ? DEBEZIUM_TIMETZ
               : type->is_postgres && type->digits <= 3 ? DEBEZIUM_TIME_MS
                                                        : DEBEZIUM_TIME_US;
    case VALUE_TIMESTAMP: return type->digits <= 3 ? DEBEZIUM_TIMESTAMP_MS : DEBEZIUM_TIMESTAMP_US;
    case VALUE_JSON:
    case VALUE_HSTORE: return DEBEZIUM_JSON;
    case VALUE_ARRAY: return DEBEZIUM_ARRAY;
    default: return DEBEZIUM_PLAIN;
    }
}

void debezium_set_wire(struct format_column *column)
{
    const struct value_type *type = &column->value;

    column->wire = wire_of(type, type->value);
    column->wire_digits = column->wire == DEBEZIUM_BITS ? type->length : type->digits;
    column->wire_element = type->value == VALUE_ARRAY ? wire_of(type, type->element) : DEBEZIUM_PLAIN;
}

/* -- schemas --------------------------------------------------------------------- */

static const struct {
    const char *name;
    int wire;
    const char *json; /* the type in Connect's JSON, NULL where another row has written it */
} logical[] = {
    {"io.debezium.time.Date", DEBEZIUM_DATE, "int32"},
    {"io.debezium.time.Time", DEBEZIUM_TIME_MS, "int32"},
    {"io.debezium.time.MicroTime", DEBEZIUM_TIME_US, "int64"},
    {"io.debezium.time.NanoTime", DEBEZIUM_TIME_NS, "int64"},
    {"io.debezium.time.Timestamp", DEBEZIUM_TIMESTAMP_MS, "int64"},
    {"io.debezium.time.MicroTimestamp", DEBEZIUM_TIMESTAMP_US, "int64"},
    {"io.debezium.time.NanoTimestamp", DEBEZIUM_TIMESTAMP_NS, "int64"},
    {"io.debezium.time.ZonedTime", DEBEZIUM_TIMETZ, "string"},
    {"io.debezium.data.Json", DEBEZIUM_JSON, "string"},
    {"io.debezium.data.Bits", DEBEZIUM_BITS, "bytes"},
    {"org.apache.kafka.connect.data.Decimal", DEBEZIUM_DECIMAL, "bytes"},
    {"io.debezium.data.VariableScaleDecimal", DEBEZIUM_VARIABLE, "struct"},
    {"io.debezium.time.IsoDate", DEBEZIUM_ISO, NULL},
    {"io.debezium.time.IsoTime", DEBEZIUM_ISO, NULL},
    {"io.debezium.time.IsoTimestamp", DEBEZIUM_ISO, NULL},
    {"org.apache.kafka.connect.data.Date", DEBEZIUM_DATE, NULL},
    {"org.apache.kafka.connect.data.Time", DEBEZIUM_TIME_MS, NULL},
    {"org.apache.kafka.connect.data.Timestamp", DEBEZIUM_TIMESTAMP_MS, NULL},
};
#define LOGICAL (sizeof logical / sizeof logical[0])

static const char *plain_type(const struct value_type *type, enum value_class value)
{
    switch (value) {
    case VALUE_BOOL: return "boolean";
    case VALUE_INT: return type->bytes <= 2 ? "int16" : type->bytes <= 4 && !type->is_unsigned ? "int32" : "int64";
    case VALUE_FLOAT: return type->bytes == 4 && type->is_postgres ? "float" : "double";
    case VALUE_BYTES: return "bytes";
    case VALUE_YEAR: return "int32";
    default: return "string";
    }
}

static void append_type(struct cdc_buf *out, const struct value_type *type, enum value_class value, int wire)
{
    for (size_t i = 0; i < LOGICAL; i++)
        if (logical[i].json != NULL && logical[i].wire == wire) {
            cdc_buf_printf(out, "\"type\":\"%s\",\"name\":\"%s\",\"version\":1", logical[i].json, logical[i].name);
            return;
        }
    if (value == VALUE_TIMESTAMPTZ)
        cdc_buf_lit(out, "\"type\":\"string\",\"name\":\"io.debezium.time.ZonedTimestamp\",\"version\":1");
    else if (value == VALUE_GEOMETRY)
        cdc_buf_lit(out, "\"type\":\"struct\",\"fields\":[{\"type\":\"bytes\",\"optional\":false,\"field\":\"wkb\"},"
                         "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}],"
                         "\"name\":\"io.debezium.data.geometry.Geometry\",\"version\":1");
    else if (value == VALUE_VECTOR)
        cdc_buf_lit(out, "\"type\":\"array\",\"items\":{\"type\":\"double\",\"optional\":false},"
                         "\"name\":\"io.debezium.data.DoubleVector\",\"version\":1");
    else
        cdc_buf_printf(out, "\"type\":\"%s\"",
                       wire == DEBEZIUM_BIT    ? "boolean"
                       : wire == DEBEZIUM_JSON ? "string"
                                               : plain_type(type, value));
}

void debezium_append_field(struct cdc_buf *out, const struct format_column *column)
{
    const struct value_type *type = &column->value;

    cdc_buf_byte(out, '{');
    if (type->value == VALUE_ARRAY) {
        cdc_buf_lit(out, "\"type\":\"array\",\"items\":{");
        append_type(out, type, type->element, column->wire_element);
        cdc_buf_lit(out, ",\"optional\":true}");
    } else {
        append_type(out, type, type->value, column->wire);
    }
    /* A row of old may have no more than its key. */
    cdc_buf_text(out, column->key ? ",\"optional\":false" : ",\"optional\":true");
    cdc_buf_lit(out, ",\"parameters\":{");
    if (column->wire == DEBEZIUM_BITS)
        cdc_buf_printf(out, "\"length\":\"%d\",", type->length);
    cdc_buf_lit(out, "\"__debezium.source.column.type\":");
    format_append_raw(out, column->type);
    cdc_buf_lit(out, "},\"field\":");
    format_append_raw(out, column->name);
    cdc_buf_byte(out, '}');
}

/* -- reading them ---------------------------------------------------------------- */

static int wire_in(struct cdc_span schema, int *digits)
{
    struct cdc_span name = cdc_json_member_raw(schema, "name"), parameters = cdc_json_member(schema, "parameters");
    int64_t number = 0;

    for (size_t i = 0; name.n > 0 && i < LOGICAL; i++)
        if (cdc_json_raw_is(name, cdc_span_text(logical[i].name))) {
            struct cdc_span raw =
                cdc_json_member_raw(parameters, logical[i].wire == DEBEZIUM_BITS ? "length" : "scale");
            if (raw.n > 0 && cdc_json_int64(raw, &number))
                *digits = (int)number;
            return logical[i].wire;
        }
    return cdc_json_member_is(schema, "type", "array") ? DEBEZIUM_ARRAY : DEBEZIUM_PLAIN;
}

void debezium_take_field(struct format_column *column, struct cdc_span field)
{
    int implied = column->wire;

    column->wire_digits = column->value.digits;
    column->wire = wire_in(field, &column->wire_digits);
    column->wire_element = DEBEZIUM_PLAIN;
    if (column->wire == DEBEZIUM_ARRAY)
        column->wire_element = wire_in(cdc_json_member(field, "items"), &column->wire_digits);
    /* Where the schema has no name for it. */
    if (column->wire == DEBEZIUM_PLAIN && implied == DEBEZIUM_BIT && cdc_json_member_is(field, "type", "boolean"))
        column->wire = DEBEZIUM_BIT;
    if (column->wire == DEBEZIUM_PLAIN && implied == DEBEZIUM_JSON && column->value.value == VALUE_HSTORE)
        column->wire = DEBEZIUM_JSON;
}

static const struct {
    const char *connect, *postgres, *mysql;
} types[] = {
    {"int8", "smallint", "tinyint"},
    {"int16", "smallint", "smallint"},
    {"int32", "integer", "int"},
    {"int64", "bigint", "bigint"},
    {"float", "real", "float"},
    {"float32", "real", "float"},
    {"double", "double precision", "double"},
    {"float64", "double precision", "double"},
    {"boolean", "boolean", "boolean"},
    {"bytes", "bytea", "blob"},
    {"io.debezium.time.Date", "date", "date"},
    {"io.debezium.time.IsoDate", "date", "date"},
    {"org.apache.kafka.connect.data.Date", "date", "date"},
    {"io.debezium.time.Time", "time(3) without time zone", "time(3)"},
    {"io.debezium.time.MicroTime", "time without time zone", "time(6)"},
    {"io.debezium.time.NanoTime", "time without time zone", "time(6)"},
    {"io.debezium.time.IsoTime", "time without time zone", "time(6)"},
    {"org.apache.kafka.connect.data.Time", "time(3) without time zone", "time(3)"},
    {"io.debezium.time.Timestamp", "timestamp(3) without time zone", "datetime(3)"},
    {"io.debezium.time.MicroTimestamp", "timestamp without time zone", "datetime(6)"},
    {"io.debezium.time.NanoTimestamp", "timestamp without time zone", "datetime(6)"},
    {"io.debezium.time.IsoTimestamp", "timestamp without time zone", "datetime(6)"},
    {"org.apache.kafka.connect.data.Timestamp", "timestamp(3) without time zone", "datetime(3)"},
    {"io.debezium.time.ZonedTimestamp", "timestamp with time zone", "timestamp(6)"},
    {"io.debezium.time.ZonedTime", "time with time zone", "time(6)"},
    {"io.debezium.time.Year", "integer", "year"},
    {"io.debezium.time.Interval", "interval", "text"},
    {"io.debezium.data.Json", "jsonb", "json"},
    {"io.debezium.data.Uuid", "uuid", "text"},
    {"io.debezium.data.Xml", "xml", "text"},
    {"io.debezium.data.Enum", "text", "text"},
    {"io.debezium.data.EnumSet", "text", "text"},
    {"io.debezium.data.geometry.Geometry", "geometry", "geometry"},
    {"io.debezium.data.geometry.Geography", "geography", "geometry"},
    {"io.debezium.data.geometry.Point", "text", "geometry"},
    {"org.apache.kafka.connect.data.Decimal", "numeric", "decimal"},
    {"io.debezium.data.VariableScaleDecimal", "numeric", "decimal"},
};

const char *debezium_type_of(struct cdc_span field, bool postgres)
{
    struct cdc_span name = cdc_json_member_raw(field, "name"), type = cdc_json_member_raw(field, "type");

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
            if (cdc_json_raw_is(round == 0 ? name : type, cdc_span_text(types[i].connect)))
                return postgres ? types[i].postgres : types[i].mysql;
    return cdc_span_is(type, "array") && postgres ? "unknown[]" : "text";
}
