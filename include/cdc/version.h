/* SPDX-License-Identifier: MIT */
/* The version, in the one place that everything else reads it from. */
#ifndef CDC_VERSION_H
#define CDC_VERSION_H

#define CDC_VERSION "0.1.0"
#define CDC_VERSION_HEX 0x00010000u

/* Version of the library that is linked, as text. BORROWS static storage. */
const char *cdc_version(void);

#endif
