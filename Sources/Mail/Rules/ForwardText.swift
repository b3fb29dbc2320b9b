/// What a trigger's forward to an address outside says when the trigger has no text of its own.
package enum ForwardText {
  /// Subject and body with replacement codes, in Korean, Japanese or, for any other language, English.
  package static func text(in language: String) -> (subject: String, body: String) {
    texts[language] ?? english
  }

  private static let texts = [
    "ko": (
      subject: "[#{serviceName}] #{subject}",
      body: """
      #{serviceName}에 접수된 문의를 전달합니다.

      티켓 번호: #{ticketId}
      접수 시각: #{createdAt}
      접수 유형: #{submissionType}
      고객: #{customerName}
      이메일: #{email}
      전화: #{phone}

      #{inquiry}
      """
    ),
    "ja": (
      subject: "[#{serviceName}] #{subject}",
      body: """
      #{serviceName}が受け付けたお問い合わせを転送します。

      チケット番号: #{ticketId}
      受付日時: #{createdAt}
      受付タイプ: #{submissionType}
      お客様: #{customerName}
      メール: #{email}
      電話: #{phone}

      #{inquiry}
      """
    ),
  ]

  private static let english = (
    subject: "[#{serviceName}] #{subject}",
    body: """
    An inquiry that #{serviceName} has received:

    Ticket: #{ticketId}
    Received: #{createdAt}
    About: #{submissionType}
    Customer: #{customerName}
    E-mail: #{email}
    Phone: #{phone}

    #{inquiry}
    """
  )
}
