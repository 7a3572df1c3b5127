"""Requests as bytes over plain sockets, and a journal of them: what was sent last is what a failure is looked for in.

A client here may do what no library lets it do: stop in the middle, read a byte at a time, leave.
"""
import base64
import collections
import http.client
import json
import pathlib
import socket
import struct
import threading
import time

SILENCE_SECONDS = 60  # a request that is answered by nothing for so long hangs
KEPT_BYTES = 64 << 10  # of one request in the journal; a longer one is told by its beginning and its size

Answer = collections.namedtuple("Answer", "status headers body")


class Hang(Exception):
    """Nothing came for SILENCE_SECONDS."""


class Closed(Exception):
    """The server closed the connection before the answer was whole."""


class Journal:
    """Counts what came of requests, by kind, and keeps the last of them."""

    def __init__(self, n_kept=300):
        self.lock = threading.Lock()
        self.outcomes = collections.Counter()  # (kind, outcome)
        self.last = collections.deque(maxlen=n_kept)
        self.open = {}
        self.begin = time.monotonic()

    def started(self, kind, data):
        entry = {"kind": kind, "begin": time.monotonic() - self.begin, "data": data}
        with self.lock:
            self.open[id(entry)] = entry
        return entry

    def ended(self, entry, outcome):
        entry.update(outcome=outcome, end=time.monotonic() - self.begin)
        with self.lock:
            self.open.pop(id(entry), None)
            self.outcomes[entry["kind"], str(outcome)] += 1
            self.last.append(entry)

    def write(self, path):
        """One JSON object a line: the last requests that ended, then those that had not."""
        def told(entry):
            data = entry["data"]
            kept = base64.b64encode(data[:KEPT_BYTES]).decode()
            return json.dumps({**entry, "data": kept, "size": len(data)})

        with self.lock:
            entries = [*self.last, *self.open.values()]
        pathlib.Path(path).write_text("".join(told(entry) + "\n" for entry in entries))


def http_request(method, path, body=None, headers=()):
    """A whole request; a body that is no bytes is written as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Wire:
    """Sends to one server, and writes into one journal."""

    def __init__(self, port, journal):
        self.port, self.journal = port, journal

    def connect(self, receive_bytes=None):
        client = socket.socket()
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.settimeout(SILENCE_SECONDS)
        client.connect(("127.0.0.1", self.port))
        return client

    def ask(self, kind, data, method="POST"):
        """Sends all of it, reads one answer, and closes."""
        entry = self.journal.started(kind, data)
        outcome = "failed"
        try:
            with self.connect() as client:
                answer = answer_to(client, data, method)
            outcome = answer.status
            return answer
        except TimeoutError:
            outcome = "hang"
            raise Hang(f"{kind}: nothing for {SILENCE_SECONDS} s") from None
        except Closed:
            outcome = "closed"
            raise
        finally:
            self.journal.ended(entry, outcome)

    def leave(self, kind, data, seconds, abruptly):
        """Sends it, and is gone after some time; abruptly: by a reset, without having read."""
        entry = self.journal.started(kind, data)
        try:
            with self.connect() as client:
                client.sendall(data)
                time.sleep(seconds)
                if abruptly:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (BrokenPipeError, ConnectionResetError):
            pass  # it may be refused before it is whole
        finally:
            self.journal.ended(entry, "left")


def answer_to(client, data, method="POST"):
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass  # an early answer: it is there to be read
    with client.makefile("rb") as answers:
        return answer_from(answers, method)


class Open:
    """A file that http.client may read one answer from and not close: the next one stands behind it."""

    def __init__(self, file):
        self.file = file

    def makefile(self, _):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.file, name)


def answer_from(answers, method="POST"):
    response = http.client.HTTPResponse(Open(answers), method=method)
    try:
        response.begin()
        return Answer(response.status, response.headers, response.read())
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError, ValueError) as problem:
        raise Closed(repr(problem)) from None
