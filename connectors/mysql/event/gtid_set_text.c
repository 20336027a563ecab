/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs as text, as the servers print and read them. */
#include "connectors/mysql/event/gtid_set_internal.h"
#include "connectors/mysql/event/internal.h"

#include <string.h>

static void skip_space(struct my_gtid_text *text)
{
    while (text->p < text->end && memchr(" \t\r\n\v\f", *text->p, 6))
        text->p++;
}

/* c, with white space around it. */
static bool take(struct my_gtid_text *text, char c)
{
    skip_space(text);
    if (text->p == text->end || *text->p != c)
        return false;
    text->p++;
    skip_space(text);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal digits; false when there are none, or the number is above `most`. */
static bool take_number(struct my_gtid_text *text, uint64_t most, uint64_t *number)
{
    const char *start = text->p;
    *number = 0;
    for (; text->p < text->end && is_digit(*text->p); text->p++) {
        uint64_t digit = (uint64_t)(*text->p - '0');
        if (*number > (most - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return text->p != start;
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 36 characters: fb7d3384-e58f-11f1-9fe0-02fc00000001. */
static bool take_uuid(struct my_gtid_text *text, uint8_t uuid[16])
{
    if (text->end - text->p < 36)
        return false;
    const char *p = text->p;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = hex_value(p[0]), low = hex_value(p[1]);
        if (high < 0 || low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    text->p = p;
    return true;
}

bool my_gtid_set_take_tag(struct my_gtid_text *text, char tag[MY_GTID_TAG_MAX + 1])
{
    size_t n = 0;
    for (; text->p < text->end; text->p++) {
        char c = *text->p;
        c |= c >= 'A' && c <= 'Z' ? 0x20 : 0;
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (n > 0 && is_digit(c))))
            break;
        if (n == MY_GTID_TAG_MAX)
            return false;
        tag[n++] = c;
    }
    tag[n] = '\0';
    return n != 0;
}

/* 5 or 1-5; its end is not in the interval, as in the binary form. */
static bool take_interval(struct my_gtid_text *text, struct my_gtid_interval *interval)
{
    uint64_t last;
    if (!take_number(text, MY_GTID_NUMBER_END - 1, &interval->start) || interval->start == 0)
        return false;
    last = interval->start;
    if (take(text, '-') && (!take_number(text, MY_GTID_NUMBER_END - 1, &last) || last < interval->start))
        return false;
    interval->end = last + 1;
    return true;
}

/* uuid[:tag]:interval[:interval]...[:tag:interval...]. 1, 0 (it is not), -1 (memory) */
static int take_source(struct my_gtid_set *set, struct my_gtid_text *text)
{
    uint8_t uuid[16];
    char tag[MY_GTID_TAG_MAX + 1] = "";
    bool complete = false; /* an interval follows uuid or tag */
    if (!take_uuid(text, uuid))
        return 0;
    while (take(text, ':')) {
        struct my_gtid_interval interval;
        if (text->p < text->end && !is_digit(*text->p)) {
            if ((tag[0] != '\0' && !complete) || !my_gtid_set_take_tag(text, tag))
                return 0;
            complete = false;
            continue;
        }
        if (!take_interval(text, &interval))
            return 0;
        struct my_gtid_source *source = my_gtid_set_find_or_add(set, uuid, tag);
        if (source == NULL || !my_gtid_set_append_interval(source, interval))
            return -1;
        complete = true;
    }
    return complete;
}

/* domain-server-number, each domain once. */
static int take_domain(struct my_gtid_set *set, struct my_gtid_text *text)
{
    uint64_t id, server_id, number;
    if (!take_number(text, UINT32_MAX, &id) || !take(text, '-') || !take_number(text, UINT32_MAX, &server_id) ||
        !take(text, '-') || !take_number(text, UINT64_MAX, &number))
        return 0;
    size_t n = set->n;
    if (!my_gtid_set_put_domain(set, (struct my_gtid_domain){(uint32_t)id, (uint32_t)server_id, number}))
        return -1;
    return set->n > n;
}

/* 1, 0, -1 as above. */
static int take_all(struct my_gtid_set *set, struct my_gtid_text *text)
{
    skip_space(text);
    if (text->p == text->end)
        return 1;
    do {
        int result = set->flavor == MY_FLAVOR_MYSQL ? take_source(set, text) : take_domain(set, text);
        if (result <= 0)
            return result;
    } while (take(text, ','));
    return text->p == text->end;
}

int my_gtid_set_parse(struct my_gtid_set *set, struct cdc_span text, struct cdc_error *error)
{
    const char *start = text.n != 0 ? text.p : "";
    struct my_gtid_text rest = {start, start + text.n};
    my_gtid_set_clear(set);
    int result = take_all(set, &rest);
    if (result <= 0) {
        my_gtid_set_clear(set);
        if (result < 0)
            return cdc_error_memory(error);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%.*s\" is not a GTID set of %s (wrong from character %zu on)",
                             (int)(text.n < 200 ? text.n : 200), start,
                             set->flavor == MY_FLAVOR_MYSQL ? "MySQL" : "MariaDB", (size_t)(rest.p - start) + 1);
    }
    if (set->flavor == MY_FLAVOR_MYSQL)
        my_gtid_set_tidy(set);
    return 0;
}

/* A uuid is written once for all its tags: uuid:1-5:tag:1. before: the source written last, or NULL. */
static void append_source(struct cdc_buf *out, const struct my_gtid_source *source, const struct my_gtid_source *before)
{
    if (before == NULL || memcmp(before->uuid, source->uuid, 16) != 0) {
        if (before != NULL)
            cdc_buf_byte(out, ',');
        my_gtid_append_uuid(out, source->uuid);
    }
    if (source->tag[0] != '\0') {
        cdc_buf_byte(out, ':');
        cdc_buf_text(out, source->tag);
    }
    for (size_t i = 0; i < source->n; i++) {
        const struct my_gtid_interval *interval = &source->intervals[i];
        cdc_buf_byte(out, ':');
        cdc_buf_u64(out, interval->start);
        if (interval->end - interval->start > 1) {
            cdc_buf_byte(out, '-');
            cdc_buf_u64(out, interval->end - 1);
        }
    }
}

void my_gtid_set_append(struct cdc_buf *out, const struct my_gtid_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->flavor == MY_FLAVOR_MYSQL) {
            append_source(out, &set->sources[i], i > 0 ? &set->sources[i - 1] : NULL);
            continue;
        }
        const struct my_gtid_domain *domain = &set->domains[i];
        struct my_gtid gtid = {
            .kind = MY_GTID_OF_MARIADB, .domain = domain->id, .server_id = domain->server_id, .number = domain->number};
        if (i > 0)
            cdc_buf_byte(out, ',');
        my_gtid_append(out, &gtid);
    }
}

int my_gtid_set_same(enum my_flavor flavor, const char *ours, const char *theirs, struct cdc_error *error)
{
    struct my_gtid_set *a = my_gtid_set_new(flavor, error), *b = a ? my_gtid_set_new(flavor, error) : NULL;
    int result = -1;
    if (b && my_gtid_set_parse(a, cdc_span_text(ours), error) == 0 &&
        my_gtid_set_parse(b, cdc_span_text(theirs), error) == 0)
        result = my_gtid_set_equal(a, b) || my_gtid_set_is_rest(a, b);
    my_gtid_set_free(a);
    my_gtid_set_free(b);
    return result;
}
