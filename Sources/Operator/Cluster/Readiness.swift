import Crypto
import EventLoop
import RPC
import RPCProtos
import ServiceKit

/// Asks servers of the cluster whether they serve, over `grpc.health.v1`.
struct Readiness: Sendable {
  let group: EventLoopGroup
  /// How the operator connects; everybody but the edge's port in the clear demands it.
  let tls: TLSSource

  /// Whether the server `name` at `port` of this machine reports SERVING within `limit`.
  func isServing(_ name: String, port: UInt16, within limit: Duration = .seconds(2)) async -> Bool {
    var configuration = RPCChannelConfiguration()
    if name != ClusterPlan.edgeName {
      configuration.tls = RPCChannelTLS(tls, serverName: CertifiedName.of(ClusterPlan.process(of: name)))
    }
    configuration.connectTimeout = limit
    let channel = RPCChannel(group: group, target: .tcp("127.0.0.1", port), configuration: configuration)
    let answer = try? await HealthClient(channel).check(HealthCheckRequest(), .timeout(limit))
    await channel.close()
    return answer?.status == .serving
  }

  /// Makes sure that a program has not died since it was started.
  ///
  /// - Throws: `OperatorError` with its last words.
  func requireAlive(_ name: String, _ supervisor: Supervisor, logs: String) async throws(OperatorError) {
    guard let death = await supervisor.death(of: name) else { return }
    throw OperatorError(
      "\(name) \(death.status) while it was starting",
      advice: (death.lastLines + ["All it said is in \(logs)/\(name).log"]).joined(separator: "\n"))
  }

  /// Waits until the server reports SERVING, asking every 50 ms.
  ///
  /// - Parameter process: whose server it is, when that has another name.
  /// - Throws: `CancellationError`; `OperatorError` when the process died or `limit` has passed.
  func wait(
    for name: String, of process: String? = nil, port: UInt16, _ supervisor: Supervisor, logs: String,
    limit: Duration = .seconds(60)
  ) async throws {
    let deadline = Deadline.after(limit)
    let process = process ?? name
    while await !isServing(name, port: port) {
      try await requireAlive(process, supervisor, logs: logs)
      guard !deadline.hasPassed else {
        throw OperatorError("\(name) is not ready after \(limit)", advice: "What it says is in \(logs)/\(process).log")
      }
      try await group.next().sleep(for: .milliseconds(50))
    }
  }
}
