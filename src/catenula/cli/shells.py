"""Completion in shells that click does not know.

The script of a shell asks the program itself: its words so far come in the environment, and the
answer has a line per candidate. Nothing is run but the tables of commands and options.
"""

import os
from typing import ClassVar

from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

COMPLETE_VARIABLE = "_CATENULA_COMPLETE"
"""Set by the scripts when they ask for candidates."""

_ELVISH = """\
use str
set edit:completion:arg-completer[%(prog_name)s] = {|@words|
    tmp E:%(complete_var)s = elvish_complete
    tmp E:COMP_WORDS = (str:join "\\n" $words)
    %(prog_name)s 2>/dev/null | from-lines | each {|line|
        var kind value help = (str:split &max=3 "\\t" $line)
        if (!=s $kind plain) {
            edit:complete-filename $words[-1]
        } elif (eq $help '') {
            edit:complex-candidate $value
        } else {
            edit:complex-candidate $value &display=$value' ('$help')'
        }
    }
}
"""


class ElvishComplete(ShellComplete):
    """Completion for Elvish: words are separated by line ends, so that none has to be quoted."""

    name: ClassVar[str] = "elvish"
    source_template: ClassVar[str] = _ELVISH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        words = os.environ["COMP_WORDS"].split("\n")
        return words[1:-1], words[-1]

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Kind, value and help, separated by tabs."""
        help_line = " ".join((item.help or "").split())
        return f"{item.type}\t{item.value}\t{help_line}"


def register() -> None:
    """Make click know the shells of this module."""
    add_completion_class(ElvishComplete)
