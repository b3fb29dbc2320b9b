import EventLoop
import Testing

@testable import RPC

@Suite("Compression", .timeLimit(.minutes(1)))
struct CompressionTests {
  static let service = RPCService(
    name: "test.v1.Zip",
    methods: [
      // Tells whether the request came compressed, and answers compressed or not as the request's first byte says.
      .raw("One") { request, call in
        call.compressesResponses = request.first == 1
        return [call.requestWasCompressed ? 1 : 0] + request
      },
      .rawBidirectional("Many") { requests, responses, call in
        call.compressesResponses = true
        var iterator = requests.makeAsyncIterator()
        while let request = try await iterator.next() {
          try await responses.send(
            [iterator.lastWasCompressed ? 1 : 0] + request, compressed: request.first == 1)
        }
      },
    ])

  static func run(_ body: (RPCChannel) async throws -> Void) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let server = RPCServer(
      group: group, configuration: RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: 0)]), services: [service])
    try await server.start()
    let channel = RPCChannel(group: group, target: RPCTarget(server.boundAddresses[0]))
    try await body(channel)
    await channel.close()
    await server.drain(within: .zero)
  }

  @Test("is used for a call when asked for, on either side", arguments: [true, false], [1, 0] as [UInt8])
  func unary(request: Bool, answer: UInt8) async throws {
    try await Self.run { channel in
      var options = soon
      options.compresses = request
      let body = [answer] + [UInt8](repeating: 7, count: 100_000)
      let got = try await channel.unary("/test.v1.Zip/One", body, options)
      #expect(got.message == [request ? 1 : 0] + body)
      #expect(got.wasCompressed == (answer == 1))
    }
  }

  @Test("can be left out for single messages, either way")
  func streams() async throws {
    try await Self.run { channel in
      var options = soon
      options.compresses = true
      let stream = try await channel.bidirectional("/test.v1.Zip/Many", options) { writer in
        try await writer.send([1, 5], compressed: true)
        try await writer.send([0, 6], compressed: false)
      }
      let first = try await stream.next()
      #expect(first == [1, 1, 5])
      #expect(stream.lastWasCompressed)
      let second = try await stream.next()
      #expect(second == [0, 0, 6])
      #expect(!stream.lastWasCompressed)
    }
  }

  @Test("is not used for a client that has not said it can read it")
  func notListed() async throws {
    try await Fixture.run { fixture in
      for (accepts, encoding) in [(nil, nil), ("identity, deflate", nil), ("identity,deflate, gzip", "gzip")]
        as [(String?, String?)]
      {
        let server = RPCServer(
          group: fixture.group, configuration: RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: 0)]),
          services: [Self.service])
        try await server.start()
        let client = try RawClient(server.boundAddresses[0])
        let more = accepts.map { [("grpc-accept-encoding", $0)] } ?? []
        let answer = try client.exchange(
          request("POST", "/test.v1.Zip/One", "application/grpc", more), body: [0, 0, 0, 0, 1, 1])
        #expect(answer.value("grpc-encoding") == encoding)
        #expect(answer.body.first == (encoding == nil ? 0 : 1))
        await server.drain(within: .zero)
      }
    }
  }

  @Test("shrinks what it can, and loses nothing", arguments: [0, 1, 1000, 1_000_000])
  func roundTrip(size: Int) throws {
    let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 / 100) }
    let packed = try message.withUnsafeBytes { try Gzip.deflate($0) }
    let again = try packed.withUnsafeBytes { try Gzip.inflate($0, bytesMax: size) }
    #expect(again == message)
    if size > 1000 { #expect(packed.count < size / 10) }
  }
}

@Suite("A gzip member that comes in parts")
struct GzipReaderTests {
  /// What a reader makes of parts, in pieces of at most its bound.
  private func read(_ bytes: [UInt8], parts: Int) throws -> (bytes: [UInt8], isComplete: Bool) {
    let reader = try GzipReader()
    var read: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: parts) {
      reader.feed(Array(bytes[start..<min(start + parts, bytes.count)]))
      while let piece = try reader.next() {
        #expect(piece.count <= GzipReader.pieceBytesMax)
        read += piece
      }
    }
    return (read, reader.isComplete)
  }

  @Test("is expanded as a whole one is", arguments: [0, 1, 1_000, 65_536, 1_000_000])
  func parts(size: Int) throws {
    var random = SystemRandomNumberGenerator()
    for content in [(0..<size).map { UInt8(truncatingIfNeeded: $0 / 100) }, (0..<size).map { _ in random.next() }] {
      let packed = try content.withUnsafeBytes { try Gzip.deflate($0) }
      for parts in [1, 7, 4_096, 1 << 20] {
        let (bytes, isComplete) = try read(packed, parts: parts)
        #expect(bytes == content && isComplete, "\(parts)")
      }
    }
  }

  @Test("that is cut off is not complete; one that is none, or has something behind it, is refused")
  func broken() throws {
    let packed = try Array("hello".utf8).withUnsafeBytes { try Gzip.deflate($0) }
    for count in 0..<packed.count { #expect(try read(Array(packed[..<count]), parts: 3).isComplete == false) }
    for wrong in [Array("hello".utf8), packed + [0], packed + packed] {
      for parts in [1, 100] {
        #expect(throws: RPCError.self) { try read(wrong, parts: parts) }
      }
    }
  }
}

extension RawResponseStream {
  /// The next message.
  func next() async throws -> [UInt8]? {
    var iterator = makeAsyncIterator()
    return try await iterator.next()
  }
}
