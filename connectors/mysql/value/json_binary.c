/* SPDX-License-Identifier: MIT */
/* MySQL's binary JSON (sql-common/json_binary.h has the grammar) as the text that the server prints for it, without the
 * white space; and partial updates of it (sql/json_diff.h). Offsets in a container count from its first byte. In a
 * damaged document two values could share bytes, so that a small one would unfold without end: what is printed must
 * have paid for its bytes, once. */
#include "connectors/mysql/value/internal.h"
#include "connectors/mysql/value/packed.h"
#include "connectors/mysql/value/value.h"

#include <cdc/bytes.h>
#include <cdc/json.h>
#include <stdlib.h>

enum json_type {
    SMALL_OBJECT,
    LARGE_OBJECT,
    SMALL_ARRAY,
    LARGE_ARRAY,
    LITERAL,
    INT16,
    UINT16,
    INT32,
    UINT32,
    INT64,
    UINT64,
    DOUBLE,
    STRING,
    OPAQUE = 15
};

enum { DEPTH = 100 }; /* of containers: the server's own limit */

struct printer {
    struct cdc_buf *out;
    struct cdc_error *error;
    size_t budget; /* bytes of the document not yet printed */
};

/* A value within a document: its type, and the bytes from its first to the end of what is around it. */
struct json_value {
    uint8_t type;
    const uint8_t *p;
    size_t n;
};

static int damaged(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "damaged binary JSON in the log");
}

static bool spend(size_t *budget, size_t n)
{
    if (*budget < n)
        return false;
    *budget -= n;
    return true;
}

/* -- containers ------------------------------------------------------------------- */

struct container {
    const uint8_t *p;
    size_t size, count, width, values; /* width: of an offset; values: where the value entries begin */
    bool object;
};

static bool is_container(uint8_t type)
{
    return type <= LARGE_ARRAY;
}

static bool open_container(struct container *c, const struct json_value *value)
{
    c->p = value->p;
    c->object = value->type == SMALL_OBJECT || value->type == LARGE_OBJECT;
    c->width = value->type == LARGE_OBJECT || value->type == LARGE_ARRAY ? 4 : 2;
    if (value->n < 2 * c->width)
        return false;
    c->count = (size_t)cdc_little_endian(c->p, c->width);
    c->size = (size_t)cdc_little_endian(c->p + c->width, c->width);
    c->values = 2 * c->width + (c->object ? c->count * (c->width + 2) : 0);
    return c->size <= value->n && c->count < c->size && c->values + c->count * (c->width + 1) <= c->size;
}

static bool key_at(const struct container *c, size_t i, struct cdc_span *key)
{
    const uint8_t *entry = c->p + 2 * c->width + i * (c->width + 2);
    size_t offset = (size_t)cdc_little_endian(entry, c->width);
    size_t n = (size_t)cdc_little_endian(entry + c->width, 2);
    if (offset > c->size || n > c->size - offset)
        return false;
    *key = cdc_span((const char *)c->p + offset, n);
    return true;
}

static bool value_at(const struct container *c, size_t i, struct json_value *value)
{
    const uint8_t *entry = c->p + c->values + i * (c->width + 1);
    value->type = entry[0];
    bool is_inline = value->type == LITERAL || value->type == INT16 || value->type == UINT16 ||
                     ((value->type == INT32 || value->type == UINT32) && c->width == 4);
    if (is_inline) {
        value->p = entry + 1;
        value->n = c->width;
        return true;
    }
    size_t offset = (size_t)cdc_little_endian(entry + 1, c->width);
    if (offset < c->values || offset >= c->size) /* always forward: no value holds itself */
        return false;
    value->p = c->p + offset;
    value->n = c->size - offset;
    return true;
}

/* -- scalars ------------------------------------------------------------------------ */

static const struct cdc_value_format numbers = {.int64_as_string = false, .decimal_as_number = true};

