package import RPC

/// Why a request failed: the closed list of what callers can tell apart.
///
/// The raw value travels as `google.rpc.ErrorInfo.reason` and never changes its meaning.
package enum Reason: String, Sendable, CaseIterable {
  case requestInvalid = "REQUEST_INVALID"
  case pageTokenInvalid = "PAGE_TOKEN_INVALID"
  case textRequired = "TEXT_REQUIRED"
  case reasonNotAllowed = "REASON_NOT_ALLOWED"

  case ticketNotFound = "TICKET_NOT_FOUND"
  case serviceNotFound = "SERVICE_NOT_FOUND"
  case agentNotFound = "AGENT_NOT_FOUND"
  case groupNotFound = "GROUP_NOT_FOUND"
  case entryNotFound = "ENTRY_NOT_FOUND"
  case maskNotFound = "MASK_NOT_FOUND"
  case triggerNotFound = "TRIGGER_NOT_FOUND"
  case layoutNotFound = "LAYOUT_NOT_FOUND"
  case typeNotFound = "TYPE_NOT_FOUND"
  case fieldNotFound = "FIELD_NOT_FOUND"
  case attachmentNotFound = "ATTACHMENT_NOT_FOUND"
  case templateNotFound = "TEMPLATE_NOT_FOUND"
  case batchNotFound = "BATCH_NOT_FOUND"
  case customerNotFound = "CUSTOMER_NOT_FOUND"
  case messageNotFound = "MESSAGE_NOT_FOUND"
  case mailAccountNotFound = "MAIL_ACCOUNT_NOT_FOUND"
  case resourceNotFound = "RESOURCE_NOT_FOUND"
  case methodNotFound = "METHOD_NOT_FOUND"

  case transitionNotAllowed = "TRANSITION_NOT_ALLOWED"
  case ticketAlreadyHeld = "TICKET_ALREADY_HELD"
  case agentNotAssignable = "AGENT_NOT_ASSIGNABLE"
  case groupRequired = "GROUP_REQUIRED"
  case bannedWords = "BANNED_WORDS"
  case maskOverlap = "MASK_OVERLAP"
  case securityServiceOff = "SECURITY_SERVICE_OFF"
  case detectionOff = "DETECTION_OFF"
  case maskKeyLost = "MASK_KEY_LOST"
  case doorayOff = "DOORAY_OFF"
  case doorayRefused = "DOORAY_REFUSED"
  case mailboxUnreadable = "MAILBOX_UNREADABLE"
  case inUse = "IN_USE"
  case limitReached = "LIMIT_REACHED"

  case changesNotKept = "CHANGES_NOT_KEPT"
  case readerTooSlow = "READER_TOO_SLOW"

  case staleVersion = "STALE_VERSION"
  case conflict = "CONFLICT"
  case requestIDReused = "REQUEST_ID_REUSED"
  case alreadyExists = "ALREADY_EXISTS"

  case signInFailed = "SIGN_IN_FAILED"
  case sessionExpired = "SESSION_EXPIRED"
  case credentialMissing = "CREDENTIAL_MISSING"
  case callerUnknown = "CALLER_UNKNOWN"
  case callerNotAllowed = "CALLER_NOT_ALLOWED"
  case permissionDenied = "PERMISSION_DENIED"
  case csrfTokenInvalid = "CSRF_TOKEN_INVALID"

  case tooManyAttempts = "TOO_MANY_ATTEMPTS"
  case tooManyRequests = "TOO_MANY_REQUESTS"
  case bodyTooLarge = "BODY_TOO_LARGE"

  case backendUnavailable = "BACKEND_UNAVAILABLE"
  case databaseUnavailable = "DATABASE_UNAVAILABLE"
  case deadlineExceeded = "DEADLINE_EXCEEDED"
  case unimplemented = "UNIMPLEMENTED"
  case maskDamaged = "MASK_DAMAGED"
  case `internal` = "INTERNAL"
}

/// What a caller may do after an error.
package enum RetryAdvice: String, Sendable {
  /// The same request fails again; change it, or the state of things.
  case no
  /// Read the resource again, then decide anew.
  case reread
  /// Sign in, then send the same request.
  case signIn = "sign in"
  /// Send the same request later, with growing pauses; a mutation only with a `request_id`.
  case backoff
}

/// One row of the catalogue.
package struct ErrorCatalogEntry: Sendable {
  /// The status on gRPC's side.
  package let code: StatusCode
  /// The status on HTTP's side.
  package let httpStatus: Int
  /// What a caller may do next.
  package let retry: RetryAdvice
  /// What is said when the error brings no message of its own.
  package let text: String

  fileprivate init(_ code: StatusCode, _ httpStatus: Int, _ retry: RetryAdvice, _ text: String) {
    self.code = code
    self.httpStatus = httpStatus
    self.retry = retry
    self.text = text
  }
}

