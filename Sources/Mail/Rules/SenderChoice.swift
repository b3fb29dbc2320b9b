/// Under whose name and address mails leave.
package struct SenderChoice: Sendable {
  /// Serves services without an address of their own.
  package let fallback: MailAddress

  /// Uses an address for services that have none.
  package init(fallback: MailAddress) {
    self.fallback = fallback
  }

  /// The sender of a service's mails; without a name of its own it is known by the service's.
  package func sender(name: String, address: String, serviceName: String) -> MailAddress {
    let name = name.isEmpty ? serviceName : name
    return MailAddress(address, displayName: name)
      ?? MailAddress(fallback.address, displayName: name)
      ?? fallback
  }
}

/// Why an act that answers the customer mails nobody; raw values as in the API.
package enum SkipReason: String, CaseIterable, Sendable {
  /// The ticket has no address that a mail can be sent to.
  case noAddress = "NO_ADDRESS"
  /// Mails to the ticket's address come back, and nobody has let them go there again.
  case addressBlocked = "ADDRESS_BLOCKED"
  /// A consultation ticket waits for the answer, and its agent tells the customer.
  case escalated = "ESCALATED"
  /// A trigger's mail is for an agent or a group with nobody in it.
  case noRecipient = "NO_RECIPIENT"

  /// What stands in the place of a mail server's words.
  package var words: String {
    switch self {
    case .noAddress: "not sent: the ticket has no address that a mail can be sent to"
    case .addressBlocked: "not sent: mails to this address come back; enter another one, or unblock it first"
    case .escalated: "not sent: a consultation ticket waits for the answer, and its agent tells the customer"
    case .noRecipient: "not sent: there is nobody to get it"
    }
  }
}