/* A length of seven bits a byte, least first; false when it does not end or fit. */
static bool take_length(struct json_value *value, size_t *length)
{
    *length = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (value->n == 0)
            return false;
        uint8_t byte = *value->p++;
        value->n--;
        *length |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return *length <= value->n;
    }
    return false;
}

static bool print_literal(struct printer *printer, const struct json_value *value)
{
    if (value->n < 1 || value->p[0] > 2)
        return false;
    cdc_buf_text(printer->out, value->p[0] == 0 ? "null" : value->p[0] == 1 ? "true" : "false");
    return true;
}

static bool print_integer(struct printer *printer, const struct json_value *value)
{
    size_t size = value->type >= INT64 ? 8 : value->type >= INT32 ? 4 : 2;
    bool is_unsigned = value->type == UINT16 || value->type == UINT32 || value->type == UINT64;
    if (value->n < size || !spend(&printer->budget, size))
        return false;
    uint64_t bits = cdc_little_endian(value->p, size);
    unsigned unused = 64 - 8 * (unsigned)size;
    if (!is_unsigned)
        bits = (uint64_t)((int64_t)(bits << unused) >> unused);
    my_value_append_integer(printer->out, bits, is_unsigned, &numbers);
    return true;
}

static bool print_double(struct printer *printer, const struct json_value *value)
{
    double number;
    if (value->n < 8 || !spend(&printer->budget, 8))
        return false;
    uint64_t bits = cdc_little_endian(value->p, 8);
    memcpy(&number, &bits, sizeof number);
    my_json_double_append(printer->out, number);
    return true;
}

static bool print_text(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    uint64_t invalid = 0;
    my_charset_append(out, NULL, p, n, &invalid);
    return invalid == 0;
}

static bool print_string(struct printer *printer, struct json_value value)
{
    size_t n;
    return take_length(&value, &n) && spend(&printer->budget, n + 1) && print_text(printer->out, value.p, n);
}

/* A DECIMAL in an opaque value: precision, scale, its bytes. */
static bool print_decimal(struct cdc_buf *out, const uint8_t *p, size_t n)
{
    char text[MY_DECIMAL_DIGITS + 3];
    if (n < 2 || my_decimal_size(p[0], p[1]) != n - 2)
        return false;
    n = my_decimal_text(text, p + 2, p[0], p[1]);
    cdc_buf_append(out, text, n);
    return n != 0;
}

/* As the server's base64_encode does it: a line break after each 76 characters, here escaped. */
static void print_base64(struct cdc_buf *out, unsigned type, const uint8_t *p, size_t n)
{
    const size_t line = 76 / 4 * 3;
    cdc_buf_lit(out, "\"base64:type");
    cdc_buf_u64(out, type);
    cdc_buf_byte(out, ':');
    for (; n > line; p += line, n -= line) {
        cdc_buf_base64(out, p, line);
        cdc_buf_lit(out, "\\n");
    }
    cdc_buf_base64(out, p, n);
    cdc_buf_byte(out, '"');
}

static bool print_time(struct cdc_buf *out, enum my_kind kind, const uint8_t *p, size_t n)
{
    if (n != 8)
        return false;
    cdc_buf_byte(out, '"');
    bool good = my_packed_time_append(out, kind, (int64_t)cdc_little_endian(p, 8));
    cdc_buf_byte(out, '"');
    return good || out->failed;
}

/* A value of an SQL type that JSON does not have. */
static bool print_opaque(struct printer *printer, struct json_value value)
{
    size_t n;
    if (value.n == 0)
        return false;
    uint8_t type = *value.p++;
    value.n--;
    if (!take_length(&value, &n) || !spend(&printer->budget, n + 2))
        return false;
    switch (type) {
    case MY_TYPE_DECIMAL: return print_decimal(printer->out, value.p, n);
    case MY_TYPE_DATE: return print_time(printer->out, MY_KIND_DATE, value.p, n);
    case MY_TYPE_TIME: return print_time(printer->out, MY_KIND_TIME, value.p, n);
    case MY_TYPE_TIMESTAMP:
    case MY_TYPE_DATETIME: return print_time(printer->out, MY_KIND_DATETIME, value.p, n);
    default: print_base64(printer->out, type, value.p, n); return true;
    }
}

