/* SPDX-License-Identifier: MIT */
/* Texts of databases that are not in UTF-8: what the server is asked for them, and what they become. */
#include "connectors/postgres/pgoutput/encoding.h"
#include "connectors/postgres/session/connection.h"
#include "connectors/postgres/session/encoding.h"
#include "tests/unit/fake-postgres.h"

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- characters of several bytes, of which the test makes up what they are -- */

static size_t asked;
static bool asking_fails;

/* Those that end in FF are none; others become their bytes in capitals of hex, up to 8 of them. */
static int ask(void *context, const char *bytes, size_t n, char utf8[8], size_t *n_utf8, struct cdc_error *error)
{
    char text[9] = "";
    (void)context;
    asked++;
    if (asking_fails)
        return cdc_error_set(error, CDC_EXIT_UNAVAILABLE, "nobody answers");
    for (size_t i = 0; i < n; i++)
        snprintf(text + 2 * i, sizeof text - 2 * i, "%02X", (unsigned char)bytes[i]);
    *n_utf8 = (unsigned char)bytes[n - 1] == 0xFF ? 0 : 2 * n;
    memcpy(utf8, text, *n_utf8);
    return 0;
}

static struct pg_encoding encoding;
static struct pg_euc euc;

static void begin(unsigned char after_8e, unsigned char after_8f)
{
    free(euc.known);
    euc = (struct pg_euc){.after_8e = after_8e, .after_8f = after_8f, .ask = ask};
    encoding = (struct pg_encoding){.euc = &euc};
    asked = 0;
}

/* One cell, between others: of ASCII, and of bytes, NULL and unchanged, which are left alone. */
static void converts(const char *what, const char *from, const char *to)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct cdc_error error = {0};
    static const char ascii[] = "abc";
    struct pg_cell cells[] = {{ascii, 3, 't', false, false},
                              {from, (uint32_t)strlen(from), 't', false, false},
                              {from, (uint32_t)strlen(from), 'b', false, false},
                              {NULL, 0, 'n', false, false},
                              {NULL, 0, 'u', false, false},
                              {from, (uint32_t)strlen(from), 't', false, false}};
    int result = pg_encoding_convert_row(&encoding, &scratch, cells, 6, &error);
    bool good = result == 0 && cells[0].p == ascii && cells[0].n == 3 && !cells[0].raw && cells[2].p == from &&
                !cells[2].raw && cells[3].n == 0;
    for (size_t i = 1; i < 6; i += 4)
        good = good && (to ? !cells[i].raw && cdc_span_is(cdc_span(cells[i].p, cells[i].n), to)
                           : cells[i].raw && cells[i].p == from && cells[i].n == strlen(from));
    check(good, what);
    cdc_buf_free(&scratch);
    char *name = pg_encoding_name(&encoding, from, &error);
    check(name && strcmp(name, to ? to : from) == 0, what);
    free(name);
}

static void test_characters(void)
{
    begin(4, 3);
    converts("ASCII alone", "abc\x7f", "abc\x7f");
    converts("nothing", "", "");
    converts("two bytes", "a\xA1\xA2z", "aA1A2z");
    converts("four bytes after 8E", "\x8E\xA1\xA2\xA3\xB1\xB2", "8EA1A2A3B1B2");
    converts("three bytes after 8F", "\x8F\xA1\xA2\xB1\xB2", "8FA1A2B1B2");
    converts("an end in the middle", "a\xA1", NULL);
    converts("an end in the middle of four", "\x8E\xA1\xA2", NULL);
    converts("an end in the middle of three", "\x8F\xA1", NULL);
    converts("ASCII in the middle", "\xA1z", NULL);
    converts("ASCII at the end of four", "\x8E\xA1\xA2z", NULL);
    converts("no character", "a\xA1\xFFz", NULL);
    begin(2, 2);
    converts("two bytes after 8E", "\x8E\xA1\xA2\xA3", "8EA1A2A3");
    converts("two bytes after 8F", "\x8F\xA1\xA2\xA3", "8FA1A2A3");
}

