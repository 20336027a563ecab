/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "connectors/log/proof/checkpoint.h"

#define ORIGIN "cdc-log/"

static void origin_of(char origin[LOG_ORIGIN_MAX], const struct log_checkpoint *checkpoint)
{
    int n = snprintf(origin, LOG_ORIGIN_MAX, ORIGIN "%s", checkpoint->id);
    if (checkpoint->start != 0)
        snprintf(origin + n, LOG_ORIGIN_MAX - (size_t)n, "/%" PRIu64, checkpoint->start);
}

int log_checkpoint_sign(struct cdc_buf *out, const struct log_checkpoint *checkpoint, const struct log_key *key,
                        struct cdc_error *error)
{
    char origin[LOG_ORIGIN_MAX];
    struct cdc_buf text = CDC_BUF_INIT;

    origin_of(origin, checkpoint);
    cdc_buf_printf(&text, "%s\n%" PRIu64 "\n", origin, checkpoint->lines);
    cdc_buf_base64(&text, checkpoint->root, LOG_HASH);
    cdc_buf_printf(&text, "\nbyte %" PRIu64 "\nchain ", checkpoint->end);
    cdc_buf_base64(&text, checkpoint->chain, LOG_HASH);
    cdc_buf_byte(&text, '\n');
    int result =
        text.failed ? cdc_error_memory(error) : log_note_sign(out, cdc_span(text.data, text.len), origin, key, error);
    cdc_buf_free(&text);
    return result;
}

/* -- reading: each takes a part off the front of *rest, false where it is not there ------ */

static bool take(struct cdc_span *rest, const char *text)
{
    size_t n = strlen(text);

    if (rest->n < n || memcmp(rest->p, text, n) != 0)
        return false;
    *rest = cdc_span(rest->p + n, rest->n - n);
    return true;
}

static bool take_number(struct cdc_span *rest, uint64_t *value)
{
    size_t i = 0;

    for (*value = 0; i < rest->n && rest->p[i] >= '0' && rest->p[i] <= '9'; i++)
        if (i > 18) /* as much as fits */
            return false;
        else
            *value = *value * 10 + (uint64_t)(rest->p[i] - '0');
    bool zero_before = i > 1 && rest->p[0] == '0';
    *rest = cdc_span(rest->p + i, rest->n - i);
    return i > 0 && !zero_before;
}

static bool take_hash(struct cdc_span *rest, unsigned char hash[LOG_HASH])
{
    unsigned char raw[LOG_HASH + 1];
    size_t letters = (LOG_HASH + 2) / 3 * 4, n;

    if (rest->n < letters || !log_from_base64(raw, &n, cdc_span(rest->p, letters)) || n != LOG_HASH)
        return false;
    memcpy(hash, raw, LOG_HASH);
    *rest = cdc_span(rest->p + letters, rest->n - letters);
    return true;
}

static bool take_id(struct cdc_span *rest, char id[LOG_ID_HEX + 1])
{
    if (rest->n < LOG_ID_HEX)
        return false;
    memcpy(id, rest->p, LOG_ID_HEX);
    id[LOG_ID_HEX] = '\0';
    *rest = cdc_span(rest->p + LOG_ID_HEX, rest->n - LOG_ID_HEX);
    return strspn(id, "0123456789abcdef") == LOG_ID_HEX;
}

static bool parse(struct log_checkpoint *checkpoint, struct cdc_span rest)
{
    *checkpoint = (struct log_checkpoint){.lines = 0};
    return take(&rest, ORIGIN) && take_id(&rest, checkpoint->id) &&
           (!take(&rest, "/") || (take_number(&rest, &checkpoint->start) && checkpoint->start > 0)) &&
           take(&rest, "\n") && take_number(&rest, &checkpoint->lines) && take(&rest, "\n") &&
           take_hash(&rest, checkpoint->root) && take(&rest, "\nbyte ") && take_number(&rest, &checkpoint->end) &&
           take(&rest, "\nchain ") && take_hash(&rest, checkpoint->chain) && take(&rest, "\n") && rest.n == 0;
}

int log_checkpoint_open(struct log_checkpoint *checkpoint, struct cdc_span note, const struct log_key *key,
                        struct cdc_error *error)
{
    struct cdc_span text, signatures;
    char origin[LOG_ORIGIN_MAX];

    if (log_note_split(note, &text, &signatures, error) != 0)
        return -1;
    if (!parse(checkpoint, text))
        return cdc_error_set(error, CDC_EXIT_DATA, "a signed note, but no checkpoint of a cdc-log");
    origin_of(origin, checkpoint);
    return key == NULL ? 0 : log_note_open(note, origin, key, &text, error);
}
