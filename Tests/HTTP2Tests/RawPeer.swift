import HTTP2

/// A server session with a peer that speaks raw frames, and what became of them.
final class RawPeer {
  let server: HTTP2Session
  let recorder: Recorder
  /// Frames the server has sent, as `(type, stream, payload)`.
  private(set) var answers: [(type: UInt8, flags: UInt8, stream: UInt32, payload: [UInt8])] = []
  private(set) var failure: HTTP2Error?
  private var bytesSent: [UInt8] = []

  init(_ configuration: HTTP2Configuration = HTTP2Configuration(role: .server)) throws {
    server = try HTTP2Session(configuration)
    recorder = Recorder(server)
    recorder.onStreamEnded = { [server] stream in
      try? server.respond(stream, okTrailersOnly(), endStream: true)
    }
  }

  /// Sends the preface and empty SETTINGS, and acknowledges the server's.
  func greet() {
    send(Frame.preface + Frame.settings() + Frame.raw(4, flags: 1))
  }

  /// Sends bytes at the given time; with `reads` the server's answers are taken at once.
  func send(_ bytes: [UInt8], now: UInt64 = 1, reads: Bool = true) {
    guard failure == nil else { return }
    do {
      try server.receive(bytes, now: now)
    } catch let error as HTTP2Error { failure = error } catch {}
    if reads { read() }
  }

  func read() {
    do {
      try server.takeOutput(into: &bytesSent)
    } catch { failure = error }
    parse()
  }

  /// What the peer sees in the end: the code of a GOAWAY, of the last RST_STREAM, the status of an answer, or silence.
  var verdict: String {
    if let goaway = answers.last(where: { $0.type == 7 }) {
      let code = HTTP2ErrorCode(rawValue: Self.number(goaway.payload[4..<8]))
      return server.isFinished || failure != nil ? "closed \(code)" : "goaway \(code)"
    }
    if failure != nil { return "closed" }
    if let reset = answers.last(where: { $0.type == 3 }) {
      return "reset \(HTTP2ErrorCode(rawValue: Self.number(reset.payload[0..<4])))"
    }
    return answers.contains { $0.type == 1 } ? "answered" : "silent"
  }

  private func parse() {
    while bytesSent.count >= 9 {
      let count = Int(Self.number(bytesSent[0..<3]))
      guard bytesSent.count >= 9 + count else { return }
      let stream = Self.number(bytesSent[5..<9])
      answers.append((bytesSent[3], bytesSent[4], stream, Array(bytesSent[9..<9 + count])))
      bytesSent.removeFirst(9 + count)
    }
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
}
