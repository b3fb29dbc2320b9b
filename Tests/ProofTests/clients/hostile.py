"""Bytes that no honest client sends: HTTP/2 frames, gRPC and protobuf messages, JSON and HTTP/1.1, broken by a seed."""

import json
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def field(name, value):
    """A header field as HPACK writes one that is not to be indexed, without Huffman coding."""
    def text(value):
        size = len(value)
        if size < 127:
            return bytes([size]) + value
        prefix, size = b"\x7f", size - 127
        while size >= 128:
            prefix, size = prefix + bytes([size % 128 + 128]), size // 128
        return prefix + bytes([size]) + value
    return b"\0" + text(name.encode()) + text(value.encode("latin-1"))


class Hostile:
    """Makes attacks; `methods` are (path, request message type), `metadata` what gets a call past the door."""

    def __init__(self, random, methods, metadata):
        self.random, self.methods, self.metadata = random, methods, metadata

    # HTTP/2.

    def grpc_attack(self):
        """What is sent on one connection to a gRPC port, and what was meant by it."""
        kind = self.random.choice([
            "noise", "noise after the preface", "broken frames", "broken frames", "broken framing of the message",
            "broken message", "broken message", "random message", "header block", "frame flood"])
        return kind, getattr(self, kind.replace(" ", "_"))()

    def bytes(self, longest):
        return self.random.randbytes(self.random.randint(0, longest))

    def noise(self):
        return self.bytes(4096)

    def noise_after_the_preface(self):
        return PREFACE + frame(SETTINGS) + self.bytes(4096)

    def call(self, message, stream=1, extra=(), framed=None):
        path, _ = self.random.choice(self.methods)
        block = b"".join(field(name, value) for name, value in [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "fuzz"),
            ("content-type", "application/grpc"), ("te", "trailers"), *self.metadata, *extra])
        framed = framed if framed is not None else b"\0" + len(message).to_bytes(4, "big") + message
        data = b"".join(
            frame(DATA, 0, stream, framed[at:at + 16384]) for at in range(0, len(framed), 16384))
        return frame(HEADERS, 4, stream, block) + data + frame(DATA, 1, stream)

    def message(self):
        """A well-formed message of a random method, whose names name nothing."""
        _, type_ = self.random.choice(self.methods)
        return self.filled(type_(), 0).SerializeToString()

    def filled(self, message, depth):
        for described in message.DESCRIPTOR.fields:
            if self.random.random() < 0.4:
                continue
            values = [self.value(described, message, depth) for _ in range(self.random.randint(1, 3))]
            values = [value for value in values if value is not None]
            if not values:
                continue
            if described.is_repeated:
                getattr(message, described.name).extend(values)
            elif described.message_type:
                getattr(message, described.name).CopyFrom(values[0])
            else:
                setattr(message, described.name, values[0])
        return message

    def value(self, described, message, depth):
        kind = described.cpp_type
        if described.message_type:
            if depth > 3 or (described.message_type.GetOptions().map_entry):
                return None
            from google.protobuf import message_factory
            return self.filled(message_factory.GetMessageClass(described.message_type)(), depth + 1)
        if described.type == described.TYPE_BYTES:
            return self.bytes(200)
        if kind == described.CPPTYPE_STRING:
            return self.random.choice([
                "", "fuzz", "services/fuzz", "services/fuzz/tickets/1", "agents/0", "x" * self.random.randint(1, 3000),
                "\u202e\0\ufeff", "services/../care", "가" * 300, "-1", "%00"])
        if kind == described.CPPTYPE_BOOL:
            return True
        if kind == described.CPPTYPE_ENUM:
            return self.random.choice([0, 1, 2, 99, -1])
        if kind in (described.CPPTYPE_FLOAT, described.CPPTYPE_DOUBLE):
            return self.random.choice([float("nan"), float("inf"), -0.0, 1e300 if kind == 5 else 1.0])
        unsigned = kind in (described.CPPTYPE_UINT32, described.CPPTYPE_UINT64)
        bits = 31 if kind in (described.CPPTYPE_INT32, described.CPPTYPE_UINT32) else 63
        return self.random.choice([0, 1, 2 ** bits - 1] + ([] if unsigned else [-1, -2 ** bits]))

    def mutated(self, data):
        """Some bytes changed, taken away, doubled or put in."""
        data = bytearray(data)
        for _ in range(self.random.randint(1, 6)):
            at = self.random.randrange(len(data) + 1)
            kind = self.random.randrange(4)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << self.random.randrange(8)
            elif kind == 1:
                del data[at:at + self.random.randint(1, 8)]
            elif kind == 2:
                data[at:at] = self.bytes(8)
            else:
                data[at:at] = data[max(0, at - 16):at]
        return bytes(data)

    def broken_frames(self):
        whole = frame(SETTINGS) + self.call(self.message()) + frame(PING, 0, 0, bytes(8)) + self.call(
            self.message(), 3)
        return PREFACE + self.mutated(whole)

    def broken_framing_of_the_message(self):
        message = self.message()
        framed = self.random.choice([
            b"\0" + (len(message) + 7).to_bytes(4, "big") + message, b"\0\xff\xff\xff\xff" + message,
            b"\1" + len(message).to_bytes(4, "big") + message, b"\x07" + len(message).to_bytes(4, "big") + message,
            b"\0\0", b"", b"\0\0\0\0\0" * 50, b"\0" + len(message).to_bytes(4, "big") + message + b"\0" + self.bytes(9)])
        extra = self.random.choice([(), (("grpc-encoding", "gzip"),), (("grpc-encoding", "snappy"),)])
        return PREFACE + frame(SETTINGS) + self.call(b"", 1, extra, framed)

    def broken_message(self):
        return PREFACE + frame(SETTINGS) + b"".join(
            self.call(self.mutated(self.message()), stream) for stream in range(1, 12, 2))

    def random_message(self):
        # Nested groups of one field drive a parser deep; numbers too long for their type drive it wide.
        deep = b"\x0a\x7f" * self.random.randint(1, 2000)
        wide = b"\x08" + b"\xff" * self.random.randint(1, 20)
        message = self.random.choice([self.bytes(3000), deep, wide, self.message()])
        extra = self.random.choice([(), (("grpc-timeout", "1n"),), (("grpc-timeout", "junk"),), (
            ("grpc-accept-encoding", "," * 500),), (("traceparent", "00-" + "f" * 600),)])
        return PREFACE + frame(SETTINGS) + self.call(message, 1, extra)

    def header_block(self):
        block = self.random.choice([
            self.bytes(2000), b"".join(field("x" * 50, "y" * 200) for _ in range(300)), field("", ""),
            field(":path", "/") * 20, field("Upper", "Case"), field(":unknown", "x"), b"\x3f\xe1\xff\xff\xff\x0f",
            b"\x40\x01a\x7f\xff\x7f" + b"b" * 500 + b"\xbe" * 5000])
        chunks = [block[at:at + 1000] for at in range(0, len(block), 1000)] or [b""]
        frames = [frame(HEADERS, 4 if len(chunks) == 1 else 0, 1, chunks[0])]
        frames += [frame(CONTINUATION, 4 if chunk is chunks[-1] else 0, 1, chunk) for chunk in chunks[1:]]
        return PREFACE + frame(SETTINGS) + b"".join(frames)

    def frame_flood(self):
        one = self.random.choice([
            frame(PING, 0, 0, bytes(8)), frame(SETTINGS), frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0xFFFFFFFF)),
            frame(PRIORITY, 0, 1, bytes(5)), frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"), frame(RST, 0, 1, bytes(4)),
            frame(0xEE, 0, 0, b"x"), frame(DATA, 0, 1), frame(CONTINUATION, 0, 1, b"x"), frame(GOAWAY, 0, 0, bytes(8))])
        calls = b"".join(
            self.call(b"", stream) + frame(RST, 0, stream, struct.pack(">I", 8)) for stream in range(1, 101, 2))
        return PREFACE + frame(SETTINGS) + self.random.choice([one * self.random.randint(1, 3000), calls])

    # HTTP/1.1 and JSON.

    def http_attack(self, paths, token):
        """What is sent to a port that speaks HTTP/1.1."""
        kind = self.random.choice(["noise", "broken request", "broken JSON", "broken JSON", "odd path"])
        if kind == "noise":
            return kind, self.bytes(4096)
        if kind == "odd path":
            verb = self.random.choice(["GET", "POST", "DELETE", "PUT", "X" * 300, "get"])
            path = "/" + self.random.choice([
                "v1/" + "a/" * 2000, "v1/services/%00/tickets", "..%2f..%2f", "v1/services/care/tickets/" + "9" * 400,
                "v1/services/care/tickets?pageSize=-1&pageToken=" + "z" * 500, "\x01", "metrics?" + "m" * 3000, "*"])
            return kind, self.request(verb, path, b"", token)
        verb, path = self.random.choice(paths)
        request = self.request(verb, path, self.json(), token)
        if kind == "broken request":
            request = self.mutated(request)
        return kind, request

    def request(self, verb, path, body, token):
        head = (f"{verb} {path} HTTP/1.1\r\nhost: fuzz\r\nauthorization: Bearer {token}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n")
        return head.encode("latin-1") + body

    def json(self):
        whole = json.dumps({
            "parent": "services/fuzz", "title": "fuzz", "text": "x" * self.random.randint(0, 2000), "version": "1",
            "customer": {"email": "fuzz@example.com", "phone": 5}, "act": "HOLD", "requestId": "fuzz"}).encode()
        return self.random.choice([
            self.mutated(whole), whole, b"[" * self.random.randint(1, 100_000), b'{"a":' * 5000, b"\xff\xfe{}",
            b'{"title":"\\ud800"}', b'{"version":1e999}', b'{"title":null,"title":"a"}', b"nul", b"", self.bytes(500),
            b'{"customer":' + b"9" * 5000 + b"}"])
