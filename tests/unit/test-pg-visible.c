/* SPDX-License-Identifier: MIT */
/* What is known of the log at a position: what a snapshot has seen of it, by PostgreSQL's own rule, and its newest
 * transaction. */
#include "connectors/postgres/pgoutput/pgoutput.h"
#include "connectors/postgres/pgoutput/visible.h"

#include <stdio.h>

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("not ok - %s\n", what);
        failures++;
    }
}

static int parse(struct pg_visible *visible, const char *json)
{
    struct cdc_error error = {0};
    return pg_visible_parse(visible, json != NULL ? cdc_span_text(json) : (struct cdc_span){NULL, 0}, &error) == 0
               ? 0
               : error.status;
}

/* Of one snapshot: each id at each side of each edge. */
static void test_rule(void)
{
    static const struct {
        uint64_t lsn;
        uint32_t xid;
        bool seen;
    } table[] = {
        {0x1000, 749, true},                                             /* below xmin: had ended */
        {0x1000, 750, true},                                             /* ended, and not in the list */
        {0x1000, 754, true},                                             /* beside one that is */
        {0x1000, 755, false},                                            /* was running */
        {0x1000, 756, true},  {0x1000, 758, false}, {0x1000, 759, true}, /* the last one below xmax */
        {0x1000, 760, false},                                            /* had not begun */
        {0x1000, 761, false}, {0x1FFF, 749, true},                       /* its commit record is before the position */
        {0x2000, 749, false},                                            /* at it: the snapshot was taken before */
        {0x2001, 749, false},
    };
    struct pg_visible visible = {0};
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"750:760:755,758\"}") == 0, "a snapshot is read");
    check(visible.lsn == 0x2000 && visible.xmin == 750 && visible.xmax == 760 && visible.n_running == 2, "its parts");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool seen = pg_visible_has(&visible, table[i].lsn, table[i].xid);
        if (seen != table[i].seen)
            printf("  %llx %u\n", (unsigned long long)table[i].lsn, table[i].xid);
        check(seen == table[i].seen, "seen or not");
    }
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"752:750:\"}") == 0,
          "of a slot that was made while two were rolled back");
    check(pg_visible_ended(&visible, 749) && pg_visible_ended(&visible, 751) && !pg_visible_ended(&visible, 752),
          "what is below both had ended");
    check(parse(&visible, NULL) == 0 && !pg_visible_has(&visible, 0x1000, 749), "none: nothing was seen");
    check(parse(&visible, "null") == 0 && !pg_visible_has(&visible, 0x1000, 749), "null: nothing was seen");
    pg_visible_clear(&visible);
}

/* The log has 32 bits of an id, the snapshot has all: 2^32 + 2 is 2 in the log. */
static void test_wrap(void)
{
    struct pg_visible visible = {0};
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"4294967290:4294967300:4294967299\"}") == 0, "over the wrap");
    check(pg_visible_has(&visible, 1, 4294967289u), "before it, below xmin");
    check(pg_visible_has(&visible, 1, 4294967295u), "before it");
    check(pg_visible_has(&visible, 1, 2), "after it");
    check(!pg_visible_has(&visible, 1, 3), "after it, was running");
    check(!pg_visible_has(&visible, 1, 4), "after it, not begun");
    check(!pg_visible_has(&visible, 1, 5), "after it, not begun");
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"4294967290:4294967290:\"}") == 0, "nothing runs");
    check(pg_visible_has(&visible, 1, 4294967289u) && !pg_visible_has(&visible, 1, 4294967290u) &&
              !pg_visible_has(&visible, 1, 0),
          "the next one, and those after the wrap, have not begun");
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"4294967300:4294967310:\"}") == 0, "both after it");
    check(pg_visible_has(&visible, 1, 4000000000u) && pg_visible_has(&visible, 1, 13) &&
              !pg_visible_has(&visible, 1, 14) && !pg_visible_has(&visible, 1, 2000000000u),
          "those of before it had ended long ago");
    pg_visible_clear(&visible);
}

static void test_damaged(void)
{
    static const char *const bad[] = {"1",
                                      "\"0/2000\"",
                                      "{}",
                                      "{\"lsn\":\"0/2000\"}",
                                      "{\"xids\":\"1:2:\"}",
                                      "{\"lsn\":\"2000\",\"xids\":\"1:2:\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:2\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\":2:\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:3:2,\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:3:,2\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:3:2x\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:3:2:2\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"-1:3:\"}",
                                      "{\"lsn\":\"0/2000\",\"xids\":\"1:18446744073709551616:\"}",
                                      "{\"lsn\":\"00000000000000000000000000000000/0\",\"xids\":\"1:2:\"}"};
    struct pg_visible visible = {0};
    check(parse(&visible, "{\"lsn\":\"0/2000\",\"xids\":\"1:18446744073709551615:\"}") == 0, "the largest id");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check(parse(&visible, bad[i]) == CDC_EXIT_CONFIG, bad[i]);
        check(visible.json == NULL, "nothing of it stays");
    }
    pg_visible_clear(&visible);
}

/* The newest transaction of the log that a position knows, for a server that was set back: none, this one, or it is not
 * said. */
static void last_is(const char *pos, const char *source, int kind, uint64_t begin, int64_t ts_ms)
{
    struct pg_last last;
    pg_last_read(&last, pos, source != NULL ? cdc_span_text(source) : (struct cdc_span){NULL, 0});
    bool good = (int)last.kind == kind &&
                (kind != PG_LAST_COMMIT || (last.begin == begin && last.end == begin + 0x10 && last.ts_ms == ts_ms));
    check(good, source != NULL ? source : "no source");
}

static void test_last(void)
{
    static const char commit[] = "0000000000000150.FFFFFFFFFF.0000000000000160";
    static const char message[] = "000000000000015F.FFFFFFFFFF.0000000000000160";
    static const char heartbeat[] = "0000000000000300.0000000000.h00000001";
    static const char snapshot[] = "0000000000000300.0000000000.a0001.000000000001";
    last_is(commit, "{\"ts_ms\":77}", PG_LAST_COMMIT, 0x150, 77);
    last_is(commit, "{}", PG_LAST_UNKNOWN, 0, 0);
    last_is(commit, NULL, PG_LAST_UNKNOWN, 0, 0);
    last_is(message, "{\"ts_ms\":77}", PG_LAST_UNKNOWN, 0, 0);
    last_is(message, "{\"ts_ms\":77,\"last\":null}", PG_LAST_NONE, 0, 0);
    last_is(heartbeat, "{\"ts_ms\":77}", PG_LAST_UNKNOWN, 0, 0);
    last_is(heartbeat, "{\"ts_ms\":77,\"last\":null}", PG_LAST_NONE, 0, 0);
    last_is(heartbeat, "{\"ts_ms\":77,\"last\":{\"pos\":\"0000000000000150.FFFFFFFFFF.0000000000000160\",\"ts_ms\":5}}",
            PG_LAST_COMMIT, 0x150, 5);
    last_is(heartbeat, "{\"ts_ms\":77,\"last\":{\"pos\":\"x\",\"ts_ms\":5}}", PG_LAST_UNKNOWN, 0, 0);
    last_is(snapshot, "{\"ts_ms\":77}", PG_LAST_NONE, 0, 0);
    last_is(snapshot, NULL, PG_LAST_NONE, 0, 0);
}

int main(void)
{
    test_rule();
    test_wrap();
    test_damaged();
    test_last();
    if (failures == 0)
        printf("ok - what a snapshot has seen\n");
    return failures != 0;
}
