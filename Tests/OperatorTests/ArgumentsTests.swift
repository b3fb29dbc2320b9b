import Testing

@testable import Operator

@Suite("The command line of handoff")
struct ArgumentsTests {
  @Test("no words, --help and help ask for the help of all commands", arguments: [[], ["--help"], ["-h"], ["help"]])
  func helpOfAll(words: [String]) throws {
    let arguments = try Arguments(words)
    #expect(arguments.wantsHelp)
    #expect(arguments.command == nil)
  }

  @Test("every command is understood, and so is its --help", arguments: CommandName.allCases)
  func commands(name: CommandName) throws {
    #expect(try Arguments([name.rawValue]).command == name)
    let asked = try Arguments([name.rawValue, "--help"])
    #expect(asked.wantsHelp && asked.command == name)
    #expect(help(for: name).contains(name.summary))
    #expect(help(for: nil).contains(name.summary))
  }

  @Test("options take their value from the next word or after an equals sign")
  func options() throws {
    let arguments = try Arguments(["up", "--data", "/srv/handoff", "--port=0"])
    #expect(arguments.data == "/srv/handoff")
    #expect(arguments.port == 0)
    #expect(try Arguments(["up"]).data == ".handoff")
    #expect(try Arguments(["up"]).port == nil)
    let flagged = try Arguments(["up", "--with-fake-dooray", "--port", "1"])
    #expect(flagged.texts[.withFakeDooray] != nil && flagged.port == 1)
  }

  @Test(
    "a line that is not understood is refused with code 64 and says what would be",
    arguments: [
      (["start"], "Commands: up"), (["up", "--dta", "x"], "--data DIR"), (["up", "--data"], "--data /srv/handoff"),
      (["up", "--port", "99999"], "65535"), (["demo", "--port", "1"], "It takes: --data DIR"),
      (["up", "extra"], "--port PORT"), (["up", "--with-fake-dooray=yes"], "Leave out yes"),
      (["demo", "--with-fake-dooray"], "--edge URL"), (["up", "--data="], "--data /srv/handoff"),
    ])
  func refusals(words: [String], advice: String) {
    let error = #expect(throws: OperatorError.self) { try Arguments(words) }
    #expect(error?.exitCode == 64)
    #expect(error?.advice.contains(advice) == true)
  }
}
