#!/usr/bin/env python3
"""Writes the tiny random encoders of tests/data/encoders and what transformers makes of them.

Each folder holds a checkpoint with awkward sizes, a tokenizer that is complete and small, and
golden.safetensors: the ids and types of some texts, one after the other, the hidden states of all
their tokens, and what is made of each text: a vector (pooled as the folder says, not scaled) or a
classifier's logits. texts.json holds the texts, or pairs of them, in the same order.

    python tools/goldens/make_encoders.py tests/data/encoders

Needs torch and transformers 5.23. The same seed writes the same bytes.
"""

import argparse
import json
import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

TEXTS = ["a", "The cat sat on the mat.", "Cats and dogs, dogs and cats!", "naïve café",
         "北京 is big", "unbelievable things", "one two three one two three one two three one two",
         "a [SEP] <pad> in the middle"]
PAIRS = [["Where is the cat?", "The cat sat on the mat."], ["a", "b"],
         ["Where is the dog, the dog and the cat?", "on"], ["on", "one two three <pad> one two"]]

WORDS = ("the cat sat on mat and dog where is one two three big in middle naive cafe believ able thing "
         "un dogs cats things").split()
PIECES = list("abcdefghijklmnopqrstuvwxyz.,!?<>[]北")

BERT = dict(hidden_size=36, num_hidden_layers=2, num_attention_heads=3, intermediate_size=50,
            max_position_embeddings=40, type_vocab_size=2)
ROBERTA = dict(hidden_size=40, num_hidden_layers=2, num_attention_heads=5, intermediate_size=44,
               max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5)

# name -> (class, configuration, options). Options: bf16, pooling (with `normalize`), pairs.
SPECS = {
    "bert": ("BertModel", BERT, dict(pooling="mean_tokens", normalize=True)),
    "bert_bf16": ("BertModel", BERT, dict(bf16=True, pooling="cls_token")),
    "bert_bare": ("BertModel", BERT | dict(hidden_size=34, num_attention_heads=2), {}),
    "bert_max": ("BertModel", BERT, dict(pooling="max_tokens", max_seq_length=12)),
    "bert_classifier": ("BertForSequenceClassification", BERT | dict(num_labels=3), {}),
    "bert_reranker": ("BertForSequenceClassification", BERT | dict(num_labels=1), dict(pairs=True)),
    "xlm_roberta": ("XLMRobertaModel", ROBERTA, dict(pooling="cls_token", normalize=True)),
    "xlm_roberta_last": ("XLMRobertaModel", ROBERTA, dict(pooling="lasttoken")),
    "xlm_roberta_reranker": ("XLMRobertaForSequenceClassification", ROBERTA | dict(num_labels=1),
                             dict(pairs=True)),
}


def word_piece():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + PIECES + WORDS
    tokens += ["##" + t for t in PIECES + ["able", "ing", "s"]]
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])])
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def unigram():
    scored = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    scored += [(piece, -6.0 - 0.01 * i) for i, piece in enumerate(PIECES)]
    scored += [("▁" + word, -4.0 - 0.01 * i) for i, word in enumerate(WORDS)]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def fill(model, seed):
    """Random weights large enough that a wrong mask or position cannot hide."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("LayerNorm.weight"):
            value = (1.0 + 0.3 * noise).clamp(0.1, 2.0)
        elif name.endswith(".bias"):
            value = 0.3 * noise
        else:
            value = (0.5 if "embeddings" in name else 0.28) * noise
        parameter.data.copy_(value)


def pooled(hidden, pooling):
    if pooling == "cls_token":
        return hidden[0]
    if pooling == "lasttoken":
        return hidden[-1]
    if pooling == "max_tokens":
        return hidden.max(0).values
    return hidden.mean(0)


def golden_of(model, tokenizer, texts, options):
    """Computed in double, one text at a time."""
    exact = model.double().eval()
    ids, types, lengths, hidden, made = [], [], [], [], []
    tells = model.config.type_vocab_size > 1
    for text in texts:
        encoded = tokenizer.encode(*text) if isinstance(text, list) else tokenizer.encode(text)
        kinds = encoded.type_ids if tells else [0] * len(encoded.ids)
        asked = dict(input_ids=torch.tensor([encoded.ids]), output_hidden_states=True,
                     attention_mask=torch.ones(1, len(encoded.ids), dtype=torch.long),
                     token_type_ids=torch.tensor([kinds]))
        with torch.no_grad():
            out = exact(**asked)
        ids += encoded.ids
        types += kinds
        lengths.append(len(encoded.ids))
        hidden.append(out.hidden_states[-1][0])
        made.append(out.logits[0] if hasattr(out, "logits")
                    else pooled(hidden[-1], options.get("pooling")))
    return dict(ids=torch.tensor(ids), types=torch.tensor(types), lengths=torch.tensor(lengths),
                hidden=torch.cat(hidden).float().contiguous(),
                made=torch.stack(made).float().contiguous())


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def save_modules(folder, options, width):
    modules = ["Transformer", "Pooling"] + (["Normalize"] if options.get("normalize") else [])
    write_json(folder / "modules.json", [
        dict(idx=i, name=str(i), path="" if i == 0 else f"{i}_{kind}",
             type=f"sentence_transformers.models.{kind}") for i, kind in enumerate(modules)])
    modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens",
             "lasttoken"]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    write_json(folder / "1_Pooling" / "config.json", dict(
        {f"pooling_mode_{mode}": mode == options["pooling"] for mode in modes},
        word_embedding_dimension=width, include_prompt=True))
    if "max_seq_length" in options:
        write_json(folder / "sentence_bert_config.json",
                   dict(max_seq_length=options["max_seq_length"], do_lower_case=False))


def make(folder, name, seed):
    kind, settings, options = SPECS[name]
    roberta = kind.startswith("XLM")
    tokenizer = unigram() if roberta else word_piece()
    config_class = transformers.XLMRobertaConfig if roberta else transformers.BertConfig
    specials = dict(pad_token_id=1, bos_token_id=0, eos_token_id=2) if roberta else dict(pad_token_id=0)
    config = config_class(vocab_size=tokenizer.get_vocab_size() + 3, **specials, **settings)
    model_class = getattr(transformers, kind)
    plain = kind.endswith("Model")
    model = model_class(config, add_pooling_layer=False) if plain else model_class(config)
    fill(model, seed)
    if options.get("bf16"):
        model = model.bfloat16()
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    if "pooling" in options:
        save_modules(folder, options, config.hidden_size)
    texts = PAIRS if options.get("pairs") else TEXTS
    if "max_seq_length" in options:
        texts = [t for t in texts if len(tokenizer.encode(t).ids) <= options["max_seq_length"]]
    golden = golden_of(model, tokenizer, texts, options)
    save_file(golden, folder / "golden.safetensors")
    write_json(folder / "texts.json", texts)
    print(f"{name}: {len(texts)} texts, {len(golden['ids'])} tokens, "
          f"made of them: {golden['made'].flatten()[:3].tolist()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=list(SPECS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # one order of sums, so the same bytes each time
    transformers.logging.set_verbosity_error()
    for number, name in enumerate(SPECS):
        if name in arguments.only:
            make(arguments.folder / name, name, 7000 + number)
    size = sum(f.stat().st_size for f in arguments.folder.rglob("*") if f.is_file())
    print(f"{size / 1e6:.2f} MB in {arguments.folder}")


if __name__ == "__main__":
    sys.exit(main())