/* -- documents ------------------------------------------------------------------------ */

static bool print_value(struct printer *printer, const struct json_value *value, int depth);

static bool print_container(struct printer *printer, const struct json_value *value, int depth)
{
    struct container c;
    struct cdc_span key;
    struct json_value inner;
    if (depth > DEPTH || !open_container(&c, value))
        return false;
    cdc_buf_byte(printer->out, c.object ? '{' : '[');
    for (size_t i = 0; i < c.count; i++) {
        if (!spend(&printer->budget, c.width + 1) || !value_at(&c, i, &inner))
            return false;
        if (i != 0)
            cdc_buf_byte(printer->out, ',');
        if (c.object) {
            if (!key_at(&c, i, &key) || !spend(&printer->budget, c.width + 2 + key.n) ||
                !print_text(printer->out, (const uint8_t *)key.p, key.n))
                return false;
            cdc_buf_byte(printer->out, ':');
        }
        if (!print_value(printer, &inner, depth + 1))
            return false;
    }
    cdc_buf_byte(printer->out, c.object ? '}' : ']');
    return true;
}

/* depth: of the value itself, if it is a container. */
static bool print_value(struct printer *printer, const struct json_value *value, int depth)
{
    switch (value->type) {
    case SMALL_OBJECT:
    case LARGE_OBJECT:
    case SMALL_ARRAY:
    case LARGE_ARRAY: return print_container(printer, value, depth);
    case LITERAL: return print_literal(printer, value);
    case INT16:
    case UINT16:
    case INT32:
    case UINT32:
    case INT64:
    case UINT64: return print_integer(printer, value);
    case DOUBLE: return print_double(printer, value);
    case STRING: return print_string(printer, *value);
    case OPAQUE: return print_opaque(printer, *value);
    default: return false;
    }
}

int my_json_append(struct cdc_buf *out, const uint8_t *p, size_t n, struct cdc_error *error)
{
    /* Inline numbers are paid twice, with their entry and as numbers: hence the factor. */
    struct printer printer = {out, error, n < SIZE_MAX / 2 ? 2 * n : n};
    size_t start = out->len;
    if (n == 0) { /* what INSERT IGNORE may leave: the server takes it for null */
        cdc_buf_lit(out, "null");
        return 0;
    }
    struct json_value value = {p[0], p + 1, n - 1};
    if (print_value(&printer, &value, 1))
        return 0;
    out->len = start;
    return damaged(error);
}

/* -- partial updates ----------------------------------------------------------------------
 * The document is unfolded along the paths only; what no path touches stays a run of bytes until it is printed. */

struct node {
    struct json_value value; /* as long as it is not unfolded */
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
    return node->value.type == SMALL_OBJECT || node->value.type == LARGE_OBJECT;
}

/* -1: damaged, or out of memory. */
static int unfold(struct update *update, struct node *node)
{
    struct container c;
    if (node->unfolded)
        return 0;
    if (!open_container(&c, &node->value) || !spend(&update->budget, c.count * (c.width + 1)))
        return damaged(update->error);
    if (c.count != 0) {
        node->children = calloc(c.count, sizeof *node->children);
        if (node->children == NULL)
            return cdc_error_memory(update->error);
    }
    node->count = node->room = c.count;
    node->unfolded = true;
    for (size_t i = 0; i < c.count; i++)
        if (!value_at(&c, i, &node->children[i].value) || (c.object && !key_at(&c, i, &node->children[i].key)))
            return damaged(update->error);
    return 0;
}

