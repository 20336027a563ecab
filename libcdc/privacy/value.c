/* SPDX-License-Identifier: MIT */
/* What takes the place of a value:
 *
 *   null      null
 *   redact    "***"
 *   partial   "****" and the last four characters of a text or number of eight or more
 *   hash      the HMAC-SHA-256 of its text, in hexadecimal
 *   tokenize  a text of the same form (token.c)
 *   encrypt   {"enc":1,"kid":"...","n":"...","c":"..."}: AES-256-GCM with the key that has the name kid, the nonce n, and a tag
 *             at the end of c, bound to source.name, schema, table, column and kid
 *
 * NULL stays NULL. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

#define PARTIAL_KEPT 4  /* characters */
#define PARTIAL_LEAST 8 /* of a shorter text they would be half of it or more */

/* In UTF-8, which no text can have: {"base64":"gQ=="}, bytes, is not the text that reads so. */
#define NO_TEXT '\xff'

int value_text(struct cdc_buf *scratch, struct cdc_span value, struct cdc_span *text, struct cdc_error *error)
{
    struct cdc_span raw = cdc_json_string_raw(value);

    if (cdc_json_type(value) == CDC_JSON_NUMBER || (raw.p != NULL && memchr(raw.p, '\\', raw.n) == NULL)) {
        *text = raw.p != NULL ? raw : value;
        return 0;
    }
    scratch->len = 0;
    if (raw.p != NULL) {
        cdc_json_unescape(scratch, raw);
    } else {
        cdc_buf_byte(scratch, NO_TEXT);
        cdc_json_append_compact(scratch, value);
    }
    *text = cdc_span(scratch->data, scratch->len);
    return scratch->failed ? cdc_error_memory(error) : 0;
}

static int hash(struct cdc_privacy *privacy, struct cdc_buf *out, struct cdc_span value, struct cdc_error *error)
{
    struct cdc_span text;
    unsigned char mac[MAC_SIZE];
    char hex[2 * MAC_SIZE];

    if (value_text(&privacy->text, value, &text, error) != 0 ||
        mac_of(privacy->mac, cdc_span(NULL, 0), text, mac, error) != 0)
        return -1;
    secret_to_hex(hex, mac, MAC_SIZE);
    cdc_buf_byte(out, '"');
    cdc_buf_append(out, hex, sizeof hex);
    cdc_buf_byte(out, '"');
    return 0;
}

/* Where the character before the byte at `at` begins. */
static size_t before(struct cdc_span text, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)text.p[at] & 0xc0) == 0x80);
    return at;
}

static int partial(struct cdc_privacy *privacy, struct cdc_buf *out, struct cdc_span value, struct cdc_error *error)
{
    enum cdc_json_type type = cdc_json_type(value);
    struct cdc_span text;
    size_t characters = 0, kept = 0;

    if (value_text(&privacy->text, value, &text, error) != 0)
        return -1;
    if (type == CDC_JSON_STRING || type == CDC_JSON_NUMBER)
        for (size_t at = text.n; at > 0 && characters < PARTIAL_LEAST;) {
            at = before(text, at);
            if (++characters == PARTIAL_KEPT)
                kept = at;
        }
    privacy->bytes.len = 0;
    cdc_buf_lit(&privacy->bytes, "****");
    if (characters == PARTIAL_LEAST)
        cdc_buf_append(&privacy->bytes, text.p + kept, text.n - kept);
    cdc_json_append_string(out, privacy->bytes.data, privacy->bytes.len);
    return privacy->bytes.failed ? cdc_error_memory(error) : 0;
}

static int tokenize(struct cdc_privacy *privacy, struct cdc_buf *out, const struct table *table,
                    const struct column *column, struct cdc_span value, struct cdc_error *error)
{
    enum cdc_json_type type = cdc_json_type(value);
    struct cdc_error why = {0};
    struct cdc_span text;

    if (value_text(&privacy->text, value, &text, error) != 0)
        return -1;
    if (type != CDC_JSON_STRING && type != CDC_JSON_NUMBER)
        cdc_error_set(&why, CDC_EXIT_DATA, "it is no text and no number");
    else if (text.n == 0)
        cdc_buf_lit(out, "\"\"");
    else
        (void)token_append(out, privacy->ff1, text, &why);
    if (why.status == 0)
        return 0;
    cdc_error_set(error, why.status, "column \"%.*s\" of table \"%.*s\": a value cannot have a token: %s",
                  (int)column->name.n, column->name.p, (int)table->names.plain_table.n, table->names.plain_table.p,
                  why.text);
    return cdc_error_hint(error, "--mask %.*s=hash takes every value", (int)column->name.n, column->name.p);
}

/* -- encryption ------------------------------------------------------------------------ */

