import HandoffAPI
import Outbound
import ServiceKit
import TicketLedger

/// The results that leave Handoff: callbacks, mails and messages.
extension TriggerReader {
  private static let textsMax = 10
  private static let subjectCharactersMax = 200
  private static let bodyCharactersMax = 5000
  private static let botNameCharactersMax = 30

  mutating func callback(_ message: CallbackResult, _ field: String) -> TriggerAction? {
    guard let url = HTTPSURL(message.url) else {
      check.require(
        false, "\(field).url",
        "must be an https URL of at most \(HTTPSURL.charactersMax) visible ASCII characters, without user and fragment")
      return nil
    }
    urls.append(("\(field).url", url))
    return .callback(url)
  }

  mutating func notify(_ message: NotifyResult, _ field: String) -> TriggerAction? {
    let isKnown = (1...3).contains(message.recipient.rawValue)
    check.require(isKnown, "\(field).recipient", "must be ASSIGNEE, GROUP or CUSTOMER")
    check.require(
      !message.texts.isEmpty, "\(field).texts", "must hold 1 to \(Self.textsMax) texts, one a language")
    let texts = texts(message.texts, "\(field).texts")
    return isKnown ? .notify(message.recipient, texts: texts) : nil
  }

  mutating func forwardOutside(_ message: ForwardOutsideResult, _ field: String) -> TriggerAction? {
    let address = check.value("\(field).address") { () throws(ServiceError) in
      try EmailAddress.checked(message.address, field: "\(field).address")
    }
    let texts = texts(message.texts, "\(field).texts")
    return address.map { .forwardOutside(address: $0, completes: message.complete, texts: texts) }
  }

  mutating func messenger(_ message: MessengerResult, _ field: String) -> TriggerAction? {
    let hook: MessengerHookName? = name(message.hook, "\(field).hook")
    if let hook {
      check.require(hook.service == service, "\(field).hook", "is not a messenger hook of this service")
      if hook.service == service { references.append(("\(field).hook", .messengerHook(hook.id))) }
    }
    let botName = check.value("\(field).bot_name") { () throws(ServiceError) in
      try CanonicalText.line(
        message.botName, field: "\(field).bot_name", charactersMax: Self.botNameCharactersMax, mayBeBlank: true)
    }
    let path = "\(field).text"
    let text = check.value(path) { () throws(ServiceError) in
      try CanonicalText.text(message.text, field: path, charactersMax: Self.bodyCharactersMax)
    }
    guard let hook, let botName, let text else { return nil }
    for code in TemplateText(text, value: { _ in nil }).unknownCodes where TemplateCode(rawValue: code) == nil {
      if code.hasPrefix(TemplateText.fieldPrefix) {
        references.append((path, .fieldCode(String(code.dropFirst(TemplateText.fieldPrefix.count)))))
      } else {
        check.require(false, path, "holds the code #{\(code)}, which means nothing")
      }
    }
    return .messenger(hook.id, botName: botName, text: text)
  }

  /// The texts in canonical form; those that are wrong are left out.
  private mutating func texts(_ messages: [MailText], _ field: String) -> [MailText] {
    check.require(messages.count <= Self.textsMax, field, "must hold at most \(Self.textsMax) texts, one a language")
    var texts: [MailText] = []
    for (index, message) in messages.prefix(Self.textsMax).enumerated() {
      let path = "\(field)[\(index)]"
      let isCode = CanonicalText.isLanguage(message.language)
      check.require(isCode, "\(path).language", "must be an ISO 639-1 code such as ko")
      let isNew = !texts.contains { $0.language == message.language }
      check.require(isNew, "\(path).language", "has a text already")
      let subject = check.value("\(path).subject") { () throws(ServiceError) in
        try CanonicalText.line(
          message.subject, field: "\(path).subject", charactersMax: Self.subjectCharactersMax)
      }
      let body = check.value("\(path).body") { () throws(ServiceError) in
        try CanonicalText.text(message.body, field: "\(path).body", charactersMax: Self.bodyCharactersMax)
      }
      guard let subject, let body, isCode, isNew else { continue }
      texts.append(MailText(language: message.language, subject: subject, body: body))
    }
    return texts
  }
}