/* Each character is asked for once, however many there are, and whatever becomes of it. */
static void test_known(void)
{
    struct cdc_error error = {0};
    bool good = true;
    begin(2, 2);
    for (int round = 0; round < 2; round++)
        for (int a = 0xA1; a <= 0xFF; a++)
            for (int b = 0xA1; b <= 0xFF; b++) {
                char text[] = {(char)a, (char)b, 0}, want[5];
                snprintf(want, sizeof want, "%02X%02X", (unsigned)a, (unsigned)b);
                char *name = pg_encoding_name(&encoding, text, &error);
                good = good && name && strcmp(name, b == 0xFF ? text : want) == 0;
                free(name);
            }
    check(good, "9025 characters, twice");
    check(asked == 95 * 95 && euc.n_known == 95 * 95, "each is asked for once");
    check(euc.n_slots >= 2 * euc.n_known && euc.n_slots <= 4 * euc.n_known, "there is room, and not too much");
    asking_fails = true;
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct pg_cell cell = {"\x8E\xA1", 2, 't', false, false};
    check(pg_encoding_convert_row(&encoding, &scratch, &cell, 1, &error) == -1 &&
              error.status == CDC_EXIT_UNAVAILABLE && !cell.raw,
          "nobody answers");
    check(pg_encoding_name(&encoding, "\x8E\xA1", &error) == NULL, "nor for a name");
    asking_fails = false;
    error = (struct cdc_error){0};
    check(pg_encoding_convert_row(&encoding, &scratch, &cell, 1, &error) == 0 &&
              cdc_span_is(cdc_span(cell.p, cell.n), "8EA1"),
          "who had no answer is asked again");
    cell = (struct pg_cell){"\xA1", 1, 't', false, false};
    check(pg_encoding_convert_row(NULL, &scratch, &cell, 1, &error) == 0 && !cell.raw && cell.n == 1, "UTF-8");
    char *name = pg_encoding_name(NULL, "\xA1", &error);
    check(name && strcmp(name, "\xA1") == 0, "a name in UTF-8");
    free(name);
    cdc_buf_free(&scratch);
}

static int without_memory(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct pg_cell cells[] = {{"\xA1\xA2", 2, 't', false, false}, {"\xA1\xFF", 2, 't', false, false}};
    begin(2, 2);
    memory_begin();
    int result = pg_encoding_convert_row(&encoding, &scratch, cells, 2, error);
    char *name = result == 0 ? pg_encoding_name(&encoding, "\xB1\xB2", error) : NULL;
    char *as_it_is = name ? pg_encoding_name(&encoding, "plain", error) : NULL;
    memory_end();
    if (result == 0 && as_it_is)
        cdc_buf_printf(out, "%.*s %d %s %s", (int)cells[0].n, cells[0].p, cells[1].raw, name, as_it_is);
    else
        result = -1;
    free(as_it_is);
    free(name);
    cdc_buf_free(&scratch);
    free(euc.known);
    euc.known = NULL;
    return result;
}

/* -- what the server is asked -- */

static struct fake_answer answers[64];
static size_t n_answers;
static char texts[64][2048];

static void answer(const char *to, const char *rows)
{
    answers[n_answers] = (struct fake_answer){to, rows, false};
    answers[++n_answers] = (struct fake_answer){0};
}

/* Bytes as the test makes them up: byte B is the character "B" in hex. */
static const char *bytes_from(int first, int n)
{
    char *p = texts[n_answers];
    p += sprintf(p, "utf8");
    for (int i = first; i < first + n; i++)
        p += sprintf(p, "\n\\x%02x%02x", "0123456789ABCDEF"[i >> 4], "0123456789ABCDEF"[i & 15]);
    return texts[n_answers];
}