static void append_plain(struct cdc_buf *out, struct cdc_span text)
{
    cdc_json_append_string(out, text.p, text.n);
    cdc_buf_byte(out, ',');
}

static void append_raw(struct cdc_buf *out, struct cdc_buf *scratch, struct cdc_span raw)
{
    scratch->len = 0;
    cdc_json_unescape(scratch, raw);
    append_plain(out, cdc_span(scratch->data, scratch->len));
    out->failed |= scratch->failed;
}

/* ["name","schema","table","column","kid"] in privacy->bound: in another column, or as another subject's, the value does not
 * open. */
static int bind(struct cdc_privacy *privacy, const struct cdc_event *event, struct table *table, struct cdc_span column,
                const char *kid, struct cdc_error *error)
{
    if (table->bound.len == 0 ||
        !cdc_span_equal(cdc_span(table->bound_name.data, table->bound_name.len), event->name)) {
        table->bound.len = table->bound_name.len = 0;
        cdc_buf_span(&table->bound_name, event->name);
        cdc_buf_byte(&table->bound, '[');
        append_raw(&table->bound, &privacy->bytes, event->name);
        append_plain(&table->bound, table->names.plain_schema);
        append_plain(&table->bound, table->names.plain_table);
    }
    privacy->bound.len = 0;
    cdc_buf_append_buf(&privacy->bound, &table->bound);
    append_plain(&privacy->bound, column);
    cdc_json_append_string(&privacy->bound, kid, (size_t)2 * KID_SIZE);
    cdc_buf_byte(&privacy->bound, ']');
    return table->bound_name.failed || privacy->bound.failed ? cdc_error_memory(error) : 0;
}

static int no_subject(const struct table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "a row of table \"%.*s\" lacks column \"%.*s\", which says whose key encrypts it",
                  (int)table->names.plain_table.n, table->names.plain_table.p, (int)table->subject.n, table->subject.p);
    return cdc_error_hint(error, "the log must have whole rows: REPLICA IDENTITY FULL, or binlog_row_image=FULL");
}

static enum store_result find_key(struct cdc_privacy *privacy, struct cdc_span subject, struct kid *kid,
                                  const unsigned char **key, struct cdc_error *error)
{
    struct cdc_span text = {NULL, 0};
    bool is_null = cdc_json_is_null(subject);

    if ((!is_null && value_text(&privacy->text, subject, &text, error) != 0) ||
        store_kid(privacy->store, text, is_null, kid, error) != 0)
        return STORE_FAILED;
    return store_key(privacy->store, kid, true, key, error);
}

static int encrypt(struct cdc_privacy *privacy, struct cdc_buf *out, const struct cdc_event *event, struct table *table,
                   const struct column *column, struct cdc_span value, struct cdc_span subject, struct cdc_error *error)
{
    struct kid kid;
    char hex[2 * KID_SIZE];
    const unsigned char *key;
    unsigned char nonce[SEAL_NONCE];

    if (subject.p == NULL)
        return no_subject(table, error);
    enum store_result found = find_key(privacy, subject, &kid, &key, error);
    if (found == STORE_FORGOTTEN) {
        cdc_buf_lit(out, "null");
        return 0;
    }
    secret_to_hex(hex, kid.bytes, KID_SIZE);
    if (found != STORE_FOUND || bind(privacy, event, table, column->name, hex, error) != 0 ||
        random_bytes(nonce, sizeof nonce, error) != 0)
        return -1;
    privacy->bytes.len = 0;
    if (!cdc_buf_room(&privacy->bytes, value.n + SEAL_TAG))
        return cdc_error_memory(error);
    if (seal_close(privacy->seal, key, nonce, cdc_span(privacy->bound.data, privacy->bound.len), value,
                   (unsigned char *)privacy->bytes.data, error) != 0)
        return -1;
    cdc_buf_lit(out, "{\"enc\":1,\"kid\":\"");
    cdc_buf_append(out, hex, sizeof hex);
    cdc_buf_lit(out, "\",\"n\":\"");
    cdc_buf_base64(out, nonce, sizeof nonce);
    cdc_buf_lit(out, "\",\"c\":\"");
    cdc_buf_base64(out, privacy->bytes.data, value.n + SEAL_TAG);
    cdc_buf_lit(out, "\"}");
    return 0;
}

int value_append(struct cdc_privacy *privacy, struct cdc_buf *out, const struct cdc_event *event, struct table *table,
                 const struct column *column, struct cdc_span value, struct cdc_span subject, bool is_json_null,
                 struct cdc_error *error)
{
    if (column->action == ACTION_NULL || (cdc_json_is_null(value) && !is_json_null)) {
        cdc_buf_lit(out, "null");
        return 0;
    }
    switch (column->action) {
    case ACTION_REDACT: cdc_buf_lit(out, "\"***\""); return 0;
    case ACTION_PARTIAL: return partial(privacy, out, value, error);
    case ACTION_HASH: return hash(privacy, out, value, error);
    case ACTION_TOKENIZE: return tokenize(privacy, out, table, column, value, error);
    default: return encrypt(privacy, out, event, table, column, value, subject, error);
    }
}

