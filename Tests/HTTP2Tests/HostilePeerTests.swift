import HTTP2
import HandoffTestKit
import Testing

/// A flood: what is sent over and over, and how it must end.
struct Flood: CustomTestStringConvertible, Sendable {
  let name: String
  let verdict: String
  let reason: HTTP2Error.Reason?
  var reads = true
  /// The bytes of round 0, 1, 2 …
  let bytes: @Sendable (UInt32) -> [UInt8]

  var testDescription: String { name }

  static let calm = "closed ENHANCE_YOUR_CALM"
  /// Many references to a field of the static table (`accept-encoding: gzip, deflate`).
  static let bulk = [UInt8](repeating: 0x90, count: 200)

  static let all: [Flood] = [
    Flood(name: "PING, answers read", verdict: calm, reason: .tooManyUnproductiveFrames) { _ in Frame.ping() },
    Flood(name: "PING, answers not read", verdict: calm, reason: .tooManyUnproductiveFrames, reads: false) { _ in
      Frame.ping()
    },
    Flood(name: "SETTINGS", verdict: calm, reason: .tooManyUnproductiveFrames) { _ in Frame.settings() },
    Flood(name: "PRIORITY", verdict: calm, reason: .tooManyUnproductiveFrames) { Frame.priority($0 * 2 + 1) },
    Flood(name: "WINDOW_UPDATE", verdict: calm, reason: .tooManyUnproductiveFrames) { _ in Frame.windowUpdate(0, 1) },
    Flood(name: "unknown frames", verdict: calm, reason: .tooManyUnproductiveFrames) { _ in
      Frame.raw(0xfe, [1, 2, 3])
    },
    Flood(name: "GOAWAY", verdict: calm, reason: .tooManyUnproductiveFrames) {
      $0 == 0 ? Frame.headers(1, Frame.request, endStream: false) : Frame.raw(7, Frame.be(0) + Frame.be(0))
    },
    Flood(name: "empty DATA", verdict: calm, reason: .tooManyUnproductiveFrames) {
      $0 == 0 ? Frame.headers(1, Frame.request, endStream: false) : Frame.data(1, [])
    },
    Flood(name: "HEADERS for a closed stream", verdict: "closed STREAM_CLOSED", reason: .frameOnClosedStream) { _ in
      Frame.headers(1, Frame.request, endStream: true)
    },
    Flood(name: "Rapid Reset", verdict: calm, reason: .tooManyResetsReceived) {
      Frame.headers($0 * 2 + 1, Frame.request, endStream: false) + Frame.reset($0 * 2 + 1)
    },
    Flood(name: "MadeYouReset by window overflow", verdict: calm, reason: .tooManyResetsCaused) {
      Frame.headers($0 * 2 + 1, Frame.request, endStream: false) + Frame.windowUpdate($0 * 2 + 1, 0x7fff_ffff)
    },
    Flood(name: "malformed requests", verdict: calm, reason: .tooManyResetsCaused) {
      Frame.headers($0 * 2 + 1, [0x83], endStream: true)
    },
    Flood(name: "bodies shorter than announced", verdict: calm, reason: .tooManyResetsCaused) {
      // `content-length: 9`, literal with the name of the static table (28).
      Frame.headers($0 * 2 + 1, Frame.request + [0x0f, 28 - 15, 1, UInt8(ascii: "9")], endStream: true)
    },
    Flood(name: "large malformed requests", verdict: calm, reason: .tooManyResetsCaused) {
      Frame.headers($0 * 2 + 1, Frame.request + [0x00, 1, UInt8(ascii: "A"), 0] + bulk, endStream: true)
    },
    Flood(name: "large HEADERS for a closed stream", verdict: "closed STREAM_CLOSED", reason: .frameOnClosedStream) {
      _ in
      Frame.headers(1, Frame.request + bulk, endStream: true)
    },
  ]
}

@Suite("A hostile peer")
struct HostilePeerTests {
  @Test("a flood closes the connection", arguments: Flood.all)
  func floods(flood: Flood) throws {
    let peer = try RawPeer()
    peer.greet()
    var rounds: UInt32 = 0
    while peer.failure == nil && rounds < 20_000 {
      peer.send(flood.bytes(rounds), reads: flood.reads)
      rounds += 1
    }
    peer.read()
    #expect(peer.verdict == flood.verdict)
    #expect(peer.failure?.reason == flood.reason)
    #expect(throws: HTTP2Error.self) { try peer.server.receive(Frame.ping()) }
  }

  @Test("streams above the advertised limit close the connection")
  func tooManyStreams() throws {
    let peer = try RawPeer()
    peer.greet()
    for index in 0..<200 { peer.send(Frame.headers(UInt32(index) * 2 + 1, Frame.request, endStream: false)) }
    #expect(peer.verdict == "silent" && peer.server.streamCount == 200)
    for index in 200..<2000 { peer.send(Frame.headers(UInt32(index) * 2 + 1, Frame.request, endStream: false)) }
    #expect(peer.verdict.hasPrefix("closed"))
    #expect(peer.server.streamCount <= 200)
  }

