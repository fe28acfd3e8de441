"""Music: harmony, tunes and their tokens, MIDI files and sound."""