extension Reason {
  /// The row of this reason: the one place that says how an error looks in gRPC and HTTP.
  ///
  /// A `switch`, so that a reason without a row does not compile.
  package var entry: ErrorCatalogEntry {
    switch self {
    case .requestInvalid: .init(.invalidArgument, 400, .no, "the request is not valid; see the field violations")
    case .pageTokenInvalid: .init(.invalidArgument, 400, .no, "the page token is not valid; begin at the first page")
    case .textRequired: .init(.invalidArgument, 400, .no, "this act needs a text; write one")
    case .reasonNotAllowed:
      .init(.invalidArgument, 400, .no, "a reason of internal resolution goes with resolve_internally only")

    case .ticketNotFound: .init(.notFound, 404, .no, "there is no such ticket in this service")
    case .serviceNotFound: .init(.notFound, 404, .no, "there is no such service, or you have no right in it")
    case .agentNotFound: .init(.notFound, 404, .no, "there is no such agent in this service")
    case .groupNotFound: .init(.notFound, 404, .no, "there is no such agent group in this service")
    case .entryNotFound: .init(.notFound, 404, .no, "the ticket has no such entry")
    case .maskNotFound: .init(.notFound, 404, .no, "there is no such mask; it may have been taken off")
    case .triggerNotFound: .init(.notFound, 404, .no, "there is no such trigger in this service")
    case .layoutNotFound: .init(.notFound, 404, .no, "there is no such mail layout in this service")
    case .typeNotFound: .init(.notFound, 404, .no, "there is no such ticket type in this service")
    case .fieldNotFound: .init(.notFound, 404, .no, "there is no such field in this service")
    case .attachmentNotFound: .init(.notFound, 404, .no, "there is no such file, or it is not yours to use")
    case .templateNotFound: .init(.notFound, 404, .no, "there is no such template in this service")
    case .batchNotFound: .init(.notFound, 404, .no, "there is no such batch in this service, or it is not yours")
    case .customerNotFound: .init(.notFound, 404, .no, "there is no such customer in this organization")
    case .messageNotFound: .init(.notFound, 404, .no, "there is no such mail")
    case .mailAccountNotFound: .init(.notFound, 404, .no, "there is no such mail account in this service")
    case .resourceNotFound: .init(.notFound, 404, .no, "there is nothing of this name")
    case .methodNotFound: .init(.unimplemented, 404, .no, "there is no such method; check the path and the HTTP method")

    case .transitionNotAllowed:
      .init(.failedPrecondition, 409, .reread, "the ticket's state does not allow this act; read the ticket again")
    case .ticketAlreadyHeld:
      .init(.failedPrecondition, 409, .reread, "another agent holds the ticket; ask them to forward it")
    case .agentNotAssignable:
      .init(.failedPrecondition, 409, .no, "the agent cannot take tickets of this service or group; choose another")
    case .groupRequired: .init(.failedPrecondition, 409, .no, "this service assigns through groups; name a group")
    case .bannedWords: .init(.failedPrecondition, 422, .no, "the text holds banned words; change it")
    case .maskOverlap: .init(.failedPrecondition, 409, .reread, "the span overlaps a mask; read the entry again")
    case .securityServiceOff:
      .init(.failedPrecondition, 409, .no, "the service does not use masking; switch it on in the settings")
    case .detectionOff:
      .init(
        .failedPrecondition, 409, .no, "the service looks for no personal data; switch detection on in its settings")
    case .maskKeyLost:
      .init(
        .failedPrecondition, 409, .no, "the key that sealed this is not there; ask the operator to put it back")
    case .doorayOff:
      .init(.failedPrecondition, 409, .no, "the service does not use Dooray! now; ask an administrator")
    case .doorayRefused: .init(.failedPrecondition, 409, .no, "Dooray! refuses this; nothing was changed")
    case .mailboxUnreadable:
      .init(.failedPrecondition, 409, .no, "the mailbox cannot be read; see the field violations")
    case .inUse: .init(.failedPrecondition, 409, .no, "other resources use this one; change them first")

    case .limitReached:
      .init(.failedPrecondition, 409, .no, "there are as many as there can be; remove some first")

    case .changesNotKept:
      .init(
        .outOfRange, 410, .reread,
        "the changes behind this one are not kept any more; load what you show anew, and watch from now on")
    case .readerTooSlow:
      .init(
        .resourceExhausted, 429, .backoff,
        "more changed than you took; watch again behind the last change that you have")

    case .staleVersion: .init(.aborted, 409, .reread, "someone changed it meanwhile; read it again, then decide")
    case .conflict: .init(.aborted, 409, .backoff, "it collided with another change; send the same request again")
    case .requestIDReused:
      .init(.alreadyExists, 409, .no, "this request_id was used for another request; make a new one")
    case .alreadyExists: .init(.alreadyExists, 409, .no, "it exists already; use or change the existing one")

    case .signInFailed: .init(.unauthenticated, 401, .no, "the sign-in name or the password is wrong")
    case .sessionExpired: .init(.unauthenticated, 401, .signIn, "the session has ended; sign in again")
    case .credentialMissing:
      .init(.unauthenticated, 401, .signIn, "the request carries no valid credential; sign in or send an API key")
    case .callerUnknown:
      .init(.unauthenticated, 401, .no, "the calling process did not prove its name; check its certificate")
    case .callerNotAllowed: .init(.permissionDenied, 403, .no, "this method is not for this caller")
    case .permissionDenied: .init(.permissionDenied, 403, .no, "you lack the right for this; ask an administrator")
    case .csrfTokenInvalid:
      .init(.permissionDenied, 403, .no, "the CSRF token does not fit the session; reload the page")

    case .tooManyAttempts: .init(.resourceExhausted, 429, .backoff, "too many attempts; wait before the next one")
    case .tooManyRequests: .init(.resourceExhausted, 429, .backoff, "too many requests; send fewer at a time")
    case .bodyTooLarge: .init(.resourceExhausted, 413, .no, "the request is too large; send less")

    case .backendUnavailable:
      .init(.unavailable, 503, .backoff, "a service that this needs is not reachable; try later")
    case .databaseUnavailable: .init(.unavailable, 503, .backoff, "the database is not reachable; try later")
    case .deadlineExceeded:
      .init(.deadlineExceeded, 504, .backoff, "time ran out; the act may have happened: read before trying again")
    case .unimplemented: .init(.unimplemented, 501, .no, "this is not offered here")
    case .maskDamaged:
      .init(.internal, 500, .no, "what was sealed here was changed and does not open; report it to the operator")
    case .internal: .init(.internal, 500, .no, "internal error; report the request id to the operator")
    }
  }
}
