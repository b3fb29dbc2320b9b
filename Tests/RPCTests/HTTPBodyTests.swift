import EventLoop
import HTTP2
import Testing

@testable import RPC

@Suite("A body that a handler of plain HTTP reads as it comes")
struct HTTPBodyTests {
  /// Sends back what it reads; under `/later` once it is told to begin.
  private struct Reader: HTTPHandler {
    let began = Signal()
    let mayRead = Signal()
    let failed = Signal()
    var timeLimit: Duration?

    func terms(method: String, path: String) -> HTTPTerms {
      var terms = HTTPTerms()
      terms.bodyComesInPieces = path != "/whole"
      terms.timeLimit = timeLimit
      return terms
    }

    func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async {
      guard let pieces = request.pieces else {
        return await writer.respond(status: 200, headers: [], body: request.body)
      }
      began.raise()
      if request.path == "/later" { await mayRead.wait() }
      if request.path == "/refused" { return await writer.respond(status: 401, headers: [], body: []) }
      do {
        if timeLimit != nil {
          for try await _ in pieces {}
        }
        await writer.begin(status: 200, headers: [])
        for try await piece in pieces { try await writer.write(piece) }
      } catch {
        failed.raise()
      }
      await writer.end()
    }

    func refusal(status: Int, _ call: CallContext) -> HTTPRefusal {
      HTTPRefusal(headers: [], body: Array("refused".utf8))
    }
  }

  private static let content = (0..<4_000_000).map { UInt8(truncatingIfNeeded: $0 / 1000) }

  @Test("is read before it is there as a whole, however long it is")
  func early() async throws {
    // No body that is taken as a whole may be as long.
    try await Fixture.run(http: Reader(), limits: .with { $0.httpBodyBytesMax = 1000 }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", "/read"), body: [1, 2, 3], endStream: false)
      while client.bodyBytes(stream) < 3 { try client.turn() }
      try Self.content.withUnsafeBytes { try client.session.append($0, to: stream) }
      try client.session.finish(stream)
      while stream.isOpen { try client.turn() }
      #expect(client.answer(stream).body == [1, 2, 3] + Self.content)
      #expect(try client.exchange(request("POST", "/read")).value(":status") == "200")
      #expect(try client.exchange(request("POST", "/whole"), body: [7]).body == [7])
    }
  }

  @Test("waits at its client while it is not read, so that no more than a window of it is held")
  func heldBack() async throws {
    let reader = Reader()
    try await Fixture.run(http: reader, limits: .with { $0.pingStrikesMax = 1000 }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", "/later"), body: Self.content, endStream: true)
      var (waiting, ping) = (Int.max, UInt64(1))
      // What has been sent has arrived when the answer to a PING behind it is there.
      while stream.outboundBytes < waiting {
        waiting = stream.outboundBytes
        try client.session.ping(ping)
        ping += 1
        let answers = client.pingAnswers
        while client.pingAnswers == answers { try client.turn() }
      }
      #expect(reader.began.isRaised)
      #expect(waiting >= Self.content.count - (512 << 10), "\(waiting)")
      reader.mayRead.raise()
      while stream.isOpen { try client.turn() }
      #expect(client.answer(stream).body == Self.content)
    }
  }

