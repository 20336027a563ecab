/* SPDX-License-Identifier: MIT */
#ifndef DURABLE_H
#define DURABLE_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* Replaces path by the bytes: temporary file beside it (mode), fsync if durable, rename, fsync of the folder. */
int durable_replace(const char *path, const void *data, size_t n, unsigned mode, bool durable, struct cdc_error *error);

#endif
