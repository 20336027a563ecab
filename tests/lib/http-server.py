#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small HTTP server that does what a script says.

http-server.py FOLDER [PORT]

FOLDER/port    is written once it listens.
FOLDER/log     gets one JSON object a request: method, path, headers, body, answer. A body in gzip is unpacked; with the status in
               FOLDER/no-gzip it is answered with that in place of an answer of the script, and logged as "gzip".
FOLDER/script  one answer a line, taken in turn; after the last one: 200. Each is
               STATUS [HEADER=VALUE]... [BODY] (a BODY of the form `x*N` is N
               times that letter), or `close` (the connection is cut
               without an answer), `cut` (cut inside the answer),
               `slow` (never answers), `endless STATUS` (a body without an
               end), `stuck STATUS` (a body that stops in its middle), `raw TEXT` (TEXT without any HTTP, and cut), `head STATUS`
               (a part of the header, and cut), `till STATUS BODY` (a
               body that the end of the connection ends), `stray STATUS` (an answer
               without a body, and then some bytes all the same), `twice STATUS`
               (one answer more than there were requests, once FOLDER/again is there, which becomes FOLDER/answered), `bulk STATUS[:TYPE]...` (an answer to _bulk with these
               items; the last one is repeated), or `bulk*N STATUS...` for a
               wrong number of items. A line `max SIZE` makes it answer 413
               to everything longer, from then on.
FOLDER/early   a size: what is longer is answered 413 by its header alone, and its body is never read; the answer is cut, too.
GET and PUT of /INDEX/_mapping, PUT of /INDEX and GET of /INDEX,... for ids take no line of the script and are not in the
                       log (the paths of GET for ids are in FOLDER/looks): GET is answered with what FOLDER/mapping has for INDEX (all of it has the alias i), or 404,
                       PUT writes it there; with the status in FOLDER/mapping-status where that is there (`PUT STATUS`: no GET;
                       `PUT STATUS:TYPE`: only of fields, with an error of this type). A PUT of /INDEX
                       with FOLDER/made there makes that the mapping, as if somebody else had made the index a moment
                       ago. The id of an index is `id`, or what FOLDER/uuid has.