  @Test("ends with an error for its reader when the client leaves", .timeLimit(.minutes(1)))
  func clientLeaves() async throws {
    let reader = Reader()
    try await Fixture.run(http: reader) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", "/read"), body: [1], endStream: false)
      while client.bodyBytes(stream) == 0 { try client.turn() }
      try client.session.reset(stream, .cancel)
      // A reset has no answer of its own.
      try client.session.ping(1)
      while client.pingAnswers == 0 { try client.turn() }
      await reader.failed.wait()
    }
  }

  @Test("ends with an error for its reader, and 504 for the client, when the time is over", .timeLimit(.minutes(1)))
  func late() async throws {
    let reader = Reader(timeLimit: .milliseconds(50))
    try await Fixture.run(http: reader) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let answer = try client.exchange(request("POST", "/read"), body: [1], endStream: false)
      #expect(answer.value(":status") == "504" && answer.text == "refused")
      await reader.failed.wait()
    }
  }

  @Test("need not be read: an answer waits until it has been sent, up to a length, and breaks off what is longer")
  func refused() async throws {
    for (bytesMax, isBrokenOff) in [(Self.content.count, false), (100_000, true)] {
      try await Fixture.run(http: Reader(), limits: .with { $0.httpBytesAwaitedMax = bytesMax }) { fixture in
        let client = try RawClient(fixture.server.boundAddresses[0])
        let stream = try client.open(request("POST", "/refused"), body: Self.content, endStream: true)
        while stream.isOpen { try client.turn() }
        let answer = client.answer(stream)
        #expect(answer.value(":status") == "401" && answer.hasEnded && answer.resetCode == .noError)
        #expect((stream.outboundBytes > 0) == isBrokenOff, "\(stream.outboundBytes)")
        #expect(try client.exchange(request("POST", "/read"), body: [5]).body == [5])
      }
    }
  }

  @Test("that is refused and never ends is answered when the time is over", .timeLimit(.minutes(1)))
  func refusedAndLate() async throws {
    for (reader, limits) in [
      (Reader(timeLimit: .milliseconds(50)), RPCServerLimits()),
      (Reader(), .with { $0.requestTimeout = .milliseconds(40) }),
    ] {
      try await Fixture.run(http: reader, limits: limits) { fixture in
        let client = try RawClient(fixture.server.boundAddresses[0])
        let answer = try client.exchange(request("POST", "/refused"), body: [1], endStream: false)
        #expect(answer.value(":status") == "401" && answer.hasEnded)
      }
    }
  }

  @Test("is refused at once when its client asks before it sends, and broken off when no byte of it comes in time")
  func asksBefore() async throws {
    try await Fixture.run(http: Reader(), limits: .with { $0.requestTimeout = .milliseconds(300) }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let asking = request("POST", "/refused", nil, [("expect", "100-continue")])
      let refused = try client.exchange(asking, endStream: false)
      #expect(refused.value(":status") == "401" && refused.hasEnded)
      let silent = try client.exchange(request("POST", "/read"), body: [1], endStream: false)
      #expect(silent.body == [1] && !silent.hasEnded && silent.resetCode == .cancel)
    }
  }

  @Test("has its time from when its reader goes on, not from when it was held back")
  func readLate() async throws {
    let reader = Reader()
    try await Fixture.run(http: reader, limits: .with { $0.requestTimeout = .milliseconds(500) }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", "/later"), body: [1], endStream: false)
      try client.session.ping(1)
      while client.pingAnswers == 0 { try client.turn() }
      try await EventLoop.pause(for: .milliseconds(700))
      reader.mayRead.raise()
      while client.bodyBytes(stream) == 0 { try client.turn() }
      try await EventLoop.pause(for: .milliseconds(100))
      try [UInt8(2)].withUnsafeBytes { try client.session.append($0, to: stream) }
      try client.session.finish(stream)
      while stream.isOpen { try client.turn() }
      #expect(client.answer(stream).body == [1, 2] && client.answer(stream).hasEnded)
    }
  }

  @Test("that is taken as a whole and is too long is refused when it has been sent")
  func tooLong() async throws {
    try await Fixture.run(http: Reader(), limits: .with { $0.httpBodyBytesMax = 1000 }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", "/whole"), body: Self.content, endStream: true)
      while stream.isOpen { try client.turn() }
      #expect(client.answer(stream).value(":status") == "413" && stream.outboundBytes == 0)
    }
  }

  @Test("costs no more than its bytes when it comes byte by byte")
  func byteByByte() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.next()
    let read = try await Task(executorPreference: loop) {
      let inbox = MessageInbox(loop)
      loop.execute {
        for byte in 0..<40_000 { [UInt8(truncatingIfNeeded: byte)].withUnsafeBytes { inbox.putPart($0) } }
        inbox.finish(.success(()))
      }
      var read: [[UInt8]] = []
      while let part = try await inbox.next() { read.append(part) }
      return read
    }.value
    #expect(read.count <= 4 && read.joined().elementsEqual((0..<40_000).map { UInt8(truncatingIfNeeded: $0) }))
  }
}
