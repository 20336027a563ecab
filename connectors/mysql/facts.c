/* SPDX-License-Identifier: MIT */
/* The facts of --check. */
#include "connectors/mysql/internal.h"
#include "connectors/mysql/session/session.h"

#include <cdc/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A variable that the server has not is null. */
static void take_variable(struct cdc_findings *report, MYSQL *mysql, const char *name, bool number)
{
    struct cdc_error ignored = {0};
    char *value = my_server_variable(mysql, name, &ignored), *end = NULL;
    bool known = value && *value;
    int64_t n = known && number ? (int64_t)strtoll(value, &end, 10) : 0;
    if (end && (*end == '\0' || *end == '.')) /* MariaDB has seconds with decimals */
        cdc_findings_number(report, name, n);
    else
        cdc_findings_text(report, name, known ? value : NULL);
    free(value);
}

static void take_settings(struct cdc_findings *report, MYSQL *mysql)
{
    static const struct {
        const char *name;
        bool number;
    } variables[] = {{"log_bin", false},
                     {"binlog_format", false},
                     {"binlog_row_image", false},
                     {"binlog_row_metadata", false},
                     {"binlog_row_value_options", false},
                     {"gtid_mode", false},
                     {"gtid_strict_mode", false},
                     {"binlog_expire_logs_seconds", true},
                     {"expire_logs_days", true},
                     {"max_binlog_total_size", true},
                     {"sync_binlog", true},
                     {"innodb_flush_log_at_trx_commit", true}};
    cdc_findings_object(report, "settings");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        take_variable(report, mysql, variables[i].name, variables[i].number);
}

static void take_server(struct cdc_findings *report, MYSQL *mysql, const struct my_server *server,
                        const struct my_check_known *known)
{
    struct cdc_error ignored = {0};
    char *version = my_session_value(mysql, "SELECT VERSION()", "cannot ask for the version", &ignored);
    char *user = my_session_value(mysql, "SELECT CURRENT_USER()", "cannot ask for the user", &ignored);
    cdc_findings_object(report, "server");
    cdc_findings_text(report, "flavor", server->flavor == MY_FLAVOR_MARIADB ? "mariadb" : "mysql");
    cdc_findings_text(report, "version", version);
    cdc_findings_text(report, "server_uuid", server->uuid[0] ? server->uuid : NULL);
    take_variable(report, mysql, "server_id", true);
    cdc_findings_number(report, "our_server_id", known->replica_id);
    take_variable(report, mysql, "read_only", false);
    cdc_findings_text(report, "user", user);
    free(version);
    free(user);
}

/* -- the log, and how much of it is still to be read -- */

struct files {
    char first[256], last[256];
    int64_t n, bytes, after; /* after: from the position on, -1: its file is not among them */
};

static int list_files(MYSQL *mysql, const char *file, int64_t at, struct files *files, struct cdc_error *error)
{
    MYSQL_RES *result = my_session_query(mysql, "SHOW BINARY LOGS", "cannot list the log's files", error);
    if (!result)
        return -1;
    *files = (struct files){.after = -1};
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)) != NULL; files->n++) {
        const char *name = row[0] ? row[0] : "";
        int64_t size = (int64_t)my_server_file_end(result, row);
        if (files->n == 0)
            snprintf(files->first, sizeof files->first, "%s", name);
        snprintf(files->last, sizeof files->last, "%s", name);
        files->bytes += size;
        if (files->after >= 0)
            files->after += size;
        else if (*file && strcmp(name, file) == 0)
            files->after = size > at ? size - at : 0;
    }
    mysql_free_result(result);
    return 0;
}

/* true: the server has turned its log off, or has none. */
static bool take_log(struct cdc_findings *report, MYSQL *mysql, const struct my_server *server,
                     const struct files *files)
{
    struct my_coord end = {.file = ""};
    struct cdc_error ignored = {0};
    char *gtids = NULL;
    bool known = my_server_end(mysql, server, &end, &gtids, &ignored) == 0;
    cdc_findings_object(report, "log");
    cdc_findings_text(report, "file", known ? end.file : NULL);
    if (known)
        cdc_findings_number(report, "pos", (int64_t)end.position);
    else
        cdc_findings_text(report, "pos", NULL);
    cdc_findings_text(report, "gtids", known && gtids && *gtids ? gtids : NULL);
    cdc_findings_text(report, "oldest_file", files->n > 0 ? files->first : NULL);
    cdc_findings_number(report, "files", files->n);
    cdc_findings_number(report, "log_bytes", files->bytes);
    free(gtids);
    return ignored.status == CDC_EXIT_CONFIG;
}

/* By the clock that the position has its time from: the server's. That of a heartbeat is ours, which may be ahead. */
static void take_lag_seconds(struct cdc_findings *report, MYSQL *mysql, struct cdc_span source)
{
    struct cdc_error ignored = {0};
    int64_t ms = 0, now;
    if (!cdc_json_int64(cdc_json_member(source, "ts_ms"), &ms) || ms <= 0 || my_server_clock(mysql, &now, &ignored) < 0)
        cdc_findings_text(report, "lag_seconds", NULL);
    else
        cdc_findings_number(report, "lag_seconds", now > ms ? (now - ms) / 1000 : 0);
}

static void take_lag(struct cdc_findings *report, MYSQL *mysql, const struct files *files,
                     const struct my_check_known *known, struct cdc_span source, const char *file, int64_t at)
{
    cdc_findings_object(report, "lag");
    cdc_findings_text(report, "pos", known->position.pos);
    cdc_findings_text(report, "file", *file ? file : NULL);
    if (*file)
        cdc_findings_number(report, "file_pos", at);
    else
        cdc_findings_text(report, "file_pos", NULL);
    if (*file && files->after >= 0)
        cdc_findings_number(report, "lag_bytes", files->after);
    else
        cdc_findings_text(report, "lag_bytes", NULL);
    take_lag_seconds(report, mysql, source);
}

bool my_facts_server(struct cdc_findings *report, MYSQL *mysql, const struct my_server *server,
                     const struct my_check_known *known)
{
    struct cdc_span source = cdc_span_text(known->position.source ? known->position.source : "{}");
    struct cdc_error error = {0};
    struct files files = {.after = -1};
    char file[256] = "";
    int64_t at = 0;
    if (!report)
        return my_server_log_is_off(mysql, server);
    if (cdc_json_member_copy(source, "file", file, sizeof file))
        (void)cdc_json_int64(cdc_json_member(source, "pos"), &at);
    take_server(report, mysql, server, known);
    take_settings(report, mysql);
    if (list_files(mysql, file, at, &files, &error) < 0)
        cdc_findings_add(report, CDC_LOG_WARNING, "facts", NULL, error.text, error.hint);
    bool off = take_log(report, mysql, server, &files);
    if (known->position.pos)
        take_lag(report, mysql, &files, known, source, file, at);
    return off;
}

void my_facts_table(struct cdc_findings *report, const struct my_catalog_table *table)
{
    if (!report)
        return;
    cdc_findings_row(report, "tables");
    cdc_findings_text(report, "db", table->db);
    cdc_findings_text(report, "table", table->name);
    cdc_findings_text(report, "engine", table->engine);
    cdc_findings_flag(report, "key", table->has_key);
    cdc_findings_flag(report, "readable", !table->hidden);
    cdc_findings_flag(report, "partitioned", table->partitioned);
}
