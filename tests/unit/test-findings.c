/* SPDX-License-Identifier: MIT */
/* What --check has found out, as JSON and as a table. */
#include <cdc/findings.h>
#include <cdc/json.h>

#include <stdio.h>
#include <string.h>

static int failures;

static void check(const char *what, const struct cdc_buf *got, const char *want)
{
    bool good = cdc_span_is(cdc_span(got->data, got->len), want);
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
    if (!good)
        printf("# got '%.*s'\n# want '%s'\n", (int)got->len, got->data ? got->data : "", want);
}

static void fill(struct cdc_findings *findings)
{
    cdc_findings_object(findings, "server");
    cdc_findings_text(findings, "version", "15.4");
    cdc_findings_number(findings, "lag_bytes", 16777216);
    cdc_findings_number(findings, "small_bytes", 1023);
    cdc_findings_number(findings, "large_bytes", INT64_MAX);
    cdc_findings_row(findings, "tables");
    cdc_findings_text(findings, "table", "t");
    cdc_findings_json(findings, "key", cdc_span_text("[\"a\", \"b\"]"));
    cdc_findings_flag(findings, "readable", true);
    cdc_findings_row(findings, "tables");
    cdc_findings_text(findings, "table",
                      "gr\xc3\xb6\xc3\x9f"
                      "er \"q\"");
    cdc_findings_text(findings, "key", NULL);
    cdc_findings_flag(findings, "readable", false);
    cdc_findings_object(findings, "slot");
    cdc_findings_text(findings, "name",
                      "a\n\x7f\xc2\x9b"
                      "31m");
    cdc_findings_text(findings, "bytes", "\xff");
    cdc_findings_object(findings, "none");
}

static void test_object(void)
{
    struct cdc_findings findings = {.rows = NULL};
    struct cdc_buf object = CDC_BUF_INIT, table = CDC_BUF_INIT;
    struct cdc_error error = {.status = 78, .text = "1 finding"}, invalid = {0};
    fill(&findings);
    cdc_findings_add(&findings, CDC_LOG_WARNING, "a", "s.t", "text", "");
    cdc_findings_add(&findings, CDC_LOG_ERROR, "b", NULL, "say \"x\"", "do");
    failures += cdc_findings_end(&findings, "pg-cdc", "p", &error, &object) != 0;
    check("the object", &object,
          "{\"tool\":\"pg-cdc\",\"name\":\"p\",\"exit_status\":78,\"server\":{\"version\":\"15.4\",\"lag_bytes\":"
          "16777216,\"small_bytes\":1023,\"large_bytes\":9223372036854775807},\"tables\":[{\"table\":\"t\",\"key\":["
          "\"a\",\"b\"],\"readable\":true},{\"table\":\"gr\xc3\xb6\xc3\x9f"
          "er \\\"q\\\"\",\"key\":null,\"readable\":"
          "false}],\"slot\":{\"name\":\"a\\n\x7f\xc2\x9b"
          "31m\",\"bytes\":\"\\\\xff\"},\"none\":{},\"findings\":[{"
          "\"code\":\"a\",\"severity\":\"warning\",\"table\":\"s.t\",\"text\":\"text\",\"cure\":null},{\"code\":\"b\","
          "\"severity\":\"error\",\"table\":null,\"text\":\"say \\\"x\\\"\",\"cure\":\"do\"}]}");
    failures += cdc_json_validate(object.data, object.len, &invalid) != 0;
    cdc_findings_table(&table, cdc_span(object.data, object.len));
    check("the table", &table,
          "server\n  version      15.4\n  lag_bytes    16777216 (16 MiB)\n  small_bytes  1023\n"
          "  large_bytes  9223372036854775807 (8192 PiB)\n"
          "tables\n  table       key  readable\n  t           a,b  yes\n  gr\xc3\xb6\xc3\x9f"
          "er \"q\"  -    no\n"
          "slot\n  name   a\\n\\u007f\\u009b31m\n  bytes  \\xff\nnone\n");
    cdc_buf_free(&object);
    cdc_buf_free(&table);
    cdc_findings_free(&findings);
}

/* A check that came to nothing has its error as its finding; one that said why has not. */
static void test_error(void)
{
    struct cdc_findings findings = {.rows = NULL};
    struct cdc_buf object = CDC_BUF_INIT;
    const struct cdc_error error = {.status = 69, .text = "cannot connect", .hint = "start it"};
    failures += cdc_findings_end(&findings, "t", NULL, &error, &object) != 0;
    check("an error alone", &object,
          "{\"tool\":\"t\",\"name\":null,\"exit_status\":69,\"findings\":[{\"code\":\"check\",\"severity\":\"error\","
          "\"table\":null,\"text\":\"cannot connect\",\"cure\":\"start it\"}]}");
    cdc_buf_free(&object);
    cdc_findings_free(&findings);
    findings = (struct cdc_findings){.rows = NULL};
    object = (struct cdc_buf)CDC_BUF_INIT;
    cdc_findings_add(&findings, CDC_LOG_WARNING, "w", NULL, "no \"severity\":\"error\"", NULL);
    failures += cdc_findings_end(&findings, "t", NULL, &error, &object) != 0;
    check(
        "an error after a warning", &object,
        "{\"tool\":\"t\",\"name\":null,\"exit_status\":69,\"findings\":[{\"code\":\"w\",\"severity\":\"warning\","
        "\"table\":null,\"text\":\"no \\\"severity\\\":\\\"error\\\"\",\"cure\":null},{\"code\":\"check\",\"severity\":"
        "\"error\",\"table\":null,\"text\":\"cannot connect\",\"cure\":\"start it\"}]}");
    cdc_buf_free(&object);
    cdc_findings_free(&findings);
    cdc_findings_object(NULL, "x");
    cdc_findings_row(NULL, "x");
    cdc_findings_text(NULL, "x", "y");
    cdc_findings_number(NULL, "x", 1);
    cdc_findings_flag(NULL, "x", true);
    cdc_findings_json(NULL, "x", cdc_span_text("1"));
    cdc_findings_add(NULL, CDC_LOG_ERROR, "x", NULL, "y", NULL);
}

int main(void)
{
    test_object();
    test_error();
    return failures ? 1 : 0;
}
