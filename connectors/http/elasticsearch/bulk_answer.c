/* SPDX-License-Identifier: MIT */
/* The answer to _bulk: HTTP 200 says nothing, each item has a status. */
#include "connectors/http/internal.h"

int bulk_answer_open(struct bulk_answer *answer, struct cdc_span body, struct cdc_error *error)
{
    struct cdc_error why = {0};

    if (cdc_json_validate(body.p, body.n, &why) != 0)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk is no JSON: %s", why.text);
    while (body.n > 0 && (*body.p == ' ' || *body.p == '\n' || *body.p == '\r' || *body.p == '\t'))
        body = cdc_span(body.p + 1, body.n - 1);
    struct cdc_span items = cdc_json_type(body) == CDC_JSON_OBJECT ? cdc_json_member(body, "items") : cdc_span(NULL, 0);
    if (items.p == NULL || cdc_json_type(items) != CDC_JSON_ARRAY)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the answer to _bulk has no \"items\"");
    cdc_json_iter(&answer->items, items);
    return 0;
}

int bulk_answer_next(struct bulk_answer *answer, struct bulk_result *result, struct cdc_error *error)
{
    struct cdc_json_iter members;
    struct cdc_span item, name, action = {NULL, 0};

    if (!cdc_json_next_element(&answer->items, &item))
        return 0;
    *result = (struct bulk_result){0, {NULL, 0}, {NULL, 0}};
    if (cdc_json_type(item) == CDC_JSON_OBJECT) {
        cdc_json_iter(&members, item);
        if (!cdc_json_next_member(&members, &name, &action) || cdc_json_type(action) != CDC_JSON_OBJECT)
            action.p = NULL;
    }
    if (action.p == NULL || !cdc_json_int64(cdc_json_member(action, "status"), &result->status))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "an item of the answer to _bulk has no status");
    struct cdc_span why = cdc_json_member(action, "error");
    if (why.p != NULL && cdc_json_type(why) == CDC_JSON_OBJECT) {
        result->type = cdc_json_member_raw(why, "type");
        result->reason = cdc_json_member_raw(why, "reason");
    }
    return 1;
}

enum bulk_verdict bulk_judge(const struct bulk_result *result, bool is_delete)
{
    int64_t status = result->status;

    if (status >= 200 && status < 300)
        return BULK_DONE;
    if (status == 409) /* version conflict: the index has a newer state already */
        return BULK_DONE;
    if (status == 404 && is_delete) /* not there, as it should be */
        return BULK_DONE;
    if (status == 429 || status >= 500)
        return BULK_AGAIN;
    if (status == 403) /* a block (disk full) goes away, a missing privilege does not */
        return result->type.p != NULL && cdc_span_is(result->type, "cluster_block_exception") ? BULK_AGAIN
                                                                                              : BULK_FORBIDDEN;
    if (status == 404)
        return BULK_NO_INDEX;
    return BULK_REFUSED;
}
