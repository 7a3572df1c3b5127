"""What the documentation tells people to type: every command, flag and setting in it exists, and every request in it
is answered."""
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import unittest

from harness import ROOT, Server, autoglm, main

PAGES = [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").glob("*.md"))]
# What blocks are named: those of a language are tried, "text" is all else, and none is without a name.
LANGUAGES = {"sh", "json", "yaml", "cmake", "cpp", "text"}
# Programs of others, and what they are shown for.
OTHERS = {"hf", "huggingface-cli", "llama-server", "cmake"}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands():
    """(page, words) of every command in a block of shell."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for line in block.replace("\\\n", " ").split("\n"):
                # A request's body may go on for several lines; requests have a test of their own.
                if line.startswith(("curl", " ")) or not line.strip():
                    continue
                for part in re.sub(r"\s+#.*", "", line).split(" && "):
                    words = shlex.split(part)
                    while re.match(r"[A-Z_]+=", words[0]):
                        words.pop(0)
                    yield page.name, words


def requests():
    """(page, text) of every curl command."""
    for page in PAGES:
        for block in blocks(page, "sh"):
            for start in re.finditer(r"^curl ", block, re.M):
                words = re.match(r"curl (?:[^']|'[^']*')*?(?=\n\S|\Z)", block[start.start():])
                yield page.name, words[0].replace("\\\n", " ")


def flags(words):
    return [word.split("=")[0] for word in words if word.startswith("-") and len(word) > 1 and not word[1].isdigit()]


class Commands(unittest.TestCase):
    def helped(self, name):
        out = autoglm(*name, "--help")
        self.assertEqual(out.returncode, 0, name)
        return set(re.findall(r"-[-\w]+", out.stdout))

    def test_every_command_and_flag_exists(self):
        seen = 0
        for page, words in commands():
            program = pathlib.PurePath(words[0]).name
            where = f"{page}: {' '.join(words)}"
            if program in OTHERS:
                continue
            if program == "run" and words[0] == "./run":
                self.assertTrue((ROOT / "run").exists())
                words = ["autoglm", "serve", *[word for word in words[1:] if word != "--build"]]
            elif words[0].startswith(("./", "bench/", "tools/")):
                script = ROOT / words[0]
                # Scripts of a folder share their flags in common.py.
                places = [script, *script.parent.glob("common.py")]
                text = "".join(place.read_text(encoding="utf-8") for place in places)
                for flag in flags(words[1:]):
                    self.assertIn(flag, text, where)
                continue
            else:
                self.assertEqual(program, "autoglm", where)
            two = words[1:3] == ["bench", "serve"] or words[1:2] in (["key"], ["tenant"])
            name = words[1:3] if two else words[1:2]
            known = self.helped(name)
            for flag in flags(words):
                self.assertIn(flag, known, where)
            seen += 1
        self.assertGreater(seen, 20)

    def test_the_commands_of_the_readme_are_all_of_them(self):
        listed = set(re.findall(r"^  (\w+) ", autoglm("--help").stdout, re.M))
        for page in ("README.md", "README.zh.md"):
            text = (ROOT / page).read_text(encoding="utf-8")
            shown = set(re.findall(r"^autoglm (\w+)", text, re.M))
            self.assertTrue(shown <= listed | {"bench"}, page)
            self.assertTrue(listed <= shown, f"{page} lacks {listed - shown}")


class Settings(unittest.TestCase):
    def test_tables_of_settings_name_settings(self):
        out = autoglm("serve", "--print-config")
        self.assertEqual(out.returncode, 0, out.stderr)
        known = set(re.findall(r"^([a-z_]+):", out.stdout, re.M))
        limits = (ROOT / "docs/http-api.md").read_text(encoding="utf-8").split("## Limits")[1].split("\n\n")[0]
        for name in re.findall(r"^\| `([a-z_]+)` \|", limits, re.M):
            self.assertIn(name, known, "docs/http-api.md: Limits")
        settings = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
        table = settings.split("| key | default | |\n")[1].split("\n\n")[0]
        for name in re.findall(r"^\| `([a-z_]+)` \|", table, re.M):
            self.assertIn(name, known, "docs/configuration.md")
        pages = [*PAGES, ROOT / "docs/config.example.yaml"]
        everything = "".join(page.read_text(encoding="utf-8") for page in pages)
        for name in known:
            self.assertRegex(everything, rf"\b{name}\b", "no page tells of it")


class Blocks(unittest.TestCase):
    def test_every_block_is_named_by_what_it_holds(self):
        for page in PAGES:
            fences = re.findall(r"^ *```(.*)$", page.read_text(encoding="utf-8"), re.M)
            for name in fences[::2]:
                self.assertIn(name, LANGUAGES, page.name)
            self.assertEqual(set(fences[1::2]) - {""}, set(), page.name)
            for block in blocks(page, "text"):
                self.assertNotRegex(block, r"(?m)^(curl|\{)", page.name)

    def test_json_is_json(self):
        found = [(page.name, block) for page in PAGES for block in blocks(page, "json")]
        self.assertGreaterEqual(len(found), 3)
        for page, block in found:
            with self.subTest(page=page, block=block):
                json.loads(block)


@unittest.skipUnless(shutil.which("curl"), "curl is not installed")
class Requests(unittest.TestCase):
    def test_every_request_is_answered(self):
        found = list(requests())
        self.assertGreaterEqual(len(found), 17)
        with Server() as server, Server(ROOT / "tests/data/encoders/bert") as encoder:
            for page, text in found:
                port = encoder.port if page == "embeddings.md" else server.port
                text = text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
                out = subprocess.run([*shlex.split(text), "--fail-with-body", "-sS", "-m", "60"], capture_output=True,
                                     text=True, check=False)
                self.assertEqual(out.returncode, 0, f"{page}: {text}\n{out.stdout}\n{out.stderr}")
                if re.search(r"/v1/(chat/)?completions ", text):
                    self.assertIn("choices", out.stdout, page)


if __name__ == "__main__":
    main()
