import EventLoop
import HandoffAPI
import MessageJSON
import Protobuf
import RPC
import ServiceKit
import Synchronization

extension HTTPGateway {
  /// Answers with server-sent events (HTML Living Standard §9.2): one for each message, as JSON, with the `id` behind
  /// which a client resumes by `Last-Event-ID`.
  ///
  /// What goes wrong before the first message is told with an HTTP status; afterwards with an event `problem`, which is
  /// the last one.
  func watch(
    _ found: Found, _ message: [UInt8], _ admission: GatewayService.Admission, authorization: String?,
    _ exchange: HTTPExchange
  ) async throws {
    let hasBegun = Atomic(false)
    do {
      try await service.watch(
        found.route, message, admission, authorization: authorization, deadline: .never, exchange.call
      ) { bytes in
        if !hasBegun.exchange(true, ordering: .relaxed) {
          await exchange.begin(status: 200, headers: Self.eventStreamHeaders)
          await exchange.liftTimeLimit()
          // What an EventSource waits before it comes again, in milliseconds.
          try await exchange.write(Array("retry: 2000\n\n".utf8))
        }
        try await exchange.write(try Self.serverSentEvent(bytes, found.method))
      }
    } catch {
      guard hasBegun.load(ordering: .relaxed) else { throw error }
      let problem = Problem(error, requestID: exchange.call.requestID)
      try? await exchange.write(Array("event: problem\ndata: ".utf8) + problem.body + Array("\n\n".utf8))
    }
    await exchange.end()
  }

  private static let eventStreamHeaders: [(name: String, value: String)] = [
    ("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no"),
  ]

  /// One message as an event. A heartbeat has no data, so a browser notes its id and tells nobody.
  static func serverSentEvent(_ bytes: [UInt8], _ method: JSONMethod) throws -> [UInt8] {
    let name: String
    var id = ""
    switch try WatchTicketsResponse(serialized: bytes).update {
    case .heartbeat(let heartbeat): return Array(": heartbeat\nid: \(heartbeat.id)\n\n".utf8)
    case .change(let change): (name, id) = ("change", change.id)
    case .counters: name = "counters"
    default: return []
    }
    var event = Array((id.isEmpty ? "" : "id: \(id)\n").utf8)
    event += Array("event: \(name)\ndata: ".utf8)
    // JSON has no line breaks outside of strings, and inside they are escaped.
    event += MessageWriter.json(try DynamicMessage(serialized: bytes, as: method.output, in: Arena()))
    return event + Array("\n\n".utf8)
  }
}
