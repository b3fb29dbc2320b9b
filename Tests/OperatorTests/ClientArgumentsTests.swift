import HandoffAPI
import Testing

@testable import Operator

@Suite("The command line of handoff as a client")
struct ClientArgumentsTests {
  @Test("every command has a help with its options, and stands in the help of all", arguments: ClientCommand.allCases)
  func helps(command: ClientCommand) throws {
    #expect(try ClientArguments(command, ["--help"]).wantsHelp)
    let text = ClientArguments.help(for: command)
    #expect(text.contains(command.summary) && text.contains("--session FILE"))
    for option in command.options { #expect(text.contains(option.rawValue) && text.contains(option.summary)) }
    #expect(help(for: nil).contains(command.summary))
    #expect(CommandName(rawValue: command.rawValue) == nil, "two commands of one name")
  }

  @Test("words and options go in any order, and -- ends the options")
  func order() throws {
    let arguments = try ClientArguments(.process, ["42", "--act=comment", "--json", "--text", "a b"])
    #expect(arguments.words == ["42"] && arguments[.act] == "comment" && arguments[.text] == "a b" && arguments.isJSON)
    #expect(try ClientArguments(.batch, ["--act", "hold", "--", "-1", "2"]).words == ["-1", "2"])
    #expect(try ClientArguments(.call, ["GetMe", "-"]).words == ["GetMe", "-"])
    #expect(try ClientArguments(.list, ["--limit", "7"]).number(.limit, 1...10) == 7)
  }

  @Test(
    "a line that is not understood is refused with code 64",
    arguments: [
      (ClientCommand.get, []), (.get, ["1", "2"]), (.list, ["x"]), (.list, ["--act", "hold"]), (.list, ["--menu"]),
      (.list, ["--json=yes"]), (.list, ["--menu="]), (.me, ["--nothing"]), (.completion, []),
    ] as [(ClientCommand, [String])])
  func refusals(command: ClientCommand, words: [String]) {
    let error = #expect(throws: OperatorError.self) { try ClientArguments(command, words) }
    #expect(error?.exitCode == 64)
    #expect(error?.advice.isEmpty == false)
  }

  @Test(
    "columns are as wide as what stands in them, wide letters taking two, and the last is cut at the terminal's end")
  func table() {
    let rows = [["1", "환불", "긴 제목입니다 참으로"], ["22", "a", "x\ty\u{1B}[2J"]]
    #expect(
      TextTable.lines(["N", "NAME", "TITLE"], rows, width: nil) == [
        "N   NAME  TITLE", "1   환불  긴 제목입니다 참으로", "22  a     x y [2J",
      ])
    #expect(TextTable.lines(["N", "NAME", "TITLE"], rows, width: 20)[1] == "1   환불  긴 제목입…")
    #expect(TextTable.displayWidth("e\u{301}🧑") == 3)
  }

  @Test("the bar fills with what has ended")
  func bar() {
    let batch = Batch(ticketCount: 10, succeededCount: 3, failedCount: 1, cancelledCount: 1)
    #expect(Client.bar(batch) == "[###############               ] 5 of 10, 1 not done")
    #expect(Client.bar(Batch()) == "[\(String(repeating: " ", count: 30))] 0 of 0")
  }

  @Test("the completions of the shells know every command and option")
  func completion() throws {
    for shell in ["bash", "zsh", "fish"] {
      let script = try Completion.script(for: shell)
      for command in ClientCommand.allCases { #expect(script.contains(command.rawValue), "\(shell)") }
      for option in ClientOption.allCases { #expect(script.contains(option.rawValue.dropFirst(2)), "\(shell)") }
    }
    #expect(throws: OperatorError.self) { try Completion.script(for: "csh") }
  }
}
