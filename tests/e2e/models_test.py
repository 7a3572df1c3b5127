"""Models as people hold them: every command finds the same one under the same name, and what cannot be served is
refused by `info` as by everything else."""
import json
import os
import pathlib
import shutil
import struct
import tempfile
import unittest

from harness import ROOT, TINY, Server, autoglm, environment, main


class Scratch(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)

    def tearDown(self):
        self.scratch.cleanup()

    def synthetic(self, name, *arguments):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        out = autoglm("synthetic", path, *arguments)
        self.assertEqual(out.returncode, 0, out.stderr)
        return path

    def changed(self, name, **keys):
        """A copy of tiny-glm with another configuration; None drops a key."""
        path = self.folder / name
        shutil.copytree(TINY, path)
        config = json.loads((path / "config.json").read_text())
        for key, value in keys.items():
            config.pop(key, None)
            if value is not None:
                config[key] = value
        (path / "config.json").write_text(json.dumps(config))
        return path


class Names(Scratch):
    def commands(self, name, env):
        """What each command that takes a model answers for it."""
        context = json.dumps({"messages": [{"role": "user", "content": "Hi"}]})
        for command in (("info", name, "--json"), ("graph", name, "--json"), ("tokenize", name, "--json"),
                        ("generate", "--model", name, "--ids", "5 6 7", "-n", "2", "--temperature", "0", "--json"),
                        ("pack", name, self.folder / "packed"),
                        ("quantize", name, self.folder / "quantized", "--method", "rtn"),
                        ("generate", "--model", name, "--speculative-model", name, "--speculative-method", "draft_model",
                         "--ids", "5 6 7", "-n", "2", "--temperature", "0")):
            for made in ("packed", "quantized"):
                shutil.rmtree(self.folder / made, ignore_errors=True)
            yield command[0], autoglm(*command, stdin=context, env=env)

    def test_every_command_finds_the_same_model(self):
        one = self.synthetic("one/m-Q8_0.gguf", "--dtype", "q8_0")
        (self.folder / "one/mmproj-m.gguf").write_bytes(b"GGUF")
        snapshot = self.folder / "hub/models--o--one-GGUF/snapshots/abc"
        snapshot.mkdir(parents=True)
        for name in ("m-Q8_0.gguf", "m-Q4_0.gguf"):
            shutil.copy(one, snapshot / name)
        noref = self.folder / "hub/models--o--noref/snapshots/abc"
        shutil.copytree(TINY, noref)
        env = environment(HF_HUB_CACHE=str(self.folder / "hub"))
        for name in (one, self.folder / "one", "o/one-GGUF:Q8_0", "o/one-GGUF@abc:Q4_0", "o/noref", "o/noref@abc",
                     "tiny-glm"):
            for command, out in self.commands(name, env):
                self.assertEqual(out.returncode, 0, f"{command} {name}: {out.stderr}")
        for name in ("o/one-GGUF", "o/one-GGUF:Q5_K_M", "o/noref@main", "o/none"):
            errors = set()
            for command, out in self.commands(name, env):
                self.assertEqual(out.returncode, 1, f"{command} {name}: {out.stdout}")
                errors.add(out.stderr.split("(expected")[0])
            self.assertEqual(len(errors), 1, errors)

    def served(self, *arguments, cwd=None, **env):
        before = os.getcwd()
        clean = {key: os.environ.get(key) for key in env}
        os.environ.update(env)
        os.chdir(cwd or before)
        try:
            with Server(*arguments) as server:
                return server.request("GET", "/v1/models")[2]["data"][0]["id"]
        finally:
            os.chdir(before)
            for key, value in clean.items():
                if value is None:
                    os.environ.pop(key)
                else:
                    os.environ[key] = value

    def test_a_model_is_served_under_the_name_that_its_user_knows(self):
        shutil.copytree(TINY, self.folder / "my-model")
        shutil.copytree(TINY, self.folder / "hub/models--o--m/snapshots/abc")
        hub = str(self.folder / "hub")
        self.assertEqual(self.served(), "tiny-glm")
        self.assertEqual(self.served("--model", self.folder / "my-model"), "my-model")
        self.assertEqual(self.served("--model", ".", cwd=self.folder / "my-model"), "my-model")
        self.assertEqual(self.served("--model", "o/m", HF_HUB_CACHE=hub), "o/m")
        self.assertEqual(self.served("--model", self.folder / "hub/models--o--m/snapshots/abc"), "o/m")


