/* SPDX-License-Identifier: MIT */
/* Texts of any charset of the servers as UTF-8. One-byte charsets and the plain forms of Unicode are converted here,
 * exactly as the servers do; the East Asian ones by iconv, with corrections for the few characters that the servers
 * read otherwise. */
#include "connectors/mysql/value/charset.h"
#include "connectors/mysql/value/charset_tables.h"

#include <cdc/json.h>
#include <iconv.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* How the bytes of a charset become Unicode. */
enum form {
    FORM_BINARY,
    FORM_ASCII,
    FORM_UTF8,
    FORM_UCS2,
    FORM_UTF16,
    FORM_UTF32,
    FORM_SWE7,
    FORM_ONE_BYTE,
    FORM_ICONV
};

struct my_charset {
    const char *name;
    uint8_t longest;
    uint8_t form;
    bool little_endian;
    const char *iconv_name;
};

static const struct my_charset charsets[CHARSETS] = {
    [CHARSET_BINARY] = {"binary", 1, FORM_BINARY, false, NULL},
    [CHARSET_ASCII] = {"ascii", 1, FORM_ASCII, false, NULL},
    [CHARSET_UTF8MB3] = {"utf8mb3", 3, FORM_UTF8, false, NULL},
    [CHARSET_UTF8MB4] = {"utf8mb4", 4, FORM_UTF8, false, NULL},
    [CHARSET_UCS2] = {"ucs2", 2, FORM_UCS2, false, NULL},
    [CHARSET_UTF16] = {"utf16", 4, FORM_UTF16, false, NULL},
    [CHARSET_UTF16LE] = {"utf16le", 4, FORM_UTF16, true, NULL},
    [CHARSET_UTF32] = {"utf32", 4, FORM_UTF32, false, NULL},
    [CHARSET_SWE7] = {"swe7", 1, FORM_SWE7, false, NULL},
    [CHARSET_SJIS] = {"sjis", 2, FORM_ICONV, false, "SHIFT_JIS"},
    [CHARSET_CP932] = {"cp932", 2, FORM_ICONV, false, "CP932"},
    [CHARSET_UJIS] = {"ujis", 3, FORM_ICONV, false, "EUC-JP-MS"},
    [CHARSET_EUCJPMS] = {"eucjpms", 3, FORM_ICONV, false, "EUC-JP-MS"},
    [CHARSET_GB2312] = {"gb2312", 2, FORM_ICONV, false, "GB2312"},
    [CHARSET_GBK] = {"gbk", 2, FORM_ICONV, false, "GBK"},
    [CHARSET_GB18030] = {"gb18030", 4, FORM_ICONV, false, "GB18030"},
    [CHARSET_BIG5] = {"big5", 2, FORM_ICONV, false, "BIG5"},
    [CHARSET_EUCKR] = {"euckr", 2, FORM_ICONV, false, "CP949"},
    [CHARSET_ARMSCII8] = {"armscii8", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP1250] = {"cp1250", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP1251] = {"cp1251", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP1256] = {"cp1256", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP1257] = {"cp1257", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP850] = {"cp850", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP852] = {"cp852", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_CP866] = {"cp866", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_DEC8] = {"dec8", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_GEOSTD8] = {"geostd8", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_GREEK] = {"greek", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_HEBREW] = {"hebrew", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_HP8] = {"hp8", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_KEYBCS2] = {"keybcs2", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_KOI8R] = {"koi8r", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_KOI8U] = {"koi8u", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_LATIN1] = {"latin1", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_LATIN2] = {"latin2", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_LATIN5] = {"latin5", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_LATIN7] = {"latin7", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_MACCE] = {"macce", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_MACROMAN] = {"macroman", 1, FORM_ONE_BYTE, false, NULL},
    [CHARSET_TIS620] = {"tis620", 1, FORM_ONE_BYTE, false, NULL},
};

/* -- which one ---------------------------------------------------------------- */

const struct my_charset *my_charset_of(unsigned collation)
{
    if (collation > 1024 && collation < 1024 + 256) /* MariaDB's NOPAD */
        collation -= 1024;
    if (collation < sizeof charset_of_old_id / sizeof charset_of_old_id[0]) {
        unsigned id = charset_of_old_id[collation];
        return id == 0 ? NULL : &charsets[id - 1];
    }
    for (size_t i = 0; i < sizeof charset_of_ids / sizeof charset_of_ids[0]; i++)
        if (collation >= charset_of_ids[i].first && collation <= charset_of_ids[i].last)
            return &charsets[charset_of_ids[i].charset];
    return NULL;
}

