/* SPDX-License-Identifier: MIT */
/* What the files of this room share. */
#ifndef KAFKA_SOURCE_INTERNAL_H
#define KAFKA_SOURCE_INTERNAL_H

#include "connectors/kafka/record/json.h"
#include "connectors/kafka/record/merge.h"
#include "connectors/kafka/record/record.h"
#include "connectors/kafka/source/source.h"

#include <cdc/format.h>
#include <cdc/relay.h>

#define NOT_READ ((int64_t)-1)

/* The record that was last passed on before a position: what shows that a topic is still the one that it was. */
struct anchor {
    int64_t offset; /* NOT_READ: none */
    int64_t timestamp;
    uint32_t crc; /* CRC-32C of key and value */
};

/* Where a partition goes on. */
struct kafka_spot {
    int64_t next;
    struct anchor anchor;
};

/* How far each source has come, by its name. */
struct passed_list {
    struct passed {
        char *name, *pos;
    } * items;
    size_t n;
};

struct part {
    char *topic;
    int32_t partition;
    char *label;            /* "NAME/TOPIC/PARTITION" without NAME: "/TOPIC/PARTITION", as JSON text */
    struct kafka_spot read; /* what was taken into lines */
    struct kafka_spot safe; /* the same up to the newest boundary */
    bool started;           /* read is where it begins, not just 0 */
    bool by_sinks;          /* that is after what the sinks have of one source, the first one in it */
    bool verify;            /* the next record is the anchor's, to be compared */
    bool at_end;            /* all that is committed was read */
    int64_t end;            /* offset where --until stops it; NOT_READ: none */
    int64_t seen;           /* the position at the last EOF, which is after markers as well */
    int64_t hidden;         /* where a transaction was open when it was looked at last; NOT_READ: none */
    bool told;              /* that it is */
    bool done;
    /* Of partitions that are sources of their own: what was written since their last commit. */
    uint64_t open;
    int64_t open_since;
    struct cdc_buf pos, name, source; /* of the last line */
    int64_t seq, ts_ms;
    bool moves;                       /* it was a delete of a row that goes on under another key */
    struct cdc_buf gone;              /* key of the last delete: its tombstone says nothing new */
    struct cdc_format_reader *reader; /* of other tools' records, but for plain JSON: */
    struct kafka_json_table *json;    /* BORROWED: its topic's */
    size_t json_told;                 /* columns of the schema line that it has had in this run; SIZE_MAX: none */
    /* Of records of other tools: the source of the newest row, whose table a key alone does not tell. */
    struct cdc_buf home;
    bool mixed; /* rows of several tables came */
    bool fresh; /* it was begun at its beginning, and no row came yet: no sink has one */
    /* Of a merge: a queue of its own, and the record at its front. */
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *front;
    struct cdc_event event; /* of the front */
    /* The record last taken; and that of `safe`, while its CRC is not known yet. */
    rd_kafka_message_t *kept, *safe_message;
};

struct kafka_source {
    const struct kafka_source_settings *settings;
    struct cdc_metrics *metrics;
    const struct cdc_log *log;
    enum kafka_order order;
    bool foreign, json;               /* json: foreign records are plain JSON */
    struct kafka_json_table **tables; /* of these, one a topic */
    size_t n_tables;
    struct kafka_client_settings client; /* without attempts of its own: the loop tries again */
    struct kafka_client asker;           /* asks for topics and ends, transactions that are open or not */
    struct kafka_client consumer;        /* reads */
    rd_kafka_queue_t *queue;             /* of all partitions, and of what the client tells */
    int wake;                            /* readable when something came */
    char *cluster;
    struct part *parts;
    size_t n_parts;
    bool was_log; /* the order of the run before, or of the connection before */
    bool known;   /* parts have positions: of the offset file, or of this run */
    char **topics;
    int32_t *topic_partitions;
    size_t n_topics;
    struct cdc_relay *relay;
    struct cdc_buf names; /* newest boundaries of the lines: {"shop":"POS"} members are made of these */
    struct passed_list passed;
    struct cdc_offset boundary; /* pos NULL: none yet */
    bool new_boundary;          /* since the last place */
    int64_t boundary_seq;
    bool between;
    uint64_t changes_before;
    bool ended;     /* --max-events or --until=POS */
    bool suspect;   /* a broker does not know a topic any more */
    bool reset;     /* the client passed over records */
    char told[300]; /* what the client said about that */
    /* Records that were fetched and not taken yet. */
    rd_kafka_message_t *batch[1000];
    size_t n_batch, at;
    struct mirror {
        rd_kafka_topic_partition_list_t *wanted; /* NULL: nothing to send */
        rd_kafka_queue_t *answers;
        bool under_way;
        int64_t sent;
        rd_kafka_resp_err_t told;
    } mirror;
    int64_t progress, looked; /* when something came, and when the brokers were asked last */
    struct cdc_buf scratch;
    struct schemas {
        struct schema {
            char *name, *db, *schema, *table; /* raw texts; "" where there is none */
            char *line;
            bool *told; /* in this run, of each part that is a source of its own; else of the first */
            size_t n_told;
        } * items;
        size_t n, last; /* last: looked up last */
        bool changed;
    } schemas;
    struct merge_state {
        struct kafka_transaction transaction;
        struct cdc_buf pos;
        int64_t seq;
        bool open;
        bool described; /* it has had nothing but schema lines so far */
        size_t front;   /* the transaction topic's part */
        struct kafka_merge counts;
        struct cdc_span *fronts;
        struct cdc_buf last;      /* name and pos of the last line that has no row */
        struct passed_list ended; /* the newest END of each source, of this run or, as passed, of the one before it */
        uint64_t changes;
    } merge;
};

