# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real OpenSearch for tests and demo: see tests/opensearch/start.
