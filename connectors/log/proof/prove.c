/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "connectors/log/proof/audit.h"
#include "connectors/log/proof/internal.h"
#include "connectors/log/proof/proof.h"
#include <cdc/event.h>

struct search {
    const struct log_prove_settings *settings;
    const struct log_checkpoint *checkpoint;
    bool by_byte;
    uint64_t byte;
    bool found;
    uint64_t number;
    struct cdc_buf entry; /* salt and line: what the leaf is the hash of */
};

static int parse_place(struct search *search, struct cdc_error *error)
{
    const char *place = search->settings->place;
    char *end = NULL;

    search->by_byte = place[0] == '@';
    if (!search->by_byte)
        return 0;
    search->byte = strtoull(place + 1, &end, 10);
    if (place[1] >= '0' && place[1] <= '9' && *end == '\0')
        return 0;
    return cdc_error_set(error, CDC_EXIT_USAGE, "\"%s\" is no byte: @ and a number are expected", place);
}

/* The pos stands in a line as it is wherever nothing in it must be escaped; else all lines are parsed. */
static bool may_have(const struct search *search, struct cdc_span line)
{
    const char *pos = search->settings->place;

    return strpbrk(pos, "\"\\/") != NULL || memmem(line.p, line.n, pos, strlen(pos)) != NULL;
}

static bool is_it(const struct search *search, const struct log_line *line)
{
    struct cdc_event event;

    if (search->by_byte)
        return line->at == search->byte;
    return may_have(search, line->text) && cdc_event_parse(&event, line->text.p, line->text.n, NULL) == 0 &&
           cdc_json_raw_is(event.pos, cdc_span_text(search->settings->place)) &&
           (search->settings->name == NULL || cdc_json_raw_is(event.name, cdc_span_text(search->settings->name)));
}

static int take_line(void *context, struct log_audit *audit, const struct log_line *line, struct cdc_error *error)
{
    struct search *search = context;

    if (!is_it(search, line))
        return 0;
    if (search->found && search->number != line->number) {
        cdc_error_set(error, CDC_EXIT_USAGE, "several lines have the position \"%s\"", search->settings->place);
        return cdc_error_hint(error, "name the source (--name), or the byte where the line begins (@%" PRIu64 ")",
                              line->at);
    }
    if (line->at >= search->checkpoint->end) {
        cdc_error_set(error, CDC_EXIT_CONFIG,
                      "the line at byte %" PRIu64 " came after the checkpoint, which ends at byte %" PRIu64, line->at,
                      search->checkpoint->end);
        return cdc_error_hint(error, "make a new one: cdc-log verify --checkpoint-to");
    }
    if (line->purged)
        return cdc_error_set(error, CDC_EXIT_CONFIG, "the line at byte %" PRIu64 " was purged: what it said is gone",
                             line->at);
    search->found = true;
    search->number = audit->state.tree.wanted = line->number;
    search->entry.len = 0;
    if (line->salt != NULL)
        cdc_buf_append(&search->entry, line->salt, LOG_SALT);
    cdc_buf_span(&search->entry, line->text);
    return search->entry.failed ? cdc_error_memory(error) : 0;
}

static void append_proof(struct cdc_buf *out, const struct search *search, const struct log_tree *tree,
                         struct cdc_span note)
{
    cdc_buf_lit(out, "c2sp.org/tlog-proof@v1\nextra ");
    cdc_buf_base64(out, search->entry.data, search->entry.len);
    cdc_buf_printf(out, "\nindex %" PRIu64 "\n", search->number);
    for (size_t i = 0; i < tree->n_path; i++) {
        cdc_buf_base64(out, tree->path[i], LOG_HASH);
        cdc_buf_byte(out, '\n');
    }
    cdc_buf_byte(out, '\n');
    cdc_buf_span(out, note);
}

/* What goes out is checked as its reader will. */
static int check(struct log_audit *audit, const struct search *search, struct cdc_error *error)
{
    const struct log_tree *tree = &audit->state.tree;
    unsigned char leaf[LOG_HASH], root[LOG_HASH];

    if (log_chain_leaf(&audit->chain, cdc_span(search->entry.data, search->entry.len), NULL, leaf) == 0 &&
        log_tree_follow(&audit->chain, leaf, search->number, search->checkpoint->lines,
                        (const unsigned char(*)[LOG_HASH])tree->path, tree->n_path, root) == 1 &&
        memcmp(root, search->checkpoint->root, LOG_HASH) == 0)
        return 0;
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "the proof does not lead to the root of the checkpoint");
}

static int check_begin(const struct log_checkpoint *checkpoint, uint64_t begin, struct cdc_error *error)
{
    if (begin == checkpoint->start)
        return 0;
    cdc_error_set(error, CDC_EXIT_LOST, "the log begins at byte %" PRIu64 ", the checkpoint's tree at byte %" PRIu64,
                  begin, checkpoint->start);
    return cdc_error_hint(error, "lines were trimmed since; make a new checkpoint");
}

static int run(struct log_audit *audit, struct search *search, struct cdc_span note, struct cdc_buf *proof,
               struct cdc_error *error)
{
    const struct log_checkpoint *checkpoint = search->checkpoint;

    if (check_begin(checkpoint, log_folder_begin(audit->folder), error) != 0 || log_audit_run(audit, error) != 0)
        return -1;
    /* Retention may have removed lines since. */
    if (check_begin(checkpoint, audit->state.begin, error) != 0)
        return -1;
    if (!search->found) {
        cdc_error_set(error, CDC_EXIT_CONFIG, "no line before the checkpoint %s %s",
                      search->by_byte ? "begins at" : "has the position", search->settings->place);
        return -1;
    }
    if (check(audit, search, error) != 0)
        return -1;
    append_proof(proof, search, &audit->state.tree, note);
    return proof->failed ? cdc_error_memory(error) : 0;
}

int log_prove(const struct log_prove_settings *settings, struct cdc_buf *proof, struct cdc_error *error)
{
    struct log_folder folder = {.fd = -1};
    struct log_checkpoint checkpoint;
    struct cdc_buf note = CDC_BUF_INIT;
    struct search search = {.settings = settings, .checkpoint = &checkpoint};
    struct log_audit audit = {.folder = &folder,
                              .log = settings->log,
                              .control = settings->control,
                              .kept = &checkpoint,
                              .with_tree = true,
                              .only_to_kept = true,
                              .line = take_line,
                              .context = &search};
    int result = -1;

    log_tree_init(&audit.state.tree, LOG_TREE_NOBODY);
    if (parse_place(&search, error) == 0 &&
        log_read_checkpoint(&note, settings->checkpoint, settings->key, &checkpoint, error) == 0 &&
        log_folder_open(&folder, settings->path, error) == 0 && log_folder_list(&folder, error) == 0)
        result = run(&audit, &search, cdc_span(note.data, note.len), proof, error);
    log_audit_free(&audit);
    log_folder_close(&folder);
    cdc_buf_free(&note);
    cdc_buf_free(&search.entry);
    return result;
}
