/* SPDX-License-Identifier: MIT */
/* Change events in the forms of other tools: written from lines of cdc-event(5), and read into such lines. What a form cannot
 * carry is counted, and told by name. */
#ifndef CDC_FORMAT_H
#define CDC_FORMAT_H

#include <cdc/event.h>
#include <cdc/options.h>

/* -- writing ------------------------------------------------------------------------- */

struct cdc_format_writer;

/* spec: a format's name, and after commas what it is asked for, such as "debezium,schemas": cdc-filter(1) lists them. USAGE
 * where there is none of that. RETURNS NEW. */
struct cdc_format_writer *cdc_format_writer_new(const char *spec, struct cdc_error *error);
void cdc_format_writer_free(struct cdc_format_writer *writer);
/* Appends what the event is in that format, whole lines: how many, 0 where it has nothing for it, or -1 (DATA: a row before the
 * schema line of its table). Of the type of a cdc_filter_format's. */
int cdc_format_write(void *writer, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
/* Appends what was lost so far, "3 dates that are none became null; ...", and returns how many things in all. */
uint64_t cdc_format_writer_losses(const struct cdc_format_writer *writer, struct cdc_buf *out);

/* -- reading ------------------------------------------------------------------------- */

/* Where the lines' positions come from. */
enum cdc_format_position {
    CDC_FORMAT_POSITION_LOG,  /* from what the format has of the log's; DATA where it has nothing */
    CDC_FORMAT_POSITION_LINE, /* the number of the line: the same input is read from its beginning each time */
    CDC_FORMAT_POSITION_RUN   /* the time of the start, and the number: what comes again is taken again */
};

struct cdc_format_reader_settings {
    const char *spec;
    const char *name;            /* source.name where the format has none; NULL: the format's name */
    struct cdc_option_list keys; /* "[TABLE:]a,b": key columns of tables whose lines do not tell */
    enum cdc_format_position position;
    int64_t now_ms; /* since 1970: of the start */
};

struct cdc_format_reader;

/* BORROWS the settings' texts. RETURNS NEW. */
struct cdc_format_reader *cdc_format_reader_new(const struct cdc_format_reader_settings *settings,
                                                struct cdc_error *error);
void cdc_format_reader_free(struct cdc_format_reader *reader);
/* Appends the lines of cdc-event(5) that a line of the format (without LF) is, none for some: 0, or -1 (DATA: it is none of that
 * format, or lacks what is needed). A line without bytes (p NULL) is the end of the input. */
int cdc_format_read(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out,
                    struct cdc_error *error);
/* With CDC_FORMAT_POSITION_LINE: the line that comes next has this number. Numbers grow. */
void cdc_format_reader_seek(struct cdc_format_reader *reader, uint64_t number);
/* Are rows of its tables in other inputs as well, so that a line about all of them has no place here? Then tables that are dropped are counted. */
void cdc_format_reader_set_unordered(struct cdc_format_reader *reader, bool unordered);
uint64_t cdc_format_reader_losses(const struct cdc_format_reader *reader, struct cdc_buf *out);

#endif
