/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <unistd.h>

#include "connectors/log/proof/note.h"
#include <cdc/file.h>
#include <cdc/json.h>

#define KEY_MAX ((size_t)64 << 10) /* bytes of a key's file */
#define PUBLIC_SIZE 32
#define SIGNATURE_SIZE 64
#define ID_SIZE 4
#define ED25519 "\1"   /* the kind of signature, in a key's id */
#define DASH "\u2014 " /* begins a line that signs */

struct log_key {
    EVP_PKEY *pkey;
    unsigned char public[PUBLIC_SIZE];
};

/* -- keys ------------------------------------------------------------------------------ */

/* A key with a passphrase would have libcrypto ask on the terminal: it has none. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text, (void)size, (void)writing, (void)context;
    return -1;
}

struct log_key *log_key_parse(struct cdc_span pem, bool private, const char *what, struct cdc_error *error)
{
    struct log_key *key = calloc(1, sizeof *key);
    BIO *bio = pem.n <= KEY_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    size_t n = PUBLIC_SIZE;

    if (key != NULL && bio != NULL) {
        if (!private)
            key->pkey = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
        if (key->pkey == NULL && BIO_seek(bio, 0) == 0)
            key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (key != NULL && key->pkey != NULL && EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_ED25519 &&
        EVP_PKEY_get_raw_public_key(key->pkey, key->public, &n) > 0 && n == PUBLIC_SIZE)
        return key;
    log_key_free(key);
    cdc_error_set(error, CDC_EXIT_CONFIG, "\"%s\" has no %s key of Ed25519, in PEM and without a passphrase", what,
                  private ? "private" : "public");
    if (private)
        cdc_error_hint(error, "openssl genpkey -algorithm ed25519 -out FILE makes one");
    else
        cdc_error_hint(error, "openssl pkey -in KEY -pubout -out FILE makes it from the private one");
    return NULL;
}

void log_key_free(struct log_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

struct log_key *log_key_read_private(const char *path, struct cdc_error *error)
{
    struct cdc_buf text = CDC_BUF_INIT;
    struct log_key *key = NULL;

    if (cdc_file_read_secret(path, KEY_MAX, "key file", &text, error) == 0)
        key = log_key_parse(cdc_span(text.data, text.len), true, path, error);
    cdc_file_free_secret(&text);
    return key;
}

struct log_key *log_key_read_public(const char *path, struct cdc_error *error)
{
    char text[KEY_MAX];
    int fd = cdc_file_open(path, O_RDONLY, 0, "key file", error);
    if (fd < 0)
        return NULL;
    ssize_t n = read(fd, text, sizeof text);
    struct log_key *key = NULL;
    if (n < 0)
        cdc_error_set(error, CDC_EXIT_IO, "unable to read key file \"%s\": %s", path, strerror(errno));
    else
        key = log_key_parse(cdc_span(text, (size_t)n), false, path, error);
    close(fd);
    explicit_bzero(text, sizeof text); /* it may have been the private one */
    return key;
}

static int broken(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "libcrypto cannot do Ed25519 (out of memory, or not in this build)");
}

/* SHA-256(NAME LF 01 KEY), its first bytes. */
static int key_id(const struct log_key *key, struct cdc_span name, unsigned char id[ID_SIZE], struct cdc_error *error)
{
    unsigned char digest[32];
    struct cdc_buf text = CDC_BUF_INIT;

    cdc_buf_span(&text, name);
    cdc_buf_lit(&text, "\n" ED25519);
    cdc_buf_append(&text, key->public, PUBLIC_SIZE);
    bool good = !text.failed && EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL) > 0;
    cdc_buf_free(&text);
    memcpy(id, digest, ID_SIZE);
    return good ? 0 : broken(error);
}

/* -- base64 ---------------------------------------------------------------------------- */

static int letter(char c)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? memchr(letters, c, sizeof letters - 1) : NULL;

    return found != NULL ? (int)(found - letters) : -1;
}

bool log_from_base64(unsigned char *out, size_t *n, struct cdc_span text)
{
    size_t padding = text.n > 0 && text.p[text.n - 1] == '=' ? text.n > 1 && text.p[text.n - 2] == '=' ? 2 : 1 : 0;
    unsigned bits = 0, held = 0;

    *n = 0;
    if (text.n % 4 != 0)
        return false;
    for (size_t i = 0; i < text.n - padding; i++) {
        int value = letter(text.p[i]);
        if (value < 0)
            return false;
        held = (held << 6 | (unsigned)value) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[(*n)++] = (unsigned char)(held >> bits);
        }
    }
    /* What is left over of the last letter is zero: one text for each run of bytes. */
    return (held & ((1u << bits) - 1)) == 0;
}

/* -- notes ----------------------------------------------------------------------------- */

bool log_note_name_valid(struct cdc_span name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || name.p[i] == '+' || (unsigned char)name.p[i] >= 0x7f)
            return false;
    return name.n > 0;
}

static int sign(const struct log_key *key, struct cdc_span text, unsigned char signature[SIGNATURE_SIZE],
                struct cdc_error *error)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t n = SIGNATURE_SIZE;
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) > 0 &&
                EVP_DigestSign(context, signature, &n, (const unsigned char *)text.p, text.n) > 0 &&
                n == SIGNATURE_SIZE;

    EVP_MD_CTX_free(context);
    return good ? 0 : broken(error);
}

