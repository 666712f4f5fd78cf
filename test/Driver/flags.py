# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/CommandLine.md has every flag that the tools' help has, and no other; values and exit
codes are as it says, and the examples of all pages use flags that there are.

    python test/Driver/flags.py BUILD_DIR
"""
import re

import harness

PAGE = harness.ROOT / "docs/CommandLine.md"
FLAG = re.compile(r"(?<![\w-])--?[a-z][\w-]*")
COMMANDS = ("train", "eval", "inspect", "compare", "export", "export-ort-checkpoint")


def code(text):
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", text.replace(r"\|", "|"))


def names(words):
    return {FLAG.match(word).group() for word in words}


class Flags(harness.Case):
    @classmethod
    def setUpClass(cls):
        text = PAGE.read_text()
        compiler, runner = re.split(r"^## .*\n", text, flags=re.MULTILINE)[1:]
        cls.paragraph = compiler.rstrip().splitlines()[-1]
        rows = [[re.split(r"(?<!\\)\|", line)[1:-1] for line in part.splitlines()
                 if line.startswith("| `")] for part in (compiler, runner)]
        cls.compiler = [flag for row in rows[0] for flag in code(row[0])]
        cls.runner = [(flag, row[1]) for row in rows[1] for flag in code(row[0])]

    def help(self, tool, *arguments):
        done = self.build.call(self.build.bin / tool, arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.findall(r"^ +(-\S+)", done.stdout, re.MULTILINE)

    def test_compiler(self):
        self.assertEqual(names(self.compiler), names(self.help("ampc", "--help")))

    def test_runner(self):
        for command in COMMANDS:
            with self.subTest(command):
                documented = [flag for flag, of in self.runner
                              if command in of.strip().split(", ")]
                self.assertEqual(sorted(documented),
                                 sorted(self.help("ampc-run", command, "--help")))

    def test_values(self):
        """All values that the page lists are taken; another one is not."""
        listed = [flag.split("=", 1) for flag in self.compiler if "|" in flag]
        self.assertGreater(len(listed), 8)
        for flag, values in listed:
            takes_others = (sum(other.startswith(flag + "=") for other in self.compiler) > 1 or
                            flag in ("--loss", "--optimizer"))  # these are asked for when needed
            for value in [*values.split("|"), "other"]:
                if value == "other" and takes_others:
                    continue
                with self.subTest(f"{flag}={value}"):
                    done = self.build.ampc("--list-ops", f"{flag}={value}")
                    self.assertEqual(done.returncode, 2 if value == "other" else 0, done.stderr)

    def test_examples(self):
        known = {"ampc": names(self.help("ampc", "--help-hidden")),
                 "ampc-run": names(flag for flag, _ in self.runner) | {"--help", "--version"}}
        pages = [harness.ROOT / "README.md", *harness.ROOT.glob("docs/*.md"),
                 *harness.ROOT.glob("examples/**/*.md")]
        calls = [call for page in pages for call in
                 re.findall(r"^(?:\$ )?(ampc(?:-run)?) (.*)$", page.read_text(), re.MULTILINE)]
        self.assertGreater(len(calls), 6)
        for tool, arguments in calls:
            with self.subTest(f"{tool} {arguments}"):
                self.assertLessEqual(set(FLAG.findall(arguments.split("#")[0])), known[tool])


if __name__ == "__main__":
    harness.main()
