"""Floor 6: records and steps as pictures and text; computes nothing, prints nothing."""
