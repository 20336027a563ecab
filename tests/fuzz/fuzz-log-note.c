/* SPDX-License-Identifier: MIT */
/* Any bytes as a signed note, and as a checkpoint of a log: what is taken for one is signed again to the same text, and nothing is
 * taken for signed that the key has not signed. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

#include "connectors/log/proof/checkpoint.h"

/* The private one of RFC 8032, 7.1, test 1. */
static const char pem[] =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

/* The note that the checkpoint makes begins with the text that it came from. */
static void look_at_checkpoint(const struct log_checkpoint *checkpoint, struct cdc_span text, const struct log_key *key)
{
    struct cdc_buf again = CDC_BUF_INIT;
    struct log_checkpoint same;

    if (log_checkpoint_sign(&again, checkpoint, key, NULL) != 0 || again.len < text.n ||
        memcmp(again.data, text.p, text.n) != 0 ||
        log_checkpoint_open(&same, cdc_span(again.data, again.len), key, NULL) != 0)
        abort();
    cdc_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_key *key;
    char *copy = (char *)exact_copy(data, size);
    struct cdc_span note = cdc_span(copy, size), text, signatures;
    struct log_checkpoint checkpoint;
    struct cdc_error error = {0};

    if (key == NULL && (key = log_key_parse(cdc_span_text(pem), true, "key", NULL)) == NULL)
        abort();
    bool is_note = log_note_split(note, &text, &signatures, &error) == 0;
    if (is_note && text.n + signatures.n + 1 != size)
        abort();
    if (!is_note && error.status != CDC_EXIT_DATA)
        abort();
    if (log_checkpoint_open(&checkpoint, note, NULL, NULL) == 0)
        look_at_checkpoint(&checkpoint, text, key);
    if (is_note)
        (void)log_note_open(note, "example.com/foo", key, &text, NULL);
    free(copy);
    return 0;
}