/* One step of a path: a member's name, or a cell. */
struct leg {
    bool cell, from_end;
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

/* [5], [last], [last-2]; behind the opening bracket. */
static bool take_cell(struct cdc_span *path, struct leg *leg)
{
    leg->cell = true;
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

/* name, or "name" with the escapes of JSON; behind the dot. */
static bool take_member(struct cdc_span *path, struct leg *leg, struct cdc_buf *scratch)
{
    const char *start = path->p, *end = path->p + path->n, *p = start;
    leg->cell = false;
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
        return take_cell(path, leg);
    return take_byte(path, '.') && take_member(path, leg, scratch);
}

/* The order of members in a document: by length, then by bytes. *found: the name is there. */
static size_t member_place(const struct node *node, struct cdc_span name, bool *found)
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

/* Where the leg leads within the unfolded node: a place among its children, *found when something is there. */
static size_t place_of(const struct node *node, const struct leg *leg, bool *found)
{
    *found = false;
    if (is_object(node) == leg->cell)
        return node->count;
    if (!leg->cell)
        return member_place(node, leg->name, found);
    if (leg->from_end) {
        *found = leg->index < node->count;
        return *found ? node->count - 1 - leg->index : 0;
    }
    *found = leg->index < node->count;
    return *found ? leg->index : node->count;
}

/* A value that is no array counts as an array of one where a path asks for a cell. */
static bool is_itself(const struct node *node, const struct leg *leg)
{
    bool array = node->value.type == SMALL_ARRAY || node->value.type == LARGE_ARRAY;
    return leg->cell && leg->index == 0 && !array;
}

static int put_child(struct update *update, struct node *parent, size_t place, const struct leg *leg,
                     const struct json_value *value)
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
    if (!leg->cell) {
        child.own_key = cdc_span_copy(leg->name);
        if (child.own_key == NULL)
            return cdc_error_memory(update->error);
        child.key = cdc_span(child.own_key, leg->name.n);
    }
    memmove(parent->children + place + 1, parent->children + place, (parent->count - place) * sizeof child);
    parent->children[place] = child;
    parent->count++;
    return 0;
}

static void remove_child(struct node *parent, size_t place)
{
    struct node *child = &parent->children[place];
    node_clear(child);
    free(child->own_key);
    parent->count--;
    memmove(child, child + 1, (parent->count - place) * sizeof *child);
}

enum diff_operation { DIFF_REPLACE, DIFF_INSERT, DIFF_REMOVE };

struct diff {
    unsigned operation;
    struct cdc_span path;
    struct json_value value;
};

static int no_such_place(struct update *update)
{
    return cdc_error_set(update->error, CDC_EXIT_PROTOCOL,
                         "a partial update of JSON in the log does not fit the document before it");
}

static void replace(struct node *node, const struct json_value *value)
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
    if (!is_container(parent->value.type))
        return no_such_place(update);
    if (unfold(update, parent) < 0)
        return -1;
    size_t place = place_of(parent, leg, &found);
    if (diff->operation == DIFF_INSERT) {
        if (is_object(parent) == leg->cell || (!leg->cell && found))
            return no_such_place(update);
        return put_child(update, parent, place, leg, &diff->value);
    }
    if (!found)
        return no_such_place(update);
    if (diff->operation == DIFF_REPLACE)
        replace(&parent->children[place], &diff->value);
    else
        remove_child(parent, place);
    return 0;
}

static int walk(struct update *update, struct diff *diff, struct cdc_buf *scratch)
{
    struct node *node = &update->root;
    struct leg leg;
    struct cdc_span path = diff->path;
    if (!take_byte(&path, '$'))
        return no_such_place(update);
    if (path.n == 0) {
        if (diff->operation != DIFF_REPLACE)
            return no_such_place(update);
        replace(node, &diff->value);
        return 0;
    }
    for (int depth = 0; depth <= DEPTH; depth++) {
        bool found;
        if (!take_leg(&path, &leg, scratch))
            return no_such_place(update);
        if (path.n == 0)
            return apply_at(update, node, &leg, diff);
        if (is_itself(node, &leg))
            continue;
        if (!is_container(node->value.type))
            return no_such_place(update);
        if (unfold(update, node) < 0)
            return -1;
        size_t place = place_of(node, &leg, &found);
        if (!found)
            return no_such_place(update);
        node = &node->children[place];
    }
    return no_such_place(update);
}

