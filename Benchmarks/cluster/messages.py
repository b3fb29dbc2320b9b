"""The calls that are measured, as the bytes of their gRPC messages: load generators send them as they are."""


def _field(number, content):
    content = content.encode() if isinstance(content, str) else content
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def _framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def get_ticket(name):
    """handoff.tickets.v1.GetTicketRequest"""
    return _framed(_field(1, name))


def create_ticket():
    """handoff.tickets.v1.CreateTicketRequest, which the demo organization's sequential trigger assigns"""
    customer = _field(2, "Alice Turner") + _field(3, "alice.turner@example.com")
    return _framed(
        _field(1, "services/care") + _field(2, "Where is my parcel?")
        + _field(3, "I ordered shoes a week ago. Where are they?") + _field(4, customer)
        + bytes([5 << 3, 1]) + _field(7, "en") + _field(8, "services/care/submissionTypes/1"))


def health_check():
    """A whole HTTP/2 client of one grpc.health.v1.Health/Check: preface, settings, request."""
    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def header(name, value):
        # Literal without indexing, new name: RFC 7541, 6.2.2.
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    headers = b"".join(header(*pair) for pair in [
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"), (":authority", "bench"),
        ("content-type", "application/grpc"), ("te", "trailers")])
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 4, 1, headers)
            + frame(0, 1, 1, _framed(b"")))
