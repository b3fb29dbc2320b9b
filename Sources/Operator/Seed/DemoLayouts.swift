/// The mail layouts of the demo services.
enum DemoLayouts {
  /// How one kind of answer is dressed in one language.
  struct Layout: Sendable {
    /// `RESOLVED`, `PENDING` or `MANUAL`, as in the database.
    let kind: String
    let language: String
    let subject: String
    let body: String
  }

  static let all = [
    Layout(
      kind: "RESOLVED", language: "ko", subject: "[#{serviceName}] 문의하신 내용에 답변드립니다: #{subject} (#{ticketId})",
      body: """
        #{customerName}님, 안녕하세요. 문의해 주셔서 감사합니다.

        #{content}

        답변이 도움이 되셨기를 바랍니다. 더 궁금하신 점은 이 메일에 회신해 주세요.

        #{serviceName} #{agentName} 드림 (#{answeredAt})

        ----- 문의하신 내용 (#{createdAt}) -----
        #{inquiry}
        """),
    Layout(
      kind: "PENDING", language: "ko", subject: "[#{serviceName}] 문의를 확인하고 있습니다: #{subject} (#{ticketId})",
      body: """
        #{customerName}님, 안녕하세요. 확인에 시간이 조금 더 필요하여 먼저 안내드립니다.

        #{content}

        확인되는 대로 다시 연락드리겠습니다.

        #{serviceName} #{agentName} 드림 (#{answeredAt})

        ----- 문의하신 내용 (#{createdAt}) -----
        #{inquiry}
        """),
    Layout(
      kind: "MANUAL", language: "ko", subject: "[#{serviceName}] 상담 내용을 안내드립니다: #{subject} (#{ticketId})",
      body: """
        #{customerName}님, 안녕하세요. 상담하신 내용을 안내드립니다.

        #{content}

        #{serviceName} #{agentName} 드림 (#{answeredAt})
        """),
    Layout(
      kind: "RESOLVED", language: "en",
      subject: "[#{serviceName}] Our answer to your inquiry: #{subject} (#{ticketId})",
      body: """
        Dear #{customerName},

        #{content}

        We hope this helps. If anything is left open, just reply to this mail.

        #{agentName}, #{serviceName} (#{answeredAt})

        ----- You wrote on #{createdAt} -----
        #{inquiry}
        """),
    Layout(
      kind: "PENDING", language: "en", subject: "[#{serviceName}] We are looking into it: #{subject} (#{ticketId})",
      body: """
        Dear #{customerName},

        We need a little more time and wanted to let you know where things stand.

        #{content}

        You will hear from us again as soon as we know more.

        #{agentName}, #{serviceName} (#{answeredAt})

        ----- You wrote on #{createdAt} -----
        #{inquiry}
        """),
    Layout(
      kind: "MANUAL", language: "en", subject: "[#{serviceName}] About your call: #{subject} (#{ticketId})",
      body: """
        Dear #{customerName},

        #{content}

        #{agentName}, #{serviceName} (#{answeredAt})
        """),
  ]
}
