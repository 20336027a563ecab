/* SPDX-License-Identifier: MIT */
/* The packets of a dump, without memory for what reads them. */
#include <mysql.h>

#include <ma_pvio.h>

#include "connectors/mysql/session/wire.h"
#include "tests/unit/no-memory.h"

int main(void)
{
    static MYSQL mysql;
    static MARIADB_PVIO pvio;
    int failures = 0;

    mysql.net.pvio = &pvio;
    pvio.mysql = &mysql;
    for (long place = 1; MEMORY_CAN_FAIL; place++) {
        struct cdc_error error = {0};
        pvio.cache = calloc(1, PVIO_READ_AHEAD_CACHE_SIZE);
        memcpy(pvio.cache, "unread", 6);
        pvio.cache_pos = pvio.cache + 2;
        pvio.cache_size = 6;
        memory_calls = 0;
        memory_fails_at = place;
        memory_begin();
        struct my_wire *wire = my_wire_new(&mysql, &error);
        memory_end();
        long calls = memory_calls;
        memory_fails_at = memory_calls = 0;
        /* Without room of our own the library reads the packets; what it has is not lost in either case. */
        bool good = (wire != NULL ? error.status == 0 : error.status == CDC_EXIT_INTERNAL) &&
                    (wire != NULL || calls == 1) && pvio.cache + pvio.cache_size - pvio.cache_pos == 4 &&
                    memcmp(pvio.cache_pos, "read", 4) == 0;
        if (!good)
            failures++, printf("not ok - no memory at place %ld: %s\n", place, error.text);
        my_wire_free(wire);
        free(pvio.cache);
        if (calls < place)
            break;
    }
    if (failures == 0)
        printf("ok - packets\n");
    return failures != 0;
}
