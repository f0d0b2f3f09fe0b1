"""The test ladder of every op: see DESIGN, section 7."""
