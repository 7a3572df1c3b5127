#!/usr/bin/env python3
"""How well `autoglm redact` recognizes: the Chinese cases of chinese_cases.py, false findings in prose and code, and
Presidio's own cases with Presidio beside it.

    bench/redact/run.py --autoglm build/release/autoglm --data ../shared/data [--presidio PYTHON]

PYTHON is one that has presidio-analyzer (PyPI). Its recognizers are run one by one, by pattern, check and the context words
of a blank spaCy pipeline: its language models are not on PyPI. The column "alone" is ours under the same conditions: one
recognizer at a time, every score counts. The column "default" is what a user gets without a policy.
"""
import argparse
import collections
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tempfile

import chinese_cases

# Presidio's entity, and ours.
SAME = {"CREDIT_CARD": "CREDIT_CARD", "EMAIL_ADDRESS": "EMAIL_ADDRESS", "ABA_ROUTING_NUMBER": "ABA_ROUTING_NUMBER",
        "UK_NHS": "UK_NHS", "IN_AADHAAR": "IN_AADHAAR", "CA_SIN": "CA_SIN", "PHONE_NUMBER": "PHONE_NUMBER",
        "US_SSN": "US_SSN", "IP_ADDRESS": "IP_ADDRESS"}

PRESIDIO = """
import json, sys
import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine
from presidio_analyzer import predefined_recognizers as p
class Blank(SpacyNlpEngine):
    def __init__(self):
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}
    def load(self):
        pass
def made(name):
    return getattr(p, name)()
names = {"CREDIT_CARD": "CreditCardRecognizer", "EMAIL_ADDRESS": "EmailRecognizer",
         "ABA_ROUTING_NUMBER": "AbaRoutingRecognizer", "UK_NHS": "NhsRecognizer",
         "IN_AADHAAR": "InAadhaarRecognizer", "CA_SIN": "CaSinRecognizer", "PHONE_NUMBER": "PhoneRecognizer",
         "US_SSN": "UsSsnRecognizer", "IP_ADDRESS": "IpRecognizer"}
engines = {}
for entity, name in names.items():
    if not hasattr(p, name):
        continue
    recognizer = made(name)
    recognizer.supported_language = "en"
    registry = RecognizerRegistry(recognizers=[recognizer], supported_languages=["en"])
    engines[entity] = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
for line in sys.stdin:
    case = json.loads(line)
    engine = engines.get(case["entity"])
    if engine is None:
        print("null")
        continue
    found = engine.analyze(case["text"], language="en", entities=[case["entity"]])
    print(json.dumps([[r.start, r.end] for r in found if r.score > 0]))
"""


class Program:
    """autoglm redact --json, a process a text."""

    def __init__(self, program, policy=None):
        self.command = [program, "redact", "--json"] + (["--policy", policy] if policy else [])

    def find(self, text):
        data = text.encode()
        out = subprocess.run(self.command, input=data, capture_output=True, check=True)
        return [(f["entity"], len(data[:f["begin"]].decode(errors="ignore")), len(data[:f["end"]].decode(errors="ignore")))
                for f in json.loads(out.stdout)]

    def find_all(self, texts):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(self.find, texts))


def chinese(program, seed, count, verbose):
    cases = list(chinese_cases.cases(seed, count))
    recall = collections.defaultdict(lambda: [0, 0])
    false = collections.defaultdict(lambda: [0, 0])
    checked = [0, 0]
    for case, found in zip(cases, program.find_all([case["text"] for case in cases])):
        if case["entity"] is None:
            hit = any(entity == case["near"] for entity, _, _ in found)
            false[case["near"]][0] += hit
            false[case["near"]][1] += 1
            if hit and verbose:
                print("false", case, found)
            continue
        hit = (case["entity"], case["begin"], case["end"]) in found
        for row in (case["entity"], "spelling " + case["spelling"]):
            recall[row][0] += hit
            recall[row][1] += 1
        if case["checked"]:
            checked[0] += hit
            checked[1] += 1
        if not hit and verbose:
            print("missed", case, found)
    print(f"{len(cases)} Chinese cases, seed {seed}")
    print(f"{'':<28}{'found':>12}{'recall':>9}   near misses taken")
    for row, (hits, total) in sorted(recall.items()):
        wrong = f"{false[row][0]} of {false[row][1]}" if false[row][1] else ""
        print(f"{row:<28}{hits:>5} of {total:<4}{hits / total:>8.3f}   {wrong}")
    print(f"{'all with a check digit':<28}{checked[0]:>5} of {checked[1]:<4}{checked[0] / checked[1]:>8.3f}")


def plain(program, name, paths):
    total, found = 0, collections.Counter()
    for path in paths:
        total += path.stat().st_size
        out = subprocess.run(program.command + [str(path)], capture_output=True, check=True)
        for finding in json.loads(out.stdout):
            found[finding["entity"]] += 1
    print(f"{name}: {total / 1e6:.1f} MB, findings {dict(found)}")


