/* SPDX-License-Identifier: MIT */
/* Partial updates of JSON. With binlog_row_value_options=PARTIAL_JSON the log has, instead of the document after an
 * UPDATE, how it differs from the one before (mysql-server, sql/json_diff.h): a list of
 *
 *     00  03 24 2e 61  03 05 07 00       replace, path "$.a", a document: int16 7
 *     01  06 24 2e 62 5b 32 5d  ...      insert, path "$.b[2]", a document
 *     02  03 24 2e 63                    remove, path "$.c"
 *
 * each an operation, and lengths as packed integers. The lines have whole documents, so the differences are applied
 * here. The document is unfolded into nodes along the paths only; what no path touches stays a run of bytes until it
 * is printed. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/json_internal.h"
#include "connectors/mysql/value/packed.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>

/* -- the document, as far as it is unfolded ------------------------------------------- */

struct node {
    struct my_json_value value; /* as long as it is not unfolded */
    bool unfolded;
    struct cdc_span key; /* of a member: BORROWED from a document, or own_key */
    char *own_key;
    struct node *children;
    size_t count, room;
};

struct update {
    struct node root;
    size_t budget; /* entries that may be unfolded, in bytes: like printing */
    struct cdc_error *error;
};

static void node_clear(struct node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        node_clear(&node->children[i]);
        free(node->children[i].own_key);
    }
    free(node->children);
    node->children = NULL;
    node->count = node->room = 0;
    node->unfolded = false;
}

static bool is_object(const struct node *node)
{
    return node->value.type == MY_JSON_SMALL_OBJECT || node->value.type == MY_JSON_LARGE_OBJECT;
}

/* -1: damaged, or out of memory. */
static int unfold(struct update *update, struct node *node)
{
    struct my_json_container c;
    if (node->unfolded)
        return 0;
    if (!my_json_open(&c, &node->value) || !my_json_spend(&update->budget, c.count * (c.width + 1)))
        return my_json_damaged(update->error);
    if (c.count != 0) {
        node->children = calloc(c.count, sizeof *node->children);
        if (node->children == NULL)
            return cdc_error_memory(update->error);
    }
    node->count = node->room = c.count;
    node->unfolded = true;
    for (size_t i = 0; i < c.count; i++)
        if (!my_json_value_at(&c, i, &node->children[i].value) ||
            (c.object && !my_json_key_at(&c, i, &node->children[i].key)))
            return my_json_damaged(update->error);
    return 0;
}

/* -- paths ---------------------------------------------------------------------------- */

/* One leg of a path, as MySQL calls it: a member's name, or an index into an array. */
struct leg {
    bool is_index, from_end;
    size_t index;
    struct cdc_span name; /* unescaped, in scratch or in the path */
};

static bool take_number(struct cdc_span *path, size_t *number)
{
    size_t digits = 0;
    for (*number = 0; path->n != 0 && *path->p >= '0' && *path->p <= '9' && digits < 10; digits++) {
        *number = *number * 10 + (size_t)(*path->p - '0');
        path->p++;
        path->n--;
    }
    return digits > 0;
}

static bool take_byte(struct cdc_span *path, char c)
{
    if (path->n == 0 || *path->p != c)
        return false;
    path->p++;
    path->n--;
    return true;
}

/* [5], [last], [last-2]; path begins after the bracket. */
static bool take_index(struct cdc_span *path, struct leg *leg)
{
    leg->is_index = true;
    leg->index = 0;
    leg->from_end = path->n >= 4 && memcmp(path->p, "last", 4) == 0;
    if (leg->from_end) {
        path->p += 4;
        path->n -= 4;
        if (take_byte(path, '-') && !take_number(path, &leg->index))
            return false;
    } else if (!take_number(path, &leg->index)) {
        return false;
    }
    return take_byte(path, ']');
}

/* name, or "name" with the escapes of JSON; path begins after the dot. */
static bool take_member(struct cdc_span *path, struct leg *leg, struct cdc_buf *scratch)
{
    const char *start = path->p, *end = path->p + path->n, *p = start;
    leg->is_index = false;
    if (p == end)
        return false;
    if (*p != '"') {
        while (p < end && *p != '.' && *p != '[')
            p++;
        leg->name = cdc_span(start, (size_t)(p - start));
    } else {
        for (p++; p < end && *p != '"'; p++)
            if (*p == '\\' && ++p == end)
                return false;
        if (p >= end)
            return false;
        p++;
        if (cdc_json_validate(start, (size_t)(p - start), NULL) < 0)
            return false;
        scratch->len = 0;
        cdc_json_unescape(scratch, cdc_span(start + 1, (size_t)(p - start) - 2));
        leg->name = cdc_span(scratch->data, scratch->len);
    }
    path->p = p;
    path->n = (size_t)(end - p);
    return !scratch->failed;
}

