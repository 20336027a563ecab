/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs: "MySQL Reference Manual: GTID Format and Storage", libs/mysql/gtid of mysql-server for tags and the
 * binary form; MariaDB Knowledge Base, "Global Transaction ID" and "GTID_LIST_EVENT". */
#include "connectors/mysql/event/gtid.h"

#include <cdc/bytes.h>
#include <stdlib.h>

#define NUMBER_END INT64_MAX /* MySQL's numbers are below */
#define LONGEST_TAG 32

struct interval {
    uint64_t start, end; /* end is not in it */
};

/* The numbers of one uuid and tag: intervals sorted, with gaps between them. */
struct numbers {
    uint8_t uuid[16];
    char tag[LONGEST_TAG + 1];
    struct interval *intervals;
    size_t n, cap;
};

struct domain {
    uint32_t id, server_id;
    uint64_t number;
};

struct my_gtid_set {
    enum my_flavor flavor;
    struct numbers *sources; /* MySQL: sorted by uuid, tag */
    struct domain *domains;  /* MariaDB: sorted by id */
    size_t n, cap, last;     /* of the one or the other; last: where the last addition was */
};

struct my_gtid_set *my_gtid_set_new(enum my_flavor flavor, struct cdc_error *error)
{
    struct my_gtid_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        cdc_error_memory(error);
    else
        set->flavor = flavor;
    return set;
}

static void clear(struct my_gtid_set *set)
{
    for (size_t i = 0; i < set->n && set->sources; i++)
        free(set->sources[i].intervals);
    free(set->sources);
    free(set->domains);
    *set = (struct my_gtid_set){.flavor = set->flavor};
}

void my_gtid_set_free(struct my_gtid_set *set)
{
    if (set == NULL)
        return;
    clear(set);
    free(set);
}

bool my_gtid_set_is_empty(const struct my_gtid_set *set)
{
    return set->n == 0;
}

/* Room for one more item. */
static bool make_room(void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? *cap * 2 : 4;
    void *grown = more <= SIZE_MAX / 2 / size ? realloc(*items, more * size) : NULL;
    if (grown == NULL)
        return false;
    *items = grown;
    *cap = more;
    return true;
}

/* -- MySQL: finding ------------------------------------------------------------- */

static int compare(const struct numbers *numbers, const uint8_t uuid[16], const char *tag)
{
    int order = memcmp(numbers->uuid, uuid, 16);
    return order != 0 ? order : strcmp(numbers->tag, tag);
}

/* Where it is, or would be. */
static size_t source_at(const struct my_gtid_set *set, const uint8_t uuid[16], const char *tag)
{
    size_t low = 0, high = set->n;
    if (set->last < set->n && compare(&set->sources[set->last], uuid, tag) == 0)
        return set->last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&set->sources[middle], uuid, tag) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct numbers *find_or_add_source(struct my_gtid_set *set, const uint8_t uuid[16], const char *tag)
{
    size_t at = source_at(set, uuid, tag);
    if (at == set->n || compare(&set->sources[at], uuid, tag) != 0) {
        void *items = set->sources;
        bool room = make_room(&items, set->n, &set->cap, sizeof *set->sources);
        set->sources = items;
        if (!room)
            return NULL;
        memmove(set->sources + at + 1, set->sources + at, (set->n - at) * sizeof *set->sources);
        set->n++;
        set->sources[at] = (struct numbers){0};
        memcpy(set->sources[at].uuid, uuid, 16);
        memcpy(set->sources[at].tag, tag, strlen(tag) + 1);
    }
    set->last = at;
    return &set->sources[at];
}

