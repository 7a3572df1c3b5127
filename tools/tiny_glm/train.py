#!/usr/bin/env python3
"""Trains tiny-glm, the model embedded in autoglm, and writes it as a Hugging Face checkpoint.

Each step takes one batch of plain text (language modelling) and one of question-and-answer
conversations (loss on the answers). Matrices are trained by Muon, the rest by AdamW. The learning
rate falls with the share of --steps done, or of --minutes spent if that is further along, so that a
slow machine still ends with a cooled model. In the last part half of the batches run on weights
rounded to 4 bits in groups of 32, so that quantization costs little.

    python tools/tiny_glm/train.py --texts FOLDER --out models/tiny-glm
"""

import argparse
import concurrent.futures
import json
import math
import pathlib
import random
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import Glm4Config, Glm4ForCausalLM

import corpus
import export
import questions
from muon import Muon

HERE = pathlib.Path(__file__).resolve().parent
QUANTIZED_FROM = 0.85  # share of the run after which weights are rounded in half of the batches


def build_config(tokenizer):
    ids = {token: tokenizer.token_to_id(token) for token in export.SPECIAL_TOKENS}
    return Glm4Config(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=192, intermediate_size=512,
        num_hidden_layers=4, num_attention_heads=6, num_key_value_heads=2, head_dim=32,
        max_position_embeddings=1024, rms_norm_eps=1e-5, tie_word_embeddings=True,
        attention_bias=False, pad_token_id=ids["<|endoftext|>"],
        eos_token_id=[ids["<|endoftext|>"], ids["<|user|>"], ids["<|observation|>"]],
        rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5))


class TextBatches:
    """Random windows of the training documents laid end to end."""

    def __init__(self, documents, tokenizer, seed):
        end = tokenizer.token_to_id("<|endoftext|>")
        texts = [text for _, text in documents]
        random.Random(seed).shuffle(texts)
        ids = [end]
        for encoding in tokenizer.encode_batch(texts):
            ids += encoding.ids + [end]
        self.ids = torch.tensor(np.array(ids, dtype=np.int64))
        self.rng = random.Random(seed)
        self.starts = []

    def next(self, rows, length):
        while len(self.starts) < rows:  # one pass over the text before any part comes again
            offset = self.rng.randrange(length)
            starts = list(range(offset, len(self.ids) - length - 1, length))
            self.rng.shuffle(starts)
            self.starts += starts
        picked = [self.starts.pop() for _ in range(rows)]
        window = torch.stack([self.ids[s:s + length + 1] for s in picked])
        return window[:, :-1], window[:, 1:]


class ChatBatches:
    """Conversations of similar length side by side; labels are -100 outside answers."""

    def __init__(self, sampler, tokenizer, rows):
        self.sampler, self.tokenizer, self.rows = sampler, tokenizer, rows
        self.ready = []

    def encode(self, turns):
        ids, labels = [], []
        for text, learned in export.render_for_training(turns):
            piece = self.tokenizer.encode(text, add_special_tokens=False).ids
            ids += piece
            labels += piece if learned else [-100] * len(piece)
        return ids, labels

    def next(self):
        if not self.ready:
            many = sorted((self.encode(self.sampler.conversation()) for _ in range(self.rows * 16)),
                          key=lambda pair: len(pair[0]))
            self.ready = [many[i:i + self.rows] for i in range(0, len(many), self.rows)]
            self.sampler.rng.shuffle(self.ready)
        batch = self.ready.pop()
        width = max(len(ids) for ids, _ in batch)
        x = torch.zeros(len(batch), width, dtype=torch.long)
        y = torch.full((len(batch), width), -100)
        for row, (ids, labels) in enumerate(batch):
            x[row, :len(ids)] = torch.tensor(ids)
            y[row, :len(ids) - 1] = torch.tensor(labels[1:])
        return x, y


def gradients(model, parameters, batch):
    """(loss, gradients): cross entropy, the output matrix applied only where something is asked."""
    x, y = batch
    hidden = model.model(input_ids=x, use_cache=False).last_hidden_state
    wanted = y != -100
    loss = F.cross_entropy(model.lm_head(hidden[wanted]), y[wanted])
    return loss.item(), torch.autograd.grad(loss, parameters)


def share_left(progress):
    """Learning rate as a share of its peak: flat for 40 %, then a line to 2 %."""
    return 1.0 if progress < 0.4 else max(0.02, 1.0 - (progress - 0.4) / 0.6)


