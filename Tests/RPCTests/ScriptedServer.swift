import EventLoop
import HTTP2
import Synchronization

@testable import RPC

/// A server that answers at the level of HTTP/2, as a test says, for what our own server never does.
///
/// `answer` runs on the loop for each request whose headers have come.
final class ScriptedServer: Sendable {
  let address: SocketAddress
  private let part: LoopBound<Part>

  init(
    _ group: EventLoopGroup, setup: @escaping @Sendable (inout HTTP2Configuration) -> Void = { _ in },
    answer: @escaping @Sendable (ScriptedRequest) -> Void
  ) async throws {
    let loop = group.loops[0]
    part = try await loop.perform {
      LoopBound(try Part(loop, setup: setup, answer: answer), loop)
    }
    let part = self.part
    address = try await loop.perform { part.value.listener.address }
  }

  var connectionsSeen: Int {
    get async throws {
      let part = self.part
      return try await part.loop.perform { part.value.seen }
    }
  }

  func close() async throws {
    let part = self.part
    try await part.loop.perform { part.value.close() }
  }

  fileprivate final class Part {
    var listener: Listener!
    var seen = 0
    var connections: [ScriptedConnection] = []

    init(
      _ loop: EventLoop, setup: @escaping (inout HTTP2Configuration) -> Void,
      answer: @escaping (ScriptedRequest) -> Void
    ) throws {
      listener = try Listener(try Socket.listen(.ipv4(0x7F00_0001, port: 0)), on: loop) { [unowned self] fd, _ in
        var configuration = HTTP2Configuration(role: .server)
        setup(&configuration)
        guard let connection = try? ScriptedConnection(fd, loop, configuration, answer, number: seen) else { return }
        seen += 1
        connections.append(connection)
        connection.open()
      }
    }

    func close() {
      listener.close()
      for connection in connections { connection.close() }
      connections = []
    }
  }
}

/// One request as it came.
struct ScriptedRequest {
  let stream: HTTP2Stream
  let connection: ScriptedConnection
  let headers: [(name: String, value: String)]

  func value(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// Answers with whole header blocks and a body; headers alone end the stream.
  func respond(_ head: [(String, String)], body: [UInt8]? = nil, trailers: [(String, String)]? = nil) {
    connection.act { session throws(HTTP2Error) in
      try session.respond(stream, Self.block(head), endStream: body == nil && trailers == nil)
      if let body { try session.append([UInt8](body), to: stream) }
      if let trailers { try session.finish(stream, trailers: Self.block(trailers)) }
    }
  }

  /// Answers as gRPC servers do.
  func succeed(_ message: [UInt8] = []) {
    var body: [UInt8] = [0, 0, 0, 0, UInt8(message.count)]
    body += message
    respond(ScriptedRequest.ok, body: body, trailers: [("grpc-status", "0")])
  }

  func fail(_ status: Int, _ more: [(String, String)] = []) {
    respond(ScriptedRequest.ok + [("grpc-status", "\(status)")] + more)
  }

  static let ok = [(":status", "200"), ("content-type", "application/grpc")]

  static func block(_ fields: [(String, String)]) -> HTTP2Headers {
    var block = HTTP2Headers()
    for (name, value) in fields { block.append(name: name, value: value) }
    return block
  }
}

extension HTTP2Session {
  func append(_ bytes: [UInt8], to stream: HTTP2Stream) throws(HTTP2Error) {
    var result: HTTP2Error?
    bytes.withUnsafeBytes { bytes in
      do throws(HTTP2Error) { try append(bytes, to: stream) } catch { result = error }
    }
    if let result { throw result }
  }
}

final class ScriptedConnection: Connection, HTTP2SessionDelegate {
  /// How many connections came before.
  let number: Int
  private let answer: (ScriptedRequest) -> Void
  private var fields: [(name: String, value: String)] = []

  init(
    _ fd: Int32, _ loop: EventLoop, _ configuration: HTTP2Configuration, _ answer: @escaping (ScriptedRequest) -> Void,
    number: Int
  ) throws {
    self.answer = answer
    self.number = number
    super.init(fd, on: loop, session: try HTTP2Session(configuration), outboundBytesMax: 1 << 20, tls: nil)
    session.delegate = self
  }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) { fields = [] }

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    fields.append((name.text, value.text))
  }

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) {
    if kind == .request { answer(ScriptedRequest(stream: stream, connection: self, headers: fields)) }
  }

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    act { session throws(HTTP2Error) in try session.consume(stream, bytes.count) }
  }

  /// Called for each PING.
  var pinged: (() -> Void)?
  func pingReceived(_ payload: UInt64) { pinged?() }

  /// Called when a stream has closed.
  var streamEndedWith: ((HTTP2ErrorCode) -> Void)?
  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) { streamEndedWith?(errorCode) }

  func streamEnded(_ stream: HTTP2Stream) {}
}

/// Counts what happens on several loops.
final class Tally: Sendable {
  private let counts = Mutex<[String: Int]>([:])

  @discardableResult
  func add(_ what: String) -> Int {
    counts.withLock { counts in
      counts[what, default: 0] += 1
      return counts[what, default: 0]
    }
  }

  subscript(_ what: String) -> Int { counts.withLock { $0[what] ?? 0 } }
}

/// A server that greets and then neither reads nor writes, like one whose machine has gone.
final class SilentServer: Sendable {
  let address: SocketAddress
  private let listener: LoopBound<Listener>

  init(_ group: EventLoopGroup) async throws {
    let loop = group.loops[0]
    listener = try await loop.perform {
      let listener = try Listener(try Socket.listen(.ipv4(0x7F00_0001, port: 0)), on: loop) { fd, _ in
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        // The descriptor stays open as long as the test's process: nobody closes it, that is the point.
        _ = settings.withUnsafeBytes { Socket.send(fd, $0) }
      }
      return LoopBound(listener, loop)
    }
    let listener = self.listener
    address = try await loop.perform { listener.value.address }
  }

  func close() async throws {
    let listener = self.listener
    try await listener.loop.perform { listener.value.close() }
  }
}
