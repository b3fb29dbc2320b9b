import Foundation
import Testing

@testable import Mail

/// Every rule of mail that is a table, printed in full and compared with what was reviewed.
@Suite("the tables of mail")
struct MailTableTests {
  static let snapshot = URL(filePath: #filePath).deletingLastPathComponent().appending(
    path: "Snapshots/mail_tables.txt")

  static func text() -> String {
    var lines = ["What is suppressed; the first row that fits decides. *: not with a valid token."]
    lines += SuppressionTable.rows.map { row in
      "  \(row.header) \(row.test.words) -> \(row.reason.rawValue)\(row.yieldsToToken ? " *" : "")"
    }
    lines += ["", "What a report about a recipient means; the first status that fits decides."]
    lines += BounceTable.rows.map { "  \($0.status) -> \($0.kind.rawValue): \($0.meaning)" }
    lines += ["", "What says of an address that it does not exist, where no status does."]
    lines += BounceTable.addressWords.map { "  \($0)" }
    lines += ["", "What says of a mail that it is still tried."]
    lines += BounceTable.delayWords.map { "  \($0)" }
    lines += ["", "How a reply finds its ticket, the surest way first. *: enough by itself."]
    lines += Threading.Way.allCases.map { "  \($0)\($0.isProof ? " *" : "")" }
    lines += ["", "How many mails are taken for a person's."]
    lines += MailBudget.rows.map { "  \($0.scope): fewer than \($0.count) in \($0.windowSeconds) s" }
    lines += ["", "Which acts mail the customer: consultation, issue, escalated issue."]
    lines += AnswerTable.rows.map { "  \($0.act): \($0.consultation), \($0.issue), \($0.escalatedIssue)" }
    lines += ["", "Why nobody is mailed: " + SkipReason.allCases.map(\.rawValue).joined(separator: ", ")]
    lines += ["", "Codes of layouts: " + ReplacementCode.allCases.map(\.rawValue).joined(separator: ", ")]
    return lines.joined(separator: "\n") + "\n"
  }

  @Test("all of them are as reviewed")
  func tables() throws {
    if ProcessInfo.processInfo.environment["HANDOFF_UPDATE_SNAPSHOTS"] == "1" {
      try Data(Self.text().utf8).write(to: Self.snapshot)
    }
    let reviewed = try String(contentsOf: Self.snapshot, encoding: .utf8)
    #expect(
      Self.text() == reviewed,
      "look at the change, then run with HANDOFF_UPDATE_SNAPSHOTS=1:\n\(Self.text())")
  }
}

extension SuppressionTable.Test {
  fileprivate var words: String {
    switch self {
    case .present: "is there"
    case .isNot(let words): "is not \(words.joined(separator: ", "))"
    case .isOne(let words): "is \(words.joined(separator: ", "))"
    case .begins(let words): "begins with \(words.joined(separator: ", "))"
    case .holds(let words): "holds \(words.joined(separator: ", "))"
    }
  }
}
