/* SPDX-License-Identifier: MIT */
/* What a URL says of a server. */
#ifndef MY_URL_H
#define MY_URL_H

#include <cdc/error.h>
#include <stdbool.h>

/* The URL, taken apart. Members are owned; NULL where not given. */
struct my_url {
    char *user, *password, *host, *db, *socket, *ssl_mode, *ssl_ca, *ssl_cert, *ssl_key, *public_key;
    unsigned port;
    bool get_public_key; /* the server's RSA key may come over the wire */
};
/* "" is a URL that says nothing. USAGE when text is none; it appears in no message, since it may hold a password. To be
 * freed in any case. */
int my_url_parse(struct my_url *url, const char *text, struct cdc_error *error);
void my_url_free(struct my_url *url);

#endif
