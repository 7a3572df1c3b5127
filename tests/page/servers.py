"""The servers of the chat page's test: the real service over a scripted model, and a proxy before it that breaks
answers as proxies and networks do.
"""
import json
import socket
import struct
import subprocess
import threading


class Server:
    """build/.../page_server with its flags."""

    def __init__(self, program, *flags):
        self.process = subprocess.Popen([program, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Returns how many answers were cancelled."""
        if self.process.poll() is not None:
            return 0
        self.process.stdin.close()
        n_cancelled = int(self.process.stdout.readline())
        self.process.wait()
        return n_cancelled


class Proxy:
    """Hands requests on to a server, one a connection, and keeps the bodies of those for answers. A fault is a
    function of the answer's bytes so far (head included) that returns those to send in their place, and how the
    connection goes on: "on", "close", "reset", or "hold" (nothing comes any more). Requests for answers meet the
    fault that is set when they come: Chromium itself sends one again whose connection ended before an answer.
    """

    def __init__(self, server):
        self.server = server
        self.fault = None
        self.bodies = []
        self.n_running = 0  # answers that the browser still hears
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def messages(self):
        """Of each request for an answer: [(role, content), ...]."""
        return [[(m["role"], m["content"]) for m in body["messages"]] for body in self.bodies]

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        try:
            with client, client.makefile("rb") as reader:
                lines = [reader.readline()]
                while lines[-1] not in (b"\r\n", b""):
                    lines.append(reader.readline())
                if lines[-1] == b"":
                    return
                fields = {line.split(b":")[0].strip().lower(): line.split(b":", 1)[1].strip() for line in lines[1:-1]}
                body = reader.read(int(fields.get(b"content-length", 0)))
                fault = None
                if b"/chat/completions" in lines[0]:
                    fault = self.fault
                    self.bodies.append(json.loads(body))
                    self.n_running += 1
                # HTTP/1.0: the answer has no length, and ends with its connection.
                lines[0] = lines[0].replace(b"HTTP/1.1", b"HTTP/1.0")
                kept = [line for line in lines if not line.lower().startswith(b"connection:")]
                try:
                    with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
                        upstream.sendall(b"".join(kept) + body)
                        self.answer(client, upstream, fault)
                finally:
                    if b"/chat/completions" in lines[0]:
                        self.n_running -= 1
        except OSError:
            pass  # the browser or the server has gone: so has this connection

    def answer(self, client, upstream, fault):
        got, n_sent = b"", 0
        while piece := upstream.recv(1 << 16):
            got += piece
            wanted, then = fault(got) if fault else (got, "on")
            client.sendall(wanted[n_sent:])
            n_sent = len(wanted)
            if then == "hold":
                client.recv(1)  # until the browser goes
            if then == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if then != "on":
                return

    def end(self):
        self.listener.close()
        return self.server.end()


def cut(then, after):
    """The answer's body ends after so many bytes."""
    def fault(got):
        head = got.find(b"\r\n\r\n")
        if head < 0 or len(got) < head + 4 + after:
            return got, "on"
        return got[:head + 4 + after], then
    return fault


def cut_before(then, mark):
    """The answer ends before these bytes."""
    def fault(got):
        at = got.find(mark)
        # What may be the mark's beginning waits for more.
        return (got[:max(len(got) - len(mark), 0)], "on") if at < 0 else (got[:at], then)
    return fault


def in_place(answer):
    """Another answer, head and all."""
    return lambda got: (answer, "close")
