import HandoffTestKit
import PersonalData

/// A text with the personal data in it.
struct LabelledText {
  let text: String
  /// What stands in it; nil: nothing.
  let kind: PersonalDataKind?
  let value: String
  /// For resident numbers, whether the check digit is right.
  var hasCheckDigit = true
}

/// Makes Korean and English sentences with personal data, and with numbers that only look like it.
///
/// All numbers are random, except that resident numbers have the century digits 9 and 0, which nobody living has, and
/// domains are reserved ones.
struct LabelledTexts {
  private var random: SeededGenerator

  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  private static let kinds: [PersonalDataKind] = [
    .phone, .phone, .email, .cardNumber, .businessNumber, .residentRegistrationNumber, .foreignerRegistrationNumber,
    .bankAccount, .passport, .driverLicence, .ipAddress,
  ]

  mutating func next() -> LabelledText {
    if Int.random(in: 0..<3, using: &random) == 0 { return LabelledText(text: negative(), kind: nil, value: "") }
    let kind = pick(Self.kinds)
    var (value, sentences, isChecked) = sample(kind)
    switch Int.random(in: 0..<20, using: &random) {
    case 0: value = fullwidth(value)
    case 1: value = withInvisible(value)
    default: break
    }
    var text = pick(sentences).replacing("{}", with: value)
    // People write of their orders and parcels before they say how to reach them.
    if Self.isPlain(kind), Int.random(in: 0..<4, using: &random) == 0 { text = pick(Self.things) + text }
    return LabelledText(text: text, kind: kind, value: value, hasCheckDigit: isChecked)
  }

  private static let things = [
    "주문한 상품이 안 왔어요. ", "택배 접수했는데요 ", "예약 변경 부탁드립니다\n", "My order is late. ", "송장이 없어서 ", "Tracking does not work: ",
  ]

  /// Kinds that are told by themselves, whatever stands before them.
  private static func isPlain(_ kind: PersonalDataKind) -> Bool {
    [.phone, .email, .cardNumber, .businessNumber].contains(kind)
  }

  private mutating func sample(_ kind: PersonalDataKind) -> (String, [String], Bool) {
    let usual = [
      "{} 입니다.", "제 것은 {}예요. 확인 부탁드려요.", "지난번에 {} 로 접수했어요", "It is {}, please check.",
      "You can use {} for this.", "고객님이 알려주신 {}(으)로 처리해 주세요.\n감사합니다.", "({})",
    ]
    switch kind {
    case .phone:
      let value = phone()
      let glued = value.hasPrefix("0") ? ["HP{} 입니다", "TEL{}", "담당 {}/홍길동"] : []
      return (value, usual + ["연락처: {}", "{}로 전화 주세요", "Call me at {}", "TEL {} / 오전만"] + glued, true)
    case .email: return (email(), usual + ["메일은 {}", "Mail: {}.", "{}로 보내주세요"], true)
    case .cardNumber: return (card(), usual + ["카드번호 {}", "Card {}", "결제 카드는 {}이고 할부입니다"], true)
    case .businessNumber: return (business(), usual + ["사업자등록번호 {}", "Business number {}"], true)
    case .residentRegistrationNumber, .foreignerRegistrationNumber:
      let (value, isChecked) = resident(isForeign: kind == .foreignerRegistrationNumber)
      return (value, usual + ["주민번호 {}", "생년월일과 뒷자리는 {}"], isChecked)
    case .bankAccount:
      return (account(), ["국민은행 {}", "계좌번호는 {}입니다", "환불은 신한은행 {} 로", "bank account {}"], true)
    case .passport: return (passport(), ["여권번호 {}", "passport number {}", "여권 {} 입니다"], true)
    case .driverLicence: return (licence(), ["운전면허 {}", "면허번호는 {}", "driver's licence {}"], true)
    default: return (address(), ["IP {}에서 접속", "from {} at night", "접속 주소는 {} 입니다"], true)
    }
  }

