/* SPDX-License-Identifier: MIT */
/* information_schema.COLUMNS: one query, one reader of its rows. */
#include "connectors/mysql/schema/catalog.h"
#include "connectors/mysql/decoder/row_key.h"
#include "connectors/mysql/schema/columns.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/value/charset.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

MYSQL_RES *my_catalog_query(MYSQL *sql, const char *head, const char *tail, const struct my_table *table,
                            struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    MYSQL_RES *result = NULL;
    cdc_buf_text(&text, head);
    my_session_append_literal(&text, sql, table->db);
    cdc_buf_lit(&text, " AND TABLE_NAME = ");
    my_session_append_literal(&text, sql, table->name);
    cdc_buf_text(&text, tail);
    cdc_buf_byte(&text, '\0');
    if (text.failed)
        cdc_error_memory(error);
    else
        result = my_session_query(sql, text.data, "cannot read the columns of a table", error);
    cdc_buf_free(&text);
    return result;
}

/* -- the rows ----------------------------------------------------------------------------------- */

/* What is asked for of each column. */
#define FIELDS                                                                                                         \
    "COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, CHARACTER_OCTET_LENGTH, "                \
    "NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, IS_NULLABLE, COLUMN_KEY, EXTRA, GENERATION_EXPRESSION, "    \
    "PRIVILEGES, ORDINAL_POSITION"
enum { DB_FIELD = 15, TABLE_FIELD }; /* after them, where all tables are asked for */

/* A column, BORROWED from a row of the result. */
struct row {
    const char *name;
    const char *base_type; /* DATA_TYPE: "int" */
    const char *type;      /* COLUMN_TYPE: "int(10) unsigned", or "json" for what MariaDB has as one */
    const char *charset, *collation, *privileges; /* NULL: none */
    uint64_t octets, precision, scale, fraction, ordinal;
    struct my_row_key_facts key;
    bool nullable, generated, period;
    size_t of; /* columns, in all */
};
typedef int take_row(void *context, const struct row *row, struct cdc_error *error);

static const char *text_of(const char *text)
{
    return text ? text : "";
}

static bool is(const char *text, const char *expected)
{
    return text && strcmp(text, expected) == 0;
}

static uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

/* EXTRA: "VIRTUAL GENERATED", "STORED GENERATED", of old MariaDB "PERSISTENT GENERATED"; but MySQL's "DEFAULT_GENERATED" is a
 * default that is an expression. */
static bool is_generated(const char *extra)
{
    if (!extra)
        return false;
    return strstr(extra, "VIRTUAL GENERATED") || strstr(extra, "STORED GENERATED") ||
           (strstr(extra, "GENERATED") && !strstr(extra, "DEFAULT_GENERATED"));
}

/* MariaDB's JSON is a LONGTEXT with the constraint json_valid(`column`): the table's constraints, with a NUL after each. */
static int read_constraints(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *clauses,
                            struct cdc_error *error)
{
    if (flavor != MY_FLAVOR_MARIADB)
        return 0;
    MYSQL_RES *result = my_catalog_query(
        sql, "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ", "", table,
        error);
    if (!result)
        return -1;
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL;)
        if (row[0])
            cdc_buf_append(clauses, row[0], strlen(row[0]) + 1);
    mysql_free_result(result);
    return clauses->failed ? cdc_error_memory(error) : 0;
}

/* json_valid(`a``b`) of a column a`b. */
static bool is_json(const struct row *row, const struct cdc_buf *clauses)
{
    struct cdc_buf expected = CDC_BUF_INIT;
    bool found = false;
    if (clauses->len == 0 || strcmp(row->type, "longtext") != 0)
        return false;
    cdc_buf_lit(&expected, "json_valid(");
    my_session_append_identifier(&expected, row->name);
    cdc_buf_lit(&expected, ")");
    cdc_buf_byte(&expected, '\0');
    for (size_t at = 0; !expected.failed && !found && at < clauses->len; at += strlen(clauses->data + at) + 1)
        found = strcmp(clauses->data + at, expected.data) == 0;
    cdc_buf_free(&expected);
    return found;
}

