"""Random changes of valid requests: of their JSON, of their bytes. The generator's seed decides them."""
import json

# Values that have ended servers before: of every kind, at every edge, and nested.
VALUES = [None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, -1e308, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -2**63, 10**40,
          "", " ", "\0", "a", "-1", "\ufeff", "\u202e", "\ud800", "é" * 1000, "x" * 5000, "{{", "{% for x in y %}", "<|user|>",
          "((((", "[", "\\", "$ref", [], {}, [[]], [None], [0] * 300, ["a"] * 300, [{}] * 50, {"": ""}, {"a": {"a": {"a": {}}}},
          {"type": "object"}, {"$ref": "#"}, {"type": "array", "items": {"$ref": "#"}}, {"anyOf": []}, {"type": ["string"] * 9},
          {"type": "text", "text": None}, {"role": "user"}]
FIELDS = ["n", "best_of", "seed", "stop", "stream", "stream_options", "logprobs", "top_logprobs", "echo", "prompt_logprobs",
          "temperature", "top_p", "top_k", "min_p", "logit_bias", "max_tokens", "min_tokens", "response_format", "guided_json",
          "guided_regex", "guided_choice", "guided_grammar", "structural_tag", "tools", "tool_choice", "priority", "timeout_ms",
          "user", "cache_salt", "prediction", "messages", "prompt", "input", "documents", "chat_template_kwargs",
          "thinking_token_budget", "reasoning_effort", "num_speculative_tokens", "encoding_format", "content", "tokens"]


def places(value, path=()):
    """The paths of everything below a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def copied(value):
    return json.loads(json.dumps(value))


def mutated_value(rng, body):
    """A copy with one to four changes."""
    body = copied(body)
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.3:
            body[rng.choice(FIELDS)] = copied(rng.choice(VALUES))
            continue
        paths = list(places(body))
        if not paths:
            break
        *parents, key = rng.choice(paths)
        holder = body
        for parent in parents:
            holder = holder[parent]
        change = rng.random()
        if change < 0.2:
            del holder[key]
        elif change < 0.4 and isinstance(holder, list):
            holder.extend(copied([holder[key]] * rng.randint(1, 20)))
        elif change < 0.5:
            holder[key] = [holder[key]]
        else:
            holder[key] = copied(rng.choice(VALUES))
    return body


def mutated_bytes(rng, data):
    """A copy with one to six changes, of the same length or not."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        length = rng.choice([1, 1, 1, 2, 4, 16, 100])
        change = rng.randrange(5)
        if change == 0:
            data[at:at + length] = rng.randbytes(length)
        elif change == 1:
            del data[at:at + length]
        elif change == 2:
            data[at:at] = rng.choice([b"\0", b"\r\n", b"\n", b'"', b"\\", b"{", b"[", b":", b"\xff", b"\xed\xa0\x80", b"%00",
                                      b"9" * 30, b"\\u0000", b"\\ud800", b"e999"])
        elif change == 3:
            data[at:at] = data[at:at + length] * rng.randint(1, 9)
        else:
            other = rng.randrange(len(data) + 1)
            data[at:at] = data[other:other + length]
    return bytes(data)
