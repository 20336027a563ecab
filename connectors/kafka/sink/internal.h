/* SPDX-License-Identifier: MIT */
/* The sink's own. Lines become records of a batch (table.c, log.c), which stays in memory until Kafka has it for sure:
 *
 *   taken in     records[0..n)           boundary: what is before it is whole
 *   produced     records[0..produced)    in a transaction of Kafka that is open
 *   commit       and the position record comes back through a reader of its own: then, and only then, all of it is forgotten
 *   failed       produced is 0 again, and all of them go once more, in a transaction or a client that is new */
#ifndef KAFKA_SINK_INTERNAL_H
#define KAFKA_SINK_INTERNAL_H

#include "connectors/kafka/record/record.h"
#include "connectors/kafka/sink/settings.h"
#include <cdc/format.h>

/* -- spool.c: a file in place of memory ---------------------------------------------------- */
struct kafka_spool {
    const char *folder; /* NULL: there is none */
    int fd, failed;     /* failed: the errno of what went wrong last */
    bool open;
    uint64_t size;
};
/* Zeros, a multiple of a page of them, to be unmapped (munmap). NULL: spool->failed. */
void *kafka_spool_map(struct kafka_spool *spool, size_t n);
/* The one mapping of a spool, n bytes, with more zeros after them; it may move. NULL: spool->failed, and it stays as it is. */
void *kafka_spool_grow(struct kafka_spool *spool, void *memory, size_t n, size_t more);
/* It stays as it is, and leaves this process's memory until it is looked at again. */
void kafka_spool_let_go(void *memory, size_t n);
/* Nothing of it is mapped any more. */
void kafka_spool_empty(struct kafka_spool *spool);
void kafka_spool_close(struct kafka_spool *spool);

/* -- arena.c: memory that stays where it is until all of it is given up --------------- */
struct kafka_chunk {
    struct kafka_chunk *next;
    size_t n, size;
    bool mapped; /* of the spool */
    char data[];
};
struct kafka_arena {
    struct kafka_chunk *first, *last; /* the last one is filled */
    struct kafka_chunk *spare;
    size_t heap; /* bytes of chunks that are not mapped */
    struct kafka_spool spool;
};
struct kafka_arena_mark {
    struct kafka_chunk *last;
    size_t n;
};
void kafka_arena_free(struct kafka_arena *arena);
/* A copy; NULL without memory. Of no bytes: not NULL. */
const char *kafka_arena_put(struct kafka_arena *arena, const void *data, size_t n);
struct kafka_arena_mark kafka_arena_here(const struct kafka_arena *arena);
/* What was put since the mark is gone; mark.last NULL: all. */
void kafka_arena_rewind(struct kafka_arena *arena, struct kafka_arena_mark mark);
/* What is mapped leaves the memory (kafka_spool_let_go). */
void kafka_arena_let_go(struct kafka_arena *arena);

/* -- topics: topics.c ------------------------------------------------------------------ */
/* By partition: the offset after the newest record of ours. A topic that ends before that was made again, or cut. */
struct kafka_ends {
    int64_t *stored, *coming; /* as Kafka has them, and as the batch in hand has moved them */
    int32_t n;
    bool moved; /* or are to be kept anew: */
    bool anew;  /* their loss is accepted in this run, and Kafka has the old ones still */
    bool lost;  /* it was found to be shorter, in this run or one before */
};
struct kafka_topic {
    char *name;
    rd_kafka_topic_t *handle; /* of the producer that is open */
    int32_t partitions;
    int64_t max_bytes;
    bool compacted;
    bool claimed, claim_stored; /* by our table: owner, and whether Kafka has it */
    bool of_another;            /* the stored claim is of a sink with another transactional id */
    struct cdc_table_id owner;
    struct kafka_ends ends;
    struct kafka_topic *next;
};

struct kafka_header {
    const char *name, *value; /* name: a literal */
    size_t n;
};
struct kafka_record {
    struct kafka_topic *topic;
    int32_t partition;
    uint32_t key_n, n_headers;
    const char *key, *value; /* NULL: none */
    size_t value_n;
    const struct kafka_header *headers;
    const char *line; /* the line, where the value is not it and it may be refused */
    size_t line_n;
    uint64_t number;
    int64_t timestamp; /* 0: now */
    bool alone;        /* so long that the broker may refuse it: in a request of its own */
    bool skipped;      /* refused */
    bool counted;      /* of its transaction */
};

