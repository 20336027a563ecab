/* SPDX-License-Identifier: MIT */
/* Kafka, in both directions. All that programs see. */
#ifndef KAFKA_CONNECTOR_H
#define KAFKA_CONNECTOR_H

#include "connectors/kafka/session/session.h"
#include "connectors/kafka/sink/settings.h"
#include "connectors/kafka/source/source.h"

#endif
