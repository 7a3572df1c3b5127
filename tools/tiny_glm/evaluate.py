#!/usr/bin/env python3
"""Measures a tiny-glm checkpoint with transformers, and writes what the C++ tests compare against.

Weights are taken as stored (bf16) and everything is computed in f32. int8 and int4 here are
simulations: rounded weights and, per token, activations rounded to 8 bits in every product.

    python tools/tiny_glm/evaluate.py --model models/tiny-glm --texts FOLDER --tests tests/data
"""

import argparse
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

import corpus
import export
import questions

HERE = pathlib.Path(__file__).resolve().parent
CONTEXT = 256
MAX_ANSWER = 96
GOLDEN_ANSWER = 48
GOLDEN_QUESTIONS = ["What is Open-AutoGLM?", "How do I load a model?", "What does --quantize do?",
                    "hello", "Which architectures are supported?", "你是谁？", "怎样加载模型？",
                    "--kv-cache-memory有什么用？", "支持哪些模型格式？", "谢谢", "Sing me a song",
                    "床前明月光"]


HELD_OUT_SOURCES = """# tiny_glm_heldout.txt

Documents that tiny-glm was never trained on, for its perplexity. Written by
tools/tiny_glm/evaluate.py; which documents these are, tools/tiny_glm/corpus.py decides by a seed.

| part | source | terms |
|---|---|---|
| plays | Shakespeare, by karpathy/char-rnn | public domain |
| encyclopedia | WikiText-2 test split, i.e. English Wikipedia; sentences with unknown words left out | CC BY-SA 3.0 |
| novels | Botchan (translated by Y. Morri), Frankenstein | public domain |
| sentence pairs | Tatoeba | CC BY 2.0 FR |
| poems, classics | chinese-poetry/chinese-poetry | MIT; texts in the public domain |

Wikipedia articles begin with these lines: {articles}.

Tatoeba sentences ({n} pairs; CM Chinese, & English, with contributors): {credit}.
"""


def load(folder):
    """The model with its bf16 weights upcast to f32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return model.float().eval()


def perplexity(model, ids):
    """Windows of CONTEXT tokens, each on its own; the first token of a window is not scored."""
    loss, scored = 0.0, 0
    windows = [ids[i:i + CONTEXT] for i in range(0, len(ids), CONTEXT)]
    for i in range(0, len(windows), 8):
        group = windows[i:i + 8]
        full = [w for w in group if len(w) == CONTEXT]
        for batch in [full] * bool(full) + [[w] for w in group if 2 <= len(w) < CONTEXT]:
            x = torch.tensor(batch)
            with torch.no_grad():
                logits = model(input_ids=x, use_cache=False).logits[:, :-1]
            flat = F.cross_entropy(logits.reshape(-1, logits.shape[-1]).double(),
                                   x[:, 1:].reshape(-1), reduction="sum")
            loss, scored = loss + flat.item(), scored + x[:, 1:].numel()
    return math.exp(loss / scored), scored, loss


def quantized(folder, round_weight, round_head):
    """The model with rounded products; norms and the embedding's rows stay as they are."""
    model = load(folder)
    head = model.lm_head
    head.weight = torch.nn.Parameter(round_head(head.weight.data.clone()))  # untied from the input
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            if module is not head:
                module.weight.data = round_weight(module.weight.data)
            module.register_forward_pre_hook(lambda _, inputs: (export.round_to_int8(inputs[0]),))
    return model


def answers(model, prompts, limit, rows):
    """Greedy answers up to and with the token that ends them, `rows` prompts side by side."""
    stops, out = model.config.eos_token_id, {}
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), rows):
        indices = order[start:start + rows]
        width = max(len(prompts[i]) for i in indices)
        x = torch.tensor([[stops[0]] * (width - len(prompts[i])) + prompts[i] for i in indices])
        mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i])
                             for i in indices])
        ids = model.generate(input_ids=x, attention_mask=mask, max_new_tokens=limit,
                             do_sample=False, pad_token_id=stops[0])[:, width:].tolist()
        for index, row in zip(indices, ids):
            end = next((n + 1 for n, token in enumerate(row) if token in stops), len(row))
            out[index] = row[:end]
    return [out[i] for i in range(len(prompts))]


