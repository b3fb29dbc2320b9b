import RPC
import RPCProtos
import Testing

@testable import ServiceKit

@Suite("errors on the wire")
struct ServiceErrorTests {
  struct Broken: Error {}

  @Test(
    "what a caller may see survives the way there and back",
    arguments: [
      ServiceError(.ticketNotFound),
      ServiceError(.staleVersion, "now 7", metadata: ["current_version": "7", "a": "b"]),
      ServiceError.invalid([FieldViolation("a.b", "is empty"), FieldViolation("c", "is 9; at most 8")]),
      ServiceError(.bannedWords, "낱말", metadata: ["words": "낱말"]), ServiceError(.requestIDReused),
    ])
  func roundTrip(error: ServiceError) {
    let sent = error.rpcError
    #expect(sent.code == error.reason.entry.code)
    #expect(ServiceError(sent) == error)
    #expect(ServiceError(caught: sent) == error)
    #expect(ServiceError(caught: error) == error)
  }

  @Test("the cause never travels, and NUL does not spoil an error")
  func cause() throws {
    let sent = ServiceError(.internal, cause: Broken()).rpcError
    #expect(!"\(sent)".contains("Broken"))
    let odd = ServiceError(.requestInvalid, violations: [FieldViolation("a\0b", "\0")], metadata: ["k": "\0"])
    #expect(ServiceError(odd.rpcError).violations == [FieldViolation("a\u{fffd}b", "\u{fffd}")])
  }

  @Test("of thousands of violations and long metadata a part travels that every client takes, and says so")
  func large() throws {
    let violations = (0..<5_000).map { FieldViolation("tickets[\($0)]", "is not services/{service}/tickets/{id}") }
    let error = ServiceError.invalid(violations)
    let understood = ServiceError(error.rpcError)
    let shown = understood.violations
    #expect(shown.count > 20 && Array(shown.dropLast()) == Array(violations.prefix(shown.count - 1)))
    #expect(shown.last == FieldViolation("", "\(5_001 - shown.count) more things are wrong"))
    let words = ServiceError(
      .bannedWords,
      metadata: ["words": String(repeating: "낱말\n", count: 9_000), "spans": String(repeating: "1 ", count: 9_000)])
    #expect(ServiceError(words.rpcError).metadata["words"]?.hasPrefix("낱말\n낱말") == true)
    let odd = ServiceError(
      .requestInvalid, violations: [FieldViolation(String(repeating: "가", count: 5_000), "?")],
      metadata: Dictionary(uniqueKeysWithValues: (0..<9).map { ("\($0)", String(repeating: "😈", count: 900)) }))
    for error in [error, words, odd] {
      let sent = error.rpcError
      let bytes = sent.details.reduce(0) { $0 + $1.value.count + $1.typeUrl.utf8.count + 8 }
      #expect(bytes < 3_600, "\(bytes)")
    }
  }

  @Test("details are those that any gRPC client of Google's kind understands")
  func details() throws {
    let sent = ServiceError.invalid("ticket.subject", "is empty").rpcError
    let info = try #require(try sent.details.first?.unpacked(as: ErrorInfo.self))
    #expect(info == ErrorInfo(reason: "REQUEST_INVALID", domain: "handoff"))
    let request = try #require(try sent.details.last?.unpacked(as: BadRequest.self))
    #expect(request.fieldViolations.map(\.field) == ["ticket.subject"])
  }

  @Test("a failure without a reason of ours is translated by its status; our own standing as a caller is internal")
  func foreign() {
    let rows: [(RPCError, Reason)] = [
      (RPCError(.unavailable, "connect: refused"), .backendUnavailable),
      (RPCError(.deadlineExceeded, ""), .deadlineExceeded), (RPCError(.cancelled, ""), .deadlineExceeded),
      (RPCError(.resourceExhausted, ""), .tooManyRequests), (RPCError(.unimplemented, ""), .internal),
      (RPCError(.unauthenticated, ""), .internal), (RPCError(.unknown, "secret"), .internal),
      (RPCError(.notFound, "", details: [ProtoAny(typeUrl: "x/y", value: [1])]), .internal),
      (RPCError(.notFound, "", details: [ProtoAny(typeUrl: "x/google.rpc.ErrorInfo", value: [0xff])]), .internal),
      (ServiceError(.callerUnknown).rpcError, .internal), (ServiceError(.callerNotAllowed).rpcError, .internal),
    ]
    for (error, reason) in rows {
      let understood = ServiceError(error)
      #expect(understood.reason == reason)
      #expect(!understood.message.contains("secret") && understood.cause != nil)
    }
    #expect(ServiceError(caught: Broken()).reason == .internal)
    #expect(ServiceError(caught: CancellationError()).reason == .deadlineExceeded)
  }
}