  private mutating func phone() -> String {
    let separator = pick(["-", "-", "-", ".", " ", "", " - ", "–", "/", "_", ",", "ㅡ"])
    let rest = [digits(4), digits(4)]
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return "+82\(pick([" ", "-", ""]))10\(separator)\(rest.joined(separator: separator))"
    case 1:
      let area = pick(["02", "031", "032", "051", "053", "064", "070"])
      return "\(area)\(pick(["-", "."]))\(digits(1, from: 2...9))\(digits(3, from: 0...9))-\(rest[1])"
    case 2: return "(\(pick(["02", "031", "051"]))) \(digits(1, from: 2...9))\(digits(2))-\(rest[1])"
    case 3: return "+82 (0)10-\(rest.joined(separator: "-"))"
    case 4: return "+\(pick(["1", "44", "81", "49"])) \(digits(1, from: 2...9))\(digits(2)) \(digits(3)) \(digits(4))"
    default: return "010\(separator)\(rest.joined(separator: separator))"
    }
  }

  private mutating func email() -> String {
    let name = pick(["hong", "kim.minji", "user_77", "a", "lee+shop", "sales-team", "j.smith"]) + digits(2)
    return name + "@" + pick(["example.com", "mail.example.org", "shop.example.net", "example.co.kr.test"])
  }

  private mutating func card() -> String {
    let (prefix, sizes) = pick([
      ("4000", [4, 4, 4, 4]), ("5200", [4, 4, 4, 4]), ("2223", [4, 4, 4, 4]), ("6200", [4, 4, 4, 4]),
      ("3530", [4, 4, 4, 4]), ("9410", [4, 4, 4, 4]), ("3782", [4, 6, 5]), ("6011", [4, 4, 4, 4]),
    ])
    let body = prefix + digits(sizes.reduce(0, +) - 5)
    return grouped(body + luhn(body), sizes, pick(["-", " ", "", "-"]))
  }

  private func luhn(_ body: String) -> String {
    var sum = 0
    for (index, value) in body.utf8.reversed().map({ Int($0) - 48 }).enumerated() {
      let doubled = index.isMultiple(of: 2) ? value * 2 : value
      sum += doubled > 9 ? doubled - 9 : doubled
    }
    return String((10 - sum % 10) % 10)
  }

  private mutating func business() -> String {
    let body = digits(1, from: 1...9) + digits(8)
    let values = body.utf8.map { Int($0) - 48 }
    let sum = zip([1, 3, 7, 1, 3, 7, 1, 3, 5], values).reduce(0) { $0 + $1.0 * $1.1 } + values[8] * 5 / 10
    return grouped(body + String((10 - sum % 10) % 10), [3, 2, 5], "-")
  }

  private mutating func resident(isForeign: Bool) -> (String, Bool) {
    let day = [
      Int.random(in: 0...99, using: &random), Int.random(in: 1...12, using: &random),
      Int.random(in: 1...28, using: &random),
    ].map { ($0 < 10 ? "0" : "") + String($0) }.joined()
    let century = isForeign ? digits(1, from: 5...8) : pick(["9", "0"])
    let body = day + century + digits(5)
    let values = body.utf8.map { Int($0) - 48 }
    let sum = zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5], values).reduce(0) { $0 + $1.0 * $1.1 }
    let check = ((isForeign ? 13 : 11) - sum % 11) % 10
    let isChecked = Bool.random(using: &random)
    let last = isChecked ? check : (check + Int.random(in: 1...9, using: &random)) % 10
    let value = body + String(last)
    return (value.prefix(6) + pick(["-", "-", " - "]) + value.dropFirst(6), isChecked)
  }

  private mutating func account() -> String {
    let sizes = pick([[6, 2, 6], [3, 3, 6], [3, 6, 5], [4, 3, 6], [3, 4, 4, 2]])
    return grouped(digits(1, from: 1...9) + digits(sizes.reduce(0, +) - 1), sizes, "-")
  }

  private mutating func passport() -> String {
    let letter = pick(["M", "S", "R", "G", "D"])
    return Bool.random(using: &random)
      ? letter + digits(8) : letter + digits(3) + pick(["A", "B", "K"]) + digits(4)
  }

  private mutating func licence() -> String {
    "\(Int.random(in: 11...28, using: &random))-\(digits(2))-\(digits(6))-\(digits(2))"
  }

  private mutating func address() -> String {
    if Int.random(in: 0..<4, using: &random) == 0 { return "2001:db8::" + pick(["1", "a0:7", "dead:beef"]) }
    return pick(["192.0.2.", "198.51.100.", "203.0.113."]) + String(Int.random(in: 1...254, using: &random))
  }

  /// Order and tracking numbers, dates, times, amounts, models, versions, coupons, addresses, names with an `@`.
  private mutating func negative() -> String {
    let number = Int.random(in: 0..<21, using: &random)
    switch number {
    case 0: return "주문번호 20\(digits(2))\(pick(["01", "07", "12"]))\(digits(2))-\(digits(7)) 언제 와요?"
    case 1: return "운송장 \(digits(1, from: 3...9))\(digits(11)) 조회가 안 돼요"
    case 2: return "My tracking number is \(digits(1, from: 3...9))\(digits(3)) \(digits(4)) \(digits(4))."
    case 3: return "20\(digits(2))-\(pick(["01", "11"]))-\(pick(["05", "28"])) 13:45:10에 신청했습니다"
    case 4: return "금액은 \(digits(1, from: 1...9)),\(digits(3)),\(digits(3))원이고 수량은 \(digits(2))개예요"
    case 5: return "The total was $\(digits(1, from: 1...9)),\(digits(3)).\(digits(2)) on 11/05/2024."
    case 6: return "모델명 WM-\(digits(4))-\(digits(4))A 입니다"
    case 7: return "앱 버전 \(digits(1)).\(digits(1)).\(digits(2)) 에서 오류 코드 0x\(digits(6))"
    case 8: return "쿠폰 \(pick(["AB", "ZX"]))\(digits(4))-\(digits(4))-\(digits(4)) 사용이 안 됩니다"
    case 9: return "서울시 강남구 \(digits(2))-\(digits(3)) \(digits(3))동 \(digits(4))호, 우편번호 0\(digits(4))"
    case 10: return "order #\(digits(10)) was placed twice, item \(digits(6))-\(digits(3))"
    case 11: return "상품코드 \(digits(13)) 바코드가 찍혀 있어요"
    case 12: return "대표번호 15\(digits(2))-\(digits(4))로 문의하라고 안내받았어요"
    case 13: return "주문번호 \(grouped(digits(16), [4, 4, 4, 4], "-")) 취소해 주세요"
    case 14: return "접수번호 \(unchecked()) 확인"
    case 15: return "인스타 @hong_gildong\(digits(2)) 또는 @shop.\(pick(["official", "kr"])) 로 태그했어요"
    case 16: return "20\(digits(2))0\(digits(1, from: 1...9))1\(digits(1))\(digits(4))에 결제했어요"
    case 17: return "입금액 \(digits(1, from: 1...9)),\(digits(3)),\(digits(3)),\(digits(3))원 확인 부탁드려요"
    case 18: return "20\(digits(2))/0\(digits(1, from: 1...9))/1\(digits(1)) 1\(digits(1)):30 방문"
    case 19: return "파일 IMG_20\(digits(6))_\(digits(6)).jpg 첨부합니다"
    default: return "예약 @ 매장, 길이 \(digits(3)).\(digits(1))cm, 코드 KR\(digits(11))"
    }
  }

  /// Ten digits grouped as a business number, with another last digit than its check digit.
  private mutating func unchecked() -> String {
    let valid = business()
    let last = valid.utf8.last.map { Int($0) - 48 } ?? 0
    return valid.dropLast() + String((last + Int.random(in: 1...9, using: &random)) % 10)
  }

  private mutating func pick<Value>(_ values: [Value]) -> Value {
    values[Int.random(in: 0..<values.count, using: &random)]
  }

  private mutating func digits(_ count: Int, from range: ClosedRange<Int> = 0...9) -> String {
    (0..<count).map { _ in String(Int.random(in: range, using: &random)) }.joined()
  }

  private func grouped(_ digits: String, _ sizes: [Int], _ separator: String) -> String {
    var rest = Substring(digits)
    return sizes.map { size in
      defer { rest = rest.dropFirst(size) }
      return String(rest.prefix(size))
    }.joined(separator: separator)
  }

  private func fullwidth(_ text: String) -> String {
    var view = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isPlain = scalar.isASCII && scalar != " "
      view.append(isPlain ? Unicode.Scalar(scalar.value + 0xFEE0) ?? scalar : scalar)
    }
    return String(view)
  }

  private mutating func withInvisible(_ text: String) -> String {
    var view = text.unicodeScalars
    let scalar: Unicode.Scalar = pick(["\u{200B}", "\u{2060}", "\u{AD}", "\u{3164}", "\u{202A}", "\u{FE0F}"])
    view.insert(scalar, at: view.index(view.startIndex, offsetBy: Int.random(in: 1..<view.count, using: &random)))
    return String(view)
  }
}
