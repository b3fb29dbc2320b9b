/// What is known about a ticket when an answer to it is dressed: the values of the codes, and the sender.
struct AnswerFacts: Sendable {
  var ticketID: Int64 = 0
  var title = ""
  /// ISO 639-1.
  var language = ""
  /// What the customer asked last, up to the answer.
  var inquiry = ""
  /// 0 = unknown.
  var customerNumber: Int64 = 0
  var customerName = ""
  var customerEmail = ""
  var customerPhone = ""
  var customerUserCode = ""
  var submissionType = ""
  var processingType = ""
  var groupName = ""
  var serviceName = ""
  /// The service's part of resource names.
  var serviceCode = ""
  /// In the service's time zone, to the minute.
  var createdAt = ""
  /// Empty when the service sends under the daemon's own name and address.
  var senderName = ""
  var senderAddress = ""
  /// The ticket's state by its name in the API.
  var state = ""
  /// What stands in the fields that the layout names, by their codes; empty in those that are not filled in.
  var fields: [String: String] = [:]
}

/// What an agent says to a customer.
struct Answer: Sendable {
  /// The agent's text.
  var text: String
  /// The agent's name as people know it.
  var agentName: String
  /// In the service's time zone, to the minute.
  var answeredAt: String
  /// The kind of layout that the act asks for, by which customers learn the state.
  var kind: LayoutKind
}

extension AnswerText {
  /// Dresses an answer with a layout.
  ///
  /// The same facts, answer and layout make the same words, whether for a preview or for the mail.
  ///
  /// - Parameter language: the layout's, in which the state is told.
  init(_ answer: Answer, facts: AnswerFacts, subject: String, body: String, language: String) {
    var values = facts.values
    values[.content] = answer.text
    values[.agentName] = answer.agentName
    values[.answeredAt] = answer.answeredAt
    values[.status] = StatusWords.status(after: answer.kind, language: language)
    self.init(subject: subject, body: body, values: values, fields: facts.fields)
  }
}

extension AnswerFacts {
  /// What the codes stand for as far as it does not depend on an answer.
  var values: [ReplacementCode: String] {
    [
      .ticketID: String(ticketID),
      .subject: title,
      .inquiry: inquiry,
      .customerName: customerName,
      .customerID: customerNumber == 0 ? "" : String(customerNumber),
      .email: customerEmail,
      .phone: customerPhone,
      .userCode: customerUserCode,
      .submissionType: submissionType,
      .processingType: processingType,
      .groupName: groupName,
      .serviceName: serviceName,
      .createdAt: createdAt,
    ]
  }
}
