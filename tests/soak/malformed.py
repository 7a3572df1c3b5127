"""Bytes that are no HTTP, or are HTTP that nobody should send. Written out: each of these has confused a server before."""


def asked(*fields, line=b"GET /health HTTP/1.1", host=b"localhost"):
    return b"".join(part + b"\r\n" for part in (line, b"Host: " + host, *fields)) + b"\r\n"


HEADS = [
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.0\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: localhost\n\n",
    b"GET  /health  HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\2\0\1\0\1\xfc\3\3",  # the beginning of TLS
    b"\r\n\r\n\r\n\r\n",
    b"\0" * 1000,
    asked(b"Host: other"),
    asked(host=b"evil.example", line=b"GET /v1/models HTTP/1.1"),
    asked(line=b"GET http://x/y HTTP/1.1"),
    asked(line=b"BREW /health HTTP/1.1"),
    asked(line=b"GET /" + b"a" * 20_000 + b" HTTP/1.1"),
    asked(line=b"GET /%00%ff%zz HTTP/1.1"),
    asked(line=b"GET /../../etc/passwd HTTP/1.1"),
    asked(line=b"CONNECT localhost:1 HTTP/1.1"),
    asked(b"Origin: http://evil.example", line=b"OPTIONS * HTTP/1.1"),
    asked(b"X: " + b"y" * 20_000),
    asked(*[b"A: b"] * 3000),
    asked(b"A: b\0c"),
    asked(b"A: b\r\n c"),
    asked(b"Connection: Upgrade", b"Upgrade: websocket"),
]

CHUNKED = b"Transfer-Encoding: chunked"
# What frames a body, and the body.
FRAMES = [
    ([b"Content-Length: -1"], b""),
    ([b"Content-Length: 99999999999999999999"], b""),
    ([b"Content-Length: 0x2"], b"{}"),
    ([b"Content-Length: 2, 2"], b"{}"),
    ([b"Content-Length: 2", b"Content-Length: 3"], b"{}"),
    ([b"Content-Length: 2", CHUNKED], b"{}"),
    ([b"Content-Length: 2", b"Content-Encoding: gzip"], b"{}"),
    ([b"Content-Length: 2", b"Expect: nothing"], b"{}"),
    ([b"Content-Length: 2", b"Content-Type: text/plain"], b"{}"),
    ([b"Content-Length: 2", b"Content-Type: multipart/form-data; boundary=x"], b"{}"),
    ([b"Transfer-Encoding: gzip"], b"{}"),
    ([CHUNKED], b"fffffffffffffffff\r\n{}"),
    ([CHUNKED], b"-1\r\n{}\r\n0\r\n\r\n"),
    ([CHUNKED], b"zz\r\n{}\r\n0\r\n\r\n"),
    ([CHUNKED], b"2\r\n{}0\r\n\r\n"),
    ([CHUNKED], b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n"),
    ([CHUNKED], b"2\r\n{}\r\n0\r\nT: " + b"x" * 20_000 + b"\r\n\r\n"),
    ([CHUNKED], b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nHost: other\r\n\r\n"),
    ([CHUNKED, b"Trailer: X"], b"2\r\n{}\r\n0\r\nX: \0\r\n\r\n"),
    ([CHUNKED], b"1\r\n \r\n" * 5000 + b"0\r\n\r\n"),
]
REQUESTS = HEADS + [asked(*fields, line=b"POST /v1/completions HTTP/1.1") + body for fields, body in FRAMES]

# Ends of JSON bodies are cut and joined elsewhere; these are wrong as they stand.
JSON = [b"", b"null", b"[]", b'"text"', b"NaN", b"{'prompt': 1}", b'{"prompt": 1e999}', b'{"prompt": "a", "prompt": ["b"]}',
        b'{"prompt": "a", "seed": 1' + b"0" * 9000 + b"}", b"{" + b'"x":1,' * 99_999]

# What is no text, or is hardly one, between two quotes of JSON.
TEXTS = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe4\xbd", b"\x80" * 1000, b"\0", b"\\ud800",
         b"\\udc00\\ud800", b"\\u0000", b"\\uD83D"]
