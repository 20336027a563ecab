/* SPDX-License-Identifier: MIT */
/* Signed notes (c2sp.org/signed-note) with Ed25519: a text, an empty line, and lines that sign it:
 *
 *   — NAME BASE64(4 bytes of the key's id || 64 bytes of signature)
 *
 * Keys are the PEM files that `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` make. */
#ifndef LOG_PROOF_NOTE_H
#define LOG_PROOF_NOTE_H

#include <cdc/buf.h>
#include <cdc/error.h>

#define LOG_NOTE_MAX ((size_t)1 << 20) /* bytes of a note that is read */

struct log_key;

/* The key to sign with, out of a file that only its owner may read: PERMISSION where others may, CONFIG where it is none.
 * RETURNS NEW (log_key_free) */
struct log_key *log_key_read_private(const char *path, struct cdc_error *error);
/* The key to check with: a public one, or the private one. RETURNS NEW */
struct log_key *log_key_read_public(const char *path, struct cdc_error *error);
/* The same from a text in memory. what: for the message. RETURNS NEW */
struct log_key *log_key_parse(struct cdc_span pem, bool private, const char *what, struct cdc_error *error);
void log_key_free(struct log_key *key);

/* May it be a key's name: something, without white space, controls and `+`? */
bool log_note_name_valid(struct cdc_span name);
/* Appends the note: the text, which ends with LF, signed by the key of that name. 0 or -1. */
int log_note_sign(struct cdc_buf *out, struct cdc_span text, const char *name, const struct log_key *key,
                  struct cdc_error *error);
/* Parts a note into its text, which keeps its last LF, and the lines that sign it (BORROWED). 0, or -1 with DATA: it is no note. */
int log_note_split(struct cdc_span note, struct cdc_span *text, struct cdc_span *signatures, struct cdc_error *error);
/* Has the key signed it, under that name? 0, or -1: DATA, it is no note; CONFIG, it has not, or the text was changed since.
 * text: as above. */
int log_note_open(struct cdc_span note, const char *name, const struct log_key *key, struct cdc_span *text,
                  struct cdc_error *error);

/* Bytes out of base64 with padding (RFC 4648, nothing but its letters). out has room for 3 bytes of 4 letters. false: it is
 * none. */
bool log_from_base64(unsigned char *out, size_t *n, struct cdc_span text);

#endif
