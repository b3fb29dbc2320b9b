/// Code that sees every call of a server: authentication, logging, metrics.
///
/// Both functions run on the call's loop, for every call, so they neither block nor allocate without need.
package protocol ServerInterceptor: Sendable {
  /// Lets a gRPC call in before its handler starts, or throws the status to answer with.
  func admit(_ call: CallContext) throws

  /// Learns how a call ended, whether it was admitted or not; called once for each call, for plain HTTP requests too.
  func finished(_ call: CallContext, _ outcome: CallOutcome)
}

extension ServerInterceptor {
  /// Lets everything in.
  package func admit(_ call: CallContext) throws {}
  /// Does nothing.
  package func finished(_ call: CallContext, _ outcome: CallOutcome) {}
}

/// How a call ended.
package struct CallOutcome: Sendable {
  /// The status sent, or CANCELLED when the client had left.
  package var status: StatusCode
  /// The status of a plain HTTP request; nil for gRPC.
  package var httpStatus: Int?
  /// What the handler threw, for logs: its text may hold more than the client was told.
  package var error: (any Error)?
  /// From the end of the request's headers to the end of the answer's hand-over to the connection.
  package var duration: Duration { .nanoseconds(Int64(clamping: nanoseconds)) }
  /// The same in nanoseconds, for those who count it.
  package var nanoseconds: UInt64
  /// Bytes of request messages.
  package var bytesReceived: Int
  /// Bytes of response messages.
  package var bytesSent: Int

  /// Makes an outcome.
  package init(
    status: StatusCode, httpStatus: Int?, error: (any Error)?, nanoseconds: UInt64, bytesReceived: Int, bytesSent: Int
  ) {
    self.status = status
    self.httpStatus = httpStatus
    self.error = error
    self.nanoseconds = nanoseconds
    self.bytesReceived = bytesReceived
    self.bytesSent = bytesSent
  }
}
