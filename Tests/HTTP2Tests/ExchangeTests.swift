import HTTP2
import Testing

@Suite("Two sessions, back to back")
struct ExchangeTests {
  @Test("a request with a body is answered with headers, data and trailers")
  func unary() throws {
    let wire = try Wire()
    wire.atServer.onStreamEnded = { stream in
      #expect(throws: Never.self) {
        try wire.server.respond(stream, responseHeaders())
        try wire.server.append(wire.atServer.bodies[stream.id] ?? [], to: stream)
        try wire.server.finish(stream, trailers: okTrailers())
      }
    }
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append(Array("hello".utf8), to: stream)
    try wire.client.finish(stream)
    try wire.run()
    #expect(
      wire.atServer.events == [
        "1 request", "1 :method: POST", "1 :scheme: http", "1 :path: /handoff.Echo/Say", "1 :authority: localhost",
        "1 te: trailers", "1 content-type: application/grpc", "1 request complete", "1 body 5", "1 closed NO_ERROR",
      ])
    #expect(
      wire.atClient.events == [
        "1 response", "1 :status: 200", "1 content-type: application/grpc", "1 response complete",
        "1 trailers", "1 grpc-status: 0", "1 trailers complete, ends", "1 body 5", "1 closed NO_ERROR",
      ])
    #expect(wire.atClient.bodies[1] == Array("hello".utf8))
    #expect(wire.client.streamCount == 0 && wire.server.streamCount == 0)
    #expect(!stream.isOpen)
  }

  @Test("a response may consist of one header block")
  func trailersOnly() throws {
    let wire = try Wire()
    wire.atServer.onHeadersEnded = { stream, _ in
      var headers = responseHeaders()
      headers.append("grpc-status", "12")
      #expect(throws: Never.self) { try wire.server.respond(stream, headers, endStream: true) }
    }
    let stream = try wire.client.request(requestHeaders(), endStream: true)
    try wire.run()
    #expect(wire.atClient.events.suffix(3) == ["1 response complete, ends", "1 body 0", "1 closed NO_ERROR"])
    #expect(stream.localEnded)
  }

  @Test("data that comes later is sent when it has come")
  func deferred() throws {
    let wire = try Wire()
    let stream = try wire.client.request(requestHeaders())
    try wire.run()
    for text in ["one", "two", "three"] {
      try wire.client.append(Array(text.utf8), to: stream)
      try wire.run()
    }
    try wire.client.finish(stream)
    try wire.run()
    #expect(wire.atServer.bodies[1] == Array("onetwothree".utf8))
    #expect(wire.atServer.events.last == "1 body 11")
  }

  @Test("a body larger than every window arrives whole when the receiver consumes")
  func largeBody() throws {
    let wire = try Wire()
    let body = (0..<2_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append(body, to: stream)
    try wire.client.finish(stream)
    try wire.run()
    #expect(wire.atServer.bodies[1] == body)
  }

  @Test("a sender stops at the window until the receiver consumes")
  func backPressure() throws {
    let wire = try Wire()
    wire.atServer.consumesAtOnce = false
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append([UInt8](repeating: 7, count: 3 << 20), to: stream)
    try wire.run()
    #expect(wire.atServer.bodies[1]?.count == 1 << 20)
    let received = try #require(wire.atServer.open[1])
    #expect(received.inboundBytes == 1 << 20)
    try wire.server.consume(received, 1 << 20)
    try wire.run()
    #expect(wire.atServer.bodies[1]?.count == 2 << 20)
  }

  @Test("bytes that a closed stream left unconsumed go back to the connection")
  func windowAfterReset() throws {
    let wire = try Wire()
    wire.atServer.consumesAtOnce = false
    for _ in 0..<4 {
      let stream = try wire.client.request(requestHeaders())
      try wire.client.append([UInt8](repeating: 7, count: 1 << 20), to: stream)
      try wire.run()
      #expect(wire.atServer.bodies[stream.id]?.count == 1 << 20)
      try wire.client.reset(stream, .cancel)
      try wire.run()
      #expect(wire.atServer.events.last == "\(stream.id) closed CANCEL")
    }
  }

  @Test("the delegate is asked for more when a stream has drained")
  func lowWater() throws {
    let wire = try Wire()
    var rounds = 0
    wire.atClient.onDrained = { stream in
      rounds += 1
      guard rounds < 10 else { return }
      #expect(stream.outboundBytes <= 64 << 10)
      #expect(throws: Never.self) { try wire.client.append([UInt8](repeating: 1, count: 200_000), to: stream) }
    }
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append([UInt8](repeating: 1, count: 200_000), to: stream)
    try wire.run()
    #expect(rounds == 10)
    #expect(wire.atServer.bodies[1]?.count == 2_000_000)
  }

  @Test("an encoder may write straight into the stream's buffer")
  func appendInPlace() throws {
    let wire = try Wire()
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append(capacity: 100, to: stream) { room in
      room[0] = 1
      room[1] = 2
      return 2
    }
    try wire.client.finish(stream)
    try wire.run()
    #expect(wire.atServer.bodies[1] == [1, 2])
  }

  @Test("a reset reaches the other side with its code")
  func reset() throws {
    let wire = try Wire()
    let stream = try wire.client.request(requestHeaders())
    try wire.run()
    try wire.server.reset(try #require(wire.atServer.open[1]), .enhanceYourCalm)
    try wire.run()
    #expect(wire.atClient.events == ["1 closed ENHANCE_YOUR_CALM"])
    // Everything on a closed stream is a no-op.
    try wire.client.append([1], to: stream)
    try wire.client.finish(stream)
    try wire.client.reset(stream, .cancel)
    try wire.client.consume(stream, 1)
  }

  @Test("a response before the end of the request closes the stream with a reset of its own", arguments: [0, 10])
  func earlyResponse(bodyBytes: Int) throws {
    let wire = try Wire()
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append([UInt8](repeating: 1, count: bodyBytes), to: stream)
    try wire.run()
    let received = try #require(wire.atServer.open[1])
    try wire.server.respond(received, okTrailersOnly(), endStream: true)
    try wire.run()
    try wire.server.reset(received, .noError)
    try wire.run()
    #expect(wire.atClient.events.last == "1 closed NO_ERROR")
  }

  @Test("a ping comes back with its payload")
  func ping() throws {
    let wire = try Wire()
    try wire.client.ping(0x0102_0304_0506_0708)
    try wire.run()
    #expect(wire.atServer.events == ["ping 72623859790382856"])
    #expect(wire.atClient.events == ["pong 72623859790382856"])
  }

  @Test("a graceful end lets open streams finish and refuses new ones")
  func graceful() throws {
    let wire = try Wire()
    let first = try wire.client.request(requestHeaders())
    try wire.run()
    try wire.server.submitShutdownNotice()
    try wire.run()
    #expect(wire.atClient.events.last == "goaway 2147483647 NO_ERROR ")
    try wire.server.goaway(debugData: "max_age")
    try wire.run()
    #expect(wire.atClient.events.last == "goaway 1 NO_ERROR max_age")
    #expect(!wire.client.acceptsRequests)
    try wire.client.finish(first)
    try wire.server.respond(try #require(wire.atServer.open[1]), okTrailersOnly(), endStream: true)
    try wire.run()
    #expect(wire.atClient.events.last == "1 closed NO_ERROR")
    #expect(wire.server.isFinished)
    #expect(wire.client.isFinished)
  }

  @Test("a request that a GOAWAY overtakes is refused, so that it can be sent elsewhere")
  func refusedByGoaway() throws {
    let wire = try Wire()
    try wire.run()
    try wire.server.goaway()
    let bytes = try wire.server.output()
    _ = try wire.client.request(requestHeaders(), endStream: true)
    try wire.client.receive(bytes)
    try wire.run()
    #expect(wire.atClient.events.last == "1 closed REFUSED_STREAM")
  }

  @Test("requests above the peer's limit wait and are sent when others have ended")
  func concurrency() throws {
    var configuration = HTTP2Configuration(role: .server)
    configuration.limits.concurrentStreamsMax = 3
    let wire = try Wire(server: configuration)
    try wire.run()
    #expect(wire.client.streamCapacity == 3)
    wire.atServer.onStreamEnded = { stream in
      #expect(throws: Never.self) { try wire.server.respond(stream, okTrailersOnly(), endStream: true) }
    }
    for _ in 0..<50 { _ = try wire.client.request(requestHeaders(), endStream: true) }
    try wire.run()
    #expect(wire.atClient.events.filter { $0.hasSuffix("closed NO_ERROR") }.count == 50)
    #expect(wire.client.streamCount == 0)
  }

  @Test("a lost connection reports every open stream")
  func abandon() throws {
    let wire = try Wire()
    for _ in 0..<3 { _ = try wire.client.request(requestHeaders()) }
    try wire.run()
    wire.server.abandonStreams(.cancel)
    #expect(wire.atServer.events.filter { $0.hasSuffix("closed CANCEL") }.count == 3)
    #expect(wire.server.streamCount == 0)
    #expect(throws: HTTP2Error.self) { try wire.server.receive([]) }
  }

  @Test(
    "a connection may be given up inside any callback",
    arguments: [
      "headersBegan", "header", "headersEnded", "data", "streamEnded", "streamClosed", "outboundDrained",
      "pingReceived", "frameSent 1", "frameSent 0",
    ])
  func abandonInside(callback: String) throws {
    let wire = try Wire()
    var isAbandoned = false
    wire.atServer.onStreamEnded = { stream in
      try? wire.server.respond(stream, responseHeaders())
      try? wire.server.append([UInt8](repeating: 0, count: 100_000), to: stream)
      try? wire.server.finish(stream, trailers: okTrailers())
    }
    wire.atServer.onAny = { name in
      guard name == callback, !isAbandoned else { return }
      isAbandoned = true
      wire.server.abandonStreams(.cancel)
    }
    for _ in 0..<3 {
      let stream = try wire.client.request(requestHeaders())
      try wire.client.append([1, 2, 3], to: stream)
      try wire.client.finish(stream)
    }
    try wire.client.ping(1)
    #expect(throws: HTTP2Error.self) { try wire.run() }
    #expect(wire.server.failure?.reason == .abandoned)
    #expect(isAbandoned && wire.server.streamCount == 0)
    #expect(throws: HTTP2Error.self) { try wire.server.collectOutput() }
  }

  @Test("a session may not be entered from a callback")
  func reentrance() throws {
    let wire = try Wire()
    var thrown: (any Error)?
    wire.atServer.onHeadersEnded = { _, _ in
      do { try wire.server.collectOutput() } catch { thrown = error }
    }
    _ = try wire.client.request(requestHeaders())
    try wire.run()
    #expect((thrown as? HTTP2Error)?.reason == .misuse)
    #expect(wire.server.failure == nil)
  }

  @Test("the context of a stream lives until it has closed, and a kept stream is not used again")
  func lifetime() throws {
    final class Context {}
    let wire = try Wire()
    weak var seen: Context?
    let first: HTTP2Stream
    do {
      let context = Context()
      seen = context
      first = try wire.client.request(requestHeaders(), endStream: true, context: context)
    }
    #expect(seen != nil)
    try wire.run()
    try wire.client.reset(first, .cancel)
    try wire.run()
    #expect(seen == nil)
    let second = try wire.client.request(requestHeaders(), endStream: true)
    #expect(first !== second && first.id == 1 && second.id == 3)
  }

  @Test("output is staged up to the mark and goes out in whatever pieces the socket takes")
  func boundedOutput() throws {
    let wire = try Wire()
    try wire.run()
    let stream = try wire.client.request(requestHeaders())
    try wire.client.append([UInt8](repeating: 3, count: 500_000), to: stream)
    try wire.client.finish(stream)
    try wire.client.collectOutput(bytesMax: 40_000)
    #expect(wire.client.outputBytes >= 40_000 && wire.client.outputBytes < 40_000 + 16_394)
    while wire.client.wantsWrite {
      try wire.client.collectOutput(bytesMax: 40_000)
      let piece = wire.client.withOutput { Array($0.prefix(7001)) }
      wire.client.outputWritten(piece.count)
      try wire.server.receive(piece)
      try wire.client.receive(try wire.server.output())
    }
    #expect(wire.atServer.bodies[1]?.count == 500_000)
  }

  @Test("a long response does not keep a short one waiting")
  func fairness() throws {
    let wire = try Wire()
    let long = try wire.client.request(requestHeaders(), endStream: true)
    let short = try wire.client.request(requestHeaders(), endStream: true)
    try wire.run()
    for (stream, count) in [(long, 900_000), (short, 10)] {
      let received = try #require(wire.atServer.open[stream.id])
      try wire.server.respond(received, responseHeaders())
      try wire.server.append([UInt8](repeating: 0, count: count), to: received)
      try wire.server.finish(received, trailers: okTrailers())
    }
    try wire.run()
    let ends = wire.atClient.events.filter { $0.contains("closed") }
    #expect(ends == ["3 closed NO_ERROR", "1 closed NO_ERROR"])
  }

  @Test("1xx headers are told apart from the final ones")
  func informational() throws {
    let client = try HTTP2Session(HTTP2Configuration(role: .client))
    let recorder = Recorder(client)
    _ = try client.request(requestHeaders(), endStream: true)
    _ = try client.output()
    // Literal fields without indexing: `:status: 100`, then 200 by its static index with END_STREAM.
    try client.receive(Frame.settings() + Frame.headers(1, [0x08, 3] + Array("100".utf8), endStream: false))
    try client.receive(Frame.headers(1, [0x88], endStream: true))
    #expect(
      recorder.events == [
        "1 response", "1 :status: 100", "1 informational complete", "1 response", "1 :status: 200",
        "1 response complete, ends", "1 body 0", "1 closed NO_ERROR",
      ])
  }
}

func okTrailersOnly() -> HTTP2Headers {
  var headers = responseHeaders()
  headers.append("grpc-status", "0")
  return headers
}
