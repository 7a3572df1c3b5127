#!/usr/bin/env python3
"""Drives the chat page in headless Chromium over the DevTools protocol (its pipe form: JSON objects ended by
a zero byte on descriptors 3 and 4), with Python's standard library alone.

Usage: page_test.py PAGE_SERVER [FOLDER_FOR_SCREENSHOTS]. Exit status 77: no Chromium here.
"""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_S = 40


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
             "--disable-background-networking", f"--user-data-dir={profile}", "about:blank"],
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
            if got.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
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

    def type_and_send(self, text):
        self.value("document.getElementById('input').focus()")
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13,
                      **({"text": "\r"} if kind == "keyDown" else {}))

    def screenshot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(picture))

    def close(self):
        self.process.terminate()
        self.process.wait()


class Server:
    def __init__(self, program, *flags):
        self.process = subprocess.Popen([program, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def end(self):
        """Returns how many answers were cancelled."""
        self.process.stdin.close()
        return int(self.process.stdout.readline())


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


LAST_ANSWER = "[...document.querySelectorAll('.assistant .bubble')].pop()?.textContent || ''"
IDLE = "document.getElementById('stop').hidden"


def chat(browser, program, pictures):
    server = Server(program)
    browser.call("Page.navigate", url=server.url)
    browser.wait_for("document.getElementById('model')?.textContent === 'tiny-fake'")
    browser.screenshot(pictures / "welcome.png")
    browser.type_and_send("Who are you?")
    # It is a stream: a part of the answer is there before the whole.
    browser.wait_for(f"({LAST_ANSWER}).startsWith('Hello') && !({LAST_ANSWER}).includes('model.')")
    browser.wait_for(f"{IDLE} && ({LAST_ANSWER}).includes('model.')")
    expect(browser.value(LAST_ANSWER) == "Hello from the <b>scripted</b> model. ", "the answer's text, not as HTML")
    expect("tokens/s" in browser.value("document.getElementById('speed').textContent"), "a speed is shown")
    expect(browser.value("document.querySelectorAll('.user .bubble').length") == 1, "the question is shown")
    browser.value("document.getElementById('settings-toggle').click()")
    browser.screenshot(pictures / "answer.png")
    browser.value("""(() => { const e = document.getElementById('temperature'); e.value = '-1';
                     e.dispatchEvent(new Event('change')); })()""")
    browser.type_and_send("And now?")
    browser.wait_for("document.querySelector('.error .bubble')?.textContent.includes('temperature')")
    expect(browser.value("document.getElementById('input').value") == "And now?", "the question is not lost")
    browser.value("document.getElementById('theme').click()")
    browser.size(390, 780)
    browser.screenshot(pictures / "phone.png")
    expect(browser.value("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling on a phone")
    browser.value("document.getElementById('clear').click()")
    expect(browser.value("document.querySelectorAll('.message').length") == 0, "clear removes the conversation")
    server.end()


def stop(browser, program):
    browser.size(1000, 700)
    server = Server(program, "--endless")
    browser.call("Page.navigate", url=server.url)
    browser.wait_for("document.getElementById('model')?.textContent === 'tiny-fake'")
    browser.type_and_send("Go on for ever")
    browser.wait_for(f"({LAST_ANSWER}).length > 20")
    browser.value("document.getElementById('stop').click()")
    browser.wait_for(IDLE)
    length = browser.value(f"({LAST_ANSWER}).length")
    expect("stopped" in browser.value("[...document.querySelectorAll('.note')].pop().textContent"), "stopped is said")
    time.sleep(0.3)
    expect(browser.value(f"({LAST_ANSWER}).length") == length, "nothing comes after stop")
    expect(server.end() == 1, "the server cancelled the answer")


def main():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("chromium is not installed: skipped")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        pictures = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else scratch)
        browser = Browser(program, scratch + "/profile")
        try:
            browser.open_page()
            browser.size(1000, 700)
            chat(browser, sys.argv[1], pictures)
            # The browser's console reports the refused request of the error test; anything else is a fault.
            faults = [p for p in browser.problems if "400 (Bad Request)" not in p]
            expect(not faults, f"the console is clean: {faults}")
            stop(browser, sys.argv[1])
        finally:
            browser.close()
    print("the chat page works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
