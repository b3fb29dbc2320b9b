/// `services/{service}/mailLayouts/{id}`.
package struct MailLayoutName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/mailLayouts/{id}"
  /// The service's code.
  package let service: String
  /// The layout's id.
  package let id: Int64
  /// Names a mail layout of a service.
  package init(service: String, id: Int64) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/mailLayouts/") else { return nil }
    self.init(service: service, id: id)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/mailLayouts/\(id)" }
}

/// `services/{service}/mailMessages/{id}`.
package struct MailMessageName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/mailMessages/{id}"
  /// The service's code.
  package let service: String
  /// The message's id.
  package let id: Int64
  /// Names a mail message of a service.
  package init(service: String, id: Int64) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/mailMessages/") else { return nil }
    self.init(service: service, id: id)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/mailMessages/\(id)" }
}

/// `services/{service}/inboundMails/{id}`.
package struct InboundMailName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/inboundMails/{id}"
  /// The service's code.
  package let service: String
  /// The mail's id.
  package let id: Int64
  /// Names a mail that came in for a service.
  package init(service: String, id: Int64) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/inboundMails/") else { return nil }
    self.init(service: service, id: id)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/inboundMails/\(id)" }
}

/// `services/{service}/tickets/{ticket}/customerAddress`.
package struct CustomerAddressName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{ticket}/customerAddress"
  /// The ticket.
  package let ticket: TicketName
  /// Names the address of a ticket's customer.
  package init(ticket: TicketName) { self.ticket = ticket }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard text.hasSuffix(Self.ending), let ticket = TicketName(String(text.dropLast(Self.ending.count))) else {
      return nil
    }
    self.ticket = ticket
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(ticket)\(Self.ending)" }

  private static let ending = "/customerAddress"
}

/// `services/{service}/mailAccounts/{id}`; the id of the representative address is the word `representative`.
package struct MailAccountName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/mailAccounts/{id}"
  /// The id of every service's representative address.
  package static let representativeID: Int64 = 0
  private static let representative = "/mailAccounts/representative"
  /// The service's code.
  package let service: String
  /// The account's id.
  package let id: Int64
  /// Names a way by which mails come in for a service.
  package init(service: String, id: Int64) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    if let service = NameReader.serviceSingleton(text, "/mailAccounts/representative") {
      self.init(service: service, id: Self.representativeID)
    } else if let (service, id) = NameReader.serviceChild(text, "/mailAccounts/") {
      self.init(service: service, id: id)
    } else {
      return nil
    }
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String {
    id == Self.representativeID
      ? "services/\(service)\(Self.representative)" : "services/\(service)/mailAccounts/\(id)"
  }
}
