"""Runs a command as a person at a terminal does, and gives what stays on the screen."""

import os
import pty
import re
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

ROWS, COLUMNS = 40, 120
TOKEN = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


def lines(command: list[str], folder: Path, environment: dict[str, str]) -> list[str]:
    """The lines that a command leaves on a terminal, without the empty ones."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (ROWS, COLUMNS))  # without a size some bars stay away
    environment = {**environment, "TERM": "xterm"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        text = b"".join(_parts(ours)).decode()
    os.close(ours)
    return [line.rstrip() for line in _rendered(text) if line.strip()]


def _rendered(text: str) -> list[str]:
    """What cursor and eraser make of a text."""
    screen, row, column = [""], 0, 0
    for number, letter, start, down, words in TOKEN.findall(text):
        if letter == "A":
            row = max(0, row - int(number or 1))
        elif letter == "K":
            screen[row] = "" if number == "2" else screen[row][:column]
        elif start:
            column = 0
        elif down:
            row += 1
            screen += [""] * (row + 1 - len(screen))
        elif words:
            screen[row] = screen[row].ljust(column)[:column] + words + screen[row][column + len(words) :]
            column += len(words)
    return screen


def _parts(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return