static struct row row_of(MYSQL_ROW fields, const struct cdc_buf *clauses)
{
    struct row row = {.name = text_of(fields[0]),
                      .base_type = text_of(fields[1]),
                      .type = text_of(fields[2]),
                      .charset = fields[3],
                      .collation = fields[4],
                      .octets = number_of(fields[5]),
                      .precision = number_of(fields[6]),
                      .scale = number_of(fields[7]),
                      .fraction = number_of(fields[8]),
                      .nullable = is(fields[9], "YES"),
                      .key = my_row_key_listed(fields[10], fields[12]),
                      .generated = is_generated(fields[11]),
                      .privileges = fields[13],
                      .ordinal = number_of(fields[14])};
    row.period = is(fields[12], "ROW START") || row.key.row_end;
    if (is_json(&row, clauses))
        row.type = "json";
    return row;
}

static int each_row(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, take_row *take, void *context,
                    struct cdc_error *error)
{
    static const char head[] = "SELECT " FIELDS " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ";
    struct cdc_buf clauses = CDC_BUF_INIT;
    MYSQL_RES *result = NULL;
    if (read_constraints(sql, flavor, table, &clauses, error) == 0)
        result = my_catalog_query(sql, head, " ORDER BY ORDINAL_POSITION", table, error);
    int status = result ? 0 : -1;
    for (MYSQL_ROW fields; status == 0 && (fields = mysql_fetch_row(result)) != NULL;) {
        struct row row = row_of(fields, &clauses);
        row.of = (size_t)mysql_num_rows(result);
        status = take(context, &row, error);
    }
    mysql_free_result(result);
    cdc_buf_free(&clauses);
    return status;
}

/* -- as text -------------------------------------------------------------------------------------- */

static int append_row(void *context, const struct row *row, struct cdc_error *error)
{
    (void)error;
    unsigned flags = (row->nullable ? MY_COLUMNS_NULLABLE : 0) | (row->key.listed ? MY_COLUMNS_KEY : 0) |
                     (row->generated ? MY_COLUMNS_GENERATED : 0) | (row->key.row_end ? MY_COLUMNS_ROW_END : 0) |
                     (row->period ? MY_COLUMNS_PERIOD : 0);
    my_columns_add(context, row->name, row->type, row->collation, flags);
    return 0;
}

int my_catalog_columns(MYSQL *sql, enum my_flavor flavor, const struct my_table *table, struct cdc_buf *columns,
                       struct cdc_error *error)
{
    columns->len = 0;
    int status = each_row(sql, flavor, table, append_row, columns, error);
    bool any = columns->len > 0;
    my_columns_end(columns);
    if (status < 0)
        return -1;
    return columns->failed ? cdc_error_memory(error) : any;
}

/* -- of a table that the log names columns of -------------------------------------------------------- */

static int describe_column(struct my_table *table, struct my_column *column, const struct row *row,
                           struct cdc_error *error)
{
    column->listed = table->described = true;
    /* Today's catalog, and maybe an older TABLE_MAP: another column of the same name is not described by it. */
    if (!my_columns_type_fits(column, row->type))
        return 0;
    if (row->key.row_end)
        table->row_end = column;
    free(column->type_name);
    column->type_name = strdup(row->type);
    column->generated = row->generated;
    column->period = row->period;
    return column->type_name ? 0 : cdc_error_memory(error);
}

static int describe_row(void *context, const struct row *row, struct cdc_error *error)
{
    struct my_table *table = context;
    for (size_t i = 0; i < table->n_columns; i++)
        if (is(table->columns[i].name, row->name))
            return describe_column(table, &table->columns[i], row, error);
    return 0;
}

int my_catalog_describe(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error)
{
    return each_row(sql, flavor, table, describe_row, table, error);
}

