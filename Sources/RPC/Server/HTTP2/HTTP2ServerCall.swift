import EventLoop
import HTTP2

/// A gRPC call on an HTTP/2 stream.
// @unchecked: as `ServedStream`.
final class HTTP2ServerCall: ServerCall, @unchecked Sendable {
  /// Nil when the object waits to be used again.
  private var connection: ServerConnection?
  /// Nil once the stream has closed.
  private var stream: HTTP2Stream?
  private var deframer: MessageDeframer
  private var bytesUnconsumed = 0
  private var bytesHeld = 0
  private var handlerHasEnded = false

  // What waits of them when a burst is over.
  private static let spareMax = 512

  /// A call for the stream, in an object that has served another one if there is one.
  static func make(
    _ connection: ServerConnection, _ stream: HTTP2Stream, context: CallContext, handler: RPCMethodHandler,
    encoding: MessageEncoding
  ) -> HTTP2ServerCall {
    guard handler.kind == .unary, let spare = connection.core.spareCalls.popLast() else {
      return HTTP2ServerCall(connection, stream, context: context, handler: handler, encoding: encoding)
    }
    spare.prepareForReuse(context, handler: handler)
    spare.connection = connection
    spare.stream = stream
    spare.deframer.encoding = encoding
    spare.handlerHasEnded = false
    return spare
  }

  private init(
    _ connection: ServerConnection, _ stream: HTTP2Stream, context: CallContext, handler: RPCMethodHandler,
    encoding: MessageEncoding
  ) {
    self.connection = connection
    self.stream = stream
    deframer = MessageDeframer(messageBytesMax: connection.core.limits.messageBytesMax, encoding: encoding)
    super.init(loop: connection.loop, context: context, handler: handler, core: connection.core)
    guard !handler.takesOneRequest else { return }
    inbox.taken = { [weak self] isEmpty in
      guard let self else { return }
      holdChanged()
      if isEmpty { askForMore() }
    }
  }

  // Of a unary call no handler ever sees the object, so nobody can have kept it.
  override var isReusable: Bool { handler.kind == .unary }

  override func detach() {
    stream = nil
    if handlerHasEnded { giveBack() }
  }

  override func served() {
    super.served()
    handlerHasEnded = true
    if stream == nil { giveBack() }
  }

  private func giveBack() {
    guard isReusable else { return }
    guard core.spareCalls.count < Self.spareMax else { return discard() }
    connection = nil
    deframer.clear()
    core.spareCalls.append(self)
  }

  override func taskChanged(_ change: Int) { connection?.handlersRunning += change }

  override var outboundBytes: Int { stream?.outboundBytes ?? 0 }

  override func receive(_ bytes: UnsafeRawBufferPointer) {
    bytesReceived += bytes.count
    bytesUnconsumed += bytes.count
    guard !isOver else { return askForMore() }
    do {
      defer { holdChanged() }
      try deframer.append(bytes)
      if handler.takesOneRequest {
        connection?.askForMore(self)
      } else {
        while let message = try deframer.next() { inbox.put(message, wasCompressed: deframer.lastWasCompressed) }
        // What waits in the inbox stays unconsumed, so that the client is held back until the handler has read it.
        if inbox.isEmpty { askForMore() }
      }
    } catch {
      fail(refusal(error))
    }
  }

  override func receiveEnd() {
    guard !isOver else { return }
    do {
      guard handler.takesOneRequest else {
        guard deframer.count == 0 else { throw RPCError(.internal, "the stream ended inside a message") }
        return inbox.finish(.success(()))
      }
      defer { holdChanged() }
      let context = self.context
      try deframer.sole { message, wasCompressed in
        if wasCompressed { context.requestWasCompressed = true }
        begin(message)
      }
    } catch {
      fail(refusal(error))
    }
  }

  /// A message over the limit is found while it is taken out of its frames, on either side of a call.
  private func refusal(_ error: any Error) -> any Error {
    guard let error = error as? RPCError, error.code == .resourceExhausted else { return error }
    return RPCServerFault.tooLarge(error.message)
  }

  override func transmitHeaders(_ metadata: Metadata?) {
    guard let stream else { return }
    connection?.act { session throws(HTTP2Error) in
      guard metadata != nil || compresses else { return try session.respond(stream, ResponseHeaders.ok) }
      try session.respond(stream, ResponseHeaders.head(metadata ?? Metadata(), compresses: compresses))
    }
  }

  override func transmit(_ count: Int, isCompressed: Bool, _ write: (UnsafeMutableRawBufferPointer) -> Void) {
    guard let stream else { return }
    connection?.act { session throws(HTTP2Error) in
      let whole = MessageDeframer.prefixBytes + count
      try session.append(capacity: whole, to: stream) { room in
        MessageDeframer.writePrefix(count, isCompressed: isCompressed, to: room)
        write(UnsafeMutableRawBufferPointer(rebasing: room[MessageDeframer.prefixBytes..<whole]))
        return whole
      }
    }
  }

  override func transmitStatus(_ error: RPCError?, trailers: Metadata?) {
    guard let stream, let connection else { return }
    connection.act { session throws(HTTP2Error) in
      if !headersSent {
        var headers = ResponseHeaders.ok
        ResponseHeaders.status(error, trailers: trailers, to: &headers)
        try session.respond(stream, headers, endStream: true)
      } else if error == nil, trailers == nil {
        try session.finish(stream, trailers: ResponseHeaders.okTrailers)
      } else {
        var headers = HTTP2Headers()
        ResponseHeaders.status(error, trailers: trailers, to: &headers)
        try session.finish(stream, trailers: headers)
      }
    }
    connection.answered(stream)
  }

  override func end(_ status: StatusCode, httpStatus: Int?, thrown: (any Error)?) {
    super.end(status, httpStatus: httpStatus, thrown: thrown)
    holdChanged()
    askForMore()
  }

  private func holdChanged() {
    let now = isOver ? 0 : deframer.count + (handler.takesOneRequest ? 0 : inbox.bytes)
    guard now != bytesHeld else { return }
    connection?.bytesHeld += now - bytesHeld
    let isLess = now < bytesHeld
    bytesHeld = now
    guard handler.takesOneRequest else {
      if isLess { connection?.holdsLess() }
      return
    }
    if now == 0 { connection?.requestLeft(self) }
  }

  override func askForMore() {
    guard bytesUnconsumed > 0 else { return }
    let count = bytesUnconsumed
    bytesUnconsumed = 0
    guard let stream else { return }
    connection?.act { session throws(HTTP2Error) in try session.consume(stream, count) }
  }
}