int log_note_sign(struct cdc_buf *out, struct cdc_span text, const char *name, const struct log_key *key,
                  struct cdc_error *error)
{
    unsigned char raw[ID_SIZE + SIGNATURE_SIZE];

    if (key_id(key, cdc_span_text(name), raw, error) != 0 || sign(key, text, raw + ID_SIZE, error) != 0)
        return -1;
    cdc_buf_span(out, text);
    cdc_buf_lit(out, "\n" DASH);
    cdc_buf_text(out, name);
    cdc_buf_byte(out, ' ');
    cdc_buf_base64(out, raw, sizeof raw);
    cdc_buf_byte(out, '\n');
    return out->failed ? cdc_error_memory(error) : 0;
}

static int no_note(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_DATA, "no signed note: a text, an empty line and signatures are expected");
}

/* UTF-8, without controls other than LF. */
static bool is_text(struct cdc_span note)
{
    for (size_t i = 0; i < note.n; i++)
        if ((unsigned char)note.p[i] < ' ' && note.p[i] != '\n')
            return false;
    return cdc_utf8_valid(note.p, note.n);
}

int log_note_split(struct cdc_span note, struct cdc_span *text, struct cdc_span *signatures, struct cdc_error *error)
{
    if (note.n < 3 || note.n > LOG_NOTE_MAX || note.p[note.n - 1] != '\n' || !is_text(note))
        return no_note(error);
    for (const char *p = note.p + note.n - 2; p > note.p; p--)
        if (p[0] == '\n' && p[-1] == '\n') { /* the last empty line */
            *text = cdc_span(note.p, (size_t)(p - note.p));
            *signatures = cdc_span(p + 1, (size_t)(note.p + note.n - p - 1));
            return 0;
        }
    return no_note(error);
}

struct signature {
    struct cdc_span name;
    unsigned char id[ID_SIZE], bytes[SIGNATURE_SIZE];
};

/* One line that signs, without its LF. 1: it is of the size that Ed25519 has; 0: of another kind; -1: it is none. */
static int parse_signature(struct cdc_span line, struct signature *signature)
{
    size_t head = sizeof DASH - 1, n;

    if (line.n <= head || memcmp(line.p, DASH, head) != 0)
        return -1;
    struct cdc_span rest = cdc_span(line.p + head, line.n - head);
    const char *space = memchr(rest.p, ' ', rest.n);
    if (space == NULL || space == rest.p)
        return -1;
    signature->name = cdc_span(rest.p, (size_t)(space - rest.p));
    struct cdc_span encoded = cdc_span(space + 1, rest.n - signature->name.n - 1);
    unsigned char raw[ID_SIZE + SIGNATURE_SIZE + 2]; /* two more: of the last four letters */
    if (encoded.n != (ID_SIZE + SIGNATURE_SIZE + 2) / 3 * 4)
        return 0;
    if (!log_from_base64(raw, &n, encoded))
        return -1;
    if (n != ID_SIZE + SIGNATURE_SIZE)
        return 0;
    memcpy(signature->id, raw, ID_SIZE);
    memcpy(signature->bytes, raw + ID_SIZE, SIGNATURE_SIZE);
    return 1;
}

static bool is_signed(const struct log_key *key, struct cdc_span text, const struct signature *signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key->pkey) > 0 &&
                EVP_DigestVerify(context, signature->bytes, SIGNATURE_SIZE, (const unsigned char *)text.p, text.n) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return good;
}

/* Looks through the lines for those of the key: 1 when they are good, 0 when there is none, -1 with error. */
static int check_signatures(struct cdc_span lines, struct cdc_span text, struct cdc_span name,
                            const unsigned char id[ID_SIZE], const struct log_key *key, struct cdc_error *error)
{
    int found = 0;

    while (lines.n > 0) {
        const char *lf = memchr(lines.p, '\n', lines.n);
        struct cdc_span line = cdc_span(lines.p, (size_t)(lf - lines.p));
        struct signature signature;
        int kind = parse_signature(line, &signature);
        if (kind < 0)
            return no_note(error);
        lines = cdc_span(lf + 1, lines.n - line.n - 1);
        if (kind == 0 || !cdc_span_equal(signature.name, name) || memcmp(signature.id, id, ID_SIZE) != 0)
            continue;
        if (!is_signed(key, text, &signature))
            return cdc_error_set(error, CDC_EXIT_CONFIG,
                                 "the signature is wrong: the text was changed after it was signed");
        found = 1;
    }
    return found;
}

int log_note_open(struct cdc_span note, const char *name, const struct log_key *key, struct cdc_span *text,
                  struct cdc_error *error)
{
    struct cdc_span lines, wanted = cdc_span_text(name);
    unsigned char id[ID_SIZE];

    if (log_note_split(note, text, &lines, error) != 0 || key_id(key, wanted, id, error) != 0)
        return -1;
    int found = check_signatures(lines, *text, wanted, id, key, error);
    if (found == 0)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the note is not signed by that key for \"%s\"", name);
    return found < 0 ? -1 : 0;
}
