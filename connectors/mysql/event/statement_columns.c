/* SPDX-License-Identifier: MIT */
/* Statements that leave the columns of all tables as they are: names, order, types, and which are the key. In doubt a statement
 * is none of them, and a table is asked for once too often. Examples:
 *
 *     ANALYZE TABLE t                                  GRANT SELECT ON t TO x           CREATE TRIGGER i BEFORE INSERT ON t ...
 *     ALTER TABLE t ADD INDEX (a), ENGINE = InnoDB     ALTER TABLE t DROP PARTITION p0, p1
 *
 * but not
 *
 *     ALTER TABLE t ADD UNIQUE (a), DROP INDEX i       it may be the key
 *     ALTER TABLE t ADD CHECK (json_valid(a))          MariaDB: a is JSON from here on */
#include "connectors/mysql/event/lexer_internal.h"
#include "connectors/mysql/event/statement.h"

#include <string.h>

static bool take_one_of(struct my_lexer *lexer, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (my_lexer_take(lexer, words[i]))
            return true;
    return false;
}
#define TAKE_ONE_OF(lexer, words) take_one_of(lexer, words, sizeof(words) / sizeof *(words))

/* What has no columns of its own that rows of the log could have. */
static bool take_other_than_table(struct my_lexer *lexer)
{
    static const char *const others[] = {"trigger",  "procedure", "function", "event",     "view",
                                         "user",     "role",      "server",   "aggregate", "package",
                                         "instance", "algorithm", "definer",  "logfile",   "tablespace",
                                         "undo",     "sql",       "resource", "spatial",   "fulltext"};
    return TAKE_ONE_OF(lexer, others);
}

/* To drop one is another matter. */
static bool take_database(struct my_lexer *lexer)
{
    return my_lexer_take(lexer, "database") || my_lexer_take(lexer, "schema");
}

/* -- ALTER TABLE ------------------------------------------------------------------------------------------- */

enum clause { CLAUSE_OTHER, CLAUSE_KEEPS, CLAUSE_PARTITIONS };

/* Clauses about partitions stand alone: what comes after a comma is a partition's name. */
static bool is_of_partitions(struct my_lexer lexer)
{
    static const char *const verbs[] = {"add",      "drop",    "truncate", "exchange", "discard", "import",
                                        "optimize", "analyze", "rebuild",  "repair",   "check",   "coalesce"};
    if (my_lexer_take(&lexer, "partition"))
        return my_lexer_take(&lexer, "by");
    if (my_lexer_take(&lexer, "remove"))
        return my_lexer_take(&lexer, "partitioning");
    if (my_lexer_take(&lexer, "reorganize"))
        return true;
    return TAKE_ONE_OF(&lexer, verbs) && my_lexer_take(&lexer, "partition");
}

/* ALTER [COLUMN] c SET DEFAULT 1, DROP DEFAULT; ALTER INDEX i INVISIBLE. A column of that name is none without quotes. */
static bool alters_default(struct my_lexer *lexer, struct cdc_buf *name)
{
    if (my_lexer_take(lexer, "index") || my_lexer_take(lexer, "key"))
        return true;
    my_lexer_take(lexer, "column");
    if (my_lexer_take(lexer, "if"))
        my_lexer_take(lexer, "exists");
    return my_lexer_take_name(lexer, name) && (my_lexer_take(lexer, "set") || my_lexer_take(lexer, "drop")) &&
           my_lexer_take(lexer, "default");
}

/* ADD CONSTRAINT [name] FOREIGN KEY; UNIQUE, PRIMARY KEY and CHECK are other matters. */
static bool adds_foreign_key(struct my_lexer *lexer, struct cdc_buf *name)
{
    return my_lexer_take(lexer, "constraint") &&
           (my_lexer_take(lexer, "foreign") || (my_lexer_take_name(lexer, name) && my_lexer_take(lexer, "foreign")));
}

static enum clause clause_of(struct my_lexer lexer, struct cdc_buf *name)
{
    static const char *const added[] = {"index", "key", "fulltext", "spatial", "foreign"};
    static const char *const options[] = {"engine",
                                          "force",
                                          "comment",
                                          "auto_increment",
                                          "row_format",
                                          "key_block_size",
                                          "stats_persistent",
                                          "stats_auto_recalc",
                                          "stats_sample_pages",
                                          "avg_row_length",
                                          "checksum",
                                          "pack_keys",
                                          "max_rows",
                                          "min_rows",
                                          "page_compressed",
                                          "page_checksum",
                                          "transactional",
                                          "compression",
                                          "encryption",
                                          "encrypted",
                                          "encryption_key_id",
                                          "enable",
                                          "disable",
                                          "algorithm",
                                          "lock",
                                          "delay_key_write",
                                          "autoextend_size",
                                          "page_compression_level",
                                          "order",
                                          "tablespace",
                                          "default",
                                          "character",
                                          "charset",
                                          "collate",
                                          "data",
                                          "index",
                                          "validate",
                                          "without"};
    if (is_of_partitions(lexer))
        return CLAUSE_PARTITIONS;
    bool keeps = false;
    if (my_lexer_take(&lexer, "add"))
        keeps = TAKE_ONE_OF(&lexer, added) || adds_foreign_key(&lexer, name);
    else if (my_lexer_take(&lexer, "drop"))
        keeps = my_lexer_take(&lexer, "foreign");
    else if (my_lexer_take(&lexer, "rename"))
        keeps = my_lexer_take(&lexer, "index") || my_lexer_take(&lexer, "key");
    else if (my_lexer_take(&lexer, "alter"))
        keeps = alters_default(&lexer, name);
    else
        keeps = TAKE_ONE_OF(&lexer, options);
    return keeps ? CLAUSE_KEEPS : CLAUSE_OTHER;
}

