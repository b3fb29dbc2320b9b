import Testing

@testable import Tickets

@Suite struct FieldRulesTests {
  private static func field(_ kind: FieldKind, required: Bool = false, lengthMax: Int = 0) -> FieldRule {
    FieldRule(
      code: "f", kind: kind, isRequired: required, lengthMax: lengthMax,
      options: kind.hasOptions ? ["가", "나", "다"] : [])
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let kind: FieldKind
    let values: [String]
    let result: String?
    let rule: FieldProblem.Rule?
    var required = false
    var lengthMax = 0
    var testDescription: String { "\(kind) \(values)" }
  }

  private static func good(_ kind: FieldKind, _ values: [String], _ stored: String) -> Case {
    Case(kind: kind, values: values, result: stored, rule: nil)
  }
  private static func bad(_ kind: FieldKind, _ values: [String], _ rule: FieldProblem.Rule = .invalid) -> Case {
    Case(kind: kind, values: values, result: nil, rule: rule)
  }

  static let cases: [Case] = [
    good(.text, ["한 줄"], "한 줄"), good(.text, [], ""), good(.text, [""], ""),
    bad(.text, ["두\n줄"]), bad(.text, ["a", "b"], .length), bad(.text, [String(repeating: "가", count: 1001)], .length),
    Case(kind: .text, values: ["가나다"], result: nil, rule: .length, lengthMax: 2),
    Case(kind: .text, values: ["가나"], result: "가나", rule: nil, lengthMax: 2),
    good(.textarea, ["두\n줄"], "두\n줄"), bad(.textarea, [String(repeating: "x", count: 5001)], .length),
    good(.checkbox, ["다", "가"], "가\n다"), bad(.checkbox, ["라"]), bad(.checkbox, ["가", "가"]),
    good(.dropdown, ["나"], "나"), bad(.dropdown, ["라"]), bad(.dropdown, ["가", "나"], .length),
    good(.radio, ["가"], "가"), bad(.radio, ["가 "]),
    good(.date, ["2024-02-29"], "2024-02-29"), bad(.date, ["2023-02-29"]), bad(.date, ["2024-13-01"]),
    bad(.date, ["24-01-01"]), bad(.date, ["2024/01/01"]), bad(.date, ["2024-01-00"]), bad(.date, ["0000-01-01"]),
    bad(.date, ["１２３４-01-01"]),
    good(.datetime, ["2026-01-31 09:30"], "2026-01-31 09:30"), bad(.datetime, ["2026-01-31 24:00"]),
    bad(.datetime, ["2026-01-31T09:30"]), bad(.datetime, ["2026-01-31 09:60"]), bad(.datetime, ["2026-01-31"]),
    good(.datePeriod, ["2026-01-01 ~ 2026-01-01"], "2026-01-01 ~ 2026-01-01"),
    bad(.datePeriod, ["2026-01-02 ~ 2026-01-01"]), bad(.datePeriod, ["2026-01-01~2026-01-02"]),
    bad(.datePeriod, ["2026-01-01 ~ 2026-01-02 ~ 2026-01-03"]),
    good(.datetimePeriod, ["2026-01-01 09:30 ~ 2026-01-31 18:00"], "2026-01-01 09:30 ~ 2026-01-31 18:00"),
    bad(.datetimePeriod, ["2026-01-01 ~ 2026-01-31"]), bad(.datetimePeriod, ["2026-01-01 10:00 ~ 2026-01-01 09:00"]),
    good(.agree, ["true"], "true"), good(.agree, ["false"], "false"), bad(.agree, ["yes"]),
    Case(kind: .agree, values: ["false"], result: nil, rule: .invalid, required: true),
    bad(.caption, ["x"]), good(.caption, [], ""),
    bad(.file, ["a", "b", "c", "d", "e", "f"], .length), bad(.file, ["a", "a"]),
  ]

  @Test("each kind of field takes what it should and says what is wrong with the rest", arguments: cases)
  func values(_ row: Case) {
    let field = Self.field(row.kind, required: row.required, lengthMax: row.lengthMax)
    do throws(FieldProblem) {
      let stored = try FieldRules.stored(row.values, in: field)
      #expect(stored == row.result)
      #expect(FieldRules.values(stored, of: row.kind).joined(separator: "\n") == stored)
    } catch {
      #expect(error.rule == row.rule && !error.text.isEmpty)
    }
  }

  @Test("every kind has rows above")
  func complete() {
    #expect(Set(Self.cases.map(\.kind)) == Set(FieldKind.allCases))
  }
}
