"""The cases of h2spec (https://github.com/summerwind/h2spec), written anew over raw frames and run against rpc-echo.

python3 conformance.py PATH_OF_RPC_ECHO [PATTERN]

Prints a table with one row a case, named after h2spec's suite and section and the number there; "strict" cases are
those that h2spec runs only when asked to. The exit status is 0 when every case holds that EXCEPTIONS does not excuse.
"""

import concurrent.futures
import re
import socket
import subprocess
import sys

from raw_peer import (
    ACK, COMPRESSION_ERROR, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR,
    GOAWAY, HEADERS, NO_ERROR, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM,
    RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, Closed, Peer, block, data, frame, ping, priority,
    priority_payload, raw_field, rst, settings, window_update)

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7))
# Why a case may fail: case -> reason.
EXCEPTIONS = {
    "http2/5.3.1/2": "RFC 9113 §5.3.2 has done away with the priorities of RFC 7540; the server declines them with"
                     " SETTINGS_NO_RFC7540_PRIORITIES and does not read what PRIORITY says",
}
CASES = []


def case(section, title, greet=True):
    """Registers a function that sends what the case says and returns whether the server did right."""
    number = 1 + sum(known == section for known, *_ in CASES)

    def register(function):
        CASES.append((section, number, title, greet, function))
        return function
    return register


# What a server may do right ----------------------------------------------------------------------------------------

def connection_error(peer, *codes):
    """GOAWAY with one of the codes, or the end of the connection."""
    try:
        peer.wait(lambda f: f.type == GOAWAY and f.error_code in codes)
    except Closed:
        pass
    return True


def stream_error(peer, *codes):
    """RST_STREAM or GOAWAY with one of the codes, or the end of the connection."""
    try:
        peer.wait(lambda f: f.type in (GOAWAY, RST_STREAM) and f.error_code in codes)
    except Closed:
        pass
    return True


def answered(peer, stream=1):
    return peer.wait(lambda f: f.type == HEADERS).stream_id == stream


def pong(peer, payload=b"\0" * 8):
    got = peer.wait(lambda f: f.type == PING)
    return "ACK" in got.flags and got.opaque_data == payload


def pong_or_end(peer, payload=b"\0" * 8):
    try:
        return pong(peer, payload)
    except Closed:
        return True


def settings_ack(peer):
    return "ACK" in peer.wait(lambda f: f.type == SETTINGS).flags


def stream_end(peer):
    peer.wait(lambda f: (f.type in (DATA, HEADERS) and "END_STREAM" in f.flags)
              or (f.type == RST_STREAM and f.error_code == NO_ERROR))


def data_of(peer, length):
    return len(peer.wait(lambda f: f.type == DATA).data) == length


def sends(section, title, frames, verdict, *codes, greet=True):
    """A case that sends frames, made by a function of the peer, and looks at what comes."""
    @case(section, title, greet)
    def run(peer):
        peer.send(*frames(peer))
        return verdict(peer, *codes)


def post(peer, **extra):
    return peer.request("POST", **extra)


def dummies(count=1):
    return block([(f"x-dummy{index}", "x" * 4000) for index in range(count)])


def continuation(stream, payload, flags=END_HEADERS):
    return frame(CONTINUATION, flags, stream, payload)


# Generic ------------------------------------------------------------------------------------------------------------

def preface(peer):
    peer.send(PREFACE, settings((INITIAL_WINDOW_SIZE, 65535)))
    first = peer.next()
    return first.type == SETTINGS and "ACK" not in first.flags


case("generic/1", "a client connection preface", greet=False)(preface)

sends("generic/2", "PRIORITY on an idle stream", lambda p: [priority(1), ping()], pong)
NO_WINDOW = settings((INITIAL_WINDOW_SIZE, 0))
sends("generic/2", "WINDOW_UPDATE on a half-closed (remote) stream",
      lambda p: [NO_WINDOW, p.headers(1), window_update(1, 1)], data_of, 1)
sends("generic/2", "PRIORITY on a half-closed (remote) stream",
      lambda p: [NO_WINDOW, p.headers(1), priority(1), window_update(1, 1)], data_of, 1)
sends("generic/2", "RST_STREAM on a half-closed (remote) stream", lambda p: [p.headers(1), rst(1), ping()], pong_or_end)


