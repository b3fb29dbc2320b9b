import EventLoop
import Glibc
import HTTP2

/// An HTTP/2 client that sends exactly what it is told, for what a well-behaved channel never does. Blocks its thread,
/// with a bound on every wait.
final class RawClient: HTTP2SessionDelegate {
  struct Answer {
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Header blocks, trailers included.
    var blocks = 0
    var hasEnded = false
    var resetCode: HTTP2ErrorCode?

    func value(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String { String(decoding: body, as: UTF8.self) }
  }

  struct Lost: Error {}

  let session: HTTP2Session
  /// Whether the windows are opened again as answers come.
  var consumes = true
  private(set) var lastGoaway: Int32?
  /// The code and the text of the last GOAWAY.
  private(set) var goawayCode: HTTP2ErrorCode?
  private(set) var goawayText = ""
  /// What was read last, as it came: the library ignores a second GOAWAY while there are no streams.
  private(set) var lastRead: [UInt8] = []
  /// PINGs of the server, which the session answers.
  private(set) var pings = 0
  /// Answers to PINGs of this client.
  private(set) var pingAnswers = 0
  private let fd: Int32
  private var answers: [ObjectIdentifier: Answer] = [:]

  init(_ address: SocketAddress) throws {
    fd = try Socket.connect(address)
    session = try HTTP2Session(HTTP2Configuration(role: .client))
    session.delegate = self
    try wait(POLLOUT)
  }

  deinit { close(fd) }

  /// Sends a request and waits for its end or reset.
  func exchange(_ headers: [(String, String)], body: [UInt8] = [], endStream: Bool = true) throws -> Answer {
    let stream = try open(headers, body: body, endStream: endStream)
    let id = ObjectIdentifier(stream)
    while answers[id]?.hasEnded != true, answers[id]?.resetCode == nil { try turn() }
    return answers[id] ?? Answer()
  }

  func open(_ headers: [(String, String)], body: [UInt8], endStream: Bool) throws -> HTTP2Stream {
    var block = HTTP2Headers()
    for (name, value) in headers { block.append(name: name, value: value) }
    let stream = try session.request(block, endStream: body.isEmpty && endStream)
    answers[ObjectIdentifier(stream)] = Answer()
    kept.append(stream)
    if !body.isEmpty { try body.withUnsafeBytes { try session.append($0, to: stream) } }
    if !body.isEmpty, endStream { try session.finish(stream) }
    return stream
  }

  /// Bytes of the answer's body so far.
  func bodyBytes(_ stream: HTTP2Stream) -> Int { answers[ObjectIdentifier(stream)]?.body.count ?? 0 }

  /// What has come for a stream so far.
  func answer(_ stream: HTTP2Stream) -> Answer { answers[ObjectIdentifier(stream)] ?? Answer() }

  /// Sends bytes as they are.
  func send(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { Socket.send(fd, $0) } }

  /// Waits until the server has closed the connection.
  func waitForEnd() throws {
    while true {
      do { try turn() } catch is Lost { return }
    }
  }

  /// Reads whatever comes until the server has closed the connection, without looking at it.
  func waitForClose() throws {
    var room = [UInt8](repeating: 0, count: 4096)
    while true {
      try wait(POLLIN)
      switch room.withUnsafeMutableBytes({ Socket.receive(fd, $0) }) {
      case .bytes(0), .failed: return
      case .bytes, .wouldBlock: continue
      }
    }
  }

  /// Writes what is to be written and reads once.
  func turn() throws {
    var output: [UInt8] = []
    try session.takeOutput(into: &output)
    var sent = 0
    while sent < output.count {
      switch output[sent...].withUnsafeBytes({ Socket.send(fd, $0) }) {
      case .bytes(let count): sent += count
      case .wouldBlock: try wait(POLLOUT)
      case .failed: throw Lost()
      }
    }
    try wait(POLLIN)
    var room = [UInt8](repeating: 0, count: 64 << 10)
    guard case .bytes(let count) = room.withUnsafeMutableBytes({ Socket.receive(fd, $0) }), count > 0 else {
      throw Lost()
    }
    lastRead = Array(room[..<count])
    try room[..<count].withUnsafeBytes { try session.receive($0, now: MonotonicTime.current.nanoseconds) }
  }

  private var kept: [HTTP2Stream] = []

  private func wait(_ event: Int32) throws {
    var entry = pollfd(fd: fd, events: Int16(event), revents: 0)
    guard poll(&entry, 1, 120_000) == 1 else { throw Lost() }
  }

  func pingAck(_ payload: UInt64) { pingAnswers += 1 }

  func pingReceived(_ payload: UInt64) { pings += 1 }

  func headersBegan(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind) {
    answers[ObjectIdentifier(stream)]?.blocks += 1
  }

  func header(_ stream: HTTP2Stream, name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let field = (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
    answers[ObjectIdentifier(stream)]?.headers.append(field)
  }

  func headersEnded(_ stream: HTTP2Stream, _ kind: HTTP2HeadersKind, endStream: Bool) {}

  func data(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    answers[ObjectIdentifier(stream)]?.body += bytes
    if consumes { try? session.consume(stream, bytes.count) }
  }

  func streamEnded(_ stream: HTTP2Stream) { answers[ObjectIdentifier(stream)]?.hasEnded = true }

  func streamClosed(_ stream: HTTP2Stream, errorCode: HTTP2ErrorCode) {
    answers[ObjectIdentifier(stream)]?.resetCode = errorCode
  }

  func goaway(lastStreamID: Int32, errorCode: HTTP2ErrorCode, debugData: UnsafeRawBufferPointer) {
    lastGoaway = lastStreamID
    goawayCode = errorCode
    goawayText = String(decoding: debugData, as: UTF8.self)
  }
}

/// The fields of a request.
func request(
  _ method: String, _ path: String, _ contentType: String? = nil, _ more: [(String, String)] = []
) -> [(String, String)] {
  [(":method", method), (":scheme", "http"), (":path", path), (":authority", "desk.example")]
    + (contentType.map { [("content-type", $0)] } ?? []) + more
}
