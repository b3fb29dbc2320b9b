import Testing

@testable import Mail

@Suite("which act mails whom, and dressed how")
struct AnswerTableTests {
  struct Expectation: Sendable {
    let act: TicketAct
    let origin: TicketOrigin
    let mailing: AnswerTable.Mailing
  }

  static let expectations: [Expectation] = {
    var all: [Expectation] = []
    for act in TicketAct.allCases {
      for origin in TicketOrigin.allCases {
        let mailing: AnswerTable.Mailing =
          switch (act, origin) {
          case (.resolve, .consultation), (.resolve, .issue): .answer(.resolved)
          case (.hold, .consultation), (.hold, .issue): .answer(.pending)
          case (.resolve, .escalatedIssue), (.hold, .escalatedIssue): .answeredElsewhere
          default: .none
          }
        all.append(Expectation(act: act, origin: origin, mailing: mailing))
      }
    }
    return all
  }()

  @Test(
    "only resolving and holding mail the customer, and never from an escalated issue ticket", arguments: expectations)
  func mailing(_ expectation: Expectation) {
    #expect(AnswerTable.mailing(expectation.act, expectation.origin) == expectation.mailing)
  }

  @Test("every act has exactly one row")
  func oneRowEach() {
    #expect(AnswerTable.rows.map(\.act.rawValue).sorted() == TicketAct.allCases.map(\.rawValue).sorted())
  }

  struct Choice: Sendable {
    let layouts: [(LayoutKind, String)]
    let kind: LayoutKind
    let isHandCreated: Bool
    let language: String
    let chosen: Int?
  }

  @Test(
    "the layout is chosen by language first, then by kind",
    arguments: [
      Choice(
        layouts: [(.resolved, "ko"), (.pending, "ko")], kind: .pending, isHandCreated: false, language: "ko",
        chosen: 1),
      Choice(
        layouts: [(.resolved, "ko"), (.resolved, "en")], kind: .resolved, isHandCreated: false, language: "en",
        chosen: 1),
      Choice(
        layouts: [(.resolved, "ko"), (.resolved, "en")], kind: .resolved, isHandCreated: false, language: "ja",
        chosen: 0),
      Choice(
        layouts: [(.resolved, "zh"), (.resolved, "en")], kind: .resolved, isHandCreated: false, language: "ja",
        chosen: 1),
      Choice(
        layouts: [(.resolved, "ko"), (.manual, "ko")], kind: .resolved, isHandCreated: true, language: "ko", chosen: 1),
      Choice(
        layouts: [(.resolved, "ko"), (.manual, "ko")], kind: .resolved, isHandCreated: false, language: "ko",
        chosen: 0),
      Choice(
        layouts: [(.pending, "ko"), (.resolved, "ko")], kind: .pending, isHandCreated: true, language: "ko", chosen: 0),
      Choice(
        layouts: [(.manual, "ko"), (.resolved, "en")], kind: .resolved, isHandCreated: true, language: "en", chosen: 1),
      Choice(
        layouts: [(.manual, "ko"), (.resolved, "ko")], kind: .resolved, isHandCreated: true, language: "en", chosen: 0),
      Choice(
        layouts: [(.pending, "ko"), (.manual, "ko")], kind: .resolved, isHandCreated: false, language: "ko", chosen: nil
      ),
      Choice(layouts: [], kind: .resolved, isHandCreated: true, language: "ko", chosen: nil),
    ])
  func choice(_ row: Choice) {
    let index = LayoutChoice.index(
      among: row.layouts.map { (kind: $0.0, language: $0.1) }, for: row.kind, isHandCreated: row.isHandCreated,
      ticketLanguage: row.language, serviceLanguage: "ko")
    #expect(index == row.chosen)
  }
}