@case("generic/2", "PRIORITY on a closed stream")
def _(peer):
    peer.send(peer.headers(1))
    stream_end(peer)
    peer.send(priority(1), ping())
    return pong(peer)


sends("generic/3.1", "one DATA frame", lambda p: [p.headers(1, post(p), END_HEADERS), data(1)], answered)
sends("generic/3.1", "several DATA frames",
      lambda p: [p.headers(1, post(p), END_HEADERS), data(1, flags=0), data(1)], answered)
sends("generic/3.1", "a DATA frame with padding",
      lambda p: [p.headers(1, post(p), END_HEADERS), data(1, b"\x05test" + b"\0" * 5, END_STREAM | PADDED)], answered)

sends("generic/3.2", "a HEADERS frame", lambda p: [p.headers(1)], answered)
sends("generic/3.2", "a HEADERS frame with padding",
      lambda p: [p.headers(1, None, END_STREAM | END_HEADERS | PADDED, before=b"\x08", after=b"\0" * 8)], answered)
sends("generic/3.2", "a HEADERS frame with priority",
      lambda p: [p.headers(1, None, END_STREAM | END_HEADERS | WITH_PRIORITY, before=priority_payload())], answered)

sends("generic/3.3", "PRIORITY with priority 1", lambda p: [priority(1, weight=0), p.headers(1)], answered)
sends("generic/3.3", "PRIORITY with priority 256", lambda p: [priority(1, weight=255), p.headers(1)], answered)
sends("generic/3.3", "PRIORITY with a stream dependency", lambda p: [priority(3, 1, weight=0), p.headers(1)], answered)
sends("generic/3.3", "PRIORITY with the exclusive flag",
      lambda p: [priority(1, weight=0, exclusive=True), p.headers(1)], answered)
sends("generic/3.3", "PRIORITY for an idle stream, then HEADERS for a lower id",
      lambda p: [priority(3), p.headers(1)], answered)
sends("generic/3.4", "RST_STREAM", lambda p: [p.headers(1, None, END_HEADERS), rst(1), ping()], pong_or_end)
sends("generic/3.5", "SETTINGS", lambda p: [settings(
    (HEADER_TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_CONCURRENT_STREAMS, 100), (INITIAL_WINDOW_SIZE, 65535),
    (MAX_FRAME_SIZE, 16384), (MAX_HEADER_LIST_SIZE, 100))], settings_ack)
sends("generic/3.7", "PING", lambda p: [ping(b"h2spec\0\0")], pong, b"h2spec\0\0")
sends("generic/3.8", "GOAWAY", lambda p: [frame(GOAWAY, 0, 0, b"\0" * 8 + b"h2spec"), ping()], pong_or_end)
sends("generic/3.9", "WINDOW_UPDATE of the connection", lambda p: [window_update(0, 1), ping()], pong)
sends("generic/3.9", "WINDOW_UPDATE of a stream", lambda p: [p.headers(1), window_update(1, 1)], answered)
sends("generic/3.10", "a CONTINUATION frame", lambda p: [
    frame(HEADERS, END_STREAM, 1, block(p.request())[:5]), continuation(1, block(p.request())[5:])], answered)
sends("generic/3.10", "several CONTINUATION frames", lambda p: [
    frame(HEADERS, END_STREAM, 1, block(p.request())[:5]), continuation(1, block(p.request())[5:10], 0),
    continuation(1, block(p.request())[10:])], answered)

sends("generic/4", "a GET request", lambda p: [p.headers(1)], answered)
sends("generic/4", "a HEAD request", lambda p: [p.headers(1, p.request("HEAD"))], answered)
sends("generic/4", "a POST request", lambda p: [p.headers(1, post(p), END_HEADERS), data(1)], answered)
sends("generic/4", "a POST request with trailers", lambda p: [
    p.headers(1, post(p, trailer="x-test"), END_HEADERS), data(1, flags=0), p.headers(1, [("x-test", "ok")])],
    answered)

