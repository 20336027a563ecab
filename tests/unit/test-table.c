/* SPDX-License-Identifier: MIT */
/* Tables of a sink: found by event, described by schema lines, each name at the destination with one owner. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cdc/selection.h>
#include <cdc/table.h>

#include "tests/unit/no-memory.h"

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

/* A destination that keeps one owner, and takes names in either case for one. */
struct destination {
    char *name;
    struct cdc_table_id owner;
    unsigned claims;
};

static int name_of(void *sink, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error)
{
    (void)sink;
    if (event->table.n == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "no name");
    cdc_buf_span(out, event->table);
    return 0;
}

static int owner_of(void *sink, const char *target, struct cdc_table_id *owner, struct cdc_error *error)
{
    struct destination *destination = sink;

    (void)error;
    if (destination->name == NULL || strcasecmp(target, destination->name) != 0)
        return 0;
    *owner = (struct cdc_table_id){strdup(destination->owner.name), strdup(destination->owner.db),
                                   strdup(destination->owner.schema), strdup(destination->owner.table)};
    return 1;
}

static int claim(void *sink, const char *target, const struct cdc_table_id *owner, struct cdc_error *error)
{
    struct destination *destination = sink;

    (void)error;
    destination->claims++;
    destination->name = strdup(target);
    destination->owner =
        (struct cdc_table_id){strdup(owner->name), strdup(owner->db), strdup(owner->schema), strdup(owner->table)};
    return 0;
}

static const struct cdc_target_ops durable = {"table", "rename one", name_of, owner_of, claim};
static const struct cdc_target_ops forgetful = {"index", "rename one", name_of, NULL, NULL};

static char lines[16][400];
static unsigned at;

/* A view of a line of that kind; kept until sixteen more are made. */
static struct cdc_event event(const char *op, const char *schema, const char *table, const char *members)
{
    struct cdc_event result;
    struct cdc_error error = {0};
    char *line = lines[at++ % 16];

    snprintf(line, sizeof lines[0],
             "{\"op\":\"%s\",\"pos\":\"1\",\"source\":{\"name\":\"n\",\"schema\":\"%s\",\"table\":\"%s\"}%s}", op,
             schema, table, members);
    check(cdc_event_parse(&result, line, strlen(line), &error) == 0, error.text);
    return result;
}

static struct cdc_table *find(struct cdc_tables *tables, const char *op, const char *schema, const char *table,
                              int wanted_status)
{
    struct cdc_error error = {0};
    struct cdc_event line = event(op, schema, table, "");
    struct cdc_table *found = cdc_tables_of(tables, &line, &error);

    check(error.status == wanted_status, error.text[0] != '\0' ? error.text : "an error was expected");
    check((found == NULL) == (wanted_status != 0), "a table or an error");
    return found;
}

/* Partitions are sources of their own, and say whose they are. */
static void test_partitions(void)
{
    static const char form[] =
        "{\"op\":\"c\",\"pos\":\"1\",\"source\":{\"name\":\"%s\"%s,\"schema\":\"s\",\"table\":\"t\"}}";
    static const struct {
        const char *name, *of;
        bool same;
    } rows[] = {{"eu/shop/1", ",\"partition_of\":\"eu\"", true},
                {"eu/shop/2", ",\"partition_of\":\"eu\"", true},
                {"eu", "", true},
                {"eu/shop/3", "", false},
                {"us/shop/1", ",\"partition_of\":\"us\"", false}};
    struct destination destination = {NULL, {NULL, NULL, NULL, NULL}, 0};
    struct cdc_tables tables;

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cdc_error error = {0};
        struct cdc_event line;
        char text[300];
        int n = snprintf(text, sizeof text, form, rows[i].name, rows[i].of);
        check(cdc_event_parse(&line, text, (size_t)n, &error) == 0, error.text);
        struct cdc_table *table = cdc_tables_of(&tables, &line, &error);
        check((table != NULL) == rows[i].same, "partitions of one source own one name, and other sources do not");
        if (table != NULL && !table->owned)
            check(cdc_tables_claim(&tables, table, &error) == 0, "claimed");
    }
    check(destination.owner.name != NULL && strcmp(destination.owner.name, "eu") == 0, "for the whole source");
    cdc_table_id_free(&destination.owner);
    free(destination.name);
    cdc_tables_free(&tables);
}