struct kafka_table {
    struct cdc_table source; /* the first member */
    struct kafka_topic *topic;
    const char **key; /* names of its key columns: of source's, or owned ones of the first line */
    size_t n_key;
    char **seen; /* the owned ones */
};

/* A source, as far as it was taken in. */
struct kafka_stream {
    struct kafka_place place;     /* what Kafka has: stored */
    struct cdc_buf taken, marked; /* positions: of the newest line, and at the boundary */
    struct cdc_buf again;         /* of the newest line that Kafka has already */
    int64_t taken_seq, marked_seq;
    struct cdc_offset offset; /* its boundary that is to be stored; pos NULL: none */
    struct kafka_transaction transaction;
    int64_t transaction_seq, transaction_ts;
    /* Schema lines of the transaction in hand, which has not begun where it is not open: members of a list (kafka_described_append).
     * They are a part of the position: whether a source tells them again, and where, is not known. */
    struct kafka_described {
        struct cdc_buf list;
        struct cdc_buf begins; /* pos of the first of them, which names the parts, with a NUL */
        size_t *cuts, n_cuts;  /* where each part that is a record of its own ends */
        size_t stored;         /* parts that Kafka has */
        size_t marked_len, marked_cuts, marked_stored;
    } described;
};

/* A record beside a position that none needs any more. ripe: nor the position that Kafka has. */
struct kafka_dead {
    char *key;
    bool ripe;
};

struct kafka_sink {
    struct cdc_sink_context context; /* the first member */
    const struct kafka_sink_settings *settings;
    struct kafka_client producer, reader;
    bool producer_open, reader_open, renew; /* renew: the producer is to be made anew before the next transaction */
    char batch_size[24];
    struct cdc_retry retry;
    /* the batch */
    struct kafka_arena arena;
    struct kafka_record *records;
    struct kafka_spool record_spool;
    bool records_mapped;
    size_t n, room, produced, bytes;
    size_t marked_n, marked_bytes;
    size_t alone_from; /* the records of a line that goes alone */
    struct kafka_arena_mark mark;
    bool begun; /* a transaction of Kafka is open */
    int64_t begun_ms;
    int64_t delivered_ms; /* when a record was acknowledged last; of a batch in the spool */
    unsigned too_long;    /* how often in a row the brokers ended a transaction that took too long */
    /* delivery reports, written by whoever serves the client */
    uint64_t outstanding;
    rd_kafka_resp_err_t failed;
    size_t failed_record;
    bool too_large;          /* the batch was given up since a broker finds a record too long */
    int64_t position_offset; /* of the position record; -1 */
    size_t position_record;  /* its index + 1 */
    struct kafka_topic
        *cut; /* a record of the batch has an offset that was another's: that topic ends before what was stored in it */
    /* sources */
    struct kafka_stream *streams;
    size_t n_streams;
    struct kafka_dead *dead;
    size_t n_dead, marked_dead;
    /* tables and topics */
    struct cdc_tables tables;
    struct kafka_topic *topics;
    struct kafka_topic *log_topic, *offsets_topic;
    int64_t read_next;             /* in the topic of positions; -1: its beginning */
    struct kafka_topic *looked_at; /* by kafka_lost_tick, in turn */
    int64_t next_look;
    int64_t whole_ms; /* of a topic of lines: when it was known to have all of them */
    struct cdc_format_writer *writer;
    struct cdc_buf scratch, key, old_key, text, position;
    bool told_truncate, told_message, told_ddl, told_unchanged, told_compression;
    uint64_t lost_columns, dropped;
    bool lost;    /* what was taken in could not be taken back */
    bool emptied; /* retention has removed every record of the log topic, and with them the position */
};

struct kafka_topic *kafka_topic_of(struct kafka_sink *sink, const char *name, int32_t partitions,
                                   struct cdc_error *error);
