/* SPDX-License-Identifier: MIT */
/* Where a connection begins, and what a snapshot has seen of the log from there: whose word counts at a first connection,
 * at one that is made again, and with a sink that is slower than the pipe. */
#include "connectors/postgres/stream/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

#define SEEN "{\"lsn\":\"0/300\",\"xids\":\"9:9:\"}"
#define OLDER "{\"lsn\":\"0/200\",\"xids\":\"5:5:\"}"

/* What pg_start_read takes for read_at. */
static bool seen_is(const char *expected, char *visible, const struct cdc_offset *from, bool started)
{
    struct cdc_start decided = {.kind = CDC_START_SNAPSHOT,
                                .from = {.pos = "0000000000000100.0000000000.a0002.000000000000",
                                         .state = "{\"identity\":{\"system_identifier\":\"7\"}}"},
                                .visible = visible};
    struct pg_start start;
    struct cdc_error error = {0};
    if (pg_start_read(&start, &decided, started, from, &error) < 0 || !start.has_position || !start.resumes)
        return false;
    return expected ? cdc_span_is(start.read_at, expected) : start.read_at.p == NULL;
}

/* A folder with one sink's file; the sink that pg_start_needed finds for a snapshot of SEEN, and up to where it is. */
static bool needs_is(int expected, uint64_t expected_lsn, const char *pos, const char *source)
{
    char folder[] = "/tmp/cdc-unit-XXXXXX", path[64];
    const struct cdc_offset *smallest;
    struct pg_start start = {.read_at = cdc_span_text(SEEN)};
    uint64_t lsn = 0;
    int found = -2;
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/cdc-sink-x.offset", folder);
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file,
                "{\"format\":1,\"tool\":\"cdc-sink-x\",\"time\":\"\",\"offsets\":{\"p\":{\"pos\":\"%s\",\"seq\":1,"
                "\"lines\":0,"
                "\"source\":%s}}}\n",
                pos, source);
        fclose(file);
    }
    struct cdc_acks *acks = cdc_acks_new("p", NULL, 0, folder, NULL);
    if (acks && cdc_acks_read(acks, &smallest, NULL) == 0)
        found = pg_start_needed(&start, acks, &lsn);
    cdc_acks_free(acks);
    unlink(path);
    rmdir(folder);
    return found == expected && (found < 0 || lsn == expected_lsn);
}

int main(void)
{
    char seen[] = SEEN;
    const struct cdc_offset older = {.pos = "0000000000000100.0000000000.a0001.000000000004",
                                     .source = "{\"read_at\":" OLDER "}"};
    const struct cdc_offset first = {.pos = "0000000000000100.0000000000.a0001.000000000004", .source = "{}"};
    const struct cdc_offset logged = {.pos = "0000000000000150.FFFFFFFFFF.0000000000000160",
                                      .source = "{\"read_at\":" OLDER "}"};
    const struct cdc_offset passed = {.pos = "0000000000000350.FFFFFFFFFF.0000000000000360", .source = "{}"};
    check(seen_is(SEEN, seen, NULL, false), "the first connection after a snapshot");
    check(seen_is(SEEN, seen, NULL, true), "the connection broke before the first boundary");
    check(seen_is(SEEN, seen, &older, false), "a sink that has stored an older attempt only");
    check(seen_is(SEEN, seen, &first, true), "the same, which had seen nothing, and a connection made again");
    check(seen_is(OLDER, NULL, &older, false), "no snapshot's file: what the position says");
    check(seen_is(OLDER, seen, &logged, false), "a boundary of the log says it itself");
    check(seen_is(NULL, seen, &passed, true), "and after the log has passed it, there is none");
    check(needs_is(0, 0x160, logged.pos, "{}"), "a sink in the log, without the snapshot");
    check(needs_is(0, 0x160, logged.pos, logged.source), "one that has taken an older attempt");
    check(needs_is(-1, 0, logged.pos, "{\"read_at\":{ \"xids\": \"9:9:\", \"lsn\": \"0/300\" }}"),
          "one that has taken this one, written anew by a stage");
    check(needs_is(-1, 0, first.pos, "{}"), "one that is not in the log yet");
    return failures != 0;
}
