/* SPDX-License-Identifier: MIT */
/* A URL and the credentials in it, taken apart: the URL goes into messages, and must not show a password there. */
#include <curl/curl.h>
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

int http_url_split(const char *text, char **clean, char **user, char **password, struct cdc_error *error)
{
    CURLU *url = curl_url();
    int result = 0;

    *clean = *user = *password = NULL;
    if (url == NULL)
        return cdc_error_memory(error);
    char *scheme = NULL;
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        (scheme = url_part(url, CURLUPART_SCHEME, 0)) == NULL ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        /* The text is not shown: it may hold a password. */
        result =
            cdc_error_set(error, CDC_EXIT_USAGE, "the URL is not of the form http://HOST[:PORT][/PATH] or https://…");
    } else {
        /* Decoded, since %40 in a URL is the @ of the user's name; libcurl gets them apart from the URL and encodes
         * them itself. */
        *user = url_part(url, CURLUPART_USER, CURLU_URLDECODE);
        *password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
        curl_url_set(url, CURLUPART_USER, NULL, 0);
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
        /* #... is for browsers, and never sent. */
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        *clean = url_part(url, CURLUPART_URL, 0);
        if (*clean == NULL)
            result = cdc_error_memory(error);
    }
    free(scheme);
    curl_url_cleanup(url);
    return result;
}
