import HTTP2
import Testing

/// What a peer does wrong or right, section by section of RFC 9113, and how the server must answer.
struct Conformance: CustomTestStringConvertible, Sendable {
  let section: String
  let name: String
  let bytes: [UInt8]
  /// One of these; where the RFC leaves a choice, there are several.
  let verdicts: [String]

  init(_ section: String, _ name: String, _ bytes: [UInt8], _ verdicts: String...) {
    self.section = section
    self.name = name
    self.bytes = bytes
    self.verdicts = verdicts
  }

  var testDescription: String { "\(section): \(name)" }

  static let protocolError = "closed PROTOCOL_ERROR"
  static let sizeError = "closed FRAME_SIZE_ERROR"
  static let request = Frame.headers(1, Frame.request, endStream: true)
  static let halfRequest = Frame.headers(1, Frame.request, endStream: false)

  static func literal(_ name: String, _ value: String) -> [UInt8] {
    [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
  }

  static func request(with fields: [UInt8], body: [UInt8]? = nil) -> [UInt8] {
    let headers = Frame.headers(1, Frame.request + fields, endStream: body == nil)
    return headers + (body.map { Frame.data(1, $0, endStream: true) } ?? [])
  }

  static let frames: [Conformance] = [
    Conformance("4.1", "an unknown frame type is ignored", Frame.raw(0x16, [1, 2, 3]) + request, "answered"),
    Conformance("4.1", "undefined flags are ignored", Frame.raw(6, flags: 0x16, Frame.be(0) + Frame.be(0)), "silent"),
    Conformance(
      "4.1", "the reserved bit is ignored",
      Frame.raw(6, stream: 0x8000_0000, Frame.be(0) + Frame.be(0)) + request, "answered"),
    Conformance(
      "4.2", "DATA of the largest size",
      halfRequest + Frame.data(1, [UInt8](repeating: 0, count: 16384), endStream: true), "answered"),
    Conformance(
      "4.2", "DATA above the largest size",
      halfRequest + Frame.data(1, [UInt8](repeating: 0, count: 16385)), sizeError),
    Conformance(
      "4.2", "HEADERS above the largest size",
      Frame.headers(1, [UInt8](repeating: 0x84, count: 16385), endStream: true), sizeError),
    Conformance(
      "4.3", "an invalid header block", Frame.headers(1, [0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], endStream: true),
      "closed COMPRESSION_ERROR"),
    Conformance(
      "4.3", "PRIORITY inside a header block",
      Frame.headers(1, Frame.request, endStream: true, endHeaders: false) + Frame.priority(1), protocolError),
    Conformance(
      "4.3", "HEADERS of another stream inside a header block",
      Frame.headers(1, Frame.request, endStream: true, endHeaders: false)
        + Frame.headers(3, Frame.request, endStream: true), protocolError),
    Conformance(
      "5.5", "an unknown frame inside a header block",
      Frame.headers(1, Frame.request, endStream: true, endHeaders: false) + Frame.raw(0x16), protocolError),
    Conformance("6.1", "DATA on stream 0", Frame.data(0, [1]), protocolError),
    Conformance(
      "6.1", "padding longer than DATA", halfRequest + Frame.raw(0, flags: 8, stream: 1, [9, 1]), protocolError),
    Conformance("6.2", "HEADERS on stream 0", Frame.headers(0, Frame.request, endStream: true), protocolError),
    Conformance(
      "6.2", "padding longer than HEADERS", Frame.raw(1, flags: 0xd, stream: 1, [200] + Frame.request),
      protocolError),
    Conformance("6.3", "PRIORITY on stream 0", Frame.priority(0), protocolError),
    Conformance("6.3", "PRIORITY of a wrong length", Frame.raw(2, stream: 1, [0, 0, 0, 0]), sizeError),
    Conformance("6.4", "RST_STREAM on stream 0", Frame.reset(0), protocolError),
    Conformance("6.4", "RST_STREAM of a wrong length", halfRequest + Frame.raw(3, stream: 1, [0, 0, 0]), sizeError),
    Conformance(
      "6.5", "a SETTINGS acknowledgment with content", Frame.raw(4, flags: 1, [0, 1, 0, 0, 0, 0]), sizeError),
    Conformance("6.5", "SETTINGS on a stream", Frame.raw(4, stream: 1), protocolError),
    Conformance("6.5", "SETTINGS of a wrong length", Frame.raw(4, [0, 3, 0]), sizeError),
    Conformance("6.5.2", "ENABLE_PUSH neither 0 nor 1", Frame.settings([(2, 2)]), protocolError),
    Conformance("6.5.2", "a window above 2^31-1", Frame.settings([(4, 0x8000_0000)]), "closed FLOW_CONTROL_ERROR"),
    Conformance("6.5.2", "a frame size below the smallest", Frame.settings([(5, 16383)]), protocolError),
    Conformance("6.5.2", "a frame size above the largest", Frame.settings([(5, 1 << 24)]), protocolError),
    Conformance("6.5.2", "an unknown setting", Frame.settings([(0xff, 1)]) + request, "answered"),
    Conformance("6.6", "PUSH_PROMISE from a client", Frame.raw(5, flags: 4, stream: 1, Frame.be(2)), protocolError),
    Conformance("6.7", "PING on a stream", Frame.raw(6, stream: 1, Frame.be(0) + Frame.be(0)), protocolError),
    Conformance("6.7", "PING of a wrong length", Frame.raw(6, Frame.be(0)), sizeError),
    Conformance("6.8", "GOAWAY on a stream", Frame.raw(7, stream: 1, Frame.be(0) + Frame.be(0)), protocolError),
    Conformance("6.9", "WINDOW_UPDATE by 0", Frame.windowUpdate(0, 0), protocolError),
    Conformance(
      "6.9", "WINDOW_UPDATE by 0 on a stream", halfRequest + Frame.windowUpdate(1, 0), protocolError,
      "reset PROTOCOL_ERROR"),
    Conformance("6.9", "WINDOW_UPDATE of a wrong length", Frame.raw(8, [0, 0, 1]), sizeError),
    Conformance(
      "6.9.1", "the connection's window above 2^31-1",
      Frame.windowUpdate(0, 0x7fff_ffff) + Frame.windowUpdate(0, 0x7fff_ffff), "closed FLOW_CONTROL_ERROR"),
    Conformance(
      "6.9.1", "a stream's window above 2^31-1", halfRequest + Frame.windowUpdate(1, 0x7fff_ffff),
      "reset FLOW_CONTROL_ERROR"),
    Conformance(
      "6.10", "a header block in many frames",
      Frame.headers(1, Array(Frame.request.prefix(2)), endStream: true, endHeaders: false)
        + Frame.continuation(1, Array(Frame.request[2..<3]), endHeaders: false)
        + Frame.continuation(1, Array(Frame.request[3...]), endHeaders: true), "answered"),
    Conformance(
      "6.10", "CONTINUATION on another stream",
      Frame.headers(1, Frame.request, endStream: true, endHeaders: false)
        + Frame.continuation(3, Frame.request, endHeaders: true), protocolError),
    Conformance(
      "6.10", "CONTINUATION behind a complete block", halfRequest + Frame.continuation(1, [0x84], endHeaders: true),
      protocolError),
  ]

  static let streams: [Conformance] = [
    Conformance("3.4", "no SETTINGS behind the preface", [], "silent"),
    Conformance("5.1", "DATA on an idle stream", Frame.data(1, [1]), protocolError),
    Conformance("5.1", "RST_STREAM on an idle stream", Frame.reset(1), protocolError),
    Conformance("5.1", "WINDOW_UPDATE on an idle stream", Frame.windowUpdate(1, 1), protocolError),
    Conformance(
      "5.1", "CONTINUATION on an idle stream", Frame.continuation(1, Frame.request, endHeaders: true),
      protocolError),
    Conformance(
      "5.1", "DATA behind RST_STREAM", halfRequest + Frame.reset(1) + Frame.data(1, [1]),
      "closed STREAM_CLOSED", "silent"),
    Conformance(
      "5.1", "HEADERS behind RST_STREAM", halfRequest + Frame.reset(1) + request,
      "closed STREAM_CLOSED", "silent"),
    Conformance("5.1", "DATA on a half-closed stream", request + Frame.data(1, [1]), "closed STREAM_CLOSED"),
    Conformance("5.1", "HEADERS on a half-closed stream", request + request, "closed STREAM_CLOSED"),
    Conformance("5.1.1", "an even stream id", Frame.headers(2, Frame.request, endStream: true), protocolError),
    Conformance(
      "5.1.1", "a stream id below one already used",
      Frame.headers(5, Frame.request, endStream: true) + Frame.headers(3, Frame.request, endStream: true),
      protocolError),
    Conformance(
      "5.1.1", "a stream id passed over long ago",
      Frame.headers(9, Frame.request, endStream: true) + Frame.headers(11, Frame.request, endStream: true)
        + Frame.headers(7, Frame.request, endStream: true), protocolError),
    Conformance(
      "5.1.1", "stream ids with gaps",
      Frame.headers(5, Frame.request, endStream: true) + Frame.headers(99, Frame.request, endStream: true), "answered"),
    Conformance(
      "5.1.1", "the highest stream id", Frame.headers(0x7fff_ffff, Frame.request, endStream: true), "answered"),
    Conformance("7", "GOAWAY with an unknown code", request + Frame.raw(7, Frame.be(0) + Frame.be(0xff)), "answered"),
    Conformance("7", "RST_STREAM with an unknown code", halfRequest + Frame.reset(1, 0xff), "silent"),
    Conformance("8.1", "a second block without END_STREAM", halfRequest + halfRequest, "reset PROTOCOL_ERROR"),
    Conformance("8.1", "trailers", halfRequest + Frame.headers(1, literal("x-end", "1"), endStream: true), "answered"),
    Conformance(
      "8.1", "pseudo-header fields in trailers", halfRequest + Frame.headers(1, [0x84], endStream: true),
      "reset PROTOCOL_ERROR"),
    Conformance(
      "8.1.1", "more content than announced", request(with: literal("content-length", "1"), body: [1, 2]),
      "reset PROTOCOL_ERROR"),
    Conformance(
      "8.1.1", "less content than announced", request(with: literal("content-length", "3"), body: [1, 2]),
      "reset PROTOCOL_ERROR"),
    Conformance("8.2.1", "a name in upper case", request(with: literal("X-Test", "1")), "reset PROTOCOL_ERROR"),
    Conformance(
      "8.2.2", "a connection-specific field", request(with: literal("connection", "keep-alive")),
      "reset PROTOCOL_ERROR"),
    Conformance("8.2.2", "te other than trailers", request(with: literal("te", "gzip")), "reset PROTOCOL_ERROR"),
    Conformance("8.3", "an unknown pseudo-header field", request(with: literal(":test", "1")), "reset PROTOCOL_ERROR"),
    Conformance(
      "8.3", "a pseudo-header field of responses", request(with: literal(":status", "200")),
      "reset PROTOCOL_ERROR"),
    Conformance(
      "8.3", "a pseudo-header field behind a field",
      Frame.headers(1, [0x83, 0x86] + literal("x", "1") + [0x84], endStream: true), "reset PROTOCOL_ERROR"),
    Conformance(
      "8.3.1", "an empty path", Frame.headers(1, [0x83, 0x86] + literal(":path", ""), endStream: true),
      "reset PROTOCOL_ERROR"),
    Conformance("8.3.1", "no method", Frame.headers(1, [0x86, 0x84], endStream: true), "reset PROTOCOL_ERROR"),
    Conformance("8.3.1", "no scheme", Frame.headers(1, [0x83, 0x84], endStream: true), "reset PROTOCOL_ERROR"),
    Conformance("8.3.1", "no path", Frame.headers(1, [0x83, 0x86], endStream: true), "reset PROTOCOL_ERROR"),
    Conformance(
      "8.3.1", "two methods", Frame.headers(1, [0x83] + Frame.request, endStream: true),
      "reset PROTOCOL_ERROR"),
  ]

  static let compression: [Conformance] = [
    Conformance("HPACK 2.3.3", "an index beyond the tables", request(with: [0xff, 0x0a]), "closed COMPRESSION_ERROR"),
    Conformance("HPACK 6.1", "the index 0", request(with: [0x80]), "closed COMPRESSION_ERROR"),
    Conformance("HPACK 4.2", "a table size behind the first field", request(with: [0x21]), "closed COMPRESSION_ERROR"),
    Conformance(
      "HPACK 6.3", "a table size above the limit",
      Frame.headers(1, [0x3f, 0xe2, 0x1f] + Frame.request, endStream: true), "closed COMPRESSION_ERROR"),
    Conformance(
      "HPACK 5.2", "Huffman padding longer than 7 bits",
      request(with: [0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff]),
      "closed COMPRESSION_ERROR"),
    Conformance(
      "HPACK 5.2", "Huffman padding of zeros",
      request(with: [0x00, 0x83, 0x49, 0x50, 0x90, 0x01, 0x61]), "closed COMPRESSION_ERROR"),
    Conformance(
      "HPACK 5.2", "the Huffman end of string",
      request(with: [0x00, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x61]), "closed COMPRESSION_ERROR"),
  ]
}

@Suite("RFC 9113, frame by frame")
struct ConformanceTests {
  @Test(
    "the server answers as the RFC says",
    arguments: Conformance.frames + Conformance.streams + Conformance.compression)
  func conformance(row: Conformance) throws {
    let peer = try RawPeer()
    peer.greet()
    // The stream under test must not have been answered, and so closed, before its last frame.
    peer.send(row.bytes, reads: false)
    peer.read()
    #expect(row.verdicts.contains(peer.verdict), "\(peer.verdict)")
  }

