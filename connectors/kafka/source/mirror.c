/* SPDX-License-Identifier: MIT */
/* What is confirmed, shown to a group of the brokers: for those who watch lag there. Nothing is read back from it, and whatever goes wrong
 * with it is said and stops nothing. */
#include <stdlib.h>

#include "connectors/kafka/source/internal.h"

#define EVERY_MS 1000
#define AT_END_MS 3000 /* so long the end of a connection waits for it */

static int add_topic(rd_kafka_topic_partition_list_t *list, const char *topic, struct cdc_span parts)
{
    struct cdc_json_iter iter;
    struct cdc_span number, value;
    int64_t partition, next;

    for (cdc_json_iter_begin(&iter, parts); cdc_json_next_member(&iter, &number, &value);) {
        if (!cdc_json_int64(number, &partition) || !cdc_json_int64(cdc_json_member(value, "next"), &next))
            return -1;
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition)->offset = next;
    }
    return 0;
}

/* The places of an offset's state (kafka_state_write). NULL: it has none. */
static rd_kafka_topic_partition_list_t *read_state(const char *state)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    struct cdc_json_iter iter;
    struct cdc_span name, value;
    int result = 0;

    for (cdc_json_iter_begin(&iter, cdc_json_member(cdc_span_text(state), "topics"));
         result == 0 && cdc_json_next_member(&iter, &name, &value);) {
        char *topic = cdc_json_text(name, NULL);
        result = topic != NULL ? add_topic(list, topic, value) : -1;
        free(topic);
    }
    if (result == 0 && list->cnt > 0)
        return list;
    rd_kafka_topic_partition_list_destroy(list);
    return NULL;
}

void kafka_mirror_note(struct kafka_source *source, const struct cdc_offset *offset)
{
    rd_kafka_topic_partition_list_t *list = NULL;

    if (source->settings->mirror_group == NULL || offset->state == NULL || (list = read_state(offset->state)) == NULL)
        return;
    if (source->mirror.wanted != NULL)
        rd_kafka_topic_partition_list_destroy(source->mirror.wanted);
    source->mirror.wanted = list;
}

/* Another failure is said, the same one again is not. */
static void tell(struct kafka_source *source, rd_kafka_resp_err_t code)
{
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != source->mirror.told)
        cdc_log_write(source->log, CDC_LOG_WARNING,
                      "group %s does not show what is confirmed: %s (hint: nothing is lost; the group must have no "
                      "members, and its name is to be allowed)",
                      source->settings->mirror_group, rd_kafka_err2str(code));
    source->mirror.told = code;
}

static void take_answer(struct kafka_source *source, int wait_ms)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(source->mirror.answers, wait_ms);

    if (event == NULL)
        return;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
        source->mirror.under_way = false;
        tell(source, rd_kafka_event_error(event));
    }
    rd_kafka_event_destroy(event);
}

static void send_wanted(struct kafka_source *source)
{
    struct mirror *mirror = &source->mirror;

    if (mirror->wanted == NULL || source->consumer.handle == NULL)
        return;
    if (mirror->answers == NULL)
        mirror->answers = rd_kafka_queue_new(source->consumer.handle);
    rd_kafka_resp_err_t code =
        rd_kafka_commit_queue(source->consumer.handle, mirror->wanted, mirror->answers, NULL, NULL);
    mirror->under_way = code == RD_KAFKA_RESP_ERR_NO_ERROR;
    tell(source, code);
    rd_kafka_topic_partition_list_destroy(mirror->wanted);
    mirror->wanted = NULL;
    mirror->sent = cdc_clock_ms();
}

void kafka_mirror_tick(struct kafka_source *source)
{
    struct mirror *mirror = &source->mirror;

    if (mirror->under_way)
        take_answer(source, 0);
    if (!mirror->under_way && cdc_clock_ms() - mirror->sent >= EVERY_MS)
        send_wanted(source);
}

void kafka_mirror_end(struct kafka_source *source)
{
    struct mirror *mirror = &source->mirror;
    int64_t until = cdc_clock_ms() + AT_END_MS;

    while (mirror->under_way && cdc_clock_ms() < until)
        take_answer(source, 100);
    if (!mirror->under_way)
        send_wanted(source);
    while (mirror->under_way && cdc_clock_ms() < until)
        take_answer(source, 100);
    mirror->under_way = false;
    if (mirror->answers != NULL)
        rd_kafka_queue_destroy(mirror->answers);
    mirror->answers = NULL;
    if (mirror->wanted != NULL)
        rd_kafka_topic_partition_list_destroy(mirror->wanted);
    mirror->wanted = NULL;
}
