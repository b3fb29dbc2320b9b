import Testing

/// Reports about mails that came back, in the forms that mail servers give them. `{id}` stands for the Message-ID of
/// our mail with its angle brackets, `{reply}` for the address that replies to it go to, `{to}` for whom it went to.
struct BounceForm: Sendable, CustomTestStringConvertible {
  let name: String
  let mail: String
  /// What is to be noted: kind and status; nil: nothing.
  let noted: String?

  var testDescription: String { name }

  func bytes(id: String, reply: String = "", to: String = "kim@example.com") -> [UInt8] {
    let filled = mail.replacing("{id}", with: id).replacing("{reply}", with: reply).replacing("{to}", with: to)
    return Array(filled.replacing("\n", with: "\r\n").utf8)
  }

  static func report(
    _ recipient: String, returned: String = "Content-Type: message/rfc822\n\nMessage-ID: {id}\nSubject: s\n\nwords",
    from: String = "MAILER-DAEMON@mx.example"
  ) -> String {
    """
    From: Mail Delivery System <\(from)>
    To: care@shop.example
    Subject: Undelivered Mail Returned to Sender
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status; boundary="b"

    --b
    Content-Type: text/plain

    I'm sorry to have to inform you that your message could not be delivered.
    --b
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.example

    \(recipient)
    --b
    \(returned)
    --b--

    """
  }

  static func words(_ text: String, header: String = "", from: String = "MAILER-DAEMON@mx.example") -> String {
    "From: \(from)\nTo: care@shop.example\nSubject: failure notice\n\(header)\n\(text)"
  }

