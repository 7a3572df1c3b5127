"""Tenants as an operator meets them: limits set by the command while the server runs, refusals, usage by the command."""
import json
import pathlib
import tempfile
import time
import unittest

from harness import Server, autoglm, main


class Tenants(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = pathlib.Path(folder.name) / "state"

    def run_command(self, *arguments):
        done = autoglm(*arguments, "--state-dir", self.state)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_limits_hold_and_usage_is_kept(self):
        key = self.run_command("key", "create", "--name", "ci", "--tenant", "law").strip()
        headers = {"Authorization": f"Bearer {key}"}
        body = {"prompt": "Hello", "max_tokens": 3, "ignore_eos": True}
        with Server("--state-dir", self.state) as server:
            self.assertEqual(server.request("POST", "/v1/completions", body, headers)[0], 200)
            self.assertIn("law", self.run_command("tenant", "set", "law", "--requests-per-minute", "1"))
            self.assertEqual(server.request("POST", "/v1/completions", body, headers)[0], 200)
            status, answered, text = server.request("POST", "/v1/completions", body, headers)
            self.assertEqual(status, 429, text)
            self.run_command("tenant", "set", "law", "--requests-per-minute", "none", "--tokens-per-day", "1")
            self.assertEqual(server.request("POST", "/v1/completions", body, headers)[0], 429)
            self.run_command("tenant", "remove", "law")
            self.assertEqual(server.request("POST", "/v1/completions", body, headers)[0], 200)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:  # a running server writes each second
                rows = json.loads(self.run_command("usage", "--by", "tenant,key", "--format", "json"))
                if rows and rows[0]["requests"] == 3:
                    break
                time.sleep(0.2)
            self.assertEqual(len(rows), 1)
            self.assertEqual(rows[0]["tenant"], "law")
            self.assertEqual(rows[0]["key"], key.split("_")[1])
            self.assertEqual(rows[0]["output_tokens"], 9)
        self.assertIn("law", self.run_command("usage"))
        self.assertTrue(self.run_command("usage", "--format", "csv").startswith("day,tenant,requests"))
        self.assertNotIn("law", self.run_command("usage", "--tenant", "other"))

    def test_wrong_words_are_explained(self):
        for arguments, says in [(["tenant", "set", "law", "--tokens-per-day", "many"], "--tokens-per-day"),
                                (["tenant", "set", "law", "--tokens-per-day", "-1"], "--tokens-per-day"),
                                (["tenant", "remove", "law"], "no such tenant"), (["usage", "--by", "hour"], "--by"),
                                (["usage", "--from", "2026-02-30"], "--from"), (["usage", "--from", ""], "--from"),
                                (["tenant", "set", "law", "--models", ""], "--models"),
                                (["tenant", "set", "law", "--tokens-per-day", ""], "--tokens-per-day"),
                                (["key", "create", "--name", "a", "--expires", ""], "--expires"),
                                (["key", "create", "--name", "a", "--expires", "90"], "90d"), (["tenant", "set"], "tenant")]:
            done = autoglm(*arguments, "--state-dir", self.state)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertIn(says, done.stderr)
        done = autoglm("serve", "--port", "0", "--timezone", "Mars/Olympus", "--state-dir", self.state)
        self.assertEqual(done.returncode, 1)
        self.assertIn("timezone", done.stderr)


if __name__ == "__main__":
    main()
