/* SPDX-License-Identifier: MIT */
/* How values look in the lines, where readers differ in what they can take (cdc-event(5)). */
#ifndef CDC_VALUE_FORMAT_H
#define CDC_VALUE_FORMAT_H

#include <stdbool.h>

struct cdc_value_format {
    bool int64_as_string;   /* --int64=string: integers beyond 2^53, which a double cannot hold, become strings */
    bool decimal_as_number; /* --decimal=number: as the database writes them, be it more digits than a double has */
    /* --composite=text: PostgreSQL's composites, hstore and geometries as the server's text, and no objects */
    bool objects_as_text;
    bool composites_as_text; /* the same of composites alone: their fields are not certain */
};

#endif
