/// The longest values of a request's fields, in Unicode scalars.
enum FieldLimits {
  /// A ticket's title.
  static let titleCharactersMax = 200
  /// An inquiry as it is created.
  static let inquiryCharactersMax = 5_000
  /// What an agent answers or notes.
  static let answerCharactersMax = 20_000
  /// An inquiry that comes by mail: its writer has filled in no form, and may quote.
  static let mailedInquiryCharactersMax = 50_000
  /// What a customer adds; longer than an inquiry, because replies by mail quote what they answer.
  static let replyCharactersMax = 50_000
  /// A customer's name.
  static let customerNameCharactersMax = 100
  /// The code by which the organization's own systems know a customer.
  static let userCodeCharactersMax = 100
}
