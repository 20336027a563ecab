/* SPDX-License-Identifier: MIT */
/* Which transactions are complete at coordinates of the log. */
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/session/log_read.h"

#include <stdlib.h>
#include <string.h>

struct gathering {
    struct my_gtid_set *set;
    struct my_gtid gtid; /* of the transaction that is open */
    bool open, begun;
    bool head; /* only what stands at the head of the file is asked for */
    struct cdc_buf scratch;
};

static int close_gtid(struct gathering *gathering, struct cdc_error *error)
{
    gathering->open = false;
    return my_gtid_set_add(gathering->set, &gathering->gtid, error);
}

/* A transaction counts once its end was read: XID or COMMIT, and a statement without a BEGIN (DDL) is one by itself.
 *      GTID 5   BEGIN   rows   XID       counts at XID
 *      GTID 6   ALTER TABLE ...          counts at once */
static int gather_statement(struct gathering *gathering, const struct my_event_header *header, struct cdc_bytes body,
                            struct cdc_error *error)
{
    struct my_event_query query;
    struct my_statement statement = {0};
    if (my_event_query_parse(header, body, &gathering->scratch, &query, error) < 0)
        return -1;
    int parsed = my_statement_parse(&statement, &query, error);
    enum my_statement_kind kind = statement.kind;
    my_statement_free(&statement);
    if (parsed < 0)
        return -1;
    if (kind == MY_STATEMENT_BEGIN || kind == MY_STATEMENT_XA_START)
        gathering->begun = true;
    bool end = kind == MY_STATEMENT_COMMIT || kind == MY_STATEMENT_ROLLBACK || !gathering->begun;
    return end ? close_gtid(gathering, error) : 0;
}

static int gather(void *context, const struct my_event_header *header, struct cdc_bytes body,
                  const struct my_coord *coord, struct cdc_error *error)
{
    struct gathering *gathering = context;
    (void)coord;
    if (gathering->head && header->type != MY_EVENT_PREVIOUS_GTIDS)
        return MY_LOG_ENOUGH;
    switch (header->type) {
    case MY_EVENT_PREVIOUS_GTIDS:
        if (my_gtid_set_decode(gathering->set, body, error) < 0)
            return -1;
        return gathering->head ? MY_LOG_ENOUGH : 0;
    case MY_EVENT_GTID:
    case MY_EVENT_GTID_TAGGED:
    case MY_EVENT_ANONYMOUS_GTID:
        gathering->open = true;
        gathering->begun = false;
        return my_gtid_parse(header, body, &gathering->gtid, error);
    case MY_EVENT_XID:
    case MY_EVENT_XA_PREPARE:
    case MY_EVENT_TRANSACTION_PAYLOAD: return gathering->open ? close_gtid(gathering, error) : 0;
    case MY_EVENT_QUERY: return gathering->open ? gather_statement(gathering, header, body, error) : 0;
    default: return 0;
    }
}

static int text_of(const struct my_gtid_set *set, char **gtids, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    my_gtid_set_append(&text, set);
    cdc_buf_byte(&text, '\0');
    if (text.failed) {
        cdc_buf_free(&text);
        return cdc_error_memory(error);
    }
    *gtids = text.data;
    return 0;
}

/* MySQL: what stands at the file's head, and every transaction from there to the coordinates. */
static int read_to(struct my_session *session, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    struct my_coord head = *coord;
    struct gathering gathering = {.set = my_gtid_set_new(MY_FLAVOR_MYSQL, error), .head = coord->position <= 4};
    head.position = 4;
    struct my_coord end = head;
    /* The first event, FORMAT_DESCRIPTION, ends after the head; the set comes after it. */
    const struct my_coord *to = gathering.head ? NULL : coord;
    int result = gathering.set ? my_log_read(session, &head, to, gather, &gathering, &end, error) : -1;
    if (result == 0 && !gathering.head && (gathering.open || my_coord_compare(&end, coord) != 0))
        result = cdc_error_set(error, CDC_EXIT_LOST, "%s:%llu is not where a transaction begins", coord->file,
                               (unsigned long long)coord->position);
    *gtids = NULL;
    if (result == 0)
        result = text_of(gathering.set, gtids, error);
    my_gtid_set_free(gathering.set);
    cdc_buf_free(&gathering.scratch);
    return result;
}

/* -- MariaDB --------------------------------------------------------------------------------------------- */

/* As the server counts: a transaction from its GTID on, of which coordinates between two are after the end. */
static int gather_mariadb(void *context, const struct my_event_header *header, struct cdc_bytes body,
                          const struct my_coord *coord, struct cdc_error *error)
{
    struct my_gtid_set *set = context;
    struct my_gtid gtid;
    (void)coord;
    switch (header->type) {
    case MY_EVENT_MARIADB_GTID_LIST: return my_gtid_set_decode(set, body, error);
    case MY_EVENT_MARIADB_GTID:
        return my_gtid_parse(header, body, &gtid, error) < 0 ? -1 : my_gtid_set_add(set, &gtid, error);
    default: return 0;
    }
}

int my_log_gtids_by_dump(MYSQL *mysql, const struct my_server *server, uint32_t replica_id,
                         const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    struct my_gtid_set *set = my_gtid_set_new(MY_FLAVOR_MARIADB, error);
    struct my_coord end;
    *gtids = NULL;
    if (!set)
        return -1;
    int result = my_log_read_file(mysql, server, replica_id, coord, gather_mariadb, set, &end, error);
    bool there = result == 0 && my_coord_compare(&end, coord) == 0;
    if (result < 0 && error->status == CDC_EXIT_LOST) {
        cdc_error_clear(error); /* the file, or that offset in it */
        result = 0;
    }
    if (there)
        result = text_of(set, gtids, error);
    my_gtid_set_free(set);
    return result < 0 ? -1 : there;
}

/* 1, 0, -1 */
static int read_by_dump(struct my_session *session, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    MYSQL *dump = my_session_beside(session, error);
    int found =
        dump ? my_log_gtids_by_dump(dump, &session->server, my_log_replica_id(session), coord, gtids, error) : -1;
    if (dump)
        mysql_close(dump);
    return found;
}

/* MariaDB keeps count itself. */
static int ask_for(struct my_session *session, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    MYSQL *sql = my_session_sql(session, error);
    int found = sql ? my_server_gtids_at(sql, coord, gtids, error) : -1;
    if (found == 0)
        found = read_by_dump(session, coord, gtids, error);
    if (found == 0)
        cdc_error_set(error, CDC_EXIT_LOST, "there is no %s:%llu in the server's log", coord->file,
                      (unsigned long long)coord->position);
    return found > 0 ? 0 : -1;
}

int my_log_gtids_at(struct my_session *session, const struct my_coord *coord, char **gtids, struct cdc_error *error)
{
    if (session->server.flavor == MY_FLAVOR_MARIADB)
        return ask_for(session, coord, gtids, error);
    if (session->server.gtid && coord->position <= UINT32_MAX)
        return read_to(session, coord, gtids, error);
    *gtids = strdup("");
    return *gtids ? 0 : cdc_error_memory(error);
}