/* Operation, path with its length, and a document with its length unless it is a removal. */
static int next_diff(struct cdc_bytes *cursor, struct diff *diff, struct cdc_error *error)
{
    diff->operation = (unsigned)cdc_bytes_le(cursor, 1);
    uint64_t n = my_packed(cursor);
    if (n > cdc_bytes_left(cursor) || diff->operation > DIFF_REMOVE)
        return damaged(error);
    diff->path = cdc_span((const char *)cdc_bytes_take(cursor, (size_t)n), (size_t)n);
    if (diff->operation != DIFF_REMOVE) {
        n = my_packed(cursor);
        if (n == 0 || n > cdc_bytes_left(cursor))
            return damaged(error);
        const uint8_t *p = cdc_bytes_take(cursor, (size_t)n);
        diff->value = (struct json_value){p[0], p + 1, (size_t)n - 1};
    }
    return cursor->bad ? damaged(error) : 0;
}

static bool print_node(struct printer *printer, const struct node *node, int depth)
{
    if (!node->unfolded)
        return print_value(printer, &node->value, depth);
    bool object = is_object(node);
    if (depth > DEPTH)
        return false;
    cdc_buf_byte(printer->out, object ? '{' : '[');
    for (size_t i = 0; i < node->count; i++) {
        const struct node *child = &node->children[i];
        if (i != 0)
            cdc_buf_byte(printer->out, ',');
        if (object) {
            if (!spend(&printer->budget, child->key.n) ||
                !print_text(printer->out, (const uint8_t *)child->key.p, child->key.n))
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
            result = walk(update, &diff, &scratch);
    }
    cdc_buf_free(&scratch);
    return result;
}

int my_value_apply_json(struct cdc_buf *out, struct cdc_span before, struct cdc_span diffs, struct cdc_error *error)
{
    static const uint8_t null_literal[] = {LITERAL, 0};
    if (before.p == NULL)
        return 0;
    if (before.n == 0)
        before = cdc_span((const char *)null_literal, sizeof null_literal);
    if (before.n > SIZE_MAX / 4 || diffs.n > SIZE_MAX / 4)
        return damaged(error);
    size_t bytes = before.n + diffs.n, start = out->len;
    const uint8_t *p = (const uint8_t *)before.p;
    struct update update = {.root = {.value = {p[0], p + 1, before.n - 1}}, .budget = bytes, .error = error};
    struct printer printer = {out, error, 2 * bytes};
    int result = apply_all(&update, diffs);
    if (result == 0 && !print_node(&printer, &update.root, 1))
        result = damaged(error);
    node_clear(&update.root);
    if (result < 0) {
        out->len = start;
        return -1;
    }
    return 1;
}

/* -- text -------------------------------------------------------------------------------- */

/* Deeper than the server makes it, or than readers of lines accept? */
static bool too_deep(const char *p, size_t n)
{
    int depth = 0;
    bool quoted = false;
    if (n < 2 * (DEPTH + 1)) /* each level has two brackets */
        return false;
    for (const char *end = p + n; p < end; p++) {
        if (quoted && *p == '\\')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '{' || *p == '['))
            depth++;
        else if (!quoted && (*p == '}' || *p == ']'))
            depth--;
        if (depth > DEPTH)
            return true;
    }
    return false;
}

void my_value_append_json_text(struct cdc_buf *out, const char *text, size_t n, uint64_t *unconvertible)
{
    if (cdc_json_validate(text, n, NULL) == 0 && !too_deep(text, n))
        cdc_json_append_compact(out, cdc_span(text, n));
    else
        my_charset_append(out, NULL, (const uint8_t *)text, n, unconvertible);
}
