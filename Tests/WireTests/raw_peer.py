"""HTTP/2 spoken frame by frame over a socket, well or badly, for conformance.py and hostile.py."""

import socket
import struct

import hpack
import hyperframe.frame

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# Enough for a machine that is busy with other tests; what is waited for comes at once as a rule.
PATIENCE = 20


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    length = len(payload) if length is None else length
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs, flags=0):
    return frame(SETTINGS, flags, 0, b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def ping(payload=b"\0" * 8, flags=0):
    return frame(PING, flags, 0, payload)


def data(stream, payload=b"test", flags=END_STREAM):
    return frame(DATA, flags, stream, payload)


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def priority_payload(depends_on=0, weight=255, exclusive=False):
    return struct.pack(">IB", depends_on | (exclusive << 31), weight)


def priority(stream, *args, **options):
    return frame(PRIORITY, 0, stream, priority_payload(*args, **options))


def block(fields):
    """A header block that refers to nothing sent before, so that it may stand anywhere."""
    return hpack.Encoder().encode(fields)


def raw_field(name, value):
    """A literal field with lengths below 127, as it is, however wrong the name."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Closed(Exception):
    pass


class Peer:
    """A connection; the first bytes are the caller's, unless `greet` exchanges the prefaces."""

    def __init__(self, address, greet=True, receive_buffer=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.authority = address
        self.received = b""
        self.settings = {}
        if greet:
            self.send(PREFACE + settings())
            self.wait(lambda f: f.type == SETTINGS and "ACK" in f.flags)

    def close(self):
        self.socket.close()

    def send(self, *frames):
        """Sends; false when the server has closed the connection."""
        try:
            self.socket.sendall(b"".join(frames))
            return True
        except (ConnectionError, socket.timeout):
            return False

    def next(self):
        """The next frame. Raises Closed at the end of the connection, socket.timeout when nothing comes."""
        while True:
            if len(self.received) >= 9:
                head, length = hyperframe.frame.Frame.parse_frame_header(memoryview(self.received[:9]))
                if len(self.received) >= 9 + length:
                    head.parse_body(memoryview(self.received[9:9 + length]))
                    self.received = self.received[9 + length:]
                    if head.type == SETTINGS and "ACK" not in head.flags:
                        self.settings.update(head.settings)
                        self.send(settings(flags=ACK))
                    return head
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                raise Closed from None
            if not more:
                raise Closed
            self.received += more

    def wait(self, wanted):
        """The first frame that is wanted."""
        while True:
            got = self.next()
            if wanted(got):
                return got

    def request(self, method="GET", path="/", **extra):
        """The fields of a plain HTTP request."""
        return [(":method", method), (":scheme", "http"), (":path", path), (":authority", self.authority),
                *extra.items()]

    def call(self, method, timeout=None):
        """The fields of a gRPC call of rpc-echo."""
        fields = [(":method", "POST"), (":scheme", "http"), (":path", f"/handoff.wire.v1.EchoService/{method}"),
                  (":authority", self.authority), ("content-type", "application/grpc"), ("te", "trailers")]
        return fields + ([("grpc-timeout", timeout)] if timeout else [])

    def headers(self, stream, fields=None, flags=END_STREAM | END_HEADERS, before=b"", after=b""):
        return frame(HEADERS, flags, stream, before + block(fields or self.request()) + after)

    def answers(self, payload=b"ping-pon"):
        """Whether the server still answers here."""
        try:
            return self.send(ping(payload)) and bool(
                self.wait(lambda f: f.type == PING and "ACK" in f.flags and f.opaque_data == payload))
        except (Closed, socket.timeout):
            return False
