#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reads an OpenSearch index.

opensearch.py URL rows INDEX          every document's _source, one a line
opensearch.py URL search INDEX WORDS  the sources of the ten best hits
opensearch.py URL watch INDEX FOLDER  searches all the while, until FOLDER/enough is there: FOLDER/looks gets the number of documents
                                      that each search has found, one a line"""
import json
import os
import sys
import urllib.error
import urllib.request


def call(url, body=None, method=None):
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)


def emit(answer):
    hits = answer["hits"]["hits"]
    for hit in hits:
        print(json.dumps(hit["_source"], ensure_ascii=False))
    return len(hits)


def watch(url, index, folder):
    with open(os.path.join(folder, "looks"), "w", encoding="ascii", buffering=1) as looks:
        while not os.path.exists(os.path.join(folder, "enough")):
            call(f"{url}/{index}/_refresh", method="POST")
            answer = call(f"{url}/{index}/_search", {"size": 0, "track_total_hits": True})
            looks.write(f"{answer['hits']['total']['value']}\n")


def main():
    url, action, index = sys.argv[1].rstrip("/"), sys.argv[2], sys.argv[3]
    if action == "watch":
        watch(url, index, sys.argv[4])
        return
    call(f"{url}/{index}/_refresh", method="POST")
    if action == "search":
        emit(call(f"{url}/{index}/_search", {"query": {"query_string": {"query": sys.argv[4], "default_operator": "AND"}}}))
        return
    answer = call(f"{url}/{index}/_search?scroll=1m", {"size": 5000, "sort": ["_doc"]})
    while emit(answer):
        answer = call(f"{url}/_search/scroll", {"scroll": "1m", "scroll_id": answer["_scroll_id"]})


main()