bool my_lexer_clause_keeps_columns(struct my_lexer lexer, struct cdc_buf *scratch)
{
    return clause_of(lexer, scratch) == CLAUSE_KEEPS;
}

void my_lexer_skip_clause(struct my_lexer *lexer)
{
    int depth = 0;
    for (struct my_token token = my_lexer_peek(lexer); token.kind != MY_TOKEN_END; token = my_lexer_peek(lexer)) {
        depth += my_token_is_symbol(&token, '(') - my_token_is_symbol(&token, ')');
        if (depth == 0 && my_token_is_symbol(&token, ','))
            return;
        my_lexer_next(lexer);
    }
}

/* Reads over what is left of a clause. Does another one follow? */
static bool next_clause(struct my_lexer *lexer)
{
    my_lexer_skip_clause(lexer);
    return my_lexer_next(lexer).kind != MY_TOKEN_END;
}

/* WITH SYSTEM VERSIONING may stand among the options of a table without a comma (MariaDB): it adds columns. */
static bool names_versioning(struct my_lexer lexer)
{
    struct my_token token;
    do
        token = my_lexer_next(&lexer);
    while (token.kind != MY_TOKEN_END && !my_token_is(&token, "versioning"));
    return token.kind != MY_TOKEN_END;
}

/* Where a string has a backslash, it depends on the session's SQL mode where it ends. */
static bool alter_keeps(struct my_lexer *lexer, struct cdc_buf *db, struct cdc_buf *name)
{
    if (memchr(lexer->p, '\\', (size_t)(lexer->end - lexer->p)) || names_versioning(*lexer))
        return false;
    if (my_lexer_take(lexer, "if"))
        my_lexer_take(lexer, "exists");
    if (!my_lexer_take_table(lexer, db, name))
        return false;
    if (my_lexer_take(lexer, "wait"))
        my_lexer_next(lexer);
    else
        my_lexer_take(lexer, "nowait");
    do {
        switch (clause_of(*lexer, name)) {
        case CLAUSE_OTHER: return false;
        case CLAUSE_PARTITIONS: return true;
        default: break;
        }
    } while (next_clause(lexer));
    return !lexer->broken;
}

/* -- all of them --------------------------------------------------------------------------------------------- */

static bool keeps(struct my_lexer *lexer, struct cdc_buf *db, struct cdc_buf *name)
{
    static const char *const maintenance[] = {"analyze", "optimize", "repair", "check",   "checksum", "flush",
                                              "grant",   "revoke",   "set",    "install", "uninstall"};
    if (TAKE_ONE_OF(lexer, maintenance))
        return true;
    if (my_lexer_take(lexer, "rename"))
        return my_lexer_take(lexer, "user");
    if (my_lexer_take(lexer, "drop"))
        return take_other_than_table(lexer);
    if (my_lexer_take(lexer, "create")) {
        bool replaces = my_lexer_take(lexer, "or") && my_lexer_take(lexer, "replace");
        return my_lexer_take(lexer, "index") || take_other_than_table(lexer) || (!replaces && take_database(lexer));
    }
    if (!my_lexer_take(lexer, "alter"))
        return false;
    while (my_lexer_take(lexer, "online") || my_lexer_take(lexer, "offline") || my_lexer_take(lexer, "ignore"))
        ;
    if (my_lexer_take(lexer, "table"))
        return alter_keeps(lexer, db, name);
    return take_other_than_table(lexer) || take_database(lexer);
}

bool my_statement_keeps_columns(struct cdc_span sql)
{
    struct my_lexer lexer = my_lexer_of(sql);
    struct cdc_buf db = CDC_BUF_INIT, name = CDC_BUF_INIT;
    while (my_lexer_skip_set_statement(&lexer))
        ;
    bool result = keeps(&lexer, &db, &name) && !lexer.unsure && !db.failed && !name.failed;
    cdc_buf_free(&db);
    cdc_buf_free(&name);
    return result;
}