  @Test(
    "a header block that unpacks to more than the limit closes the connection",
    arguments: [
      // A valid field, one whose name is not allowed, and one of many small fields.
      (UInt8(ascii: "a"), 4000, 15000), (UInt8(ascii: "("), 4000, 15000), (UInt8(ascii: "a"), 1, 16000),
    ])
  func headerBomb(name: UInt8, valueBytes: Int, references: Int) throws {
    // Literal with indexing, new name; then one byte for each further use of the entry (62).
    var block = Frame.request + [0x40, 1, name]
    block += valueBytes < 127 ? [UInt8(valueBytes)] : [0x7f] + Self.integer(valueBytes - 127)
    block += [UInt8](repeating: UInt8(ascii: "x"), count: valueBytes)
    block += [UInt8](repeating: 0xbe, count: references)
    let peer = try RawPeer()
    peer.greet()
    peer.send(Frame.headers(1, Array(block.prefix(16000)), endStream: false, endHeaders: false))
    peer.send(Frame.continuation(1, Array(block.dropFirst(16000)), endHeaders: true))
    #expect(peer.verdict == Flood.calm)
    #expect(peer.recorder.events.count < 600)
  }

  @Test("a header block just below the limit is taken")
  func largeHeaders() throws {
    var configuration = HTTP2Configuration(role: .client)
    configuration.limits.headerListBytesMax = 64 << 10
    let wire = try Wire(client: configuration)
    var headers = requestHeaders()
    for _ in 0..<15 { headers.append(name: "x-filler", value: String(repeating: "y", count: 1000)) }
    _ = try wire.client.request(headers, endStream: true)
    try wire.run()
    #expect(wire.atServer.events.last == "1 body 0")
    headers.append(name: "x-filler", value: String(repeating: "y", count: 1000))
    _ = try wire.client.request(headers, endStream: true)
    #expect(throws: HTTP2Error.self) { try wire.run() }
    #expect(wire.server.failure?.reason == .headerListTooLarge)
  }

  @Test("an endless chain of CONTINUATION closes the connection", arguments: [0, 1, 100])
  func continuationFlood(bytesEach: Int) throws {
    let peer = try RawPeer()
    peer.greet()
    peer.send(Frame.headers(1, Frame.request, endStream: false, endHeaders: false))
    let filler = [UInt8](repeating: 0x84, count: bytesEach)
    for _ in 0..<50 { peer.send(Frame.continuation(1, filler, endHeaders: false)) }
    #expect(peer.verdict.hasPrefix("closed"))
    #expect(peer.server.streamCount <= 1)
  }

  @Test("answers that pile up for a peer that does not read close the connection")
  func outboundQueue() throws {
    var configuration = HTTP2Configuration(role: .server)
    configuration.limits.outboundFramesMax = 50
    let peer = try RawPeer(configuration)
    peer.greet()
    for _ in 0..<60 { peer.send(Frame.ping(), reads: false) }
    peer.read()
    #expect(peer.failure?.reason == .outboundQueueTooLong && peer.verdict == Flood.calm)
  }

  @Test("SETTINGS with too many entries close the connection")
  func wideSettings() throws {
    let peer = try RawPeer()
    peer.greet()
    peer.send(Frame.settings([(UInt16, UInt32)](repeating: (0x99, 1), count: 33)))
    #expect(peer.verdict == Flood.calm)
  }

  @Test(
    "what is no HTTP/2 preface is turned away",
    arguments: [
      "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", "\u{16}\u{3}\u{1}xxxxx",
    ])
  func badPreface(text: String) throws {
    let peer = try RawPeer()
    peer.send(Array(text.utf8))
    #expect(peer.failure?.reason == .badPreface)
  }

  @Test("half a preface leaves the session waiting")
  func truncatedPreface() throws {
    let peer = try RawPeer()
    for count in 0..<Frame.preface.count { peer.send(Array(Frame.preface[count..<count + 1])) }
    #expect(peer.failure == nil && !peer.server.isFinished && peer.verdict == "silent")
  }

  @Test("limits are refilled by time and by work")
  func refill() throws {
    let peer = try RawPeer()
    peer.greet()
    var now: UInt64 = 1
    for _ in 0..<5000 {
      now += 10_000_000
      peer.send(Frame.ping(), now: now)
    }
    for index in 0..<5000 as Range<UInt32> {
      peer.send(Frame.headers(index * 2 + 1, Frame.request, endStream: true) + Frame.ping(), now: now)
    }
    #expect(peer.failure == nil)
  }

  @Test("random damage to a valid conversation never does more than close the connection")
  func damage() async throws {
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 300, all: 50_000) {
      let wire = try Wire()
      let stream = try wire.client.request(requestHeaders())
      try wire.client.append([UInt8](repeating: 1, count: 3000), to: stream)
      try wire.client.finish(stream)
      var bytes = try wire.client.output()
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 24..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let peer = try RawPeer()
      // In pieces, as a network would bring it.
      let cut = Int.random(in: 0...bytes.count, using: &random)
      peer.send(Array(bytes[..<cut]))
      peer.send(Array(bytes[cut...]))
      peer.send(bytes)
      peer.server.abandonStreams(.cancel)
      try #require(peer.server.streamCount == 0, "\(TestScale.place(round))")
    }
  }

  /// The continuation bytes of an HPACK integer (RFC 7541 §5.1).
  static func integer(_ value: Int) -> [UInt8] {
    value < 128 ? [UInt8(value)] : [UInt8(value & 0x7f | 0x80)] + integer(value >> 7)
  }
}
