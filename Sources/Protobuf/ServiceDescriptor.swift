/// A service as its proto file declares it.
package struct ServiceDescriptor: Sendable {
  /// The full name, such as `handoff.tickets.v1.TicketService`.
  package let fullName: String
  /// The methods in the order of the proto file.
  package let methods: [MethodDescriptor]

  /// Describes a service; called by generated code.
  package init(fullName: String, methods: [MethodDescriptor]) {
    self.fullName = fullName
    self.methods = methods
  }
}

/// One method of a service.
package struct MethodDescriptor: Sendable {
  /// The simple name, such as `GetTicket`.
  package let name: String
  /// The type of each request.
  package let input: MessageDescriptor
  /// The type of each response.
  package let output: MessageDescriptor
  /// Whether the client sends a stream of requests.
  package let clientStreaming: Bool
  /// Whether the server sends a stream of responses.
  package let serverStreaming: Bool
  /// Whether only the cluster's own daemons may call it, as the option `(handoff.type.v1.internal)` says.
  package let isInternal: Bool

  /// Describes a method; called by generated code.
  package init(
    name: String, input: MessageDescriptor, output: MessageDescriptor, clientStreaming: Bool, serverStreaming: Bool,
    isInternal: Bool
  ) {
    self.name = name
    self.input = input
    self.output = output
    self.clientStreaming = clientStreaming
    self.serverStreaming = serverStreaming
    self.isInternal = isInternal
  }
}
