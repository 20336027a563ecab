/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connectors/log/proof/audit.h"
#include "connectors/log/proof/internal.h"
#include "connectors/log/proof/proof.h"
#include <cdc/file.h>

int log_read_checkpoint(struct cdc_buf *note, const char *path, const char *key_path, struct log_checkpoint *checkpoint,
                        struct cdc_error *error)
{
    int fd = cdc_file_open(path, O_RDONLY, 0, "checkpoint", error);
    struct log_key *key = NULL;

    if (fd < 0)
        return -1;
    ssize_t n = -1;
    if (!cdc_buf_room(note, LOG_NOTE_MAX))
        cdc_error_memory(error);
    else if ((n = read(fd, note->data, LOG_NOTE_MAX)) < 0)
        cdc_error_set(error, CDC_EXIT_IO, "unable to read checkpoint \"%s\": %s", path, strerror(errno));
    close(fd);
    if (n < 0)
        return -1;
    note->len = (size_t)n;
    if (key_path != NULL && (key = log_key_read_public(key_path, error)) == NULL)
        return -1;
    struct cdc_error why = {0};
    int result = log_checkpoint_open(checkpoint, cdc_span(note->data, note->len), key, &why);
    if (result != 0)
        cdc_error_set(error, why.status, "checkpoint \"%s\": %s", path, why.text);
    log_key_free(key);
    return result;
}

/* A checkpoint that is there is replaced only by one that was checked against it: who names the same file twice has that. */
static int write_checkpoint(struct log_audit *audit, const char *path, const struct log_key *key,
                            struct cdc_error *error)
{
    struct log_checkpoint checkpoint;
    struct cdc_buf note = CDC_BUF_INIT;
    int result = log_audit_checkpoint(audit, &checkpoint, error);

    if (result == 0)
        result = log_checkpoint_sign(&note, &checkpoint, key, error);
    if (result == 0)
        result = cdc_file_replace(path, note.data, note.len, 0644, true, error);
    cdc_buf_free(&note);
    return result;
}

static void append_report(struct cdc_buf *out, const struct log_audit *audit)
{
    char hex[LOG_HASH_HEX + 1];

    log_hash_print(hex, audit->chain.value);
    cdc_buf_printf(out,
                   "{\"log\":\"%s\",\"segments\":%zu,\"begin\":%" PRIu64 ",\"end\":%" PRIu64 ",\"lines\":%" PRIu64
                   ",\"purged\":%" PRIu64 ",\"chain\":\"%s\"}\n",
                   audit->folder->id, audit->segments, audit->state.begin, audit->state.at, audit->state.lines,
                   audit->state.purged, hex);
}

/* Bytes behind what was read are lines that came meanwhile then. */
static bool has_grown(const struct log_audit *audit)
{
    uint64_t limit, head;

    return log_folder_limit(audit->folder, &limit, &head, NULL) != 0 || audit->folder->written ||
           limit > audit->state.at;
}

static void tell(const struct log_verify_settings *settings, const struct log_audit *audit)
{
    const struct log_audit_state *state = &audit->state;

    cdc_log_write(settings->log, CDC_LOG_INFO,
                  "the log is whole: %zu segments, %" PRIu64 " lines from byte %" PRIu64 " to %" PRIu64 ", %" PRIu64
                  " purged%s",
                  audit->segments, state->lines, state->begin, state->at, state->purged,
                  audit->kept != NULL ? "; it goes on from the checkpoint" : "");
    if (audit->torn > 0 && !has_grown(audit))
        cdc_log_write(settings->log, CDC_LOG_INFO,
                      "%" PRIu64 " bytes behind the last commit do not count: they were never acknowledged",
                      audit->torn);
    if (state->salted > 0)
        cdc_log_write(settings->log, CDC_LOG_WARNING,
                      "%" PRIu64 " purged lines have their salt still: a purge was ended too early; start it again",
                      state->salted);
}

static int run(const struct log_verify_settings *settings, struct log_audit *audit, const struct log_key *signer,
               struct cdc_buf *report, struct cdc_error *error)
{
    if (log_audit_run(audit, error) != 0)
        return -1;
    if (signer != NULL && write_checkpoint(audit, settings->checkpoint_to, signer, error) != 0)
        return -1;
    tell(settings, audit);
    append_report(report, audit);
    return report->failed ? cdc_error_memory(error) : 0;
}

int log_verify(const struct log_verify_settings *settings, struct cdc_buf *report, struct cdc_error *error)
{
    struct log_folder folder = {.fd = -1};
    struct log_checkpoint kept;
    struct cdc_buf note = CDC_BUF_INIT;
    struct log_audit audit = {.folder = &folder, .log = settings->log, .control = settings->control};
    struct log_key *signer = settings->signer != NULL ? log_key_read_private(settings->signer, error) : NULL;
    int result = settings->signer != NULL && signer == NULL ? -1 : 0;

    if (result == 0 && settings->checkpoint != NULL) {
        result = log_read_checkpoint(&note, settings->checkpoint, settings->key, &kept, error);
        audit.kept = &kept;
    }
    audit.with_tree = settings->checkpoint != NULL || signer != NULL;
    log_tree_init(&audit.state.tree, LOG_TREE_NOBODY);
    if (result == 0)
        result = log_folder_open(&folder, settings->path, error) == 0 && log_folder_list(&folder, error) == 0
                     ? run(settings, &audit, signer, report, error)
                     : -1;
    log_audit_free(&audit);
    log_folder_close(&folder);
    log_key_free(signer);
    cdc_buf_free(&note);
    return result;
}