static void test_owners(void)
{
    struct destination destination = {NULL, {NULL, NULL, NULL, NULL}, 0};
    struct cdc_tables tables;
    struct cdc_error error = {0};

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    struct cdc_table *a = find(&tables, "c", "shop", "orders", 0);
    check(!a->owned && find(&tables, "t", "staging", "orders", 0) != a, "nobody owns it yet");
    check(cdc_tables_claim(&tables, a, &error) == 0 && a->owned && destination.claims == 1, "claimed");
    check(find(&tables, "u", "shop", "orders", 0) == a, "the same table again");
    find(&tables, "t", "staging", "orders", CDC_EXIT_CONFIG); /* it was there before the claim */
    find(&tables, "t", "shop", "Orders", CDC_EXIT_CONFIG);    /* one name to this destination */
    find(&tables, "c", "other", "orders", CDC_EXIT_CONFIG);
    find(&tables, "c", "shop", "", CDC_EXIT_CONFIG);
    cdc_tables_free(&tables);
    /* The next run. */
    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    find(&tables, "t", "staging", "orders", CDC_EXIT_CONFIG);
    check(find(&tables, "t", "shop", "orders", 0)->owned, "owned by a run before");
    free(destination.name);
    destination.name = NULL;
    cdc_tables_recheck(&tables);
    check(!find(&tables, "t", "shop", "orders", 0)->owned, "a claim that was rolled back");
    cdc_tables_free(&tables);
    cdc_table_id_free(&destination.owner);
}

static void test_owners_of_a_run(void)
{
    struct cdc_tables tables;

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &forgetful, NULL);
    check(find(&tables, "t", "shop", "orders", 0)->owned, "the first one owns it");
    find(&tables, "c", "staging", "orders", CDC_EXIT_CONFIG);
    check(find(&tables, "c", "shop", "orders", 0)->owned, "the owner goes on");
    cdc_tables_free(&tables);
}

/* A stage may print the same name with other escapes, in one run or from one run to the next. */
static void test_spelling(void)
{
    struct destination destination = {NULL, {NULL, NULL, NULL, NULL}, 0};
    struct cdc_tables tables;
    struct cdc_error error = {0};

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    struct cdc_table *a = find(&tables, "c", "caf\\u00e9", "orders", 0);
    check(strcmp(a->id.schema, "café") == 0, "names are unescaped");
    check(cdc_tables_claim(&tables, a, &error) == 0, "claimed");
    check(find(&tables, "u", "caf\xc3\xa9", "orders", 0) == a, "found under another spelling");
    find(&tables, "u", "other", "", CDC_EXIT_CONFIG); /* another line between them */
    check(find(&tables, "u", "caf\\u00E9", "orders", 0) == a && tables.n == 1, "and a third one");
    find(&tables, "u", "a\\u0000b", "orders", CDC_EXIT_CONFIG);
    cdc_tables_free(&tables);
    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    check(find(&tables, "t", "caf\xc3\xa9", "orders", 0)->owned, "the owner of a run before");
    cdc_tables_free(&tables);
    free(destination.name);
    cdc_table_id_free(&destination.owner);
}

