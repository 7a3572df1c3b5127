"""Headless Chromium over the DevTools protocol (its pipe form: JSON objects ended by a zero byte on descriptors
3 and 4), with Python's standard library alone.
"""
import base64
import json
import os
import select
import subprocess
import time

LIMIT_S = 30
# Names of other machines that lead to this one. No other name is looked up.
HOST_RULES = "MAP *.internal 127.0.0.1, MAP 192.0.2.7 127.0.0.1, MAP 127.8.8.8 127.0.0.1, MAP ::1 127.0.0.1"


class Browser:
    def __init__(self, program, profile):
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()

        def descriptors():
            # Chromium reads commands on 3 and answers on 4; both may be in use by the pipes themselves.
            a, b = os.dup(to_read), os.dup(to_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", "--no-first-run", "--disable-extensions", "--lang=en-US",
             "--disable-background-networking", f"--host-resolver-rules={HOST_RULES}", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.pending = b""
        self.last_id = 0
        self.session = None
        self.problems = []

    def message(self, deadline):
        while b"\0" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.read_end], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            got = os.read(self.read_end, 1 << 16)
            if not got:
                raise RuntimeError("the browser has ended")
            self.pending += got
        text, self.pending = self.pending.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.last_id += 1
        command = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.write_end, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + LIMIT_S
        while True:
            got = self.message(deadline)
            if got.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                self.problems.append(json.dumps(got["params"])[:600])
            if got.get("id") == self.last_id:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']}")
                return got["result"]

    def open_page(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression):
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if self.value(expression):
                return
            time.sleep(0.02)
        raise TimeoutError(f"never true: {expression}; the page says: {self.value('document.body.innerText')}")

    def press(self, key):
        code, text = {"Enter": (13, "\r"), "Escape": (27, None), "Tab": (9, None)}[key]
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code,
                  **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def type_and_send(self, text):
        self.value("document.getElementById('input').focus()")
        self.call("Input.insertText", text=text)
        self.press("Enter")

    def language(self, tag):
        agent = self.value("navigator.userAgent")
        self.call("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage=tag)

    def open(self, url):
        """Opens the chat page at `url` and waits until it has found its server, or is asked for a key."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.getElementById('model')?.textContent === 'tiny-fake' || "
                      "document.getElementById('key-row')?.hidden === false")

    def take_problems(self):
        """What the console said, and the exceptions of scripts, since the last call."""
        self.value("0")  # so that events on their way have arrived
        problems, self.problems = self.problems, []
        return problems

    def screenshot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self):
        self.process.terminate()
        self.process.wait()
