/* SPDX-License-Identifier: MIT */
/* A thread that reads, and the two blocks between it and whoever decodes. While one block is decoded the next is
 * filled; they change places under the lock, so that no byte is copied again and the lock is taken once a block. A
 * reader that stands still (the sink is slow) stops the thread after 256 KiB, then TCP, then the server, which waits
 * for net_write_timeout. */
#include "connectors/mysql/session/packets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK ((size_t)256 << 10)

struct record {
    uint32_t n;
    uint32_t first; /* an event begins here */
};

struct my_packets {
    MYSQL *mysql;
    struct my_wire *wire;
    pthread_t thread;
    bool started;
    int wake_fd; /* readable while there is something that next() did not see yet */
    pthread_mutex_t lock;
    pthread_cond_t taken;
    /* under the lock: */
    struct cdc_buf filled; /* records: struct record, bytes */
    bool waiting;          /* the decoder found nothing */
    bool stopping, ended, at_end;
    struct cdc_error error;
    enum my_dump_fault fault;
    /* the decoder's: */
    struct cdc_buf block;
    size_t at;
};

static void wake(struct my_packets *packets)
{
    uint64_t one = 1;
    ssize_t n = write(packets->wake_fd, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

/* Waits for room, appends; false when it is time to stop. */
static bool hand_over(struct my_packets *packets, const struct my_wire_part *part)
{
    const struct record record = {(uint32_t)part->n, part->first};
    pthread_mutex_lock(&packets->lock);
    /* One more event may go above the limit: it has to go somewhere. */
    while (packets->filled.len >= BLOCK && !packets->stopping)
        pthread_cond_wait(&packets->taken, &packets->lock);
    bool go_on = !packets->stopping;
    if (go_on && cdc_buf_room(&packets->filled, part->n + sizeof record)) {
        cdc_buf_append(&packets->filled, &record, sizeof record);
        cdc_buf_append(&packets->filled, part->data, part->n);
    }
    /* A system call only when the decoder sleeps: it does not while it has a block to work on. */
    bool waiting = packets->waiting;
    packets->waiting = false;
    go_on = go_on && !packets->filled.failed;
    pthread_mutex_unlock(&packets->lock);
    if (waiting)
        wake(packets);
    return go_on;
}

static void end(struct my_packets *packets, bool at_end, const struct cdc_error *error)
{
    pthread_mutex_lock(&packets->lock);
    packets->ended = true;
    packets->at_end = at_end;
    packets->error = *error;
    packets->fault = my_wire_fault(packets->wire);
    pthread_mutex_unlock(&packets->lock);
    wake(packets);
}

static void *read_packets(void *context)
{
    struct my_packets *packets = context;
    struct my_wire_part part;
    struct cdc_error error = {0};
    int got;
    mysql_thread_init();
    while ((got = my_wire_read(packets->wire, &part, &error)) == 1 && hand_over(packets, &part))
        ;
    end(packets, got == 2, &error);
    mysql_thread_end();
    return NULL;
}

struct my_packets *my_packets_new(MYSQL *mysql, struct cdc_error *error)
{
    struct my_packets *packets = calloc(1, sizeof *packets);
    if (!packets) {
        mysql_close(mysql);
        cdc_error_memory(error);
        return NULL;
    }
    packets->mysql = mysql;
    packets->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&packets->lock, NULL);
    pthread_cond_init(&packets->taken, NULL);
    packets->wire = my_wire_new(mysql, error);
    packets->started =
        packets->wire && packets->wake_fd >= 0 && pthread_create(&packets->thread, NULL, read_packets, packets) == 0;
    if (packets->started)
        return packets;
    my_packets_free(packets);
    cdc_error_set(error, CDC_EXIT_TEMPORARY, "cannot start a thread");
    return NULL;
}

void my_packets_free(struct my_packets *packets)
{
    if (!packets)
        return;
    if (packets->started) {
        pthread_mutex_lock(&packets->lock);
        packets->stopping = true;
        pthread_cond_signal(&packets->taken);
        pthread_mutex_unlock(&packets->lock);
        shutdown((int)mysql_get_socket(packets->mysql), SHUT_RDWR); /* ends the read that blocks */
        pthread_join(packets->thread, NULL);
    }
    my_wire_free(packets->wire);
    mysql_close(packets->mysql);
    if (packets->wake_fd >= 0)
        close(packets->wake_fd);
    pthread_mutex_destroy(&packets->lock);
    pthread_cond_destroy(&packets->taken);
    cdc_buf_free(&packets->filled);
    cdc_buf_free(&packets->block);
    free(packets);
}

enum my_dump_fault my_packets_fault(struct my_packets *packets)
{
    pthread_mutex_lock(&packets->lock);
    enum my_dump_fault fault = packets->fault;
    pthread_mutex_unlock(&packets->lock);
    return fault;
}

int my_packets_descriptor(const struct my_packets *packets)
{
    return packets->wake_fd;
}

/* Swaps the empty block for the filled one: 1; 0 nothing is there; 2, -1 as next(). */
static int take_block(struct my_packets *packets, struct cdc_error *error)
{
    uint64_t ignored;
    int result = 1;
    ssize_t cleared = read(packets->wake_fd, &ignored, sizeof ignored); /* before we look: no wake-up is missed */
    (void)cleared;
    packets->block.len = packets->at = 0;
    cdc_buf_shrink(&packets->block, 4 * BLOCK);
    pthread_mutex_lock(&packets->lock);
    struct cdc_buf block = packets->block;
    packets->block = packets->filled;
    packets->filled = block;
    packets->waiting = packets->block.len == 0 && !packets->ended;
    bool ended = packets->ended, at_end = packets->at_end;
    pthread_cond_signal(&packets->taken);
    pthread_mutex_unlock(&packets->lock);
    if (packets->block.failed)
        return cdc_error_memory(error);
    if (packets->block.len == 0)
        result = !ended ? 0 : at_end ? 2 : -1;
    if (result < 0 && error)
        *error = packets->error;
    return result;
}

int my_packets_next(struct my_packets *packets, struct my_wire_part *part, struct cdc_error *error)
{
    struct record record;
    if (packets->at == packets->block.len) {
        int got = take_block(packets, error);
        if (got != 1)
            return got;
    }
    memcpy(&record, packets->block.data + packets->at, sizeof record);
    part->data = (const uint8_t *)packets->block.data + packets->at + sizeof record;
    part->n = record.n;
    part->first = record.first != 0;
    packets->at += sizeof record + record.n;
    return 1;
}
