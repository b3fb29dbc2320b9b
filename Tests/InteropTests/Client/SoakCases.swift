import EventLoop
import RPC

extension InteropCase {
  static let many: [InteropCase] = [
    InteropCase(name: "concurrent_large_unary") { interop in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<interop.scale.concurrentCalls { group.addTask { try await largeUnary(interop) } }
        try await group.waitForAll()
      }
    },
    InteropCase(name: "rpc_soak") { interop in
      for _ in 0..<interop.scale.soakIterations { try await timed(interop) { try await largeUnary(interop) } }
    },
    InteropCase(name: "channel_soak") { interop in
      for _ in 0..<interop.scale.soakIterations {
        let channel = interop.connect()
        let fresh = Interop(channel: channel, loop: interop.loop, scale: interop.scale, connect: interop.connect)
        try await timed(interop) { try await largeUnary(fresh) }
        await channel.close()
      }
    },
  ]

  private static func timed(_ interop: Interop, _ call: () async throws -> Void) async throws {
    let began = MonotonicTime.current
    try await call()
    let latency = MonotonicTime.current.since(began)
    guard latency <= interop.scale.soakLatencyMax else {
      throw Mismatch(description: "a call took \(latency), longer than \(interop.scale.soakLatencyMax)")
    }
  }
}
