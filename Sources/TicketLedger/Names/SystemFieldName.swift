/// `services/{service}/systemFields/{code}`.
package struct SystemFieldName: ResourceName {
  /// The form that is read and written, for messages.
  package static let pattern = "services/{service}/systemFields/{code}"
  /// The service's code.
  package let service: String
  /// The field's code, of lower-case letters and `_`; whether there is such a field is not known here.
  package let code: String
  /// Names a field that every ticket of a service has.
  package init(service: String, code: String) {
    self.service = service
    self.code = code
  }
  /// Reads a name of exactly this form; nil for any other text.
  package init?(_ text: String) {
    var reader = NameReader(text)
    guard reader.take("services/"), let service = reader.serviceCode(), reader.take("/systemFields/"),
      let code = reader.word(), reader.isAtEnd
    else { return nil }
    self.init(service: service, code: code)
  }
  /// The name as the API writes it; reading it gives an equal value.
  package var description: String { "services/\(service)/systemFields/\(code)" }
}