int my_catalog_tell_sequence(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error)
{
    if (!my_table_may_be_sequence(table, flavor))
        return 0;
    MYSQL_RES *result = my_catalog_query(
        sql, "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ", "", table, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    table->sequence = row ? is(row[0], "SEQUENCE") : table->has_names;
    mysql_free_result(result);
    return result ? 0 : -1;
}

/* What the head asks of a table's columns: the first row. RETURNS NEW (mysql_free_result); NULL on errors. */
static MYSQL_RES *ask_of(MYSQL *sql, const char *head, const char *db, const char *name, struct cdc_error *error)
{
    char *both[] = {strdup(db), strdup(name)};
    const struct my_table table = {.db = both[0], .name = both[1]};
    MYSQL_RES *result = NULL;
    if (both[0] && both[1])
        result = my_catalog_query(sql, head, "", &table, error);
    else
        cdc_error_memory(error);
    free(both[0]);
    free(both[1]);
    return result;
}

int my_catalog_keeps_key(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    static const char head[] =
        "SELECT COUNT(*), SUM((SELECT COUNT(*) FROM information_schema.STATISTICS s WHERE s.TABLE_SCHEMA = "
        "k.TABLE_SCHEMA AND s.TABLE_NAME = k.TABLE_NAME AND s.INDEX_NAME = 'PRIMARY')) FROM information_schema.COLUMNS "
        "k "
        "WHERE TABLE_SCHEMA = ";
    MYSQL_RES *result = ask_of(sql, head, db, name, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool keeps = row && (is(row[0], "0") || number_of(row[1]) > 0);
    mysql_free_result(result);
    return result ? keeps : -1;
}

/* Does the query, which counts, and to which the table's names are added, count any? 1, 0, -1 */
static int is_counted(MYSQL *sql, const char *head, const char *db, const char *name, struct cdc_error *error)
{
    MYSQL_RES *result = ask_of(sql, head, db, name, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool any = row && number_of(row[0]) > 0;
    mysql_free_result(result);
    return result ? any : -1;
}

int my_catalog_is_no_table(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    static const char head[] =
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_TYPE IN ('VIEW', 'SEQUENCE') AND TABLE_SCHEMA = ";
    return is_counted(sql, head, db, name, error);
}

/* Rights are looked at before the table is: one that is locked is not refused. */
static int is_refused(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    cdc_buf_lit(&text, "SELECT 1 FROM ");
    my_session_append_table(&text, db, name);
    cdc_buf_append(&text, " LIMIT 0", sizeof " LIMIT 0");
    MYSQL_RES *result = text.failed ? NULL : my_session_query(sql, text.data, "cannot look for a table", error);
    int status = text.failed ? cdc_error_memory(error) : 0;
    cdc_buf_free(&text);
    mysql_free_result(result);
    if (result || status < 0)
        return status;
    bool refused = error->status == CDC_EXIT_PERMISSION, locked = mysql_errno(sql) == ER_LOCK_WAIT_TIMEOUT;
    if (!refused && !locked && (mysql_errno(sql) == 0 || my_session_error_passes(mysql_errno(sql))))
        return -1;
    cdc_error_clear(error); /* it is gone, say */
    return refused;
}

/* Whoever has the table locked may keep it for hours. */
int my_catalog_is_refused(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    static const char what[] = "cannot limit waits";
    if (my_session_execute(sql, "SET SESSION lock_wait_timeout = 1", what, error) < 0)
        return -1;
    int refused = is_refused(sql, db, name, error);
    return refused < 0 || my_session_execute(sql, "SET SESSION lock_wait_timeout = DEFAULT", what, error) < 0 ? -1
                                                                                                              : refused;
}

int my_catalog_computes(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    static const char head[] =
        "SELECT COUNT(*), SUM(EXTRA LIKE '%VIRTUAL GENERATED%' OR EXTRA LIKE '%STORED GENERATED%') "
        "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ";
    MYSQL_RES *result = ask_of(sql, head, db, name, error);
    MYSQL_ROW row = result ? mysql_fetch_row(result) : NULL;
    bool computes = row && !is(row[0], "0") && number_of(row[1]) > 0;
    mysql_free_result(result);
    return result ? computes : -1;
}

static int is_binary_by_default(MYSQL *sql, const char *db, const char *name, struct cdc_error *error)
{
    static const char head[] =
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_COLLATION = 'binary' AND TABLE_SCHEMA = ";
    return is_counted(sql, head, db, name, error);
}

int my_catalog_may_be_bytes(MYSQL *sql, const char *db, const char *name, const char *column, struct cdc_error *error)
{
    static const char head[] = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE IFNULL(CHARACTER_SET_NAME, "
                               "'binary') = 'binary' AND TABLE_SCHEMA = ";
    int binary = is_binary_by_default(sql, db, name, error);
    if (binary != 0)
        return binary;
    MYSQL_RES *result = ask_of(sql, head, db, name, error);
    for (MYSQL_ROW row; result && (row = mysql_fetch_row(result)) != NULL;)
        binary |= row[0] && strcasecmp(row[0], column) == 0;
    mysql_free_result(result);
    return result ? binary : -1;
}

/* -- of a table that no log was read of ------------------------------------------------------------ */

/* information_schema's DATA_TYPE, and the type and metadata that TABLE_MAP has for it: so a column of a snapshot is
 * written by the same code as one of the log. */
static const struct type {
    const char *name;
    uint8_t type;
    uint8_t metadata; /* where it is always the same; of blobs: bytes of the length */
} types[] = {
    {"tinyint", MY_TYPE_TINY, 0},
    {"smallint", MY_TYPE_SHORT, 0},
    {"mediumint", MY_TYPE_INT24, 0},
    {"int", MY_TYPE_LONG, 0},
    {"bigint", MY_TYPE_LONGLONG, 0},
    {"decimal", MY_TYPE_DECIMAL, 0},
    {"float", MY_TYPE_FLOAT, 4},
    {"double", MY_TYPE_DOUBLE, 8},
    {"bit", MY_TYPE_BIT, 0},
    {"year", MY_TYPE_YEAR, 0},
    {"date", MY_TYPE_DATE, 0},
    {"time", MY_TYPE_TIME2, 0},
    {"datetime", MY_TYPE_DATETIME2, 0},
    {"timestamp", MY_TYPE_TIMESTAMP2, 0},
    {"char", MY_TYPE_STRING, 0},
    {"binary", MY_TYPE_STRING, 0},
    {"varchar", MY_TYPE_VARCHAR, 0},
    {"varbinary", MY_TYPE_VARCHAR, 0},
    {"uuid", MY_TYPE_STRING, 16},
    {"inet6", MY_TYPE_STRING, 16},
    {"inet4", MY_TYPE_STRING, 4},
    {"enum", MY_TYPE_ENUM, 2},
    {"set", MY_TYPE_SET, 8},
    {"tinytext", MY_TYPE_BLOB, 1},
    {"text", MY_TYPE_BLOB, 2},
    {"mediumtext", MY_TYPE_BLOB, 3},
    {"longtext", MY_TYPE_BLOB, 4},
    {"tinyblob", MY_TYPE_BLOB, 1},
    {"blob", MY_TYPE_BLOB, 2},
    {"mediumblob", MY_TYPE_BLOB, 3},
    {"longblob", MY_TYPE_BLOB, 4},
    {"json", MY_TYPE_JSON, 4},
    {"geometry", MY_TYPE_GEOMETRY, 4},
    {"point", MY_TYPE_GEOMETRY, 4},
    {"linestring", MY_TYPE_GEOMETRY, 4},
    {"polygon", MY_TYPE_GEOMETRY, 4},
    {"multipoint", MY_TYPE_GEOMETRY, 4},
    {"multilinestring", MY_TYPE_GEOMETRY, 4},
    {"multipolygon", MY_TYPE_GEOMETRY, 4},
    {"geometrycollection", MY_TYPE_GEOMETRY, 4},
    {"geomcollection", MY_TYPE_GEOMETRY, 4},
    {"vector", MY_TYPE_VECTOR, 4},
};

static uint8_t byte_of(uint64_t number)
{
    return number < UINT8_MAX ? (uint8_t)number : UINT8_MAX;
}

/* As TABLE_MAP would have it. */
static void settle_metadata(struct my_column *column, enum my_flavor flavor, const struct row *row)
{
    uint16_t octets = row->octets < UINT16_MAX ? (uint16_t)row->octets : UINT16_MAX;
    unsigned precision = byte_of(row->precision), scale = byte_of(row->scale);
    switch (column->type) {
    case MY_TYPE_DECIMAL: column->metadata = (uint16_t)(precision | scale << 8); break;
    /* bit(10): 2 bits and one whole byte, 02 01. */
    case MY_TYPE_BIT: column->metadata = (uint16_t)(precision % 8 | precision / 8 << 8); break;
    case MY_TYPE_TIME2:
    case MY_TYPE_DATETIME2:
    case MY_TYPE_TIMESTAMP2: column->metadata = byte_of(row->fraction); break;
    case MY_TYPE_STRING:
        if (column->metadata == 0)
            column->metadata = octets;
        break;
    case MY_TYPE_VARCHAR: column->metadata = octets; break;
    case MY_TYPE_VECTOR:
        if (flavor == MY_FLAVOR_MARIADB) {
            /* MariaDB logs a VECTOR as a VARCHAR. */
            column->type = MY_TYPE_VARCHAR;
            column->metadata = octets;
        }
        break;
    default: break;
    }
}

static int make_column(const struct my_table *table, struct my_column *column, enum my_flavor flavor,
                       const struct row *row, struct cdc_error *error)
{
    const struct type *found = NULL;
    for (size_t i = 0; !found && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(types[i].name, row->base_type) == 0)
            found = &types[i];
    if (!found)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "table %s.%s, column %s: its type %s is not known", table->db,
                             table->name, row->name, row->base_type);
    column->name = strdup(row->name);
    column->type = found->type;
    column->metadata = found->metadata;
    column->decimals = -1;
    column->is_unsigned = strstr(row->type, " unsigned") != NULL;
    column->charset = my_charset_named(row->charset ? row->charset : "binary");
    column->nullable = row->nullable;
    column->listed_key = row->key.listed;
    settle_metadata(column, flavor, row);
    return column->name ? 0 : cdc_error_memory(error);
}

static bool may_select(const struct row *row)
{
    return row->privileges && strstr(row->privileges, "select");
}

static int hidden(const struct my_table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_PERMISSION, "the user may not read all columns of table %s.%s", table->db,
                  table->name);
    return cdc_error_hint(error, "GRANT SELECT on the whole table, or exclude it with -T");
}

struct making {
    struct my_table *table;
    enum my_flavor flavor;
    uint64_t seen; /* columns */
};

/* What may not be read is not shown at all (a number is missing), unless another privilege shows it. A column that
 * is missing in the middle would shift all after it: refused, not guessed. */
static int make_row(void *context, const struct row *row, struct cdc_error *error)
{
    struct making *making = context;
    struct my_table *table = making->table;
    if (!table->columns)
        table->columns = calloc(row->of, sizeof *table->columns);
    if (!table->columns)
        return cdc_error_memory(error);
    struct my_column *column = &table->columns[table->n_columns++];
    if (!may_select(row) || row->ordinal != ++making->seen)
        return hidden(table, error);
    if (make_column(table, column, making->flavor, row, error) < 0 || describe_column(table, column, row, error) < 0)
        return -1;
    if (my_column_is_omitted(column, making->flavor)) {
        table->omits = true;
        my_column_free(column);
        table->n_columns--;
    }
    return 0;
}

int my_catalog_make(MYSQL *sql, enum my_flavor flavor, struct my_table *table, struct cdc_error *error)
{
    struct making making = {.table = table, .flavor = flavor};
    int status = each_row(sql, flavor, table, make_row, &making, error);
    return status == 0 && table->n_columns == 0 ? hidden(table, error) : status;
}

/* -- of all tables ----------------------------------------------------------------------------------- */

enum my_engine my_catalog_engine(const char *engine)
{
    static const char *const frozen[] = {"InnoDB", "ROCKSDB"};
    static const char *const elsewhere[] = {"MRG_MyISAM", "FEDERATED", "CONNECT", "SPIDER",
                                            "BLACKHOLE",  "OQGRAPH",   "SPHINX"};
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++)
        if (strcasecmp(engine, frozen[i]) == 0)
            return MY_ENGINE_FROZEN;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strcasecmp(engine, elsewhere[i]) == 0)
            return MY_ENGINE_ELSEWHERE;
    return MY_ENGINE_LIVE;
}

