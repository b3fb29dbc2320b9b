/// The value of `grpc-message`: UTF-8 whose bytes outside printable ASCII, and `%`, are written as `%XX`.
enum StatusMessage {
  /// Most bytes of a text that are sent; what is longer is cut. A header list of more than 8 KB is refused by most gRPC
  /// libraries, and by some with the whole connection.
  static let bytesMax = 700
  private static let digits = Array("0123456789ABCDEF".utf8)

  static func encode(_ text: String) -> [UInt8] {
    let text = text.beginning(bytesMax: bytesMax)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for byte in text.utf8 {
      if byte >= 0x20, byte <= 0x7E, byte != UInt8(ascii: "%") {
        bytes.append(byte)
      } else {
        bytes.append(UInt8(ascii: "%"))
        bytes.append(digits[Int(byte >> 4)])
        bytes.append(digits[Int(byte & 15)])
      }
    }
    return bytes
  }

  /// Never fails: a broken escape is kept as it is, bytes that are not UTF-8 become U+FFFD.
  static func decode(_ bytes: UnsafeRawBufferPointer) -> String {
    var plain: [UInt8] = []
    plain.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let high = value(bytes[index + 1]), let low = value(bytes[index + 2])
      {
        plain.append(high << 4 | low)
        index += 3
      } else {
        plain.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: plain, as: UTF8.self)
  }

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

extension String {
  /// The text whole, or its beginning of whole scalars with `…` behind it, in at most `bytesMax` bytes of UTF-8.
  package func beginning(bytesMax: Int) -> String {
    guard utf8.count > bytesMax else { return self }
    let mark = "…"
    var text = ""
    for scalar in unicodeScalars {
      guard text.utf8.count + UTF8.width(scalar) + mark.utf8.count <= bytesMax else { break }
      text.unicodeScalars.append(scalar)
    }
    return text + mark
  }
}
