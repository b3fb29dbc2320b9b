/// A mail's words: subject, plain text, and the HTML that follows from the plain text.
package struct AnswerText: Equatable, Sendable {
  /// One line of at most ``subjectScalarsMax`` scalars.
  package let subject: String
  /// Lines end with `\n`; the last one too.
  package let text: String
  /// A whole document.
  package let html: String
  /// Codes of the layout that mean nothing in the service.
  package let unknownCodes: [String]

  /// Scalars of a subject; more are cut off with an ellipsis.
  package static let subjectScalarsMax = 250

  /// The layout that serves where a service has none: no answer is lost for want of a layout.
  package static let builtInLayout = (subject: "[#{serviceName}] #{subject}", body: "#{content}")

  /// Dresses an answer.
  ///
  /// Agents write plain text and layouts are plain text, so the HTML part is the text part with everything escaped: no
  /// value can bring markup in. Values lose their line breaks in the subject, so none can start another header.
  ///
  /// - Parameter fields: the values of the ticket's fields, by their codes; empty for those without one.
  package init(
    subject subjectLayout: String, body bodyLayout: String, values: [ReplacementCode: String],
    fields: [String: String] = [:]
  ) {
    let subject = LayoutText(subjectLayout)
    let body = LayoutText(bodyLayout)
    self.subject = Self.oneLine(subject.filled(with: values, fields: fields))
    var text = body.filled(with: values, fields: fields)
    if text.unicodeScalars.last != "\n" { text.unicodeScalars.append("\n") }
    self.text = text
    html = HTMLText.document(text)
    unknownCodes = Self.unknownCodes(subject, body) { fields[$0] != nil }
  }

  /// The codes of a layout that mean nothing, each once: those of the subject first.
  package static func unknownCodes(
    _ subject: LayoutText, _ body: LayoutText, hasField: (String) -> Bool
  ) -> [String] {
    let first = subject.unknownCodes(hasField: hasField)
    return first + body.unknownCodes(hasField: hasField).filter { !first.contains($0) }
  }

  private static func oneLine(_ text: String) -> String {
    var line = String.UnicodeScalarView()
    var count = 0
    for scalar in text.unicodeScalars {
      let isControl = scalar.properties.generalCategory == .control || scalar == "\u{2028}" || scalar == "\u{2029}"
      if isControl, line.last == " " { continue }
      if count == subjectScalarsMax - 1 {
        line.append("…")
        break
      }
      line.append(isControl ? " " : scalar)
      count += 1
    }
    return String(line)
  }
}

/// HTML derived from plain text.
package enum HTMLText {
  /// Replaces the five characters that mean something in HTML text and attribute values.
  package static func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A document that shows a plain text as it stands: lines are kept, blank lines part paragraphs, leading and doubled
  /// spaces are kept.
  package static func document(_ text: String) -> String {
    var paragraphs: [[String]] = [[]]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.allSatisfy({ $0 == " " || $0 == "\t" }) {
        if paragraphs.last?.isEmpty == false { paragraphs.append([]) }
      } else {
        paragraphs[paragraphs.count - 1].append(escaped(line))
      }
    }
    let body = paragraphs.filter { !$0.isEmpty }
      .map { "<p style=\"white-space:pre-wrap\">\($0.joined(separator: "<br>\n"))</p>\n" }.joined()
    return "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n<body>\n\(body)</body>\n</html>\n"
  }
}
