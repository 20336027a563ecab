/* SPDX-License-Identifier: MIT */
/* cdc-log compact. */
#include <inttypes.h>
#include <string.h>

#include "cmd/log/log.h"
#include "cmd/program/options.h"
#include "connectors/log/log.h"

#define DAY_SECONDS 86400.0
#define LEVEL 3

static struct {
    double delete_retention;
    int64_t memory, level;
    const char *keep, *unkeyed;
} values = {.delete_retention = DAY_SECONDS, .memory = (int64_t)256 << 20, .level = LEVEL, .unkeyed = "keep"};

#define AT(member) offsetof(__typeof__(values), member)
static const struct cdc_option table[] = {
    OPTION_HEADING("What a base has"),
    OPTION_SECONDS("delete-retention", AT(delete_retention), "how long deletes stay [24h]"),
    OPTION_TEXT("keep", AT(keep), "OPS", "keep lines of these: m, ddl, or m,ddl"),
    OPTION_CHOICE("unkeyed", AT(unkeyed), "HOW", "rows without a key: all their lines, or exit 78", "keep|fail"),
    OPTION_HEADING("How"),
    OPTION_SIZE("memory", AT(memory), "memory, beyond that temporary files in DIR [256M]", INT64_MAX),
    OPTION_INTEGER(0, "level", AT(level), "N", "level of zstd [3]", 1, 19),
    OPTION_END,
};

/* "m", "ddl", or both with a comma between. */
static int take_keep(const char *keep, struct log_compact_settings *settings, struct cdc_error *error)
{
    for (const char *p = keep; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (n == 1 && *p == 'm')
            settings->keep_messages = true;
        else if (n == 3 && memcmp(p, "ddl", n) == 0)
            settings->keep_ddl = true;
        else
            return cdc_error_set(error, CDC_EXIT_USAGE, "--keep=%s: m, ddl, or both are expected", keep);
        p += n + (p[n] == ',');
    }
    return 0;
}

static int run(struct program *program, struct cdc_option_list operands, struct cdc_error *error)
{
    const char *path = log_command_folder(operands, error);
    struct log_fold_counts counts;
    uint64_t byte;

    if (path == NULL)
        return -1;
    struct log_compact_settings settings = {.path = path,
                                            .delete_retention_ms = (int64_t)(values.delete_retention * 1000),
                                            .memory = (size_t)values.memory,
                                            .level = (int)values.level,
                                            .unkeyed_fails = strcmp(values.unkeyed, "fail") == 0,
                                            .log = &program->log,
                                            .control = &program->control};
    if (take_keep(values.keep, &settings, error) != 0)
        return -1;
    int made = log_compact(&settings, &byte, &counts, error);
    if (made > 0)
        cdc_log_write(&program->log, CDC_LOG_INFO,
                      "base up to byte %" PRIu64 ": %" PRIu64 " lines of %" PRIu64 ", %" PRIu64 " rows of %" PRIu64
                      " tables, %" PRIu64 " deletes and truncates, %" PRIu64 " lines of tables without a key",
                      byte, counts.out, counts.lines, counts.rows, counts.tables, counts.marks, counts.verbatim);
    else if (made == 0)
        cdc_log_write(&program->log, CDC_LOG_INFO, "nothing new since the last base");
    return made < 0 ? -1 : 0;
}

const struct log_command log_command_compact = {
    .name = "compact",
    .synopsis = "[options] DIR",
    .summary = "Makes a base of a log: the rows that there are, for new readers.",
    .options = table,
    .values = &values,
    .exit_statuses = "0 64 65 70 74 75 77 78",
    .run = run,
};
