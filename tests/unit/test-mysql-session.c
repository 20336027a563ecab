/* SPDX-License-Identifier: MIT */
/* Coordinates of the log, the DDL statements that end at them, and what a server says when a dump fails. */
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/schema/ddl.h"
#include "connectors/mysql/session/dump.h"
#include "connectors/mysql/session/session.h"
#include "connectors/mysql/session/url.h"
#include "tests/unit/binlog-events.h"
#include "tests/unit/no-memory.h"

#include <string.h>

static int order(const char *a, const char *b)
{
    struct my_coord one, other;
    if (!my_coord_parse(a, &one) || !my_coord_parse(b, &other))
        return 99;
    int ab = my_coord_compare(&one, &other), ba = my_coord_compare(&other, &one);
    return (ab < 0) == (ba > 0) && (ab == 0) == (ba == 0) ? (ab > 0) - (ab < 0) : 99;
}

static void test_order(void)
{
    check(order("binlog.000001:4", "binlog.000001:4") == 0, "the same coordinates");
    check(order("binlog.000001:900", "binlog.000001:1000") < 0, "offsets are numbers");
    check(order("binlog.000009:900", "binlog.000010:4") < 0, "a later file");
    check(order("binlog.999999:900", "binlog.1000000:4") < 0, "a number of one more digit");
}

static void test_parse(void)
{
    static const char *const none[] = {"",
                                       ":4",
                                       "binlog.000001",
                                       "binlog.000001:",
                                       "binlog.000001:4x",
                                       "binlog.000001:-4",
                                       "binlog.000001:99999999999999999999",
                                       "3e11fa47-71ca-11e1-9e33-c80aa9429562:1",
                                       "b.1:4,b.2:5"};
    struct my_coord coord;
    check(my_coord_parse("a:b.000007:18446744073709551", &coord) && strcmp(coord.file, "a:b.000007") == 0 &&
              coord.position == UINT64_C(18446744073709551),
          "the last colon parts file and offset");
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        check(!my_coord_parse(none[i], &coord), none[i]);
}

