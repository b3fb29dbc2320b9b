import EventLoop
import FoundationEssentials
import HandoffAPI
import Outbound
import RPC
import ServiceKit

/// The public API of the running cluster, the way its clients see it: gRPC at the gateway, JSON at the edge.
struct DemoClient: Sendable {
  let sessions: SessionServiceClient
  let api: HandoffServiceClient
  let edge: String
  private let channel: RPCChannel
  let http: HTTPClient

  /// Talks gRPC to `gateway` and JSON to `edge`, a URL without a path.
  ///
  /// - Parameter certificates: those of the cluster, whose authority is trusted; nil: no TLS.
  init(
    gateway: RPCTarget, edge: String, certificates: ClusterCertificates?, group: EventLoopGroup
  ) throws(OperatorError) {
    var configuration = RPCChannelConfiguration()
    if let certificates {
      configuration.tls = RPCChannelTLS(try certificates.tls(as: ClusterCertificates.operatorName))
    }
    channel = RPCChannel(group: group, target: gateway, configuration: configuration)
    sessions = SessionServiceClient(channel)
    api = HandoffServiceClient(channel)
    http = HTTPClient(
      pool: BlockingPool(name: "http", threads: 1, queueMax: 16),
      limits: HTTPLimits(authoritiesFile: certificates?.authorityFile))
    self.edge = edge
  }

  func close() async {
    await channel.close()
  }

  /// Options of a call by somebody who is signed in.
  func signedIn(_ token: String) -> CallOptions {
    CallOptions(deadline: .after(.seconds(20)), metadata: Metadata([("authorization", "Bearer \(token)")]))
  }

  /// Options of a call by nobody in particular.
  var anonymous: CallOptions { .timeout(.seconds(20)) }

  /// Sends JSON to the edge and reads the JSON that comes back.
  ///
  /// - Throws: `DemoFailure` when the answer is not 200.
  func json<Reply: Decodable>(
    _ method: String, _ path: String, token: String? = nil, body: (any Encodable)? = nil, as _: Reply.Type = Reply.self
  ) async throws -> Reply {
    var headers = ["accept: application/json"]
    if let token { headers.append("authorization: Bearer \(token)") }
    var bytes: [UInt8] = []
    if let body {
      headers.append("content-type: application/json")
      bytes = Array(try JSONEncoder().encode(body))
    }
    let request = HTTPRequest(method, edge + path, headers: headers, body: bytes)
    let reply = try await http.send(request, deadline: .after(.seconds(20)))
    guard reply.status == 200 else {
      throw DemoFailure("\(method) \(path) answered \(reply.status): \(String(decoding: reply.body, as: UTF8.self))")
    }
    do {
      return try JSONDecoder().decode(Reply.self, from: Data(reply.body))
    } catch {
      throw DemoFailure("\(method) \(path) answered something else than expected: \(error)")
    }
  }
}

/// A step that is not as promised, in one sentence.
struct DemoFailure: Error, Equatable {
  let message: String

  init(_ message: String) {
    self.message = message
  }
}

/// Fails the demo unless `condition` holds.
func expect(_ condition: Bool, _ otherwise: @autoclosure () -> String) throws(DemoFailure) {
  if !condition { throw DemoFailure(otherwise()) }
}