#define FROM_TABLES                                                                                                    \
    " FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN "  \
    "('information_schema', 'performance_schema')"
/* Byte by byte: information_schema takes tt and TT, cafe and café for the same name. */
#define IN_ORDER " ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS BINARY)"

MYSQL_RES *my_catalog_list(MYSQL *sql, struct cdc_error *error)
{
    return my_session_query(sql,
                            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, IFNULL(ENGINE, ''), IFNULL(CREATE_TIME, ''), "
                            "IFNULL(CREATE_OPTIONS, '')" FROM_TABLES IN_ORDER,
                            "cannot list the tables", error);
}

MYSQL_RES *my_catalog_list_names(MYSQL *sql, struct cdc_error *error)
{
    return my_session_query(sql, "SELECT TABLE_SCHEMA, TABLE_NAME" FROM_TABLES IN_ORDER, "cannot list the tables",
                            error);
}

MYSQL_RES *my_catalog_list_ambiguous(MYSQL *sql, const char *db, struct cdc_error *error)
{
    static const char *const parts[] = {
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED' AND "
        "TABLE_SCHEMA = ",
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.STATISTICS WHERE INDEX_TYPE = 'HASH' AND "
        "TABLE_SCHEMA = ",
        " UNION SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE (DATA_TYPE IN ('uuid', 'inet4', "
        "'inet6', 'longtext', 'json', 'vector', 'varbinary', 'timestamp') OR COLUMN_TYPE IN ('binary(4)', "
        "'binary(16)') OR EXTRA LIKE '%GENERATED%' OR COLUMN_NAME LIKE 'DB\\_ROW\\_HASH%') AND TABLE_SCHEMA = "};
    struct cdc_buf text = CDC_BUF_INIT;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        cdc_buf_text(&text, parts[i]);
        my_session_append_literal(&text, sql, db);
    }
    cdc_buf_byte(&text, '\0');
    MYSQL_RES *result = NULL;
    if (text.failed)
        cdc_error_memory(error);
    else
        result = my_session_query(sql, text.data, "cannot list the tables", error);
    cdc_buf_free(&text);
    return result;
}

