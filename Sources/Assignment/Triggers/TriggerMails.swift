import Crypto
import HandoffAPI
import Protobuf
import TicketLedger

extension TriggerMail {
  /// Takes the text in the ticket's language, else in the service's, else the first; without texts, mail has its own.
  mutating func put(_ texts: [MailText], _ ticketLanguage: String, _ serviceLanguage: String) {
    language = ticketLanguage
    let text =
      texts.first { $0.language == ticketLanguage } ?? texts.first { $0.language == serviceLanguage } ?? texts.first
    guard let text else { return }
    language = text.language
    subject = text.subject
    body = text.body
  }

  /// The mail as the outbox holds it.
  func draft(by trigger: ActiveTrigger) throws -> OutboxDraft {
    var mail = self
    mail.trigger = trigger.name.description
    mail.triggerVersion = trigger.version
    // The sender, whose domain ends the Message-ID, is mail's to choose.
    let prepared = PreparedAnswer(messageId: Hex.encode(SecureRandom.bytes(16)), triggerMail: mail)
    return OutboxDraft(.mail, payload: try prepared.serialized())
  }
}
