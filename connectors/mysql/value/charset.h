/* SPDX-License-Identifier: MIT */
/* Texts of any charset of the servers, as UTF-8. A collation id stands for a charset and an order of it (8 is
 * latin1_swedish_ci); only the charset matters here. */
#ifndef MY_CHARSET_H
#define MY_CHARSET_H

#include <cdc/buf.h>

/* Name, longest character, how to turn it into UTF-8. All are constants: nobody frees them. */
struct my_charset;
/* By collation id (both servers; ids above 255 too); NULL when unknown. */
const struct my_charset *my_charset_of(unsigned collation);
/* By the name of charset or collation ("latin1", "utf8mb4_0900_ai_ci"); NULL when unknown. */
const struct my_charset *my_charset_named(const char *name);
const char *my_charset_name(const struct my_charset *charset);
unsigned my_charset_longest(const struct my_charset *charset); /* bytes of one character, 1..4 */
bool my_charset_is_binary(const struct my_charset *charset);
/* Its bytes are UTF-8 as they are, if they are valid; also of NULL, and of binary. */
bool my_charset_is_utf8(const struct my_charset *charset);
/* Appends the bytes as a JSON string in UTF-8; bytes that are not valid in the charset as {"base64":"..."}, counted in
 * *unconvertible. charset NULL: unknown, valid UTF-8 as a string, else base64. */
void my_charset_append(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n,
                       uint64_t *unconvertible);
/* The same for a key: different bytes never give the same JSON. Some charsets have two characters with the same Unicode
 * (cp932: 81 ca and ee f9 are both U+FFE2); a text with the one that Unicode does not turn back into is base64, too. */
void my_charset_append_key(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n,
                           uint64_t *unconvertible);
/* Frees what the calling thread keeps from one text to the next; to be called before it ends. */
void my_charset_release(void);
/* As my_charset_append, but plain bytes without quotes and escapes; false when not valid. */
bool my_charset_convert(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n);

#endif
