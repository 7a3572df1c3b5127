"""What clients do to a server that they do not mean well: one function a kind. Each sends what its generator decides and says
nothing of what comes back but that something must; soak.py judges statuses."""
import functools
import json
import pathlib
import sys
import time

import malformed
import mutations
from good import CONVERSATION, REQUESTS
from wire import Closed, answer_from, answer_to, http_request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from expensive_grammars_test import EXPENSIVE  # noqa: E402

IDS = [1 + i % 200 for i in range(780)]
TENANT = [("X-Tenant", "hostile")]
KINDS = {}  # name: (function, how often among the others)


def kind(often):
    def add(function):
        KINDS[function.__name__.replace("_", " ")] = function, often
        return function
    return add


def post(path, body, headers=()):
    return http_request("POST", path, body, [*TENANT, *headers])


@functools.cache
def large(name):
    """Bodies that take this interpreter some time to write: written once."""
    text = "ab c" * 250_000
    return post(*{
        "pieces": lambda: ("/tokenize", {"content": text, "with_pieces": True}),
        "strings": lambda: ("/tokenize", {"prompt": text, "return_token_strs": True}),
        "too long for any prompt": lambda: ("/tokenize", {"content": text * 9}),
        "too large a body": lambda: ("/tokenize", {"content": text * 18}),
        "ids": lambda: ("/v1/completions", {"prompt": [1] * 2_000_000}),
        "message": lambda: ("/v1/chat/completions", {"messages": [{"role": "user", "content": text * 9}]}),
        "scores": lambda: ("/v1/completions", {"prompt": [IDS[:40]] * 256, "max_tokens": 1, "prompt_logprobs": 20}),
        "echo": lambda: ("/v1/completions", {"prompt": [IDS] * 16, "max_tokens": 1, "echo": True, "logprobs": 20}),
        "streamed": lambda: ("/v1/completions", {"prompt": [IDS] * 16, "max_tokens": 1, "prompt_logprobs": 20,
                                                 "stream": True}),
        "embeddings": lambda: ("/v1/embeddings", {"input": [IDS] * 300}),
    }[name]())


@functools.cache
def expensive(name):
    return post("/v1/completions", {"prompt": "Once", "max_tokens": 4, "temperature": 0, **EXPENSIVE[name]})


@kind(6)
def expensive_grammar(rng, wire):
    wire.ask("expensive grammar", expensive(rng.choice(sorted(EXPENSIVE))))


@kind(6)
def new_grammar(rng, wire):
    """Never seen before, so that nothing remembered helps, and what is remembered is replaced."""
    number = rng.getrandbits(64)
    form = rng.choice([
        {"guided_regex": f"[a-z]{{1,{rng.randint(1, 200)}}}{number}"},
        {"guided_grammar": f'root ::= "{number}" (("a" | "b" root) [0-9]){{1,{rng.randint(1, 30)}}}'},
        {"guided_choice": [f"{number} {i}" for i in range(rng.randint(1, 500))]},
        {"guided_json": {"type": "object", "required": ["x"], "properties": {
            f"{number} {i}": {"type": "string", "maxLength": i + 1} for i in range(rng.randint(1, 40))}}}])
    wire.ask("new grammar", post("/v1/completions", {"prompt": "Once", "max_tokens": 6, "seed": 1, **form}))


