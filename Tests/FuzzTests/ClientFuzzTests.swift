import EventLoop
import Glibc
import HandoffTestKit
import Synchronization
import Testing

@testable import RPC

@Suite("A channel, whatever its server answers", .timeLimit(.minutes(60)))
struct ClientFuzzTests {
  static let blocks = [
    FuzzRun.block([(":status", "200"), ("content-type", "application/grpc")]),
    FuzzRun.block([(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]),
    FuzzRun.block([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]),
    FuzzRun.block([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "14")]),
    FuzzRun.block([("grpc-status", "0")]), FuzzRun.block([("grpc-status", "5"), ("grpc-message", "a%41%")]),
    FuzzRun.block([("grpc-status", "3"), ("grpc-status-details-bin", "CAMSA2FiYw")]),
    FuzzRun.block([(":status", "103"), ("link", "x")]), FuzzRun.block([(":status", "503")]),
  ]

  @Test("ends every call, and stays of use")
  func answers() async throws {
    let group = try EventLoopGroup.start(count: 1)
    let server = try await FuzzServer(group.loops[0])
    var run = FuzzRun(salt: 12, usual: 400)
    var policy = MethodSettings()
    policy.retry = RetryPolicy(attemptsMax: 2, initialBackoff: .milliseconds(1), maxBackoff: .milliseconds(1))
    var configuration = RPCChannelConfiguration()
    configuration.backoff.initial = .milliseconds(1)
    configuration.backoff.max = .milliseconds(2)
    configuration.methods[row: "/f.F/Retried"] = policy
    var channel = RPCChannel(group: group, target: RPCTarget(server.address), configuration: configuration)
    var succeeded = 0
    while run.next() {
      var last: UInt32 = 1
      var frames: [UInt8] = []
      if run.chance(50) {
        // What a call is answered with, on the first stream, damaged or not.
        frames += FuzzRun.frame(1, 4, 1, run.chance(80) ? Self.blocks[run.number(0...1)] : run.damage(Self.blocks[0]))
        for _ in 0..<run.number(0...2) {
          frames += FuzzRun.frame(0, 0, 1, run.chance(80) ? [0, 0, 0, 0, 0] : run.message())
        }
        frames += FuzzRun.frame(1, 5, 1, run.chance(80) ? Self.blocks[run.number(4...6)] : run.damage(Self.blocks[4]))
      }
      for _ in 0..<run.number(0...6) { frames += run.anyFrame(Self.blocks, lastStream: &last) }
      server.answer = run.chance(20) ? run.damage(frames) : frames
      let options = CallOptions.timeout(.seconds(60))
      let path = run.chance(30) ? "/f.F/Retried" : "/f.F/Plain"
      do {
        if run.chance(50) {
          _ = try await channel.unary(path, [1], options)
        } else {
          for try await _ in try await channel.serverStreaming(path, [1], options) {}
        }
        succeeded += 1
      } catch let error as RPCError {
        // A damaged answer may say DEADLINE_EXCEEDED, too.
        let isOurs = error.code == .deadlineExceeded && error.message.hasPrefix("the deadline passed before")
        try #require(!isOurs, "\(TestScale.place(run.round)): no end came")
      }
      if run.round % 100 == 0 {
        await channel.close()
        channel = RPCChannel(group: group, target: RPCTarget(server.address), configuration: configuration)
      }
    }
    run.report("answers into a channel", "\(succeeded) calls succeeded")
    #expect(succeeded > run.round / 50)
    await channel.close()
    try await server.close()
    group.shutdown()
  }
}

/// Greets, waits for a request, sends what it is told, and ends.
private final class FuzzServer: Sendable {
  let address: SocketAddress
  private let bytes = Mutex<[UInt8]>([])
  private let listener: LoopBound<Listener>

  init(_ loop: EventLoop) async throws {
    let slot = Slot()
    listener = try await loop.perform {
      LoopBound(
        try Listener(try Socket.listen(.ipv4(0x7F00_0001, port: 0)), on: loop) { fd, _ in
          slot.server.map { FuzzConnection(fd, loop, $0).begin() } ?? Socket.close(fd)
        }, loop)
    }
    let listener = self.listener
    address = try await loop.perform { listener.value.address }
    try await loop.perform { [self] in slot.server = self }
  }

  var answer: [UInt8] {
    get { bytes.withLock { $0 } }
    set { bytes.withLock { $0 = newValue } }
  }

  func close() async throws {
    let listener = self.listener
    try await listener.loop.perform { listener.value.close() }
  }

  // @unchecked: written and read on the listener's loop only.
  private final class Slot: @unchecked Sendable {
    weak var server: FuzzServer?
  }
}

/// Loop-confined.
private final class FuzzConnection {
  private let fd: Int32
  private let loop: EventLoop
  private let server: FuzzServer
  private var watch: Watch?
  private var received: [UInt8] = []

  init(_ fd: Int32, _ loop: EventLoop, _ server: FuzzServer) {
    self.fd = fd
    self.loop = loop
    self.server = server
  }

  func begin() {
    send(FuzzRun.frame(4, 0, 0, []))
    watch = loop.watch(fd, .read) { [self] _ in read() }
  }

  private func read() {
    var room = [UInt8](repeating: 0, count: 4096)
    switch room.withUnsafeMutableBytes({ Socket.receive(fd, $0) }) {
    case .bytes(let count) where count > 0:
      received += room[..<count]
      guard hasRequest else { return }
      send(server.answer)
      end()
    case .wouldBlock: return
    default: end()
    }
  }

  /// Whether a HEADERS frame has come whole.
  private var hasRequest: Bool {
    var place = FuzzRun.preface.count
    while received.count >= place + 9 {
      let length = Int(received[place]) << 16 | Int(received[place + 1]) << 8 | Int(received[place + 2])
      if received[place + 3] == FuzzRun.headersType { return received.count >= place + 9 + length }
      place += 9 + length
    }
    return false
  }

  private func send(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { Socket.send(fd, $0) } }

  private func end() {
    watch?.cancel()
    watch = nil
    Socket.close(fd)
  }
}
