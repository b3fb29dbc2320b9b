/// `services/{service}/searchSettings`.
package struct SearchSettingsName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/searchSettings"
  /// The service's code.
  package let service: String
  /// Names the search settings of a service, everybody's own.
  package init(service: String) { self.service = service }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let service = NameReader.serviceSingleton(text, "/searchSettings") else { return nil }
    self.init(service: service)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/searchSettings" }
}