def train(model, text, chat, options):
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    parameters = list(model.parameters())
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [
        Muon(matrices, lr=0.02, weight_decay=0.05, momentum=0.95),
        torch.optim.AdamW([{"params": [p for p in others if p.ndim == 2], "lr": 4e-3},
                           {"params": [p for p in others if p.ndim != 2], "lr": 2e-3,
                            "weight_decay": 0.0}],
                          betas=(0.9, 0.95), weight_decay=0.05)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    rng, began, saved, tokens = random.Random(options.seed), time.time(), time.time(), 0
    pool, means, step = concurrent.futures.ThreadPoolExecutor(options.threads), {}, 0
    while True:
        minutes = (time.time() - began) / 60
        progress = max(step / options.steps, minutes / options.minutes)
        if progress >= 1:
            break
        rate = share_left(progress) * min(1.0, (step + 1) / (10 if options.start else 40))
        length = 1024 if step % 2 else 512
        rounded = progress > QUANTIZED_FROM and rng.random() < 0.5
        kept = [p.detach().clone() for p in matrices] if rounded else []
        if rounded:
            for p in matrices:  # straight through: gradients at the rounded weights
                p.data.copy_(export.round_to_int4(p.data))
        batches = {"text": text.next(options.text_tokens // length, length), "chat": chat.next()}
        # Side by side, one thread each: on a busy machine threads that share a product wait for
        # each other at every one.
        found = pool.map(lambda batch: gradients(model, parameters, batch), batches.values())
        for kind, (loss, grads) in zip(batches, found):
            for p, grad in zip(parameters, grads):
                p.grad = grad if p.grad is None else p.grad + grad
            tokens += batches[kind][0].numel()
            means[kind] = 0.95 * means.get(kind, loss) + 0.05 * loss
        for p, value in zip(matrices, kept):
            p.data.copy_(value)
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 20 == 0:
            print(f"step {step} {minutes:.1f} min, {tokens / (60 * minutes + 1e-9):.0f} tokens/s, "
                  f"text {means['text']:.3f}, chat {means['chat']:.3f}, rate {rate:.2f}", flush=True)
        if time.time() - saved > 60 * options.save_minutes:
            export.save(model, options.out)
            saved = time.time()
    return dict(steps=step, minutes=round((time.time() - began) / 60, 1), tokens=tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=pathlib.Path, required=True, help="folder of the texts")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--from", dest="start", type=pathlib.Path,
                        help="go on from this checkpoint and its tokenizer")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=65)
    parser.add_argument("--save-minutes", type=float, default=4)
    parser.add_argument("--text-tokens", type=int, default=1024, help="of a step: 1024 or a multiple")
    parser.add_argument("--chat-rows", type=int, default=16, help="conversations of a step")
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="1 or 2")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)  # train() runs two batches side by side

    documents, held_out = corpus.split(options.texts)
    items = questions.load(HERE / "questions.jsonl")
    learned = [text for item in items
               for text in [item["question"], item["answer"], *item["also"]]]
    options.out.mkdir(parents=True, exist_ok=True)
    if options.start:
        tokenizer = Tokenizer.from_file(str(options.start / "tokenizer.json"))
    else:
        tokenizer = export.train_tokenizer([t for _, t in documents] + learned * 10, options.vocab)
    export.save_tokenizer(tokenizer, options.out)
    held_lines = {line for _, t in held_out for line in t.split("\n")}
    strangers = [pair for english, chinese in corpus.tatoeba_pairs(options.texts)
                 for pair in (("en", english), ("zh", chinese))
                 if pair[1][-1] in "?？" and pair[1] not in held_lines]

    if options.start:
        model = Glm4ForCausalLM.from_pretrained(options.start, dtype=torch.float32)
    else:
        model = Glm4ForCausalLM(build_config(tokenizer))
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                std = 0.02 if "embed" in name else 0.5 / math.sqrt(parameter.shape[1])
                torch.nn.init.normal_(parameter, std=std)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters")
    text = TextBatches(documents, tokenizer, options.seed)
    print(f"{len(text.ids)} tokens of text in {len(documents)} documents; {len(items)} questions; "
          f"{len(strangers)} questions about other things", flush=True)
    chat = ChatBatches(questions.Sampler(items, strangers, options.seed), tokenizer,
                       options.chat_rows)
    report = train(model.train(), text, chat, options)
    export.save(model, options.out)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
