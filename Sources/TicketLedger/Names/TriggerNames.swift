/// `services/{service}/triggers/{id}`.
package struct TriggerName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/triggers/{id}"
  /// The service's code.
  package let service: String
  /// The trigger's id.
  package let id: TriggerID
  /// Names a trigger of a service.
  package init(service: String, id: TriggerID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/triggers/") else { return nil }
    self.init(service: service, id: TriggerID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/triggers/\(id)" }
}

/// `services/{service}/messengerHooks/{id}`.
package struct MessengerHookName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/messengerHooks/{id}"
  /// The service's code.
  package let service: String
  /// The hook's id.
  package let id: MessengerHookID
  /// Names a messenger hook of a service.
  package init(service: String, id: MessengerHookID) {
    self.service = service
    self.id = id
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let (service, id) = NameReader.serviceChild(text, "/messengerHooks/") else { return nil }
    self.init(service: service, id: MessengerHookID(id))
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/messengerHooks/\(id)" }
}

/// `services/{service}/triggerSettings`.
package struct TriggerSettingsName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/triggerSettings"
  /// The service's code.
  package let service: String
  /// Names the settings of a service's triggers.
  package init(service: String) { self.service = service }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let service = NameReader.serviceSingleton(text, "/triggerSettings") else { return nil }
    self.init(service: service)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/triggerSettings" }
}

/// `services/{service}/triggerVocabulary`.
package struct TriggerVocabularyName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/triggerVocabulary"
  /// The service's code.
  package let service: String
  /// Names what conditions of a service's triggers can look at.
  package init(service: String) { self.service = service }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    guard let service = NameReader.serviceSingleton(text, "/triggerVocabulary") else { return nil }
    self.init(service: service)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/triggerVocabulary" }
}
