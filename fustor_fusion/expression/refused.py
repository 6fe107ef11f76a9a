"""Words of GNU find that are not taken, each with what to do instead. Pure."""

from typing import Final

_ACCESS: Final = "times of access are not indexed"
_LINKS: Final = "symbolic links are never followed, and their targets are not indexed"
_RUNS: Final = "nothing is run from here: pipe -print0 into `xargs -0`"
_FILES: Final = "redirect standard output instead"
_RIGHTS: Final = "what the present user may do is known to the file system only; -perm compares the bits"
_MOUNTS: Final = "the agent's settings say which file systems are indexed (`cross_mounts`)"
_ORDER: Final = "entries come in no promised order"
_REGEX: Final = "-regex takes find's default syntax"

REFUSED: Final[dict[str, tuple[str, int]]] = {
    **dict.fromkeys(("-exec", "-execdir", "-ok", "-okdir"), (_RUNS, 0)),
    "-delete": ("fusion only reads: pipe -print0 into `xargs -0 rm --`", 0),
    **dict.fromkeys(("-fprint", "-fprint0", "-fls", "-fprintf"), (_FILES, 1)),
    **dict.fromkeys(("-amin", "-atime", "-anewer", "-used", "-neweraa", "-newerac", "-neweram", "-newerat"), (_ACCESS, 1)),
    **dict.fromkeys(("-newerma", "-newerca"), (_ACCESS, 1)),
    **dict.fromkeys(("-newermB", "-newercB", "-newerBm", "-newerBc", "-newerBt"), ("times of birth are not indexed", 1)),
    **dict.fromkeys(("-L", "-H", "-follow"), (_LINKS, 0)),
    **dict.fromkeys(("-lname", "-ilname", "-xtype"), (_LINKS, 1)),
    "-P": ("symbolic links are never followed anyway: leave it out", 0),
    **dict.fromkeys(("-readable", "-writable", "-executable"), (_RIGHTS, 0)),
    **dict.fromkeys(("-xdev", "-mount"), (_MOUNTS, 0)),
    "-fstype": ("types of file systems are not indexed", 1),
    "-context": ("security contexts are not indexed", 1),
    **dict.fromkeys(("-depth", "-d"), (_ORDER, 0)),
    "-files0-from": ("give the paths on the command line", 1),
    "-daystart": ("give the time itself: -newermt 2024-02-29", 0),
    "-regextype": (_REGEX, 1),
    "-iregex": (f"{_REGEX}; -iname and -ipath ignore case", 1),
    "-samefile": ("-inum compares inode numbers", 1),
    **dict.fromkeys(("-nouser", "-nogroup"), ("-uid and -gid compare numbers", 0)),
    **dict.fromkeys(
        ("-noleaf", "-warn", "-nowarn", "-ignore_readdir_race", "-noignore_readdir_race"), ("it changes nothing here: leave it out", 0)
    ),
    **dict.fromkeys(("-help", "-version", "-h"), ("`fustor find --help`, `fustor --version`", 0)),
}
"""Why, and how many arguments it takes (so that an argument is not taken for a path)."""
