"""Encoders as clients meet them: vectors, scores, classes, and what is refused, on the checkpoints of tests/data/encoders."""
import base64
import json
import math
import os
import shutil
import struct
import tempfile
import threading
import unittest

from harness import ROOT, Server, autoglm, main

ENCODERS = ROOT / "tests" / "data" / "encoders"


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(ENCODERS / "bert").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def vectors(self, texts, **fields):
        status, answer = self.server.post("/v1/embeddings", {"input": texts, **fields})
        self.assertEqual(status, 200, answer)
        return [entry["embedding"] for entry in answer["data"]]

    def refused(self, path, body, param, code=None):
        status, answer = self.server.post(path, body)
        self.assertEqual(status, 400, answer)
        self.assertEqual(answer["error"]["param"], param, answer)
        if code:
            self.assertEqual(answer["error"]["code"], code, answer)
        return answer["error"]["message"]

    def test_a_text_has_one_vector_alone_in_lists_and_beside_other_requests(self):
        texts = json.loads((ENCODERS / "bert" / "texts.json").read_text(encoding="utf-8"))
        alone = [self.vectors(text)[0] for text in texts]
        self.assertEqual(self.vectors(texts * 9), alone * 9)
        found = {}

        def ask(i):
            found[i] = self.vectors(texts[i % len(texts):])

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, vectors in found.items():
            self.assertEqual(vectors, alone[i % len(texts):])

    def test_vectors_are_scaled_as_the_modules_say_or_the_request_does(self):
        scaled, plain = self.vectors("the cat")[0], self.vectors("the cat", normalize=False)[0]
        self.assertAlmostEqual(sum(x * x for x in scaled), 1, places=5)
        self.assertGreater(abs(sum(x * x for x in plain) - 1), 0.01)
        self.assertAlmostEqual(cosine(scaled, plain), 1, places=5)
        packed = base64.b64decode(self.vectors("the cat", encoding_format="base64")[0])
        self.assertEqual([round(x, 6) for x in struct.unpack(f"<{len(scaled)}f", packed)], [round(x, 6) for x in scaled])

    def test_a_long_text_is_refused_unless_it_may_be_cut(self):
        long = "cat " * 60
        message = self.refused("/v1/embeddings", {"input": long}, "input", "context_length_exceeded")
        self.assertIn("40 tokens", message)
        status, answer = self.server.post("/v1/embeddings", {"input": long, "truncate_prompt_tokens": -1})
        self.assertEqual((status, answer["usage"]["prompt_tokens"]), (200, 40))
        status, answer = self.server.post("/v1/embeddings", {"input": long, "truncate_prompt_tokens": 7})
        self.assertEqual((status, answer["usage"]["prompt_tokens"]), (200, 7))
        self.assertEqual(self.vectors(long, truncate_prompt_tokens=7), self.vectors("cat " * 5))
        for wrong in (0, -2, 41, "7"):
            self.refused("/v1/embeddings", {"input": "a", "truncate_prompt_tokens": wrong}, "truncate_prompt_tokens")

    def test_what_makes_no_sense_names_its_field(self):
        for body, param in (({"input": []}, "input"), ({"input": ""}, None), ({"input": 7}, "input"), ({}, "input"),
                            ({"input": ["a"] * 2049}, "input"), ({"input": [10**6]}, None),
                            ({"input": "a", "normalize": "yes"}, "normalize"),
                            ({"input": "a", "encoding_format": "int8"}, "encoding_format")):
            status, answer = self.server.post("/v1/embeddings", body)
            if body == {"input": ""}:
                self.assertEqual(status, 200, answer)  # [CLS] [SEP]
                continue
            self.assertEqual(status, 400, answer)
            if param:
                self.assertEqual(answer["error"]["param"], param, answer)
        self.refused("/v1/embeddings", {"input": "a", "dimensions": 5}, "dimensions", "unsupported_parameter")
        self.assertEqual(len(self.vectors("a", dimensions=36)[0]), 36)

    def test_what_the_model_does_not_do_is_said(self):
        chat = {"messages": [{"role": "user", "content": "hi"}]}
        for path, body in (("/v1/chat/completions", chat), ("/v1/completions", {"prompt": "a"}),
                           ("/infer", {"text": "a"}), ("/classify", {"input": "a"})):
            self.assertIn("does not support", self.refused(path, body, "model", "unsupported_by_model"))
        self.assertEqual(self.server.post("/apply-template", chat)[0], 400)

    def test_scores_are_cosines(self):
        a, b, c = self.vectors(["the cat", "a dog", "big thing"])
        status, answer = self.server.post("/score", {"text_1": "the cat", "text_2": ["a dog", "big thing"]})
        self.assertEqual(status, 200, answer)
        for entry, expected in zip(answer["data"], (cosine(a, b), cosine(a, c))):
            self.assertAlmostEqual(entry["score"], expected, places=5)
        self.refused("/score", {"text_1": ["a", "b"], "text_2": ["a", "b", "c"]}, "text_2")
        self.refused("/score", {"text_1": "a"}, "text_2")

    def test_health_models_and_metrics_are_as_ever(self):
        self.assertEqual(self.server.request("GET", "/ready")[0], 200)
        models = self.server.request("GET", "/v1/models")[2]["data"]
        self.assertEqual((models[0]["max_model_len"], models[0]["meta"]["architecture"]), (40, "BertModel"))
        self.assertIn("autoglm", self.server.request("GET", "/metrics")[2])
        status, tokens = self.server.post("/tokenize", {"prompt": "the cat"})
        self.assertEqual((status, tokens["count"]), (200, 4))


