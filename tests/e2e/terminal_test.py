"""What a person sees on a terminal: nothing that a file, a path or a model wrote there by escape codes, no forged
lines, no rest of a progress bar, and a chat that takes pastes as they are."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import tempfile
import termios
import time
import unittest

from harness import AUTOGLM, TINY, autoglm, environment, main

# All of it together stands in paths, in a configuration and in a tensor's name: one start for all.
HOSTILE = "".join(["\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "one\n12:00:00.000 info  all is well", "two\rover", "\x9b31m",
           "\u202egpj.exe", "quote\"and\\back", "\u2028line", "tab\there", "del\x7f", "\"}\n{\"level\":\"error\"}"])
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
PROMPT = "\x1b[?2004h> "  # pastes are told apart from keys from here on
LOG_LINE = re.compile(r"(\d\d:\d\d:\d\d\.\d\d\d (info|warning|error) |autoglm: )")


class Terminal:
    """The program on a terminal of 24 by 120."""

    def __init__(self, *arguments):
        self.child, self.file = pty.fork()
        if self.child == 0:
            os.execve(AUTOGLM, [AUTOGLM, *map(str, arguments)], environment(TERM="xterm", LC_ALL="C.UTF-8"))
        self.seen = ""

    def read_until(self, wanted, seconds=100):
        """Reads on until `wanted` comes in what is new; returns that, or all when the program ends before."""
        new = ""
        end = time.monotonic() + seconds
        while wanted not in new and time.monotonic() < end:
            ready, _, _ = select.select([self.file], [], [], 1)
            if not ready:
                continue
            try:
                block = os.read(self.file, 65536)
            except OSError:  # the program has ended
                break
            if not block:
                break
            new += block.decode(errors="replace")
        self.seen += new
        assert time.monotonic() < end, f"no {wanted!r} in {new!r}"
        return new

    def type(self, keys):
        """To the line editor: once the terminal leaves keys to it, which is just after the prompt stands there."""
        end = time.monotonic() + 100
        while termios.tcgetattr(self.file)[3] & termios.ICANON:
            assert time.monotonic() < end, "the terminal keeps the keys to itself"
            time.sleep(0.001)
        os.write(self.file, keys.encode())

    def end(self):
        self.read_until("\0")
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def screen(text):
    """The lines that stand on the terminal after `text`, as far as carriage returns and erasing go."""
    lines, column = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\s\S]", text):
        if part == "\n":
            lines.append("")
            column = 0
        elif part == "\r":
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif part[0] != "\x1b":
            lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + 1:]
            column += 1
    return lines


def with_tensor(source, target, name):
    """A copy of a safetensors file with one tensor more."""
    data = source.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    end = len(data) - 8 - length
    header[name] = {"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]}
    text = json.dumps(header).encode()
    target.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:] + bytes(4))


class HostileText(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def model(self, name, text, **config):
        path = self.folder / name
        shutil.copytree(TINY, path)
        original = json.loads((path / "config.json").read_text())
        (path / "config.json").write_text(json.dumps({**original, **config}))
        with_tensor(pathlib.Path(TINY) / "model.safetensors", path / "model.safetensors", text)
        return path

    def check(self, done, what):
        for stream in (done.stdout, done.stderr):
            self.assertIsNone(OBEYED.search(stream), f"{what}: {stream!r}")
        for line in done.stderr.splitlines():
            self.assertRegex(line, LOG_LINE, f"{what}: {done.stderr!r}")

    def test_nothing_that_a_terminal_obeys_is_written(self):
        good = self.model(f"good{HOSTILE}", HOSTILE, **{HOSTILE: 1})
        for command in (["info"], ["graph"], ["generate", "a", "-n", "1", "--model"], ["pack"]):
            with self.subTest(command=command):
                done = autoglm(*command, good)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.check(done, command)
        wrong = self.model("wrong", HOSTILE, architectures=[HOSTILE])
        for path in (wrong, self.folder / f"missing{HOSTILE}"):
            for command in ("graph", "info"):
                with self.subTest(path=path.name[:5], command=command):
                    self.check(autoglm(command, path), command)
        done = autoglm(HOSTILE)
        self.assertEqual(done.returncode, 2)
        self.assertIsNone(OBEYED.search(done.stderr), repr(done.stderr))
        self.assertNotIn("\n12:00", done.stderr)

    def test_json_logs_are_json(self):
        model = self.model(f"good{HOSTILE}", HOSTILE, **{HOSTILE: 1})
        done = autoglm("generate", "a", "-n", "1", "--log-format", "json", "--model", model)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertTrue(lines, "nothing was logged of a key without effect")
        for line in lines:
            self.assertEqual(sorted(line), ["level", "message", "time"])


class Bars(unittest.TestCase):
    def test_nothing_is_left_of_a_progress_bar(self):
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        for command in (["generate", "a", "-n", "2", "--temperature", "0"],
                        ["pack", TINY, folder / "packed"],
                        ["synthetic", folder / "model"],
                        ["quantize", TINY, folder / "quantized"],
                        ["generate", "a", "--max-model-len", "100000000"]):
            with self.subTest(command=command):
                terminal = Terminal(*command)
                terminal.end()
                for line in screen(terminal.seen):
                    self.assertNotRegex(line, r"\[=| \d+%$")


class Chat(unittest.TestCase):
    def test_a_paste_of_four_lines_is_one_message(self):
        terminal = Terminal("chat", "-n", "4", "--temperature", "0", "--seed", "1")
        start = terminal.read_until(PROMPT)
        self.assertIn("type a message", screen(start)[0])
        terminal.type("\x1b[200~one\rtwo\rthree\rfour\x1b[201~")
        pasted = terminal.read_until("four")
        self.assertNotIn("\x1b[?2004l", pasted, "the paste was sent before Enter")
        terminal.type("\r")
        terminal.read_until(PROMPT)
        terminal.type("/exit\r")
        self.assertEqual(terminal.end(), 0)
        self.assertEqual(terminal.seen.count("\x1b[?2004h"), 2, "one prompt for the paste, one for /exit")

    def test_signals_leave_the_terminal_as_it_was(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            with self.subTest(number):
                terminal = Terminal("chat", "--model", TINY, "--log-level", "error")
                before = termios.tcgetattr(terminal.file)
                terminal.read_until(PROMPT)
                terminal.type("half a message")
                terminal.read_until("message")
                os.kill(terminal.child, number)
                terminal.read_until("\x1b[?2004l", 20)
                self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(terminal.child, 0)[1]), -number)
                self.assertEqual(termios.tcgetattr(terminal.file)[:4], before[:4])
                os.close(terminal.file)

    def test_ctrl_c_forgets_a_line_and_then_ends(self):
        terminal = Terminal("chat")
        terminal.read_until(PROMPT)
        terminal.type("nothing of this\x03")
        terminal.read_until(PROMPT)
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 0)


if __name__ == "__main__":
    main()
