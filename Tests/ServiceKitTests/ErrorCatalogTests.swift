import Foundation
import RPC
import Testing

@testable import ServiceKit

@Suite("the error catalogue")
struct ErrorCatalogTests {
  static let snapshot = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Snapshots/error_catalog.txt")

  static func table() -> String {
    Reason.allCases.map { reason in
      let entry = reason.entry
      return "\(reason.rawValue) \(entry.code.name) \(entry.httpStatus) \(entry.retry.rawValue): \(entry.text)\n"
    }.joined()
  }

  @Test("the whole table is as reviewed")
  func wholeTable() throws {
    let reviewed = try String(contentsOf: Self.snapshot, encoding: .utf8)
    #expect(
      Self.table() == reviewed,
      "if the change is meant, write the new table into \(Self.snapshot.lastPathComponent):\n\(Self.table())")
  }

  @Test("every reason is a valid ErrorInfo reason, and its HTTP status is the one of its gRPC code, save four")
  func codes() {
    let usual: [StatusCode: Int] = [
      .invalidArgument: 400, .unauthenticated: 401, .permissionDenied: 403, .notFound: 404, .failedPrecondition: 409,
      .aborted: 409, .alreadyExists: 409, .resourceExhausted: 429, .unavailable: 503, .deadlineExceeded: 504,
      .unimplemented: 501, .internal: 500,
    ]
    let own: [Reason: Int] = [.bannedWords: 422, .bodyTooLarge: 413, .methodNotFound: 404, .changesNotKept: 410]
    for reason in Reason.allCases {
      #expect(reason.rawValue.wholeMatch(of: /[A-Z][A-Z0-9_]{2,62}/) != nil)
      #expect(reason.entry.httpStatus == own[reason] ?? usual[reason.entry.code])
    }
  }

  @Test("violations are collected and reported together")
  func violations() throws {
    var check = RequestCheck()
    check.require(true, "a", "fine")
    check.require(false, "ticket.subject", "is empty; write one")
    check.require(false, "page_size", "is 5000; at most 1000")
    let error = try #require(throws: ServiceError.self) { try check.done() }
    #expect(error.reason == .requestInvalid)
    #expect(error.message == "ticket.subject: is empty; write one; page_size: is 5000; at most 1000")
    #expect(error.violations.map(\.field) == ["ticket.subject", "page_size"])
    try RequestCheck().done()
  }
}