class Rerankers(unittest.TestCase):
    def test_pairs_are_read_together_and_sorted(self):
        for name in ("bert_reranker", "xlm_roberta_reranker"):
            with Server(ENCODERS / name) as server:
                documents = ["one two", "the dog", {"text": "The cat sat on the mat."}, "the dog"]
                status, answer = server.post("/v1/rerank", {"query": "Where is the cat?", "documents": documents})
                self.assertEqual(status, 200, answer)
                scores = [entry["relevance_score"] for entry in answer["results"]]
                self.assertEqual(scores, sorted(scores, reverse=True))
                self.assertEqual(sorted(entry["index"] for entry in answer["results"]), [0, 1, 2, 3])
                places = [entry["index"] for entry in answer["results"]]
                self.assertLess(places.index(1), places.index(3))  # equal ones keep their order
                self.assertTrue(all(0 < score < 1 for score in scores))
                best = server.post("/rerank", {"query": "Where is the cat?", "documents": documents, "top_n": 1,
                                               "return_documents": False})[1]["results"]
                self.assertEqual(best, [{"index": places[0], "relevance_score": scores[0]}])
                status, pair = server.post("/score", {"queries": "Where is the cat?",
                                                      "documents": "The cat sat on the mat."})
                self.assertEqual(status, 200, pair)
                self.assertEqual(pair["data"][0]["score"], dict(zip(places, scores))[2])
                raw = server.post("/score", {"text_1": "Where is the cat?", "text_2": "The cat sat on the mat.",
                                             "use_activation": False})[1]["data"][0]["score"]
                self.assertAlmostEqual(1 / (1 + math.exp(-raw)), pair["data"][0]["score"], places=6)
                for body, param in (({"query": "a"}, "documents"), ({"documents": ["a"]}, "query"),
                                    ({"query": "a", "documents": []}, "documents"),
                                    ({"query": "a", "documents": [7]}, "documents[0]"),
                                    ({"query": "a", "documents": "a"}, "documents"),
                                    ({"query": "a", "documents": ["a"], "top_n": -1}, "top_n"),
                                    ({"query": "a", "documents": ["cat " * 60]}, "documents")):
                    status, refusal = server.post("/rerank", body)
                    self.assertEqual((status, refusal["error"]["param"]), (400, param), refusal)
                self.assertEqual(server.post("/rerank", {"query": "a", "documents": ["cat " * 60],
                                                         "truncate_prompt_tokens": 16})[0], 200)
                status, refusal = server.post("/v1/embeddings", {"input": "a"})
                self.assertEqual((status, refusal["error"]["code"]), (400, "unsupported_by_model"))

    def test_a_classifier_names_the_likeliest_label(self):
        with Server(ENCODERS / "bert_classifier", "--quantize", "int8") as server:
            status, answer = server.post("/classify", {"input": ["the cat", "one"]})
            self.assertEqual(status, 200, answer)
            for entry in answer["data"]:
                self.assertAlmostEqual(sum(entry["probs"]), 1, places=5)
                self.assertEqual(entry["label"], f"LABEL_{entry['probs'].index(max(entry['probs']))}")
                self.assertEqual(entry["num_classes"], 3)
            status, refusal = server.post("/score", {"text_1": "a", "text_2": "b"})
            self.assertEqual((status, refusal["error"]["code"]), (400, "unsupported_by_model"))


