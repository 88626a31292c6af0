#!/usr/bin/env bash
# Guess: with PATH_AS_IS libcurl sends the path of its URL as it is, as it does the query. So a link that was signed with its
# path can be given to it.
#
# What happens: PATH_AS_IS keeps only "/../" and "/./". The hexadecimal digits of the path's escapes are written in upper case
# (%7e becomes %7E), with and without it, and not those of the query. A host that signs the path as it was sent rejects the
# request. REQUEST_TARGET sends every byte as given. Issue 21524 of curl dates the upper case to 8.20.0.
set -euo pipefail

there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
{ python3 -m venv "$there/venv" && "$there/venv/bin/pip" install --quiet --disable-pip-version-check pycurl==7.49.0; } ||
  { echo "not run: the package could not be installed" >&2; exit 2; }
cd "$there"

venv/bin/python - <<'PYTHON'
import socketserver
import sys
import threading

import pycurl

received = []


class Host(socketserver.StreamRequestHandler):
    def handle(self):
        received.append(self.rfile.readline().split()[1].decode())
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


host = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Host)
threading.Thread(target=host.serve_forever, daemon=True).start()


def requested(target, **options):
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"http://127.0.0.1:{host.server_address[1]}{target}")
    for name, value in options.items():
        curl.setopt(getattr(pycurl, name), value)
    curl.perform()
    curl.close()
    return received.pop()


print(pycurl.version)
print("PATH_AS_IS keeps dots in a path, but changes the case of its escapes, unlike those of the query.")
same = []
for target in ("/a/../b", "/caf%c3%a9/a%2fb%7e.zip", "/a.zip?signature=%2f%7e"):
    for options in ({"PATH_AS_IS": 1}, {"REQUEST_TARGET": target}):
        came = requested(target, **options)
        print(f"{target} with {[*options][0]}: {came}")
        same.append(came == target)
if same != [True, True, False, True, True, True]:
    sys.exit("the behaviour has changed")
PYTHON
