/// The outcome of a call, as gRPC numbers it (grpc/doc/statuscodes.md).
package enum StatusCode: Int32, Sendable, CaseIterable {
  /// The call succeeded.
  case ok = 0
  /// The caller gave up.
  case cancelled = 1
  /// An error of unknown kind, such as one that a handler threw and no table knows.
  case unknown = 2
  /// The request is wrong whatever the state of the system.
  case invalidArgument = 3
  /// Time ran out; the act may have happened.
  case deadlineExceeded = 4
  /// The named thing does not exist, or the caller may not know that it does.
  case notFound = 5
  /// What was to be created exists.
  case alreadyExists = 6
  /// The caller is known and may not do this.
  case permissionDenied = 7
  /// A quota or a limit is used up.
  case resourceExhausted = 8
  /// The state of the system does not allow this act.
  case failedPrecondition = 9
  /// A conflict with a concurrent act; read again, then retry.
  case aborted = 10
  /// A position beyond the valid range.
  case outOfRange = 11
  /// The method is not offered here.
  case unimplemented = 12
  /// A broken invariant: a defect, not the caller's fault.
  case `internal` = 13
  /// The service cannot be reached or takes no calls now; retrying may help.
  case unavailable = 14
  /// Data is lost or corrupt.
  case dataLoss = 15
  /// The caller did not prove who it is.
  case unauthenticated = 16

  /// The name in gRPC's own spelling, such as `NOT_FOUND`.
  package var name: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }
}
