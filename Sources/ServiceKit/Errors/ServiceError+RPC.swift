package import RPC
import RPCProtos

/// How a `ServiceError` travels: as `google.rpc.ErrorInfo` and `google.rpc.BadRequest` beside the gRPC status.
private let errorDomain = "handoff"

/// How much of an error travels. Header fields of more than 8 KB are refused by most gRPC libraries, and by some with
/// the whole connection.
private enum WireBudget {
  static let metadataBytesMax = 1_300
  static let violationsBytesMax = 2_000
  static let textBytesMax = 400
}

extension ServiceError: RPCErrorConvertible {
  /// The status to send. The cause stays here. Of very many violations the first are sent, and how many more there are;
  /// of long metadata the beginning.
  package var rpcError: RPCError {
    let info = ErrorInfo(reason: reason.rawValue, domain: errorDomain, metadata: wireMetadata)
    let request = BadRequest(
      fieldViolations: wireViolations.map {
        BadRequest.FieldViolation(field: wireText($0.field), description: wireText($0.description))
      })
    do {
      var details = [try ProtoAny(packing: info)]
      if !violations.isEmpty { details.append(try ProtoAny(packing: request)) }
      return RPCError(reason.entry.code, message, details: details)
    } catch {
      preconditionFailure("strings without NUL can always be packed: \(error)")
    }
  }
}

extension ServiceError {
  private var wireViolations: [FieldViolation] {
    var shown: [FieldViolation] = []
    var bytes = 0
    for violation in violations {
      let cut = FieldViolation(
        violation.field.beginning(bytesMax: WireBudget.textBytesMax),
        violation.description.beginning(bytesMax: WireBudget.textBytesMax))
      bytes += cut.field.utf8.count + cut.description.utf8.count + 8
      guard bytes <= WireBudget.violationsBytesMax else {
        let rest = violations.count - shown.count
        return shown + [FieldViolation("", "\(rest) more \(rest == 1 ? "thing is" : "things are") wrong")]
      }
      shown.append(cut)
    }
    return shown
  }

  private var wireMetadata: [ErrorInfo.MetadataEntry] {
    let whole = metadata.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 8 }
    let valueMax = whole <= WireBudget.metadataBytesMax ? Int.max : WireBudget.metadataBytesMax / metadata.count - 40
    return metadata.sorted { $0.key < $1.key }.map {
      ErrorInfo.MetadataEntry(key: wireText($0.key), value: wireText($0.value.beginning(bytesMax: valueMax)))
    }
  }

  /// Understands what another daemon answered.
  ///
  /// A reason of the catalogue stays what it is, with message, violations and metadata, save those that concern this
  /// process as a caller: that is a fault of our configuration, and INTERNAL to whoever called us. Without a reason the
  /// status is translated: UNAVAILABLE becomes BACKEND_UNAVAILABLE, an unknown one INTERNAL.
  package init(_ error: RPCError) {
    var known: ErrorInfo?
    var request: BadRequest?
    for detail in error.details {
      // Details of other types and malformed ones say nothing to us; the status remains.
      if known == nil { known = (try? detail.unpacked(as: ErrorInfo.self)) ?? nil }
      if request == nil { request = (try? detail.unpacked(as: BadRequest.self)) ?? nil }
    }
    if let info = known, info.domain == errorDomain, let reason = Reason(rawValue: info.reason) {
      switch reason {
      case .callerUnknown, .callerNotAllowed, .internal: self.init(.internal, cause: error)
      default:
        self.init(
          reason, error.message,
          violations: (request?.fieldViolations ?? []).map { FieldViolation($0.field, $0.description) },
          metadata: Dictionary(info.metadata.map { ($0.key, $0.value) }) { first, _ in first }, cause: error)
      }
      return
    }
    switch error.code {
    case .unavailable: self.init(.backendUnavailable, cause: error)
    case .deadlineExceeded, .cancelled: self.init(.deadlineExceeded, cause: error)
    case .resourceExhausted: self.init(.tooManyRequests, cause: error)
    default: self.init(.internal, cause: error)
    }
  }

  /// Understands what a daemon answered, as ``init(_:)``; when it did not answer, it is named: `service` in the
  /// metadata.
  ///
  /// - Parameter daemon: its short name, such as `mail`.
  package init(_ error: RPCError, from daemon: String) {
    self.init(error)
    // With details, the daemon itself speaks of another one.
    guard reason == .backendUnavailable, metadata["service"] == nil, error.details.isEmpty else { return }
    message = "the \(daemon) service, which this needs, is not reachable; try later"
    metadata["service"] = daemon
  }

  /// Whatever was caught, as the error to answer with: itself, another daemon's answer, or INTERNAL.
  package init(caught error: any Error) {
    switch error {
    case let error as ServiceError: self = error
    case let error as RPCError: self.init(error)
    case is CancellationError: self.init(.deadlineExceeded, cause: error)
    default: self.init(.internal, cause: error)
    }
  }
}

extension RPCError {
  /// What a client is told of any error of a call: what it says itself, a reason for what the server refuses, and
  /// nothing of what is nobody's business.
  static func toClient(_ error: any Error) -> RPCError {
    guard let fault = error as? RPCServerFault else {
      return (error as? any RPCErrorConvertible)?.rpcError ?? ServiceError(caught: error).rpcError
    }
    switch fault {
    case .noMethod: return ServiceError(.methodNotFound).rpcError
    case .tooLarge: return ServiceError(.bodyTooLarge).rpcError
    case .malformedMessage(let error):
      return ServiceError(.requestInvalid, "the message cannot be read: \(error)").rpcError
    case .overloaded: return ServiceError(.tooManyRequests).rpcError
    case .deadlinePassed: return ServiceError(.deadlineExceeded).rpcError
    }
  }
}

/// Text without NUL, which a protobuf string of ours cannot hold.
private func wireText(_ text: String) -> String {
  text.utf8.contains(0) ? text.replacing("\0", with: "\u{fffd}") : text
}