@functools.cache
def refused_forms():
    schemas = [{"type": "nothing"}, {"$ref": "#/nowhere"}, {"$ref": "http://x/y"}, {"allOf": [False]}, {"enum": []}, {"not": {}},
               {"type": "string", "pattern": "(?<=a)b"}, {"type": "string", "minLength": 9, "maxLength": 1},
               {"type": "integer", "minimum": 5, "maximum": 4}, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}]
    for depth in (10, 50, 63, 70):
        schemas.append(functools.reduce(lambda inside, _: {"type": "array", "items": inside}, range(depth), {}))
    values = {
        "guided_json": schemas,
        "guided_regex": ["(", "a{99999}", "[z-a]", "(?=x)", "\\", "(a*)*" * 50, "(" * 5000, "\\p{Nothing}", "x{2,1}"],
        "guided_grammar": ["root ::= root", "x", 'root ::= "a', "root ::= a\na ::= root", "root ::= " + "(" * 9000],
        "guided_choice": [[], [""], [1], "a", ["a" * 100_000]],
        "structural_tag": ["{", {"type": "none"}, 3],
        "response_format": ["json", {"type": "xml"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": 3}]}
    return [{field: value} for field, of_field in values.items() for value in of_field]


@kind(6)
def refused_schema(rng, wire):
    form = rng.choice(refused_forms())
    wire.ask("refused schema", post("/v1/chat/completions", {"messages": CONVERSATION, "max_tokens": 8, **form}))


@kind(10)
def abandoned(rng, wire):
    """A whole valid request whose client leaves: at once, or in the middle of the answer."""
    method, path, body = rng.choice(sorted(REQUESTS.values(), key=repr))
    if body and "max_tokens" in body:
        body = {**body, "max_tokens": 400, "ignore_eos": True}
    wire.leave("abandoned", http_request(method, path, body, TENANT), rng.random() * 0.3, rng.random() < 0.5)


@kind(2)
def abandoned_large(rng, wire):
    name = rng.choice(["pieces", "strings", "scores", "echo", "streamed", "embeddings", "message"])
    wire.leave("abandoned large", large(name), rng.random(), rng.random() < 0.5)


@kind(3)
def cancelled_embeddings(rng, wire):
    for _ in range(rng.randint(1, 4)):
        wire.leave("cancelled embeddings", large("embeddings"), rng.random() * 0.1, rng.random() < 0.5)


@kind(6)
def half_sent(rng, wire):
    """Ends anywhere, in the head or the body; some wait until the server has had enough."""
    data = post("/v1/chat/completions", {"messages": CONVERSATION, "user": "x" * rng.randint(0, 200_000)})
    data = data[:rng.choice([rng.randrange(1, 200), rng.randrange(1, len(data))])]
    if rng.random() < 0.9:
        wire.leave("half sent", data, rng.random() * 0.5, rng.random() < 0.5)
        return
    try:
        wire.ask("half sent, waiting", data)  # 408
    except Closed:
        pass  # nothing had come that could be answered


@kind(3)
def trickled(rng, wire):
    """A valid request that comes in small pieces, in time."""
    data = post("/v1/completions", {"prompt": "Once", "max_tokens": 4, "stream": rng.random() < 0.5})
    entry = wire.journal.started("trickled", data)
    outcome = "failed"
    try:
        with wire.connect() as client:
            while len(data) > 1:
                n = rng.randint(1, 40)
                client.sendall(data[:n])
                data = data[n:] or data[-1:]
                time.sleep(0.01)
            outcome = answer_to(client, data).status
    finally:
        wire.journal.ended(entry, outcome)


@kind(4)
def slow_reader(rng, wire):
    """Takes its answer in spoonfuls for a while, then leaves."""
    data = rng.choice([large("pieces"), large("streamed"), large("echo"), post("/v1/completions", {
        "prompt": "Once", "n": 8, "max_tokens": 600, "ignore_eos": True, "stream": True, "logprobs": 20})])
    entry = wire.journal.started("slow reader", data)
    try:
        with wire.connect(receive_bytes=2048) as client:
            client.sendall(data)
            until = time.monotonic() + rng.uniform(0.5, 8)
            while time.monotonic() < until and client.recv(rng.randint(1, 400)):
                time.sleep(0.02)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server has given it up: its right
    finally:
        wire.journal.ended(entry, "left")


@kind(1)
def many_prompts(rng, wire):
    wire.ask("many prompts", large(rng.choice(["scores", "echo", "streamed"])))


@kind(3)
def huge_body(rng, wire):
    try:
        wire.ask("huge body", large(rng.choice(["pieces", "strings", "too long for any prompt", "too large a body", "ids",
                                                "message"])))
    except Closed:
        pass  # 413 comes before the body is read: its rest may have met a closed connection


@kind(8)
def bad_json(rng, wire):
    body = json.dumps(REQUESTS[rng.choice(["chat", "completion", "embedding", "tokenize", "infer"])][2]).encode()
    bad = rng.choice([*malformed.JSON, body[:rng.randrange(len(body))], body + body, b"\xef\xbb\xbf" + body,
                      body.replace(b":", b" "), b'{"n": 1,}' + body, b"[" * rng.randint(1, 100_000),
                      b'{"a":' * rng.randint(1, 50_000)])
    path = rng.choice(["/v1/chat/completions", "/v1/completions", "/infer", "/tokenize", "/v1/embeddings"])
    wire.ask("bad JSON", post(path, bad))


@kind(5)
def bad_utf8(rng, wire):
    noise = rng.randbytes(60).replace(b'"', b"").replace(b"\\", b"")
    text = rng.choice([*malformed.TEXTS, noise])
    path, before, after = rng.choice([
        ("/v1/completions", b'{"max_tokens": 4, "prompt": "', b'"}'),
        ("/v1/completions", b'{"max_tokens": 4, "prompt": "a", "stop": "', b'"}'),
        ("/v1/chat/completions", b'{"max_tokens": 4, "messages": [{"role": "user", "content": "', b'"}]}'),
        ("/v1/chat/completions", b'{"max_tokens": 4, "messages": [{"role": "', b'", "content": "a"}]}'),
        ("/v1/completions", b'{"max_tokens": 4, "prompt": "a", "guided_regex": "', b'"}'),
        ("/v1/completions", b'{"max_tokens": 4, "prompt": "a", "user": "', b'"}'),
        ("/tokenize", b'{"content": "', b'", "with_pieces": true}'),
        ("/v1/embeddings", b'{"input": "', b'"}')])
    wire.ask("bad UTF-8", post(path, before + text + after))


@kind(10)
def bad_head(rng, wire):
    data = rng.choice(malformed.REQUESTS)
    if rng.random() < 0.2:
        data *= rng.randint(2, 20)  # all at once, on one connection
    try:
        wire.ask("bad head", data)
    except Closed:
        pass  # what is no HTTP may get no answer


@kind(3)
def pipelined(rng, wire):
    """Many requests at once on one connection; all answers must come, in order."""
    requests = [REQUESTS[rng.choice(["tokenize", "version", "models", "completion", "no such path", "refused field"])]
                for _ in range(rng.randint(2, 12))]
    data = b"".join(http_request(*request, TENANT) for request in requests)
    entry = wire.journal.started("pipelined", data)
    outcome = "failed"
    try:
        with wire.connect() as client, client.makefile("rb") as answers:
            client.sendall(data)
            for _ in requests:
                outcome = answer_from(answers).status
    finally:
        wire.journal.ended(entry, outcome)


@kind(2)
def offline_flood(rng, wire):
    """One tenant asks for far more than is free, of the least urgent class, and waits for a while."""
    entry, clients = wire.journal.started("offline flood", b""), []
    try:
        for i in range(rng.randint(10, 120)):
            body = {"prompt": [IDS[:rng.randint(1, 700)]], "max_tokens": rng.randint(1, 60), "priority": 5, "seed": i}
            clients.append(wire.connect())
            clients[-1].sendall(post("/v1/completions", body, [("X-Tenant", "flood")]))
        time.sleep(rng.uniform(0, 3))
    finally:
        for client in clients:
            client.close()
        wire.journal.ended(entry, "left")


@kind(1)
def idle_connections(rng, wire):
    entry = wire.journal.started("idle connections", b"")
    clients = [wire.connect() for _ in range(rng.randint(1, 200))]
    time.sleep(rng.random())
    for client in clients:
        client.close()
    wire.journal.ended(entry, "left")


@kind(4)
def too_late(rng, wire):
    body = {"prompt": "Once", "max_tokens": 400, "ignore_eos": True, "timeout_ms": rng.choice([1, 5, 50, 500])}
    wire.ask("too late", post("/v1/completions", {**body, "stream": rng.random() < 0.3}))


@kind(30)
def mutated_body(rng, wire):
    _, path, body = rng.choice([r for r in REQUESTS.values() if r[2]])
    body = mutations.mutated_value(rng, body)
    # The longest answers take minutes in such company, and are asked for elsewhere.
    for name in ("max_tokens", "n"):
        if isinstance(body.get(name), int) and body[name] > 64:
            body[name] = 64
    if path != "/infer" and "max_tokens" not in body:
        body["max_tokens"] = 64
    wire.ask("mutated body", post(path, body))


@kind(20)
def mutated_request(rng, wire):
    """The bytes change, and with them, often, where the request ends."""
    method, path, body = rng.choice(sorted(REQUESTS.values(), key=repr))
    data = http_request(method, path, body, [*TENANT, ("Connection", "close")])
    try:
        wire.ask("mutated request", mutations.mutated_bytes(rng, data))
    except Closed:
        pass  # what is no HTTP may get no answer


@kind(10)
def mutated_json(rng, wire):
    """The bytes of the body change, and the head is right."""
    _, path, body = rng.choice([r for r in REQUESTS.values() if r[2]])
    wire.ask("mutated JSON", post(path, mutations.mutated_bytes(rng, json.dumps(body).encode())))
