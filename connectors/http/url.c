/* SPDX-License-Identifier: MIT */
/* A URL and the credentials in it, taken apart: the URL goes into messages, and must not show a password there. */
#include <curl/curl.h>
#include <stdbool.h>
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

static bool is_http(const char *scheme)
{
    return scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
}

/* Takes the credentials out of the URL. false: no memory. */
static bool take_apart(CURLU *url, char **clean, char **user, char **password)
{
    /* Decoded, since %40 in a URL is the @ of the user's name; libcurl gets them apart from the URL and encodes them
     * itself. */
    if (!url_part(url, CURLUPART_USER, CURLU_URLDECODE, user) ||
        !url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE, password))
        return false;
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    /* #... is for browsers, and never sent. */
    curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    return url_part(url, CURLUPART_URL, 0, clean) && *clean != NULL;
}

int http_url_split(const char *text, char **clean, char **user, char **password, struct cdc_error *error)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    int result = 0;

    *clean = *user = *password = NULL;
    if (url == NULL)
        return cdc_error_memory(error);
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);
    if (code == CURLUE_OUT_OF_MEMORY || !url_part(url, CURLUPART_SCHEME, 0, &scheme))
        result = cdc_error_memory(error);
    else if (code != CURLUE_OK || !is_http(scheme))
        /* The text is not shown: it may hold a password. */
        result =
            cdc_error_set(error, CDC_EXIT_USAGE, "the URL is not of the form http://HOST[:PORT][/PATH] or https://…");
    else if (!take_apart(url, clean, user, password))
        result = cdc_error_memory(error);
    free(scheme);
    curl_url_cleanup(url);
    return result;
}