for title, representation in (
    ("an indexed field", "ba"),
    ("a literal with indexing, indexed name", "4087b505b161cc5a93849c48aca4"),
    ("a literal with indexing, indexed name, Huffman", "400a757365722d6167656e7406683273706563"),
    ("a literal with indexing, new name", "4006782d7465737406683273706563"),
    ("a literal with indexing, new name, Huffman", "4085f2b24a84ff849c48aca4"),
    ("a literal without indexing, indexed name", "000a757365722d6167656e7406683273706563"),
    ("a literal without indexing, indexed name, Huffman", "0087b505b161cc5a93849c48aca4"),
    ("a literal without indexing, new name", "0006782d7465737406683273706563"),
    ("a literal without indexing, new name, Huffman", "0085f2b24a84ff849c48aca4"),
    ("a literal never indexed, indexed name", "100a757365722d6167656e7406683273706563"),
    ("a literal never indexed, indexed name, Huffman", "1087b505b161cc5a93849c48aca4"),
    ("a literal never indexed, new name", "1006782d7465737406683273706563"),
    ("a literal never indexed, new name, Huffman", "1085f2b24a84ff849c48aca4"),
):
    sends("generic/5", title, lambda p, r=bytes.fromhex(representation): [p.headers(1, after=r)], answered)
sends("generic/5", "a dynamic table size update", lambda p: [p.headers(1, before=b"\x3f\x61")], answered)
sends("generic/5", "several dynamic table size updates",
      lambda p: [p.headers(1, before=b"\x3f\x61\x3f\xe1\x1f")], answered)

# RFC 9113 -----------------------------------------------------------------------------------------------------------

case("http2/3.5", "a client connection preface", greet=False)(preface)
sends("http2/3.5", "an invalid connection preface", lambda p: [b"INVALID CONNECTION PREFACE\r\n\r\n"],
      connection_error, PROTOCOL_ERROR, greet=False)

UNKNOWN = frame(0x16, 0, 0, b"\0" * 8)
sends("http2/4.1", "a frame of unknown type", lambda p: [UNKNOWN, ping()], pong)
sends("http2/4.1", "a frame with an undefined flag", lambda p: [ping(flags=0x16)], pong)
sends("http2/4.1", "a frame with the reserved bit", lambda p: [frame(PING, 0x16, 1 << 31, b"\0" * 8)], pong)

sends("http2/4.2", "a DATA frame of 2^14 bytes",
      lambda p: [p.headers(1, post(p), END_HEADERS), data(1, b"x" * 16384)], answered)
sends("http2/4.2", "a DATA frame larger than SETTINGS_MAX_FRAME_SIZE",
      lambda p: [p.headers(1, post(p), END_HEADERS), data(1, b"x" * 16385)], stream_error, FRAME_SIZE_ERROR)
sends("http2/4.2", "a HEADERS frame larger than SETTINGS_MAX_FRAME_SIZE",
      lambda p: [p.headers(1, after=dummies(8))], connection_error, FRAME_SIZE_ERROR)

sends("http2/4.3", "an invalid header block fragment", lambda p: [frame(HEADERS, 0x5, 1, b"\x40")],
      connection_error, COMPRESSION_ERROR)
sends("http2/4.3", "PRIORITY within a header block",
      lambda p: [p.headers(1, None, 0), priority(1), continuation(1, dummies())], connection_error, PROTOCOL_ERROR)
sends("http2/4.3", "HEADERS of another stream within a header block",
      lambda p: [p.headers(1, None, 0), p.headers(3), continuation(1, dummies())], connection_error, PROTOCOL_ERROR)

sends("http2/5.1", "idle: DATA", lambda p: [data(1)], stream_error, PROTOCOL_ERROR, STREAM_CLOSED)
sends("http2/5.1", "idle: RST_STREAM", lambda p: [rst(1)], connection_error, PROTOCOL_ERROR)
sends("http2/5.1", "idle: WINDOW_UPDATE", lambda p: [window_update(1, 100)], connection_error, PROTOCOL_ERROR)
sends("http2/5.1", "idle: CONTINUATION", lambda p: [continuation(1, block(p.request()))],
      connection_error, PROTOCOL_ERROR)
sends("http2/5.1", "half closed (remote): DATA", lambda p: [p.headers(1), data(1)], stream_error, STREAM_CLOSED)
sends("http2/5.1", "half closed (remote): HEADERS", lambda p: [p.headers(1), p.headers(1)], stream_error, STREAM_CLOSED)
sends("http2/5.1", "half closed (remote): CONTINUATION",
      lambda p: [p.headers(1), continuation(1, block(p.request()))], stream_error, STREAM_CLOSED, PROTOCOL_ERROR)
