/// What is known about a ticket when an answer to it is dressed: the values of the codes, and what the choice needs.
package struct AnswerFacts: Sendable {
  package var ticketID: Int64 = 0
  package var title = ""
  /// ISO 639-1.
  package var language = ""
  package var isIssue = false
  package var isHandCreated = false
  package var isEscalated = false
  /// What the customer asked last, up to the answer.
  package var inquiry = ""
  /// 0 = unknown.
  package var customerNumber: Int64 = 0
  package var customerName = ""
  package var customerEmail = ""
  package var customerPhone = ""
  package var submissionType = ""
  package var processingType = ""
  package var groupName = ""
  package var serviceName = ""
  package var serviceLanguage = ""
  /// In the service's time zone, to the minute.
  package var createdAt = ""
  /// Empty when the service sends under the daemon's own name and address.
  package var senderName = ""
  package var senderAddress = ""

  /// What a ticket is to ``AnswerTable``.
  package var origin: TicketOrigin {
    if !isIssue { return .consultation }
    return isEscalated ? .escalatedIssue : .issue
  }
}

/// What an agent says to a customer.
package struct Answer: Sendable {
  /// The agent's text.
  package var text: String
  /// The agent's name as people know it.
  package var agentName: String
  /// In the service's time zone, to the minute.
  package var answeredAt: String
  /// The kind of layout that the act asks for, by which customers learn the state.
  package var kind: LayoutKind
}

extension AnswerText {
  /// Dresses an answer with a layout.
  ///
  /// The same facts, answer and layout make the same words, whether for a preview or for the mail.
  ///
  /// - Parameter language: the layout's, in which the state is told.
  package init(_ answer: Answer, facts: AnswerFacts, subject: String, body: String, language: String) {
    self.init(
      subject: subject, body: body,
      values: [
        .content: answer.text,
        .ticketID: String(facts.ticketID),
        .subject: facts.title,
        .inquiry: facts.inquiry,
        .customerName: facts.customerName,
        .customerID: facts.customerNumber == 0 ? "" : String(facts.customerNumber),
        .email: facts.customerEmail,
        .phone: facts.customerPhone,
        .submissionType: facts.submissionType,
        .processingType: facts.processingType,
        .agentName: answer.agentName,
        .groupName: facts.groupName,
        .serviceName: facts.serviceName,
        .createdAt: facts.createdAt,
        .answeredAt: answer.answeredAt,
        .status: StatusWords.status(after: answer.kind, language: language),
      ])
  }
}
