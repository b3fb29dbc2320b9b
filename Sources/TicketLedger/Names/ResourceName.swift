package import ServiceKit

/// A resource name of the API as a typed value: parsed strictly, written back exactly.
///
/// Ids are decimal without a sign or leading zeros; service codes are 2 to 40 lower-case letters. Anything else, a
/// trailing slash too, is not a name.
package protocol ResourceName: Hashable, Sendable, CustomStringConvertible {
  /// The name's form, for messages: `services/{service}/tickets/{id}`.
  static var pattern: String { get }
  /// Reads the name's text; nil when it is not of the form.
  init?(_ text: String)
}

/// Reads the segments of a name from left to right.
struct NameReader {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = Substring(text).utf8 }

  var isAtEnd: Bool { rest.isEmpty }

  /// Takes a literal part such as `/tickets/`.
  mutating func take(_ literal: StaticString) -> Bool {
    let wanted = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
    guard rest.starts(with: wanted) else { return false }
    rest = rest.dropFirst(wanted.count)
    return true
  }

  mutating func serviceCode() -> String? {
    let code = rest.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
    guard (2...40).contains(code.count) else { return nil }
    rest = rest[code.endIndex...]
    return String(Substring(code))
  }

  mutating func id() -> Int64? {
    let digits = rest.prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    guard let first = digits.first, first != UInt8(ascii: "0"), digits.count <= 19,
      let value = Int64(Substring(digits))
    else { return nil }
    rest = rest[digits.endIndex...]
    return value
  }

  /// Takes a lower-case letter and up to 62 more and hyphens.
  mutating func organizationCode() -> String? {
    let code = rest.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 == UInt8(ascii: "-") }
    guard (1...63).contains(code.count), code.first != UInt8(ascii: "-") else { return nil }
    rest = rest[code.endIndex...]
    return String(Substring(code))
  }

  /// Takes 1 to 40 lower-case letters and underscores.
  mutating func word() -> String? {
    let word = rest.prefix { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 == UInt8(ascii: "_") }
    guard (1...40).contains(word.count) else { return nil }
    rest = rest[word.endIndex...]
    return String(Substring(word))
  }

  /// Takes so many lower-case hexadecimal digits.
  mutating func hexadecimal(digits count: Int) -> String? {
    let digits = rest.prefix(count)
    guard digits.count == count,
      digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    rest = rest[digits.endIndex...]
    return String(Substring(digits))
  }

  /// Reads `services/{service}`, the collection and an id, to the end.
  static func serviceChild(_ text: String, _ collection: StaticString) -> (service: String, id: Int64)? {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take(collection),
      let id = reader.id(), reader.isAtEnd
    else { return nil }
    return (service, id)
  }

  /// Reads `services/{service}` and the name of what a service has one of, to the end.
  static func serviceSingleton(_ text: String, _ literal: StaticString) -> String? {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take(literal), reader.isAtEnd else {
      return nil
    }
    return service
  }

  /// Reads a ticket's name, the collection and an id, to the end.
  static func ticketChild(_ text: String, _ collection: StaticString) -> (ticket: TicketName, id: Int64)? {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take("/tickets/"),
      let ticket = reader.id(), reader.take(collection), let id = reader.id(), reader.isAtEnd
    else { return nil }
    return (TicketName(service: service, id: TicketID(ticket)), id)
  }
}

/// `organizations/{organization}`, or `organizations/-` for the caller's own.
package struct OrganizationName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "organizations/{organization} or organizations/-"
  /// The organization's code; nil: the caller's own.
  package let code: String?
  /// Names the organization with a code.
  package init(code: String) { self.code = code }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    if text == "organizations/-" {
      code = nil
      return
    }
    var reader = NameReader(text)
    guard reader.take("organizations/"), let code = reader.organizationCode(), reader.isAtEnd else { return nil }
    self.code = code
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "organizations/\(code ?? "-")" }
}

/// `services/{service}`.
package struct ServiceName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}"
  /// The service's code.
  package let code: String
  /// Names the service with a code.
  package init(code: String) { self.code = code }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    var reader = NameReader(text)
    guard reader.take("services/"), let code = reader.serviceCode(), reader.isAtEnd else { return nil }
    self.code = code
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(code)" }
}

