import EventLoop
import HTTP2
import Protobuf
import RPCProtos

/// Watches the health of one service over one connection, as gRPC's client-side health checking asks (A17).
/// Loop-confined.
final class HealthWatch {
  /// False until the server has said that it serves.
  private(set) var isServing = false
  private let connection: ClientConnection
  private let service: String
  private let loop: EventLoop
  private var changed: ((_ isServing: Bool) -> Void)?
  private var retry: LoopTimer?
  private var call: ClientCall?
  private var failures = 0

  private static let path = "/grpc.health.v1.Health/Watch"

  init(
    _ service: String, on connection: ClientConnection, loop: EventLoop, changed: @escaping (_ isServing: Bool) -> Void
  ) {
    self.connection = connection
    self.service = service
    self.loop = loop
    self.changed = changed
    start()
  }

  func stop() {
    changed = nil
    retry?.cancel()
    call?.cancel()
    call = nil
  }

  private func start() {
    guard changed != nil, connection.isUsable, let request = try? HealthCheckRequest(service: service).serialized()
    else { return }
    let watch = LoopBound(self, loop)
    _ = Task<Void, Never>(executorPreference: loop) { await watch.value.run(request, watch) }
  }

  private func run(_ request: [UInt8], _ watch: LoopBound<HealthWatch>) async {
    do {
      let answers: RawResponseStream = try await withUnsafeThrowingContinuation { continuation in
        let call = ClientCall(
          Self.path, .one(request), CallOptions(deadline: .never), on: loop, limits: RPCChannelLimits(),
          waiter: .stream(continuation))
        self.call = call
        if !connection.send(call) { call.fail(RPCError(.unavailable, "the connection has no room")) }
      }
      for try await answer in answers {
        failures = 0
        tell(try HealthCheckResponse(serialized: answer).status == .serving)
      }
      ended(nil)
    } catch {
      ended(error)
    }
  }

  private func ended(_ error: (any Error)?) {
    call = nil
    guard changed != nil, connection.isUsable else { return }
    if (error as? RPCError)?.code == .unimplemented { return tell(true) }
    tell(false)
    failures += 1
    retry = loop.schedule(after: ConnectBackoff().delay(failures: failures, random: .random(in: -1...1))) {
      [weak self] in self?.start()
    }
  }

  private func tell(_ isServing: Bool) {
    self.isServing = isServing
    changed?(isServing)
  }
}