sends("http2/5.1", "closed: DATA after RST_STREAM",
      lambda p: [p.headers(1, None, END_HEADERS), rst(1), data(1)], stream_error, STREAM_CLOSED)
sends("http2/5.1", "closed: HEADERS after RST_STREAM",
      lambda p: [p.headers(1, None, END_HEADERS), rst(1), p.headers(1)], stream_error, STREAM_CLOSED)
sends("http2/5.1", "closed: CONTINUATION after RST_STREAM",
      lambda p: [p.headers(1, None, END_HEADERS), rst(1), continuation(1, dummies())],
      stream_error, STREAM_CLOSED, PROTOCOL_ERROR)
for what, verdict, codes, late in (
    ("DATA", stream_error, (STREAM_CLOSED,), lambda p: data(1)),
    ("HEADERS", connection_error, (STREAM_CLOSED,), lambda p: p.headers(1)),
    ("CONTINUATION", connection_error, (STREAM_CLOSED, PROTOCOL_ERROR), lambda p: continuation(1, dummies())),
):
    @case("http2/5.1", f"closed: {what}")
    def _(peer, late=late, verdict=verdict, codes=codes):
        peer.send(peer.headers(1))
        stream_end(peer)
        peer.send(late(peer))
        return verdict(peer, *codes)

sends("http2/5.1.1", "an even stream id", lambda p: [p.headers(2)], connection_error, PROTOCOL_ERROR)
sends("http2/5.1.1", "a stream id below an earlier one", lambda p: [p.headers(5), p.headers(3)],
      connection_error, PROTOCOL_ERROR)


@case("http2/5.1.2", "more streams than advertised")
def _(peer):
    streams = peer.settings[MAX_CONCURRENT_STREAMS]
    peer.send(NO_WINDOW, *(peer.headers(1 + 2 * index) for index in range(streams + 1)))
    return stream_error(peer, PROTOCOL_ERROR, REFUSED_STREAM)


sends("http2/5.3.1", "HEADERS that depends on itself",
      lambda p: [p.headers(1, None, END_STREAM | END_HEADERS | WITH_PRIORITY, before=priority_payload(1))],
      stream_error, PROTOCOL_ERROR)
sends("http2/5.3.1", "PRIORITY that depends on itself", lambda p: [priority(1, 1)], stream_error, PROTOCOL_ERROR)
BAD_PING = frame(PING, 0, 3, b"\0" * 8)


@case("http2/5.4.1", "after an invalid PING frame the connection is closed")
def _(peer):
    peer.send(BAD_PING)
    try:
        peer.wait(lambda f: False)
    except Closed:
        return True


@case("http2/5.4.1", "after an invalid PING frame comes GOAWAY (strict)")
def _(peer):
    peer.send(BAD_PING)
    return peer.wait(lambda f: f.type == GOAWAY).error_code == PROTOCOL_ERROR


sends("http2/5.5", "an unknown extension frame", lambda p: [UNKNOWN, ping()], pong)
sends("http2/5.5", "an unknown extension frame within a header block",
      lambda p: [p.headers(1, None, END_STREAM), UNKNOWN], connection_error, PROTOCOL_ERROR)

sends("http2/6.1", "DATA on stream 0", lambda p: [data(0)], connection_error, PROTOCOL_ERROR)
sends("http2/6.1", "DATA on a stream that is not open", lambda p: [p.headers(1, post(p)), data(1)],
      stream_error, STREAM_CLOSED)
sends("http2/6.1", "DATA with an invalid pad length", lambda p: [
    p.headers(1, [*post(p), ("content-length", "4")], END_HEADERS),
    frame(DATA, END_STREAM | PADDED, 1, b"\x06test")], connection_error, PROTOCOL_ERROR)

sends("http2/6.2", "HEADERS without END_HEADERS, then PRIORITY",
      lambda p: [p.headers(1, None, 0), priority(1), continuation(1, dummies())], connection_error, PROTOCOL_ERROR)
sends("http2/6.2", "HEADERS without END_HEADERS, then HEADERS of another stream",
      lambda p: [p.headers(1, None, 0), p.headers(3), continuation(1, dummies())], connection_error, PROTOCOL_ERROR)
