/* SPDX-License-Identifier: MIT */
/* What the disk said when SQLite read: where it gives no answer, SQLite calls the content malformed. */
#ifndef LITE_DISK_H
#define LITE_DISK_H

#include <stdbool.h>

/* From then on reads are looked at: of databases, of their -wal, of journals. */
void lite_disk_watch(void);
/* Has a read gone without an answer? */
bool lite_disk_failed(void);

#endif
