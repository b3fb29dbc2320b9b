/// Personal data that does not begin with a digit: addresses of mail and of machines, and passports.
enum WordShapes {
  private static let localUnitsMax = 64
  private static let domainUnitsMax = 255

  /// An e-mail address around the `@` at a position, as people write it in a text; quoted local parts are left out on
  /// purpose. Looks back no further than `floor`.
  static func email(_ text: ScannedText, at position: Int, after floor: Int) -> ByteFinding? {
    var start = position
    var startsWithDot = false
    for _ in 0..<localUnitsMax {
      guard start > floor, let (unit, next) = text.unit(before: start), isLocal(unit) else { break }
      // A zero-width character before the address is none of it.
      if unit == ScannedText.invisible, text.visible(before: next).map({ !isLocal($0.unit) }) ?? true { break }
      start = next
    }
    while start < position, text.unit(at: start).unit == UInt8(ascii: ".") {
      start = text.unit(at: start).end
      startsWithDot = true
    }
    guard start < position, let end = domainEnd(text, text.unit(at: position).end) else { return nil }
    return ByteFinding(kind: .email, bytes: start..<end, confidencePercent: startsWithDot ? 90 : 98)
  }

  /// Where the domain that begins at a position ends; nil when it is none: it needs a dot, and letters behind the last
  /// one.
  private static func domainEnd(_ text: ScannedText, _ start: Int) -> Int? {
    var position = start
    var end: Int?
    var lettersSinceDot = 0
    var labels = 0
    for _ in 0..<domainUnitsMax {
      guard position < text.end else { break }
      let (unit, next) = text.unit(at: position)
      if unit == UInt8(ascii: ".") {
        guard position > start, lettersSinceDot >= 0 else { break }
        labels += 1
        lettersSinceDot = 0
      } else if ScannedText.isLetter(unit) {
        lettersSinceDot += 1
        if labels > 0, lettersSinceDot > 1 { end = next }
      } else if ScannedText.isDigit(unit) {
        if labels > 0, lettersSinceDot > 1 { end = next }
        lettersSinceDot += 0
      } else if unit != UInt8(ascii: "-"), unit != ScannedText.invisible {
        break
      }
      position = next
    }
    return end
  }

  private static func isLocal(_ unit: ScannedText.Unit) -> Bool {
    switch unit {
    case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "-"),
      ScannedText.invisible:
      true
    default: ScannedText.isLetter(unit) || ScannedText.isDigit(unit)
    }
  }

  /// What the numbers of Korean passports begin with.
  private static func isPassportLetter(_ letter: UInt8) -> Bool {
    switch letter {
    case UInt8(ascii: "M"), UInt8(ascii: "S"), UInt8(ascii: "R"), UInt8(ascii: "G"), UInt8(ascii: "D"),
      UInt8(ascii: "O"):
      true
    default: false
    }
  }

  /// A Korean passport whose first digit stands at a position: `M12345678`, since 2021 `M123A4567`.
  static func passport(_ text: ScannedText, at position: Int) -> ByteFinding? {
    guard let (letter, start) = text.visible(before: position), isPassportLetter(letter & 0xDF),
      !isWord(text.visible(before: start)?.unit ?? ScannedText.invisible)
    else { return nil }
    var end = position
    var pattern = ""
    while end < text.end, pattern.utf8.count < 10 {
      let (unit, next) = text.unit(at: end)
      if ScannedText.isDigit(unit) {
        pattern += "9"
      } else if ScannedText.isLetter(unit) {
        pattern += "A"
      } else if unit != ScannedText.invisible {
        break
      }
      end = next
    }
    guard pattern == "99999999" || pattern == "999A9999" else { return nil }
    let isNamed = ContextWords.passport.stand(near: start..<end, in: text)
    let isThing = !isNamed && ContextWords.thing.stand(near: start..<end, in: text)
    return ByteFinding(
      kind: .passport, bytes: start..<end,
      confidencePercent: isNamed ? 95 : isThing ? 20 : pattern == "999A9999" ? 80 : 60)
  }

  /// An IPv6 address around the colon at a position: eight groups, or fewer with `::`.
  static func ipv6(_ text: ScannedText, at position: Int, after floor: Int) -> ByteFinding? {
    var start = position
    for _ in 0..<4 {
      guard start > floor, let (unit, next) = text.unit(before: start), ScannedText.isHexDigit(unit) else { break }
      start = next
    }
    if start > floor, let before = text.unit(before: start), isWord(before.unit) || before.unit == UInt8(ascii: ":") {
      return nil
    }
    var end = start
    var groups = 0
    var digits = 0
    var isShortened = false
    var colons = 0
    scan: while end < text.end, groups <= 8 {
      let (unit, next) = text.unit(at: end)
      switch unit {
      case UInt8(ascii: ":"):
        colons += 1
        if colons == 2 {
          guard !isShortened else { return nil }
          isShortened = true
        } else if colons > 2 {
          return nil
        }
        digits = 0
      case _ where ScannedText.isHexDigit(unit):
        if digits == 0 { groups += 1 }
        digits += 1
        colons = 0
        guard digits <= 4 else { return nil }
      default: break scan
      }
      end = next
    }
    guard colons == 0, groups == 8 || isShortened && (3...7).contains(groups),
      end >= text.end || !isWord(text.unit(at: end).unit)
    else { return nil }
    return ByteFinding(kind: .ipAddress, bytes: start..<end, confidencePercent: 90)
  }

  private static func isWord(_ unit: ScannedText.Unit) -> Bool {
    ScannedText.isDigit(unit) || ScannedText.isLetter(unit) || unit == UInt8(ascii: "_")
  }
}
