/* SPDX-License-Identifier: MIT */
/* Schema lines of the transaction in hand, as far as they are to be kept with the position: how they are cut into parts that are
 * records of their own, which of these Kafka has, and which ones can go since their transaction has ended. */
#include <stdlib.h>

#include "connectors/kafka/sink/internal.h"

/* A part is far below what the topic takes; there is no use in one that is longer. */
static size_t limit(const struct kafka_sink *sink)
{
    int64_t quarter = sink->offsets_topic->max_bytes / 4;

    return quarter < 32768 ? (size_t)quarter : 32768;
}

int kafka_described_add(struct kafka_sink *sink, struct kafka_stream *stream, const struct cdc_event *schema,
                        const struct kafka_topic *topic, struct cdc_error *error)
{
    struct kafka_described *described = &stream->described;
    size_t from = described->n_cuts > 0 ? described->cuts[described->n_cuts - 1] : 0;

    if (described->list.len == 0) {
        described->begins.len = 0;
        cdc_buf_span(&described->begins, schema->pos);
        cdc_buf_byte(&described->begins, '\0');
    }
    kafka_described_append(&described->list, schema, topic->name, topic->partitions);
    if (described->list.failed || described->begins.failed)
        return cdc_error_memory(error);
    if (described->list.len - from < limit(sink))
        return 0;
    size_t *cuts = realloc(described->cuts, (described->n_cuts + 1) * sizeof *cuts);
    if (cuts == NULL)
        return cdc_error_memory(error);
    described->cuts = cuts;
    cuts[described->n_cuts++] = described->list.len;
    return 0;
}

int kafka_described_restore(struct kafka_stream *stream, const struct kafka_place *place, struct cdc_error *error)
{
    struct kafka_described *described = &stream->described;

    if (place->described == NULL)
        return 0;
    cdc_buf_text(&described->list, place->described);
    if (place->n_cuts > 0) {
        cdc_buf_text(&described->begins, place->begins);
        cdc_buf_byte(&described->begins, '\0');
        described->cuts = calloc(place->n_cuts, sizeof *place->cuts);
        if (described->cuts == NULL)
            return cdc_error_memory(error);
        memcpy(described->cuts, place->cuts, place->n_cuts * sizeof *place->cuts);
        described->n_cuts = described->stored = place->n_cuts;
    } else { /* the next line has no place of its own to be named by: any name that no part has had */
        cdc_buf_text(&described->begins, place->pos);
        cdc_buf_byte(&described->begins, '\0');
    }
    kafka_described_mark(stream);
    return described->list.failed || described->begins.failed ? cdc_error_memory(error) : 0;
}

void kafka_described_mark(struct kafka_stream *stream)
{
    struct kafka_described *described = &stream->described;

    described->marked_len = described->list.len;
    described->marked_cuts = described->n_cuts;
    described->marked_stored = described->stored;
}

void kafka_described_go_back(struct kafka_stream *stream)
{
    struct kafka_described *described = &stream->described;

    described->list.len = described->marked_len;
    described->n_cuts = described->marked_cuts;
    described->stored = described->marked_stored;
}

void kafka_described_free(struct kafka_stream *stream)
{
    cdc_buf_free(&stream->described.list);
    cdc_buf_free(&stream->described.begins);
    free(stream->described.cuts);
}

/* -- parts that no position needs any more ------------------------------------------------ */

/* TAKES the key. */
static int add_dead(struct kafka_sink *sink, char *key, bool ripe, struct cdc_error *error)
{
    struct kafka_dead *dead = key != NULL ? realloc(sink->dead, (sink->n_dead + 1) * sizeof *dead) : NULL;

    if (dead == NULL) {
        free(key);
        return cdc_error_memory(error);
    }
    sink->dead = dead;
    dead[sink->n_dead++] = (struct kafka_dead){key, ripe};
    return 0;
}

int kafka_described_close(struct kafka_sink *sink, struct kafka_stream *stream, struct cdc_error *error)
{
    struct kafka_described *described = &stream->described;
    int result = 0;

    for (size_t i = 0; result == 0 && i < described->stored; i++) {
        struct cdc_buf key = CDC_BUF_INIT;
        kafka_described_key(&key, stream->place.name, sink->settings->id, described->begins.data, i);
        cdc_buf_byte(&key, '\0');
        result = key.failed ? cdc_error_memory(error) : add_dead(sink, key.data, false, error);
        if (key.failed)
            cdc_buf_free(&key);
    }
    described->list.len = described->n_cuts = described->stored = 0;
    return result;
}

int kafka_described_forget(struct kafka_sink *sink, const struct kafka_places *places, struct cdc_error *error)
{
    for (size_t i = 0; i < places->n_parts; i++)
        if (places->parts[i].members != NULL && !places->parts[i].used &&
            add_dead(sink, strdup(places->parts[i].key), true, error) != 0)
            return -1;
    return 0;
}

void kafka_dead_mark(struct kafka_sink *sink)
{
    sink->marked_dead = sink->n_dead;
}

void kafka_dead_go_back(struct kafka_sink *sink)
{
    while (sink->n_dead > sink->marked_dead)
        free(sink->dead[--sink->n_dead].key);
}

void kafka_described_stored(struct kafka_sink *sink)
{
    size_t n = 0;

    for (size_t i = 0; i < sink->n_dead; i++) {
        struct kafka_dead *dead = &sink->dead[i];
        if (dead->ripe) { /* that was its tombstone */
            free(dead->key);
            continue;
        }
        dead->ripe = true;
        sink->dead[n++] = *dead;
    }
    sink->n_dead = n;
    for (size_t i = 0; i < sink->n_streams; i++)
        sink->streams[i].described.stored = sink->streams[i].described.n_cuts;
}
