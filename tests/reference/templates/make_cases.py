#!/usr/bin/env python3
"""Writes tests/data/templates/: what jinja2 makes of the small templates in expressions.py.

language.txt holds cases of template, `----`, expected text (or `!error`, `!raised WORDS`), `====`.
"""

import json
import pathlib

import compare
import environment
import expressions


def main():
    folder = pathlib.Path(__file__).resolve().parents[2] / "data" / "templates"
    compile_template = environment.make()
    templates = ["{{ " + text + " }}" for text in expressions.EXPRESSIONS] + expressions.STATEMENTS
    cases = []
    for template in templates:
        kind, text = compare.reference(compile_template, template, expressions.CONTEXT)
        # Carriage returns do not survive editors, printed addresses differ from run to run.
        if "\r" in template + text or (kind == "text" and compare.UNSTABLE.search(text)):
            continue
        expected = {"text": text, "raised": f"!raised {text}", "error": "!error"}[kind]
        cases.append(f"{template}\n----\n{expected}\n====\n")
    (folder / "language.txt").write_text("".join(cases), encoding="utf-8", newline="")
    context = json.dumps(expressions.CONTEXT, ensure_ascii=False, indent=1)
    (folder / "language_context.json").write_text(context + "\n", encoding="utf-8")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