/* The ranges that are asked for where hole is no character: as the halves are taken. */
static void answer_ranges(int first, int n, int hole, const char *state)
{
    if (hole < first || hole >= first + n) {
        answer("generate_series", bytes_from(first, n));
        return;
    }
    answer("generate_series", state);
    if (n == 1)
        return;
    answer_ranges(first, n / 2, hole, state);
    answer_ranges(first + n / 2, n - n / 2, hole, state);
}

static const struct pg_settings settings = {.url = "postgresql:///postgres", .tool = "test"};

static int ask_server(const char *name, struct pg_encoding *found, struct cdc_error *error)
{
    fake.encoding = name;
    fake.answers = answers;
    fake.connections = fake.open = 0;
    fake.said.len = 0;
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    PGconn *sql = pg_connect(&settings, false, error);
    int result = sql ? pg_encoding_ask(sql, &settings, found, error) : -1;
    PQfinish(sql);
    return result;
}

static void none(void)
{
    n_answers = 0;
    answer("SET statement_timeout", NULL);
    answer("SET client_encoding", NULL);
}

static void test_single_bytes(void)
{
    struct pg_encoding found;
    struct cdc_error error = {0};
    none();
    check(ask_server("UTF8", &found, &error) == 0 && !strstr(fake.said.data, "pg_encoding"), "UTF-8 is not asked for");
    static const int holes[] = {0x80, 0x81, 0xBF, 0xC0, 0xFF};
    for (size_t i = 0; i < 5; i++) {
        none();
        answer("pg_encoding_max_length", "single\nt");
        answer_ranges(0x80, 128, holes[i], i % 2 ? "!22P05 none" : "!22021 none");
        bool good = ask_server("WIN1252", &found, &error) == 1 && !found.euc;
        for (int byte = 0x80; byte < 0x100; byte++) {
            char text[] = {(char)byte, 0}, want[3];
            snprintf(want, sizeof want, "%02X", (unsigned)byte);
            char *name = pg_encoding_name(&found, text, &error);
            good = good && name && strcmp(name, byte == holes[i] ? text : want) == 0;
            free(name);
        }
        check(good, "one byte is no character");
        good = true;
        for (const char *p = fake.said.data; (p = strstr(p, "generate_series")) != NULL; p++)
            good = good && strncmp(p, "generate_series($1::int, $2::int) b ORDER BY b\n1 ", 49) == 0;
        check(good && strstr(fake.said.data, "\n1 128\n1 255\n") && strstr(fake.said.data, "\n1 128\n1 191\n"),
              "ranges that are asked for");
    }
    none();
    answer("pg_encoding_max_length", "single\nf");
    check(ask_server("SQL_ASCII", &found, &error) == 0, "SQL_ASCII has no characters");
    static const struct {
        const char *rows;
        int status;
    } wrong[] = {{"!42501 denied", CDC_EXIT_PERMISSION}, {"utf8\n\\x41", CDC_EXIT_PROTOCOL}};
    for (size_t i = 0; i < 2; i++) {
        none();
        answer("pg_encoding_max_length", "single\nt");
        answer("generate_series", wrong[i].rows);
        error = (struct cdc_error){0};
        check(ask_server("LATIN1", &found, &error) == -1 && error.status == wrong[i].status, wrong[i].rows);
    }
    static const char *const damaged[] = {"~", "\\x", "\\x4", "\\x4g", "\\x414243444", "\\x41424344", ""};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        none();
        answer("pg_encoding_max_length", "single\nt");
        bytes_from(0x80, 127);
        sprintf(texts[n_answers] + strlen(texts[n_answers]), "\n%s\n", damaged[i]);
        answer("generate_series", texts[n_answers]);
        error = (struct cdc_error){0};
        check(ask_server("LATIN1", &found, &error) == -1 && error.status == CDC_EXIT_PROTOCOL, "a damaged answer");
    }
    none();
    answer("pg_encoding_max_length", "single\n~");
    error = (struct cdc_error){0};
    check(ask_server("LATIN1", &found, &error) == -1 && error.status == CDC_EXIT_PROTOCOL, "no answer");
    none();
    answer("pg_encoding_max_length", "!42501 denied");
    error = (struct cdc_error){0};
    check(ask_server("LATIN1", &found, &error) == -1 && error.status == CDC_EXIT_PERMISSION, "a refused question");
}