/* Whichever part of a name holds a NUL: what comes after it would not count, and two tables would be one. */
static void test_nul(void)
{
    static const char *const names[] = {"name", "db", "schema", "table"};
    char line[200];

    for (size_t bad = 0; bad < 4; bad++) {
        struct cdc_buf text = CDC_BUF_INIT;
        struct cdc_event parsed;
        struct cdc_error error = {0};
        struct cdc_tables tables;
        for (size_t i = 0; i < 4; i++)
            cdc_buf_printf(&text, ",\"%s\":\"a%s\"", names[i], i == bad ? "\\u0000b" : "");
        snprintf(line, sizeof line, "{\"op\":\"c\",\"pos\":\"1\",\"source\":{%s}}", text.data + 1);
        check(cdc_event_parse(&parsed, line, strlen(line), &error) == 0, "it is a line");
        cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &forgetful, NULL);
        for (int again = 0; again < 2; again++) {
            error = (struct cdc_error){0};
            check(cdc_tables_of(&tables, &parsed, &error) == NULL && error.status == CDC_EXIT_CONFIG &&
                      strstr(error.text, "NUL") != NULL && tables.n == 0,
                  line);
        }
        cdc_tables_free(&tables);
        cdc_buf_free(&text);
    }
}

static void test_many(void)
{
    struct cdc_tables tables;
    char name[20];
    bool found = true;

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &forgetful, NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        find(&tables, "c", "s", name, 0);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        found = found && strcmp(find(&tables, "c", "s", name, 0)->id.table, name) == 0;
    }
    check(found && tables.n == 1000, "a thousand tables, each found again");
    cdc_tables_free(&tables);
}

static void define(struct cdc_tables *tables, const char *members, int wanted_status)
{
    struct cdc_error error = {0};
    struct cdc_event line = event("schema", "s", "t", members);
    struct cdc_table *table = cdc_tables_define(tables, &line, &error);

    check(error.status == wanted_status && (table == NULL) == (wanted_status != 0), members);
}

static void test_definitions(void)
{
    struct cdc_tables tables;

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &forgetful, NULL);
    define(&tables,
           ",\"columns\":[{\"name\":\"a\",\"type\":\"int\",\"generated\":false},"
           "{\"name\":\"b\\u0062\",\"generated\":true}],"
           "\"key_columns\":[\"bb\",\"a\"]",
           0);
    const struct cdc_table *table = tables.items[0];
    check(table->n_columns == 2 && strcmp(table->columns[1].name, "bb") == 0 && table->columns[1].generated &&
              !table->columns[0].generated && strcmp(table->columns[0].type, "int") == 0 &&
              table->columns[1].type[0] == '\0',
          "columns");
    check(table->n_key == 2 && table->key[0] == 1 && table->key[1] == 0 && table->columns[0].key, "key, in its order");
    check(table->whole, "all columns are told");
    static const char *const bad[] = {",\"columns\":[1]",
                                      ",\"columns\":[[1]]",
                                      ",\"columns\":[[\"name\",\"a\"]]",
                                      ",\"columns\":[{\"name\":1}]",
                                      ",\"key_columns\":[\"a\",\"a\"]",
                                      ",\"columns\":[{\"name\":\"a\"}],\"key_columns\":[\"a\",\"a\"]",
                                      ",\"columns\":[{\"name\":\"a\"}],\"key_columns\":[[\"a\"]]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        define(&tables, bad[i], CDC_EXIT_DATA);
    define(&tables, ",\"columns\":[{\"name\":\"\"}]", CDC_EXIT_CONFIG);
    define(&tables, ",\"columns\":[{\"name\":\"a\\u0000b\"}]", CDC_EXIT_CONFIG);
    check(table->n_columns == 2 && table->n_key == 2, "after bad lines the table is as it was");
    /* A stage before has dropped columns: the key is there all the same. */
    define(&tables, ",\"columns\":[{\"name\":\"a\"}],\"key_columns\":[\"b\"]", 0);
    check(table->n_columns == 2 && table->n_key == 1 && table->key[0] == 1 && !table->whole,
          "a key that is not listed");
    define(&tables, ",\"key_columns\":[\"x\",\"y\"]", 0);
    check(table->n_columns == 2 && table->n_key == 2 && !table->whole && strcmp(table->columns[1].name, "y") == 0,
          "no columns but those of the key");
    define(&tables, "", 0);
    check(table->n_columns == 0 && table->n_key == 0 && !table->whole, "neither");
    define(&tables, ",\"columns\":[]", 0);
    check(tables.n == 1 && table->n_columns == 0 && table->n_key == 0, "another definition");
    cdc_tables_free(&tables);
}

