"""`salus explain --now`: the operator's questions, asked afresh by a person, with their rights; nothing is written."""