static bool take_leg(struct cdc_span *path, struct leg *leg, struct cdc_buf *scratch)
{
    if (take_byte(path, '['))
        return take_index(path, leg);
    return take_byte(path, '.') && take_member(path, leg, scratch);
}

/* The order of members in a document: by length, then by bytes. *found: the name is there. */
static size_t find_member(const struct node *node, struct cdc_span name, bool *found)
{
    size_t low = 0, high = node->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct cdc_span key = node->children[middle].key;
        int order = key.n != name.n ? (key.n < name.n ? -1 : 1) : cdc_span_compare(key, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = false;
    return low;
}

/* Where the leg leads within the unfolded node: an index among its children, *found when something is there. */
static size_t find_child(const struct node *node, const struct leg *leg, bool *found)
{
    *found = false;
    if (is_object(node) == leg->is_index)
        return node->count;
    if (!leg->is_index)
        return find_member(node, leg->name, found);
    if (leg->from_end) {
        *found = leg->index < node->count;
        return *found ? node->count - 1 - leg->index : 0;
    }
    *found = leg->index < node->count;
    return *found ? leg->index : node->count;
}

/* A value that is no array counts as an array of one where a path has an index: $.a[0] of {"a":1} is 1. */
static bool is_itself(const struct node *node, const struct leg *leg)
{
    bool array = node->value.type == MY_JSON_SMALL_ARRAY || node->value.type == MY_JSON_LARGE_ARRAY;
    return leg->is_index && leg->index == 0 && !array;
}

static int put_child(struct update *update, struct node *parent, size_t at, const struct leg *leg,
                     const struct my_json_value *value)
{
    struct node child = {.value = *value};
    if (parent->count == parent->room) {
        size_t room = parent->room < 8 ? 8 : 2 * parent->room;
        struct node *children = realloc(parent->children, room * sizeof *children);
        if (children == NULL)
            return cdc_error_memory(update->error);
        parent->children = children;
        parent->room = room;
    }
    if (!leg->is_index) {
        child.own_key = cdc_span_copy(leg->name);
        if (child.own_key == NULL)
            return cdc_error_memory(update->error);
        child.key = cdc_span(child.own_key, leg->name.n);
    }
    memmove(parent->children + at + 1, parent->children + at, (parent->count - at) * sizeof child);
    parent->children[at] = child;
    parent->count++;
    return 0;
}

static void remove_child(struct node *parent, size_t at)
{
    struct node *child = &parent->children[at];
    node_clear(child);
    free(child->own_key);
    parent->count--;
    memmove(child, child + 1, (parent->count - at) * sizeof *child);
}

/* -- differences ----------------------------------------------------------------------- */

enum diff_operation { DIFF_REPLACE, DIFF_INSERT, DIFF_REMOVE };

struct diff {
    unsigned operation;
    struct cdc_span path;
    struct my_json_value value;
};

static int does_not_fit(struct update *update)
{
    return cdc_error_set(update->error, CDC_EXIT_PROTOCOL,
                         "a partial update of JSON in the log does not fit the document before it");
}

static void replace(struct node *node, const struct my_json_value *value)
{
    node_clear(node);
    node->value = *value;
}

/* The last leg, and what is to be done there. */
static int apply_at(struct update *update, struct node *parent, const struct leg *leg, const struct diff *diff)
{
    bool found;
    if (is_itself(parent, leg) && diff->operation == DIFF_REPLACE) {
        replace(parent, &diff->value);
        return 0;
    }
    if (!my_json_is_container(parent->value.type))
        return does_not_fit(update);
    if (unfold(update, parent) < 0)
        return -1;
    size_t at = find_child(parent, leg, &found);
    if (diff->operation == DIFF_INSERT) {
        if (is_object(parent) == leg->is_index || (!leg->is_index && found))
            return does_not_fit(update);
        return put_child(update, parent, at, leg, &diff->value);
    }
    if (!found)
        return does_not_fit(update);
    if (diff->operation == DIFF_REPLACE)
        replace(&parent->children[at], &diff->value);
    else
        remove_child(parent, at);
    return 0;
}

static int apply(struct update *update, struct diff *diff, struct cdc_buf *scratch)
{
    struct node *node = &update->root;
    struct leg leg;
    struct cdc_span path = diff->path;
    if (!take_byte(&path, '$'))
        return does_not_fit(update);
    if (path.n == 0) {
        if (diff->operation != DIFF_REPLACE)
            return does_not_fit(update);
        replace(node, &diff->value);
        return 0;
    }
    for (int depth = 0; depth <= MY_JSON_DEPTH; depth++) {
        bool found;
        if (!take_leg(&path, &leg, scratch))
            return does_not_fit(update);
        if (path.n == 0)
            return apply_at(update, node, &leg, diff);
        if (is_itself(node, &leg))
            continue;
        if (!my_json_is_container(node->value.type))
            return does_not_fit(update);
        if (unfold(update, node) < 0)
            return -1;
        size_t at = find_child(node, &leg, &found);
        if (!found)
            return does_not_fit(update);
        node = &node->children[at];
    }
    return does_not_fit(update);
}

/* Operation, path with its length, and a document with its length unless it is a removal. */
static int next_diff(struct cdc_bytes *cursor, struct diff *diff, struct cdc_error *error)
{
    diff->operation = (unsigned)cdc_bytes_le(cursor, 1);
    uint64_t n = my_packed_read(cursor);
    if (n > cdc_bytes_left(cursor) || diff->operation > DIFF_REMOVE)
        return my_json_damaged(error);
    diff->path = cdc_span((const char *)cdc_bytes_take(cursor, (size_t)n), (size_t)n);
    if (diff->operation != DIFF_REMOVE) {
        n = my_packed_read(cursor);
        if (n == 0 || n > cdc_bytes_left(cursor))
            return my_json_damaged(error);
        const uint8_t *p = cdc_bytes_take(cursor, (size_t)n);
        diff->value = (struct my_json_value){p[0], p + 1, (size_t)n - 1};
    }
    return cursor->bad ? my_json_damaged(error) : 0;
}

/* What print_container is for bytes. */
static bool print_node(struct my_json_printer *printer, const struct node *node, int depth)
{
    if (!node->unfolded)
        return my_json_print(printer, &node->value, depth);
    bool object = is_object(node);
    if (depth > MY_JSON_DEPTH)
        return false;
    cdc_buf_byte(printer->out, object ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = &node->children[i];
        if (i != 0)
            cdc_buf_byte(printer->out, ',');
        if (object) {
            if (!my_json_spend(&printer->budget, child->key.n) ||
                !my_json_print_text(printer->out, (const uint8_t *)child->key.p, child->key.n))
                return false;
            cdc_buf_byte(printer->out, ':');
        }
        if (!print_node(printer, child, depth + 1))
            return false;
    }
    cdc_buf_byte(printer->out, object ? '}' : ']');
    return true;
}

static int apply_all(struct update *update, struct cdc_span diffs)
{
    struct cdc_bytes cursor = {(const uint8_t *)diffs.p, (const uint8_t *)diffs.p + diffs.n, false};
    struct cdc_buf scratch = CDC_BUF_INIT;
    struct diff diff = {0};
    int result = 0;
    while (result == 0 && cdc_bytes_left(&cursor) != 0) {
        result = next_diff(&cursor, &diff, update->error);
        if (result == 0)
            result = apply(update, &diff, &scratch);
    }
    cdc_buf_free(&scratch);
    return result;
}

int my_value_apply_json_diffs(struct cdc_buf *out, struct cdc_span before, struct cdc_span diffs,
                              struct cdc_error *error)
{
    static const uint8_t null_literal[] = {MY_JSON_LITERAL, 0};
    if (before.p == NULL)
        return 0;
    if (before.n == 0)
        before = cdc_span((const char *)null_literal, sizeof null_literal);
    if (before.n > SIZE_MAX / 4 || diffs.n > SIZE_MAX / 4)
        return my_json_damaged(error);
    size_t bytes = before.n + diffs.n, start = out->len;
    const uint8_t *p = (const uint8_t *)before.p;
    struct update update = {.root = {.value = {p[0], p + 1, before.n - 1}}, .budget = bytes, .error = error};
    struct my_json_printer printer = {out, 2 * bytes};
    int result = apply_all(&update, diffs);
    if (result == 0 && !print_node(&printer, &update.root, 1))
        result = my_json_damaged(error);
    node_clear(&update.root);
    if (result < 0) {
        out->len = start;
        return -1;
    }
    return 1;
}
