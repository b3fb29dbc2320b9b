import HandoffTestKit
import PersonalData
import Testing

/// How often a kind was found, missed and seen where it is not.
private struct Score {
  var found = 0
  var missed = 0
  var wrong = 0
  var recall: Double { found + missed == 0 ? 1 : Double(found) / Double(found + missed) }
  var precision: Double { found + wrong == 0 ? 1 : Double(found) / Double(found + wrong) }

  static func + (left: Score, right: Score) -> Score {
    Score(found: left.found + right.found, missed: left.missed + right.missed, wrong: left.wrong + right.wrong)
  }
}

@Suite("How well personal data is found")
struct DetectionQualityTests {
  private static let examplesMax = 20

  @Test("cards, business numbers, phones and e-mails are found with recall 0.99 and precision 0.97 at least")
  func quality() async {
    let count = TestScale.count(usual: 20_000, all: 100_000)
    var texts = LabelledTexts(seed: TestScale.seed)
    var scores: [String: Score] = [:]
    var examples: [String] = []
    for await _ in TestScale.rounds(usual: 20_000, all: 100_000) {
      let labelled = texts.next()
      let scalars = Array(labelled.text.unicodeScalars)
      var isFound = false
      for finding in PersonalDataScanner.findings(in: labelled.text)
      where finding.confidencePercent >= PersonalDataScanner.confidentPercent {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars[finding.start..<finding.end])
        if finding.kind == labelled.kind, String(view) == labelled.value {
          isFound = true
        } else {
          scores[finding.kind.rawValue, default: Score()].wrong += 1
          if examples.count < Self.examplesMax { examples.append("\(finding.kind) in \(labelled.text)") }
        }
      }
      guard let kind = labelled.kind else { continue }
      let isResident = kind == .residentRegistrationNumber || kind == .foreignerRegistrationNumber
      let name = kind.rawValue + (isResident ? labelled.hasCheckDigit ? " checked" : " unchecked" : "")
      if isFound { scores[name, default: Score()].found += 1 } else { scores[name, default: Score()].missed += 1 }
      if !isFound, examples.count < Self.examplesMax { examples.append("missed \(kind) in \(labelled.text)") }
    }
    print("Detection on \(count) texts, \(TestScale.place(0)):")
    for (name, score) in scores.sorted(by: { $0.key < $1.key }) where score.found + score.missed > 0 {
      // Of numbers with and without a check digit, only together can be said what was taken for one.
      let kind = name.prefix { $0 != " " }
      let whole = scores.filter { $0.key.prefix { $0 != " " } == kind }.values.reduce(Score(), +)
      let numbers = [score.recall, whole.precision].map { String(Int(($0 * 10_000).rounded())) }
      print("  \(name): recall \(numbers[0])/10000, precision \(numbers[1])/10000, \(score.found + score.missed) texts")
    }
    for kind: PersonalDataKind in [.cardNumber, .businessNumber, .phone, .email] {
      let score = scores[kind.rawValue] ?? Score()
      #expect(score.recall >= 0.99 && score.precision >= 0.97, "\(kind): \(score), such as \(examples)")
    }
  }
}