sends("http2/6.2", "HEADERS on stream 0", lambda p: [p.headers(0)], connection_error, PROTOCOL_ERROR)
sends("http2/6.2", "HEADERS with an invalid pad length", lambda p: [
    p.headers(1, None, END_STREAM | END_HEADERS | PADDED, before=bytes([len(block(p.request())) + 2]))],
    stream_error, PROTOCOL_ERROR)

sends("http2/6.3", "PRIORITY on stream 0", lambda p: [priority(0)], connection_error, PROTOCOL_ERROR)
sends("http2/6.3", "PRIORITY of another length than 5",
      lambda p: [p.headers(1), frame(PRIORITY, 0, 1, b"\x80\0\0\x01")], stream_error, FRAME_SIZE_ERROR)
sends("http2/6.4", "RST_STREAM on stream 0", lambda p: [rst(0)], connection_error, PROTOCOL_ERROR)
sends("http2/6.4", "RST_STREAM on an idle stream", lambda p: [rst(1)], connection_error, PROTOCOL_ERROR)
sends("http2/6.4", "RST_STREAM of another length than 4",
      lambda p: [p.headers(1), frame(RST_STREAM, 0, 1, b"\0" * 3)], stream_error, FRAME_SIZE_ERROR)

sends("http2/6.5", "SETTINGS with ACK and a payload", lambda p: [frame(SETTINGS, ACK, 0, b"\0")],
      connection_error, FRAME_SIZE_ERROR)
sends("http2/6.5", "SETTINGS on a stream", lambda p: [frame(SETTINGS, 0, 1, b"\0\x03\0\0\0\x64")],
      connection_error, PROTOCOL_ERROR)
sends("http2/6.5", "SETTINGS of a length that is no multiple of 6", lambda p: [frame(SETTINGS, 0, 0, b"\0\x03\0")],
      stream_error, PROTOCOL_ERROR, FRAME_SIZE_ERROR)
for key, value, what, code in (
    (ENABLE_PUSH, 2, "SETTINGS_ENABLE_PUSH other than 0 or 1", PROTOCOL_ERROR),
    (INITIAL_WINDOW_SIZE, 1 << 31, "SETTINGS_INITIAL_WINDOW_SIZE above the maximum", FLOW_CONTROL_ERROR),
    (MAX_FRAME_SIZE, 16383, "SETTINGS_MAX_FRAME_SIZE below the minimum", PROTOCOL_ERROR),
    (MAX_FRAME_SIZE, 1 << 24, "SETTINGS_MAX_FRAME_SIZE above the maximum", PROTOCOL_ERROR),
):
    sends("http2/6.5.2", what, lambda p, pair=(key, value): [settings(pair)], connection_error, code)
sends("http2/6.5.2", "a setting of unknown id", lambda p: [settings((0xFF, 1)), ping()], pong)


def small_window(peer, *pairs):
    peer.send(settings(*pairs))
    if not settings_ack(peer):
        return False
    peer.send(peer.headers(1))
    return data_of(peer, 1)


case("http2/6.5.3", "several values of SETTINGS_INITIAL_WINDOW_SIZE, of which the last counts")(
    lambda peer: small_window(peer, (INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)))
sends("http2/6.5.3", "SETTINGS without ACK", lambda p: [settings((ENABLE_PUSH, 0))], settings_ack)

sends("http2/6.7", "PING", lambda p: [ping(b"h2spec\0\0")], pong, b"h2spec\0\0")
sends("http2/6.7", "PING with ACK", lambda p: [ping(b"invalid\0", ACK), ping(b"h2spec\0\0")], pong, b"h2spec\0\0")
sends("http2/6.7", "PING on a stream", lambda p: [frame(PING, 0, 1, b"\0" * 8)], connection_error, PROTOCOL_ERROR)
sends("http2/6.7", "PING of another length than 8", lambda p: [frame(PING, 0, 0, b"\0" * 6)],
      connection_error, FRAME_SIZE_ERROR)
sends("http2/6.8", "GOAWAY on a stream", lambda p: [frame(GOAWAY, 0, 1, b"\0" * 8)], connection_error, PROTOCOL_ERROR)
sends("http2/6.9", "WINDOW_UPDATE of 0", lambda p: [window_update(0, 0)], connection_error, PROTOCOL_ERROR)
sends("http2/6.9", "WINDOW_UPDATE of 0 on a stream",
      lambda p: [p.headers(1, None, END_HEADERS), window_update(1, 0)], stream_error, PROTOCOL_ERROR)
