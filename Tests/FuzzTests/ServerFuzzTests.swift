import EventLoop
import Foundation
import Glibc
import HandoffTestKit
import Testing

@testable import RPC

@Suite("A server, whatever its clients send", .timeLimit(.minutes(60)))
struct ServerFuzzTests {
  static func service(_ group: EventLoopGroup) -> RPCService {
    RPCService(
      name: "f.F",
      methods: [
        .raw("Echo") { request, _ in request },
        .raw("Wait") { _, _ in
          try await group.currentOrNext().sleep(for: .milliseconds(20))
          return []
        },
        .rawServerStreaming("Many") { request, responses, call in
          call.compressesResponses = true
          for _ in 0..<20 { try await responses.send(request) }
        },
        .rawBidirectional("Chat") { requests, responses, _ in
          for try await request in requests { try await responses.send(request) }
        },
      ])
  }

  static func blocks() -> [[UInt8]] {
    func call(_ path: String, _ more: [(String, String)] = []) -> [UInt8] {
      FuzzRun.block(
        [
          (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a"),
          ("content-type", "application/grpc"), ("te", "trailers"),
        ] + more)
    }
    return [
      call("/f.F/Echo"), call("/f.F/Wait", [("grpc-timeout", "5m")]),
      call("/f.F/Many", [("grpc-accept-encoding", "gzip")]),
      call("/f.F/Chat"), call("/f.F/None"), call("/f.F/Echo", [("grpc-encoding", "gzip"), ("a-bin", "AAA,AA==")]),
      FuzzRun.block([(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]),
      FuzzRun.block([("x-trailer", "1")]),
    ]
  }

  @Test("goes on to answer others")
  func frames() async throws {
    let group = try EventLoopGroup.start(count: 1)
    let path = "/tmp/handoff-fuzz-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let server = RPCServer(
      group: group, configuration: RPCServerConfiguration(listen: [.unix(path: path)]),
      services: [Self.service(group)])
    try await server.start()
    let innocent = RPCChannel(group: group, target: .unix(path))
    var run = FuzzRun(salt: 11, usual: 400)
    let blocks = Self.blocks()
    var answered = 0
    while run.next() {
      var last: UInt32 = 1
      var frames = FuzzRun.preface + FuzzRun.frame(4, 0, 0, [])
      for _ in 0..<run.number(1...12) { frames += run.anyFrame(blocks, lastStream: &last) }
      if run.chance(30) { frames = run.damage(frames) }
      if try Self.exchange(frames, path) { answered += 1 }
      if run.round % 20 == 0 {
        let options = CallOptions.timeout(.seconds(60))
        let answer = try await innocent.unary("/f.F/Echo", [7], options)
        try #require(answer.message == [7], "\(TestScale.place(run.round))")
      }
    }
    run.report("frames into a server", "\(answered) answered with more than SETTINGS")
    #expect(answered > run.round / 50)
    await innocent.close()
    await server.drain(within: .zero)
    group.shutdown()
  }

  /// Sends bytes, ends its half, and reads to the end, which must come. True when there was more than greetings.
  private static func exchange(_ bytes: [UInt8], _ path: String) throws -> Bool {
    let fd = try Socket.connect(.unix(path: path))
    defer { Socket.close(fd) }
    var sent = 0
    while sent < bytes.count {
      guard case .bytes(let count) = bytes[sent...].withUnsafeBytes({ Socket.send(fd, $0) }) else { break }
      sent += count
    }
    shutdown(fd, Int32(SHUT_WR))
    var received = 0
    var room = [UInt8](repeating: 0, count: 65536)
    while true {
      var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
      try #require(poll(&entry, 1, 60_000) == 1, "the server leaves a connection open whose client has ended")
      switch room.withUnsafeMutableBytes({ Socket.receive(fd, $0) }) {
      case .bytes(0), .failed: return received > 100
      case .bytes(let count): received += count
      case .wouldBlock: continue
      }
    }
  }
}