GET of / is not in the log either: it has the cluster_uuid `cluster`, or what FOLDER/cluster has.
Without a script each _bulk is answered with 200 for each item."""
import gzip
import json
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder = sys.argv[1]
script = []
state = {"max": None, "at": 0}


def next_step():
    path = os.path.join(folder, "script")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            steps = [line.strip() for line in file if line.strip()]
        while state["at"] < len(steps):
            step = steps[state["at"]]
            state["at"] += 1
            if not step.startswith("max "):
                return step
            state["max"] = int(step.split()[1])
    return None


def bulk_items(body):
    """Names of the actions of a _bulk request."""
    actions, lines, i = [], body.decode("utf-8").split("\n"), 0
    while i < len(lines) and lines[i]:
        action = next(iter(json.loads(lines[i])))
        actions.append(action)
        i += 1 if action == "delete" else 2
    return actions


def bulk_answer(body, words, count=None):
    items = []
    actions = bulk_items(body)
    while count is not None and len(actions) < count:
        actions.append("index")
    for i, action in enumerate(actions[:count]):
        word = words[min(i, len(words) - 1)] if words else "200"
        status, _, kind = word.partition(":")
        result = {"status": int(status)}
        if kind:
            result["error"] = {"type": kind, "reason": "because"}
        items.append({action: result})
    return json.dumps({"errors": any(":" in word for word in words), "items": items}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer in two parts waits for the client's delayed acknowledgement, 40 ms

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def act(self, step, body):
        if state["max"] is not None and len(body) > state["max"]:
            self.answer(413)
            return "413"
        if step is None:
            if self.path.startswith("/_bulk"):  # as an index does that is asked for this alone
                short = self.path.endswith("filter_path=errors")
                self.answer(200, (), b'{"errors":false}' if short else bulk_answer(body, []))
            else:
                self.answer(200, (), b"")
            return "200"
        words = step.split()
        if words[0] == "close":
            self.close_connection = True
        elif words[0] == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
            self.close_connection = True
        elif words[0] in ("endless", "stuck"):
            self.close_connection = True
            self.send_response(int(words[1]))
            self.end_headers()
            self.wfile.write(b"x" * 1000)
            while words[0] == "endless":  # until the client has had enough
                self.wfile.write(b"x" * 100000)
            self.rfile.read(1)
        elif words[0] == "raw":
            self.wfile.write(" ".join(words[1:]).encode() + b"\r\n\r\n")
            self.close_connection = True
        elif words[0] == "head":
            self.wfile.write(f"HTTP/1.1 {words[1]} OK\r\nServer: x\r\nX-Half: ".encode())
            self.close_connection = True
        elif words[0] == "till":
            self.send_response(int(words[1]))
            self.end_headers()
            self.wfile.write(" ".join(words[2:]).encode())
            self.close_connection = True
        elif words[0] == "slow":
            threading.Event().wait()
        elif words[0] == "stray":
            self.answer(int(words[1]))
            self.wfile.write(b"this is of no answer")
        elif words[0] == "twice":
            self.answer(int(words[1]))
            while not os.path.exists(os.path.join(folder, "again")):
                time.sleep(0.01)
            self.answer(int(words[1]))
            os.rename(os.path.join(folder, "again"), os.path.join(folder, "answered"))
        elif words[0].startswith("bulk"):
            count = int(words[0][5:]) if words[0][4:5] == "*" else None
            self.answer(200, (), bulk_answer(body, words[1:], count))
        else:
            headers = [word.split("=", 1) for word in words[1:] if "=" in word]
            text = " ".join(word for word in words[1:] if "=" not in word)
            if text[1:2] == "*":
                text = text[0] * int(text[2:])
            self.answer(int(words[0]), headers, text.encode())
        return step

    def mapping(self, index, body):
        path = os.path.join(folder, "mapping")
        status = []
        if os.path.exists(path + "-status"):
            with open(path + "-status", encoding="ascii") as file:
                status = file.read().split()
        code, _, error = status[-1].partition(":") if status else ("", "", "")
        if status and status[0] in (status[-1], self.command) and (not error or b'"properties"' in body):
            self.answer(int(code), (), json.dumps({"error": {"type": error}, "status": int(code)}).encode() if error else b"")
        elif self.command == "PUT" and "/_mapping" not in self.path:
            if os.path.exists(os.path.join(folder, "made")):
                os.rename(os.path.join(folder, "made"), path)
                self.answer(400, (), b'{"error":{"type":"resource_already_exists_exception"},"status":400}')
                return
            self.keep(path, index, json.loads(body))
        elif self.command == "PUT":
            self.keep(path, index, {"mappings": json.loads(body)})
        else:
            self.tell(path, index)

    def keep(self, path, index, value):
        known = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                known = json.load(file)
        known.pop("i", None) if isinstance(known, dict) else None
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**(known if isinstance(known, dict) else {}), index: value}, file)
        self.answer(200, (), b'{"acknowledged":true}')

    def tell(self, path, names):
        text = b""
        if "settings.index.uuid" in self.path:
            with open(os.path.join(folder, "looks"), "a", encoding="utf-8") as file:
                file.write(self.path + "\n")
        if os.path.exists(path):
            with open(path, "rb") as file:
                text = file.read()
        try:
            known = json.loads(text)
        except ValueError:
            known = None
        if isinstance(known, dict) and known and "i" not in known:
            known = {name: known[name] for name in names.split(",") if name in known}
            text = json.dumps(known).encode() if known else b""
        if text and "settings.index.uuid" in self.path and isinstance(known, dict):
            uuid = "id"
            if os.path.exists(os.path.join(folder, "uuid")):
                with open(os.path.join(folder, "uuid"), encoding="utf-8") as file:
                    uuid = file.read().strip()
            text = json.dumps({name: {**value, "settings": {"index": {"uuid": uuid}}} for name, value in known.items()
                               if isinstance(value, dict)}).encode()
        if text:
            self.answer(200, (), text)
        else:
            self.answer(404, (), b'{"error":{"type":"index_not_found_exception"},"status":404}')

    def cluster(self):
        uuid = "cluster"
        if os.path.exists(os.path.join(folder, "cluster")):
            with open(os.path.join(folder, "cluster"), encoding="utf-8") as file:
                uuid = file.read().strip()
        self.answer(200, (), json.dumps({"cluster_name": "test", "cluster_uuid": uuid}).encode())

    def refuse_early(self, size):
        path = os.path.join(folder, "early")
        if not os.path.exists(path):
            return False
        with open(path, encoding="ascii") as file:
            if size <= int(file.read()):
                return False
        with open(os.path.join(folder, "log"), "a", encoding="utf-8") as file:
            file.write(json.dumps({"method": self.command, "path": self.path, "body": "", "answer": "early"}) + "\n")
        self.wfile.write(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 1000\r\n\r\ncut")
        self.connection.shutdown(socket.SHUT_WR)
        threading.Event().wait()
        return True

    def handle_request(self):
        if self.refuse_early(int(self.headers.get("Content-Length", 0))):
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        packed = self.headers.get("Content-Encoding") == "gzip"
        refusal = os.path.join(folder, "no-gzip")
        body = gzip.decompress(body) if packed else body
        if "/_mapping" in self.path or self.command == "PUT" or "settings.index.uuid" in self.path:
            self.mapping(self.path.split("/")[1].split("?")[0], body)
            return
        if self.command == "GET" and self.path == "/":
            self.cluster()
            return
        step = "gzip" if packed and os.path.exists(refusal) else next_step()
        record = {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                  "body": body.decode("utf-8", "replace"), "answer": step}
        with open(os.path.join(folder, "log"), "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        if step == "gzip":
            with open(refusal, encoding="ascii") as file:
                self.answer(int(file.read()))
            return
        self.act(step, body)

    do_POST = do_GET = do_PUT = do_DELETE = do_CONNECT = handle_request

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # the client went away: that is what some tests do


server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
with open(os.path.join(folder, "port.new"), "w", encoding="ascii") as file:
    file.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