sends("http2/6.9", "WINDOW_UPDATE of another length than 4", lambda p: [frame(WINDOW_UPDATE, 0, 0, b"\0\0\x01")],
      connection_error, FRAME_SIZE_ERROR)
case("http2/6.9.1", "a response larger than a window of 1")(lambda p: small_window(p, (INITIAL_WINDOW_SIZE, 1)))


@case("http2/6.9.1", "a connection's window above 2^31-1")
def _(peer):
    peer.send(window_update(0, (1 << 31) - 1), window_update(0, (1 << 31) - 1))
    return peer.wait(lambda f: f.type == GOAWAY).error_code == FLOW_CONTROL_ERROR


@case("http2/6.9.1", "a stream's window above 2^31-1")
def _(peer):
    peer.send(peer.headers(1, None, END_HEADERS), *[window_update(1, (1 << 31) - 1)] * 2)
    got = peer.wait(lambda f: f.type == RST_STREAM)
    return (got.stream_id, got.error_code) == (1, FLOW_CONTROL_ERROR)


@case("http2/6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE changed after HEADERS")
def _(peer):
    peer.send(NO_WINDOW)
    settings_ack(peer)
    peer.send(peer.headers(1), settings((INITIAL_WINDOW_SIZE, 1)))
    return data_of(peer, 1)


@case("http2/6.9.2", "a window made negative")
def _(peer):
    peer.send(settings((INITIAL_WINDOW_SIZE, 3)))
    settings_ack(peer)
    peer.send(peer.headers(1))
    if not data_of(peer, 3):
        return False
    peer.send(settings((INITIAL_WINDOW_SIZE, 2)))
    settings_ack(peer)
    peer.send(window_update(1, 2))
    return data_of(peer, 1)


sends("http2/6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE above the maximum",
      lambda p: [settings((INITIAL_WINDOW_SIZE, 1 << 31))], connection_error, FLOW_CONTROL_ERROR)

sends("http2/6.10", "several CONTINUATION frames after HEADERS", lambda p: [
    p.headers(1, None, END_STREAM), continuation(1, dummies(), 0), continuation(1, dummies())], answered)
sends("http2/6.10", "CONTINUATION followed by another frame", lambda p: [
    p.headers(1, post(p), 0), continuation(1, dummies(), 0), data(1)], connection_error, PROTOCOL_ERROR)
sends("http2/6.10", "CONTINUATION on stream 0", lambda p: [
    p.headers(1, None, END_STREAM), continuation(0, dummies())], connection_error, PROTOCOL_ERROR)
sends("http2/6.10", "CONTINUATION after HEADERS with END_HEADERS", lambda p: [
    p.headers(1), continuation(1, dummies())], connection_error, PROTOCOL_ERROR)
sends("http2/6.10", "CONTINUATION after CONTINUATION with END_HEADERS", lambda p: [
    p.headers(1, None, END_STREAM), continuation(1, dummies()), continuation(1, dummies())],
    connection_error, PROTOCOL_ERROR)
sends("http2/6.10", "CONTINUATION after DATA", lambda p: [
    p.headers(1, post(p), 0), data(1), continuation(1, dummies(), 0), continuation(0, dummies())],
    connection_error, PROTOCOL_ERROR)

sends("http2/7", "GOAWAY with an unknown code", lambda p: [frame(GOAWAY, 0, 0, b"\0" * 7 + b"\xff"), ping()],
      pong_or_end)
sends("http2/7", "RST_STREAM with an unknown code",
      lambda p: [p.headers(1, post(p), END_HEADERS), rst(1, 0xFF), ping()], pong_or_end)

sends("http2/8.1", "a second HEADERS frame without END_STREAM", lambda p: [
    p.headers(1, post(p), END_HEADERS), data(1, flags=0), p.headers(1, [("x-test", "ok")], END_HEADERS)],
    stream_error, PROTOCOL_ERROR)


def malformed(section, title, fields):
    sends(section, title, lambda p: [p.headers(1, fields(p))], stream_error, PROTOCOL_ERROR)


sends("http2/8.1.2", "a field name in capitals",
      lambda p: [p.headers(1, after=raw_field(b"X-TEST", b"ok"))], stream_error, PROTOCOL_ERROR)
