/* SPDX-License-Identifier: MIT */
/* The hash chain over the lines of a log. */
/* libcrypto's old form of SHA-256: through EVP, two hashes of a line take half as long again, and that is what append waits for. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "connectors/log/file/chain.h"
#include <cdc/json.h>

/* Of both, one after the other; out may be in one of them. 0 or -1. */
static int hash_both(SHA256_CTX *context, struct cdc_span first, struct cdc_span second, unsigned char out[LOG_HASH])
{
    return SHA256_Init(context) == 1 && SHA256_Update(context, first.p, first.n) == 1 &&
                   SHA256_Update(context, second.p, second.n) == 1 && SHA256_Final(out, context) == 1
               ? 0
               : -1;
}

int log_chain_open(struct log_chain *chain, const char *id, struct cdc_error *error)
{
    *chain = (struct log_chain){.context = malloc(sizeof(SHA256_CTX))};
    if (chain->context == NULL)
        return cdc_error_memory(error);
    if (hash_both(chain->context, cdc_span_text("cdc-log "), cdc_span_text(id), chain->value) != 0)
        return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto has no SHA-256");
    snprintf(chain->id, sizeof chain->id, "%s", id);
    return 0;
}

void log_chain_free(struct log_chain *chain)
{
    free(chain->context);
    chain->context = NULL;
}

/* What a purged line begins with: other lines cost one comparison. */
#define PURGED "{\"op\":\"purged\","

bool log_chain_purged(const struct log_chain *chain, struct cdc_span line, unsigned char leaf[LOG_HASH])
{
    if (line.n < sizeof PURGED - 1 || memcmp(line.p, PURGED, sizeof PURGED - 1) != 0 ||
        cdc_json_validate(line.p, line.n, NULL) != 0)
        return false;
    return cdc_span_is(cdc_json_member_raw(line, "log"), chain->id) &&
           log_hash_parse(leaf, cdc_json_member_raw(line, "leaf"));
}

int log_chain_leaf(struct log_chain *chain, struct cdc_span line, const unsigned char *salt,
                   unsigned char leaf[LOG_HASH])
{
    unsigned char head[1 + LOG_SALT] = {0};

    if (log_chain_purged(chain, line, leaf))
        return 0;
    if (salt != NULL)
        memcpy(head + 1, salt, LOG_SALT);
    return hash_both(chain->context, cdc_span((const char *)head, salt != NULL ? sizeof head : 1), line, leaf);
}

static struct cdc_span span_of(const unsigned char hash[LOG_HASH])
{
    return cdc_span((const char *)hash, LOG_HASH);
}

int log_chain_add(struct log_chain *chain, const unsigned char leaf[LOG_HASH])
{
    return hash_both(chain->context, span_of(chain->value), span_of(leaf), chain->value);
}

int log_chain_join(struct log_chain *chain, unsigned char first, const unsigned char left[LOG_HASH],
                   const unsigned char right[LOG_HASH], unsigned char out[LOG_HASH])
{
    char head[1 + LOG_HASH];

    head[0] = (char)first;
    memcpy(head + 1, left, LOG_HASH);
    return hash_both(chain->context, cdc_span(head, sizeof head), span_of(right), out);
}

int log_chain_line(struct log_chain *chain, struct cdc_span line, const unsigned char *salt)
{
    unsigned char leaf[LOG_HASH];

    return log_chain_leaf(chain, line, salt, leaf) == 0 ? log_chain_add(chain, leaf) : -1;
}

void log_hash_print(char out[LOG_HASH_HEX + 1], const unsigned char value[LOG_HASH])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < LOG_HASH; i++) {
        out[2 * i] = digits[value[i] >> 4];
        out[2 * i + 1] = digits[value[i] & 15];
    }
    out[LOG_HASH_HEX] = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool log_hash_parse(unsigned char value[LOG_HASH], struct cdc_span text)
{
    if (text.p == NULL || text.n != LOG_HASH_HEX)
        return false;
    for (size_t i = 0; i < LOG_HASH; i++) {
        int high = digit(text.p[2 * i]), low = digit(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        value[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