class Checkpoints(unittest.TestCase):
    """Folders that say what we cannot do, or contradict themselves."""

    def changed(self, name, change):
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "copy")
            shutil.copytree(ENCODERS / name, copy)
            change(copy)
            done = autoglm("info", copy)
            self.assertNotEqual(done.returncode, 0, done.stdout)
            return done.stderr

    @staticmethod
    def edit(path, **fields):
        def change(folder):
            file = os.path.join(folder, path)
            with open(file, encoding="utf-8") as f:
                document = json.load(f)
            document.update(fields)
            with open(file, "w", encoding="utf-8") as f:
                json.dump(document, f)
        return change

    def test_each_is_refused_by_name(self):
        pooling = "1_Pooling/config.json"
        for change, words in (
                (self.edit(pooling, pooling_mode_attention=True), "pooling_mode_attention"),
                (self.edit(pooling, pooling_mode_cls_token=True), "one pooling mode"),
                (self.edit(pooling, word_embedding_dimension=37), "word_embedding_dimension"),
                (self.edit("config.json", hidden_act="relu"), "hidden_act"),
                (self.edit("config.json", position_embedding_type="relative_key"), "position_embedding_type"),
                (self.edit("config.json", is_decoder=True), "is_decoder"),
                (self.edit("config.json", num_attention_heads=5), "num_attention_heads"),
                (self.edit("config.json", intermediate_size=51), "intermediate.dense.weight"),
                (self.edit("config.json", num_hidden_layers=3), "encoder.layer.2."),
                (self.edit("config.json", max_position_embeddings=41), "position_embeddings"),
                (lambda f: os.remove(os.path.join(f, pooling)), "1_Pooling"),
                (self.write_modules([{"type": "sentence_transformers.models.Transformer", "path": ""},
                                     {"type": "sentence_transformers.models.Pooling", "path": "../1_Pooling"}]), "path"),
                (self.write_modules([{"type": "sentence_transformers.models.Transformer", "path": ""},
                                     {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
                                     {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]), "Dense"),
                (self.write_modules({}), "modules.json")):
            self.assertIn(words, self.changed("bert", change))

    @staticmethod
    def write_modules(document):
        def change(folder):
            with open(os.path.join(folder, "modules.json"), "w", encoding="utf-8") as f:
                json.dump(document, f)
        return change

    def test_options_of_models_that_generate_are_refused(self):
        for options in (["--kv-cache-memory", "1MiB"], ["--speculative-method", "ngram"], ["--max-model-len", "41"]):
            done = autoglm("serve", ENCODERS / "bert", "--port", "0", *options)
            self.assertNotEqual(done.returncode, 0, options)

    def test_commands_say_that_it_is_an_encoder(self):
        for command in (["generate", "--model", ENCODERS / "bert", "a"],
                        ["perplexity", "--model", ENCODERS / "bert", "--file", ENCODERS / "bert" / "texts.json"],
                        ["quantize", ENCODERS / "bert", os.path.join(tempfile.gettempdir(), "never-written")]):
            done = autoglm(*command)
            self.assertNotEqual(done.returncode, 0, command)
            self.assertIn("encoder", done.stderr, command)

    def test_info_and_a_packed_copy_know_it(self):
        done = autoglm("info", ENCODERS / "bert")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("BertModel", done.stdout)
        self.assertIn("vectors, mean pooling, scaled to length 1", done.stdout)
        self.assertNotIn("keys and values\n", done.stdout)
        with tempfile.TemporaryDirectory() as folder:
            packed = os.path.join(folder, "packed")
            done = autoglm("pack", ENCODERS / "bert", packed, "--quantize", "int8")
            self.assertEqual(done.returncode, 0, done.stderr)
            vectors = []
            for path, options in ((packed, []), (ENCODERS / "bert", ["--quantize", "int8"])):
                with Server(path, *options) as server:
                    vectors.append(server.post("/v1/embeddings", {"input": ["the cat", "a dog"]})[1]["data"])
            self.assertEqual(vectors[0], vectors[1])


if __name__ == "__main__":
    main()
