"""The tokenizer against the compiled ones: the table of speed and memory, each row with its target.

    python benchmarks/tokenizer.py --corpora FOLDER [--data FOLDER] [--rows 1,5,7] [--repeat 3] [--quick] [--markdown]

 1. train 32k on 110 MB       Hugging Face tokenizers, same merges    6. encode it again  tiktoken, Hugging Face
 2. the same on 10 MB         the same                                7. long words       limits; tiktoken beside
 3. train 32k on 110 MB       rustbpe and MiniBpeRust                 8. short strings    tiktoken
 4. peak memory of training   Hugging Face                            9. decode           tiktoken
 5. encode 10 MB, first time  tiktoken, same ids                     10. two workers      one worker

--corpora holds en100.txt (110 MB of English), en10.txt and multi10.txt (10 MB of English and of many languages):
any such UTF-8 texts do, with <|endoftext|> between documents. --data holds r50k_base.tiktoken and
cl100k_base.tiktoken as OpenAI published them. A row whose file or peer is missing says so and is skipped. Row 4 puts
450 MB of copies into the system's temporary folder for as long as the script runs.

Both sides run in turns, pinned to one thread; figures are medians. Times are of CPU, with wall time in brackets;
ratios are of CPU time, but of wall time for row 10. Where memory is measured, each run is a process of its own.
Merges and ids are compared before a figure is made of them; where they differ, the row says so and the exit status
is 1. A missed target does not change it. Takes some 15 minutes; --quick shows in one that all works, and its figures
mean nothing.
"""

import argparse
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# This file bears the name of the package that it measures: so the folder must be searched last, by every script in it.
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER), str(FOLDER)]
if __name__ == "tokenizer":  # another script here imports the package, and has found this file first: give it that
    del sys.modules["tokenizer"]
    __import__("tokenizer")

DATA = FOLDER.parents[1] / "shared" / "data"


def row_numbers(text: str) -> list[int]:
    """The numbers in "1,5,7", all of them rows."""
    from benchmarks.tokenizer_rows import ROWS

    numbers = [int(number) for number in text.split(",")]
    if unknown := [number for number in numbers if number not in ROWS]:
        raise argparse.ArgumentTypeError(f"there is no row {unknown[0]}; rows are 1 to {max(ROWS)}")
    return numbers


def main() -> int:
    from benchmarks.tokenizer_report import markdown, plain, surroundings
    from benchmarks.tokenizer_rows import ROWS, Bench, lines

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="folder of en100.txt, en10.txt and multi10.txt")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of r50k_base.tiktoken and cl100k_base.tiktoken")
    parser.add_argument("--rows", type=row_numbers, default=list(ROWS), help="which rows, as 1,5,7; default: all")
    parser.add_argument("--repeat", type=int, help="runs that a median is of; default: 3, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="small slices, to see that everything works")
    parser.add_argument("--markdown", action="store_true", help="print what goes into benchmarks/README.md")
    arguments = parser.parse_args()
    repeat = arguments.repeat if arguments.repeat is not None else 1 if arguments.quick else 3
    if repeat < 1:
        parser.error(f"--repeat: expected 1 or more, got {repeat}")
    table = []
    with Bench(arguments.corpora.resolve(), arguments.data.resolve(), repeat, arguments.quick) as bench:
        for number in arguments.rows:
            table += lines(bench, number)
    if arguments.quick:
        print("--quick: small slices; these figures mean nothing.\n")
    show = markdown if arguments.markdown else plain
    print(surroundings(FOLDER.parent) + "\n")
    print(show(table))
    return 1 if any(line.unequal for line in table) else 0


if __name__ == "__main__":
    sys.exit(main())