  @Test("a PING is answered before anything else, with its payload")
  func pingPriority() throws {
    let peer = try RawPeer()
    peer.greet()
    peer.send(Conformance.request + Frame.ping(0xab))
    let types = peer.answers.map(\.type)
    let ping = try #require(types.lastIndex(of: 6))
    #expect(ping < types.lastIndex(of: 1) ?? 0)
    #expect(peer.answers[ping].payload == [UInt8](repeating: 0xab, count: 8))
  }

  @Test("the first frames announce the limits")
  func settings() throws {
    let peer = try RawPeer()
    peer.greet()
    let settings = try #require(peer.answers.first)
    #expect(settings.type == 4)
    let entries = stride(from: 0, to: settings.payload.count, by: 6).map { Array(settings.payload[$0..<$0 + 6]) }
    #expect(
      entries == [
        [0, 4, 0, 0x10, 0, 0], [0, 6, 0, 0, 0x40, 0], [0, 9, 0, 0, 0, 1], [0, 3, 0, 0, 0, 200],
      ])
  }

  @Test("the library is new enough and says what it is")
  func version() throws {
    try HTTP2Library.check()
    #expect(HTTP2Library.version.split(separator: ".").count == 3)
    #expect(HTTP2Library.requirement.contains(HTTP2Library.versionMin))
  }
}