/* Those of the topics that say which table is in which topic. */
struct kafka_topic *kafka_topic_known(const struct kafka_sink *sink, const char *name);
void kafka_topics_free(struct kafka_sink *sink);
void kafka_topics_forget_handles(struct kafka_sink *sink);
/* Prepares a topic for rows: it is there, its settings are known. */
int kafka_topic_prepare(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partitions, const char *policy,
                        struct cdc_error *error);
rd_kafka_topic_t *kafka_topic_handle(struct kafka_sink *sink, struct kafka_topic *topic, struct cdc_error *error);
extern const struct cdc_target_ops kafka_target_ops; /* owner.c */

/* -- ends.c: how far topics were written, and whether they still go so far -------------------------- */
void kafka_ends_free(struct kafka_ends *ends);
/* Makes room for that many partitions. */
int kafka_ends_grow(struct kafka_ends *ends, int32_t n, struct cdc_error *error);
/* A record of the batch was acknowledged. */
void kafka_ends_delivered(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partition, int64_t offset);
/* Of the topic of positions: as Kafka has them. value.p NULL: they were removed. */
int kafka_ends_take(struct kafka_topic *topic, struct cdc_span value, struct cdc_error *error);
/* The batch was given up, or is stored. */
void kafka_ends_go_back(struct kafka_sink *sink);
void kafka_ends_stored(struct kafka_sink *sink);
/* Was anything stored in the topic by us, as far as is known? */
bool kafka_ends_any(const struct kafka_topic *topic);
/* LOST, always -1: the topic is not there; a partition of it ends at high (-1: did so once). */
int kafka_ends_gone(const struct kafka_sink *sink, const struct kafka_topic *topic, struct cdc_error *error);
int kafka_ends_shorter(const struct kafka_sink *sink, const struct kafka_topic *topic, int32_t partition, int64_t high,
                       struct cdc_error *error);

/* -- lost.c: do they still go so far? ---------------------------------------------------------- */
/* At the start: all of those that are there, and those whose loss is accepted. LOST. */
int kafka_lost_check(struct kafka_sink *sink, struct cdc_error *error);
/* One attempt at each of them; what cannot be asked is not known. gone: one that is not there has lost its rows as well. LOST. */
int kafka_lost_look(struct kafka_sink *sink, bool gone, struct cdc_error *error);
/* Now and then one of them. LOST. */
int kafka_lost_tick(struct kafka_sink *sink, struct cdc_error *error);
/* LOST, always -1: it is kept in Kafka, so that the next run says the same. No transaction is open. */
int kafka_lost_mark(struct kafka_sink *sink, struct kafka_topic *topic, struct cdc_error *error);

/* -- streams: stream.c --------------------------------------------------------------------- */
struct kafka_stream *kafka_stream_of(struct kafka_sink *sink, struct cdc_span raw_name, struct cdc_error *error);
struct kafka_stream *kafka_stream_named(struct kafka_sink *sink, const char *name, struct cdc_error *error);
/* Has it been taken in, in this run or an earlier one? */
bool kafka_stream_has(const struct kafka_stream *stream, struct cdc_span pos);
int kafka_stream_take(struct kafka_stream *stream, const struct cdc_event *event, struct cdc_error *error);
int kafka_streams_mark(struct kafka_sink *sink, struct cdc_error *error);
void kafka_streams_go_back(struct kafka_sink *sink);
void kafka_streams_free(struct kafka_sink *sink);
/* Positions that a commit would reach, as text: of all, or of one that has moved. */
void kafka_stream_position(struct cdc_buf *out, const struct kafka_sink *sink, const struct kafka_stream *only);
/* As it would be after a commit: the texts are BORROWED, but for *pos (NEW; NULL). */
struct kafka_place kafka_stream_coming(const struct kafka_stream *stream, char **pos);
bool kafka_stream_has_moved(const struct kafka_stream *stream);
/* They are in Kafka now. */
int kafka_streams_stored(struct kafka_sink *sink, struct cdc_error *error);

/* -- described.c: schema lines that a position keeps ---------------------------------------- */
int kafka_described_add(struct kafka_sink *sink, struct kafka_stream *stream, const struct cdc_event *schema,
                        const struct kafka_topic *topic, struct cdc_error *error);
