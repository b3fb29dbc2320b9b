import HTTP2
import HandoffTestKit
import Testing

@Suite("Bytes come in any pieces")
struct SplitTests {
  /// A conversation with everything in it: bodies, trailers, a ping, a reset.
  static func conversation() throws -> (toServer: [UInt8], toClient: [UInt8]) {
    let wire = try Wire()
    wire.atServer.onStreamEnded = { stream in
      try? wire.server.respond(stream, responseHeaders())
      try? wire.server.append([9, 8, 7], to: stream)
      try? wire.server.finish(stream, trailers: okTrailers())
    }
    var toServer: [UInt8] = []
    var toClient: [UInt8] = []
    let first = try wire.client.request(requestHeaders())
    try wire.client.append([1, 2, 3, 4], to: first)
    try wire.client.ping(5)
    try wire.client.finish(first, trailers: okTrailers())
    let second = try wire.client.request(requestHeaders("/other"))
    for round in 0..<3 {
      if round == 1 { try wire.client.reset(second, .cancel) }
      let forth = try wire.client.output()
      try wire.server.receive(forth)
      let back = try wire.server.output()
      try wire.client.receive(back)
      toServer += forth
      toClient += back
    }
    return (toServer, toClient)
  }

  static func events(atServer pieces: [[UInt8]]) throws -> [String] {
    let peer = try RawPeer()
    for piece in pieces { peer.send(piece, reads: false) }
    peer.read()
    return peer.recorder.events
  }

  static func events(atClient pieces: [[UInt8]]) throws -> [String] {
    let client = try HTTP2Session(HTTP2Configuration(role: .client))
    let recorder = Recorder(client)
    for path in ["/handoff.Echo/Say", "/other"] {
      let stream = try client.request(requestHeaders(path))
      try client.finish(stream)
    }
    _ = try client.output()
    for piece in pieces { try client.receive(piece) }
    return recorder.events
  }

  @Test("a cut at any byte changes no event")
  func everyCut() throws {
    let (toServer, toClient) = try Self.conversation()
    let atServer = try Self.events(atServer: [toServer])
    #expect(atServer.contains("1 body 4") && atServer.contains("3 closed CANCEL") && atServer.contains("ping 5"))
    for cut in 1..<toServer.count {
      #expect(try Self.events(atServer: [Array(toServer[..<cut]), Array(toServer[cut...])]) == atServer)
    }
    let atClient = try Self.events(atClient: [toClient])
    #expect(atClient.contains("1 trailers complete, ends") && atClient.contains("1 closed NO_ERROR"))
    for cut in 1..<toClient.count {
      #expect(try Self.events(atClient: [Array(toClient[..<cut]), Array(toClient[cut...])]) == atClient)
    }
  }

  @Test("cuts at random bytes change no event")
  func randomCuts() async throws {
    let (toServer, toClient) = try Self.conversation()
    let (atServer, atClient) = (try Self.events(atServer: [toServer]), try Self.events(atClient: [toClient]))
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 50, all: 10_000) {
      let server = try Self.events(atServer: Self.pieces(of: toServer, &random))
      try #require(server == atServer, "\(TestScale.place(round))")
      let client = try Self.events(atClient: Self.pieces(of: toClient, &random))
      try #require(client == atClient, "\(TestScale.place(round))")
    }
  }

  private static func pieces(of bytes: [UInt8], _ random: inout SeededGenerator) -> [[UInt8]] {
    let inner = (0..<Int.random(in: 1...12, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random)
    }
    let cuts = [0] + inner.sorted() + [bytes.count]
    return zip(cuts, cuts.dropFirst()).map { Array(bytes[$0..<$1]) }
  }

  @Test("one byte at a time is as good as all at once")
  func singleBytes() throws {
    let (toServer, toClient) = try Self.conversation()
    #expect(try Self.events(atServer: toServer.map { [$0] }) == Self.events(atServer: [toServer]))
    #expect(try Self.events(atClient: toClient.map { [$0] }) == Self.events(atClient: [toClient]))
  }
}
