/// What a key may say and see of a method that it may call without the scope of the method's own.
package struct ScopeLimit: Equatable, Sendable {
  /// Fields of the request that it leaves out, by dotted path.
  package let fieldsRefused: [String]
  /// Fields of the answer that it is shown; the others are left out.
  package let fieldsShown: Set<String>
  /// Whether the call is a customer's act, for whom the key speaks.
  package var isForCustomer = false
}

extension Scope {
  /// Methods of which a key for inquiries has a part only.
  ///
  /// It speaks for customers and reads nothing of anybody's: so it names no customer whose data the ticket would be
  /// completed with, and nobody who is to hold the ticket; and it is not told what the ticket came to be, or whether
  /// the customer was known.
  package static let limits: [String: ScopeLimit] = [
    "CreateTicket": ScopeLimit(
      fieldsRefused: ["customer.number", "group", "agent"], fieldsShown: ["name", "create_time"], isForCustomer: true),
    "AppendInquiry": ScopeLimit(fieldsRefused: [], fieldsShown: ["name", "create_time"], isForCustomer: true),
    // A key of an administrator of the organization is told of the services that they belong to, not of all there are.
    "ListServices": ScopeLimit(fieldsRefused: ["organization"], fieldsShown: ["services", "next_page_token"]),
  ]

  /// What holds for a key with these scopes; nil: the whole method is open to it.
  package static func limit(of route: Route, for scopes: Set<Scope>) -> ScopeLimit? {
    guard let limit = limits[route.method], !scopes.contains(usual(for: route)) else { return nil }
    return limit
  }
}
