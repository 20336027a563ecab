/* SPDX-License-Identifier: MIT */
/* Lines through the privacy step: what comes out are events, without a column that is not listed, and with none of the values of
 * columns that are masked. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <cdc/event.h>
#include <cdc/privacy.h>

static const char schema[] = "{\"op\":\"schema\",\"pos\":\"1\",\"seq\":1,\"source\":{\"name\":\"n\",\"schema\":\"s\","
                             "\"table\":\"t\"},\"columns\":["
                             "{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"s\",\"type\":\"text\"},{\"name\":\"p\","
                             "\"type\":\"text\"}],\"key_columns\":["
                             "\"id\"]}";

/* Does a row have a column whose values are not masked? */
static void look_at_row(struct cdc_span row)
{
    struct cdc_json_iter iter;
    struct cdc_span name, value;

    for (cdc_json_iter_begin(&iter, row); cdc_json_next_member(&iter, &name, &value);) {
        bool masked = cdc_json_raw_is(name, cdc_span_text("s")), partial = cdc_json_raw_is(name, cdc_span_text("p"));
        if (!masked && !partial && !cdc_json_raw_is(name, cdc_span_text("id")))
            abort(); /* not listed */
        if (masked && !cdc_span_is(value, "\"***\"") && !cdc_span_is(value, "null"))
            abort();
        if (partial && !cdc_span_is(value, "null") && (value.n < 6 || memcmp(value.p, "\"****", 5) != 0))
            abort();
    }
}

static void take(struct cdc_filter *filter, const char *line, size_t n)
{
    struct cdc_event event;
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};

    if (cdc_event_parse(&event, line, n, &error) == 0 && cdc_filter_event(filter, &event, &out, &error) == 1) {
        struct cdc_event made;
        if (out.len == 0 || out.data[out.len - 1] != '\n' || cdc_event_parse(&made, out.data, out.len - 1, NULL) != 0 ||
            made.op != event.op)
            abort();
        if (cdc_event_has_row(&made)) {
            look_at_row(made.key);
            look_at_row(made.before);
            look_at_row(made.after);
        }
    }
    cdc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *only[] = {"t:id,s,p"}, *mask[] = {"s=redact", "p=partial"};
    struct cdc_privacy_settings settings = {.only = {only, 1}, .mask = {mask, 2}, .allow_unknown = true};
    struct cdc_privacy *privacy = cdc_privacy_new(&settings, NULL);
    struct cdc_filter_step step = cdc_privacy_step(privacy);
    const struct cdc_filter_settings chain = {.steps = &step, .n_steps = 1};
    struct cdc_filter *filter = cdc_filter_new(&chain, NULL);

    take(filter, schema, sizeof schema - 1);
    const char *text = (const char *)data, *end = text + size;
    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        if (lf == NULL)
            lf = end;
        take(filter, text, (size_t)(lf - text));
        text = lf + (lf < end);
    }
    cdc_filter_free(filter);
    cdc_privacy_free(privacy);
    return 0;
}
