/* SPDX-License-Identifier: MIT */
/* Any lines through --sample, --flatten and --outbox, and as plain rows: what leaves is an event again, or a line of JSON. */
#include "tests/fuzz/fuzz.h"

#include <cdc/shape.h>

static const char first[] =
    "{\"op\":\"schema\",\"pos\":\"0\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"s\",\"table\":\"t\"},"
    "\"columns\":"
    "[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"d\",\"type\":\"json\"}],\"key_columns\":[\"id\"]}";
static const char second[] =
    "{\"op\":\"schema\",\"pos\":\"0\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"s\",\"table\":\"o\"},"
    "\"columns\":"
    "[{\"name\":\"id\"},{\"name\":\"aggregatetype\"},{\"name\":\"aggregateid\"},{\"name\":\"type\"},{\"name\":"
    "\"payload\"}],\"key_columns\":[\"id\"]}";

static void look(const char *line, size_t n, bool rows)
{
    struct cdc_event event;

    if ((rows ? cdc_json_validate(line, n, NULL) : cdc_event_parse(&event, line, n, NULL)) != 0)
        abort();
}

static void take(struct cdc_filter *filter, const char *line, size_t n, bool rows)
{
    struct cdc_event event;
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int lines = cdc_event_parse(&event, line, n, &error) == 0 ? cdc_filter_event(filter, &event, &out, &error) : -1;

    /* A row that is written in one piece has the white space that it came with. */
    if (lines > 0 && memchr(line, '\n', n) == NULL) {
        const char *p = out.data, *end = out.data + out.len, *lf;
        for (; p < end; p = lf + 1, lines--) {
            if ((lf = memchr(p, '\n', (size_t)(end - p))) == NULL)
                abort();
            look(p, (size_t)(lf - p), rows);
        }
        if (lines != 0)
            abort();
    }
    cdc_buf_free(&out);
}

static void run(const char *text, size_t size, bool rows)
{
    const char *rates[] = {"50%"}, *columns[] = {"t:d"}, *tables[] = {"o"};
    const struct cdc_option_list sample_list = {rates, 1}, flatten_list = {columns, 1};
    const struct cdc_outbox_settings settings = {.tables = {tables, 1}, .key = rows ? "aggregateid" : NULL};
    struct cdc_sample *sample = cdc_sample_new(&sample_list, NULL, NULL);
    struct cdc_flatten *flatten = cdc_flatten_new(&flatten_list, true, false, NULL);
    struct cdc_outbox *outbox = cdc_outbox_new(&settings, NULL);
    struct cdc_unwrap *unwrap = cdc_unwrap_new(CDC_UNWRAP_MARK, size % 2 == 0, NULL);
    struct cdc_filter_format format = cdc_unwrap_format(unwrap);
    const struct cdc_filter_step steps[] = {cdc_sample_step(sample), cdc_flatten_step(flatten),
                                            cdc_outbox_step(outbox)};
    const struct cdc_filter_settings chain = {.steps = steps, .n_steps = 3, .format = rows ? &format : NULL};
    struct cdc_filter *filter = cdc_filter_new(&chain, NULL);

    take(filter, first, sizeof first - 1, rows);
    take(filter, second, sizeof second - 1, rows);
    for (const char *end = text + size, *lf; text < end; text = lf + (lf < end)) {
        lf = memchr(text, '\n', (size_t)(end - text));
        lf = lf != NULL ? lf : end;
        take(filter, text, (size_t)(lf - text), rows);
    }
    cdc_filter_free(filter);
    cdc_sample_free(sample);
    cdc_flatten_free(flatten);
    cdc_outbox_free(outbox);
    cdc_unwrap_free(unwrap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run((const char *)data, size, false);
    run((const char *)data, size, true);
    return 0;
}
