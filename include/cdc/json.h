/* SPDX-License-Identifier: MIT */
/* JSON without a tree (RFC 8259): one pass validates, walkers then step over
 * text that is known to be valid. Nothing is copied, nothing allocated. */
#ifndef CDC_JSON_H
#define CDC_JSON_H

#include <cdc/buf.h>
#include <cdc/error.h>

#define CDC_JSON_DEPTH 128   /* nesting that is accepted by default */
#define CDC_JSON_ENVELOPE 16 /* and so much more where such values are inside others */

enum cdc_json_type {
    CDC_JSON_NONE,
    CDC_JSON_NULL,
    CDC_JSON_BOOL,
    CDC_JSON_NUMBER,
    CDC_JSON_STRING,
    CDC_JSON_ARRAY,
    CDC_JSON_OBJECT
};

/* Validates one JSON value with white space around it: grammar, UTF-8, escapes
 * (a lone surrogate escape is refused), depth at most CDC_JSON_DEPTH. Returns
 * 0, or -1 with CDC_EXIT_DATA and the byte offset in the text. */
int cdc_json_validate(const char *p, size_t n, struct cdc_error *error);
/* The same of a text that has such values inside, some levels down: an answer with documents. */
int cdc_json_validate_envelope(const char *p, size_t n, struct cdc_error *error);
/* Type by the first byte of a value. */
enum cdc_json_type cdc_json_type(struct cdc_span value);
/* True when the span is absent or the JSON null. */
bool cdc_json_is_null(struct cdc_span value);

/* A member; its name is the text between the quotes. */
struct cdc_json_pair {
    struct cdc_span name, value;
};

/* Walks an object or an array that was validated before, with or without space around it. What comes from outside may be of any type: an array has no
 * members, an object no elements, and any other value neither. */
struct cdc_json_iter {
    const char *p, *end;
    const struct cdc_json_pair *pair, *pairs_end; /* of an object whose members are known (event.h); else NULL */
};
void cdc_json_iter_begin(struct cdc_json_iter *iter, struct cdc_span container);
/* name is the text between the quotes, escapes as they stand. false at the end. */
bool cdc_json_next_member(struct cdc_json_iter *iter, struct cdc_span *name, struct cdc_span *value);
bool cdc_json_next_element(struct cdc_json_iter *iter, struct cdc_span *value);
/* How many members it has; 0 of what is no object. */
size_t cdc_json_count_members(struct cdc_span object);
/* The member of that name (compared unescaped), the last of several; {NULL, 0} when it is absent, or object is none. */
struct cdc_span cdc_json_member(struct cdc_span object, const char *name);
/* Of a member that is a string, the text between its quotes; {NULL, 0} when it is absent or something else. */
struct cdc_span cdc_json_member_raw(struct cdc_span object, const char *name);
/* Its unescaped text. RETURNS NEW (free); NULL when there is none, with a NUL in it, since what comes after that would be
 * lost, or with errno ENOMEM without memory: to be told apart from the first by who acts upon that. */
char *cdc_json_member_text(struct cdc_span object, const char *name);
/* The same into memory of that size. false when there is none of that, or it does not fit; then it is "". */
bool cdc_json_member_copy(struct cdc_span object, const char *name, char *to, size_t size);
/* Is it the string `text`? */
bool cdc_json_member_is(struct cdc_span object, const char *name, const char *text);

/* Text between the quotes of a string value; {NULL,0} if it is no string. */
struct cdc_span cdc_json_string_raw(struct cdc_span value);
/* Appends the unescaped bytes of raw (text between quotes). */
void cdc_json_unescape(struct cdc_buf *out, struct cdc_span raw);
/* The unescaped bytes with a NUL after them; n, which may be NULL: their number. RETURNS NEW (free); NULL without
 * memory. */
char *cdc_json_text(struct cdc_span raw, size_t *n);
/* Does raw, once unescaped, equal text? */
bool cdc_json_raw_is(struct cdc_span raw, struct cdc_span text);
/* Are two such texts the same once unescaped? A stage before us may print "caf\u00e9" for "café". */
bool cdc_json_raw_equal(struct cdc_span a, struct cdc_span b);
/* The hash (hash.h) of what `hash` stands for and of the unescaped bytes of raw. */
uint64_t cdc_json_hash(uint64_t hash, struct cdc_span raw);
/* Integer value; false if it is not one or does not fit. */
bool cdc_json_int64(struct cdc_span value, int64_t *result);

/* Appends bytes as a JSON string with quotes. The bytes must be valid UTF-8
 * (see cdc_utf8_valid); `"`, `\` and controls are escaped, nothing else. */
void cdc_json_append_string(struct cdc_buf *out, const char *p, size_t n);
/* Appends valid UTF-8 as a string, other bytes as {"base64":"..."}. Returns
 * false in the second case, so that the caller can count it. */
bool cdc_json_append_text(struct cdc_buf *out, const char *p, size_t n);
/* Appends a message, which is always a string: in one that is not valid UTF-8, maybe truncated inside a character, the
 * bytes above ASCII become \xNN. */
void cdc_json_append_message(struct cdc_buf *out, const char *text);
bool cdc_utf8_valid(const char *p, size_t n);
/* Appends a valid JSON value on one line: line breaks and other white space
 * between tokens go, every byte of the tokens stays. */
void cdc_json_append_compact(struct cdc_buf *out, struct cdc_span value);

#endif