/// `services/{service}/tickets/{id}`.
package struct TicketName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{id}"
  /// The service's code.
  package let service: String
  /// The ticket's id.
  package let id: TicketID
  /// Names a ticket of a service.
  package init(service: String, id: TicketID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/tickets/") else { return nil }
    self.init(service: service, id: TicketID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/tickets/\(id)" }
}

/// `services/{service}/tickets/{ticket}/entries/{id}`.
package struct EntryName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{ticket}/entries/{id}"
  /// The ticket.
  package let ticket: TicketName
  /// The entry's id.
  package let id: EntryID
  /// Names an entry of a ticket.
  package init(ticket: TicketName, id: EntryID) {
    self.ticket = ticket
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (ticket, id) = NameReader.ticketChild(text, "/entries/") else { return nil }
    self.init(ticket: ticket, id: EntryID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(ticket)/entries/\(id)" }
}

/// `services/{service}/tickets/{ticket}/masks/{id}`.
package struct MaskName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{ticket}/masks/{id}"
  /// The ticket.
  package let ticket: TicketName
  /// The mask's id.
  package let id: MaskID
  /// Names a mask of a ticket.
  package init(ticket: TicketName, id: MaskID) {
    self.ticket = ticket
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (ticket, id) = NameReader.ticketChild(text, "/masks/") else { return nil }
    self.init(ticket: ticket, id: MaskID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(ticket)/masks/\(id)" }
}

/// `services/{service}/groups/{id}`.
package struct GroupName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/groups/{id}"
  /// The service's code.
  package let service: String
  /// The group's id.
  package let id: GroupID
  /// Names a group of a service.
  package init(service: String, id: GroupID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/groups/") else { return nil }
    self.init(service: service, id: GroupID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/groups/\(id)" }
}

/// `services/{service}/members/{id}`, with the agent's id.
package struct MemberName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/members/{id}"
  /// The service's code.
  package let service: String
  /// The agent's id.
  package let agent: AgentID
  /// Names an agent's membership of a service.
  package init(service: String, agent: AgentID) {
    self.service = service
    self.agent = agent
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/members/") else { return nil }
    self.init(service: service, agent: AgentID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/members/\(agent)" }
}

/// `services/{service}/submissionTypes/{id}`.
package struct SubmissionTypeName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/submissionTypes/{id}"
  /// The service's code.
  package let service: String
  /// The type's id.
  package let id: SubmissionTypeID
  /// Names a submission type of a service.
  package init(service: String, id: SubmissionTypeID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/submissionTypes/") else { return nil }
    self.init(service: service, id: SubmissionTypeID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/submissionTypes/\(id)" }
}

/// `services/{service}/processingTypes/{id}`.
package struct ProcessingTypeName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/processingTypes/{id}"
  /// The service's code.
  package let service: String
  /// The type's id.
  package let id: ProcessingTypeID
  /// Names a processing type of a service.
  package init(service: String, id: ProcessingTypeID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/processingTypes/") else { return nil }
    self.init(service: service, id: ProcessingTypeID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/processingTypes/\(id)" }
}

/// `services/{service}/fields/{id}`.
package struct FieldName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/fields/{id}"
  /// The service's code.
  package let service: String
  /// The field's id.
  package let id: FieldID
  /// Names a field of a service.
  package init(service: String, id: FieldID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/fields/") else { return nil }
    self.init(service: service, id: FieldID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/fields/\(id)" }
}

/// `services/{service}/templates/{id}`.
package struct TemplateName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/templates/{id}"
  /// The service's code.
  package let service: String
  /// The template's id.
  package let id: TemplateID
  /// Names a template of a service.
  package init(service: String, id: TemplateID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/templates/") else { return nil }
    self.init(service: service, id: TemplateID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/templates/\(id)" }
}

/// `services/{service}/batches/{id}`.
package struct BatchName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/batches/{id}"
  /// The service's code.
  package let service: String
  /// The batch's id.
  package let id: BatchID
  /// Names a batch of a service.
  package init(service: String, id: BatchID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/batches/") else { return nil }
    self.init(service: service, id: BatchID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/batches/\(id)" }
}

/// `services/{service}/attachments/{id}`.
package struct AttachmentName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/attachments/{id}"
  /// The service's code.
  package let service: String
  /// The attachment's id.
  package let id: AttachmentID
  /// Names an attachment of a service.
  package init(service: String, id: AttachmentID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/attachments/") else { return nil }
    self.init(service: service, id: AttachmentID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/attachments/\(id)" }
}

/// `agents/{id}`.
package struct AgentName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "agents/{id}"
  /// The agent's id.
  package let id: AgentID
  /// Names an agent.
  package init(id: AgentID) { self.id = id }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    var reader = NameReader(text)
    guard reader.take("agents/"), let id = reader.id(), reader.isAtEnd else { return nil }
    self.id = AgentID(rawValue: id)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "agents/\(id)" }
}