const struct my_charset *my_charset_named(const char *name)
{
    size_t n = strcspn(name, "_");
    for (size_t i = 0; i < CHARSETS; i++)
        if (strlen(charsets[i].name) == n && memcmp(charsets[i].name, name, n) == 0)
            return &charsets[i];
    return n == 4 && memcmp(name, "utf8", n) == 0 ? &charsets[CHARSET_UTF8MB3] : NULL;
}

const char *my_charset_name(const struct my_charset *charset)
{
    return charset->name;
}

unsigned my_charset_longest(const struct my_charset *charset)
{
    return charset->longest;
}

bool my_charset_is_binary(const struct my_charset *charset)
{
    return charset->form == FORM_BINARY;
}

bool my_charset_is_utf8(const struct my_charset *charset)
{
    return charset == NULL || charset->form == FORM_UTF8 || charset->form == FORM_BINARY;
}

/* -- conversion ----------------------------------------------------------------- */

/* c as UTF-8 (RFC 3629); returns its end. */
static inline char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xe0 | c >> 12);
        } else {
            *out++ = (char)(0xf0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 63));
        }
        *out++ = (char)(0x80 | (c >> 6 & 63));
    }
    *out++ = (char)(0x80 | (c & 63));
    return out;
}

/* Not a surrogate, and not beyond Unicode. */
static bool is_scalar(uint32_t c)
{
    return c < 0xd800 || (c > 0xdfff && c <= 0x10ffff);
}

/* Each of these has room for its longest result at out, returns its end, or NULL when the bytes are not valid. */

/* upper: what the bytes from 0x80 on are; 0: nothing. */
static char *from_one_byte(char *out, const uint16_t *upper, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t c = p[i] < 0x80 ? p[i] : upper[p[i] - 0x80];
        if (c == 0 && p[i] != 0)
            return NULL;
        out = put_utf8(out, c);
    }
    return out;
}

/* Swedish of the days of seven bits (ISO 646-SE2): ten of the ASCII signs are letters. */
static char *from_swe7(char *out, const uint8_t *p, size_t n)
{
    static const char signs[] = "@[\\]^`{|}~";
    static const uint16_t letters[] = {0xc9, 0xc4, 0xd6, 0xc5, 0xdc, 0xe9, 0xe4, 0xf6, 0xe5, 0xfc};
    for (size_t i = 0; i < n; i++) {
        if (p[i] >= 0x7f)
            return NULL;
        const char *sign = p[i] == 0 ? NULL : strchr(signs, p[i]);
        out = put_utf8(out, sign == NULL ? p[i] : letters[sign - signs]);
    }
    return out;
}

static inline uint32_t unit16(const uint8_t *p, bool little_endian)
{
    return little_endian ? (uint32_t)p[1] << 8 | p[0] : (uint32_t)p[0] << 8 | p[1];
}

/* UTF-16, or UCS-2, which has no surrogate pairs: d8 3d de 00 is U+1F600 in the one, not valid in the other. */
static char *from_utf16(char *out, const struct my_charset *charset, const uint8_t *p, size_t n)
{
    if (n % 2 != 0)
        return NULL;
    for (const uint8_t *end = p + n; p < end; p += 2) {
        uint32_t c = unit16(p, charset->little_endian);
        if (c >= 0xd800 && c < 0xdc00 && charset->form == FORM_UTF16 && end - p >= 4) {
            uint32_t low = unit16(p + 2, charset->little_endian);
            if (low < 0xdc00 || low > 0xdfff)
                return NULL;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            p += 2;
        }
        if (!is_scalar(c))
            return NULL;
        out = put_utf8(out, c);
    }
    return out;
}

static char *from_utf32(char *out, const uint8_t *p, size_t n)
{
    if (n % 4 != 0)
        return NULL;
    for (const uint8_t *end = p + n; p < end; p += 4) {
        uint32_t c = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        if (!is_scalar(c))
            return NULL;
        out = put_utf8(out, c);
    }
    return out;
}

/* Bytes of the character at p, which is above ASCII; 0: none begins so, though iconv takes it for a control. */
static size_t character_size(size_t charset, const uint8_t *p, size_t n)
{
    if (charset == CHARSET_SJIS || charset == CHARSET_CP932) /* half-width katakana */
        return p[0] >= 0xa1 && p[0] <= 0xdf ? 1 : 2;
    if (charset == CHARSET_UJIS || charset == CHARSET_EUCJPMS) {
        if (p[0] < 0xa1 && p[0] != 0x8e && p[0] != 0x8f)
            return 0;
        return p[0] == 0x8f ? 3 : 2;
    }
    if (charset == CHARSET_GB18030 && n > 1 && p[1] >= '0' && p[1] <= '9')
        return 4;
    return p[0] == 0x80 || p[0] == 0xff ? 0 : 2;
}

