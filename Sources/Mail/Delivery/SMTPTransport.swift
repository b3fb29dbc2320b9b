package import EventLoop
package import Outbound

/// Sends mails through a relay.
package struct SMTPTransport: MailTransport {
  private let client: SMTPClient

  /// Sends with a client.
  package init(client: SMTPClient) {
    self.client = client
  }

  /// Returns once the relay has answered for the mail (RFC 5321, 4.2.5).
  ///
  /// The one window in which a mail can arrive twice lies between the end of DATA and the relay's answer; the repeat
  /// carries the same Message-ID, by which most mailboxes show it once.
  package func send(_ mail: EnvelopedMail, deadline: Deadline) async throws -> String {
    let message: SMTPMessage
    do {
      message = try SMTPMessage(sender: mail.sender, recipients: mail.recipients, content: mail.content)
    } catch {
      throw DeliveryFailure(isPermanent: true, replyCode: 0, words: "the mail cannot be sent as it is: \(error)")
    }
    do {
      return try await client.send(message, deadline: deadline).description
    } catch SMTPFailure.recipientRefused(let index, let reply) {
      throw DeliveryFailure(
        isPermanent: reply.code >= 500, replyCode: reply.code, words: reply.description,
        recipient: message.recipients.indices.contains(index) ? message.recipients[index] : nil)
    } catch SMTPFailure.permanent(let reply) {
      throw DeliveryFailure(isPermanent: true, replyCode: reply.code, words: reply.description)
    } catch SMTPFailure.transient(let reason, let reply) {
      let words = reply.map { "\(reason): \($0)" } ?? reason
      throw DeliveryFailure(isPermanent: false, replyCode: reply?.code ?? 0, words: words)
    } catch is BlockingPool.Refusal {
      throw DeliveryFailure(isPermanent: false, replyCode: 0, words: "too many mails are on their way at once")
    }
  }
}
