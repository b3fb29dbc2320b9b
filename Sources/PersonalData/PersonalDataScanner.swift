/// Finds personal data in texts, in time linear in their length.
///
/// The bytes are walked once; only at a digit, an `@` or a colon does the scanner look closer, at a number of
/// characters that is bounded whatever the text.
package struct PersonalDataScanner: Sendable {
  /// What a finding needs to be masked on arrival, and to be counted as found.
  package static let confidentPercent: Int32 = 50

  private let patterns: [TextPattern]

  /// Finds what Handoff knows, and what patterns of a service describe.
  package init(patterns: [TextPattern] = []) { self.patterns = patterns }

  /// Returns the findings in the order of the text; they do not overlap. The text is canonical.
  package func findings(in text: String) -> [PersonalDataFinding] {
    var text = text
    return text.withUTF8 { bytes in
      let scanned = ScannedText(bytes: bytes)
      var found = Self.findings(scanned)
      for pattern in patterns { found = Self.merged(found, pattern.findings(in: scanned)) }
      return found.isEmpty ? [] : Self.scalars(found, bytes)
    }
  }

  /// Findings of what Handoff knows by itself.
  package static func findings(in text: String) -> [PersonalDataFinding] {
    PersonalDataScanner().findings(in: text)
  }

  // What a byte may be the beginning of.
  private static let isTrigger: [Bool] = (0...255).map { (byte: UInt8) in
    ScannedText.isDigit(byte) || byte == UInt8(ascii: "@") || byte == UInt8(ascii: ":") || byte == 0xEF
  }

  private static func findings(_ text: ScannedText) -> [ByteFinding] {
    var found: [ByteFinding] = []
    var position = 0
    // Behind the last finding: nothing is found twice.
    var floor = 0
    isTrigger.withUnsafeBufferPointer { isTrigger in
      while position < text.end {
        guard isTrigger[Int(text.bytes[position])] else {
          position += 1
          continue
        }
        let (new, next) = look(text, at: position, after: floor)
        for finding in new {
          // An address may begin before a number that was found in it.
          while let last = found.last, last.bytes.upperBound > finding.bytes.lowerBound { found.removeLast() }
          found.append(finding)
        }
        floor = found.last?.bytes.upperBound ?? 0
        position = max(next, floor, position + 1)
      }
    }
    return found
  }

  /// Looks closer at a trigger; also tells where to go on.
  private static func look(_ text: ScannedText, at position: Int, after floor: Int) -> ([ByteFinding], Int) {
    let (unit, next) = text.unit(at: position)
    switch unit {
    case UInt8(ascii: "@"):
      // The local part may hold a number that was found already.
      return (WordShapes.email(text, at: position, after: localFloor(text, position, floor)).map { [$0] } ?? [], next)
    case UInt8(ascii: ":"):
      return (WordShapes.ipv6(text, at: position, after: floor).map { [$0] } ?? [], next)
    case 0x30...0x39:
      if let passport = WordShapes.passport(text, at: position) { return ([passport], passport.bytes.upperBound) }
      let run = NumberRun(text, at: position)
      return (NumberScan(text: text, run: run).findings(), run.end)
    default: return ([], next)
    }
  }

  // A finding that reaches up to the `@` is part of the address; any other is a finding of its own.
  private static func localFloor(_ text: ScannedText, _ position: Int, _ floor: Int) -> Int {
    floor == position ? max(0, position - 64) : floor
  }

  private static func merged(_ left: [ByteFinding], _ right: [ByteFinding]) -> [ByteFinding] {
    let free = right.filter { new in !left.contains { $0.bytes.overlaps(new.bytes) } }
    return (left + free).sorted { $0.bytes.lowerBound < $1.bytes.lowerBound }
  }

  /// Bytes become scalars in one walk over the text.
  private static func scalars(_ found: [ByteFinding], _ bytes: UnsafeBufferPointer<UInt8>) -> [PersonalDataFinding] {
    var position = 0
    var scalars = 0
    func count(to end: Int) -> Int {
      while position < end {
        if bytes[position] & 0xC0 != 0x80 { scalars += 1 }
        position += 1
      }
      return scalars
    }
    return found.map { finding in
      let start = count(to: finding.bytes.lowerBound)
      let length = count(to: finding.bytes.upperBound) - start
      return PersonalDataFinding(
        kind: finding.kind, start: start, length: length, confidencePercent: finding.confidencePercent)
    }
  }
}
