"""The parts of `make bench`, in reading order: `peers` (their virtual environment), `measure` (one
process, timed; several, interleaved), one module for each question: `real`, `raw`, `overhead`,
`growth`; `goals` (the figures to reach); `report` (everything as Markdown)."""
