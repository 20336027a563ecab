/* SPDX-License-Identifier: MIT */
/* A URL and the credentials in it, taken apart: the URL goes into messages, and must not show a password there. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/http/http.h"

/* A copy of one part in *copy, NULL where the URL has none. false: no memory for it. A user that is missing for want of
 * memory must not become a request without one. */
static bool url_part(CURLU *url, CURLUPart part, unsigned flags, char **copy)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, flags);

    *copy = code == CURLUE_OK && text != NULL ? strdup(text) : NULL;
    curl_free(text);
    return code != CURLUE_OUT_OF_MEMORY && (code != CURLUE_OK || *copy != NULL);
}

/* https://host:port, and /... where there is more. Changes url. false: no memory. */
static bool url_shown(CURLU *url, char **shown)
{
    char *path = NULL, *query = NULL, *origin = NULL;
    bool ok = url_part(url, CURLUPART_PATH, 0, &path) && url_part(url, CURLUPART_QUERY, 0, &query);
    const char *more = query != NULL || (path != NULL && strcmp(path, "/") != 0) ? "..." : "";

    curl_url_set(url, CURLUPART_PATH, NULL, 0);
    curl_url_set(url, CURLUPART_QUERY, NULL, 0);
    ok = ok && url_part(url, CURLUPART_URL, 0, &origin) && origin != NULL && asprintf(shown, "%s%s", origin, more) >= 0;
    free(origin);
    free(query);
    free(path);
    return ok;
}

/* An address, and not 127.example.com. */
static bool is_loopback(const char *host)
{
    struct in_addr address;

    return strcmp(host, "[::1]") == 0 || (strncmp(host, "127.", 4) == 0 && inet_pton(AF_INET, host, &address) == 1);
}

static bool is_local(const char *host)
{
    size_t n = host != NULL ? strlen(host) : 0;

    return host != NULL && (strcasecmp(host, "localhost") == 0 || is_loopback(host) ||
                            (n > 10 && strcasecmp(host + n - 10, ".localhost") == 0));
}

/* false: no memory. */
static bool take_apart(CURLU *url, struct http_url *parts)
{
    char *host = NULL;

    /* Decoded, since %40 in a URL is the @ of the user's name; libcurl gets them apart from the URL and encodes them
     * itself. */
    if (!url_part(url, CURLUPART_USER, CURLU_URLDECODE, &parts->user) ||
        !url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE, &parts->password) ||
        !url_part(url, CURLUPART_HOST, 0, &host))
        return false;
    parts->local = is_local(host);
    free(host);
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    /* #... is for browsers, and never sent. */
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return url_part(url, CURLUPART_URL, 0, &parts->clean) && parts->clean != NULL && url_shown(url, &parts->shown);
}

/* libcurl takes http:/HOST and http:///HOST for the same as http://HOST, and HOST alone for http://HOST. A URL that is
 * misspelled is better refused: what is taken for the host may be something else. */
static bool is_http(const char *text)
{
    size_t n = strncasecmp(text, "http://", 7) == 0 ? 7 : strncasecmp(text, "https://", 8) == 0 ? 8 : 0;

    return n > 0 && text[n] != '/';
}

int http_url_split(const char *text, struct http_url *parts, struct cdc_error *error)
{
    CURLU *url = curl_url();
    int result = 0;

    *parts = (struct http_url){.local = false};
    if (url == NULL)
        return cdc_error_memory(error);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        result = cdc_error_memory(error);
    else if (code != CURLUE_OK || !is_http(text))
        /* The text is not shown: it may hold a password. */
        result =
            cdc_error_set(error, CDC_EXIT_USAGE, "the URL is not of the form http://HOST[:PORT][/PATH] or https://…");
    else if (!take_apart(url, parts))
        result = cdc_error_memory(error);
    curl_url_cleanup(url);
    return result;
}

void http_url_free(struct http_url *parts)
{
    free(parts->clean);
    free(parts->shown);
    free(parts->user);
    if (parts->password != NULL)
        explicit_bzero(parts->password, strlen(parts->password));
    free(parts->password);
}
