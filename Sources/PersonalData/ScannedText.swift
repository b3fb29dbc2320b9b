/// A text's UTF-8 bytes as the scanner reads them: what looks alike is alike.
///
/// Fullwidth forms are read as the ASCII characters that they imitate, dashes and spaces of every kind as `-` and a
/// space, and characters that nobody sees are skipped.
struct ScannedText {
  /// A character as it is read: an ASCII byte, or one of the two below.
  typealias Unit = UInt8
  /// Not seen by anybody.
  static let invisible: Unit = 0
  /// Any other character than ASCII.
  static let other: Unit = 0xFF

  let bytes: UnsafeBufferPointer<UInt8>

  var end: Int { bytes.count }

  /// The character that begins at a position, and where the next one begins. The position must be inside the text.
  func unit(at position: Int) -> (unit: Unit, end: Int) {
    let lead = bytes[position]
    if lead < 0x80 { return (lead, position + 1) }
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    let end = min(position + length, bytes.count)
    guard end - position == length, length < 4 else { return (Self.other, end) }
    if length == 2 { return (Self.folded(UInt32(lead & 0x1F) << 6 | UInt32(bytes[position + 1] & 0x3F)), end) }
    let value = UInt32(lead & 0x0F) << 12 | UInt32(bytes[position + 1] & 0x3F) << 6 | UInt32(bytes[position + 2] & 0x3F)
    return (Self.folded(value), end)
  }

  /// The character that ends at a position, and where it begins; nil at the start of the text.
  func unit(before position: Int) -> (unit: Unit, start: Int)? {
    guard position > 0 else { return nil }
    var start = position - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return (unit(at: start).unit, start)
  }

  /// The nearest visible character before a position; nil when there is none.
  func visible(before position: Int) -> (unit: Unit, start: Int)? {
    var position = position
    while let found = unit(before: position) {
      guard found.unit == Self.invisible else { return found }
      position = found.start
    }
    return nil
  }

  private static func folded(_ value: UInt32) -> Unit {
    switch value {
    case 0xFF01...0xFF5E: Unit(value - 0xFF01 + 0x21)
    // Among the dashes the Korean letter, the Japanese mark and the line that people type in their place.
    case 0x2010...0x2015, 0x2212, 0x2043, 0x2500, 0x30FC, 0x3161, 0xFE63: UInt8(ascii: "-")
    case 0xA0, 0x2000...0x200A, 0x202F, 0x3000: UInt8(ascii: " ")
    case 0xB7, 0x2024, 0x30FB, 0x318D: UInt8(ascii: ".")
    case 0xAD, 0x34F, 0x200B...0x200F, 0x202A...0x202E, 0x2060...0x2069, 0x3164, 0xFE00...0xFE0F, 0xFEFF, 0xFFA0:
      invisible
    default: other
    }
  }

  static func isDigit(_ unit: Unit) -> Bool { (0x30...0x39).contains(unit) }

  static func isLetter(_ unit: Unit) -> Bool { (0x41...0x5A).contains(unit & 0xDF) }

  static func isHexDigit(_ unit: Unit) -> Bool { isDigit(unit) || (0x41...0x46).contains(unit & 0xDF) }
}
