/* SPDX-License-Identifier: MIT */
/* Errors as values. The texts are arrays within the struct, not pointers: an error can be set when there is no memory
 * left, copied by assignment, and forgotten without being freed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cdc/error.h>

/* A text that did not fit loses its end; not inside a character. */
static void drop_partial_character(char *text)
{
    size_t n = strlen(text), i = n;

    while (i > 0 && n - i < 4 && ((unsigned char)text[i - 1] & 0xc0) == 0x80)
        i--;
    if (i == 0 || (unsigned char)text[i - 1] < 0xc0)
        return;
    unsigned char lead = (unsigned char)text[i - 1];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (n - (i - 1) < wanted)
        text[i - 1] = '\0';
}

int cdc_error_set(struct cdc_error *error, int status, const char *format, ...)
{
    va_list arguments;

    /* The first error is the cause; what fails after it, while things are taken down, is only its consequence. */
    if (error == NULL || error->status != 0)
        return -1;
    error->status = status;
    /* A hint belongs to one text. One that an earlier, cleared error left would give advice about something else. */
    error->hint[0] = '\0';
    error->item = NULL;
    va_start(arguments, format);
    if (vsnprintf(error->text, sizeof error->text, format, arguments) >= (int)sizeof error->text)
        drop_partial_character(error->text);
    va_end(arguments);
    return -1;
}

int cdc_error_hint(struct cdc_error *error, const char *format, ...)
{
    va_list arguments;

    if (error == NULL || error->hint[0] != '\0')
        return -1;
    va_start(arguments, format);
    vsnprintf(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
    return -1;
}

int cdc_error_prefix(struct cdc_error *error, const char *format, ...)
{
    va_list arguments;
    char prefix[256];
    char whole[sizeof error->text];

    if (error == NULL || error->status == 0)
        return -1;
    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    /* Put together in a copy, since text is both what is read and what is written. */
    /* A text that does not fit loses its end, never its beginning. */
    int n = snprintf(whole, sizeof whole, "%s: ", prefix);
    size_t used = n < 0 ? 0 : (size_t)n;
    size_t room = sizeof whole - used - 1;
    size_t length = strnlen(error->text, room);
    memcpy(whole + used, error->text, length);
    whole[used + length] = '\0';
    memcpy(error->text, whole, used + length + 1);
    drop_partial_character(error->text);
    return -1;
}

int cdc_error_item(struct cdc_error *error, const char *item, size_t at)
{
    if (error != NULL && error->item == NULL) {
        error->item = item;
        error->at = at;
    }
    return -1;
}

int cdc_error_memory(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_INTERNAL, "out of memory");
}

void cdc_error_clear(struct cdc_error *error)
{
    if (error == NULL)
        return;
    /* Not the texts: that would be 1.5 KB for each line. */
    error->status = 0;
    error->text[0] = error->hint[0] = '\0';
    error->item = NULL;
    error->at = 0;
}

bool cdc_error_is_transient(const struct cdc_error *error)
{
    /* Not IO: a full disk or a broken pipe does not heal within the seconds of a retry. A supervisor may still start
     * such a tool again (cdc(7), "Exit status"). */
    return error->status == CDC_EXIT_UNAVAILABLE || error->status == CDC_EXIT_TEMPORARY;
}
