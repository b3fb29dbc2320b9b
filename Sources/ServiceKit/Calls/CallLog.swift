package import RPC

/// Logs every call once, when it has ended: what was called, by whom, how it ended and how long it took.
///
/// Failures that are ours (INTERNAL, UNKNOWN, DATA_LOSS) are errors and carry their cause, which the caller never sees.
package struct CallLog: ServerInterceptor {
  private let log: Logger

  /// Writes to `log`, whose level decides whether calls that went well are seen (info).
  package init(_ log: Logger) {
    self.log = log
  }

  /// Writes the call's one line: `rpc.finished`, or `http.finished` for a plain HTTP request.
  package func finished(_ call: CallContext, _ outcome: CallOutcome) {
    let level: LogLevel =
      switch outcome.status {
      case .internal, .unknown, .dataLoss: .error
      default: .info
      }
    if let status = outcome.httpStatus {
      log.log(level, "http.finished") {
        [
          "request_id": .string(call.requestID), "method": .string(call.method), "path": .string(pathOnly(call.path)),
          "status": .integer(Int64(status)), "duration_ms": .milliseconds(outcome.duration),
          "bytes_in": .integer(Int64(outcome.bytesReceived)), "bytes_out": .integer(Int64(outcome.bytesSent)),
          "peer": .string(call.peer), "trace": .optional(call.traceparent), "cause": cause(outcome),
        ]
      }
      return
    }
    // A plain HTTP request without an answer, because its client left, is among these.
    log.log(level, "rpc.finished") {
      [
        "request_id": .string(call.requestID), "rpc": .string(pathOnly(call.path)),
        "code": .string(outcome.status.name),
        "reason": .optional((outcome.error as? ServiceError)?.reason.rawValue), "caller": .optional(call.caller),
        "agent": .optional(call.caller == nil ? nil : call.metadata[CallMetadata.agent]),
        "duration_ms": .milliseconds(outcome.duration), "bytes_in": .integer(Int64(outcome.bytesReceived)),
        "bytes_out": .integer(Int64(outcome.bytesSent)), "peer": .string(call.peer),
        "trace": .optional(call.traceparent), "cause": cause(outcome),
      ]
    }
  }

  /// What stands behind the status, unless the status says it all.
  private func cause(_ outcome: CallOutcome) -> LogValue {
    guard let error = outcome.error else { return .none }
    if let error = error as? ServiceError { return .optional(error.cause.map { String(describing: $0) }) }
    return error is RPCError ? .none : .string(String(describing: error))
  }

  /// Queries may hold what people search for.
  private func pathOnly(_ path: String) -> String {
    String(path.prefix { $0 != "?" })
  }
}
