package import EventLoop

/// Calls to one target over HTTP/2, with one connection per loop and address used, made when a call needs it and made
/// again when it is lost.
///
/// A call made on a loop of the group stays there; a call from elsewhere is moved to one. A call the server has
/// certainly not seen (refused, or above the last id of a GOAWAY) is sent again on another connection; what else is
/// sent again is up to `MethodSettings.retry`.
package final class RPCChannel: RPCTransport {
  /// What the channel connects to.
  package let target: RPCTarget
  private let group: EventLoopGroup
  private let configuration: RPCChannelConfiguration
  private let loops: [LoopBound<ClientLoop>]

  /// Makes a channel; nothing is connected yet.
  package init(
    group: EventLoopGroup, target: RPCTarget, configuration: RPCChannelConfiguration = RPCChannelConfiguration()
  ) {
    self.group = group
    self.target = target
    self.configuration = configuration
    loops = group.loops.map { loop in
      LoopBound(ClientLoop(loop, target: target, configuration: configuration), loop)
    }
  }

  deinit {
    for loop in loops { loop.loop.execute { loop.value.close() } }
  }

  /// Fails the calls under way with UNAVAILABLE and closes the connections.
  package func close() async {
    for loop in loops { _ = try? await loop.loop.perform { loop.value.close() } }
  }

  /// Sends one message and waits for the one answer.
  package func unary(_ path: String, _ request: [UInt8], _ options: CallOptions) async throws -> RawResponse {
    try await single(path, .one(request), options)
  }

  /// Sends one message and returns the stream of answers, once the server has begun to answer or failed.
  package func serverStreaming(
    _ path: String, _ request: [UInt8], _ options: CallOptions
  ) async throws -> RawResponseStream {
    try await stream(path, .one(request), options)
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
    let place = place()
    return try await withUnsafeThrowingContinuation { continuation in
      let call = ClientCall(
        path, .many, options, on: place.loop, limits: configuration.limits,
        settings: configuration.methods.settings(for: path), waiter: .stream(continuation))
      Self.onLoop(place) { clientLoop in
        call.receiver.beginEarly()
        clientLoop.start(call)
        call.write(requests)
      }
    }
  }

  private func single(
    _ path: String, _ requests: ClientCall.Requests, _ options: CallOptions
  ) async throws -> RawResponse {
    let place = place()
    let cancellation = CallCancellation(place.loop)
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        begin(path, requests, options, place, .single(continuation), cancellation)
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  private func stream(
    _ path: String, _ requests: ClientCall.Requests, _ options: CallOptions
  ) async throws -> RawResponseStream {
    let place = place()
    let cancellation = CallCancellation(place.loop)
    return try await withTaskCancellationHandler {
      try await withUnsafeThrowingContinuation { continuation in
        begin(path, requests, options, place, .stream(continuation), cancellation)
      }
    } onCancel: {
      cancellation.cancel()
    }
  }

  private func begin(
    _ path: String, _ requests: ClientCall.Requests, _ options: CallOptions, _ place: LoopBound<ClientLoop>,
    _ waiter: ResponseReceiver.Waiter, _ cancellation: CallCancellation
  ) {
    let call = ClientCall(
      path, requests, options, on: place.loop, limits: configuration.limits,
      settings: configuration.methods.settings(for: path), waiter: waiter)
    Self.onLoop(place) { clientLoop in
      cancellation.bind { call.cancel() }
      clientLoop.start(call)
    }
  }

  private static func onLoop(_ place: LoopBound<ClientLoop>, _ act: @escaping @Sendable (ClientLoop) -> Void) {
    if place.loop.isCurrent { act(place.value) } else { place.loop.execute { act(place.value) } }
  }

  private func place() -> LoopBound<ClientLoop> {
    let loop = group.currentOrNext()
    for candidate in loops where candidate.loop === loop { return candidate }
    return loops[0]
  }
}

/// Brings the cancellation of a caller's task to its call, in whichever order the two reach the loop.
// @unchecked: loop-confined; `cancel` goes through the loop.
final class CallCancellation: @unchecked Sendable {
  private let loop: EventLoop
  private var act: (() -> Void)?
  private var isCancelled = false

  init(_ loop: EventLoop) { self.loop = loop }

  /// Names the act to do on cancellation; done at once when that has come already.
  func bind(_ act: @escaping () -> Void) {
    if isCancelled { act() } else { self.act = act }
  }

  func cancel() {
    loop.execute { [self] in
      isCancelled = true
      act?()
      act = nil
    }
  }
}