/* -- parts.c -- */
/* Appends text, the event's line or its source, with the partition after source.name, and the whole name beside it: partitions have
 * positions of their own, and their tables are those of one source (cdc/table.h). */
void kafka_append_named(struct cdc_buf *out, const struct part *part, const struct cdc_event *event,
                        struct cdc_span text);
uint32_t kafka_crc(const rd_kafka_message_t *message);
struct part *kafka_part_find(struct kafka_source *source, const char *topic, int32_t partition);
/* Topics and their partitions as the brokers have them; new parts are added. */
int kafka_parts_look(struct kafka_source *source, struct cdc_error *error);
/* Is the partition one to be read that was not there when they were looked for? */
bool kafka_parts_is_new(const struct kafka_source *source, const char *topic, int32_t partition);
/* What the records of other tools could not carry. */
void kafka_parts_report(const struct kafka_source *source);
void kafka_parts_free(struct kafka_source *source);
/* What the offset file keeps, from and into JSON. */
int kafka_state_read(struct kafka_source *source, const char *state, struct cdc_error *error);
char *kafka_state_write(const struct kafka_source *source);
int64_t kafka_state_sum(const struct kafka_source *source);
int kafka_passed(struct kafka_source *source, struct cdc_span raw_name, struct cdc_span pos, struct cdc_error *error);
int kafka_passed_set(struct passed_list *list, const char *name, struct cdc_span pos, struct cdc_error *error);
/* NULL: nothing of it was passed. */
const char *kafka_passed_of(const struct passed_list *list, struct cdc_span raw_name);
void kafka_passed_free(struct passed_list *list);
int kafka_lost(struct cdc_error *error, const char *format, ...) CDC_PRINTF(2, 3);

/* -- start.c -- */
/* Decides where each part begins, and sees that the brokers still have it. */
int kafka_start(struct kafka_source *source, struct cdc_error *error);

/* -- lines.c -- */
/* Appends what the record is. 1: a boundary came; 0; -1. */
int kafka_take(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message, struct cdc_buf *out,
               struct cdc_error *error);
/* Ends what partitions have written: all, or those that are at their end or have been open for long. 1, 0 or -1. */
int kafka_commit_parts(struct kafka_source *source, bool all, struct cdc_buf *out, struct cdc_error *error);
/* The anchor of a part, compared with the first record that came. 1: it was that record, which is taken already; 0: it is a
 * new one; -1. */
int kafka_verify(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                 struct cdc_error *error);
void kafka_read_to(struct part *part, const rd_kafka_message_t *message);
/* The text of a header of the record; p NULL: it has none. */
struct cdc_span kafka_header_of(const rd_kafka_message_t *message, const char *name);

/* -- schemas.c -- */
/* A schema line is kept; before the first row of a table in this run its newest one is appended, unless it came. */
int kafka_schemas_note(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                       struct cdc_error *error);
/* The same of a row, where only the table matters. */
int kafka_schemas_row(struct kafka_source *source, const struct part *part, const struct cdc_event *event,
                      struct cdc_buf *out, struct cdc_error *error);
/* The newest line of a table of plain JSON; NULL: none. */
const char *kafka_schemas_of(const struct kafka_source *source, const char *table);
/* Nothing was told yet. */
void kafka_schemas_begin(struct kafka_source *source);
/* Does any table still lack its line in this run? */
bool kafka_schemas_wait(const struct kafka_source *source);
int kafka_schemas_load(struct kafka_source *source, struct cdc_error *error);
int kafka_schemas_save(struct kafka_source *source, struct cdc_error *error);
/* Of plain JSON: what kafka_json_lines makes of a record. */
int kafka_json_of_message(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                          size_t *told, struct cdc_buf *out, struct cdc_error *error);
void kafka_schemas_free(struct kafka_source *source);

/* -- merge.c -- */
enum cdc_source_result kafka_merge_read(struct kafka_source *source, struct cdc_buf *out, size_t limit,
                                        struct cdc_error *error);
/* Was every transaction passed on? Behind its last row a partition is not looked at: that it has no more is not known of each. */
bool kafka_merge_at_end(const struct kafka_source *source);
void kafka_merge_reset(struct kafka_source *source);
/* From where the parts are now. */
int kafka_merge_start(struct kafka_source *source, struct cdc_error *error);

/* -- watch.c -- */
/* TEMPORARY: a new connection is to be made, or an open transaction to be waited for. */
int kafka_look(struct kafka_source *source, struct cdc_error *error);

/* -- mirror.c -- */
/* What is confirmed, for --mirror-group. */
void kafka_mirror_note(struct kafka_source *source, const struct cdc_offset *offset);
/* Sends it, once a second at most. */
void kafka_mirror_tick(struct kafka_source *source);
/* The last of it, before the consumer is closed. Waits for some seconds at most. */
void kafka_mirror_end(struct kafka_source *source);

/* -- boundary.c -- */
/* An error or the end of a partition that came as a message. 0 or -1. */
int kafka_event_message(struct kafka_source *source, struct part *part, const rd_kafka_message_t *message,
                        struct cdc_error *error);
struct part *kafka_part_of(struct kafka_source *source, const rd_kafka_message_t *message);
int kafka_boundary(struct kafka_source *source, struct cdc_error *error);
/* TAKES the message, which was read last. */
void kafka_keep(struct part *part, rd_kafka_message_t *message);
/* What was read is all before a boundary. */
void kafka_safe(struct part *part);
void kafka_part_forget(struct part *part);
void kafka_settle_crc(struct part *part);

#endif
