/// Which of a service's layouts dresses a mail.
package enum LayoutChoice {
  /// Picks the layout for an answer: the first kind that the language has, then the next language.
  ///
  /// A ticket written down by hand prefers `MANUAL` and takes the act's own kind when there is none. The ticket's
  /// language counts before the kind (a customer who wrote in English is better served by the ordinary English layout
  /// than by a Korean one made for such tickets), then the service's language, then any, in the order of the language
  /// codes.
  ///
  /// - Parameter layouts: the kinds and languages there are; at most one of each pair.
  /// - Returns: the index into `layouts`, or nil when none is of a kind that would do.
  package static func index(
    among layouts: [(kind: LayoutKind, language: String)], for kind: LayoutKind, isHandCreated: Bool,
    ticketLanguage: String, serviceLanguage: String
  ) -> Int? {
    let kinds = isHandCreated && kind != .manual ? [.manual, kind] : [kind]
    let others = Set(layouts.map(\.language)).subtracting([ticketLanguage, serviceLanguage]).sorted()
    for language in [ticketLanguage, serviceLanguage] + others {
      for kind in kinds {
        if let index = layouts.firstIndex(where: { $0.kind == kind && $0.language == language }) { return index }
      }
    }
    return nil
  }
}
