/* SPDX-License-Identifier: MIT */
/* mysql://user:password@host:port/database?parameter=value&..., and the same with mariadb:// */
#include "connectors/mysql/session/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %41 is A. RETURNS NEW; NULL without memory or with a damaged escape. */
static char *decode(const char *p, size_t n)
{
    char *text = malloc(n + 1), *to = text;
    for (size_t i = 0; text && i < n; i++) {
        if (p[i] != '%') {
            *to++ = p[i];
            continue;
        }
        int high = i + 2 < n ? hex(p[i + 1]) : -1, low = i + 2 < n ? hex(p[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            free(text);
            return NULL;
        }
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    if (text)
        *to = '\0';
    return text;
}

static int set(char **target, const char *p, size_t n, struct cdc_error *error)
{
    free(*target);
    errno = 0;
    *target = decode(p, n);
    if (!*target && errno == ENOMEM)
        return cdc_error_memory(error);
    return *target ? 0 : cdc_error_set(error, CDC_EXIT_USAGE, "the URL holds a damaged %% escape");
}

static int parse_port(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    unsigned port = 0;
    for (size_t i = 0; i < n && port < 65536; i++)
        port = p[i] >= '0' && p[i] <= '9' ? port * 10 + (unsigned)(p[i] - '0') : 65536;
    if (port == 0 || port > 65535)
        return cdc_error_set(error, CDC_EXIT_USAGE, "the URL's port is no number from 1 to 65535");
    url->port = port;
    return 0;
}

/* host, host:port, [::1]:port */
static int parse_host(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    const char *end = p + n, *colon;
    if (n > 0 && *p == '[') {
        const char *close = memchr(p, ']', n);
        if (!close)
            return cdc_error_set(error, CDC_EXIT_USAGE, "the URL's host has no closing bracket");
        if (set(&url->host, p + 1, (size_t)(close - p - 1), error) < 0)
            return -1;
        colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
    } else {
        colon = memchr(p, ':', n);
        size_t host = colon ? (size_t)(colon - p) : n;
        if (host > 0 && set(&url->host, p, host, error) < 0)
            return -1;
    }
    return colon ? parse_port(url, colon + 1, (size_t)(end - colon - 1), error) : 0;
}

static int parse_bool(bool *target, const char *p, size_t n, struct cdc_error *error)
{
    static const char *const words[] = {"false", "true", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == n && strncasecmp(p, words[i], n) == 0) {
            *target = i % 2 == 1;
            return 0;
        }
    return cdc_error_set(error, CDC_EXIT_USAGE, "get-server-public-key in the URL is neither true nor false");
}

static int parse_parameter(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    const struct {
        const char *name;
        char **target;
    } known[] = {
        {"socket", &url->socket},     {"ssl-mode", &url->ssl_mode}, {"ssl-ca", &url->ssl_ca},
        {"ssl-cert", &url->ssl_cert}, {"ssl-key", &url->ssl_key},   {"server-public-key-path", &url->public_key},
    };
    static const char trust[] = "get-server-public-key";
    const char *equals = memchr(p, '=', n);
    size_t name = equals ? (size_t)(equals - p) : n;
    for (size_t i = 0; equals && i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == name && memcmp(p, known[i].name, name) == 0)
            return set(known[i].target, equals + 1, n - name - 1, error);
    if (equals && name == sizeof trust - 1 && memcmp(p, trust, name) == 0)
        return parse_bool(&url->get_public_key, equals + 1, n - name - 1, error);
    /* Without its name: after a password with a question mark in it, that is the rest of the password. */
    cdc_error_set(error, CDC_EXIT_USAGE, "the URL has a parameter that is not known");
    return cdc_error_hint(error, "socket, ssl-mode, ssl-ca, ssl-cert, ssl-key, server-public-key-path, "
                                 "get-server-public-key are");
}

static int parse_parameters(struct my_url *url, const char *p, struct cdc_error *error)
{
    while (*p) {
        size_t n = strcspn(p, "&");
        if (n > 0 && parse_parameter(url, p, n, error) < 0)
            return -1;
        p += n + (p[n] == '&');
    }
    return 0;
}

static int parse_authority(struct my_url *url, const char *p, size_t n, struct cdc_error *error)
{
    /* The last @, since a password that was not encoded may have one. */
    const char *at = memrchr(p, '@', n);
    if (at) {
        size_t login = (size_t)(at - p);
        const char *colon = memchr(p, ':', login);
        size_t user = colon ? (size_t)(colon - p) : login;
        if ((user > 0 && set(&url->user, p, user, error) < 0) ||
            (colon && set(&url->password, colon + 1, login - user - 1, error) < 0))
            return -1;
        n -= login + 1;
        p = at + 1;
    }
    return parse_host(url, p, n, error);
}

int my_url_parse(struct my_url *url, const char *text, struct cdc_error *error)
{
    memset(url, 0, sizeof *url);
    if (!*text)
        return 0;
    const char *p = strncmp(text, "mysql://", 8) == 0      ? text + 8
                    : strncmp(text, "mariadb://", 10) == 0 ? text + 10
                                                           : NULL;
    if (!p) {
        cdc_error_set(error, CDC_EXIT_USAGE, "the URL does not begin with mysql:// or mariadb://");
        return cdc_error_hint(error, "mysql://user@host:3306/database");
    }
    size_t authority = strcspn(p, "/?");
    if (parse_authority(url, p, authority, error) < 0)
        return -1;
    p += authority;
    if (*p == '/') {
        size_t db = strcspn(++p, "?");
        if (db > 0 && set(&url->db, p, db, error) < 0)
            return -1;
        p += db;
    }
    return *p == '?' ? parse_parameters(url, p + 1, error) : 0;
}

void my_url_free(struct my_url *url)
{
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    char *all[] = {url->user,     url->password, url->host,     url->db,      url->socket,
                   url->ssl_mode, url->ssl_ca,   url->ssl_cert, url->ssl_key, url->public_key};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    memset(url, 0, sizeof *url);
}
