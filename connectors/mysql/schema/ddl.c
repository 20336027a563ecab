/* SPDX-License-Identifier: MIT */
#include "connectors/mysql/schema/ddl.h"
#include "connectors/mysql/event/statement.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)64 << 20) /* of statements that are kept */

static void free_item(struct my_ddl *ddl)
{
    free(ddl->sql);
    free(ddl->db);
}

void my_ddl_free(struct my_ddl_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free_item(&list->items[i]);
    free(list->items);
    cdc_buf_free(&list->scratch);
    memset(list, 0, sizeof *list);
}

static int keep(struct my_ddl_list *list, const struct my_event_query *query, const struct my_coord *coord,
                struct cdc_error *error)
{
    /* In UTF-8, as names are kept: the statement came in the charset of its session. */
    struct cdc_buf text = CDC_BUF_INIT;
    struct cdc_span sql;
    int status = my_statement_text(query, &text, &sql, error);
    bool keeps_columns = status == 0 && my_statement_keeps_columns(sql);
    if (keeps_columns && !my_statement_names_charset(sql)) {
        cdc_buf_free(&text);
        return 0;
    }
    if (status == 0 && list->bytes + sql.n > BYTES_MAX)
        status = cdc_error_set(error, CDC_EXIT_CONFIG, "there are more DDL statements in the log than can be searched");
    struct my_ddl copy = {.sql = status == 0 ? cdc_span_copy(sql) : NULL,
                          .n = sql.n,
                          .db = status == 0 && !query->thread_specific ? cdc_span_copy(query->db) : NULL,
                          .keeps_columns = keeps_columns,
                          .coord = *coord};
    bool copied = copy.sql && (copy.db || query->thread_specific);
    struct my_ddl *items = copied ? realloc(list->items, (list->n + 1) * sizeof *items) : NULL;
    cdc_buf_free(&text);
    if (!items) {
        free_item(&copy);
        return status < 0 ? -1 : cdc_error_memory(error);
    }
    list->items = items;
    list->bytes += sql.n;
    items[list->n++] = copy;
    return 0;
}

int my_ddl_take(struct my_ddl_list *list, const struct my_event_header *header, struct cdc_bytes body,
                const struct my_coord *coord, struct cdc_error *error)
{
    struct my_event_query query;
    struct my_statement statement = {0};
    if (my_event_query_parse(header, body, &list->scratch, &query, error) < 0)
        return -1;
    int parsed = my_statement_parse(&statement, &query, error);
    bool ddl = statement.kind == MY_STATEMENT_DDL || statement.kind == MY_STATEMENT_CREATE_SELECT;
    my_statement_free(&statement);
    if (parsed < 0)
        return -1;
    return ddl ? keep(list, &query, coord, error) : 0;
}

void my_ddl_forget(struct my_ddl_list *list, const struct my_coord *coord)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (my_coord_compare(&list->items[i].coord, coord) > 0) {
            list->items[kept++] = list->items[i];
            continue;
        }
        list->bytes -= list->items[i].n;
        free_item(&list->items[i]);
    }
    list->n = kept;
}

static bool names(const struct my_ddl *ddl, const char *table, const struct my_coord *coord)
{
    return my_coord_compare(&ddl->coord, coord) > 0 &&
           my_statement_names(cdc_span(ddl->sql, ddl->n), cdc_span_text(table));
}

bool my_ddl_names(const struct my_ddl_list *list, const char *table, const struct my_coord *coord)
{
    for (size_t i = 0; i < list->n; i++)
        if (!list->items[i].keeps_columns && names(&list->items[i], table, coord))
            return true;
    return false;
}

bool my_ddl_names_charset(const struct my_ddl_list *list, const char *table, const struct my_coord *coord)
{
    for (size_t i = 0; i < list->n; i++)
        if (my_statement_names_charset(cdc_span(list->items[i].sql, list->items[i].n)) &&
            names(&list->items[i], table, coord))
            return true;
    return false;
}
