/* SPDX-License-Identifier: MIT */
/* Reads a key range of a table in the order of its key, and gives its rows one by one:
 *
 *     int status = my_scan_begin(&scan, mysql, &key, &range, error);
 *     while (status == 0 && (status = my_scan_next(&scan, error)) > 0)
 *         status = use(&table, scan.cells);
 *     if (status < 0)
 *         close the session;
 *     my_scan_end(&scan);
 *
 * What the rows are for is the caller's affair: a snapshot, or a comparison. So is the transaction that they are seen in. */
#ifndef MY_SCAN_H
#define MY_SCAN_H

#include "connectors/mysql/scan/cell.h"
#include "connectors/mysql/scan/key.h"

#include <cdc/error.h>
#include <mysql.h>

/* One statement of a session. Nothing else can be asked there until it has ended. */
struct my_scan {
    MYSQL *mysql;             /* BORROWED */
    const struct my_key *key; /* BORROWED, with its table */
    struct my_cell *cells;    /* the row at hand, in the order of the table's columns; its bytes go with the next row */
    uint8_t *forms;           /* enum my_cell_form of each column */
    MYSQL_STMT *statement;
};
/* To be ended in any case. */
int my_scan_begin(struct my_scan *scan, MYSQL *mysql, const struct my_key *key, const struct my_range *range,
                  struct cdc_error *error);
/* 1: cells hold the next row; 0: there is none; -1. */
int my_scan_next(struct my_scan *scan, struct cdc_error *error);
/* Appends the key of the row at hand. */
int my_scan_key(const struct my_scan *scan, struct my_key_value *value, struct cdc_error *error);
/* Appends {"column":value,...} of a row; key_only: of its key. json_null: as my_image_note_json_null, emptied first. */
int my_scan_append_row(struct cdc_buf *out, const struct my_table *table, const struct my_cell *cells, bool key_only,
                       const struct cdc_value_format *format, uint64_t *unconvertible, struct cdc_buf *json_null,
                       struct cdc_error *error);
/* Where rows were left unread, close the session first: they would all be read here. */
void my_scan_end(struct my_scan *scan);

/* The key of the n-th row (from 1) above after; no values when there are fewer. */
int my_scan_find_key(MYSQL *mysql, const struct my_key *key, const struct my_key_value *after, int64_t n,
                     struct my_key_value *found, struct cdc_error *error);
/* Sets the error of a statement that reads a table: TEMPORARY where the table is another one meanwhile, PERMISSION with
 * the cure; else as my_session_error. Always -1. */
int my_scan_error(MYSQL *mysql, const struct my_table *table, struct cdc_error *error);

#endif
