# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real OpenSearch for tests and demo: see tests/opensearch/start.

opensearch_start() { skip "no OpenSearch here"; }
opensearch_stop() { :; }
opensearch_rows() { python3 "$LIB/opensearch.py" "$OPENSEARCH_URL" rows "$1" | jq -c "$2"; }
