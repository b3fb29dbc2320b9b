import Crypto

/// By what a mail is known again when it comes in once more: its Message-ID together with its body. Some programs give
/// one Message-ID to all that they send, and who knows another's could keep that one's mail out by being first.
///
/// The Message-ID is looked for by hand: a mail is stored before anything parses it, and by then it must be known
/// whether it is there already.
enum MessageIdentity {
  /// All by which a mail is known; keyed hashes.
  struct Prints: Sendable {
    let identity: [UInt8]
    let bodyHash: [UInt8]
    /// Of the whole mail.
    let contentHash: [UInt8]
    /// What a mail from before there was a key is known by.
    var formerIdentity: [UInt8] = []
    var formerBodyHash: [UInt8] = []
  }

  /// SHA-256 of the Message-ID in a mail's header, or of the whole mail when it has none.
  static func identity(of message: [UInt8]) -> [UInt8] {
    guard let id = messageID(of: message) else { return SHA256.hash(message) }
    return identity(ofMessageID: id)
  }

  /// SHA-256 of a mail's body, without what mail servers on its way change of it: line ends, and blanks before them and
  /// at its end.
  static func bodyHash(of message: [UInt8]) -> [UInt8] {
    var hash = SHA256()
    var piece: [UInt8] = []
    // Blanks and line ends that count when something follows.
    var blanks: [UInt8] = []
    for byte in message[(MessageHead.byteCount(of: message, atMost: message.count) ?? message.count)...] {
      switch byte {
      case 0x0D: break
      case 0x20, 0x09: blanks.append(byte)
      case 0x0A:
        while let last = blanks.last, last != 0x0A { blanks.removeLast() }
        blanks.append(byte)
      default:
        if !blanks.isEmpty {
          piece += blanks
          blanks.removeAll(keepingCapacity: true)
        }
        piece.append(byte)
        guard piece.count >= pieceBytesMax else { continue }
        hash.update(piece)
        piece.removeAll(keepingCapacity: true)
      }
    }
    hash.update(piece)
    return hash.finish()
  }

  /// The identity of the mail that has this Message-ID, without angle brackets.
  static func identity(ofMessageID messageID: String) -> [UInt8] { SHA256.hash("<\(messageID)>") }

  /// A Message-ID to which an answer can refer; empty for one that would not fit into a header field as it stands.
  static func referable(_ messageID: String) -> String {
    let isFit = messageID.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3C && $0 != 0x3E }
    return isFit && messageID.utf8.count <= 250 && messageID.contains("@") ? messageID : ""
  }

  /// What stands in angle brackets in the first `Message-ID` field.
  static func messageID(of message: [UInt8]) -> String? {
    let end = MessageHead.byteCount(of: message, atMost: headBytesMax) ?? min(message.count, headBytesMax)
    var value: [UInt8]?
    for line in message[..<end].split(separator: 0x0A, omittingEmptySubsequences: true) {
      let isContinued = line.first == 0x20 || line.first == 0x09
      if isContinued {
        value?.append(contentsOf: line)
      } else if value != nil {
        break
      } else if line.count > name.count, zip(line, name).allSatisfy({ $0 | 0x20 == $1 || $0 == $1 }) {
        value = Array(line.dropFirst(name.count))
      }
      if let value, value.count > valueBytesMax { return nil }
    }
    guard let value, let start = value.firstIndex(of: UInt8(ascii: "<")),
      let stop = value[start...].firstIndex(of: UInt8(ascii: ">")), stop > start + 1
    else { return nil }
    let id = value[(start + 1)..<stop].filter { $0 > 0x20 }
    // An identifier is ASCII (RFC 5322, 3.6.4). Taken without the other bytes, different ones would be the same.
    guard !id.isEmpty, id.allSatisfy({ $0 < 0x7F }) else { return nil }
    return String(decoding: id, as: UTF8.self)
  }

  private static let name = Array("message-id:".utf8)
  private static let headBytesMax = 256 << 10
  private static let valueBytesMax = 2_000
  private static let pieceBytesMax = 64 << 10
}

extension MessageIdentity.Prints {
  /// Takes time in the length of the mail and belongs on a pool when that is large.
  init(of message: [UInt8], _ key: MailPrintKey) {
    self.init(
      identity: MessageIdentity.identity(of: message), bodyHash: MessageIdentity.bodyHash(of: message),
      content: SHA256.hash(message), key)
  }

  /// Keys the hashes of a mail, each a SHA-256.
  init(identity: [UInt8], bodyHash: [UInt8], content: [UInt8], _ key: MailPrintKey) {
    self.init(
      identity: key.keyed(identity), bodyHash: key.keyed(bodyHash), contentHash: key.keyed(content),
      formerIdentity: identity, formerBodyHash: bodyHash)
  }
}