/* Their columns in the same order, which come one by one: there may be a million. Not by a join, which takes MariaDB
 * seconds for some thousand tables. */
static MYSQL_RES *ask_columns(MYSQL *sql, struct cdc_error *error)
{
    static const char text[] =
        "SELECT " FIELDS ", TABLE_SCHEMA, TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN "
        "('information_schema', 'performance_schema') ORDER BY CAST(TABLE_SCHEMA AS BINARY), CAST(TABLE_NAME AS "
        "BINARY), "
        "ORDINAL_POSITION";
    MYSQL_RES *result = mysql_query(sql, text) == 0 ? mysql_use_result(sql) : NULL;
    if (!result) {
        my_session_error(sql, "cannot read the tables' columns", error);
    } else if (mysql_num_fields(result) <= TABLE_FIELD) {
        cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server answered with fewer columns than were asked for");
        mysql_free_result(result);
        result = NULL;
    }
    return result;
}

static void add_column(struct my_catalog_table *table, const struct row *row, enum my_flavor flavor)
{
    const struct my_column column = {.generated = row->generated, .period = row->period};
    table->has_key |= my_row_key_has(&row->key);
    table->ambiguous_key |= my_row_key_has(&row->key) && my_row_key_is_ambiguous(text_of(row->type));
    table->omits |= my_column_is_omitted(&column, flavor);
    table->versions_by_transaction |= row->key.row_end && is(row->base_type, "bigint");
    /* What may not be read is not shown, or shown with other privileges. */
    table->hidden |= !may_select(row) || row->ordinal != ++table->n_columns;
}

