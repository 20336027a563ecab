/* SPDX-License-Identifier: MIT */
/* Waits for a server end when the program is told to leave. The client library waits by itself, for a connection or for an
 * answer, and goes on after a signal. But it asks a function how long, and calls that for each wait. */
#ifndef MY_WAIT_H
#define MY_WAIT_H

#include <cdc/control.h>
#include <cdc/error.h>
#include <mysql.h>
#include <stdbool.h>

/* The library tells that function no context, so there is one control a process. stop_at: the stop at which nothing is waited
 * for any more, 1 or 2. BORROWS control; NULL: waits end by their time alone. */
void my_wait_obey(const struct cdc_control *control, int stop_at);
/* A wait of that many seconds or more is one of up to a day, as long as the server answers: whenever nothing has come for ten
 * seconds, it is asked by another connection. Before the first session; BORROWS context, NULL: nobody is asked. */
#define MY_WAIT_PATIENT_S 900
void my_wait_ask(bool (*answers)(void *context), void *context);
/* While on, waits of the calling thread tell control->waiting. Not while lines are being made: it may write what is there. */
void my_wait_report(bool on);
/* The waits of that connection, which is not made yet, are such. */
void my_wait_options(MYSQL *mysql);
/* Looks a host's name up, as the library will again: only here the wait can end. Addresses and lists of hosts are not looked
 * up. 0; or -1 and UNAVAILABLE: there is none of that name, or the program is to leave. */
int my_wait_lookup(const char *host, struct cdc_error *error);

#endif