static uint32_t code_of(const uint8_t *p, size_t n)
{
    uint32_t code = 0;
    for (size_t i = 0; i < n; i++)
        code = code << 8 | p[i];
    return code;
}

/* What the server makes of the character where iconv would do otherwise; 0: nothing special. */
static uint32_t override_of(size_t charset, const uint8_t *p, size_t n)
{
    uint32_t code = code_of(p, n);
    for (size_t i = 0; i < sizeof charset_overrides / sizeof charset_overrides[0]; i++) {
        const struct charset_override *o = &charset_overrides[i];
        if (o->charset == charset && code >= o->first && code <= o->last)
            return o->unicode + (code - o->first);
    }
    return 0;
}

/* Opened once and kept, by each thread its own: a descriptor has the state of the conversion in it, even where the charset
 * has none. */
static _Thread_local struct opened {
    bool tried;
    iconv_t descriptor;
} opened[CHARSETS];

/* A run of characters of one of the charsets of several bytes. */
static char *from_iconv(char *out, size_t charset, const uint8_t *p, size_t n)
{
    if (!opened[charset].tried) {
        opened[charset].tried = true;
        opened[charset].descriptor = iconv_open("UTF-8", charsets[charset].iconv_name);
    }
    iconv_t descriptor = opened[charset].descriptor;
    if (descriptor == (iconv_t)-1)
        return NULL;
    iconv(descriptor, NULL, NULL, NULL, NULL);
    char *in = (char *)(uintptr_t)p; /* iconv only reads it */
    size_t room = 4 * n;
    return iconv(descriptor, &in, &n, &out, &room) == 0 && n == 0 ? out : NULL;
}

/* ASCII is copied (these charsets begin with it, whatever iconv says of backslash and tilde in some); what is between
 * goes to iconv in runs. */
static char *from_multibyte(char *out, size_t charset, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n, *run = p;
    while (out != NULL && p < end) {
        uint32_t special = *p;
        size_t size = 1;
        if (*p >= 0x80) {
            size = character_size(charset, p, (size_t)(end - p));
            if (size == 0 || size > (size_t)(end - p))
                return NULL;
            special = override_of(charset, p, size);
            if (special == 0) {
                p += size;
                continue;
            }
        }
        if (run < p)
            out = from_iconv(out, charset, run, (size_t)(p - run));
        if (out != NULL)
            out = put_utf8(out, special);
        p += size;
        run = p;
    }
    return out == NULL || run == p ? out : from_iconv(out, charset, run, (size_t)(p - run));
}

bool my_charset_convert(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n)
{
    if (n == 0)
        return true;
    enum form form = charset == NULL || charset->form == FORM_BINARY ? FORM_UTF8 : (enum form)charset->form;
    if (form == FORM_ASCII || form == FORM_UTF8) {
        for (size_t i = 0; form == FORM_ASCII && i < n; i++)
            if (p[i] >= 0x80)
                return false;
        if (form == FORM_UTF8 && !cdc_utf8_valid((const char *)p, n))
            return false;
        cdc_buf_append(out, p, n);
        return true;
    }
    if (n > SIZE_MAX / 8 || !cdc_buf_room(out, 4 * n)) /* no byte becomes more than three */
        return true;
    char *to = out->data + out->len;
    size_t id = (size_t)(charset - charsets);
    switch (form) {
    case FORM_UCS2:
    case FORM_UTF16: to = from_utf16(to, charset, p, n); break;
    case FORM_UTF32: to = from_utf32(to, p, n); break;
    case FORM_SWE7: to = from_swe7(to, p, n); break;
    case FORM_ONE_BYTE: to = from_one_byte(to, charset_upper[id], p, n); break;
    default: to = from_multibyte(to, id, p, n);
    }
    if (to == NULL)
        return false;
    out->len = (size_t)(to - out->data);
    return true;
}

/* -- as JSON ---------------------------------------------------------------------- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGH (ONES << 7)

/* Marks (in the high bits) what JSON must escape and what is not ASCII. */
static inline uint64_t not_plain(uint64_t x)
{
    uint64_t quote = x ^ (ONES * '"'), backslash = x ^ (ONES * '\\');
    uint64_t control = (x - ONES * 0x20) & ~x;
    return (x | control | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash)) & HIGH;
}

