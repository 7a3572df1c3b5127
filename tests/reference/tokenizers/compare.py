#!/usr/bin/env python3
"""Compares tokenizer_probe with the `tokenizers` package over random Unicode strings.

    compare.py PROBE DIRECTORY... [--strings 5000] [--seed 20]

Each DIRECTORY holds a tokenizer.json. For every string the ids (with and without the tokens that a
post-processor adds), the decoded text (with and without special tokens) and the streamed text must be
equal. Exit status 1 and the first differences if they are not.
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

WORDS = """the of and Hello world don't I'm we'll THEY'VE it's naïve café İstanbul straße ﬁne Ⅻ x² 3.14 1,000
10000000 2024-01-01 http://example.com/a?b=c foo_bar fooBar $x->y() a·b a‿b ‘quoted’ “double” … — –
你好 世界 北京大学 人工智能 模型 语言 こんにちは カタカナ 한국어 안녕하세요 नमस्ते مرحبا ١٢٣ שלום ไทย ລາວ မြန်မာ
Ελληνικά Привет ёлка Ёлка đặng Việt 🙂 👩‍👩‍👧‍👦 🇨🇳 👍🏽 ❤️ ☺ é a\u0301\u0323 ｆｕｌｌ ﷺ \u200b \ufeff \u00ad \u2581 ▁▁ Ġ Ċ
do not n't 's ' . , ! ? ## [UNK] [CLS] <unk> <s> </s> <0x0A> <|endoftext|> <|im_start|> [gMASK] <sop>""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b"]
BLOCKS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
          (0xE00, 0xEFF), (0x1000, 0x10FF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x2BFF),
          (0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
          (0xFE00, 0xFFFD), (0x10000, 0x11FFF), (0x1D400, 0x1D7FF), (0x1F000, 0x1FAFF), (0x20000, 0x323AF)]


def random_character(rng):
    low, high = rng.choice(BLOCKS) if rng.random() < 0.97 else (0, 0x10FFFF)
    while True:
        c = rng.randint(low, high)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_string(rng, extra):
    parts = []
    for _ in range(rng.choice((1, 2, 5, 10, 30))):
        kind = rng.random()
        if kind < 0.45:
            parts.append(rng.choice(WORDS))
        elif kind < 0.75:
            parts.append(rng.choice(SPACES))
        elif kind < 0.8 and extra:
            parts.append(rng.choice(extra))
        elif kind < 0.9:
            parts.append("".join(random_character(rng) for _ in range(rng.randint(1, 6))))
        elif kind < 0.95:
            parts.append(rng.choice("ab1 .\n'é你") * rng.randint(2, 40))
        else:
            parts.append("".join(rng.choice("abcdefghijklmnopqrstuvwxyzABC'0123456789") for _ in range(rng.randint(1, 30))))
    return "".join(parts)


def strings(count, seed, reference):
    rng = random.Random(seed)
    extra = [token.content for token in reference.get_added_tokens_decoder().values()]
    return ["", " ", "\n"] + [random_string(rng, extra) for _ in range(count - 3)]


def ask(probe, directory, texts, **options):
    lines = "".join(json.dumps({"text": text, **options}) + "\n" for text in texts)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as questions:
        questions.write(lines)
        questions.seek(0)
        done = subprocess.run([probe, directory], stdin=questions, stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode("utf-8").split("\n") if line]
    assert len(answers) == len(texts), (len(answers), len(texts))
    return answers


def compare(probe, directory, count, seed):
    reference = Tokenizer.from_file(str(Path(directory) / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    texts = strings(count, seed, reference)
    differences = []
    for special in (True, False):
        answers = ask(probe, directory, texts, add_special_tokens=special)
        for text, answer in zip(texts, answers):
            ids = reference.encode(text, add_special_tokens=special).ids
            expected = {"ids": ids, "text": reference.decode(ids, skip_special_tokens=False),
                        "text_without_special": reference.decode(ids, skip_special_tokens=True)}
            expected["streamed"] = expected["text"]
            if answer != expected:
                differences.append((text, expected, answer))
    print(f"{directory}: {2 * len(texts)} encodings, {len(differences)} differences", flush=True)
    for text, expected, answer in sorted(differences, key=lambda d: len(d[0]))[:5]:
        print(f"  text     {text!r}")
        for key in expected:
            if answer.get(key) != expected[key]:
                print(f"  {key}: expected {expected[key]!r}\n  {key}: found    {answer.get(key, answer)!r}")
    return len(differences)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("probe")
    parser.add_argument("directories", nargs="+")
    parser.add_argument("--strings", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    total = sum(compare(arguments.probe, d, arguments.strings, arguments.seed) for d in arguments.directories)
    sys.exit(1 if total else 0)


if __name__ == "__main__":
    main()
