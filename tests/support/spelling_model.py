"""A checkpoint that says what a test tells it to, so that any answer can go through the real server.

The model is a Llama whose only layer adds nothing: the next token depends on the last one alone. Each piece of the
answer is a token of its own, numbered so that two pieces with one text stay two tokens; the tokenizer's decoder takes
the numbers off again. Prompts are encoded byte by byte. Standard library only.
"""
import array
import json
import pathlib
import struct

ROLES = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
END = "<|endoftext|>"
HEAD_DIM = 32
LOGIT = 4.0  # times the square root of the hidden size: no sampling goes astray


def byte_alphabet():
    """GPT-2's spelling of bytes: printable ones as they are, the others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(0x100 + i) for i, b in enumerate(others)}


ALPHABET = byte_alphabet()


def cut(text, tokens, size):
    """Pieces of `size` characters; each of the special or added `tokens` is a piece."""
    pieces = []
    while text:
        at, token = min(((text.find(t), t) for t in tokens if t in text), default=(len(text), None))
        pieces += [text[i:min(i + size, at)] for i in range(0, at, size)]
        if token is not None:
            pieces.append(token)
        text = text[at + len(token or ""):]
    return pieces


def write_tensors(path, tensors):
    """safetensors of {name: (shape, array of floats)}."""
    header, offset = {}, 0
    for name, (shape, values) in tensors.items():
        size = len(values) * values.itemsize
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in tensors.values():
            file.write(values.tobytes())


def zeros(*shape):
    count = 1
    for n in shape:
        count *= n
    return list(shape), array.array("f", bytes(4 * count))


def weights(followers, vocabulary):
    """followers: token id -> the token that comes next."""
    hidden = (vocabulary + HEAD_DIM - 1) // HEAD_DIM * HEAD_DIM
    embedding, head = zeros(vocabulary, hidden), zeros(vocabulary, hidden)
    for token in range(vocabulary):
        embedding[1][token * hidden + token] = 1.0
    for token, following in followers.items():
        head[1][following * hidden + token] = LOGIT
    ones = ([hidden], array.array("f", [1.0] * hidden))
    layer = "model.layers.0."
    return hidden, {
        "model.embed_tokens.weight": embedding, "lm_head.weight": head, "model.norm.weight": ones,
        layer + "input_layernorm.weight": ones, layer + "post_attention_layernorm.weight": ones,
        layer + "self_attn.q_proj.weight": zeros(HEAD_DIM, hidden),
        layer + "self_attn.k_proj.weight": zeros(HEAD_DIM, hidden),
        layer + "self_attn.v_proj.weight": zeros(HEAD_DIM, hidden),
        layer + "self_attn.o_proj.weight": zeros(hidden, HEAD_DIM),
        layer + "mlp.gate_proj.weight": zeros(HEAD_DIM, hidden),
        layer + "mlp.up_proj.weight": zeros(HEAD_DIM, hidden),
        layer + "mlp.down_proj.weight": zeros(hidden, HEAD_DIM)}


def write_spelling_model(folder, answer, template, *, behind="<|assistant|>", end=END, added=(), piece=3):
    """Writes the checkpoint into `folder`.

    answer: what it says behind each token `behind` (a role or one of `added`), before it ends with the token `end`.
    template: the chat template's source. added: further tokens that are not special, like <think>.
    piece: characters of a token of the answer.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    special = [END, *ROLES]
    tokens = special + [t for t in added if t not in special]
    pieces = cut(answer, tokens, piece)
    vocabulary = {character: b for b, character in ALPHABET.items()}
    first_piece = len(vocabulary)
    for i, text in enumerate(pieces):
        vocabulary[f"⟦{i}⟧" + "".join(ALPHABET[b] for b in text.encode())] = first_piece + i
    ids = {token: len(vocabulary) + i for i, token in enumerate(tokens)}
    n_vocabulary = len(vocabulary) + len(tokens)
    followers = {token: ids[end] for token in range(n_vocabulary)}
    chain = [ids.get(text, first_piece + i) for i, text in enumerate(pieces)] + [ids[end]]
    for token, following in zip([ids[behind], *chain], chain):
        followers[token] = following
    hidden, tensors = weights(followers, n_vocabulary)
    write_tensors(folder / "model.safetensors", tensors)

    def write(name, value):
        (folder / name).write_text(json.dumps(value, ensure_ascii=False))

    write("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": n_vocabulary, "hidden_size": hidden,
        "intermediate_size": HEAD_DIM, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
        "head_dim": HEAD_DIM, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "max_position_embeddings": 2048, "tie_word_embeddings": False, "torch_dtype": "float32",
        "eos_token_id": ids[end]})
    write("tokenizer.json", {
        "version": "1.0",
        "added_tokens": [{"id": ids[t], "content": t, "special": t in special, "normalized": False} for t in tokens],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"Regex": "^⟦[0-9]+⟧"}, "content": ""}, {"type": "ByteLevel"}]},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []}})
    write("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END})
    (folder / "chat_template.jinja").write_text(template)
    return str(folder)
