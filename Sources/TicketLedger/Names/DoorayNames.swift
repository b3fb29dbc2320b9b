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
