/// Text of the form `format=flowed` (RFC 3676), in which a line that ends with a space goes on in the next one.
package enum FlowedText {
  /// Joins the lines that belong together; the marks of quotation stay, one `>` for each level and a space.
  ///
  /// - Parameter deletesSpace: `delsp=yes`: the space at the end of a line is not part of the text.
  package static func unfolded(_ text: String, deletesSpace: Bool) -> String {
    var result: [Substring.UnicodeScalarView] = []
    var paragraph = Substring.UnicodeScalarView()
    // Counted along: counting it anew for each line would take as long as the square of the text.
    var paragraphScalars = 0
    var depth = 0
    var goesOn = false
    func end() {
      guard goesOn else { return }
      result.append(paragraph)
      goesOn = false
    }
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
      var content = line
      if content.last == "\r" { content.removeLast() }
      let marks = content.prefix { $0 == ">" }.count
      content = content.dropFirst(marks)
      // A space that was put before a line so that it does not look like a mark of quotation.
      if content.first == " " { content = content.dropFirst() }
      if goesOn, marks != depth { end() }
      // The line above a signature never flows, however it ends.
      let isSignature = content.elementsEqual("-- ".unicodeScalars)
      if isSignature { end() }
      var isFlowed = content.last == " " && !isSignature
      if isFlowed, deletesSpace { content.removeLast() }
      if goesOn {
        paragraph.append(contentsOf: content)
      } else {
        paragraph = Substring.UnicodeScalarView()
        paragraphScalars = 0
        if marks > 0 {
          paragraph.append(contentsOf: repeatElement(">", count: marks))
          paragraph.append(" ")
        }
        paragraph.append(contentsOf: content)
        depth = marks
      }
      paragraphScalars += content.count
      if paragraphScalars > paragraphScalarsMax { isFlowed = false }
      goesOn = true
      if !isFlowed { end() }
    }
    end()
    return result.map { String($0) }.joined(separator: "\n")
  }

  /// A longer paragraph ends at the next line, so that joining stays linear in the text.
  private static let paragraphScalarsMax = 10_000
}
