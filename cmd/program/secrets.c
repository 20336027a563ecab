/* SPDX-License-Identifier: MIT */
/* Secrets in arguments. What is one is decided here, once, by looks: an argument may be where it does not belong (one URL
 * too many, a URL after --file), or misspelled (postgresql:/u:secret@host). */
#include "cmd/program/secrets.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A part of an argument: text[from..to). from is never 0: what is before the secret tells it from the same bytes elsewhere. */
struct secret {
    const char *text; /* the copy */
    size_t from, to;
};

static struct {
    struct secret *items;
    size_t n;
    char **arguments; /* the copies, which live as long as the process */
} known;

static void keep(const char *text, const char *from, const char *to)
{
    known.items[known.n++] = (struct secret){text, (size_t)(from - text), (size_t)(to - text)};
}

/* http://host/path: a path may be the secret of a webhook, a query the token. The host stays, unless a password, which may
 * hold anything, seems to stand before it. */
static void keep_http(const char *text, const char *authority, const char *colon)
{
    const char *rest = colon ? colon : authority + strcspn(authority, "/?#");
    keep(text, rest + (*rest != '\0'), text + strlen(text));
}

/* SCHEME://USER:PASSWORD@HOST, and what somebody meant to be one. The last @ ends a password, which may hold one itself. */
static bool keep_url(const char *text, const char *p)
{
    const char *scheme = strstr(p, ":/"), *authority = scheme ? scheme + 1 : p, *at = strrchr(p, '@');
    authority += strspn(authority, "/");
    const char *colon = at && at > authority ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    bool http = scheme && strncasecmp(p, "http", 4) == 0;
    if (http)
        keep_http(text, authority, colon);
    else if (colon)
        keep(text, colon + 1, at);
    return http || colon;
}

/* password=SECRET in key=value text or in a query; up to what ends it there. */
static void keep_password(const char *text, const char *p)
{
    const char *name = strcasestr(p, "passw"), *equals = name ? strpbrk(name, "=:") : NULL;
    if (equals)
        keep(text, equals + 1, text + strlen(text));
}

/* The value of an option that is one, or the text itself: --header NAME:VALUE, --user NAME:PASSWORD. */
static void find(const char *text, const char *before)
{
    static const char *const lists[] = {"--header", "--user"};
    const char *value = strncmp(text, "--", 2) == 0 && strchr(text, '=') ? strchr(text, '=') + 1 : text;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t n = strlen(lists[i]);
        bool own = strncmp(text, lists[i], n) == 0 && text[n] == '=', next = before && strcmp(before, lists[i]) == 0;
        if (own || next) {
            const char *p = next ? text : text + n + 1, *colon = strpbrk(p, ": ");
            keep(text, colon ? colon + 1 : p + strlen(p), text + strlen(text));
            return;
        }
    }
    if (!keep_url(text, value))
        keep_password(text, value);
}

char **secrets_hide(int argc, char **argv)
{
    char **copies = calloc((size_t)argc + 1, sizeof *copies);
    known.items = calloc((size_t)argc + 1, sizeof *known.items);
    known.arguments = copies;
    if (!copies || !known.items)
        return NULL;
    for (int i = 0; i < argc; i++) {
        copies[i] = strdup(argv[i]);
        if (!copies[i])
            return NULL;
        size_t first = known.n;
        if (i > 0)
            find(copies[i], i > 1 ? copies[i - 1] : NULL);
        /* argv is the very memory that /proc/PID/cmdline shows. */
        for (size_t k = first; k < known.n; k++)
            memset(argv[i] + known.items[k].from, '*', known.items[k].to - known.items[k].from);
    }
    return copies;
}

static size_t common(const char *a, const char *b, size_t most)
{
    size_t n = 0;
    while (n < most && a[n] && a[n] == b[n])
        n++;
    return n;
}

/* Does the argument stand here, up to its secret and on? How many bytes of the message are the secret; 0: none. */
static size_t secret_here(const struct secret *secret, const char *message, size_t at)
{
    if (at < secret->from || common(message + at - secret->from, secret->text, secret->from) < secret->from)
        return 0;
    return common(message + at, secret->text + secret->from, secret->to - secret->from);
}

void secrets_redact(struct cdc_buf *out, const char *message)
{
    for (size_t at = 0; message[at];) {
        size_t n = 0;
        for (size_t k = 0; k < known.n && n == 0; k++)
            n = secret_here(&known.items[k], message, at);
        if (n > 0)
            cdc_buf_lit(out, "***");
        else
            cdc_buf_byte(out, message[at]);
        at += n > 0 ? n : 1;
    }
    cdc_buf_byte(out, '\0');
}
