#!/usr/bin/env python3
"""Renders chat templates with jinja2, set up as transformers does it, and with our interpreter.

    compare.py --probe build/release/template_probe --data PATH/TO/chat_templates [--every 4] [--random 2000]

Same text counts, and so do two refusals; a template's own raise_exception must give the same words.
Random and wounded templates are compared only when asked for: jinja2 folds constants before it runs
(`{{ 3[1:] }}` is undefined, not an error) and hides a variable that a later line sets from the blocks
before it, and we do neither.
Exits 1 when anything differs. Needs jinja2 (tests/reference/requirements.txt).
"""

import argparse
import collections
import functools
import itertools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

os.environ["TZ"] = "UTC"
time.tzset()

import jinja2

import conversations
import environment
import expressions
import random_templates


class Probe:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def render(self, template, context):
        request = {"template": template, "context": context, "now": int(environment.NOW.timestamp())}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"the probe died on {request!r}")
        return json.loads(line)


def reference(compile_template, template, context):
    """("text", rendered), ("raised", the template's own message) or ("error", anything else)."""
    try:
        text = compile_template(template).render(**json.loads(json.dumps(context)))
        text.encode("utf-8")
        return "text", text
    except (jinja2.TemplateSyntaxError, jinja2.UndefinedError, jinja2.exceptions.SecurityError) as error:
        return "error", f"{type(error).__name__}: {error}"
    except jinja2.TemplateError as error:
        own = type(error) is jinja2.TemplateError
        return ("raised" if own else "error"), str(error)
    except Exception as error:  # whatever Python raises inside a template
        return "error", f"{type(error).__name__}: {error}"


# Printed addresses and the reprs of Python's own objects differ from run to run.
UNSTABLE = re.compile(r" at 0x[0-9a-f]+>|<(class '|Namespace |LoopContext |jinja2\.)")


class Tally:
    def __init__(self, compile_template, probe, shown):
        self.compile_template = compile_template
        self.probe = probe
        self.shown = shown
        self.counts = collections.Counter()
        self.differing = collections.Counter()

    def check(self, group, name, template, context):
        kind, expected = reference(self.compile_template, template, context)
        if kind == "text" and UNSTABLE.search(expected):
            self.counts[group, "unstable"] += 1
            return
        ours = self.probe.render(template, context)
        if kind == "text":
            same = ours.get("text") == expected
        elif kind == "raised":
            same = ours.get("error") == expected
        else:
            same = "error" in ours
        self.counts[group, kind if same else "DIFFERENT"] += 1
        if not same:
            self.differing[group] += 1
            if self.differing[group] <= self.shown:
                print(f"--- {group}: {name}\n  template: {template[:300]!r}\n  {kind}: {expected[-400:]!r}\n  ours: {str(ours)[-500:]}")

    def check_refused(self, template, context):
        ours = self.probe.render(template, context)
        self.counts["refused", "error" if "error" in ours else "DIFFERENT"] += 1
        self.differing["refused"] += "error" not in ours

    def report(self):
        groups = sorted({group for group, _ in self.counts})
        for group in groups:
            parts = [f"{kind} {n}" for (g, kind), n in sorted(self.counts.items()) if g == group]
            print(f"{group:20} {', '.join(parts)}")
        print(f"total {sum(self.counts.values())}, different {sum(self.differing.values())}")
        return sum(self.differing.values())


def known_templates(data):
    for folder in ("glm", "llamacpp-templates", "chujiezheng"):
        for path in sorted((data / folder).glob("*.jinja")):
            yield f"{folder}/{path.name}", path.read_text(encoding="utf-8")


# Inputs that need what we refuse: escaping by default, integers over 64 bits, texts over 64 MiB, `self`,
# a loop taken for a list of pairs.
MINIJINJA_REFUSED = {
    "autoescape.txt", "dict.txt", "err_repeat_string_too_large.txt", "err_too_large_integer.txt", "literals.txt", "self.txt",
}


def minijinja_inputs(data):
    for path in sorted((data / "minijinja" / "inputs").glob("*.txt")):
        head, _, template = path.read_text(encoding="utf-8").partition("\n---\n")
        try:
            context = json.loads(head)
        except ValueError:
            continue
        context.pop("$settings", None)
        yield path.name, template, context


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--random", type=int, default=0, help="random expressions, statements, mutations each")
    parser.add_argument("--every", type=int, default=1, help="compare only every n-th conversation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shown", type=int, default=10, help="differences printed per group")
    parser.add_argument("--only", help="groups whose name contains this")
    parser.add_argument("--transformers", action="store_true", help="use transformers' own environment")
    options = parser.parse_args()
    compile_template = environment.make_transformers() if options.transformers else environment.make()
    tally = Tally(functools.lru_cache(compile_template), Probe(options.probe), options.shown)
    wanted = lambda group: not options.only or options.only in group
    rng = random.Random(options.seed)

    if wanted("language"):
        for text in expressions.EXPRESSIONS:
            tally.check("language", text, "{{ " + text + " }}", expressions.CONTEXT)
        for text in expressions.STATEMENTS:
            tally.check("language", text, text, expressions.CONTEXT)
        for text in expressions.REFUSED:
            tally.check_refused("{{ " + text + " }}", expressions.CONTEXT)
    if options.data:
        templates = list(known_templates(options.data))
        every = itertools.count(options.seed)
        chosen = lambda: next(every) % options.every == 0
        if wanted("known"):
            for name, template in templates:
                for case, context in filter(lambda _: chosen(), conversations.contexts()):
                    tally.check("known", f"{name} {case}", template, context)
        if wanted("llamacpp"):
            cases = json.loads((options.data / "llamacpp_chat_template_cases.json").read_text(encoding="utf-8"))
            for case in cases["cases"]:
                for name, context in filter(lambda _: chosen(), conversations.contexts()):
                    context = {**context, "bos_token": case["bos_token"], "eos_token": case["eos_token"]}
                    tally.check("llamacpp", f"{case['name']} {name}", case["template_str"], context)
        if wanted("minja"):
            for path in sorted((options.data / "minja-contexts").glob("*.json")):
                context = json.loads(path.read_text(encoding="utf-8"))
                for name, template in templates:
                    tally.check("minja", f"{name} {path.name}", template, context)
        if wanted("minijinja"):
            for name, template, context in minijinja_inputs(options.data):
                if name in MINIJINJA_REFUSED:
                    tally.check_refused(template, context)
                else:
                    tally.check("minijinja", name, template, context)
        if wanted("mutated"):
            cases = [context for name, context in conversations.contexts() if "tools=two" in name]
            for _ in range(options.random):
                name, template = rng.choice(templates)
                tally.check("mutated", name, random_templates.mutated(rng, template), rng.choice(cases))
    if wanted("random"):
        for _ in range(options.random):
            text = random_templates.random_expression(rng)
            tally.check("random expression", text, "{{ " + text + " }}", expressions.CONTEXT)
            text = "".join(random_templates.random_statement(rng) for _ in range(3))
            tally.check("random statement", text, text, expressions.CONTEXT)
    sys.exit(1 if tally.report() else 0)


if __name__ == "__main__":
    main()
