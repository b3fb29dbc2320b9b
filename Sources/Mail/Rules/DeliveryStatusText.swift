/// The fields of a delivery report (RFC 3464, 2): groups of header fields with empty lines between them, the first
/// about the whole, each other one about a recipient.
enum DeliveryStatusText {
  static func recipients(in text: String, atMost most: Int) -> [DeliveryReport.Recipient] {
    var found: [DeliveryReport.Recipient] = []
    for group in groups(text) {
      var recipient = DeliveryReport.Recipient()
      var original = ""
      for (name, value) in group {
        switch name {
        case "final-recipient": recipient.address = address(value)
        case "original-recipient": original = address(value)
        case "action": recipient.action = value.lowercased()
        case "status": recipient.status = String(value.prefix { $0 != " " && $0 != "(" })
        case "diagnostic-code": recipient.diagnostic = String(afterType(value).prefix(500))
        default: break
        }
      }
      // The address that we wrote to, when a server forwarded the mail before it failed.
      if !original.isEmpty { recipient.address = original }
      if !recipient.address.isEmpty || !recipient.action.isEmpty { found.append(recipient) }
      if found.count == most { break }
    }
    return found
  }

  /// The Message-ID in the header of the mail that a report is about; empty when there is none.
  static func messageID(inHeaders text: String) -> String {
    let value = groups(text).first?.first { $0.name == "message-id" }?.value ?? ""
    return value.filter { $0 != "<" && $0 != ">" && $0 != " " }
  }

  /// Where replies to the mail were to go, by its header; empty when it does not say.
  static func replyTo(inHeaders text: String) -> String {
    let value = groups(text).first?.first { $0.name == "reply-to" }?.value ?? ""
    let inner = value.firstIndex(of: "<").map { value[value.index(after: $0)...].prefix { $0 != ">" } } ?? value[...]
    return inner.filter { $0 != " " }.lowercased()
  }

  private static func groups(_ text: String) -> [[(name: String, value: String)]] {
    var groups: [[(name: String, value: String)]] = []
    var group: [(name: String, value: String)] = []
    for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      if line.allSatisfy({ $0 == " " || $0 == "\t" }) {
        if !group.isEmpty { groups.append(group) }
        group = []
      } else if line.first == " " || line.first == "\t", let last = group.indices.last {
        if group[last].value.utf8.count < 2_000 { group[last].value += " " + trimmed(line) }
      } else if let colon = line.firstIndex(of: ":") {
        group.append((line[..<colon].lowercased(), trimmed(line[line.index(after: colon)...])))
      }
    }
    if !group.isEmpty { groups.append(group) }
    return groups
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text.drop { $0 == " " || $0 == "\t" }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return String(text)
  }

  /// `rfc822; kim@example.com` without its type.
  private static func address(_ value: String) -> String {
    afterType(value).filter { $0 != "<" && $0 != ">" && $0 != " " }.lowercased()
  }

  private static func afterType(_ value: String) -> String {
    guard let semicolon = value.firstIndex(of: ";") else { return value }
    return trimmed(value[value.index(after: semicolon)...])
  }
}