class Chat:
    def __init__(self, folder, model):
        self.model, self.tokenizer = model, Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.template = AutoTokenizer.from_pretrained(folder)

    def prompt(self, question):
        text = self.template.apply_chat_template([dict(role="user", content=question)],
                                                 add_generation_prompt=True, tokenize=False)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def ask(self, asked, limit=MAX_ANSWER, rows=48):
        prompts = [self.prompt(question) for question in asked]
        ids = answers(self.model, prompts, limit, rows)
        return prompts, ids, [self.tokenizer.decode(i).strip() for i in ids]


def hit_rate(chat, pairs, misses=None):
    """Share of (question, answer) where exactly the answer comes."""
    _, _, got = chat.ask([question for question, _ in pairs])
    if misses is not None:
        misses += [(q, a, g) for (q, a), g in zip(pairs, got) if a != g]
    return round(sum(a == g for (_, a), g in zip(pairs, got)) / len(pairs), 4)


def write_sources(path, folder, held_out):
    articles = [text.split("\n")[0] for name, text in held_out if name == "wikitext"]
    credit = corpus.tatoeba_credits(folder, held_out)
    path.write_text(HELD_OUT_SOURCES.format(articles="; ".join(articles), n=len(credit),
                                            credit="; ".join(credit)), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--texts", type=pathlib.Path, required=True)
    parser.add_argument("--tests", type=pathlib.Path, help="write the test data into this folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="perplexity and 40 questions only")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    held_out = corpus.split(options.texts)[1]
    text = "\n".join(document for _, document in held_out) + "\n"
    model = load(options.model)
    chat = Chat(options.model, model)
    ids = chat.tokenizer.encode(text, add_special_tokens=False).ids
    value, scored, loss = perplexity(model, ids)
    report = dict(text="tiny_glm_heldout.txt", bytes=len(text.encode()), tokens=len(ids),
                  context=CONTEXT, stride=CONTEXT, scored=scored, perplexity=round(value, 6),
                  bits_per_byte=round(loss / scored * len(ids) / math.log(2)
                                      / len(text.encode()), 4))
    print(json.dumps(report), flush=True)
    items = questions.load(HERE / "questions.jsonl")
    items = items[::8] + items[1::8] if options.quick else items
    misses = []
    rates = {}
    for lang in ("en", "zh"):
        mine = [item for item in items if item["lang"] == lang]
        rates[lang] = dict(
            question=hit_rate(chat, [(i["question"], i["answer"]) for i in mine], misses),
            also=hit_rate(chat, [(q, i["answer"]) for i in mine for q in i["also"]]),
            held_out=hit_rate(chat, [(i["held_out"], i["answer"]) for i in mine], misses))
    print(json.dumps(rates), flush=True)
    for miss in misses:
        print("  missed:", *miss, sep="\n    ")
    if options.quick:
        return
    simulated = {}
    for name, rounding, head in (("int8", export.round_to_int8, export.round_to_int8),
                                 ("int4", export.round_to_int4, export.round_to_int8),
                                 ("int4_head4", export.round_to_int4, export.round_to_int4)):
        other = quantized(options.model, rounding, head)
        simulated[name] = dict(
            perplexity=round(perplexity(other, ids)[0], 6),
            held_out=hit_rate(Chat(options.model, other),
                              [(i["held_out"], i["answer"]) for i in items]))
        print(name, simulated[name], f"{simulated[name]['perplexity'] / value - 1:+.3%}")
    prompts, generated, said = chat.ask(GOLDEN_QUESTIONS, GOLDEN_ANSWER, rows=1)
    for question, answer in zip(GOLDEN_QUESTIONS, said):
        print(f"  {question} -> {answer}")
    if options.tests:
        (options.tests / "tiny_glm_heldout.txt").write_text(text, encoding="utf-8")
        write_sources(options.tests / "tiny_glm_heldout.md", options.texts, held_out)
        export.write_json(options.tests / "tiny_glm_perplexity.json", report)
        export.write_json(options.tests / "tiny_glm_answers.json", [
            dict(question=q, prompt_ids=p, answer_ids=i, answer=a)
            for q, p, i, a in zip(GOLDEN_QUESTIONS, prompts, generated, said)])


if __name__ == "__main__":
    main()
