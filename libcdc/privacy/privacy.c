/* SPDX-License-Identifier: MIT */
/* The step: which lines may leave at all, before line.c looks into one. What nobody can look into does not leave: logical messages,
 * the text of statements, lines of an unknown op, and rows of which no schema line has said what they have. */
#include <stdlib.h>

#include "libcdc/privacy/internal.h"

/* What the key of --mask-key is used for besides hash, which has it as it is, so that others can compute the same. */
static const char token_purpose[] = "cdc-filter tokenize FF1";

/* -- settings ---------------------------------------------------------------------------------- */

bool cdc_privacy_is_set(const struct cdc_privacy_settings *settings)
{
    return settings->mask.count > 0 || settings->tokenize.count > 0 || settings->encrypt.count > 0 ||
           settings->subject.count > 0 || settings->only.count > 0 || settings->decrypt || settings->mask_key != NULL ||
           settings->key_store != NULL;
}

static bool has_action(const struct rules *rules, enum action action)
{
    for (size_t i = 0; i < rules->n; i++)
        if (rules->items[i].action == action)
            return true;
    return false;
}

/* Each option that needs another one, and each that would do nothing. */
static int check_together(const struct cdc_privacy *privacy, struct cdc_error *error)
{
    const struct cdc_privacy_settings *s = &privacy->settings;
    bool keyed = has_action(&privacy->rules, ACTION_HASH) || s->tokenize.count > 0, encrypts = s->encrypt.count > 0;

    if (s->decrypt && privacy->rules.n > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             "--decrypt is of no use together with %s: one takes away what the "
                             "other gives",
                             privacy->rules.items[0].option);
    if (keyed && s->mask_key == NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--mask COLUMN=hash and --tokenize need --mask-key FILE");
    if (!keyed && s->mask_key != NULL)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--mask-key is for --mask COLUMN=hash and --tokenize");
    if (encrypts && s->subject.count == 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--encrypt needs --subject COLUMN, which says whose key it is");
    if (!encrypts && s->subject.count > 0)
        return cdc_error_set(error, CDC_EXIT_USAGE, "--subject is for --encrypt");
    if ((encrypts || s->decrypt) != (s->key_store != NULL))
        return cdc_error_set(error, CDC_EXIT_USAGE,
                             s->key_store == NULL ? "--encrypt and --decrypt need --key-store DIR"
                                                  : "--key-store is for --encrypt and --decrypt");
    return 0;
}

struct mask_keys {
    unsigned char key[SECRET_KEY], token[SECRET_KEY];
};

static int take_mask_key(struct cdc_privacy *privacy, struct cdc_error *error)
{
    struct mask_keys *keys = secret_new(sizeof *keys);
    int result = -1;

    if (keys == NULL)
        return cdc_error_memory(error);
    if (secret_read_key(keys->key, privacy->settings.mask_key, error) == 0 &&
        hkdf_key(keys->token, keys->key, SECRET_KEY, token_purpose, error) == 0 &&
        (privacy->mac = mac_new(keys->key, SECRET_KEY, error)) != NULL &&
        (privacy->ff1 = ff1_new(keys->token, SECRET_KEY, error)) != NULL)
        result = 0;
    secret_free(keys, sizeof *keys);
    return result;
}

static int take_settings(struct cdc_privacy *privacy, const struct cdc_privacy_settings *settings,
                         struct cdc_error *error)
{
    privacy->settings = *settings;
    tables_init(&privacy->tables, &privacy->rules);
    if (rules_take(&privacy->rules, settings, error) != 0 || check_together(privacy, error) != 0)
        return -1;
    if (settings->mask_key != NULL && take_mask_key(privacy, error) != 0)
        return -1;
    if (settings->key_store == NULL)
        return 0;
    privacy->store = cdc_key_store_open(settings->key_store, error);
    return privacy->store != NULL && (privacy->seal = seal_new(error)) != NULL ? 0 : -1;
}

struct cdc_privacy *cdc_privacy_new(const struct cdc_privacy_settings *settings, struct cdc_error *error)
{
    struct cdc_privacy *privacy = calloc(1, sizeof *privacy);

    if (privacy == NULL)
        cdc_error_memory(error);
    else if (take_settings(privacy, settings, error) == 0)
        return privacy;
    cdc_privacy_free(privacy);
    return NULL;
}

void cdc_privacy_free(struct cdc_privacy *privacy)
{
    if (privacy == NULL)
        return;
    mac_free(privacy->mac);
    ff1_free(privacy->ff1);
    seal_free(privacy->seal);
    cdc_key_store_close(privacy->store);
    tables_free(&privacy->tables);
    rules_free(&privacy->rules);
    cdc_buf_free(&privacy->text);
    cdc_buf_free(&privacy->bytes);
    cdc_buf_free(&privacy->bound);
    free(privacy);
}

int cdc_privacy_settle(struct cdc_privacy *privacy, struct cdc_error *error)
{
    return privacy->store != NULL ? store_settle(privacy->store, error) : 0;
}

void cdc_privacy_left_out(const struct cdc_privacy *privacy, uint64_t *messages, uint64_t *statements)
{
    *messages = privacy->messages;
    *statements = privacy->statements;
}

/* -- lines -------------------------------------------------------------------------------------- */

static enum cdc_step_result changed(struct cdc_privacy *privacy, struct table *table, const struct cdc_event *event,
                                    struct cdc_buf *out, struct cdc_error *error)
{
    return line_append(privacy, table, event, out, error) == 0 ? CDC_STEP_CHANGED : CDC_STEP_FAILED;
}

/* Of a database: a statement, or that it was dropped. */
static bool is_of_listed(struct cdc_privacy *privacy, const struct cdc_event *event)
{
    struct cdc_buf db = CDC_BUF_INIT;

    if (!privacy->rules.limited || event->db.n == 0)
        return true;
    cdc_json_unescape(&db, event->db);
    bool listed = db.failed || rules_have_some_of(&privacy->rules, cdc_span(db.data, db.len));
    cdc_buf_free(&db);
    return listed;
}

static enum cdc_step_result take_tableless(struct cdc_privacy *privacy, const struct cdc_event *event,
                                           struct cdc_buf *out, struct cdc_error *error)
{
    if (privacy->settings.decrypt)
        return CDC_STEP_KEPT;
    if (event->op == CDC_OP_MESSAGE) {
        privacy->messages++;
        return CDC_STEP_DROPPED;
    }
    if (event->op == CDC_OP_SCHEMA || cdc_event_has_row(event))
        return cdc_error_set(error, CDC_EXIT_DATA, "the line has columns, and does not say of which table");
    if (!is_of_listed(privacy, event))
        return CDC_STEP_DROPPED;
    privacy->statements += event->op == CDC_OP_DDL;
    return changed(privacy, NULL, event, out, error);
}

/* BORROWED from the table: schema.table for a message. */
static int not_described(const struct table *table, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_DATA,
                  "a row of table \"%.*s\" comes before the schema line that says what columns there are",
                  (int)table->names.plain_table.n, table->names.plain_table.p);
    return cdc_error_hint(error, "begin with the lines of a source from where it was started");
}

static enum cdc_step_result take_event(void *state, const struct cdc_event *event, struct cdc_buf *out,
                                       struct cdc_error *error)
{
    struct cdc_privacy *privacy = state;

    if (event->table.p == NULL || event->op == CDC_OP_DDL || event->op == CDC_OP_MESSAGE)
        return take_tableless(privacy, event, out, error);
    struct table *table = tables_find(&privacy->tables, event, error);
    if (table == NULL)
        return CDC_STEP_FAILED;
    if (privacy->rules.limited && !table->is_listed)
        return CDC_STEP_DROPPED;
    if (!table_is_touched(&privacy->tables, table, privacy->settings.decrypt))
        return CDC_STEP_KEPT;
    if (event->op == CDC_OP_SCHEMA && schema_take(privacy, table, event, error) != 0)
        return CDC_STEP_FAILED;
    if (cdc_event_has_row(event) && !table->is_described)
        return not_described(table, error);
    /* Of a table that has nothing encrypted, byte for byte. */
    if (privacy->settings.decrypt && (table->n_opened == 0 || event->op == CDC_OP_TRUNCATE))
        return CDC_STEP_KEPT;
    return changed(privacy, table, event, out, error);
}

static size_t unmatched(void *state, bool more, struct cdc_buf *out)
{
    return rules_unmatched(&((struct cdc_privacy *)state)->rules, more, out);
}

static enum cdc_step_clarity explain(void *state, const struct cdc_event *event, struct cdc_span name,
                                     struct cdc_buf *out)
{
    static const char *const words[] = {
        [ACTION_NULL] = "masked: null", [ACTION_REDACT] = "masked: redact", [ACTION_PARTIAL] = "masked: partial",
        [ACTION_HASH] = "masked: hash", [ACTION_TOKENIZE] = "tokenized",    [ACTION_ENCRYPT] = "encrypted for"};
    struct cdc_privacy *privacy = state;
    struct cdc_error ignored = {0};
    const struct table *table = tables_find(&privacy->tables, event, &ignored);
    const struct column *column = table != NULL && name.p != NULL ? table_column(table, name) : NULL;

    if (table == NULL || name.p == NULL)
        return CDC_CLEAR_AS_BEFORE;
    if (privacy->settings.decrypt && table_opens(table, name))
        cdc_buf_lit(out, "decrypted");
    if (!table_allows(&privacy->tables, table, name)) {
        cdc_buf_lit(out, "not in --only");
        return CDC_CLEAR_NOT;
    }
    if (column == NULL || column->action > ACTION_ENCRYPT)
        return CDC_CLEAR_AS_BEFORE;
    cdc_buf_text(out, words[column->action]);
    if (column->action == ACTION_ENCRYPT)
        cdc_buf_printf(out, " %.*s", (int)table->subject.n, table->subject.p);
    return column->action == ACTION_PARTIAL ? CDC_CLEAR_IN_PART : CDC_CLEAR_NOT;
}

struct cdc_filter_step cdc_privacy_step(struct cdc_privacy *privacy)
{
    return (struct cdc_filter_step){.event = take_event,
                                    .unmatched = unmatched,
                                    .refuses_unknown = !privacy->settings.decrypt,
                                    .state = privacy,
                                    .explain = explain};
}