/* Their transaction has ended. */
int kafka_described_close(struct kafka_sink *sink, struct kafka_stream *stream, struct cdc_error *error);
/* As Kafka has them. */
int kafka_described_restore(struct kafka_stream *stream, const struct kafka_place *place, struct cdc_error *error);
/* Parts that were read, and that no position speaks of, are to go. */
int kafka_described_forget(struct kafka_sink *sink, const struct kafka_places *places, struct cdc_error *error);
void kafka_described_mark(struct kafka_stream *stream);
void kafka_described_go_back(struct kafka_stream *stream);
void kafka_dead_mark(struct kafka_sink *sink);
void kafka_dead_go_back(struct kafka_sink *sink);
void kafka_described_stored(struct kafka_sink *sink);
void kafka_described_free(struct kafka_stream *stream);

/* -- batch.c --------------------------------------------------------------------------------- */
/* Adds a record, whose bytes are copied but for value where it is in the arena already. 0 or -1. */
struct kafka_record *kafka_batch_add(struct kafka_sink *sink, struct kafka_topic *topic, int32_t partition,
                                     struct cdc_error *error);
/* Headers of its place: cdc.name, cdc.pos, cdc.seq, and one more (name NULL: none). */
int kafka_batch_headers(struct kafka_sink *sink, struct kafka_record *record, const struct cdc_event *event,
                        const char *name, struct cdc_span value, struct cdc_error *error);
/* Hands what is taken in to the client, as far as that goes. */
int kafka_batch_produce(struct kafka_sink *sink, struct cdc_error *error);
/* Stores all of it with the positions of the streams, and forgets it. */
int kafka_batch_commit(struct kafka_sink *sink, struct cdc_error *error);
/* Back to the boundary. */
int kafka_batch_discard(struct kafka_sink *sink, struct cdc_error *error);
void kafka_batch_mark(struct kafka_sink *sink);
/* After kafka_arena_put or kafka_batch_add found none: of memory, or of the spool. -1 */
int kafka_batch_no_room(const struct kafka_sink *sink, struct cdc_error *error);
void kafka_batch_free(struct kafka_sink *sink);

/* -- delivery.c --------------------------------------------------------------------------- */
void kafka_batch_delivered(void *context, const rd_kafka_message_t *message);
/* An error of a record that was only taken back with others. */
bool kafka_is_purge(rd_kafka_resp_err_t code);

/* -- producer.c ------------------------------------------------------------------------------- */
/* A producer that is ready: made, registered, and told from its rivals. 1: it is a new one, and what Kafka has was read again. 0, -1. */
int kafka_producer_ensure(struct kafka_sink *sink, struct cdc_error *error);
void kafka_producer_close(struct kafka_sink *sink);

/* -- readback.c ------------------------------------------------------------------------------- */
int kafka_readback_open(struct kafka_sink *sink, struct cdc_error *error);
/* Reads what Kafka has: positions of our id into *places, owners into topics. */
int kafka_readback_positions(struct kafka_sink *sink, struct kafka_places *places, struct cdc_error *error);
/* Is the record at that offset there for readers of what is committed, with that text as its value or position? 1, 0 or -1. */
int kafka_readback_audit(struct kafka_sink *sink, struct kafka_topic *topic, int64_t offset, struct cdc_span text,
                         struct cdc_error *error);
/* Topics that other sinks have claimed meanwhile. */
int kafka_readback_owners(struct kafka_sink *sink, struct cdc_error *error);

/* -- line.c: what both layouts do around a line ------------------------------------------------ */
/* May a broker refuse a record of so many bytes? Then what is before it is stored first. */
int kafka_line_begin(struct kafka_sink *sink, const struct kafka_topic *topic, size_t n, bool *alone,
                     struct cdc_error *error);
/* The line is taken in. */
int kafka_line_end(struct kafka_sink *sink, struct kafka_stream *stream, const struct cdc_event *event, bool alone,
                   struct cdc_error *error);
/* The operation of either layout. */
int kafka_log_event(void *context, const struct cdc_event *event, struct cdc_error *error);
int kafka_table_event(void *context, const struct cdc_event *event, struct cdc_error *error);
/* Transactions that nothing has ended but the boundary. described: schema lines whose rows have not come get an end of their own. */
int kafka_table_end_implied(struct kafka_sink *sink, bool described, struct cdc_error *error);
void kafka_table_release(struct cdc_table *table);

#endif
