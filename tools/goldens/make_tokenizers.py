#!/usr/bin/env python3
"""Writes tests/data/tokenizers/NAME/{tokenizer.json, golden.json} with the `tokenizers` package.

    make_tokenizers.py

Small vocabularies that together use every component of tokenizer.json. golden.json holds texts with
their ids, with and without the tokens that frame them, and the decoded text. SentencePiece makes the
Unigram vocabulary's character map, from a few rules; with a model's full map the file would have 300 KB.
"""
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

OUT = Path(__file__).resolve().parents[2] / "tests" / "data" / "tokenizers"
TEXTS = ["", " ", "  ", "\n", "a", "Hello, world!", "hello  world ", " leading", "don't do not THEY'VE", "naïve café é",
         "İstanbul STRASSE ﬁne Ⅻ x²", "你好，世界。", "日本語カタカナ", "1234567 8.9 ١٢", "a-b_c--d", "🙂👍🏽👩‍👩‍👧", "tab\tnew\nline\r\n",
         "\u00a0nbsp\u3000wide", "[CLS] x [SEP]<s>y</s> [MASK]z", "foo bar foobar  bar", "ａｂｃ ﷺ ①", "x\u0000y\ufffdz\u00ad",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "▁a ▁▁b", "\u0e01\u0e33 नमस्ते", "!?!? .. end."]


def words():
    tokens = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "do", "not", "don", "they", "foo", "bar", "line", "naive"]
    tokens += [chr(c) for c in range(33, 127)] + list("éïİ你好世界，。日本語カ一二ﬁⅫ²١٢▁")
    tokens += ["##" + t for t in ("bar", "ing", "a", "b", "c", "d", "e", "f", "l", "o", "s", "t", "n", "i", "ve", "12", "1", "2", "'")]
    return {t: i for i, t in enumerate(dict.fromkeys(tokens))}


def word_piece(**options):
    return Tokenizer(models.WordPiece(words(), unk_token="[UNK]", **options))


def bert(**options):
    t = word_piece()
    t.normalizer = normalizers.BertNormalizer(**options)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    t.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True)])
    return t


RULES = [("ﬁ", "fi"), ("Ⅻ", "XII"), ("²", "2"), ("ａ", "a"), ("ｂ", "b"), ("ｃ", "c"), ("ﷺ", "صلى الله"), ("①", "1"), ("\u00a0", " "),
         ("\u3000", " "), ("e\u0301", "é"), ("\u0e33", "\u0e4d\u0e32"), ("\u00ad", "")]


def unigram():
    model = sentencepiece_model_pb2.ModelProto()
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        for source, target in RULES:
            rules.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(TEXTS * 3), model_writer=out, vocab_size=120, minloglevel=2,
                                                 normalization_rule_tsv=rules.name, hard_vocab_limit=False, num_threads=1)
    model.ParseFromString(out.getvalue())
    t = Tokenizer(models.Unigram([(p.piece, p.score) for p in model.pieces], unk_id=0, byte_fallback=False))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap),
                                         normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always")
    t.decoder = decoders.Metaspace("▁", "always")
    t.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    t.add_special_tokens(["<unk>", "<s>", "</s>"])
    return t


def unigram_bytes():
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("▁hello", -3.0), ("▁wor", -4.0), ("ld", -3.5), ("l", -6.0), ("d", -6.0), ("o", -5.5),
              ("foo", -4.0), ("▁foo", -4.5), ("bar", -4.0)] + [(f"<0x{b:02X}>", -9.0) for b in range(256)]
    t = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace("▁", "first")])
    return t


