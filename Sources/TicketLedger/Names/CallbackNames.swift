/// `services/{service}/callbacks/{id}`.
package struct CallbackName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/callbacks/{id}"
  /// The service's code.
  package let service: String
  /// The callback's id.
  package let id: Int64
  /// Names a callback of a service.
  package init(service: String, id: Int64) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/callbacks/") else { return nil }
    self.init(service: service, id: id)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/callbacks/\(id)" }
}

/// `services/{service}/callbackSettings`.
package struct CallbackSettingsName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/callbackSettings"
  /// The service's code.
  package let service: String
  /// Names the settings of a service's callbacks.
  package init(service: String) { self.service = service }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let service = NameReader.serviceSingleton(text, "/callbackSettings") else { return nil }
    self.init(service: service)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/callbackSettings" }
}