malformed("http2/8.1.2.1", "an unknown pseudo-header field", lambda p: [*p.request(), (":test", "ok")])
malformed("http2/8.1.2.1", "a pseudo-header field of responses", lambda p: [*p.request(), (":status", "200")])
sends("http2/8.1.2.1", "a pseudo-header field in trailers", lambda p: [
    p.headers(1, post(p), END_HEADERS), data(1, flags=0), p.headers(1, [(":method", "POST")])],
    stream_error, PROTOCOL_ERROR)
malformed("http2/8.1.2.1", "a pseudo-header field after a regular one", lambda p: [("x-test", "ok"), *p.request()])
malformed("http2/8.1.2.2", "a connection-specific field", lambda p: [*p.request(), ("connection", "keep-alive")])
malformed("http2/8.1.2.2", "a TE field other than \"trailers\"", lambda p: [*p.request(), ("te", "trailers, deflate")])
malformed("http2/8.1.2.3", "an empty :path", lambda p: p.request(path=""))
for index, name in enumerate((":method", ":scheme", ":path")):
    malformed("http2/8.1.2.3", f"no {name}", lambda p, i=index: p.request()[:i] + p.request()[i + 1:])
for index, name in enumerate((":method", ":scheme", ":path")):
    malformed("http2/8.1.2.3", f"{name} twice", lambda p, i=index: [*p.request(), p.request()[i]])
sends("http2/8.1.2.6", "a content-length other than that of DATA", lambda p: [
    p.headers(1, [*post(p), ("content-length", "1")], END_HEADERS), data(1)], stream_error, PROTOCOL_ERROR)
sends("http2/8.1.2.6", "a content-length other than that of several DATA", lambda p: [
    p.headers(1, [*post(p), ("content-length", "1")], END_HEADERS), data(1, flags=0), data(1)],
    stream_error, PROTOCOL_ERROR)
sends("http2/8.2", "PUSH_PROMISE", lambda p: [frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x03" + block(p.request()))],
      connection_error, PROTOCOL_ERROR)

# RFC 7541 -----------------------------------------------------------------------------------------------------------

for section, title, before, after in (
    ("hpack/2.3.3", "an indexed field with an invalid index", "", "c6"),
    ("hpack/2.3.3", "a literal field with an invalid index", "", "7f0700"),
    ("hpack/4.2", "a dynamic table size update at the end of a block", "", "21"),
    ("hpack/5.2", "a Huffman string padded by more than 7 bits", "", "0085f2b24a84ff8449509fff"),
    ("hpack/5.2", "a Huffman string padded by zeros", "", "0085f2b24a84ff83495090"),
    ("hpack/5.2", "a Huffman string with the EOS symbol", "", "0085f2b24a84ff874951fffffffa7f"),
    ("hpack/6.1", "an indexed field with the index 0", "", "80"),
    ("hpack/6.3", "a dynamic table size update above SETTINGS_HEADER_TABLE_SIZE", "3fe21f", ""),
):
    sends(section, title, lambda p, b=bytes.fromhex(before), a=bytes.fromhex(after): [p.headers(1, before=b, after=a)],
          connection_error, COMPRESSION_ERROR)


def run(address, section, number, title, greet, function):
    name = f"{section}/{number}"
    peer = None
    try:
        peer = Peer(address, greet)
        outcome = "holds" if function(peer) else "fails: another frame than expected"
    except Closed:
        outcome = "fails: the connection was closed"
    except socket.timeout:
        outcome = "fails: nothing came"
    finally:
        if peer:
            peer.close()
    return name, title, outcome


def main(binary, pattern=""):
    server = subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        chosen = [row for row in CASES if re.search(pattern, f"{row[0]}/{row[1]}")]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            rows = list(pool.map(lambda row: run(address, *row), chosen))
    finally:
        server.stdin.close()
        status = server.wait(timeout=60)
    print("| case | what is sent | outcome |\n|--|--|--|")
    for name, title, outcome in rows:
        excuse = EXCEPTIONS.get(name)
        print(f"| {name} | {title} | {outcome}{f' ({excuse})' if excuse else ''} |")
    held = sum(outcome == "holds" for *_, outcome in rows)
    print(f"\n{held} of {len(rows)} cases hold")
    wrong = [name for name, _, outcome in rows if (outcome == "holds") == (name in EXCEPTIONS)]
    return 1 if wrong or status != 0 else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:3]))
