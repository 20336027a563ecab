# SPDX-License-Identifier: MIT
"""What append has acknowledged, for the rigs of cdc-log."""
import json


def acknowledged(log):
    """The number of lines that the source `n`, whose positions are numbers of lines, may forget."""
    try:
        with open(f"{log}/append.offset", encoding="utf-8") as file:
            pos = json.load(file)["offsets"]["n"]["pos"]
    except (FileNotFoundError, KeyError):
        return 0
    return int(pos) if pos else 0