  static let all: [BounceForm] = [
    BounceForm(
      name: "Postfix",
      mail: report(
        """
        Final-Recipient: rfc822; {to}
        Original-Recipient: rfc822;{to}
        Action: failed
        Status: 5.1.1
        Remote-MTA: dns; mx.example.com
        Diagnostic-Code: smtp; 550 5.1.1 <{to}>: Recipient address rejected: User unknown
        """), noted: "ADDRESS_FAILED 5.1.1"),
    BounceForm(
      name: "Postfix: no such domain",
      mail: report(
        """
        Final-Recipient: rfc822; {to}
        Action: failed
        Status: 5.4.4
        Diagnostic-Code: X-Postfix; Host or domain name not found
        """), noted: "ADDRESS_FAILED 5.4.4"),
    BounceForm(
      name: "Postfix: late",
      mail: report(
        """
        Final-Recipient: rfc822; {to}
        Action: delayed
        Status: 4.4.1
        Will-Retry-Until: Fri, 2 Jan 2026 00:00:00 +0000
        """), noted: "DELAYED 4.4.1"),
    BounceForm(
      name: "Postfix: given up",
      mail: report(
        """
        Final-Recipient: rfc822; {to}
        Action: failed
        Status: 4.4.1
        Diagnostic-Code: X-Postfix; connect to mx.example.com: Connection timed out
        """), noted: "FAILED 4.4.1"),
    BounceForm(
      name: "Postfix: delivered", mail: report("Final-Recipient: rfc822; {to}\nAction: delivered\nStatus: 2.0.0"),
      noted: nil),
    BounceForm(
      name: "Exchange with headers only",
      mail: report(
        """
        Final-Recipient: rfc822;{to}
        Action: failed
        Status: 5.1.10
        Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {to} not found
        """,
        returned: "Content-Type: text/rfc822-headers\n\nReceived: from a by b\nSubject: s\nMessage-ID:\n {id}\n",
        from: "postmaster@example.com"), noted: "ADDRESS_FAILED 5.1.10"),
    BounceForm(
      name: "Gmail: full",
      mail: report(
        """
        Final-Recipient: rfc822; {to}
        Action: failed
        Status: 5.2.2
        Diagnostic-Code: smtp; 552-5.2.2 The recipient's inbox is out of storage space.
        """), noted: "FAILED 5.2.2"),
    BounceForm(
      name: "refused as spam",
      mail: report(
        "Final-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 blocked"),
      noted: "FAILED 5.7.1"),
    BounceForm(
      name: "Exim's status says nothing, its words do",
      mail: report(
        "Final-Recipient: rfc822;{to}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 unknown"),
      noted: "ADDRESS_FAILED 5.1.1"),
    BounceForm(
      name: "no code that says anything, but words",
      mail: report(
        "Final-Recipient: rfc822;{to}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 No such user here"),
      noted: "ADDRESS_FAILED 5.0.0"),
    BounceForm(
      name: "words that do not speak of the address",
      mail: report(
        "Final-Recipient: rfc822;{to}\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 554 go away"),
      noted: "FAILED 5.0.0"),
    BounceForm(
      name: "a mail that was forwarded to somebody else's address",
      mail: report(
        "Final-Recipient: rfc822; elsewhere@other.example\nAction: failed\nStatus: 5.1.1"),
      noted: "FAILED 5.1.1"),
    BounceForm(
      name: "only the address for replies is left of our mail",
      mail: report(
        "Final-Recipient: rfc822; {to}\nAction: failed\nStatus: 5.1.1",
        returned: "Content-Type: text/rfc822-headers\n\nSubject: s\nReply-To: Care <{reply}>\n"),
      noted: "ADDRESS_FAILED 5.1.1"),
    BounceForm(
      name: "qmail",
      mail: words(
        """
        Hi. This is the qmail-send program at mx.example.
        I'm afraid I wasn't able to deliver your message to the following addresses.

        <{to}>:
        Sorry, no mailbox here by that name. (#5.1.1)

        --- Below this line is a copy of the message.

        Return-Path: <care@shop.example>
        Received: (qmail 4.7.1 invoked by uid 1); 1 Jan 2026
        Message-ID: {id}

        words
        """), noted: "ADDRESS_FAILED 5.1.1"),
    BounceForm(
      name: "Exim without a report",
      mail: words(
        """
        This message was created automatically by mail delivery software.
        A message that you sent could not be delivered to one or more of its recipients.

          {to}
            host mx.example.com [192.0.2.1]
            SMTP error from remote mail server after RCPT TO:<{to}>:
            550 5.2.1 account has been disabled

        ------ This is a copy of the message, including all the headers. ------

        Received: from shop.example
        Message-Id: {id}
        """, header: "X-Failed-Recipients: {to}\n"), noted: "ADDRESS_FAILED 5.2.1"),
    BounceForm(
      name: "Exim: late",
      mail: words(
        """
        A message that you sent has not yet been delivered to one or more of its recipients.
        The message identifier is: 1vX
        No action is required on your part. Delivery attempts will continue for some time.

        Message-Id: {id}
        """, header: "X-Failed-Recipients: {to}\n"), noted: "DELAYED "),
    BounceForm(
      name: "in Korean, with the mail attached",
      mail: """
        From: postmaster@example.com
        To: care@shop.example
        Subject: =?utf-8?B?66mU7J28IOuwnOyGoSDsi6TtjKg=?=
        MIME-Version: 1.0
        Content-Type: multipart/mixed; boundary="b"

        --b
        Content-Type: text/plain; charset=utf-8

        메일을 보내지 못했습니다. 받는 사람: {to}
        사유: 존재하지 않는 사용자입니다.
        --b
        Content-Type: message/rfc822

        Message-ID: {id}
        Subject: s

        words
        --b--

        """, noted: "ADDRESS_FAILED "),
    BounceForm(
      name: "nothing of our mail but a reference",
      mail: words("Delivery failed: 550 5.1.1 user unknown", header: "In-Reply-To: {id}\nReferences: {id}\n"),
      noted: "ADDRESS_FAILED 5.1.1"),
    BounceForm(
      name: "an automatic reply with an empty return path",
      mail: """
        From: kim@example.com
        To: care@shop.example
        Subject: vacation
        Return-Path: <>
        Auto-Submitted: auto-replied
        In-Reply-To: {id}

        I am away until 5 May. Call 550 then.
        """, noted: nil),
    BounceForm(
      name: "a complaint about spam",
      mail: """
        From: MAILER-DAEMON@example.com
        To: care@shop.example
        Subject: complaint
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=feedback-report; boundary="b"

        --b
        Content-Type: text/plain

        This is an abuse report: 550 5.1.1 user unknown
        --b
        Content-Type: message/feedback-report

        Feedback-Type: abuse
        --b
        Content-Type: message/rfc822

        Message-ID: {id}

        words
        --b--

        """, noted: nil),
    BounceForm(
      name: "nothing but friendly words",
      mail: words("Your message has been received.\n\nMessage-ID: {id}\n", from: "postmaster@example.com"), noted: nil),
  ]
}
