"""Shared by the end-to-end tests: the program under test, the test data, a server as a context manager.

Standard library only. A test file runs as `python3 NAME_test.py PATH_OF_AUTOGLM`.
"""
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TINY = str(ROOT / "models" / "tiny-glm")
AUTOGLM = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "release" / "autoglm")


def shared_data(relative):
    """A path of the conformance data, or None where a user has no such folder."""
    folder = pathlib.Path(os.environ.get("AUTOGLM_TEST_DATA", ROOT.parent / "shared" / "data"))
    path = folder / relative
    return str(path) if path.exists() else None


NEEDS_STORIES = unittest.skipUnless(shared_data("weights/stories260K/hf"),
                                    "conformance data not found: set AUTOGLM_TEST_DATA to its folder")


# No keys of whoever runs the tests.
STATE = tempfile.TemporaryDirectory(prefix="autoglm-state-")


def environment(**changes):
    """This process's environment without settings that would change the program's behaviour."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AUTOGLM_") and k != "STATE_DIRECTORY"}
    return {**clean, "XDG_STATE_HOME": STATE.name, **changes}


def autoglm(*arguments, stdin="", timeout=120, env=None):
    """Runs the program; returns the finished process with text output."""
    return subprocess.run([AUTOGLM, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env=env or environment(), check=False)


def joined_calls(events):
    """What the deltas of a chat's stream join to: content, calls, the reason of the end."""
    content, calls, reason = "", [], None
    for event in events:
        for choice in event["choices"]:
            content += choice["delta"].get("content") or ""
            reason = choice["finish_reason"] or reason
            for piece in choice["delta"].get("tool_calls", []):
                if "id" in piece:
                    assert piece["index"] == len(calls), piece
                    calls.append({"name": piece["function"]["name"], "arguments": ""})
                calls[piece["index"]]["arguments"] += piece["function"]["arguments"]
    return content, calls, reason


class Server:
    """`autoglm serve` on a free port, stopped by SIGTERM at the end. What it logs goes to the file `log`, if one is named."""

    def __init__(self, *arguments, log=None):
        self.arguments, self.log = arguments, log

    def __enter__(self):
        with open(self.log or os.devnull, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([AUTOGLM, "serve", "--port", "0", *map(str, self.arguments)],
                                            stdout=subprocess.PIPE, stderr=log if self.log else subprocess.PIPE, text=True,
                                            env=environment())
        for line in self.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            if found:
                self.port = int(found[1])
                return self
        said = pathlib.Path(self.log).read_text(encoding="utf-8") if self.log else self.process.stderr.read()
        raise AssertionError("the server did not start: " + said)

    def __exit__(self, *_):
        self.process.terminate()
        self.status = self.process.wait(timeout=60)
        self.process.stdout.close()
        if self.process.stderr:
            self.process.stderr.close()

    def request(self, method, path, body=None, headers=None):
        """(status, headers, parsed JSON or text)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        is_json = response.getheader("Content-Type", "").startswith("application/json")
        return response.status, dict(response.getheaders()), json.loads(text) if is_json else text

    def post(self, path, body):
        status, _, answer = self.request("POST", path, body)
        return status, answer

    def stream(self, path, body):
        """The data of all server-sent events, the last of which must be [DONE], parsed."""
        status, headers, text = self.request("POST", path, body)
        assert status == 200, text
        assert headers["Content-Type"].startswith("text/event-stream"), headers
        events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        assert events[-1] == "[DONE]", events[-1]
        return [json.loads(event) for event in events[:-1]]


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
