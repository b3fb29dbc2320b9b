package import ServiceKit

/// `services/{service}/dooraySettings`.
package struct DooraySettingsName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/dooraySettings"
  /// The service's code.
  package let service: String
  /// Names the settings of a service's Dooray!.
  package init(service: String) { self.service = service }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let service = NameReader.serviceSingleton(text, "/dooraySettings") else { return nil }
    self.init(service: service)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/dooraySettings" }
}

/// `services/{service}/doorayOrganizations/{id}`.
package struct DoorayOrganizationName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/doorayOrganizations/{id}"
  /// The service's code.
  package let service: String
  /// The organization's id.
  package let id: DoorayOrganizationID
  /// Names an organization of a service.
  package init(service: String, id: DoorayOrganizationID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/doorayOrganizations/") else { return nil }
    self.init(service: service, id: DoorayOrganizationID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/doorayOrganizations/\(id)" }
}

/// `services/{service}/doorayProjects/{id}`.
package struct DoorayProjectName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/doorayProjects/{id}"
  /// The service's code.
  package let service: String
  /// The project's id.
  package let id: DoorayProjectID
  /// Names a project of a service.
  package init(service: String, id: DoorayProjectID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/doorayProjects/") else { return nil }
    self.init(service: service, id: DoorayProjectID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/doorayProjects/\(id)" }
}

/// `services/{service}/doorayOrganizations/{organization}/userKeys/{agent}`.
package struct DoorayUserKeyName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/doorayOrganizations/{organization}/userKeys/{agent}"
  /// The organization.
  package let organization: DoorayOrganizationName
  /// Whose key it is.
  package let agent: AgentID
  /// Names an agent's key to an organization.
  package init(organization: DoorayOrganizationName, agent: AgentID) {
    self.organization = organization
    self.agent = agent
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take("/doorayOrganizations/"),
      let organization = reader.id(), reader.take("/userKeys/"), let agent = reader.id(), reader.isAtEnd
    else { return nil }
    self.init(
      organization: DoorayOrganizationName(service: service, id: DoorayOrganizationID(organization)),
      agent: AgentID(agent))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(organization)/userKeys/\(agent)" }
}

/// `services/{service}/tickets/{ticket}/doorayTasks/{id}`.
package struct DoorayTaskName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{ticket}/doorayTasks/{id}"
  /// The ticket.
  package let ticket: TicketName
  /// The task's id in Handoff.
  package let id: DoorayTaskID
  /// Names a task of a ticket.
  package init(ticket: TicketName, id: DoorayTaskID) {
    self.ticket = ticket
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (ticket, id) = NameReader.ticketChild(text, "/doorayTasks/") else { return nil }
    self.init(ticket: ticket, id: DoorayTaskID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(ticket)/doorayTasks/\(id)" }
}

/// `services/{service}/doorayHooks/{key}`.
package struct DoorayHookName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/doorayHooks/{key}"
  /// The service's code.
  package let service: String
  /// What only Dooray! and the service's administrators know: 32 hexadecimal digits.
  package let key: String
  /// Names the hook of a service.
  package init(service: String, key: String) {
    self.service = service
    self.key = key
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take("/doorayHooks/"),
      let key = reader.hexadecimal(digits: 32), reader.isAtEnd
    else { return nil }
    self.init(service: service, key: key)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/doorayHooks/\(key)" }
}

/// `services/{service}/tickets/{ticket}/doorayComments/{id}`.
package struct DoorayCommentName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/tickets/{ticket}/doorayComments/{id}"
  /// The ticket.
  package let ticket: TicketName
  /// The comment's id in Handoff.
  package let id: DoorayCommentID
  /// Names a comment on a task of a ticket.
  package init(ticket: TicketName, id: DoorayCommentID) {
    self.ticket = ticket
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (ticket, id) = NameReader.ticketChild(text, "/doorayComments/") else { return nil }
    self.init(ticket: ticket, id: DoorayCommentID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "\(ticket)/doorayComments/\(id)" }
}