/* The first interval that ends at number or behind it: number is in it, or it can be lengthened, or it comes later. */
static size_t interval_at(const struct numbers *numbers, uint64_t number)
{
    size_t low = 0, high = numbers->n;
    if (high > 0 && numbers->intervals[high - 1].start <= number) /* mostly the last one, or behind it */
        return numbers->intervals[high - 1].end >= number ? high - 1 : high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (numbers->intervals[middle].end < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -- MySQL: adding -------------------------------------------------------------- */

static bool insert_interval(struct numbers *numbers, size_t at, struct interval interval)
{
    void *items = numbers->intervals;
    bool room = make_room(&items, numbers->n, &numbers->cap, sizeof interval);
    numbers->intervals = items;
    if (!room)
        return false;
    memmove(numbers->intervals + at + 1, numbers->intervals + at, (numbers->n - at) * sizeof interval);
    numbers->intervals[at] = interval;
    numbers->n++;
    return true;
}

static bool add_number(struct numbers *numbers, uint64_t number)
{
    size_t at = interval_at(numbers, number);
    if (at == numbers->n || number + 1 < numbers->intervals[at].start)
        return insert_interval(numbers, at, (struct interval){number, number + 1});
    struct interval *here = &numbers->intervals[at];
    if (number + 1 == here->start)
        here->start = number;
    else if (number == here->end)
        here->end++;
    if (at + 1 < numbers->n && here[1].start == here->end) { /* the gap is closed */
        here->end = here[1].end;
        numbers->n--;
        memmove(here + 1, here + 2, (numbers->n - at - 1) * sizeof *here);
    }
    return true;
}

/* Many intervals in any order, as texts have them: put together here, in order by tidy. */
static bool append_interval(struct numbers *numbers, struct interval interval)
{
    return insert_interval(numbers, numbers->n, interval);
}

static int by_start(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static void tidy_numbers(struct numbers *numbers)
{
    struct interval *all = numbers->intervals;
    size_t kept = 0;
    qsort(all, numbers->n, sizeof *all, by_start);
    for (size_t i = 1; i < numbers->n; i++) {
        if (all[i].start > all[kept].end)
            all[++kept] = all[i];
        else if (all[i].end > all[kept].end)
            all[kept].end = all[i].end;
    }
    numbers->n = kept + 1;
}

static void tidy(struct my_gtid_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        tidy_numbers(&set->sources[i]);
    set->last = set->n ? set->n - 1 : 0;
}

/* -- MariaDB ---------------------------------------------------------------------- */

static size_t domain_at(const struct my_gtid_set *set, uint32_t id)
{
    size_t low = 0, high = set->n;
    if (set->last < set->n && set->domains[set->last].id == id)
        return set->last;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (set->domains[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The newest is the one that came last, as in the server's gtid_binlog_pos. */
static bool put_domain(struct my_gtid_set *set, struct domain domain)
{
    size_t at = domain_at(set, domain.id);
    if (at == set->n || set->domains[at].id != domain.id) {
        void *items = set->domains;
        bool room = make_room(&items, set->n, &set->cap, sizeof domain);
        set->domains = items;
        if (!room)
            return false;
        memmove(set->domains + at + 1, set->domains + at, (set->n - at) * sizeof domain);
        set->n++;
    }
    set->domains[at] = domain;
    set->last = at;
    return true;
}

/* -- both -------------------------------------------------------------------------- */

int my_gtid_set_add(struct my_gtid_set *set, const struct my_gtid *gtid, struct cdc_error *error)
{
    bool mysql = gtid->kind == MY_GTID_OF_MYSQL;
    if (gtid->kind == MY_GTID_NONE)
        return 0;
    if (mysql != (set->flavor == MY_FLAVOR_MYSQL) || (mysql && (gtid->number == 0 || gtid->number >= NUMBER_END)))
        return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a GTID that does not fit to the others");
    bool added;
    if (mysql) {
        struct numbers *numbers = find_or_add_source(set, gtid->uuid, gtid->tag);
        added = numbers != NULL && add_number(numbers, gtid->number);
    } else {
        added = put_domain(set, (struct domain){gtid->domain, gtid->server_id, gtid->number});
    }
    return added ? 0 : cdc_error_memory(error);
}

bool my_gtid_set_contains(const struct my_gtid_set *set, const struct my_gtid *gtid)
{
    if (gtid->kind == MY_GTID_OF_MARIADB && set->flavor == MY_FLAVOR_MARIADB) {
        size_t at = domain_at(set, gtid->domain);
        return at < set->n && set->domains[at].id == gtid->domain && gtid->number <= set->domains[at].number;
    }
    if (gtid->kind != MY_GTID_OF_MYSQL || set->flavor != MY_FLAVOR_MYSQL)
        return false;
    size_t at = source_at(set, gtid->uuid, gtid->tag);
    if (at == set->n || compare(&set->sources[at], gtid->uuid, gtid->tag) != 0)
        return false;
    const struct numbers *numbers = &set->sources[at];
    size_t i = interval_at(numbers, gtid->number);
    if (i < numbers->n && numbers->intervals[i].end == gtid->number)
        i++; /* touched only */
    return i < numbers->n && numbers->intervals[i].start <= gtid->number;
}

static bool equal_sources(const struct numbers *a, const struct numbers *b)
{
    return compare(a, b->uuid, b->tag) == 0 && a->n == b->n &&
           memcmp(a->intervals, b->intervals, a->n * sizeof *a->intervals) == 0;
}

bool my_gtid_set_equal(const struct my_gtid_set *a, const struct my_gtid_set *b)
{
    if (a->flavor != b->flavor || a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct domain *one = a->domains ? &a->domains[i] : NULL, *other = b->domains ? &b->domains[i] : NULL;
        if (a->flavor == MY_FLAVOR_MYSQL
                ? !equal_sources(&a->sources[i], &b->sources[i])
                : one->id != other->id || one->server_id != other->server_id || one->number != other->number)
            return false;
    }
    return true;
}

/* -- text ---------------------------------------------------------------------------- */

struct text {
    const char *p, *end;
};

static void skip_space(struct text *text)
{
    while (text->p < text->end && memchr(" \t\r\n\v\f", *text->p, 6))
        text->p++;
}

/* c, with white space around it. */
static bool take(struct text *text, char c)
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

static bool take_number(struct text *text, uint64_t most, uint64_t *number)
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

static bool take_uuid(struct text *text, uint8_t uuid[16])
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

/* [a-z_][a-z0-9_]*, upper case taken too. False: none here, or too long. */
static bool take_tag(struct text *text, char tag[LONGEST_TAG + 1])
{
    size_t n = 0;
    for (; text->p < text->end; text->p++) {
        char c = *text->p;
        c |= c >= 'A' && c <= 'Z' ? 0x20 : 0;
        if (!(c == '_' || (c >= 'a' && c <= 'z') || (n > 0 && is_digit(c))))
            break;
        if (n == LONGEST_TAG)
            return false;
        tag[n++] = c;
    }
    tag[n] = '\0';
    return n != 0;
}

static bool take_interval(struct text *text, struct interval *interval)
{
    uint64_t last;
    if (!take_number(text, NUMBER_END - 1, &interval->start) || interval->start == 0)
        return false;
    last = interval->start;
    if (take(text, '-') && (!take_number(text, NUMBER_END - 1, &last) || last < interval->start))
        return false;
    interval->end = last + 1;
    return true;
}

/* uuid[:tag]:interval[:interval]...[:tag:interval...]. 1, 0 (it is not), -1 (memory) */
static int take_source(struct my_gtid_set *set, struct text *text)
{
    uint8_t uuid[16];
    char tag[LONGEST_TAG + 1] = "";
    bool complete = false; /* an interval follows uuid or tag */
    if (!take_uuid(text, uuid))
        return 0;
    while (take(text, ':')) {
        struct interval interval;
        if (text->p < text->end && !is_digit(*text->p)) {
            if ((tag[0] != '\0' && !complete) || !take_tag(text, tag))
                return 0;
            complete = false;
            continue;
        }
        if (!take_interval(text, &interval))
            return 0;
        struct numbers *numbers = find_or_add_source(set, uuid, tag);
        if (numbers == NULL || !append_interval(numbers, interval))
            return -1;
        complete = true;
    }
    return complete;
}

/* domain-server-number, each domain once. */
static int take_domain(struct my_gtid_set *set, struct text *text)
{
    uint64_t id, server_id, number;
    if (!take_number(text, UINT32_MAX, &id) || !take(text, '-') || !take_number(text, UINT32_MAX, &server_id) ||
        !take(text, '-') || !take_number(text, UINT64_MAX, &number))
        return 0;
    size_t n = set->n;
    if (!put_domain(set, (struct domain){(uint32_t)id, (uint32_t)server_id, number}))
        return -1;
    return set->n > n;
}

/* 1, 0, -1 as above. */
static int take_all(struct my_gtid_set *set, struct text *text)
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
    struct text rest = {start, start + text.n};
    clear(set);
    int result = take_all(set, &rest);
    if (result <= 0) {
        clear(set);
        if (result < 0)
            return cdc_error_memory(error);
        return cdc_error_set(error, CDC_EXIT_CONFIG, "\"%.*s\" is not a GTID set of %s (wrong from character %zu on)",
                             (int)(text.n < 200 ? text.n : 200), start,
                             set->flavor == MY_FLAVOR_MYSQL ? "MySQL" : "MariaDB", (size_t)(rest.p - start) + 1);
    }
    if (set->flavor == MY_FLAVOR_MYSQL)
        tidy(set);
    return 0;
}

static void append_uuid(struct cdc_buf *out, const uint8_t uuid[16])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            cdc_buf_byte(out, '-');
        cdc_buf_byte(out, digits[uuid[i] >> 4]);
        cdc_buf_byte(out, digits[uuid[i] & 15]);
    }
}

static void append_source(struct cdc_buf *out, const struct numbers *numbers, const struct numbers *before)
{
    if (before == NULL || memcmp(before->uuid, numbers->uuid, 16) != 0) {
        if (before != NULL)
            cdc_buf_byte(out, ',');
        append_uuid(out, numbers->uuid);
    }
    if (numbers->tag[0] != '\0') {
        cdc_buf_byte(out, ':');
        cdc_buf_text(out, numbers->tag);
    }
    for (size_t i = 0; i < numbers->n; i++) {
        const struct interval *interval = &numbers->intervals[i];
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
        const struct domain *domain = &set->domains[i];
        struct my_gtid gtid = {
            .kind = MY_GTID_OF_MARIADB, .domain = domain->id, .server_id = domain->server_id, .number = domain->number};
        if (i > 0)
            cdc_buf_byte(out, ',');
        my_gtid_append(out, &gtid);
    }
}

/* -- binary form ------------------------------------------------------------------------ */

static void put(struct cdc_buf *out, uint64_t value, size_t n)
{
    for (; n > 0; n--, value >>= 8)
        cdc_buf_byte(out, (char)(value & 0xff));
}

/* Sets with tags (8.3 and later) are marked in the first number's outer bytes; the count is between them. Servers that do
 * not know tags get the form without. */
#define TAGGED_MARK (UINT64_C(1) << 56 | 1)
#define COUNT_LIMIT (UINT64_C(1) << 48)

static void encode_mysql(struct cdc_buf *out, const struct my_gtid_set *set)
{
    bool tagged = false;
    for (size_t i = 0; i < set->n; i++)
        tagged |= set->sources[i].tag[0] != '\0';
    put(out, tagged ? (uint64_t)set->n << 8 | TAGGED_MARK : set->n, 8);
    for (size_t i = 0; i < set->n; i++) {
        const struct numbers *numbers = &set->sources[i];
        cdc_buf_append(out, numbers->uuid, 16);
        if (tagged) {
            put(out, strlen(numbers->tag) << 1, 1); /* lengths below 128 take one byte, its lowest bit 0 */
            cdc_buf_text(out, numbers->tag);
        }
        put(out, numbers->n, 8);
        for (size_t j = 0; j < numbers->n; j++) {
            put(out, numbers->intervals[j].start, 8);
            put(out, numbers->intervals[j].end, 8);
        }
    }
}

void my_gtid_set_encode(struct cdc_buf *out, const struct my_gtid_set *set)
{
    if (set->flavor == MY_FLAVOR_MYSQL) {
        encode_mysql(out, set);
        return;
    }
    put(out, set->n, 4);
    for (size_t i = 0; i < set->n; i++) {
        put(out, set->domains[i].id, 4);
        put(out, set->domains[i].server_id, 4);
        put(out, set->domains[i].number, 8);
    }
}

static int damaged(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the binary log has a %s event that is damaged", what);
}

/* A tag is checked as in texts, for it becomes part of them. */
static void read_tag(struct cdc_bytes *body, char tag[LONGEST_TAG + 1])
{
    uint64_t n = cdc_bytes_le(body, 1);
    const uint8_t *p = n % 2 == 0 && n / 2 <= LONGEST_TAG ? cdc_bytes_take(body, (size_t)n / 2) : NULL;
    if (p == NULL || n == 0) {
        body->bad |= p == NULL;
        return;
    }
    struct text text = {(const char *)p, (const char *)p + n / 2};
    body->bad |= !take_tag(&text, tag) || text.p != text.end;
}

/* 1, 0 (damaged), -1 (memory) */
static int decode_source(struct my_gtid_set *set, struct cdc_bytes *body, bool tagged)
{
    char tag[LONGEST_TAG + 1] = "";
    const uint8_t *uuid = cdc_bytes_take(body, 16);
    if (tagged)
        read_tag(body, tag);
    uint64_t n = cdc_bytes_le(body, 8);
    if (body->bad || n == 0 || n > cdc_bytes_left(body) / 16)
        return 0;
    struct numbers *numbers = find_or_add_source(set, uuid, tag);
    if (numbers == NULL)
        return -1;
    for (; n > 0; n--) {
        struct interval interval = {cdc_bytes_le(body, 8), cdc_bytes_le(body, 8)};
        if (interval.start == 0 || interval.start >= interval.end || interval.end > NUMBER_END)
            return 0;
        if (!append_interval(numbers, interval))
            return -1;
    }
    return 1;
}

static int decode_mysql(struct my_gtid_set *set, struct cdc_bytes body)
{
    uint64_t n = cdc_bytes_le(&body, 8);
    bool tagged = (n & ~((COUNT_LIMIT - 1) << 8)) == TAGGED_MARK;
    if (tagged)
        n = n >> 8 & (COUNT_LIMIT - 1);
    if (body.bad || n > cdc_bytes_left(&body) / 40) /* uuid, count, an interval */
        return 0;
    int result = 1;
    for (; n > 0 && result == 1; n--)
        result = decode_source(set, &body, tagged);
    return result == 1 && cdc_bytes_left(&body) != 0 ? 0 : result;
}

/* Of a domain's servers the newest comes last. The upper four bits of the count are flags. */
static int decode_mariadb(struct my_gtid_set *set, struct cdc_bytes body)
{
    uint64_t n = cdc_bytes_le(&body, 4) & 0x0fffffff;
    if (body.bad || n > cdc_bytes_left(&body) / 16)
        return 0;
    bool empty = n == 0; /* then two bytes fill up */
    for (; n > 0; n--) {
        struct domain domain = {.id = (uint32_t)cdc_bytes_le(&body, 4), .server_id = (uint32_t)cdc_bytes_le(&body, 4)};
        domain.number = cdc_bytes_le(&body, 8);
        if (!put_domain(set, domain))
            return -1;
    }
    return cdc_bytes_left(&body) == 0 || (empty && cdc_bytes_left(&body) == 2);
}

int my_gtid_set_decode(struct my_gtid_set *set, struct cdc_bytes body, struct cdc_error *error)
{
    clear(set);
    bool mysql = set->flavor == MY_FLAVOR_MYSQL;
    int result = mysql ? decode_mysql(set, body) : decode_mariadb(set, body);
    if (result == 1) {
        if (mysql)
            tidy(set);
        return 0;
    }
    clear(set);
    return result < 0 ? cdc_error_memory(error) : damaged(error, mysql ? "PREVIOUS_GTIDS" : "GTID_LIST");
}
