/* SPDX-License-Identifier: MIT */
/* What the server is, and where its log begins and ends. */
#ifndef MY_SERVER_H
#define MY_SERVER_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/error.h>
#include <mysql.h>

struct my_server {
    enum my_flavor flavor;
    unsigned version;   /* 80404, 101106 */
    char uuid[128];     /* server_uuid; MariaDB has none: server_id/hostname:port, or what it was when its log began
                         to be read */
    char own_name[128]; /* the same as the server says it now */
    bool gtid;          /* MariaDB: always; MySQL: gtid_mode ON */
    bool full_metadata;
    bool checksums;        /* its events end in a CRC32 */
    bool lower_case_names; /* lower_case_table_names=1 or 2: rows come under names in lower case, statements as typed */
};
int my_server_flavor(MYSQL *mysql, enum my_flavor *flavor, struct cdc_error *error);
/* MariaDB: is it a node of a Galera cluster? */
enum my_cluster {
    MY_CLUSTER_NONE,
    MY_CLUSTER_OWN_GTIDS, /* wsrep_gtid_mode is OFF: on each node a transaction has another GTID */
    MY_CLUSTER_SAME_GTIDS
};
int my_server_cluster(MYSQL *mysql, enum my_cluster *cluster, struct cdc_error *error);
/* Which server answers: its server_uuid, or server_id/hostname:port of MariaDB. RETURNS NEW (free); NULL on errors. */
char *my_server_name(MYSQL *mysql, enum my_flavor flavor, struct cdc_error *error);
/* A further connection: UNAVAILABLE when it leads to another server than the one of that name. A URL may do so: a balancer, a
 * host with several addresses, an address that has just moved. What one server says then holds for nothing of the other's. */
int my_server_check_name(MYSQL *mysql, enum my_flavor flavor, const char *name, struct cdc_error *error);
/* Asks what it is; CONFIG when its log cannot be read (off, statement format ...), with the cure. */
int my_server_read(MYSQL *mysql, struct my_server *server, struct cdc_error *error);
/* A server that cannot make or write a file of its log may go on without one until it is started again (MariaDB; MySQL with
 * binlog_error_action=IGNORE_ERROR): log_bin is ON, and changes are in no log. false, too, where the user may not ask. */
bool my_server_log_is_off(MYSQL *mysql, const struct my_server *server);
/* A global variable's value; "" when the server has none of that name. RETURNS NEW (free); NULL on errors. */
char *my_server_variable(MYSQL *mysql, const char *name, struct cdc_error *error);

/* Its clock, since 1970. */
int my_server_clock(MYSQL *mysql, int64_t *ms, struct cdc_error *error);
/* The end of the log: file, position and the GTID set there (RETURNS NEW). */
int my_server_end(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                  struct cdc_error *error);
/* The oldest coordinates that there are, and the GTID set there (RETURNS NEW). */
int my_server_oldest(MYSQL *mysql, const struct my_server *server, struct my_coord *coord, char **gtids,
                     struct cdc_error *error);

/* GTID_SUBSET of two sets, each as text or as the name of a variable: "@@GLOBAL.gtid_executed". MySQL only. 1, 0 or -1. */
int my_server_is_subset(MYSQL *mysql, const char *a, const char *b, struct cdc_error *error);

/* The set at those coordinates of MariaDB's log (BINLOG_GTID_POS). 1 and RETURNS NEW; 0: the log has none such, or the server cannot say
 * it (my_log_gtids_by_dump); -1. */
int my_server_gtids_at(MYSQL *mysql, const struct my_coord *coord, char **gtids, struct cdc_error *error);

/* How coordinates stand to the files that the server has. */
enum my_standing {
    MY_STANDS_IN_FILE,
    MY_STANDS_BEFORE, /* their file was purged */
    MY_STANDS_NOWHERE /* their file is gone, or shorter now */
};
/* Where the file of a row of SHOW BINARY LOGS ends, as positions count; 0: the server cannot open it. */
uint64_t my_server_file_end(MYSQL_RES *files, MYSQL_ROW row);
int my_server_find(MYSQL *mysql, const struct my_coord *coord, enum my_standing *standing, struct cdc_error *error);
/* The file after that one, from its beginning; no name: there is none. */
int my_server_next_file(MYSQL *mysql, const char *file, struct my_coord *next, struct cdc_error *error);
/* How much of the log comes after those coordinates; *bytes -1: their file is not there. */
int my_server_bytes_after(MYSQL *mysql, const struct my_coord *coord, int64_t *bytes, struct cdc_error *error);

/* The number of a reader of the log, where none is given: the same for the same pipeline, unique among readers. */
uint32_t my_replica_id(uint32_t given, const char *name);

#endif
