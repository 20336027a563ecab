/* SPDX-License-Identifier: MIT */
/* How far a sink has written a topic, as a record beside its position: what becomes shorter than that has lost rows. */
#include <stdlib.h>
#include <string.h>

#include "connectors/kafka/record/record.h"

#define FORMAT 1
#define TOOL "cdc-sink-kafka"

void kafka_ends_append(struct cdc_buf *out, const char *id, const int64_t *ends, int32_t n, bool lost)
{
    cdc_buf_printf(out, "{\"format\":%d,\"tool\":\"" TOOL "\",\"id\":", FORMAT);
    cdc_json_append_string(out, id, strlen(id));
    cdc_buf_lit(out, ",\"ends\":[");
    for (int32_t i = 0; i < n; i++) {
        if (i > 0)
            cdc_buf_byte(out, ',');
        cdc_buf_i64(out, ends[i]);
    }
    cdc_buf_text(out, lost ? "],\"lost\":true}" : "]}");
}

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_CONFIG, "a record of the ends of a topic in Kafka is damaged");
}

int kafka_ends_read(struct cdc_span text, int64_t **ends, int32_t *n, bool *lost, struct cdc_error *error)
{
    struct cdc_json_iter iter;
    struct cdc_span value;
    int64_t format, *list = NULL;
    struct cdc_error why = {0};

    *ends = NULL;
    *n = 0;
    if (cdc_json_validate(text.p, text.n, &why) != 0 || !cdc_json_member_is(text, "tool", TOOL) ||
        !cdc_json_int64(cdc_json_member(text, "format"), &format) ||
        cdc_json_type(cdc_json_member(text, "ends")) != CDC_JSON_ARRAY)
        return damaged(error);
    if (format != FORMAT)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "a record of the ends of a topic in Kafka is of a newer program");
    cdc_json_iter_begin(&iter, cdc_json_member(text, "ends"));
    for (; cdc_json_next_element(&iter, &value); ++*n) {
        int64_t *more = realloc(list, ((size_t)*n + 1) * sizeof *list);
        list = more != NULL ? more : list;
        if (more == NULL || !cdc_json_int64(value, &list[*n]) || list[*n] < 0) {
            free(list);
            *n = 0;
            return more == NULL ? cdc_error_memory(error) : damaged(error);
        }
    }
    *lost = cdc_span_is(cdc_json_member(text, "lost"), "true");
    *ends = list;
    return 0;
}