/* -- decryption ------------------------------------------------------------------------ */

/* Appends what the Base64 text of a member stands for. */
static bool append_bytes(struct cdc_buf *out, struct cdc_span object, const char *name)
{
    struct cdc_span raw = cdc_json_member_raw(object, name);

    if (raw.p == NULL || raw.n == 0 || raw.n % 4 != 0 || raw.n > INT32_MAX || !cdc_buf_room(out, raw.n / 4 * 3))
        return false;
    int n = EVP_DecodeBlock((unsigned char *)out->data + out->len, (const unsigned char *)raw.p, (int)raw.n);
    if (n < 0)
        return false;
    out->len += (size_t)n - (raw.p[raw.n - 1] == '=') - (raw.p[raw.n - 2] == '=');
    return true;
}

static int not_opened(const struct table *table, struct cdc_span name, int status, const char *why, const char *hint,
                      struct cdc_error *error)
{
    cdc_error_set(error, status, "column \"%.*s\" of table \"%.*s\": a value cannot be decrypted: %s", (int)name.n,
                  name.p, (int)table->names.plain_table.n, table->names.plain_table.p, why);
    return cdc_error_hint(error, "%s", hint);
}

/* The nonce, then the ciphertext, in privacy->bytes. */
static bool parse_sealed(struct cdc_privacy *privacy, struct cdc_span value, struct cdc_span *kid_hex, struct kid *kid)
{
    int64_t version;

    *kid_hex = cdc_json_member_raw(value, "kid");
    privacy->bytes.len = 0;
    return cdc_json_int64(cdc_json_member(value, "enc"), &version) && version == 1 &&
           kid_hex->n == (size_t)2 * KID_SIZE && secret_from_hex(kid->bytes, kid_hex->p, KID_SIZE) &&
           append_bytes(&privacy->bytes, value, "n") && privacy->bytes.len == SEAL_NONCE &&
           append_bytes(&privacy->bytes, value, "c") && privacy->bytes.len >= SEAL_NONCE + SEAL_TAG;
}

int value_open(struct cdc_privacy *privacy, struct cdc_buf *out, const struct cdc_event *event, struct table *table,
               struct cdc_span name, struct cdc_span value, bool *json_null, struct cdc_error *error)
{
    struct cdc_span hex;
    struct kid kid;
    const unsigned char *key;
    char canonical[2 * KID_SIZE];

    *json_null = false;
    if (cdc_json_is_null(value)) {
        cdc_buf_span(out, value);
        return 0;
    }
    if (!parse_sealed(privacy, value, &hex, &kid))
        return not_opened(table, name, CDC_EXIT_DATA, "it is none that was encrypted", "", error);
    enum store_result found = store_key(privacy->store, &kid, false, &key, error);
    if (found == STORE_FORGOTTEN)
        cdc_buf_lit(out, "null");
    if (found == STORE_MISSING)
        return not_opened(table, name, CDC_EXIT_CONFIG, "the store has no such key",
                          "is it the store that the lines were made with, and whole?", error);
    if (found != STORE_FOUND)
        return found == STORE_FORGOTTEN ? 0 : -1;
    secret_to_hex(canonical, kid.bytes, KID_SIZE);
    /* bind uses privacy->bytes too. */
    struct cdc_buf sealed = privacy->bytes;
    privacy->bytes = (struct cdc_buf)CDC_BUF_INIT;
    int opened = bind(privacy, event, table, name, canonical, error);
    size_t n = sealed.len - SEAL_NONCE;
    if (opened == 0 && !cdc_buf_room(out, n))
        opened = cdc_error_memory(error);
    if (opened == 0)
        opened = seal_open(privacy->seal, key, (unsigned char *)sealed.data,
                           cdc_span(privacy->bound.data, privacy->bound.len), (unsigned char *)sealed.data + SEAL_NONCE,
                           n, (unsigned char *)out->data + out->len, error);
    cdc_buf_free(&privacy->bytes);
    privacy->bytes = sealed;
    if (opened == 0)
        return not_opened(table, name, CDC_EXIT_DATA,
                          "it was changed, or is of another source, table or column by name",
                          "names must be those that it was encrypted with: rename behind --decrypt", error);
    if (opened < 0)
        return -1;
    *json_null = n - SEAL_TAG == 4 && memcmp(out->data + out->len, "null", 4) == 0;
    out->len += n - SEAL_TAG;
    return 0;
}
