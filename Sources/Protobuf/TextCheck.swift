/// What keeps a run of bytes from being the value of a string field.
enum TextFault {
  case invalidUTF8
  case nul
}

/// Looks for the first byte that may not stand in a string field; nil means the text is good.
///
/// Eight bytes of ASCII at a time, since most text on the wire between services is ASCII.
func textFault(_ text: UnsafeRawPointer, count: Int) -> TextFault? {
  var index = 0
  while index < count {
    while index + 8 <= count {
      let word = text.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      // The second term has the high bit of each byte that is 0 (and of some that follow one): any bit set stops us.
      if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 != 0 { break }
      index += 8
    }
    guard index < count else { return nil }
    let lead = text.load(fromByteOffset: index, as: UInt8.self)
    if lead < 0x80 {
      if lead == 0 { return .nul }
      index += 1
    } else {
      let length = scalarLength(text + index, available: count - index, lead: lead)
      if length == 0 { return .invalidUTF8 }
      index += length
    }
  }
  return nil
}

/// The length of the well-formed multi-byte sequence at `text`, or 0 (Unicode 15, table 3-7).
private func scalarLength(_ text: UnsafeRawPointer, available: Int, lead: UInt8) -> Int {
  func byte(_ offset: Int) -> UInt8 { text.load(fromByteOffset: offset, as: UInt8.self) }
  func continues(_ offset: Int) -> Bool { byte(offset) & 0xC0 == 0x80 }
  switch lead {
  case 0xC2...0xDF:
    return available >= 2 && continues(1) ? 2 : 0
  case 0xE0...0xEF:
    guard available >= 3, continues(1), continues(2) else { return 0 }
    if lead == 0xE0 && byte(1) < 0xA0 || lead == 0xED && byte(1) > 0x9F { return 0 }
    return 3
  case 0xF0...0xF4:
    guard available >= 4, continues(1), continues(2), continues(3) else { return 0 }
    if lead == 0xF0 && byte(1) < 0x90 || lead == 0xF4 && byte(1) > 0x8F { return 0 }
    return 4
  default:
    return 0
  }
}