/* The columns that come next, up to those of a table after this one (those before it are a view's). */
static void take_columns(struct my_catalog_table *table, MYSQL_RES *columns, MYSQL_ROW *next, enum my_flavor flavor)
{
    static const struct cdc_buf no_clauses = CDC_BUF_INIT;
    for (; *next; *next = mysql_fetch_row(columns)) {
        int order = strcmp(text_of((*next)[DB_FIELD]), table->db);
        if (order == 0)
            order = strcmp(text_of((*next)[TABLE_FIELD]), table->name);
        if (order > 0)
            break;
        if (order < 0)
            continue;
        const struct row row = row_of(*next, &no_clauses);
        add_column(table, &row, flavor);
    }
    table->hidden |= table->n_columns == 0;
}

int my_catalog_each(MYSQL *sql, enum my_flavor flavor, my_catalog_visit *visit, void *context, struct cdc_error *error)
{
    MYSQL_RES *tables = my_catalog_list(sql, error);
    MYSQL_RES *columns = tables ? ask_columns(sql, error) : NULL;
    MYSQL_ROW next = columns ? mysql_fetch_row(columns) : NULL;
    for (MYSQL_ROW row; columns && (row = mysql_fetch_row(tables)) != NULL;) {
        if (!row[0] || !row[1])
            continue;
        struct my_catalog_table table = {.db = row[0], .name = row[1], .engine = text_of(row[3])};
        table.partitioned = mysql_num_fields(tables) > 5 && strstr(text_of(row[5]), "partitioned");
        take_columns(&table, columns, &next, flavor);
        visit(context, &table);
    }
    int status = columns ? 0 : -1;
    if (columns && mysql_errno(sql) != 0)
        status = my_session_error(sql, "cannot read the tables' columns", error);
    mysql_free_result(columns);
    mysql_free_result(tables);
    return status;
}