/* A character, as the session beside the stream is asked for it. */
static void one_character(const char *rows, const char *want, int status)
{
    struct pg_encoding found;
    struct cdc_error error = {0};
    none();
    answer("SELECT convert($1", rows);
    bool good = ask_server("EUC_JP", &found, &error) == 1 && fake.connections == 1;
    char *name = pg_encoding_name(&found, "\x8E\xA1", &error);
    good = good && error.status == status && (name != NULL) == (want != NULL) && (!want || strcmp(name, want) == 0) &&
           fake.connections == 2 && strstr(fake.said.data, "2 \\x8ea1\n");
    check(good, rows);
    free(name);
    pg_encoding_free(&found);
    check(fake.open == 0 && found.euc == NULL, "its session is closed");
}

static void test_several_bytes(void)
{
    static const struct {
        const char *name;
        unsigned after_8e, after_8f;
    } names[] = {{"EUC_JP", 2, 3}, {"EUC_JIS_2004", 2, 3}, {"EUC_TW", 4, 3}, {"EUC_KR", 2, 2}, {"EUC_CN", 2, 2}};
    struct pg_encoding found;
    struct cdc_error error = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        none();
        check(ask_server(names[i].name, &found, &error) == 1 && found.euc && found.euc->after_8e == names[i].after_8e &&
                  found.euc->after_8f == names[i].after_8f,
              names[i].name);
        pg_encoding_free(&found);
    }
    one_character("utf8\n\\xefbda1", "\xEF\xBD\xA1", 0);
    one_character("utf8\n\\x4142434445464748", "ABCDEFGH", 0);
    one_character("utf8\n\\x414243444546474849", NULL, CDC_EXIT_PROTOCOL);
    one_character("utf8\n\\x", NULL, CDC_EXIT_PROTOCOL);
    one_character("utf8\n\\x414", NULL, CDC_EXIT_PROTOCOL);
    one_character("utf8\n\\x4G", NULL, CDC_EXIT_PROTOCOL);
    one_character("utf8\n~", NULL, CDC_EXIT_PROTOCOL);
    one_character("!22P05 none", "\x8E\xA1", 0);
    one_character("!22021 none", "\x8E\xA1", 0);
    one_character("!42501 denied", NULL, CDC_EXIT_PERMISSION);
    /* The session breaks: the next character has another one. */
    none();
    answer("SELECT convert($1", "utf8\n\\x41");
    bool good = ask_server("EUC_KR", &found, &error) == 1;
    char *a = pg_encoding_name(&found, "\xA1\xA1", &error), *b = pg_encoding_name(&found, "\xA1\xA2", &error);
    good = good && fake.connections == 2 && a && b;
    fake.fault = FAKE_BREAKS;
    fake.fault_at = 1;
    fake.met = 0;
    char *broken = pg_encoding_name(&found, "\xA1\xA3", &error);
    fake.fault = FAKE_SOUND;
    good = good && !broken && cdc_error_is_transient(&error);
    char *again = pg_encoding_name(&found, "\xA1\xA3", &error);
    check(good && again && strcmp(again, "A") == 0 && fake.connections == 3 && fake.open == 1, "a session that broke");
    free(a);
    free(b);
    free(again);
    pg_encoding_free(&found);
    pg_encoding_free(&found);
    check(fake.open == 0, "no session is left open");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_characters();
    test_known();
    failures += memory_sweep("a row of characters of several bytes", without_memory);
    test_single_bytes();
    test_several_bytes();
    free(euc.known);
    cdc_buf_free(&fake.said);
    return failures ? 1 : 0;
}