class Info(Scratch):
    def test_refuses_what_serve_refuses_with_the_same_reason(self):
        moe = {"architectures": ["Qwen3MoeForCausalLM"], "num_experts": 8}
        missing = self.changed("missing", num_hidden_layers=9)
        no_tokenizer = self.changed("no-tokenizer")
        for file in no_tokenizer.iterdir():
            if file.name.startswith(("tokenizer", "special", "vocab", "merges")):
                file.unlink()
        for path in (self.changed("moe", **moe), missing, no_tokenizer, self.changed("activation", hidden_act="gelu"),
                     self.changed("rope", rope_scaling={"rope_type": "longrope", "factor": 4.0}),
                     self.changed("heads", num_key_value_heads=3), ROOT / "docs"):
            table = autoglm("info", path)
            self.assertEqual(table.returncode, 1, path)
            self.assertRegex(table.stderr, "not supported: |damaged: ", path)
            as_json = autoglm("info", path, "--json")
            self.assertEqual(as_json.returncode, 1, path)
            about = json.loads(as_json.stdout)
            self.assertIs(about["supported"], False)
            served = autoglm("generate", "--model", path, "hi", "-n", "1")
            self.assertEqual(served.returncode, 1, path)
            self.assertEqual(served.stderr.strip().split("\n")[-1], "autoglm: " + about["reason"])
        about = autoglm("info", TINY, "--json")
        self.assertEqual(about.returncode, 0, about.stderr)
        self.assertIs(json.loads(about.stdout)["supported"], True)

    def test_tells_the_context_that_is_served(self):
        scaled = self.changed("yarn", rope_scaling={"rope_type": "yarn", "factor": 4.0}, rope_parameters=None)
        plain = json.loads(autoglm("info", TINY, "--json").stdout)["context"]
        self.assertEqual(json.loads(autoglm("info", scaled, "--json").stdout)["context"], 4 * plain)

    def test_needs_no_key_that_the_class_has_a_value_for(self):
        path = self.changed("less", hidden_act=None, rms_norm_eps=1e-5, architectures=None)
        about = json.loads(autoglm("info", path, "--json").stdout)
        self.assertEqual(about["architecture"], "Glm4ForCausalLM")
        self.assertIs(about["supported"], True, about)


class NoModels(Scratch):
    def test_every_command_says_what_is_held_for_a_model(self):
        (self.folder / "lora").mkdir()
        (self.folder / "lora/adapter_config.json").write_text('{"base_model_name_or_path": "o/base"}')
        (self.folder / "lfs").mkdir()
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
        (self.folder / "lfs/config.json").write_text("{}")
        (self.folder / "lfs/model.safetensors").write_text(pointer)
        (self.folder / "pickle").mkdir()
        (self.folder / "pickle/config.json").write_text("{}")
        (self.folder / "pickle/pytorch_model.bin").write_bytes(b"PK")
        clip = b"clip"
        key = b"general.architecture"
        (self.folder / "mmproj.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) +
                                                  key + struct.pack("<IQ", 8, len(clip)) + clip)
        for name, says in (("lora", "merged into o/base"), ("lfs", "git lfs pull"), ("pickle", "pickles"),
                           ("mmproj.gguf", "projector for images")):
            for command in (("info",), ("graph",), ("generate", "hi", "--model")):
                out = autoglm(*command, self.folder / name)
                self.assertEqual(out.returncode, 1, out.stdout)
                self.assertIn(says, out.stderr, command)


if __name__ == "__main__":
    main()
