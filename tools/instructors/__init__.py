"""The instructors' notes: minutes of each part, tables of docs/instructors and INSTRUCTORS.md, cut lists."""
