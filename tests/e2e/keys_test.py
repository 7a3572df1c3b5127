"""API keys as a user meets them: made by the command, asked for by the server, ended while it runs, shown nowhere."""
import os
import pathlib
import stat
import subprocess
import tempfile
import time
import unittest

from harness import AUTOGLM, Server, autoglm, environment, main


def status(server, path, key=None, method="GET", body=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return server.request(method, path, body, headers)[0]


class Keys(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = pathlib.Path(folder.name) / "state"

    def key(self, *arguments):
        done = autoglm("key", *arguments, "--state-dir", self.state)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_a_key_is_made_used_rotated_and_revoked(self):
        with Server("--state-dir", self.state) as server:
            self.assertEqual(status(server, "/v1/models"), 200)  # on loopback, without keys
            first = self.key("create", "--name", "ci", "--scopes", "inference", "--expires", "90d", "--tenant", "law")
            self.assertRegex(first, r"^aglm_\w{8}_\w{49}$")
            self.assertEqual(status(server, "/v1/models"), 401)
            self.assertEqual(status(server, "/v1/models", first), 200)
            body = {"prompt": "Hello", "max_tokens": 2}
            self.assertEqual(status(server, "/v1/completions", first, "POST", body), 200)
            self.assertEqual(status(server, "/v1/completions", None, "POST", body), 401)
            self.assertEqual(status(server, "/metrics", first), 403)
            second = self.key("rotate", "ci")
            self.assertEqual(status(server, "/v1/models", first), 401)
            self.assertEqual(status(server, "/v1/models", second), 200)
            listed = self.key("list")
            self.assertIn("law", listed)
            self.assertIn("revoked", listed)
            self.assertNotIn(second[14:30], listed)
            self.key("revoke", "ci")
            self.assertEqual(status(server, "/v1/models", second), 401)
            self.assertEqual(status(server, "/health"), 200)

    def test_wrong_words_are_explained(self):
        for arguments in (["list"], ["revoke", "none"]):  # of a folder that nobody has made
            done = autoglm("key", *arguments, "--state-dir", self.state)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("no such state folder", done.stderr)
        self.key("create", "--name", "some")
        for arguments, says in [(["create"], "--name"), (["create", "--name", "a", "--scopes", "root"], "root"),
                                (["create", "--name", "a", "--expires", "soon"], "90d"), (["revoke", "none"], "no such key")]:
            done = autoglm("key", *arguments, "--state-dir", self.state)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr)

    def test_keys_in_clear_show_nowhere(self):
        secret = "a-secret-word-of-clear-text"
        shown = autoglm("serve", "--print-config", "--api-key", secret)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertNotIn(secret, shown.stdout)
        with Server("--api-key", secret, "--state-dir", self.state) as server:
            words = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
            self.assertNotIn(secret.encode(), words)
            self.assertEqual(status(server, "/v1/models"), 401)
            self.assertEqual(status(server, "/v1/models", secret), 200)
        file = self.state.parent / "keys"
        file.write_text(f"# ours\r\n{secret}\r\n")
        with Server("--api-key-file", file, "--state-dir", self.state) as server:
            self.assertEqual(status(server, "/v1/models", secret), 200)
        file.write_text("short\n")
        done = autoglm("serve", "--port", "0", "--api-key-file", file)
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 1", done.stderr)

    def test_an_address_that_others_reach_gets_a_key(self):
        def start(*more):
            return subprocess.Popen([AUTOGLM, "serve", "--host", "0.0.0.0", "--port", "0", "--state-dir", str(self.state), *more],
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())

        def greeting(process):
            text = ""
            for line in process.stdout:
                text += line
                if "curl" in line:
                    break
            process.terminate()
            process.wait(timeout=60)
            process.stdout.close()
            return text

        first = greeting(start())
        self.assertRegex(first, r"API key:    aglm_\w{8}_\w{49}\n")
        file = self.state / "api-key"
        self.assertIn(file.read_text().strip(), first)
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        again = greeting(start())
        self.assertNotIn("aglm_", again)
        self.assertIn("API key:", again)
        self.assertIn("No key is asked for", greeting(start("--no-auth")))

    def test_a_damaged_database_lets_nobody_in(self):
        self.key("create", "--name", "a")
        with Server("--state-dir", self.state) as server:
            self.assertEqual(status(server, "/v1/models"), 401)
        for file in self.state.glob("autoglm.db*"):
            file.write_bytes(b"no database " * 1000)
        with Server("--state-dir", self.state) as server:
            time.sleep(0.1)
            self.assertIn(status(server, "/v1/models", "aglm_" + "x" * 58), (401, 503))
            self.assertIn(status(server, "/v1/models"), (401, 503))


if __name__ == "__main__":
    main()
