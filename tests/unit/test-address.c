/* SPDX-License-Identifier: MIT */
/* Which addresses are of the public internet, and what a URL is taken apart into. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "connectors/http/client/address.h"
#include "connectors/http/http.h"
#include "tests/unit/no-memory.h"

static int failures;

static void is_public(const char *text, bool wanted)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&v4;
    char printed[64];

    if (inet_pton(AF_INET, text, &v4.sin_addr) != 1) {
        address = (const struct sockaddr *)(const void *)&v6;
        if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1) {
            printf("%s is no address\n", text);
            failures++;
            return;
        }
    }
    http_address_print(printed, sizeof printed, address);
    if (http_address_is_public(address) == wanted && printed[0] != '\0')
        return;
    printf("%s (%s): is%s public\n", text, printed, wanted ? " not" : "");
    failures++;
}

/* "clean shown user password", and "local"; "64": refused. */
static int take_url_apart(const char *text, struct cdc_buf *out, struct cdc_error *error)
{
    struct http_url url;

    memory_begin();
    int result = http_url_split(text, &url, error);
    memory_end();
    if (result == 0)
        cdc_buf_printf(out, "%s %s %s %s%s", url.clean, url.shown, url.user ? url.user : "-",
                       url.password ? url.password : "-", url.local ? " local" : "");
    http_url_free(&url);
    return result;
}

static void url_is(const char *text, const char *want)
{
    struct cdc_error error = {0};
    struct cdc_buf got = CDC_BUF_INIT;

    if (take_url_apart(text, &got, &error) != 0)
        cdc_buf_printf(&got, "%d", error.status);
    if (!cdc_span_is(cdc_span(got.data, got.len), want) || (error.status != 0 && strstr(error.text, "pw"))) {
        printf("%s: got %.*s, wanted %s\n", text, (int)got.len, got.data, want);
        failures++;
    }
    cdc_buf_free(&got);
}

static void test_urls(void)
{
    url_is("http://h", "http://h/ http://h/ - -");
    url_is("https://u%40x:p%3Aw@h:9200/a/b?c=d#e", "https://h:9200/a/b?c=d https://h:9200/... u@x p:w");
    url_is("http://u@h/?q", "http://h/?q http://h/... u -");
    url_is("HTTP://h/", "http://h/ http://h/ - -");
    url_is("http://localhost:1", "http://localhost:1/ http://localhost:1/ - - local");
    url_is("http://LocalHost", "http://LocalHost/ http://LocalHost/ - - local");
    url_is("http://a.localhost", "http://a.localhost/ http://a.localhost/ - - local");
    url_is("http://alocalhost", "http://alocalhost/ http://alocalhost/ - -");
    url_is("http://localhost.a", "http://localhost.a/ http://localhost.a/ - -");
    url_is("http://127.0.0.1", "http://127.0.0.1/ http://127.0.0.1/ - - local");
    url_is("http://127.255.1.2", "http://127.255.1.2/ http://127.255.1.2/ - - local");
    url_is("http://127.example.com", "http://127.example.com/ http://127.example.com/ - -");
    url_is("http://128.0.0.1", "http://128.0.0.1/ http://128.0.0.1/ - -");
    url_is("http://[::1]:1", "http://[::1]:1/ http://[::1]:1/ - - local");
    url_is("http://[::2]", "http://[::2]/ http://[::2]/ - -");
    url_is("h", "64");
    url_is("http:/u:pw@h", "64");
    url_is("http:///u:pw@h", "64");
    url_is("https:///h", "64");
    url_is("ftp://u:pw@h", "64");
    url_is("", "64");
    url_is("http://u:pw@h:x", "64");
}

static int split_without_memory(struct cdc_buf *out, struct cdc_error *error)
{
    return take_url_apart("https://u:p@localhost/a?b", out, error);
}

int main(void)
{
    static const char *const open[] = {
        "1.1.1.1",          "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255",  "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",       "192.0.1.0",       "192.167.255.255", "192.169.0.0",    "198.17.255.255",
        "198.20.0.0",       "223.255.255.255", "2606:4700::1111", "2001:4860::1",   "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1", "2002:101:101::1", "2001:200::1",     "3ffe::1",        "3fff:1000::1"};
    static const char *const closed[] = {"0.0.0.0",
                                         "0.1.2.3",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "127.255.255.255",
                                         "169.254.169.254",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.170",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.0.0",
                                         "192.168.255.255",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "198.51.100.7",
                                         "203.0.113.9",
                                         "224.0.0.1",
                                         "239.1.1.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "fc00::1",
                                         "fdff::1",
                                         "fe80::1",
                                         "febf::1",
                                         "fec0::1",
                                         "ff02::1",
                                         "::ffff:10.0.0.1",
                                         "::ffff:127.0.0.1",
                                         "::127.0.0.1",
                                         "64:ff9b::a00:1",
                                         "64:ff9b:1::1",
                                         "2002:a00:1::1",
                                         "2002:7f00:1::1",
                                         "2001::1",
                                         "2001:10::1",
                                         "2001:db8::1",
                                         "3fff:fff::1",
                                         "100::1",
                                         "5f00::1"};
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        is_public(open[i], true);
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++)
        is_public(closed[i], false);
    if (http_address_is_public((const struct sockaddr *)(const void *)&local)) {
        printf("a socket of this machine is public\n");
        failures++;
    }
    test_urls();
    failures += memory_sweep("a URL", split_without_memory) != 0;
    return failures != 0;
}