def bpe(normalizer, pre_tokenizer, decoder, **options):
    vocab = {t: i for i, t in enumerate(dict.fromkeys(
        ["<unk>", "<s>", "</s>"] + [chr(c) for c in range(33, 127)] + ["▁", "Ġ", "Ċ", "é", "你", "好", "ll", "he", "hell", "hello", "wo",
         "▁wo", "Ġwo", "aa", "aaaa", "foo", "oo", "ba", "bar", "▁h", "Ġh"] + options.pop("extra", [])))}
    merges = [("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("w", "o"), ("▁", "wo"), ("Ġ", "wo"), ("a", "a"), ("aa", "aa"), ("o", "o"),
              ("f", "oo"), ("b", "a"), ("ba", "r"), ("▁", "h"), ("Ġ", "h")]
    t = Tokenizer(models.BPE(vocab, options.pop("merges", merges), unk_token="<unk>", **options))
    if normalizer:
        t.normalizer = normalizer
    if pre_tokenizer:
        t.pre_tokenizer = pre_tokenizer
    if decoder:
        t.decoder = decoder
    return t


def added():
    t = bpe(normalizers.Lowercase(), pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel())
    t.add_special_tokens(["<s>", AddedToken("</s>", lstrip=True, rstrip=True)])
    t.add_tokens([AddedToken("FOO", single_word=True), AddedToken("CAFÉ", normalized=True, rstrip=True),
                  AddedToken("世界", normalized=False, lstrip=True), AddedToken("foo bar", normalized=False)])
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.RobertaProcessing(("</s>", 2), ("<s>", 1))])
    return t


def word_level():
    vocab = {t: i for i, t in enumerate(["<unk>", "Hello", "hello", "world", ",", "!", "a", "-", "foo", "bar", "8", "9", "12", "!?!?"])}
    t = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    return t


def split(pattern, behavior, invert=False):
    return pre_tokenizers.Split(pattern, behavior, invert)


def tokenizers():
    N, P, D = normalizers, pre_tokenizers, decoders
    yield "unigram_charsmap", unigram()
    yield "unigram_bytes", unigram_bytes()
    yield "bert_uncased", bert()
    yield "bert_cased", bert(lowercase=False, clean_text=False)
    yield "bert_keeps_accents", bert(strip_accents=False, handle_chinese_chars=False)
    yield "added_tokens", added()
    yield "word_level", word_level()
    metaspace = D.Metaspace("▁", "always")
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            t = bpe(None, P.Metaspace("▁", scheme, cut), D.Metaspace("▁", scheme), fuse_unk=cut)
            t.add_special_tokens(["<s>"])
            yield f"metaspace_{scheme}_{'split' if cut else 'whole'}", t
    patterns = {"regex": Regex(r"\s+|(?<=o)b|[[:punct:]]"), "literal": "o"}
    for name, pattern in patterns.items():
        for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
            t = bpe(N.Strip(), split(pattern, behavior, name == "regex" and behavior == "removed"), metaspace)
            yield f"split_{name}_{behavior}", t
    t = bpe(N.Sequence([N.NFKD(), N.StripAccents(), N.Prepend("▁"), N.Replace(" ", "▁")]), None,
            D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]), byte_fallback=True, fuse_unk=True,
            extra=[f"<0x{b:02X}>" for b in range(256)])
    t.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    t.add_special_tokens(["<s>"])
    yield "llama_like", t
    t = bpe(N.NFC(), P.Sequence([P.WhitespaceSplit(), P.Digits(True), P.Punctuation("merged_with_next")]), D.BPEDecoder("</w>"),
            end_of_word_suffix="</w>", extra=["o</w>", "d</w>", "a</w>", "hello</w>", "bar</w>", "!</w>", "r</w>"],
            merges=[("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o</w>"), ("b", "a"), ("ba", "r</w>")])
    yield "end_of_word", t
    yield "digits_punctuation", bpe(N.Sequence([N.NFD(), N.NFKC()]), P.Sequence([P.Digits(False), P.Punctuation("contiguous"),
                                    P.CharDelimiterSplit(" ")]), None, ignore_merges=True)


def main():
    for name, tokenizer in tokenizers():
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        document = json.loads(tokenizer.to_str())
        (folder / "tokenizer.json").write_text(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            cases.append({"text": text, "ids": ids, "plain_ids": tokenizer.encode(text, add_special_tokens=False).ids,
                          "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                          "decoded_without_special": tokenizer.decode(ids, skip_special_tokens=True)})
        lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
        (folder / "golden.json").write_text(f"[{lines}]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
