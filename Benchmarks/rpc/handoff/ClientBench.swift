import EventLoop
import RPC
import TestProtos

/// The client side of the measurements, on one loop and one connection.
struct ClientBench: Sendable {
  enum Failure: Error {
    case wrongAnswer
    case unknownKind(String)
  }

  private static let timeout: Duration = .seconds(30)
  private static let text = String(repeating: "a", count: 100)
  let client: EchoServiceClient

  func run(_ kind: String, _ count: Int, _ size: Int) async throws {
    switch kind {
    case "unary": try await unary(calls: count, underway: size)
    case "down": try await down(messages: count, bytes: size)
    case "up": try await up(messages: count, bytes: size)
    default: throw Failure.unknownKind(kind)
    }
  }

  private func unary(calls: Int, underway: Int) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for slot in 0..<underway {
        group.addTask {
          for _ in stride(from: slot, to: calls, by: underway) {
            let answer = try await client.echo(EchoRequest(text: Self.text), .timeout(Self.timeout))
            guard answer.text == Self.text else { throw Failure.wrongAnswer }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func down(messages: Int, bytes: Int) async throws {
    let request = EchoRequest(payload: [UInt8](repeating: 98, count: bytes), count: Int32(messages))
    var left = messages
    for try await response in try await client.repeat(request, CallOptions(deadline: .never)) {
      guard response.payload.count == bytes else { throw Failure.wrongAnswer }
      left -= 1
    }
    guard left == 0 else { throw Failure.wrongAnswer }
  }

  private func up(messages: Int, bytes: Int) async throws {
    let request = EchoRequest(payload: [UInt8](repeating: 98, count: bytes))
    let response = try await client.collect(CallOptions(deadline: .never)) { requests in
      for _ in 0..<messages { try await requests.send(request) }
    }
    guard response.index == messages else { throw Failure.wrongAnswer }
  }
}
