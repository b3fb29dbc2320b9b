import HTTP2

/// Writes down what a session reports, and plays a simple server if asked to.
final class Recorder: HTTP2SessionDelegate {
  var events: [String] = []
  var bodies: [Int32: [UInt8]] = [:]
  var open: [Int32: HTTP2Stream] = [:]
  var framesSent: [UInt8] = []
  var consumesAtOnce = true
  var onHeadersEnded: (HTTP2Stream, HTTP2HeadersKind) -> Void = { _, _ in }
  var onStreamEnded: (HTTP2Stream) -> Void = { _ in }
  var onClosed: (HTTP2Stream) -> Void = { _ in }
  var onDrained: (HTTP2Stream) -> Void = { _ in }
  /// Called first in every method, with its name.
  var onAny: (String) -> Void = { _ in }
  unowned let session: HTTP2Session

  init(_ session: HTTP2Session) {
    self.session = session
    session.delegate = self
  }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) {
    onAny("headersBegan")
    open[stream.id] = stream
    events.append("\(stream.id) \(kind)")
  }

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    onAny("header")
    events.append("\(stream.id) \(String(decoding: name, as: UTF8.self)): \(String(decoding: value, as: UTF8.self))")
  }

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) {
    onAny("headersEnded")
    events.append("\(stream.id) \(kind) complete\(endStream ? ", ends" : "")")
    onHeadersEnded(stream, kind)
  }

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    onAny("data")
    bodies[stream.id, default: []] += bytes
    if consumesAtOnce { try? session.consume(stream, bytes.count) }
  }

  func streamEnded(_ stream: HTTP2Stream) {
    onAny("streamEnded")
    events.append("\(stream.id) body \(bodies[stream.id]?.count ?? 0)")
    onStreamEnded(stream)
  }

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {
    onAny("streamClosed")
    open[stream.id] = nil
    events.append("\(stream.id) closed \(errorCode)")
    onClosed(stream)
  }

  func outboundDrained(_ stream: HTTP2Stream) {
    onAny("outboundDrained")
    onDrained(stream)
  }

  func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
    events.append("goaway \(lastStreamID) \(errorCode) \(String(decoding: debugData, as: UTF8.self))")
  }

  func pingReceived(_ payload: UInt64) {
    onAny("pingReceived")
    events.append("ping \(payload)")
  }

  func pingAck(_ payload: UInt64) { events.append("pong \(payload)") }

  func frameSent(_ type: HTTP2FrameType, streamID: Int32) {
    onAny("frameSent \(type.rawValue)")
    framesSent.append(type.rawValue)
  }
}

/// A client and a server, each fed with what the other one sends.
final class Wire {
  let client: HTTP2Session
  let server: HTTP2Session
  let atClient: Recorder
  let atServer: Recorder
  var now: UInt64 = 1
  var bytesSent: [UInt8] = []

  init(
    client: HTTP2Configuration = HTTP2Configuration(role: .client),
    server: HTTP2Configuration = HTTP2Configuration(role: .server)
  ) throws {
    self.client = try HTTP2Session(client)
    self.server = try HTTP2Session(server)
    atClient = Recorder(self.client)
    atServer = Recorder(self.server)
  }

  /// Moves bytes both ways until both sides are silent.
  func run() throws {
    while true {
      let forth = try move(client, server)
      let back = try move(server, client)
      if forth == 0 && back == 0 { return }
    }
  }

  func move(_ from: HTTP2Session, _ to: HTTP2Session) throws -> Int {
    var bytes: [UInt8] = []
    try from.takeOutput(into: &bytes)
    if bytes.isEmpty { return 0 }
    bytesSent += bytes
    try bytes.withUnsafeBytes { try to.receive($0, now: now) }
    return bytes.count
  }
}

extension HTTP2Session {
  func receive(_ bytes: [UInt8], now: UInt64 = 1) throws {
    try bytes.withUnsafeBytes { try receive($0, now: now) }
  }

  func append(_ bytes: [UInt8], to stream: HTTP2Stream) throws {
    try bytes.withUnsafeBytes { try append($0, to: stream) }
  }

  func output() throws -> [UInt8] {
    var bytes: [UInt8] = []
    try takeOutput(into: &bytes)
    return bytes
  }
}

func requestHeaders(_ path: String = "/handoff.Echo/Say") -> HTTP2Headers {
  var headers = HTTP2Headers()
  headers.append(":method", "POST")
  headers.append(":scheme", "http")
  headers.append(":path", path)
  headers.append(":authority", "localhost")
  headers.append("te", "trailers")
  headers.append("content-type", "application/grpc")
  return headers
}

func responseHeaders() -> HTTP2Headers {
  var headers = HTTP2Headers()
  headers.append(":status", "200")
  headers.append("content-type", "application/grpc")
  return headers
}

func okTrailers() -> HTTP2Headers {
  var headers = HTTP2Headers()
  headers.append("grpc-status", "0")
  return headers
}
