"""Redaction as a user meets it: the command, its policies and the vault; a server whose model is made to say what must not leave."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from harness import AUTOGLM, ROOT, Server, autoglm, environment, main, shared_data

sys.path.insert(0, str(ROOT / "bench" / "redact"))
import chinese_cases  # noqa: E402

TEXT = "电话13800138000，邮箱li.wei@example.cn。"
SAID = "Call 13800138000 or li.wei@example.cn now"
REDACTED = "Call <CN_MOBILE> or <EMAIL_ADDRESS> now"
MADE_TO_SAY = {"structured_outputs": {"choice": [SAID]}, "max_tokens": 100}


class Command(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def redact(self, *arguments, stdin=TEXT):
        done = autoglm("redact", *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_text_from_a_pipe_or_a_file(self):
        self.assertEqual(self.redact(), "电话<CN_MOBILE>，邮箱<EMAIL_ADDRESS>。")
        path = self.folder / "letter.txt"
        path.write_text(TEXT, encoding="utf-8")
        self.assertEqual(self.redact(path), self.redact())
        found = json.loads(self.redact("--json", path))
        self.assertEqual([f["entity"] for f in found], ["CN_MOBILE", "EMAIL_ADDRESS"])
        data = TEXT.encode()
        self.assertEqual(data[found[0]["begin"]:found[0]["end"]], b"13800138000")
        self.assertIn("CN_RESIDENT_ID", self.redact("--list"))

    def test_a_pipe_is_answered_as_it_comes(self):
        with subprocess.Popen([AUTOGLM, "redact"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=environment()) as process:
            process.stdin.write(b"Hello you, 1380013")
            process.stdin.flush()
            self.assertEqual(process.stdout.read(11), b"Hello you, ")
            process.stdin.write(b"8000")
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"<CN_MOBILE>")

    def test_policies_and_the_vault(self):
        policy = self.folder / "policy.yaml"
        policy.write_text("default: vault\ntenants: {law: {default: pseudonym}}\n", encoding="utf-8")
        with_policy = ["--policy", policy, "--state-dir", self.folder / "state"]
        sealed = self.redact(*with_policy)
        self.assertIn("<VAULT_CN_MOBILE:", sealed)
        key = self.folder / "state" / "redact.vault"
        self.assertEqual(self.redact("--reveal", "--key-file", key, stdin=sealed), TEXT)
        self.assertRegex(self.redact(*with_policy, "--tenant", "law"), "电话<CN_MOBILE_[a-z2-7]{10}>")
        policy.write_text("entities: {CN_MOBIL: tag}\n", encoding="utf-8")
        wrong = autoglm("redact", "--policy", policy, stdin=TEXT)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("policy.yaml:1:12", wrong.stderr)


class Quality(unittest.TestCase):
    """A part of what bench/redact/run.py measures."""

    def find(self, text):
        data = text.encode()
        done = subprocess.run([AUTOGLM, "redact", "--json"], input=data, capture_output=True, env=environment(), check=True)
        return {(f["entity"], len(data[:f["begin"]].decode()), len(data[:f["end"]].decode()))
                for f in json.loads(done.stdout)}

    def test_chinese_cases_are_found_and_near_misses_are_not(self):
        missed, total = [], 0
        for case in chinese_cases.cases(seed=7, count=450):
            found = self.find(case["text"])
            if case["entity"] is None:
                self.assertNotIn(case["near"], {entity for entity, _, _ in found}, case)
                continue
            total += 1
            if (case["entity"], case["begin"], case["end"]) not in found:
                missed.append(case)
        self.assertLessEqual(len(missed), total // 100, missed)
        self.assertEqual([case for case in missed if case["checked"]], [])

    @unittest.skipUnless(shared_data("texts"), "conformance data not found: set AUTOGLM_TEST_DATA to its folder")
    def test_prose_holds_hardly_any(self):
        total, found = 0, []
        for path in pathlib.Path(shared_data("texts")).rglob("*"):
            if not path.is_file() or path.name == "SOURCES.md":
                continue
            total += path.stat().st_size
            done = subprocess.run([AUTOGLM, "redact", "--json", path], capture_output=True, env=environment(), check=True)
            # Addresses of mail and machines in these texts are what they look like.
            found += [f for f in json.loads(done.stdout) if f["entity"] not in ("EMAIL_ADDRESS", "IP_ADDRESS")]
        self.assertLessEqual(len(found), 2 * (total / 1e6) + 2, found)


class Serving(unittest.TestCase):
    def test_what_the_model_says_leaves_redacted(self):
        with Server("--redact", "answers") as server:
            chat = {"messages": [{"role": "user", "content": "Hi"}], **MADE_TO_SAY}
            status, whole = server.post("/v1/chat/completions", chat)
            self.assertEqual(status, 200, whole)
            self.assertEqual(whole["choices"][0]["message"]["content"], REDACTED)
            events = server.stream("/v1/chat/completions", {**chat, "stream": True, "n": 2})
            for index in range(2):
                content = "".join(choice["delta"].get("content") or "" for event in events
                                  for choice in event["choices"] if choice["index"] == index)
                self.assertEqual(content, REDACTED)
            status, completion = server.post("/v1/completions", {"prompt": "Hi", **MADE_TO_SAY})
            self.assertEqual(completion["choices"][0]["text"], REDACTED)
            self.assertGreater(whole["usage"]["completion_tokens"], 10)
            status, scored = server.post("/v1/chat/completions", {**chat, "logprobs": True, "top_logprobs": 3})
            told = "".join(t["token"] for t in scored["choices"][0]["logprobs"]["content"])
            self.assertNotIn("3800", told)
            self.assertNotIn("example", told)

    def test_prompts_are_redacted_before_they_are_read(self):
        with Server("--redact", "both") as server:
            status, answer = server.post("/v1/completions",
                                         {"prompt": "ID 110101199003071233 and", "echo": True, "max_tokens": 1})
            self.assertEqual(status, 200, answer)
            self.assertTrue(answer["choices"][0]["text"].startswith("ID <CN_RESIDENT_ID> and"), answer)

    def test_a_wrong_policy_ends_the_start(self):
        done = autoglm("serve", "--redact", "answers", "--redact-policy", "/nowhere/policy.yaml", "--port", "0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/policy.yaml", done.stderr)
        self.assertEqual(autoglm("serve", "--redact", "some").returncode, 1)


if __name__ == "__main__":
    main()
