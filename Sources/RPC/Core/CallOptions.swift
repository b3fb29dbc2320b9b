package import EventLoop

/// What a caller decides about one call.
package struct CallOptions: Sendable {
  /// When the caller stops waiting; travels as `grpc-timeout`.
  package var deadline: Deadline
  /// Sent with the request.
  package var metadata: Metadata
  /// Wait for a connection until the deadline instead of failing with UNAVAILABLE while there is none.
  package var waitForReady: Bool
  /// Send the requests compressed by gzip, save those of which the writer says otherwise. A server that does not know
  /// gzip answers UNIMPLEMENTED.
  package var compresses = false

  /// Makes options; every call should have a deadline.
  package init(deadline: Deadline, metadata: Metadata = Metadata(), waitForReady: Bool = false) {
    self.deadline = deadline
    self.metadata = metadata
    self.waitForReady = waitForReady
  }

  /// Options with a deadline that far from now.
  package static func timeout(_ duration: Duration) -> CallOptions { CallOptions(deadline: .after(duration)) }
}