/* Two tables, their descriptions, and who owns them. */
static int describe_all(struct cdc_buf *out, struct cdc_error *error)
{
    struct destination destination = {NULL, {NULL, NULL, NULL, NULL}, 0};
    struct cdc_tables tables;
    int result = 0;

    cdc_tables_init(&tables, sizeof(struct cdc_table), NULL, &durable, &destination);
    for (int i = 0; result == 0 && i < 3; i++) {
        struct cdc_event line =
            i < 2 ? event("schema", "s", i == 0 ? "t" : "u",
                          ",\"columns\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\\u0062\",\"generated\":true}],"
                          "\"key_columns\":[\"bb\",\"x\"]")
                  : event("c", "s", "t", "");
        memory_begin();
        struct cdc_table *table =
            i < 2 ? cdc_tables_define(&tables, &line, error) : cdc_tables_of(&tables, &line, error);
        result = table == NULL ? -1 : 0;
        if (i == 2 && table != NULL)
            result = cdc_tables_claim(&tables, table, error);
        memory_end();
        for (size_t k = 0; table != NULL && result == 0 && k < table->n_columns; k++)
            cdc_buf_printf(out, "%s.%s %s %d %d\n", table->id.table, table->columns[k].name, table->columns[k].type,
                           table->columns[k].generated, table->columns[k].key);
        if (table != NULL && result == 0)
            cdc_buf_printf(out, "%s %zu %zu %d %d\n", table->target, table->key[0], table->n_key, table->whole,
                           table->owned);
    }
    cdc_tables_free(&tables);
    free(destination.name);
    cdc_table_id_free(&destination.owner);
    return result;
}

/* Whatever the server's names are like, and without memory: the same tables. */
static void test_selection(void)
{
    const char *include[] = {"Shop.*", "\"My.Db\".*", "Käse.T?"}, *exclude[] = {"shop.SECRET*", "other.*"};
    const struct cdc_selection selection = {.include = {include, 3}, .exclude = {exclude, 2}, .any_case = true};

    for (memory_fails_at = 0; memory_fails_at <= 4; memory_fails_at++) {
        memory_calls = 0;
        memory_begin();
        bool has = cdc_selection_has_table(&selection, "shop", "Orders") &&
                   cdc_selection_has_table(&selection, "SHOP", "orders") &&
                   cdc_selection_has_table(&selection, "my.db", "t") &&
                   cdc_selection_has_table(&selection, "kÄse", "tü") == false &&
                   cdc_selection_has_table(&selection, "KäSE", "tü");
        bool lacks = !cdc_selection_has_table(&selection, "shop", "Secrets") &&
                     !cdc_selection_has_table(&selection, "Other", "t") &&
                     !cdc_selection_has_table(&selection, "my_db", "t");
        bool some = cdc_selection_has_some_of(&selection, "SHOP") && !cdc_selection_has_some_of(&selection, "OTHER");
        memory_end();
        check(has && lacks, "selected in any case");
        check(some, "schemas in any case");
    }
    memory_fails_at = 0;
}

int main(void)
{
    failures += memory_sweep("tables", describe_all) != 0;
    test_selection();
    test_owners();
    test_partitions();
    test_owners_of_a_run();
    test_spelling();
    test_nul();
    test_many();
    test_definitions();
    if (failures == 0)
        printf("ok - table\n");
    return failures != 0;
}
