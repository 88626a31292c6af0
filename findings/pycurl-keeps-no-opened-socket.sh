#!/usr/bin/env bash
# Guess: a socket that OPENSOCKETFUNCTION returns belongs to libcurl from then on, as in C: it is the connection, libcurl closes
# it, and afterwards the caller's object is closed, or has a descriptor of nothing.
#
# What happens: pycurl gives libcurl a duplicate of the descriptor. When libcurl closes its own, the caller's object stays open
# and keeps the connection: the host never receives the end of it, until the object is closed or collected. A program that
# keeps its sockets, for instance to shut them down from another thread, has to close each of them itself.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check pycurl==7.49.0; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import os
import queue
import socket
import sys
import threading

import pycurl

listener = socket.create_server(("127.0.0.1", 0))
ends = queue.Queue()


def host():
    connection, _ = listener.accept()
    connection.recv(9999)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    ends.put(connection.recv(1))  # nothing, once the client has closed its side


threading.Thread(target=host, daemon=True).start()
opened, closed = [], []


def open_socket(_purpose, address):
    opened.append(socket.socket(address.family, address.socktype, address.protocol))
    return opened[-1]


def close_socket(descriptor):
    closed.append(descriptor)
    os.close(descriptor)
    return 0


curl = pycurl.Curl()
curl.setopt(pycurl.URL, f"http://127.0.0.1:{listener.getsockname()[1]}/")
curl.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
curl.setopt(pycurl.CLOSESOCKETFUNCTION, close_socket)
curl.perform()
curl.close()
[mine], [theirs] = opened, closed


def has_ended():
    try:
        return ends.get(timeout=2) == b""
    except queue.Empty:
        return False


print(pycurl.version)
print("The socket that libcurl uses and closes is a duplicate; the one that was opened for it keeps the connection.")
is_duplicate, before = mine.fileno() != theirs, has_ended()
print(f"opened descriptor {mine.fileno()}, libcurl closed {theirs}; the host saw an end: {before}")
mine.close()
after = has_ended()
print(f"the opened one is closed too; the host saw an end: {after}")
if (is_duplicate, before, after) != (True, False, True):
    sys.exit("the behaviour has changed")
PYTHON