static void test_faults(void)
{
    static const struct {
        unsigned number;
        const char *text;
        enum my_dump_fault fault;
        int status;
    } cases[] = {
        {1236, "Could not find first log file name in binary log index file", MY_DUMP_LOST, CDC_EXIT_LOST},
        {1236,
         "binlog truncated in the middle of event; consider out of disk space on master; the first event 'b.000001' at "
         "4, the last event read from 'b.000002' at 256",
         MY_DUMP_TORN_FILE, CDC_EXIT_LOST},
        {1236,
         "The binlog on the master is missing the GTID 0-1-5 requested by the slave (even though a subsequent sequence "
         "number does exist), and GTID strict mode is enabled",
         MY_DUMP_LOST, CDC_EXIT_LOST},
        {1236, "Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file ./b.000012, position 286.",
         MY_DUMP_ANONYMOUS, CDC_EXIT_CONFIG},
        {1236, "A slave with the same server_uuid/server_id as this slave has connected to the master", MY_DUMP_SAME_ID,
         CDC_EXIT_CONFIG},
        {1236, "Could not open log file", MY_DUMP_NO_FAULT, CDC_EXIT_UNAVAILABLE},
        {1236, "Binary log is not open", MY_DUMP_NO_FAULT, CDC_EXIT_UNAVAILABLE},
        {1236, "memory allocation failed reading log event; the first event 'b.000001' at 4", MY_DUMP_NO_FAULT,
         CDC_EXIT_UNAVAILABLE},
        {1236, "Event decryption failure", MY_DUMP_NO_KEY, CDC_EXIT_UNAVAILABLE},
        {1236, "Could not decrypt binlog: encryption key error; the first event 'b.000001' at 4", MY_DUMP_NO_KEY,
         CDC_EXIT_UNAVAILABLE},
        {1236, "Could not set up decryption for binlog.", MY_DUMP_NO_KEY, CDC_EXIT_UNAVAILABLE},
        {1236, "Could not read GTID list event while looking for GTID position in binlog", MY_DUMP_UNREADABLE,
         CDC_EXIT_CONFIG},
        {4052, "Slave has been killed", MY_DUMP_SAME_ID, CDC_EXIT_CONFIG},
        {2013, "Lost connection to server: truncated in the middle of event", MY_DUMP_NO_FAULT, CDC_EXIT_UNAVAILABLE},
        {1045, "Access denied", MY_DUMP_NO_FAULT, CDC_EXIT_PERMISSION},
        {1226, "User has exceeded the 'max_user_connections' resource", MY_DUMP_NO_FAULT, CDC_EXIT_UNAVAILABLE},
        {1047, "WSREP has not yet prepared node for application use", MY_DUMP_NO_FAULT, CDC_EXIT_UNAVAILABLE},
        {1862, "Your password has expired", MY_DUMP_NO_FAULT, CDC_EXIT_PERMISSION},
        {1064, "You have an error in your SQL syntax", MY_DUMP_NO_FAULT, CDC_EXIT_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cdc_error error = {0};
        my_session_error_of(cases[i].number, cases[i].text, "the stream broke", &error);
        check(my_dump_fault_of(cases[i].number, cases[i].text) == cases[i].fault && error.status == cases[i].status,
              cases[i].text);
    }
}

static struct my_coord at(uint64_t position)
{
    return (struct my_coord){"binlog.000001", position};
}

/* A QUERY event that ends there. */
static void take(struct my_ddl_list *list, const char *sql, uint64_t end)
{
    const struct my_event_header header = {.type = MY_EVENT_QUERY};
    const struct my_coord coord = at(end);
    struct cdc_error error = {0};
    start();
    put(0, 4 + 4);
    put(1, 1); /* the database's name */
    put(0, 2 + 2);
    put_text("d");
    put(0, 1);
    put_text(sql);
    check(my_ddl_take(list, &header, cursor_of(body.len), &coord, &error) == 0, sql);
}

static bool named(const struct my_ddl_list *list, const char *table, uint64_t after)
{
    const struct my_coord coord = at(after);
    return my_ddl_names(list, table, &coord);
}

static void test_ddl(void)
{
    struct my_ddl_list list = {0};
    const struct my_coord first = at(100);
    take(&list, "alter table a add x int", 100);
    take(&list, "insert into b values (1)", 200);
    take(&list, "rename table b to c", 300);
    check(list.n == 2, "only DDL is kept");
    check(named(&list, "a", 99) && !named(&list, "a", 100), "a statement counts for what stands before its end");
    check(named(&list, "b", 100) && named(&list, "c", 299) && !named(&list, "x.y", 0), "all tables that it names");
    my_ddl_forget(&list, &first);
    check(list.n == 1 && !named(&list, "a", 0) && named(&list, "b", 0), "what ends there or before is forgotten");
    my_ddl_free(&list);
}

/* A statement of a session in latin1, whose table is named in UTF-8 here. */
static int ddl_of_latin1(struct cdc_buf *out, struct cdc_error *error)
{
    const struct my_event_header header = {.type = MY_EVENT_QUERY};
    const struct my_coord coord = at(100);
    struct my_ddl_list list = {0};
    put_query("04080008000800", "d", "alter table caf\xe9 add x int");
    struct cdc_bytes content = whole();
    memory_begin();
    int result = my_ddl_take(&list, &header, content, &coord, error);
    memory_end();
    if (result == 0)
        cdc_buf_text(out, named(&list, "caf\xc3\xa9", 0) ? "named" : "not named");
    my_ddl_free(&list);
    return result;
}

/* -- URLs ----------------------------------------------------------------------------------------- */

static struct cdc_buf shown;

static void show(const char *name, const char *value)
{
    if (value)
        cdc_buf_printf(&shown, "%s=%s;", name, value);
}

/* The members of a URL that are given; or the error. */
static void url_is(const char *url_text, const char *want)
{
    struct my_url url;
    struct cdc_error error = {0};
    shown.len = 0;
    if (my_url_parse(&url, url_text, &error) < 0) {
        cdc_buf_printf(&shown, "%d %s", error.status, error.text);
    } else {
        show("user", url.user);
        show("password", url.password);
        show("host", url.host);
        if (url.port)
            cdc_buf_printf(&shown, "port=%u;", url.port);
        show("db", url.db);
        show("socket", url.socket);
        show("ssl-mode", url.ssl_mode);
        show("ssl-ca", url.ssl_ca);
        show("ssl-cert", url.ssl_cert);
        show("ssl-key", url.ssl_key);
        show("key", url.public_key);
        if (url.get_public_key)
            show("get-key", "true");
    }
    my_url_free(&url);
    check_text(url_text, text_of(&shown), want);
}

static void test_urls(void)
{
#define NO_PORT "64 the URL's port is no number from 1 to 65535"
#define NO_ESCAPE "64 the URL holds a damaged % escape"
    url_is("mysql://", "");
    url_is("mysql:///", "");
    url_is("mysql://:3307", "port=3307;");
    url_is("mysql://@h", "host=h;");
    url_is("mysql://:p@h", "password=p;host=h;");
    url_is("mysql://u:@h", "user=u;password=;host=h;");
    url_is("mariadb://u:p:q@r@h:65535/d/e?", "user=u;password=p:q@r;host=h;port=65535;db=d/e;");
    url_is("mysql://u%40%2f:%3a%41@h%2E/%64", "user=u@/;password=:A;host=h.;db=d;");
    url_is("mysql://[::1]", "host=::1;");
    url_is("mysql://[::1]:1/d", "host=::1;port=1;db=d;");
    url_is("mysql://[::1", "64 the URL's host has no closing bracket");
    url_is("mysql://h:", NO_PORT);
    url_is("mysql://h:0", NO_PORT);
    url_is("mysql://h:65536", NO_PORT);
    url_is("mysql://h:99999999999", NO_PORT);
    url_is("mysql://h:3307x", NO_PORT);
    url_is("mysql://h:/", NO_PORT);
    url_is("mysql://%4", NO_ESCAPE);
    url_is("mysql://h/%", NO_ESCAPE);
    url_is("mysql://%4g@h", NO_ESCAPE);
    url_is("mysql://%g4@h", NO_ESCAPE);
    url_is("mysql://u:%00@h", NO_ESCAPE);
    url_is("mysql://u%0a%10@h", "user=u\n\x10;host=h;");
    url_is("mysql://h?socket=/"
           "s&&ssl-mode=REQUIRED&ssl-ca=a&ssl-cert=b&ssl-key=c&server-public-key-path=k&get-server-public-key=TRUE",
           "host=h;socket=/s;ssl-mode=REQUIRED;ssl-ca=a;ssl-cert=b;ssl-key=c;key=k;get-key=true;");
    url_is("mysql:///d?get-server-public-key=0&ssl-ca=a&ssl-ca=b", "db=d;ssl-ca=b;");
    url_is("mysql:///d?get-server-public-key=1&get-server-public-key=false", "db=d;");
    url_is("mysql:///d?get-server-public-key=yes", "64 get-server-public-key in the URL is neither true nor false");
    url_is("mysql:///d?ssl", "64 the URL has a parameter that is not known");
    url_is("mysql:///d?ssl-cax=a", "64 the URL has a parameter that is not known");
    url_is("mysql:///d?=a", "64 the URL has a parameter that is not known");
    url_is("postgresql://h/d", "64 the URL does not begin with mysql:// or mariadb://");
    cdc_buf_free(&shown);
}

static int parse_url(struct cdc_buf *out, struct cdc_error *error)
{
    struct my_url url;
    memory_begin();
    int result = my_url_parse(&url, "mysql://u:p@[::1]:1/d?socket=/s&ssl-ca=a", error);
    memory_end();
    if (result == 0)
        cdc_buf_text(out, url.ssl_ca);
    my_url_free(&url);
    return result;
}

int main(void)
{
    test_urls();
    failures += (int)memory_sweep("a URL", parse_url);
    failures += (int)memory_sweep("a statement in another charset", ddl_of_latin1);
    test_ddl();
    test_order();
    test_parse();
    test_faults();
    return finish();
}