/* Copies the text as long as it is ASCII without anything to escape, in one pass; false when it met something else.
 * There is room for 16 bytes more than n at out. */
static inline bool copy_plain(char *out, const uint8_t *p, size_t n)
{
    uint64_t x;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; n >= 16; p += 16, out += 16, n -= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        _mm_storeu_si128((__m128i *)(void *)out, v);
        /* A signed compare finds controls and bytes above 0x7f at once. */
        __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                   _mm_cmplt_epi8(v, space));
        if (_mm_movemask_epi8(odd) != 0)
            return false;
    }
#endif
    for (; n >= 8; p += 8, out += 8, n -= 8) {
        memcpy(&x, p, 8);
        memcpy(out, &x, 8);
        if (not_plain(x) != 0)
            return false;
    }
    x = ONES * ' ';
    memcpy(&x, p, n);
    memcpy(out, &x, 8);
    return not_plain(x) == 0;
}

/* Bytes of ASCII mean ASCII. */
static inline bool extends_ascii(const struct my_charset *charset)
{
    return charset == NULL || !(charset->form >= FORM_UCS2 && charset->form <= FORM_SWE7);
}

static void append_base64_object(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    cdc_buf_lit(out, "{\"base64\":\"");
    cdc_buf_base64(out, p, n);
    cdc_buf_lit(out, "\"}");
}

/* Kept, so that not every value costs an allocation. */
static _Thread_local struct cdc_buf scratch;

void my_charset_release(void)
{
    cdc_buf_free(&scratch);
    for (size_t i = 0; i < CHARSETS; i++) {
        if (opened[i].tried && opened[i].descriptor != (iconv_t)-1)
            iconv_close(opened[i].descriptor);
        opened[i].tried = false;
    }
}

/* What is not plain: converted first, and then appended with escapes. */
static void append_converted(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n,
                             uint64_t *unconvertible)
{
    scratch.len = 0;
    if (!my_charset_convert(&scratch, charset, p, n)) {
        append_base64_object(out, p, n);
        ++*unconvertible;
    } else if (scratch.failed) {
        out->failed = true;
        cdc_buf_free(&scratch);
    } else {
        cdc_json_append_string(out, scratch.data, scratch.len);
    }
    scratch.len = 0;
    cdc_buf_shrink(&scratch, 1 << 20);
}

void my_charset_append(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n,
                       uint64_t *unconvertible)
{
    if (n == 0) {
        cdc_buf_lit(out, "\"\"");
        return;
    }
    if (extends_ascii(charset)) {
        if (n > SIZE_MAX / 4 || !cdc_buf_room(out, n + 18))
            return;
        char *text = out->data + out->len;
        *text = '"';
        if (copy_plain(text + 1, p, n)) {
            text[n + 1] = '"';
            out->len += n + 2;
            return;
        }
    }
    if (my_charset_is_utf8(charset)) {
        if (!cdc_json_append_text(out, (const char *)p, n))
            ++*unconvertible;
    } else {
        append_converted(out, charset, p, n, unconvertible);
    }
}

/* -- keys ------------------------------------------------------------------------- */

/* charset_tables.h lists them, made by asking the servers. */
static bool is_twin(size_t charset, uint32_t code)
{
    for (size_t i = 0; i < sizeof charset_twins / sizeof charset_twins[0]; i++)
        if (charset_twins[i].charset == charset && code >= charset_twins[i].first && code <= charset_twins[i].last)
            return true;
    return false;
}

/* Is there a character that Unicode does not tell from another one? Bytes that are not valid may be taken for such. */
static bool has_twin(const struct my_charset *charset, const uint8_t *p, size_t n)
{
    size_t id = (size_t)(charset - charsets);
    for (const uint8_t *end = p + n; p < end;) {
        size_t size = 1;
        if (*p >= 0x80) {
            if (charset->longest > 1)
                size = character_size(id, p, (size_t)(end - p));
            if (size == 0 || size > (size_t)(end - p))
                return false;
            if (is_twin(id, code_of(p, size)))
                return true;
        }
        p += size;
    }
    return false;
}

void my_charset_append_key(struct cdc_buf *out, const struct my_charset *charset, const uint8_t *p, size_t n,
                           uint64_t *unconvertible)
{
    bool may = charset && (charset->form == FORM_ICONV || charset == &charsets[CHARSET_ARMSCII8]);
    if (may && has_twin(charset, p, n)) {
        append_base64_object(out, p, n);
        ++*unconvertible;
    } else {
        my_charset_append(out, charset, p, n, unconvertible);
    }
}
