/* SPDX-License-Identifier: MIT */
#include "connectors/http/client/secrets.h"
#include "connectors/http/client/spelling.h"

#include <string.h>
#include <strings.h>

#define WORD_MIN 8     /* bytes: what is shorter may be anything, and is no key */
#define PASSWORD_MIN 4 /* which is known to be a secret */

static void mask(char *text, size_t n, const char *word, size_t length)
{
    char *end = text + n;

    while (text < end) {
        size_t found = http_spelling_match(text, end, word, length);
        memset(text, '*', found);
        text += found > 0 ? found : 1;
    }
}

static void mask_word(char *text, size_t n, const char *word, size_t length)
{
    if (length >= WORD_MIN)
        mask(text, n, word, length);
}

/* What is sent has a table's name or the like in place of {table}: the pieces beside it are masked by themselves. */
static void mask_pieces(char *text, size_t n, const char *word, size_t length)
{
    const char *piece = word, *end = word + length;
    struct cdc_span ignored;

    for (const char *p = word; p < end;) {
        size_t skipped = cdc_event_placeholder(p, NULL, &ignored);
        if (skipped > 0) {
            mask_word(text, n, piece, (size_t)(p - piece));
            piece = p + skipped;
        }
        p += skipped > 0 ? skipped : 1;
    }
    mask_word(text, n, piece, (size_t)(end - piece));
}

/* The parts of list between any of the bytes in marks. */
static void mask_parts(char *text, size_t n, const char *list, const char *marks)
{
    for (const char *p = list; *p != '\0';) {
        size_t length = strcspn(p, marks);
        mask_word(text, n, p, length);
        mask_pieces(text, n, p, length);
        p += length + (p[length] != '\0');
    }
}

/* Everybody may read what kind of text it is. */
static bool is_public(const char *header)
{
    return strncasecmp(header, "content-type:", 13) == 0 || strncasecmp(header, "accept", 6) == 0;
}

static void mask_login(const struct http_node *node, char *text, size_t n)
{
    struct cdc_buf pair = CDC_BUF_INIT, basic = CDC_BUF_INIT;
    const char *password = node->password != NULL ? node->password : "";

    if (strlen(password) >= PASSWORD_MIN)
        mask(text, n, password, strlen(password));
    cdc_buf_text(&pair, node->user);
    cdc_buf_byte(&pair, ':');
    cdc_buf_text(&pair, password);
    cdc_buf_base64(&basic, pair.data, pair.len);
    bool failed = pair.failed || basic.failed;
    if (!failed)
        mask(text, n, basic.data, basic.len);
    if (pair.data != NULL)
        explicit_bzero(pair.data, pair.len);
    if (basic.data != NULL)
        explicit_bzero(basic.data, basic.len);
    cdc_buf_free(&pair);
    cdc_buf_free(&basic);
    if (failed)
        memset(text, '*', n);
}

static void mask_node(const struct http_node *node, char *text, size_t n)
{
    const char *host = strstr(node->url, "://");
    const char *path = host != NULL ? strpbrk(host + 3, "/?") : NULL;

    if (path != NULL)
        mask_parts(text, n, path, "/?&=");
    if (node->user != NULL)
        mask_login(node, text, n);
}

void http_secrets_mask(const struct http_peer *peer, char *text, size_t n)
{
    for (size_t i = 0; i < peer->n_nodes; i++)
        mask_node(&peer->nodes[i], text, n);
    for (size_t i = 0; i < peer->headers.count; i++) {
        const char *value = strchr(peer->headers.items[i], ':');
        if (value != NULL && !is_public(peer->headers.items[i]))
            mask_parts(text, n, value + 1, " \t");
    }
}
