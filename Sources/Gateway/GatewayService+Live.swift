import EventLoop
import HandoffAPI
import Protobuf
import RPC
import ServiceKit

extension GatewayService {
  /// Passes the messages of a live stream on as they come, until the client leaves or its session ends.
  ///
  /// A client who is slow holds its own stream up and nobody else's; the daemon behind it cuts the stream in the end.
  ///
  /// - Parameters:
  ///   - deadline: when the client stops waiting; `.never` when it did not say.
  ///   - take: sends one message to the client.
  func watch(
    _ route: Route, _ request: [UInt8], _ admission: Admission, authorization: String?, deadline: Deadline,
    _ call: CallContext,
    _ take: @escaping @Sendable (_ message: [UInt8]) async throws -> Void
  ) async throws {
    let agent = try admission.signedIn().agent
    let end = try streams.open(tokenHash: try Sessions.tokenHash(authorization))
    defer { streams.close(end) }
    guard let channel = backends.liveChannel(to: route.backend) else { throw ServiceError(.internal) }
    var options = call.onward()
    options.deadline = deadline.shortened(by: CallContext.timeKeptPerHop)
    options.speak(for: agent)
    do {
      let messages = try await channel.serverStreaming(route.daemonPath, request, options)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for try await message in messages { try await take(message) } }
        group.addTask { try await end.next() }
        defer { group.cancelAll() }
        try await group.next()
      }
    } catch let error as RPCError {
      throw Self.outward(error, route.backend)
    }
  }
}
