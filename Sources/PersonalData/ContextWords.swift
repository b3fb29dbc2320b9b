/// Words near a number that tell what it is.
enum ContextWords: Int, CaseIterable, Sendable {
  case bank, passport, licence, business, phone, resident, card
  /// Words of numbers that belong to a thing and not to a person.
  case thing

  /// Bytes before a number in which its words are looked for: about 20 Korean characters.
  static let bytesBefore = 60
  /// Bytes behind a number.
  static let bytesBehind = 24

  /// In lower case.
  var words: [StaticString] {
    switch self {
    case .bank:
      [
        "은행", "계좌", "뱅크", "농협", "수협", "신협", "새마을금고", "국민", "신한", "기업", "우체국", "토스", "카카오",
        "입금", "예금주", "송금", "이체", "bank", "account", "acct",
      ]
    case .passport: ["여권", "passport"]
    case .licence: ["면허", "licence", "license"]
    case .business: ["사업자", "법인", "business", "biz", "brn"]
    case .phone: ["전화", "연락처", "번호는", "휴대", "핸드폰", "문자", "phone", "tel", "mobile", "call", "cell"]
    case .card: ["카드", "card"]
    case .resident: ["주민", "등록번호", "외국인", "생년", "resident", "ssn"]
    case .thing:
      [
        "주문", "송장", "운송장", "택배", "접수", "예약", "상품", "모델", "시리얼", "일련", "쿠폰", "거래", "승인", "바코드", "품번",
        "order", "tracking", "invoice", "parcel", "serial", "sku", "item", "ref", "coupon", "barcode", "model",
        "version", "버전",
      ]
    }
  }

  /// Whether one of the words stands near a number. Bounded by a constant, whatever the text.
  func stand(
    near range: Range<Int>, in text: ScannedText, behindToo: Bool = false, within before: Int = Self.bytesBefore
  ) -> Bool {
    var start = max(0, range.lowerBound - before)
    // An order in the sentence before says nothing of a number in this one.
    if self == .thing { start = Self.sentenceStart(in: start..<range.lowerBound, text) }
    if stand(in: start..<range.lowerBound, text) { return true }
    return behindToo && stand(in: range.upperBound..<min(text.end, range.upperBound + Self.bytesBehind), text)
  }

  /// Where the last sentence of a range begins.
  private static func sentenceStart(in range: Range<Int>, _ text: ScannedText) -> Int {
    var position = range.upperBound - 1
    while position > range.lowerBound {
      switch text.bytes[position - 1] {
      case UInt8(ascii: "\n"), UInt8(ascii: "!"), UInt8(ascii: "?"): return position
      case UInt8(ascii: ".") where text.bytes[position] == UInt8(ascii: " "): return position
      default: position -= 1
      }
    }
    return range.lowerBound
  }

  private static let wordsByCase = allCases.map(\.words)

  private func stand(in range: Range<Int>, _ text: ScannedText) -> Bool {
    Self.wordsByCase[rawValue].contains { word in
      let count = word.utf8CodeUnitCount
      guard range.count >= count else { return false }
      let start = word.utf8Start
      return (range.lowerBound...(range.upperBound - count)).contains { position in
        for offset in 0..<count where Self.lowered(text.bytes[position + offset]) != start[offset] { return false }
        return true
      }
    }
  }

  private static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
}
