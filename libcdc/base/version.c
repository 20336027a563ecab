/* SPDX-License-Identifier: MIT */
#include <cdc/version.h>

const char *cdc_version(void)
{
    return CDC_VERSION;
}