def presidio_rows(path):
    """(entity, text, spans) of the recognizers that both have; None for spans: only their number is known."""
    for block in json.loads(path.read_text()).values():
        entity = next((e for e in block["entities"] if e in SAME), None)
        if entity is None:
            continue
        for part in block["blocks"]:
            arguments = part["args"]
            where = next((i for i, a in enumerate(arguments)
                          if a in ("expected_res", "expected_positions", "expected_position")), None)
            for row in part["rows"]:
                spans = row[where] if where is not None else []
                if spans and not isinstance(spans[0], list):
                    spans = [spans]
                if not row[1]:
                    spans = []
                if isinstance(row[1], int) and len(spans or []) == row[1]:
                    yield entity, row[0], [tuple(span) for span in spans]


def sentence_rows(path):
    """The same of presidio-research's sentences."""
    for item in json.loads(path.read_text()):
        for entity in SAME:
            spans = [(s["start_position"], s["end_position"]) for s in item["spans"] if s["entity_type"] == entity]
            if spans:
                yield entity, item["full_text"], spans


def run_presidio(python, rows):
    """What it finds in each row; None without it."""
    if not python:
        return [None] * len(rows)
    lines = "".join(json.dumps({"entity": e, "text": t}) + "\n" for e, t, _ in rows)
    out = subprocess.run([python, "-c", PRESIDIO], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def sentences(data, program, python):
    rows = list(sentence_rows(data / "pii_safety" / "presidio-research" / "generated_small.json"))
    table = collections.defaultdict(lambda: [0, 0, 0])
    for (entity, text, spans), his in zip(rows, run_presidio(python, rows)):
        found = {(b, e) for name, b, e in program.find(text) if name == SAME[entity]}
        row = table[entity]
        row[0] += len(spans)
        row[1] += sum(list(span) in (his or []) for span in spans)
        row[2] += sum(span in found for span in spans)
    print("\npresidio-research's sentences: values found, to the letter")
    print(f"{'entity':<22}{'values':>7}{'presidio':>10}{'default':>9}")
    for entity, (values, his, ours) in sorted(table.items()):
        print(f"{entity:<22}{values:>7}{his if python else '':>10}{ours:>9}")


def presidio(data, programs, strict, python):
    rows = list(presidio_rows(data / "pii_safety" / "presidio_recognizer_cases.json"))
    theirs = run_presidio(python, rows)
    texts = [text for _, text, _ in rows]
    # As his: one recognizer at a time, and every score counts.
    alone = [programs[entity].find(text) for entity, text, _ in rows]
    table = collections.defaultdict(lambda: [0, 0, 0, 0])
    for (entity, _, spans), his, all_found, default in zip(rows, theirs, alone, strict.find_all(texts)):
        row = table[entity]
        row[0] += 1
        row[1] += his is not None and sorted(map(tuple, his)) == sorted(spans)
        for i, found in ((2, all_found), (3, default)):
            row[i] += sorted((b, e) for name, b, e in found if name == SAME[entity]) == sorted(spans)
    print("\nPresidio's cases: texts whose findings are as expected")
    print(f"{'entity':<22}{'cases':>7}{'presidio':>10}{'alone':>7}{'default':>9}")
    for entity, (cases, his, ours, default) in sorted(table.items()):
        print(f"{entity:<22}{cases:>7}{his if python else '':>10}{ours:>7}{default:>9}")
    print("Chinese entities          it has no recognizers")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--autoglm", default="build/release/autoglm")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    parser.add_argument("--presidio", help="a Python that has presidio-analyzer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--verbose", action="store_true", help="show every case that is wrong")
    arguments = parser.parse_args()
    program = Program(arguments.autoglm)
    chinese(program, arguments.seed, arguments.count, arguments.verbose)
    if not arguments.data.is_dir():
        print(f"no folder {arguments.data}: nothing is said of prose, code and Presidio's cases")
        return
    print()
    texts = arguments.data / "texts"
    plain(program, "prose", [p for p in texts.rglob("*") if p.is_file() and p.name != "SOURCES.md"])
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    plain(program, "code", [p for pattern in ("*.cc", "*.h") for p in (root / "src").rglob(pattern)
                            if "redact" not in str(p.relative_to(root))])
    with tempfile.TemporaryDirectory() as folder:
        programs = {}
        for entity, ours in SAME.items():
            policy = pathlib.Path(folder) / f"{ours}.yaml"
            policy.write_text(f"default: off\nthreshold: 0.1\nentities: {{{ours}: tag}}\n")
            programs[entity] = Program(arguments.autoglm, str(policy))
        presidio(arguments.data, programs, program, arguments.presidio)
    sentences(arguments.data, program, arguments.presidio)


if __name__ == "__main__":
    sys.exit(main())
