# SPDX-License-Identifier: MIT
"""kafka_rows.py DATABASE TABLE COLUMN: of a table with a key `id`, prints the column of each row as soon as it is in the SQLite copy, from the first one on."""
import sqlite3
import sys
import time

path, table, column = sys.argv[1:]
last, database = 0, None
while True:
    try:
        if database is None:
            database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        for last, value in database.execute(f'select id, "{column}" from "{table}" where id > ? order by id', (last,)):
            print(value, flush=True)
    except sqlite3.OperationalError:
        database = None
    time.sleep(0.0005)
