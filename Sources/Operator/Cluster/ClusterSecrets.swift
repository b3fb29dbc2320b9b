import Crypto

/// Makes the keys and passwords of an installation, once; what is there stays.
enum ClusterSecrets {
  /// Makes what is missing: the ledger's key, the directory of masking's keys.
  static func prepare(_ directory: DataDirectory) throws(OperatorError) {
    try PrivateFile.makeDirectory(ClusterPlan.maskingKeys(directory), owner: directory.user)
    _ = try secret("\(directory.keys)/ledger-key", directory)
  }

  /// The 64 hexadecimal digits in `path`, made of 32 random bytes when there is no such file.
  static func secret(_ path: String, _ directory: DataDirectory) throws(OperatorError) -> String {
    if let text = try PrivateFile.read(path) { return String(text.prefix { !$0.isWhitespace }) }
    let digits = Hex.encode(SecureRandom.bytes(32))
    try PrivateFile.write("\(digits)\n", to: path, owner: directory.user)
    return digits
  }

  /// A password that people can type: 4 times 4 letters and digits that are not mistaken for one another, 78 bits.
  static func password() -> String {
    let letters = Array("abcdefghjkmnpqrstuvwxyz23456789")
    var text = ""
    while text.count < 19 {
      if text.count % 5 == 4 { text.append("-") }
      // Bytes above the largest multiple are thrown away, so that every letter is as likely.
      guard let byte = SecureRandom.bytes(1).first, Int(byte) < 256 / letters.count * letters.count else { continue }
      text.append(letters[Int(byte) % letters.count])
    }
    return text
  }
}
