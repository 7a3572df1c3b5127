"""The texts that tiny-glm is trained on, as documents, and the part of them that is held out.

Input is a folder laid out as its SOURCES.md says (tinyshakespeare.txt, chinese-poetry/, ...). Nothing
here knows of tokens or models. The split depends on the seed alone.
"""

import json
import pathlib
import random
import re

DOCUMENT_CHARS = 3000  # novels and plays are cut at paragraph ends near this length
HELD_OUT_SHARE = 0.025  # of the bytes of each source: about 80 KB in all


def chunks(paragraphs, separator):
    """Joins paragraphs into documents of about DOCUMENT_CHARS."""
    documents, current, size = [], [], 0
    for paragraph in paragraphs:
        current.append(paragraph)
        size += len(paragraph)
        if size >= DOCUMENT_CHARS:
            documents.append(separator.join(current))
            current, size = [], 0
    if current:
        documents.append(separator.join(current))
    return documents


def prose(text):
    """Paragraphs of a hard-wrapped book, each on one line."""
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n", text)]
    return [block for block in blocks if block]


def shakespeare(folder):
    text = (folder / "tinyshakespeare.txt").read_text(encoding="utf-8")
    return chunks([block.strip() for block in text.split("\n\n")], "\n\n")


def botchan(folder):
    """Has no empty lines: a line that stops short ends its paragraph."""
    text = (folder / "botchan_en.txt").read_text(encoding="utf-8-sig")
    body = re.split(r"\*\*\* (?:START|END) OF[^\n]*", text)[1]
    body = re.split(r"\nEnd of Project Gutenberg", body)[0]
    lines = body.split("\n")[2:]  # the first two name who produced the file
    return chunks(prose("\n".join(l if len(l.strip()) > 55 else l + "\n" for l in lines)), "\n\n")


def frankenstein(folder):
    text = (folder / "frankenstein" / "frankenstein_chap4.txt").read_text(encoding="utf-8")
    return chunks(prose(text), "\n\n")


def without_wiki_tokens(sentence):
    """Undoes the tokenisation of WikiText: " @-@ ", spaces before marks, paired quotes."""
    text = re.sub(r" @([-,.])@ ", r"\1", sentence)
    text = re.sub(r' " ([^"]*?) " ?', r' "\1" ', text)
    text = re.sub(r" ([,.;:!?%)\]])", r"\1", text)
    text = re.sub(r"([(\[$]) ", r"\1", text)
    text = re.sub(r" (n't|'s|'re|'ve|'m|'ll|'d)\b", r"\1", text)
    text = re.sub(r"(\d) – (\d)", r"\1–\2", text)
    return re.sub(r"\s+", " ", text).strip()


def wikitext(folder):
    """One document an article; sentences with <unk> are left out."""
    articles, current = [], []
    for line in (folder / "wikitext-2-test-tokenised.txt").read_text(encoding="utf-8").split("\n"):
        line = line.strip()
        heading = re.fullmatch(r"(=(?: =)*) (.+?) \1", line)
        if heading and heading.group(1) == "=" and current:
            articles.append(current)
            current = []
        if heading:
            line = without_wiki_tokens(heading.group(2).replace("<unk>", "").strip())
        else:
            sentences = [s for s in re.split(r"(?<= [.!?]) ", line) if "<unk>" not in s]
            line = without_wiki_tokens(" ".join(sentences))
        if len(line) > 1:
            current.append(line)
    articles.append(current)
    return ["\n".join(article) for article in articles if len(article) > 2]


def tatoeba_pairs(folder):
    lines = (folder / "tatoeba-cmn-eng-sample.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")[:2]) for line in lines if line.count("\t") >= 2]


def tatoeba_credits(folder, held_out):
    """What Tatoeba says of the sentences in held-out documents: one line a pair."""
    held = {line for name, text in held_out if name == "tatoeba" for line in text.split("\n")}
    lines = (folder / "tatoeba-cmn-eng-sample.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[2].split("Attribution: ")[-1] for line in lines
            if line.count("\t") >= 2 and line.split("\t")[1] in held]


def tatoeba(folder):
    """Documents of a dozen pairs, half of them Chinese first."""
    pairs = tatoeba_pairs(folder)
    random.Random(1).shuffle(pairs)
    documents = []
    for i in range(0, len(pairs), 12):
        turned = (i // 12) % 2
        documents.append("\n".join(f"{b}\n{a}" if turned else f"{a}\n{b}"
                                   for a, b in pairs[i:i + 12]))
    return documents


def poems(folder):
    """Tang and Song poems in simplified characters, with the notes that some have."""
    documents = []
    for name in ("shuimotangshi.json", "宋词三百首.json"):
        for item in json.loads((folder / "chinese-poetry" / name).read_text(encoding="utf-8")):
            title = item.get("title") or item.get("rhythmic", "")
            lines = [f"{title}　{item['author']}", *item["paragraphs"]]
            if item.get("prologue"):
                lines.append(item["prologue"])
            documents.append("\n".join(lines))
    return documents


def paragraphs_within(value):
    """Every text under "paragraphs" or "content" of nested lists, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from paragraphs_within(item)
    elif isinstance(value, dict):
        if isinstance(value.get("chapter"), str) or isinstance(value.get("title"), str):
            yield value.get("chapter") or value["title"]
        for key in ("abstract", "paragraphs", "content"):
            yield from paragraphs_within(value.get(key, []))


def classics(folder):
    documents = []
    for name in ("lunyu.json", "shijing.json", "guwenguanzhi.json", "qianziwen.json",
                 "sanzijing-new.json"):
        value = json.loads((folder / "chinese-poetry" / name).read_text(encoding="utf-8"))
        documents += chunks([p for p in paragraphs_within(value) if p.strip()], "\n")
    return documents


SOURCES = {"shakespeare": shakespeare, "wikitext": wikitext, "botchan": botchan,
           "frankenstein": frankenstein, "tatoeba": tatoeba, "poems": poems,
           "classics": classics}


def split(folder, seed=0):
    """(training documents, held-out documents), each a list of (source, text)."""
    folder, train, held = pathlib.Path(folder), [], []
    for name, read in SOURCES.items():
        documents = read(folder)
        random.Random(f"{seed}-{name}").shuffle(documents)
        wanted = HELD_OUT_SHARE * sum(len(d.encode()) for d in documents)
        for document in documents:
            if wanted > 0:
                held.append((name, document[:8000]))
                wanted -= min(len(document.encode()), 8000)
            else:
                train.append((name, document))
    return train, held
