/* SPDX-License-Identifier: MIT */
/* --where, --set and --add without memory at each place in turn: an error, and never a row that is wrong or missing. */
#include "connectors/sqlite/sqlite.h"
#include "tests/unit/no-memory.h"

#define HEAD(op)                                                                                                       \
    "{\"op\":\"" op "\",\"pos\":\"1\",\"seq\":1,\"source\":{\"connector\":\"postgresql\",\"name\":\"n\",\"db\":\"d\"," \
    "\"schema\":\"app\",\"table\":\"t\",\"ts_ms\":1763717327123},"
#define COLUMN(name, type) "{\"name\":\"" name "\",\"type\":\"" type "\",\"nullable\":false,\"generated\":false}"

static const char *const lines[] = {
    HEAD("schema") "\"columns\":[" COLUMN("id", "integer") "," COLUMN("n", "numeric") "," COLUMN(
        "t", "text") "," COLUMN("j", "jsonb") "],\"key_columns\":[\"id\"]}",
    HEAD("c") "\"key\":{\"id\":1},\"before\":null,\"after\":{\"id\":1,\"n\":\"1.10\",\"t\":\"\\u00e9\",\"j\":{\"a\":1}}"
              "}",
    HEAD("c") "\"key\":{\"id\":2},\"before\":null,\"after\":{\"id\":2,\"n\":\"0.10\",\"t\":\"x\",\"j\":null},\"json_"
              "null\":["
              "\"j\"]}",
    HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":3,\"n\":\"5\",\"t\":\"x\",\"j\":null},\"after\":{\"id\":1,\"n\":"
              "\"0\",\"t\":"
              "\"\\n\",\"j\":2},\"json_null_old\":[\"j\"]}",
    HEAD("u") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"n\":\"0\",\"t\":\"x\",\"j\":null},\"after\":{\"id\":1,\"n\":"
              "\"6\",\"t\":"
              "\"\",\"j\":null},\"json_null\":[\"j\"],\"json_null_old\":[\"j\"]}",
    HEAD("d") "\"key\":{\"id\":1},\"before\":{\"id\":1,\"n\":\"6\",\"t\":\"x\",\"j\":null},\"after\":null}",
};

static int filter_lines(struct lite_filter *sql, struct cdc_buf *out, struct cdc_error *error)
{
    const struct cdc_filter_step step = lite_filter_step(sql);
    const struct cdc_filter_settings settings = {.steps = &step, .n_steps = 1};
    struct cdc_filter *filter = cdc_filter_new(&settings, error);
    int result = filter != NULL ? 0 : -1;

    for (size_t i = 0; result >= 0 && i < sizeof lines / sizeof lines[0]; i++) {
        struct cdc_event event;
        size_t before = out->len;
        result = cdc_event_parse(&event, lines[i], strlen(lines[i]), error);
        if (result == 0)
            result = cdc_filter_event(filter, &event, out, error);
        if (result < 0)
            out->len = before;
    }
    cdc_filter_free(filter);
    return result < 0 ? -1 : 0;
}

static int filter_all(struct cdc_buf *out, struct cdc_error *error)
{
    const char *where[] = {"n * 2 > 1.5 AND (t LIKE '%' OR date(ts) > '2020-01-01')", "app.t:id IN (1, 2, 3)"};
    const char *set[] = {"t = upper(t) || n || op", "j = json_set(j, '$.b', n)"};
    const char *add[] = {"k = j", "\"a b\" text = round(n, 1)", "f = CAST(n AS REAL) + 1"};
    const struct lite_filter_settings settings = {
        .where = {where, 2}, .set = {set, 2}, .add = {add, 3}, .before = "match"};

    memory_begin();
    struct lite_filter *sql = lite_filter_new(&settings, error);
    int result = sql != NULL ? filter_lines(sql, out, error) : -1;
    lite_filter_free(sql);
    memory_end();
    return result;
}

int main(void)
{
    return memory_sweep("rows chosen and computed by SQL", filter_all) > 0;
}
