import Glibc
import Operator

exit(await runOperator(Array(CommandLine.arguments.dropFirst())))
