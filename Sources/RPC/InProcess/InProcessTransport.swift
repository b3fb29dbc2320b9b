package import Crypto
package import EventLoop

/// Calls to services of the same process: no socket, but the same handlers, interceptors, deadlines and cancellation.
package final class InProcessTransport: RPCTransport {
  private let group: EventLoopGroup
  private let routes: RouteTable
  private let cores: [LoopBound<ServerCore>]
  private let certificate: @Sendable (CallOptions) -> PeerCertificate?

  /// Makes a transport that serves calls on the loops of `group`.
  ///
  /// - Parameter certificate: what the caller of a call is taken for, in the place of a certificate.
  package init(
    group: EventLoopGroup, services: [RPCService], interceptors: [any ServerInterceptor] = [],
    limits: RPCServerLimits = RPCServerLimits(),
    certificate: @escaping @Sendable (CallOptions) -> PeerCertificate? = { _ in nil }
  ) {
    self.group = group
    self.certificate = certificate
    let routes = RouteTable(services)
    self.routes = routes
    cores = group.loops.map { loop in
      LoopBound(ServerCore(on: loop, routes: routes, interceptors: interceptors, limits: limits, http: nil), loop)
    }
  }

  /// Sends one message and waits for the one answer.
  package func unary(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponse {
    let core = core()
    let cancellation = CallCancellation(core.loop)
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        start(path, options, core, .single(continuation)) { call in
          cancellation.bind { call.cancel() }
          call.begin(with: request)
        }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Sends one message and returns the stream of answers, once the server has begun to answer or failed.
  package func serverStreaming(
    _ path: String, _ request: [UInt8], _ options: CallOptions
  ) async throws -> RawResponseStream {
    let core = core()
    let cancellation = CallCancellation(core.loop)
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        start(path, options, core, .stream(continuation)) { call in
          cancellation.bind { call.cancel() }
          call.begin(with: request)
        }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  /// Sends what `requests` writes and waits for the one answer.
  package func clientStreaming(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponse {
    try await bidirectional(path, options, requests).sole()
  }

  /// Sends what `requests` writes while the returned stream gives the answers; returns without waiting for the server.
  package func bidirectional(
    _ path: String, _ options: CallOptions, _ requests: @escaping @Sendable (RawRequestWriter) async throws -> Void
  ) async throws -> RawResponseStream {
    let core = core()
    return try await withUnsafeThrowingContinuation { continuation in
      start(path, options, core, .stream(continuation)) { call in
        call.receiver.beginEarly()
        call.begin(writing: requests)
      }
    }
  }

  private func start(
    _ path: String, _ options: CallOptions, _ core: LoopBound<ServerCore>, _ waiter: ResponseReceiver.Waiter,
    _ begin: @escaping @Sendable (InProcessCall) -> Void
  ) {
    var path = path
    guard let route = path.withUTF8({ routes[UnsafeRawBufferPointer($0)] }) else {
      return waiter.fail(RPCError(.unimplemented, "no method \(path)"))
    }
    let context = CallContext(
      target: route.target, metadata: options.metadata, deadline: options.deadline, peer: "in-process",
      certificate: certificate(options))
    let work: @Sendable () -> Void = {
      let call = InProcessCall(
        loop: core.loop, context: context, handler: route.handler, core: core.value, waiter: waiter)
      guard !core.value.isOverloaded else { return call.fail(RPCServerFault.overloaded) }
      if call.admit() { begin(call) }
    }
    if core.loop.isCurrent { work() } else { core.loop.execute(work) }
  }

  private func core() -> LoopBound<ServerCore> {
    let loop = group.currentOrNext()
    for candidate in cores where candidate.loop === loop { return candidate }
    return cores[0]
  }
}

extension ResponseReceiver.Waiter {
  func fail(_ error: RPCError) {
    switch self {
    case .single(let continuation): continuation.resume(throwing: error)
    case .stream(let continuation): continuation.resume(throwing: error)
    }
  }
}
