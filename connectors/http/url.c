/* SPDX-License-Identifier: MIT */
/* A URL and the credentials in it, taken apart: the URL goes into messages, and must not show a password there. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/http/http.h"

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy = NULL;

    if (curl_url_get(url, part, &text, flags) == CURLUE_OK && text != NULL)
        copy = strdup(text);
    curl_free(text);
    return copy;
}

/* https://host:port, and /... where there is more. Changes url. */
static char *url_shown(CURLU *url)
{
    char *path = url_part(url, CURLUPART_PATH, 0), *query = url_part(url, CURLUPART_QUERY, 0), *shown = NULL;
    const char *more = query != NULL || (path != NULL && strcmp(path, "/") != 0) ? "..." : "";

    curl_url_set(url, CURLUPART_PATH, NULL, 0);
    curl_url_set(url, CURLUPART_QUERY, NULL, 0);
    char *origin = url_part(url, CURLUPART_URL, 0);
    if (origin != NULL && asprintf(&shown, "%s%s", origin, more) < 0)
        shown = NULL;
    free(origin);
    free(query);
    free(path);
    return shown;
}

static bool is_local(CURLU *url)
{
    char *host = url_part(url, CURLUPART_HOST, 0);
    size_t n = host != NULL ? strlen(host) : 0;
    bool local =
        host != NULL && (strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                         strcmp(host, "[::1]") == 0 || (n > 10 && strcasecmp(host + n - 10, ".localhost") == 0));
    free(host);
    return local;
}

static int take_apart(CURLU *url, struct http_url *parts, struct cdc_error *error)
{
    /* Decoded, since %40 in a URL is the @ of the user's name; libcurl gets them apart from the URL and encodes them
     * itself. */
    parts->user = url_part(url, CURLUPART_USER, CURLU_URLDECODE);
    parts->password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    /* #... is for browsers, and never sent. */
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    parts->local = is_local(url);
    parts->clean = url_part(url, CURLUPART_URL, 0);
    parts->shown = url_shown(url);
    return parts->clean != NULL && parts->shown != NULL ? 0 : cdc_error_memory(error);
}

int http_url_split(const char *text, struct http_url *parts, struct cdc_error *error)
{
    CURLU *url = curl_url();
    int result;

    *parts = (struct http_url){.local = false};
    if (url == NULL)
        return cdc_error_memory(error);
    char *scheme = NULL;
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        (scheme = url_part(url, CURLUPART_SCHEME, 0)) == NULL ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        /* The text is not shown: it may hold a password. */
        result =
            cdc_error_set(error, CDC_EXIT_USAGE, "the URL is not of the form http://HOST[:PORT][/PATH] or https://…");
    else
        result = take_apart(url, parts, error);
    free(scheme);
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
